"""What learners get: every message, language and channel, for ordinary and for extreme learners."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from content.campaign import Campaign, load_campaign
from content.message import load_message, message_keys
from content.render import Renderer, RenderError
from content.samples import EXTREMES, LONG_LINK, ORDINARY
from content.sms import measure
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.messages import CardBody, EmailBody, MessageFacts, SmsBody
from pushpull.ledger.vocabulary import MessageClass
from tests.content.conftest import CONTENT, EXAMPLE, Edit

LANGUAGES = ("en", "de", "es", "fr")
BREAKOUTS = (
    '"}],"x":"',
    "<script>alert(1)</script>",
    "{{ 7*7 }}",
    "{% raw %}",
    "</div></body>",
    "<!channel>",
    "\\",
    '"',
)


class Page(HTMLParser):
    """The tags and the visible text of an HTML page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.texts: list[str] = []
        self.loads: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given_attributes = dict(attrs)
        if tag == "a":
            self.links.append(given_attributes.get("href") or "")
        self.loads += [
            given_attributes[name] or "" for name in ("src", "background", "data") if name in given_attributes
        ]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def shapes() -> Iterator[tuple[str, str, str, Channel]]:
    for key in message_keys(CONTENT):
        message = load_message(key, CONTENT)
        for language, words in message.languages.items():
            for variant in ("standard", *words.variants):
                for channel in message.file.channels:
                    yield key, language, variant, channel


@pytest.mark.parametrize("shape", list(shapes()), ids=lambda shape: "-".join(map(str, shape)))
def test_every_message_is_written_for_every_learner(renderer: Renderer, shape: tuple[str, str, str, Channel]) -> None:
    key, language, variant, channel = shape
    for facts in (ORDINARY, *EXTREMES.values()):
        body = renderer.render(key, channel, language, variant, facts, trend="ai-at-work")
        if isinstance(body, EmailBody):
            page = Page(body.html)
            assert {"script", "img", "iframe", "object", "form", "link"}.isdisjoint(page.tags)
            assert not page.loads
            assert facts.link in page.links
            assert facts.link in body.text
            assert len(body.html.encode()) < 60_000
            assert all(link.startswith("https://learn.example/") for link in page.links)
            assert not set(body.subject) & set("\r\n\0")
            assert "fonts.googleapis" not in body.html
            assert "PUSHPULLTAG" not in body.html
            assert "{{" not in page.texts
        elif isinstance(body, CardBody):
            assert structure(json.loads(body.json)) <= KNOWN_KEYS
            assert len(body.json.encode()) < 28_000  # what Teams takes
        else:
            assert measure(body.text).segments == 1
            assert body.text.count("https://") == 1
            assert facts.link in body.text


KNOWN_KEYS = {
    "$schema", "type", "version", "lang", "fallbackText", "body", "inlines", "text", "isSubtle", "size", "weight",
    "spacing", "items", "underline", "selectAction", "url", "style", "actions", "title", "blocks", "emoji",
    "accessory", "elements",
}  # fmt: skip


def structure(value: Any) -> set[str]:
    """All keys of a JSON value."""
    if isinstance(value, dict):
        return set(value) | {key for each in value.values() for key in structure(each)}
    if isinstance(value, list):
        return {key for each in value for key in structure(each)}
    return set()


def strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict | list):
        return [text for each in (value.values() if isinstance(value, dict) else value) for text in strings(each)]
    return []


@pytest.mark.parametrize("hostile", BREAKOUTS)
@pytest.mark.parametrize("channel", [Channel.TEAMS, Channel.SLACK])
def test_a_hostile_name_stays_text_in_a_card(renderer: Renderer, channel: Channel, hostile: str) -> None:
    plain = renderer.render("three-picks", channel, "en", None, ORDINARY)
    body = renderer.render("three-picks", channel, "en", None, replace(ORDINARY, given_name=hostile))
    assert isinstance(plain, CardBody)
    assert isinstance(body, CardBody)
    card, before = json.loads(body.json), json.loads(plain.json)
    assert structure(card) == structure(before)
    assert len(strings(card)) == len(strings(before))
    assert f"Hi {hostile}," in strings(card)


