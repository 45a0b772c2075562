"""The linter's rules over a whole content folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, select

from content.brand import MINIMUM_CONTRAST, Brand, contrast, load_brand
from content.campaign import Campaign, campaign_keys, is_safe, load_campaign
from content.facts import values_for
from content.lint.copywriting import (
    SUBJECT_LIMIT,
    WORD_LIMIT,
    WordList,
    found_in,
    lix,
    load_wordlist,
    phrases,
    words_in,
)
from content.lint.findings import Finding, error, of_problem, warning
from content.locale import load_locale
from content.message import STANDARD, Message, Words, load_message, message_keys
from content.render import Renderer, RenderError
from content.samples import EXTREMES, ORDINARY
from content.sms import GSM7
from content.source import ContentError, Place, Source, read_yaml
from content.templating import WORD_NAMES, Context, TemplateError, check, compile_template, fill, names_in, rewrite
from content.trend import Trend, load_trend
from pushpull.catalogue.tables import item
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.messages import EmailBody
from pushpull.ledger.vocabulary import MessageClass, Touch

#: What a message that is the same for everyone may still say about a learner (mission L1).
_UNIFORM_NAMES = frozenset(
    {"given_name", "first_contact", "brand_name", "campaign_name", "trend_title", "trend_teaser"}
)
#: Largest HTML of an e-mail, in bytes.
_HTML_LIMIT = 20_000
#: How far the planned mix of a stage may be from its waves, in percentage points.
_MIX_TOLERANCE = 20
_ADDRESS = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_FOOTNOTE = re.compile(r"\w\*(?!\w)|^\s*\*|[¹²³†‡]")

Loaded = TypeVar("Loaded")


@dataclass
class _Content:
    """Everything readable in the folder, and what is wrong with the rest."""

    folder: Path
    findings: list[Finding] = field(default_factory=list)
    messages: dict[str, Message] = field(default_factory=dict)
    brands: dict[str, Brand] = field(default_factory=dict)
    trends: dict[str, Trend] = field(default_factory=dict)
    campaigns: dict[str, Campaign] = field(default_factory=dict)
    wordlists: dict[str, WordList | None] = field(default_factory=dict)

    def read(self) -> None:
        """Read all files; what cannot be read becomes findings."""
        self._read_each(self._stems("brands"), self.brands, load_brand)
        self._read_each(self._stems("trends"), self.trends, load_trend)
        self._read_each(list(message_keys(self.folder)), self.messages, load_message)
        self._read_each(list(campaign_keys(self.folder)), self.campaigns, load_campaign)
        for language in sorted({each for message in self.messages.values() for each in message.languages}):
            try:
                self.wordlists[language] = load_wordlist(language, self.folder)
                load_locale(language, self.folder)
            except ContentError as problems:
                self.findings += map(of_problem, problems.problems)

    def _stems(self, folder: str) -> list[str]:
        return [path.stem for path in sorted((self.folder / folder).glob("*.yaml"))]

    def _read_each(self, keys: list[str], into: dict[str, Loaded], load: Callable[[str, Path], Loaded]) -> None:
        for key in keys:
            try:
                into[key] = load(key, self.folder)
            except ContentError as problems:
                self.findings += map(of_problem, problems.problems)


def lint_content(content_dir: Path, *, connection: Connection | None = None) -> list[Finding]:
    """All findings of a content folder, each once, by file and line.

    Args:
        connection: of a database with a catalogue, to check that the campaigns' items exist.
    """
    content = _Content(content_dir)
    content.read()
    findings = content.findings
    for brand in content.brands.values():
        findings += _brand(brand, content)
    for trend in content.trends.values():
        findings += _trend(trend, content)
    for message in content.messages.values():
        findings += _message(message, content)
    for campaign in content.campaigns.values():
        findings += _campaign(campaign, content)
        if connection is not None:
            findings += _items(campaign, content, connection)
    return sorted(set(findings), key=lambda each: (str(each.file), each.line, each.rule, each.message))


def _brand(brand: Brand, content: _Content) -> Iterator[Finding]:
    source = read_yaml(content.folder / "brands" / f"{brand.key}.yaml")
    for text, background in brand.colours.pairs():
        ratio = contrast(getattr(brand.colours, text), getattr(brand.colours, background))
        if ratio < MINIMUM_CONTRAST:
            said = f"{text} on {background} has a contrast of {ratio:.2f}; WCAG 2.2 AA asks for {MINIMUM_CONTRAST}"
            yield error(source, ("colours", text), "contrast", said)
    for language in content.wordlists:
        for name in ("sign_off", "footer"):
            if language not in getattr(brand, name):
                yield warning(source, (name,), "missing-language", f"has no words in {language!r}")


def _trend(trend: Trend, content: _Content) -> Iterator[Finding]:
    source = read_yaml(content.folder / "trends" / f"{trend.key}.yaml")
    for language in content.wordlists:
        if language not in trend.words:
            yield error(source, ("words",), "missing-language", f"has no words in {language!r}")
    for language, words in trend.words.items():
        for name in ("title", "teaser"):
            place = ("words", language, name)
            yield from _phrases(getattr(words, name), source, place, content.wordlists.get(language))


def _message(message: Message, content: _Content) -> Iterator[Finding]:
    main = message.sources[""]
    if len(message.file.purpose) != 1:
        said = f"has {len(message.file.purpose)} purposes; a message has one: make two messages of it"
        yield error(main, ("purpose",), "one-purpose", said)
    for language in content.wordlists:
        if language not in message.languages:
            yield error(main, (), "missing-language", f"is missing in {language!r}; write {language}.yaml")
    for language, words in message.languages.items():
        source = message.sources[language]
        yield from _words(message, words, source, (), content, language)
        for name, variant in words.variants.items():
            varied = message.words(language, name)
            own = frozenset(variant.model_dump(exclude_none=True))
            yield from _words(message, varied, source, ("variants", name), content, language, fields=own)
        for name in message.variants:
            if name != STANDARD and name not in words.variants:
                yield error(source, ("variants",), "missing-variant", f"has no variant {name!r}, other languages have")


def _words(
    message: Message,
    words: Words,
    source: Source,
    place: Place,
    content: _Content,
    language: str,
    *,
    fields: frozenset[str] | None = None,
) -> Iterator[Finding]:
    """Findings of one language and variant; ``fields`` are those that the variant says itself."""
    broken = False
    for name, at, text in _texts(words):
        if fields is not None and name not in fields:
            continue
        here: Place = (*place, name, *at)
        try:
            check(text)
        except TemplateError as problem:
            broken = True
            yield error(source, here, "template", problem.message)
            continue
        extra = names_in(text) - _UNIFORM_NAMES
        if message.file.uniform and extra:
            said = f"differs from learner to learner by {', '.join(sorted(extra))}, but the message is uniform"
            yield error(source, here, "uniform", said)
        literal = rewrite(text, literal=str, tag=lambda _: " ")
        yield from _phrases(literal, source, here, content.wordlists.get(language))
        if name == "sms" and (strange := sorted(set(literal) - GSM7)):
            said = f"{' '.join(strange)} would cut a text message to 70 characters; use other words"
            yield error(source, here, "sms-alphabet", said)
    if len(words.call_to_action) != 1 and (fields is None or "call_to_action" in fields):
        said = f"has {len(words.call_to_action)} calls to action; a message has exactly one"
        yield error(source, (*place, "call_to_action"), "one-call-to-action", said)
    if not words.sms and Channel.SMS in message.file.channels:
        yield error(
            source, (*place, "sms"), "missing-channel", "is missing although the message exists as a text message"
        )
    if not broken and (fields is None or "body" in fields or "subject" in fields):
        yield from _reading(words, source, place, content, language)


def _reading(words: Words, source: Source, place: Place, content: _Content, language: str) -> Iterator[Finding]:
    """How long and how hard it is, as an ordinary learner reads it."""
    try:
        locale = load_locale(language, content.folder)
    except ContentError:
        return  # already a finding
    values = values_for(ORDINARY, locale) | dict.fromkeys(("brand_name", "campaign_name"), "Name")
    values |= {"trend_title": "", "trend_teaser": ""}

    def shown(text: str) -> str:
        return fill(compile_template(text, Context.TEXT, names=WORD_NAMES), values)

    body = "\n".join(shown(paragraph) for paragraph in words.body)
    count = len(words_in(body))
    if count > WORD_LIMIT:
        yield error(
            source, (*place, "body"), "word-limit", f"has {count} words; {WORD_LIMIT} are enough for one purpose"
        )
    listed = content.wordlists.get(language)
    grade = lix(f"{shown(words.headline)}.\n{body}")
    if listed is not None and grade > listed.reading_limit:
        said = f"reads at LIX {grade:.0f}, the limit is {listed.reading_limit:.0f}; use shorter words and sentences"
        yield error(source, (*place, "body"), "reading-grade", said)
    subject = shown(words.subject)
    if len(subject) > SUBJECT_LIMIT:
        said = f"is {len(subject)} characters long; phones show {SUBJECT_LIMIT}"
        yield warning(source, (*place, "subject"), "subject-length", said)


def _phrases(text: str, source: Source, place: Place, listed: WordList | None) -> Iterator[Finding]:
    if _ADDRESS.search(text):
        yield error(source, place, "one-call-to-action", "holds a web address; the only link is the call to action")
    if _FOOTNOTE.search(text):
        yield error(source, place, "small-print", "holds a footnote sign; say it in a sentence or leave it out")
    for kind, pattern in listed.never if listed else ():
        for phrase in found_in(text, pattern):
            yield error(source, place, kind, f"{phrase!r} does not belong into a message; say it kindly and plainly")


def _campaign(campaign: Campaign, content: _Content) -> Iterator[Finding]:
    source = read_yaml(content.folder / "campaigns" / f"{campaign.key}.yaml")
    for name, stage in campaign.staged():
        pushes = 100 * sum(wave.touch is Touch.PUSH for wave in stage.waves) / len(stage.waves)
        if abs(pushes - stage.mix.push) > _MIX_TOLERANCE:
            said = f"plans {stage.mix.push} % push, but {pushes:.0f} % of its waves are"
            yield warning(source, ("stages", name, "mix"), "mix", said)
    yield from _planning(campaign, source)
    brand = content.brands[campaign.brand]
    renderer = Renderer(content.folder, campaign, brand)
    foreign = phrases([*brand.foreign, *(other.name for other in content.brands.values() if other.key != brand.key)])
    used = {(wave.message, wave.trend) for _, wave in campaign.waves()}
    for key, trend in sorted(used, key=str):
        message = content.messages[key]
        for language, spoken in message.languages.items():
            avoided = phrases(brand.tone.avoid.get(language, ()))
            listed = content.wordlists.get(language)
            for variant in (STANDARD, *spoken.variants):
                place: Place = () if variant == STANDARD else ("variants", variant)
                said_in = message.sources[language]
                for name, at, text in _texts(message.words(language, variant)):
                    here: Place = (*place, name, *at)
                    for word in found_in(text, foreign):
                        yield error(said_in, here, "foreign-brand", f"{word!r} is not our brand")
                    for word in found_in(text, avoided):
                        yield error(said_in, here, "tone", f"{brand.name} does not say {word!r}")
                    if listed and campaign.message_class is MessageClass.MANDATORY:
                        for word in found_in(text, phrases(listed.promotion)):
                            yield error(said_in, here, "promotion", f"{word!r} in a mandatory campaign")
                yield from _rendered(renderer, message, language, variant, trend)


def _planning(campaign: Campaign, source: Source) -> Iterator[Finding]:
    at = campaign.planning.at
    if not is_safe(at, campaign.timezone, campaign.start.year):
        said = f"{at:%H:%M} may be skipped or come twice when clocks in {campaign.timezone} change; plan after 05:00"
        yield warning(source, ("planning", "at"), "planning-time", said)
    if campaign.planning.day_before:
        return
    for name, stage in campaign.staged():
        for number, wave in enumerate(stage.waves):
            if wave.hour <= at.hour:
                said = f"is planned at {at:%H:%M}, when its hour ({wave.hour}:00) is over; plan it the day before"
                yield warning(source, ("stages", name, "waves", number, "hour"), "planning-time", said)


def _rendered(
    renderer: Renderer, message: Message, language: str, variant: str, trend: str | None
) -> Iterator[Finding]:
    """What comes out for extreme learners: everything must, and nothing too large."""
    source = message.sources[language]
    for channel in message.file.channels:
        for kind, facts in {"ordinary": ORDINARY, **EXTREMES}.items():
            try:
                body = renderer.render(message.key, channel, language, variant, facts, trend=trend)
            except RenderError as problem:
                place: Place = ("sms",) if channel is Channel.SMS else ()
                yield error(source, place, "rendering", f"{channel}, learner with {kind}: {problem}")
                break
            except ContentError as problems:
                yield from map(of_problem, problems.problems)
                break
            if kind == "ordinary" and isinstance(body, EmailBody) and len(body.html.encode()) > _HTML_LIMIT:
                said = f"the e-mail's HTML has {len(body.html.encode()):,} bytes; keep it below {_HTML_LIMIT:,}"
                yield warning(source, (), "html-size", said)


def _items(campaign: Campaign, content: _Content, connection: Connection) -> Iterator[Finding]:
    source = read_yaml(content.folder / "campaigns" / f"{campaign.key}.yaml")
    known = set(connection.scalars(select(item.c.key).where(item.c.key.in_(campaign.items))))
    for at, key in enumerate(campaign.items):
        if key not in known:
            yield error(source, ("items", at), "unknown-item", f"{key!r} is not in the catalogue; import it first")


def _texts(words: Words) -> Iterator[tuple[str, tuple[int, ...], str]]:
    """Every text of a message: its field, its place in it, itself."""
    for name in ("subject", "preheader", "headline", "sms"):
        yield name, (), getattr(words, name)
    for name in ("body", "call_to_action"):
        for at, text in enumerate(getattr(words, name)):
            yield name, (at,), text
