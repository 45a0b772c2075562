"""From words and layouts to learners' templates: what is the same for everyone is written in once, here.

A layout (`templates/layouts`) has two kinds of tags. ``[[ … ]]`` and ``[% … %]`` are filled here, once per message,
language, variant and brand; ``{{ … }}`` and ``{% … %}`` stay and are filled per learner by :mod:`content.render`.
MJML is compiled in between, so that no recipient pays for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, Template
from jinja2 import TemplateError as JinjaError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup
from mjml import mjml2html

from content.brand import Brand
from content.cards import card_template, read_layout
from content.locale import Locale
from content.message import MessageFile, Words
from content.source import ContentError, Problem
from content.templating import WORD_NAMES, Context, TemplateError, check, literals_for, rewrite

FOLDER = Path("templates") / "layouts"
_PLACE = "PUSHPULLTAG{}END"
#: Where white space means nothing in HTML: before a table, a row or a cell.
_BETWEEN_CELLS = re.compile(r"(?<=>)(?=<t(?:able|r|d)\b)")
_PLACES = re.compile(r"PUSHPULLTAG(\d+)END")


@dataclass(frozen=True, slots=True)
class Copy:
    """All that is known of a message before a learner is: its words, its brand, its language."""

    file: MessageFile
    words: Words
    brand: Brand
    locale: Locale
    is_mandatory: bool

    def phrases(self, context: Context) -> dict[str, Any]:
        """What ``[[ … ]]`` may name: words as learners' templates for the context, the rest as plain text."""
        locale, brand, language = self.locale, self.brand, self.locale.language

        def words(text: str) -> str:
            source = _checked(" ".join(text.split()))
            # A string of a card is escaped as a whole, later.
            return Markup(literals_for(source, context)) if context is Context.HTML else source  # noqa: S704  literals are escaped

        def plain(text: str) -> str:
            # Text that is no template must not become one.
            return text.replace("{{", "{ {").replace("{%", "{ %").replace("{#", "{ #")

        greeting = locale.greeting
        named = plain(greeting.named).replace("{name}", "{{ given_name }}")
        hello = "{% if given_name %}" + named + "{% else %}" + plain(greeting.plain) + "{% endif %}"
        return {
            "language": language,
            "subject": words(self.words.subject),
            "preheader": words(self.words.preheader),
            "headline": words(self.words.headline),
            "body": [words(paragraph) for paragraph in self.words.body],
            "call_to_action": words(self.words.call_to_action[0]),
            "sms": words(self.words.sms),
            "greeting": Markup(literals_for(hello, context)) if context is Context.HTML else hello,  # noqa: S704  escaped
            "start_title": plain(locale.start_block.title),
            "start_steps": [plain(step) for step in locale.start_block.steps],
            "open_item": plain(locale.open_item),
            "sms_stop": "" if self.is_mandatory else plain(locale.sms_stop),
            "sign_off": plain(_spoken(brand.sign_off, language)),
            "postal": plain(_spoken(brand.footer, language)),
            "why": plain(locale.footer.why.replace("{brand}", brand.name)),
            "preferences": plain(locale.footer.preferences),
            "unsubscribe": plain(locale.footer.unsubscribe),
            "brand_name": plain(brand.name),
            "mark": plain(brand.mark.text),
            "colours": brand.colours.model_dump(),
            "shows_start_block": self.file.start_block,
            "shows_items": self.file.shows_items,
        }


def html_source(copy: Copy, content_dir: Path) -> str:
    """The learners' template of the e-mail's HTML.

    Raises:
        ContentError: the layout is missing or no valid MJML.
        TemplateError: words or layout use what they must not.
    """
    path = content_dir / FOLDER / "email.mjml.j2"
    source = _build(_read(path), copy.phrases(Context.HTML), autoescape=True, path=path)
    tags: list[str] = []

    def place(tag: str) -> str:
        tags.append(tag)
        return _PLACE.format(len(tags) - 1)

    if _PLACES.search(source):
        raise TemplateError("contains a reserved word, PUSHPULLTAG")
    marked = rewrite(source, literal=str, tag=place)
    try:
        html = _html_of(marked)
    except Exception as error:  # the engine raises what its parser raises
        raise ContentError([Problem(path, 1, "", f"is not valid MJML: {str(error)[:200]}")]) from error
    # MJML writes one line; mail allows 998 octets (RFC 5322, 2.1.1), and longer lines would have to travel as base64.
    lines = _BETWEEN_CELLS.sub("\n", html)
    return _PLACES.sub(lambda found: tags[int(found[1])], lines)


@lru_cache(maxsize=256)
def _html_of(mjml: str) -> str:
    return str(mjml2html(mjml, fonts={}, disable_comments=True))


@lru_cache(maxsize=2048)
def _checked(source: str) -> str:
    """An author's words, which stand in many a message and channel and are looked at once."""
    check(source, names=WORD_NAMES)
    return source


def text_source(copy: Copy, content_dir: Path, *, name: str) -> str:
    """The learners' template of a plain text: ``email.txt.j2`` or ``sms.txt.j2``.

    Raises:
        ContentError: the layout is missing or wrong.
        TemplateError: words or layout use what they must not.
    """
    path = content_dir / FOLDER / name
    return _build(_read(path), copy.phrases(Context.TEXT), autoescape=False, path=path)


def card_source(copy: Copy, content_dir: Path, *, name: str) -> str:
    """The learners' template of a card's JSON: ``teams.json`` or ``slack.json``.

    Raises:
        ContentError: the layout is missing or no JSON.
        TemplateError: words or layout use what they must not.
    """
    path = content_dir / FOLDER / name
    known = copy.phrases(Context.JSON)

    def build(text: str, scope: Mapping[str, Any]) -> str:
        return _build(text, scope, autoescape=False, path=path) if "[[" in text or "[%" in text else text

    return card_template(read_layout(path), build, known)


def _build(source: str, phrases: Mapping[str, Any], *, autoescape: bool, path: Path) -> str:
    try:
        return _layout(source, autoescape).render(phrases)
    except JinjaError as error:
        line = getattr(error, "lineno", None) or 1
        raise ContentError([Problem(path, line, "", f"cannot be laid out: {error}")]) from error


@lru_cache(maxsize=256)
def _layout(source: str, autoescape: bool) -> Template:
    environment = ImmutableSandboxedEnvironment(
        variable_start_string="[[",
        variable_end_string="]]",
        block_start_string="[%",
        block_end_string="%]",
        comment_start_string="[#",
        comment_end_string="#]",
        autoescape=autoescape,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        cache_size=0,
    )
    environment.globals.clear()
    environment.filters.clear()
    return environment.from_string(source)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ContentError([Problem(path, 1, "", f"cannot be read: {error}")]) from error


def _spoken(lines: Mapping[str, str], language: str) -> str:
    """The line in the language, else in English, else in any."""
    return lines.get(language) or lines.get("en") or next(iter(lines.values()))