@pytest.mark.parametrize("hostile", BREAKOUTS)
def test_a_hostile_name_stays_text_in_an_email(renderer: Renderer, hostile: str) -> None:
    plain = renderer.render("three-picks", Channel.EMAIL, "en", None, ORDINARY)
    body = renderer.render("three-picks", Channel.EMAIL, "en", None, replace(ORDINARY, given_name=hostile))
    assert isinstance(plain, EmailBody)
    assert isinstance(body, EmailBody)
    assert Page(body.html).tags == Page(plain.html).tags
    assert f"Hi {hostile}," in "".join(Page(body.html).texts)


_TEXT = st.text(max_size=80)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(name=_TEXT, place=_TEXT, title=_TEXT, minutes=st.none() | st.floats(), days=st.none() | st.integers(-999, 999))
def test_whatever_is_known_of_a_learner_changes_no_structure(
    renderer: Renderer, name: str, place: str, title: str, minutes: float | None, days: int | None
) -> None:
    facts = replace(
        ORDINARY,
        given_name=name,
        place_title=place,
        item_title=title,
        item_minutes=minutes,
        days_left=days,
        link=LONG_LINK,
    )
    for key in ("resume", "goal-reminder"):
        email = renderer.render(key, Channel.EMAIL, "fr", None, facts)
        plain = renderer.render(key, Channel.EMAIL, "fr", None, ORDINARY)
        assert isinstance(email, EmailBody)
        assert isinstance(plain, EmailBody)
        assert Page(email.html).tags == Page(plain.html).tags
        assert not any(ord(letter) < 32 for letter in email.subject)
        card = renderer.render(key, Channel.TEAMS, "fr", None, facts)
        plain_card = renderer.render(key, Channel.TEAMS, "fr", None, ORDINARY)
        assert isinstance(card, CardBody)
        assert isinstance(plain_card, CardBody)
        assert len(strings(json.loads(card.json))) == len(strings(json.loads(plain_card.json)))
        sms = renderer.render(key, Channel.SMS, "fr", None, facts)
        assert isinstance(sms, SmsBody)
        assert measure(sms.text).segments == 1
        assert measure(sms.text).encoding == "GSM-7"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_uniform_message_is_the_same_for_all_but_name_and_links(renderer: Renderer, language: str) -> None:
    written = set()
    for facts in (ORDINARY, EXTREMES["one long word"], EXTREMES["right to left"]):
        name = facts.given_name
        same = replace(facts, given_name="Name", link=ORDINARY.link, unsubscribe_url=ORDINARY.unsubscribe_url,
                       preferences_url=ORDINARY.preferences_url, first_contact=True)  # fmt: skip
        written.add(repr(renderer.render("launch-announcement", Channel.EMAIL, language, None, same)))
        body = renderer.render("launch-announcement", Channel.EMAIL, language, None, replace(same, given_name=name))
        assert isinstance(body, EmailBody)
        assert name[:20] in body.html
    assert len(written) == 1


def test_the_body_hash_sticks_to_the_message(renderer: Renderer, edit: Edit, copied: Path) -> None:
    again = Renderer(CONTENT, renderer.campaign)
    hashes = {language: renderer.body_hash("launch-announcement", language) for language in LANGUAGES}
    assert hashes == {language: again.body_hash("launch-announcement", language) for language in LANGUAGES}
    assert len(set(hashes.values())) == 4
    edit("templates/messages/launch-announcement/de.yaml", "Mehr braucht es nicht", "Mehr nicht")
    changed = Renderer(copied, load_campaign(EXAMPLE, copied))
    assert changed.body_hash("launch-announcement", "de") != hashes["de"]
    assert changed.body_hash("launch-announcement", "en") == hashes["en"]


@pytest.mark.parametrize("channel", [Channel.EMAIL, Channel.TEAMS, Channel.SLACK])
def test_the_start_block_is_there_on_first_contact_only(renderer: Renderer, channel: Channel) -> None:
    first = renderer.render("invitation", channel, "en", None, replace(ORDINARY, first_contact=True))
    later = renderer.render("invitation", channel, "en", None, replace(ORDINARY, first_contact=False))
    assert "Start in 60 seconds" in repr(first)
    assert "Start in 60 seconds" not in repr(later)


