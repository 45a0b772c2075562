"""E-mails that many share: one template per language, variant and shape, and what differs in named places.

A shape is how the branches of a message fall for a learner: with or without a name, the first-steps block, so many
items. Of each shape the message is rendered once, with a tag wherever a learner's own text stands; afterwards a learner
costs only those texts. The rendering itself is :mod:`content.render`'s; whoever cannot share gets a body of their own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import Template, nodes
from jinja2 import TemplateError as JinjaError
from markupsafe import escape

from content.brand import Sender
from content.facts import FACT_NAMES, FactError, ItemView, item_views, reader
from content.locale import Locale
from content.templating import CONTROL, ITEM_FIELDS, MAX_OUTPUT, Context, TemplateError, environment, fill
from pushpull.ledger.messages import EmailTemplate, MessageFacts, SharedEmail

#: Shapes of one message that get a template of their own; what has more is not worth sharing.
MAX_SHAPES = 64

_FLAGS = ("first_contact", "is_last_nudge", "is_overdue")
_LINKS = frozenset({"link", "unsubscribe_url", "preferences_url"})
_TEXTS = ("given_name", "place_title", "item_title", "item_minutes", "due_day", "due_in")
_SPECIAL = re.compile("[&<>\"']")


@dataclass(frozen=True, slots=True)
class Parts:
    """A message's templates, sources beside them, and what is the same for every learner.

    Args:
        fixed: placeholders with one value for everybody.
        topics: titles of trends by tag, for reasons.
        longest_subject: in characters; a longer one is cut, and then not shared.
    """

    subject: Template
    html: Template
    text: Template
    sources: tuple[str, str, str]
    fixed: Mapping[str, Any]
    locale: Locale
    topics: Mapping[str, str]
    sender: Sender
    is_mandatory: bool
    longest_subject: int


@dataclass(frozen=True, slots=True)
class _Shape:
    """One template, and where its values come from.

    Args:
        as_is, escaped: which of a learner's texts fill the tags, in order; escaped ones stand in HTML.
        in_subject: which of them stand in the subject.
        longest: most often a tag occurs in one part, for the bound on the whole.
    """

    template: EmailTemplate
    as_is: tuple[int, ...]
    escaped: tuple[int, ...]
    in_subject: tuple[int, ...]
    room_in_subject: int
    longest: int
    room: int


def can_share(parts: Parts) -> bool:
    """Whether what a message says about a learner is only written down or asked for, never computed with.

    A filter or a comparison needs the text itself, and a tag stands in its place.
    """
    contexts = (Context.TEXT, Context.HTML, Context.TEXT)
    for source, context in zip(parts.sources, contexts, strict=True):
        tree = environment(context).parse(source)
        for node in tree.find_all((nodes.Filter, nodes.Compare)):
            names = {each.name for each in (*node.find_all(nodes.Name),)}
            if not names <= {*parts.fixed, *_FLAGS, "loop"}:
                return False
    return True


class SharedMessage:
    """One message in one language and variant, filled for learner after learner.

    Args:
        names: the placeholders that the message uses.
    """

    def __init__(self, parts: Parts, names: Collection[str]) -> None:
        self._parts = parts
        self._flags: list[Callable[[MessageFacts, Locale], Any]] = [reader(name) for name in _FLAGS if name in names]
        self._flag_names = [name for name in _FLAGS if name in names]
        # The link that opts out also stands in the head of every e-mail, used or not.
        links = sorted(_LINKS & {*names, "unsubscribe_url"})
        self._texts = [*links, *(name for name in _TEXTS if name in names)]
        self._links = len(links)
        self._readers = [reader(name) for name in self._texts]
        self._opt_out = self._texts.index("unsubscribe_url")
        self._has_items = "items" in names
        self._fields = sorted(_fields(parts.sources[1:])) if self._has_items else []
        self._mark = _mark(parts)
        self._shapes: dict[tuple[bool, ...], _Shape | None] = {}
        assert {*self._texts, *self._flag_names} <= FACT_NAMES

    def fill(self, facts: MessageFacts) -> SharedEmail | None:
        """The message as one learner gets it; None where they need a body of their own."""
        parts = self._parts
        locale = parts.locale
        try:
            texts: list[str] = [read(facts, locale) for read in self._readers]
            flags = [read(facts, locale) for read in self._flags]
            if self._has_items:
                views = item_views(facts, locale, parts.topics)
                texts += [getattr(view, field) for view in views for field in self._fields]
        except FactError:
            return None
        if parts.is_mandatory:
            texts[self._opt_out] = ""
        shape = self._shape_of(texts, flags)
        if shape is None or not self._fits(shape, texts):
            return None
        values = [texts[at] for at in shape.as_is]
        if shape.escaped:
            values += [_escaped(texts[at]) for at in shape.escaped]
        return SharedEmail(shape.template, dict(zip(shape.template.tags, values, strict=True)), texts[self._opt_out])

    def _shape_of(self, texts: list[str], flags: list[bool]) -> _Shape | None:
        key = (*map(bool, texts), *flags)
        if key not in self._shapes:
            if len(self._shapes) >= MAX_SHAPES:
                return None
            self._shapes[key] = self._shape(texts, flags)
        return self._shapes[key]

    def _fits(self, shape: _Shape, texts: list[str]) -> bool:
        """Whether filling the template does what rendering the message would do."""
        together = "\n".join(texts)
        # What a learner is called must never be taken for a place, and nothing be longer than it may.
        if self._mark in together or len(together) * shape.longest > shape.room:
            return False
        # A link is written once for both parts, which only works where nothing is escaped.
        if any(_SPECIAL.search(texts[at]) for at in range(self._links)):
            return False
        if not shape.in_subject:
            return True
        inside = "".join([texts[at] for at in shape.in_subject])
        return len(inside) * shape.longest <= shape.room_in_subject and not CONTROL.search(inside)

    def _shape(self, texts: list[str], flags: list[bool]) -> _Shape | None:
        """The template of everybody for whom the same texts are there; None where it cannot be made."""
        parts = self._parts
        plain = [self._tag("t", at) if text else "" for at, text in enumerate(texts)]
        marked = [tag if at < self._links else tag.replace("t", "h", 1) for at, tag in enumerate(plain)]
        try:
            subject = fill(parts.subject, self._values(plain, flags))
            html = fill(parts.html, self._values(marked, flags))
            text = fill(parts.text, self._values(plain, flags))
        except (JinjaError, TemplateError, TypeError):
            return None
        if CONTROL.search(subject) or len(subject) > parts.longest_subject:
            return None
        in_text = [tag in subject or tag in text or (tag == marked[at] and tag in html) for at, tag in enumerate(plain)]
        as_is = [at for at, tag in enumerate(plain) if tag and in_text[at]]
        escaped = [at for at, tag in enumerate(marked) if tag and tag != plain[at] and tag in html]
        in_subject = [at for at, tag in enumerate(plain) if tag and tag in subject]
        tags = (*(plain[at] for at in as_is), *(marked[at] for at in escaped))
        often = max((part.count(tag) for tag in tags for part in (subject, html, text)), default=1)
        sender = parts.sender
        return _Shape(
            template=EmailTemplate(
                subject=subject,
                html=html,
                text=text,
                sender_name=sender.name,
                sender_address=sender.address,
                tags=tags,
                reply_to=sender.reply_to,
            ),
            as_is=tuple(as_is),
            escaped=tuple(escaped),
            in_subject=tuple(in_subject),
            # Counted as if a tag took no room: the bound is on the safe side.
            room_in_subject=parts.longest_subject - len(subject),
            longest=often,
            # An escaped character takes at most five.
            room=(MAX_OUTPUT - max(len(html), len(text))) // 5,
        )

    def _tag(self, kind: str, at: int) -> str:
        return f"{kind}{self._mark}{at:03}z"

    def _values(self, texts: list[str], flags: list[bool]) -> dict[str, Any]:
        values = dict(self._parts.fixed)
        values.update(zip(self._texts, texts, strict=False))
        values.update(zip(self._flag_names, flags, strict=True))
        if self._has_items:
            rest, width = texts[len(self._texts) :], len(self._fields)
            blank = dict.fromkeys(ITEM_FIELDS, "")
            values["items"] = [
                ItemView(**blank | dict(zip(self._fields, rest[start : start + width], strict=True)))
                for start in range(0, len(rest), width)
            ]
        return values


def _escaped(text: str) -> str:
    return str(escape(text)) if _SPECIAL.search(text) else text


def _fields(sources: Iterable[str]) -> set[str]:
    """The fields of items that templates use; at least one, so that items are counted by it."""
    used = {"title"}
    for source in sources:
        tree = environment(Context.HTML).parse(source)
        used |= {node.attr for node in tree.find_all(nodes.Getattr)} & ITEM_FIELDS
    return used


def _mark(parts: Parts) -> str:
    """What tags begin with: found nowhere in the message, and the same whenever the message is."""
    known = "\n".join([*parts.sources, *map(str, parts.fixed.values())])
    mark = ""
    while not mark or mark in known:
        mark = f"pp{hashlib.sha256((known + mark).encode()).hexdigest()[:10]}x"
    return mark
