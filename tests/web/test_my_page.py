"""A learner's page as a whole: it opens without changing anything, and shows today, results and words for all."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from sqlalchemy import delete, func, insert, select, update

from pushpull.db import reading, writing
from pushpull.learners.tables import (
    activity,
    learner,
    learner_choice,
    progress,
    queue_place,
    referral,
    review,
    share,
)
from pushpull.ledger.pages.why_here import Why
from pushpull.ledger.tables import campaign
from tests.web.conftest import NOW, Place
from tests.web.my_page import (
    DAY,
    HOUR,
    STAMPS,
    add,
    add_activity,
    add_item,
    add_pick,
    add_wave,
    come,
    shown,
    speak,
    statements,
    text_of,
)
from web.words import FOLDER, LANGUAGES, words_for


def test_without_a_visit_there_is_no_page(place: Place) -> None:
    assert place.client.get("/me").status_code == 401
    assert place.client.post("/me/queue", data={"item": "1", "move": "next"}).status_code == 401


def test_opening_it_changes_nothing(place: Place) -> None:
    come(place, item_id=1)
    for method in ("GET", "HEAD"):
        assert place.client.request(method, "/me?moved=1").status_code == 200
    with reading(place.engine) as connection:
        assert connection.execute(select(func.count()).select_from(queue_place)).scalar() == 0


def test_start_in_sixty_seconds_is_there_until_the_first_use(place: Place) -> None:
    with writing(place.engine) as connection:
        connection.execute(delete(progress))
    speak(place, "en")
    come(place)
    assert "Start in 60 seconds" in shown(place)
    add_activity(place, NOW - HOUR, verb="assigned", item_id=1)
    assert "Start in 60 seconds" in shown(place)
    add_activity(place, NOW - HOUR, verb="launched", item_id=1)
    assert "Start in 60 seconds" not in shown(place)


def test_today_is_two_minutes_whatever_was_before(place: Place) -> None:
    speak(place, "en")
    come(place)
    now = datetime.now(UTC)
    add(place, learner_choice, learner_id=1, rest_days=0, updated_at=NOW)
    add_activity(place, now - 20 * DAY, 300.0)
    said = text_of(shown(place))
    assert "Two minutes today Two minutes are enough. Mo" in said
    add_activity(place, now, 8.5)
    said = text_of(shown(place))
    assert "Two minutes today Done for today. +6 min on top · One day this week".replace(" ·", "") in said
    assert re.search(r"day, today: done", said)


def test_rest_days_and_breaks_expect_nothing(place: Place) -> None:
    speak(place, "en")
    come(place)
    add(place, learner_choice, learner_id=1, rest_days=127, updated_at=NOW)
    said = text_of(shown(place))
    assert "Today is one of your rest days." in said
    assert said.count("rest day") == 7 + 1 + 1  # each day, the legend, the sentence
    with writing(place.engine) as connection:
        connection.execute(update(learner_choice).values(paused_until=NOW + 30 * DAY))
    said = text_of(shown(place))
    assert "You are taking a break until " in said
    assert "not this day" not in said


@pytest.mark.parametrize("zone", ["Mars/Base", "Europe", "Pacific/Kiritimati"])
def test_any_stored_zone_shows_a_week(place: Place, zone: str) -> None:
    if place.engine.dialect.name != "sqlite":
        pytest.skip("zones are not the database's business")
    place.change(learner, timezone=zone)
    come(place)
    assert shown(place).count('class="disc"') == 7


def test_results_are_those_of_the_ledger_and_nothing_is_shown_of_nothing(place: Place) -> None:
    speak(place, "en")
    place.change(campaign, starts_at=NOW - 10 * DAY)
    come(place)
    assert "What came of it" not in shown(place)
    add_item(place, 3, "Before the campaign")
    add(place, progress, learner_id=1, item_id=1, status="completed", completed_at=NOW - DAY)
    add(place, progress, learner_id=1, item_id=3, status="completed", completed_at=NOW - 20 * DAY)
    for at, minutes in ((NOW - DAY, 12.0), (NOW - 2 * DAY, 30.5), (NOW - 20 * DAY, 500.0)):
        add_activity(place, at, minutes, item_id=1)
    add_activity(place, NOW - DAY, 60.0, item_id=1, voided_at=NOW)
    add_activity(place, NOW - DAY, item_id=1, verb="assigned")
    said = text_of(shown(place)).partition("What came of it")[2]
    assert "One thing finished Saying no kindly" in said
    assert "43 min learned" in said
    assert "that we know of" not in said
    assert "passed on" not in said
    assert "reviews" not in said
    add_activity(place, NOW - DAY, item_id=1)
    for number in (2, 3):
        add(place, learner, id=number, external_id=f"p-{number}", draw=1, active=True, **STAMPS)
    with writing(place.engine) as connection:
        connection.execute(insert(share).values(id=1, learner_id=1, item_id=1, made_at=NOW))
        for number in (2, 3):
            connection.execute(insert(referral).values(learner_id=number, item_id=1, share_id=1, came_at=NOW - HOUR))
        for item_id, state in ((1, "published"), (2, "held")):
            connection.execute(
                insert(review).values(
                    learner_id=1, item_id=item_id, rating=5, state=state, made_at=NOW - HOUR, updated_at=NOW
                )
            )
    said = text_of(shown(place)).partition("What came of it")[2]
    assert "43 min learned that we know of, and some more" in said
    assert "2 times somebody began what you passed on" in said
    assert "One of your reviews helps others choose" in said
    with reading(place.engine) as connection:
        total = connection.execute(
            select(func.sum(activity.c.minutes)).where(
                activity.c.occurred_at >= NOW - 10 * DAY, activity.c.voided_at.is_(None)
            )
        ).scalar()
    assert total == 42.5


def test_it_speaks_every_language_and_is_never_without_words(place: Place) -> None:
    add_wave(place)
    for position, kind in enumerate(("goal", "need", "trend", "colleagues", "popular", "short", "unheard-of")):
        add_item(place, 20 + position, f"Item {kind}")
        add_pick(place, 20 + position, kind, "5")
    for language in LANGUAGES:
        speak(place, language)
        come(place)
        page = shown(place)
        assert f'<html lang="{language}">' in page
        assert "{" not in page
        words = words_for(language, "my_page")
        for why in Why:
            words(f"why_{why}", campaign="C", item="I", value="V", day="D", reason="R")


SHAMING: dict[str, str] = {
    "en": "missed behind fail failed lost broke broken lazy only still must should overdue late streak",
    "de": "verpasst versäumt Rückstand leider gescheitert verloren müssen sollten überfällig nur faul",
    "fr": "manqué raté retard échoué perdu devez devriez hélas seulement",
    "es": "perdido fallado retraso atrasado debes deberías solo falta",
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_word_of_the_page_shames(language: str) -> None:
    text = (FOLDER / "my_page.yaml").read_text(encoding="utf-8")
    lines = re.findall(rf"^  {language}: (.*)$", text, re.MULTILINE)
    said = set(re.findall(r"\w+", " ".join(lines).casefold()))
    assert said
    assert said.isdisjoint(SHAMING[language].casefold().split())


def test_the_page_asks_the_database_six_times(place: Place) -> None:
    add_wave(place)
    add_pick(place, 1, "short", "5")
    come(place, item_id=1, wave_id=1)
    with statements(place) as said:
        shown(place)
    assert len([each for each in said if each.lstrip().upper().startswith(("SELECT", "WITH"))]) <= 6


def test_headings_come_in_order_and_every_section_has_a_name(place: Place) -> None:
    add_activity(place, NOW - HOUR, 3.0)
    come(place)
    page = shown(place)
    levels = [int(level) for level in re.findall(r"<h(\d)", page)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    for name in re.findall(r'<section[^>]*aria-labelledby="(.*?)"', page):
        assert page.count(f'id="{name}"') == 1
    assert "<script" not in page
    assert "style=" not in page