def test_the_brand_is_on_every_channel(renderer: Renderer) -> None:
    email = renderer.render("resume", Channel.EMAIL, "de", None, ORDINARY)
    assert isinstance(email, EmailBody)
    assert (email.sender_name, email.sender_address) == ("Larkfield Learning", "learning@larkfield.example")
    assert email.reply_to == "hello@larkfield.example"
    assert renderer.brand.colours.primary in email.html
    assert 'lang="de"' in email.html
    for channel in (Channel.EMAIL, Channel.TEAMS, Channel.SLACK):
        assert "Ihr Lernteam bei Larkfield" in repr(renderer.render("resume", channel, "de", None, ORDINARY))


def test_an_obligation_knows_no_opt_out(campaign: Campaign) -> None:
    mandatory = Renderer(CONTENT, campaign.model_copy(update={"message_class": MessageClass.MANDATORY}))
    email = mandatory.render("resume", Channel.EMAIL, "en", None, ORDINARY)
    assert isinstance(email, EmailBody)
    assert email.unsubscribe_url == ""
    assert ORDINARY.unsubscribe_url not in email.html + email.text
    assert "STOP" not in repr(mandatory.render("resume", Channel.SMS, "en", None, ORDINARY))


def test_an_email_offers_to_stop_where_there_is_something_to_stop(renderer: Renderer) -> None:
    nudge = renderer.render("resume", Channel.EMAIL, "en", None, ORDINARY)
    silent = renderer.render("resume", Channel.EMAIL, "en", None, replace(ORDINARY, unsubscribe_url=""))
    assert isinstance(nudge, EmailBody)
    assert isinstance(silent, EmailBody)
    assert ORDINARY.unsubscribe_url in nudge.text
    assert ORDINARY.unsubscribe_url in nudge.html
    assert "Stop these messages" not in silent.html + silent.text
    assert ORDINARY.preferences_url in silent.html


@pytest.mark.parametrize(
    ("language", "day", "soon", "late"),
    [
        ("en", "Friday, 23 January", "in 2 days", "400 days ago"),
        ("de", "Freitag, 23. Januar", "in 2 Tagen", "vor 400 Tagen"),
        ("fr", "vendredi 23 janvier", "dans 2 jours", "il y a 400 jours"),
        ("es", "viernes, 23 de enero", "dentro de 2 días", "hace 400 días"),
    ],
)
def test_dates_are_written_as_in_the_language(
    renderer: Renderer, language: str, day: str, soon: str, late: str
) -> None:
    body = renderer.render("goal-reminder", Channel.EMAIL, language, None, ORDINARY)
    assert isinstance(body, EmailBody)
    assert day in body.text
    assert soon in body.subject
    past = renderer.render("goal-reminder", Channel.EMAIL, language, None, replace(ORDINARY, days_left=-400))
    assert isinstance(past, EmailBody)
    assert late in past.subject


def test_each_pick_says_why_in_the_learners_language(renderer: Renderer) -> None:
    reasons = {"goal": "ein Team leiten", "need": "Nein sagen", "trend": "ai-at-work", "colleagues": "Vertrieb",
               "popular": "37", "short": "4.0"}  # fmt: skip
    items = tuple(
        replace(ORDINARY.items[0], title=kind, reason_kind=kind, reason_value=value) for kind, value in reasons.items()
    )
    body = renderer.render("three-picks", Channel.EMAIL, "de", None, replace(ORDINARY, items=items))
    assert isinstance(body, EmailBody)
    for said in (
        "Wegen Ihres Ziels: ein Team leiten",
        "Unterstützung: Nein sagen",
        "Zum Thema des Monats: KI im Arbeitsalltag",
        "aus Vertrieb",
        "37 Personen",
        "Dauert nur 4 Min.",
    ):
        assert said in body.text
    unknown = tuple(replace(each, reason_value=None) for each in items)
    body = renderer.render("three-picks", Channel.EMAIL, "de", None, replace(ORDINARY, items=unknown))
    assert "None" not in repr(body)
    assert "{value}" not in repr(body)


def test_an_unknown_duration_is_left_out(renderer: Renderer) -> None:
    items = (replace(ORDINARY.items[0], minutes=None, reason_kind="goal"),)
    body = renderer.render("three-picks", Channel.EMAIL, "en", None, replace(ORDINARY, items=items))
    assert isinstance(body, EmailBody)
    assert "* Ask better questions\n" in body.text
    assert "0 min" not in body.html


