"""A shared e-mail, filled, is the e-mail its learner would have got alone."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from content.campaign import load_campaign
from content.render import Renderer, RenderError
from content.samples import EXTREMES, ORDINARY
from content.shared import MAX_SHAPES
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.messages import EmailBody, MessageFacts, RecommendedItem

CONTENT = Path(__file__).resolve().parent.parent.parent / "content"
CAMPAIGN = "two-minutes-a-day"
NAMES = (
    "",
    "Alex",
    "O'Brien & <b>Söhne</b>",
    "{{ 7*7 }}{% if x %}",
    '"><script>alert(1)</script>',
    "Line\r\nBreak\x00",
    "\u202egnirts",
    "W" * 250,
    "Ürün 👩🏽‍💻",
    "tpp00000x000z",
)


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(CONTENT, load_campaign(CAMPAIGN, CONTENT))


def somebody(dice: random.Random) -> MessageFacts:
    text: Callable[[], str] = lambda: dice.choice(NAMES)  # noqa: E731
    items = tuple(
        RecommendedItem(
            title=text(),
            url=f"https://learn.example/l/item{dice.random()}",
            minutes=dice.choice([None, 3.0, 90.0]),
            reason_kind=dice.choice(["goal", "need", "trend", "colleagues", "popular", "short", "other"]),
            reason_value=dice.choice([None, "3", text()]),
            summary=dice.choice([None, text()]),
            format=dice.choice([None, "video", "unknown"]),
        )
        for _ in range(dice.randrange(4))
    )
    return MessageFacts(
        given_name=text(),
        link=f"https://learn.example/l/{dice.random()}{dice.choice(['', '?a=1&b=2'])}",
        unsubscribe_url=dice.choice(["", f"https://learn.example/u/{dice.random()}"]),
        preferences_url=f"https://learn.example/p/{dice.random()}",
        first_contact=dice.random() < 0.5,
        place_title=text(),
        item_title=text(),
        item_minutes=dice.choice([None, 8.0, 75.0]),
        due_on=dice.choice([None, date(2026, 1, 1 + dice.randrange(28))]),
        days_left=dice.choice([None, -3, -1, 0, 1, 2, 40]),
        items=items,
    )


def alone(renderer: Renderer, message: str, language: str, facts: MessageFacts, trend: str | None) -> EmailBody | str:
    try:
        body = renderer.render(message, Channel.EMAIL, language, None, facts, trend=trend)
    except RenderError as error:
        return error.code
    assert isinstance(body, EmailBody)
    return body


def test_a_filled_template_is_byte_for_byte_what_rendering_writes(renderer: Renderer) -> None:
    dice = random.Random(20260112)
    shared = 0
    waves = {(wave.message, wave.trend) for _, wave in renderer.campaign.waves() if Channel.EMAIL in wave.channels}
    for message, trend in sorted(waves, key=str):
        for language in renderer.languages_of(message):
            sharing = renderer.share(message, language, None, trend=trend)
            assert sharing is not None, f"{message} cannot be shared"
            for facts in [ORDINARY, *EXTREMES.values(), *(somebody(dice) for _ in range(60))]:
                email = sharing.fill(facts)
                if email is not None:
                    shared += 1
                    assert email.filled() == alone(renderer, message, language, facts, trend), (message, language)
    assert shared > 1000


def test_ordinary_learners_of_one_shape_get_the_same_template(renderer: Renderer) -> None:
    sharing = renderer.share("launch-announcement", "en", None)
    assert sharing is not None
    emails = [sharing.fill(replace(ORDINARY, given_name=f"Name{number}")) for number in range(3)]
    assert all(email is not None for email in emails)
    assert len({id(email.template) for email in emails if email}) == 1


def test_a_name_that_reads_like_a_place_gets_a_body_of_its_own(renderer: Renderer) -> None:
    sharing = renderer.share("launch-announcement", "en", None)
    assert sharing is not None
    email = sharing.fill(ORDINARY)
    assert email is not None
    for tag in email.template.tags:
        assert sharing.fill(replace(ORDINARY, given_name=tag)) is None


def test_a_link_that_is_no_link_is_left_to_rendering_which_says_so(renderer: Renderer) -> None:
    sharing = renderer.share("launch-announcement", "en", None)
    assert sharing is not None
    facts = replace(ORDINARY, link="javascript:alert(1)")
    assert sharing.fill(facts) is None
    assert alone(renderer, "launch-announcement", "en", facts, None) == "bad_fact"


def test_a_message_with_too_many_shapes_stops_making_templates(renderer: Renderer) -> None:
    dice = random.Random(7)
    sharing = renderer.share("three-picks", "en", None)
    assert sharing is not None
    emails = [sharing.fill(somebody(dice)) for _ in range(3000)]
    templates = {id(email.template) for email in emails if email}
    assert len(templates) <= MAX_SHAPES
    assert any(email is None for email in emails)


@pytest.mark.parametrize(
    "subject", ["{{ given_name|upper }} is here", "{% if item_title == place_title %}Same{% else %}Other{% endif %}"]
)
def test_words_that_compute_with_what_is_known_are_not_shared(subject: str, tmp_path: Path, renderer: Renderer) -> None:
    import shutil

    folder = tmp_path / "content"
    shutil.copytree(CONTENT, folder, ignore=shutil.ignore_patterns("*.py", "__pycache__", "campaign"))
    path = folder / "templates" / "messages" / "launch-announcement" / "en.yaml"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(f"subject: '{subject}'" if line.startswith("subject:") else line for line in lines))
    changed = Renderer(folder, renderer.campaign, renderer.brand)
    assert changed.share("launch-announcement", "en", None) is None
    assert renderer.share("launch-announcement", "en", None) is not None
