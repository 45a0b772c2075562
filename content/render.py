"""Messages written: a message's words and layout, filled with what is known about one learner.

Everything that is the same for all learners is compiled on first use and kept; filling costs some ten microseconds
per part. Choosing the learner, the channel and the language is not done here.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from jinja2 import Template
from jinja2 import TemplateError as JinjaError

from content.brand import Brand, load_brand
from content.campaign import Campaign
from content.facts import ALL_NAMES, FactError, clean, values_for, visible
from content.layouts import Copy, card_source, html_source, text_source
from content.locale import Locale, load_locale
from content.message import STANDARD, Message, load_message
from content.shared import Parts, SharedMessage, can_share
from content.sms import fits_one_segment, measure, shorten, to_gsm7
from content.templating import CONTROL, Context, TemplateError, check, compile_template, fill, names_in
from content.trend import Trend, TrendWords, load_trend
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.messages import Body, CardBody, EmailBody, MessageFacts, SmsBody
from pushpull.ledger.vocabulary import MessageClass

#: Longest subject and notification line sent, in characters.
SUBJECT_LENGTH = 200
#: What a text message gives up first when it would need a second segment.
_SHORTENED_FIRST = ("place_title", "item_title", "trend_title", "given_name")
#: A learner who stands for everyone when bodies are compared.
_ANYONE = MessageFacts(
    given_name="Name",
    link="https://learn.example/l/link",
    unsubscribe_url="https://learn.example/u/link",
    preferences_url="https://learn.example/p/link",
)


class RenderError(Exception):
    """A message cannot be written for a learner.

    Args:
        code: short and free of personal data, for logs: ``bad_fact``, ``no_words``, ``too_long``, ``template``.
        message: what happened and what to do; free of personal data too.
    """

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class _Compiled:
    """The templates of one message in one language, variant and channel.

    Args:
        fixed: placeholders that are the same for every learner.
        topics: titles of trends by tag, for reasons.
        shortened: what a text message of this wording may give up, first things first.
        names: what of a learner it uses.
        sources: of the subject, the main part and the text, as they were compiled.
    """

    main: Template
    subject: Template
    text: Template | None
    fixed: dict[str, Any]
    locale: Locale
    topics: dict[str, str]
    shortened: tuple[str, ...]
    names: frozenset[str]
    sources: tuple[str, str, str]


@dataclass
class Renderer:
    """Writes the messages of one campaign in one brand.

    Args:
        content_dir: the content folder.
        campaign: the campaign whose messages are written.
        brand: the campaign's own brand where left out.

    Raises:
        ContentError: the brand cannot be read; words and layouts are read on first use.
    """

    content_dir: Path
    campaign: Campaign
    brand: Brand = None  # type: ignore[assignment]  # filled in below
    _messages: dict[str, Message] = field(default_factory=dict, repr=False)
    _compiled: dict[tuple[str, Channel, str, str, str | None], _Compiled] = field(default_factory=dict, repr=False)
    _shared: dict[tuple[str, str, str, str | None], SharedMessage | None] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.brand is None:
            self.brand = load_brand(self.campaign.brand, self.content_dir)

    def languages_of(self, message_key: str) -> tuple[str, ...]:
        """In which languages a message exists, the campaign's last resort first (mission R7).

        Raises:
            ContentError: there is no such message.
        """
        spoken = self._message(message_key).languages
        return tuple(sorted(spoken, key=lambda language: (language != self.campaign.language, language)))

    def render(
        self,
        message_key: str,
        channel: Channel,
        language: str,
        variant: str | None,
        facts: MessageFacts,
        *,
        trend: str | None = None,
    ) -> Body:
        """The message as one learner gets it.

        Args:
            language: one of :meth:`languages_of`.
            variant: a name of the wave's split; None or empty is the message as written.
            trend: key of the trend it is about; the one of the campaign's wave where left out.

        Raises:
            RenderError: it cannot be written for this learner.
            ContentError: a file it is made of cannot be used.
        """
        compiled = self._compiled_for(message_key, channel, language, variant or STANDARD, trend)
        if facts.unsubscribe_url and self.campaign.message_class is MessageClass.MANDATORY:
            facts = replace(facts, unsubscribe_url="")  # an obligation knows no opt-out (mission D10)
        try:
            values = values_for(facts, compiled.locale, compiled.topics, names=compiled.names)
            values |= compiled.fixed
            if channel is Channel.SMS:
                return SmsBody(_one_segment(compiled, values))
            subject = fill(compiled.subject, values)
            if CONTROL.search(subject):
                raise RenderError("template", f"the subject of {message_key!r} holds a line break")
            if len(subject) > SUBJECT_LENGTH:
                subject = clean(subject, SUBJECT_LENGTH)
            if compiled.text is None:
                summary = _for_slack(subject) if channel is Channel.SLACK else subject
                return CardBody(fill(compiled.main, values), summary)
            return EmailBody(
                subject=subject,
                html=fill(compiled.main, values),
                text=fill(compiled.text, values),
                sender_name=self.brand.sender.name,
                sender_address=self.brand.sender.address,
                reply_to=self.brand.sender.reply_to,
                unsubscribe_url=facts.unsubscribe_url,
            )
        except FactError as error:
            raise RenderError("bad_fact", str(error)) from error
        except TemplateError as error:
            raise RenderError("too_long", f"{message_key!r} in {language!r}: {error.message}") from error
        except (JinjaError, TypeError) as error:
            text = f"{message_key!r} in {language!r} for {channel}: {type(error).__name__}; run the linter"
            raise RenderError("template", text) from None

    def share(
        self, message_key: str, language: str, variant: str | None, *, trend: str | None = None
    ) -> SharedMessage | None:
        """The e-mail as a template for many learners; None where every learner needs a body of their own.

        Raises:
            RenderError: it cannot be written at all.
            ContentError: a file it is made of cannot be used.
        """
        place = (message_key, language, variant or STANDARD, trend)
        if place not in self._shared:
            self._shared[place] = self._share(*place)
        return self._shared[place]

    def _share(self, message_key: str, language: str, variant: str, trend: str | None) -> SharedMessage | None:
        compiled = self._compiled_for(message_key, Channel.EMAIL, language, variant, trend)
        assert compiled.text is not None
        parts = Parts(
            subject=compiled.subject,
            html=compiled.main,
            text=compiled.text,
            sources=compiled.sources,
            fixed=compiled.fixed,
            locale=compiled.locale,
            topics=compiled.topics,
            sender=self.brand.sender,
            is_mandatory=self.campaign.message_class is MessageClass.MANDATORY,
            longest_subject=SUBJECT_LENGTH,
        )
        return SharedMessage(parts, compiled.names) if can_share(parts) else None

    def names_used(
        self, message_key: str, channel: Channel, language: str, variant: str | None, *, trend: str | None = None
    ) -> frozenset[str]:
        """What of a learner a message uses, by the names templates have for it: the rest need not be looked up.

        Raises:
            RenderError: it cannot be written at all.
            ContentError: a file it is made of cannot be used.
        """
        return self._compiled_for(message_key, channel, language, variant or STANDARD, trend).names

    def body_hash(self, message_key: str, language: str, variant: str | None = None) -> str:
        """SHA-256 over a message in all of its channels, written for a learner who stands for everyone.

        Two learners of a language get the same message, name and links aside, when it is uniform (mission L1).
        """
        digest = hashlib.sha256()
        for channel in self._message(message_key).file.channels:
            for is_first in (True, False):
                facts = replace(_ANYONE, first_contact=is_first)
                digest.update(repr(self.render(message_key, channel, language, variant, facts)).encode())
        return digest.hexdigest()

    def _message(self, key: str) -> Message:
        if key not in self._messages:
            self._messages[key] = load_message(key, self.content_dir)
        return self._messages[key]

    def _compiled_for(self, key: str, channel: Channel, language: str, variant: str, trend: str | None) -> _Compiled:
        place = (key, channel, language, variant, trend)
        compiled = self._compiled.get(place)
        if compiled is None:
            try:
                compiled = self._compiled[place] = self._compile(key, channel, language, variant, trend)
            except TemplateError as error:
                text = f"{key!r} in {language!r} for {channel}: {error.message}"
                raise RenderError("template", text) from error
        return compiled

    def _compile(self, key: str, channel: Channel, language: str, variant: str, trend: str | None) -> _Compiled:
        message = self._message(key)
        try:
            words = message.words(language, variant)
        except KeyError as error:
            raise RenderError("no_words", f"{key!r} has no words in {language!r}, variant {variant!r}") from error
        if channel not in message.file.channels or (channel is Channel.SMS and not words.sms):
            raise RenderError("no_words", f"{key!r} does not exist for {channel} in {language!r}")
        locale = load_locale(language, self.content_dir)
        about = self._spoken(self._trend_of(key, trend), language)
        is_mandatory = self.campaign.message_class is MessageClass.MANDATORY
        copy = Copy(message.file, words, self.brand, locale, is_mandatory)
        subject = " ".join(words.subject.split())
        check(subject)
        source, context, text = "", Context.TEXT, ""
        if channel is Channel.EMAIL:
            source, context = html_source(copy, self.content_dir), Context.HTML
            text = text_source(copy, self.content_dir, name="email.txt.j2")
        elif channel is Channel.SMS:
            source = " ".join(text_source(copy, self.content_dir, name="sms.txt.j2").split())
        else:
            source, context = card_source(copy, self.content_dir, name=f"{channel}.json"), Context.JSON
        main = compile_template(source, context)
        used = names_in(subject) | names_in(source, context) | names_in(text)
        if channel is Channel.SMS:
            used = names_in(source) | {name for name in _SHORTENED_FIRST if name in names_in(words.sms)}
        elif channel is Channel.EMAIL:
            used |= {"unsubscribe_url"}  # it stands in the head, too
        return _Compiled(
            main=main,
            subject=compile_template(subject, Context.TEXT),
            text=compile_template(text, Context.TEXT) if channel is Channel.EMAIL else None,
            fixed={
                "brand_name": self.brand.name,
                "campaign_name": self.campaign.name,
                "trend_title": about.title if about else "",
                "trend_teaser": about.teaser if about else "",
            },
            locale=locale,
            topics=self._topics(language),
            shortened=tuple(name for name in _SHORTENED_FIRST if name in names_in(words.sms)),
            names=used & ALL_NAMES,
            sources=(subject, source, text),
        )

    def _trend_of(self, message_key: str, trend_key: str | None) -> Trend | None:
        """The trend a message is about: the named one, or the only one that the campaign uses it with."""
        trends = self.campaign.references.trends
        if trend_key is not None:
            return trends[trend_key] if trend_key in trends else load_trend(trend_key, self.content_dir)
        used = {wave.trend for _, wave in self.campaign.waves() if wave.message == message_key}
        return trends.get(next(iter(used)) or "") if len(used) == 1 else None

    def _spoken(self, trend: Trend | None, language: str) -> TrendWords | None:
        """A trend's words in the language, else in the campaign's last resort, so that a title is never missing."""
        if trend is None:
            return None
        words = trend.words
        return words.get(language) or words.get(self.campaign.language) or next(iter(words.values()))

    def _topics(self, language: str) -> dict[str, str]:
        """The titles of the campaign's trends by their tags."""
        topics: dict[str, str] = {}
        for trend in self.campaign.references.trends.values():
            words = self._spoken(trend, language)
            if words is not None:
                topics |= dict.fromkeys((*trend.tags, trend.key), words.title)
        return topics


def _for_slack(text: str) -> str:
    """Slack reads a notification's text as markup: these three characters are all it takes to stop that."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _one_segment(compiled: _Compiled, values: dict[str, Any]) -> str:
    """The text message in one segment: accents dropped and names shortened where they would cost a second one.

    Raises:
        RenderError: even without any name it is too long.
    """
    for name in compiled.shortened:
        if values[name] and (plain := to_gsm7(visible(values[name]))) != values[name]:
            # What the alphabet cannot write would cut the room from 160 to 70 characters for everything.
            values[name] = (plain or "").strip()
    text = fill(compiled.main, values)
    for name in compiled.shortened:
        while values[name] and not fits_one_segment(text):
            if name == "given_name":
                values[name] = ""  # half a name is worse than none
            else:
                size = measure(text)
                excess = size.units - (160 if size.encoding == "GSM-7" else 70)
                values[name] = shorten(values[name], len(values[name]) - max(excess, 1))
            text = fill(compiled.main, values)
    if not fits_one_segment(text):
        units = measure(text)
        raise RenderError("too_long", f"the text message needs {units.units} {units.encoding} units even without names")
    return text