def test_the_trend_is_named_by_its_title_in_the_language(renderer: Renderer) -> None:
    for trend, title in (("ai-at-work", "KI im Arbeitsalltag"), ("psychological-safety", "Offen reden können")):
        body = renderer.render("trend-of-the-month", Channel.EMAIL, "de", None, ORDINARY, trend=trend)
        assert isinstance(body, EmailBody)
        assert title in body.subject


def test_a_variant_says_something_else(renderer: Renderer) -> None:
    standard = renderer.render("invitation", Channel.EMAIL, "en", "standard", ORDINARY)
    question = renderer.render("invitation", Channel.EMAIL, "en", "question", ORDINARY)
    assert isinstance(standard, EmailBody)
    assert isinstance(question, EmailBody)
    assert standard.subject != question.subject
    assert standard.text == question.text
    assert renderer.render("invitation", Channel.EMAIL, "en", None, ORDINARY) == standard


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "https://a b", "ftp://x", "", "https://x\r\nBcc:", "https://" + "x" * 3000]
)
def test_a_link_that_is_none_is_refused_without_naming_it(renderer: Renderer, link: str) -> None:
    with pytest.raises(RenderError) as caught:
        renderer.render("resume", Channel.EMAIL, "en", None, replace(ORDINARY, link=link))
    assert caught.value.code == "bad_fact"
    assert not link or link not in str(caught.value)


def test_a_link_that_is_too_long_for_a_text_message_is_refused(renderer: Renderer) -> None:
    with pytest.raises(RenderError, match="even without names") as caught:
        renderer.render("resume", Channel.SMS, "en", None, replace(ORDINARY, link="https://x.example/" + "y" * 150))
    assert caught.value.code == "too_long"


def test_words_that_are_not_there_are_named(renderer: Renderer) -> None:
    for key, channel, language, variant in (
        ("resume", Channel.EMAIL, "it", None),
        ("resume", Channel.EMAIL, "en", "haiku"),
        ("trend-of-the-month", Channel.SMS, "en", None),
    ):
        with pytest.raises(RenderError) as caught:
            renderer.render(key, channel, language, variant, ORDINARY)
        assert caught.value.code == "no_words"


def test_invisible_characters_do_not_reach_anybody(renderer: Renderer) -> None:
    facts = replace(ORDINARY, given_name="A\u202en\u200ba\r\nBcc: x@y.example\0", place_title="P\u2066l\ufefface\ud800")
    for channel in Channel:
        written = repr(renderer.render("resume", channel, "en", None, facts))
        for sign in ("\\u202e", "\\u200b", "\\x00", "\\r", "\\ud800", "\\ufeff", "\\u2066"):
            assert sign not in written


def test_a_long_name_costs_no_second_text_message(renderer: Renderer) -> None:
    facts = replace(ORDINARY, given_name="Maximiliane-Friederike " * 4, link=LONG_LINK)
    body = renderer.render("launch-announcement", Channel.SMS, "de", None, facts)
    assert isinstance(body, SmsBody)
    assert measure(body.text).segments == 1
    assert LONG_LINK in body.text


def test_a_name_outside_the_alphabet_leaves_room_for_the_rest(renderer: Renderer) -> None:
    body = renderer.render(
        "launch-announcement", Channel.SMS, "en", None, replace(ORDINARY, given_name="Анна", link=LONG_LINK)
    )
    assert isinstance(body, SmsBody)
    assert body.text.startswith("Two minutes a day")
    assert measure(body.text).encoding == "GSM-7"


def test_languages_lead_with_the_last_resort(renderer: Renderer) -> None:
    assert renderer.languages_of("resume") == LANGUAGES


def test_slack_reads_no_markup_in_a_notification(renderer: Renderer) -> None:
    body = renderer.render("three-picks", Channel.SLACK, "en", None, replace(ORDINARY, given_name="<!channel> & Co"))
    assert isinstance(body, CardBody)
    assert body.summary.startswith("&lt;!channel&gt; &amp; Co")


def test_every_sent_date_is_local(renderer: Renderer) -> None:
    facts = MessageFacts("", ORDINARY.link, "", ORDINARY.preferences_url, due_on=date(2028, 2, 29), days_left=0)
    body = renderer.render("goal-reminder", Channel.EMAIL, "en", None, facts)
    assert isinstance(body, EmailBody)
    assert "Tuesday, 29 February" in body.text
    assert body.subject.endswith("today")
