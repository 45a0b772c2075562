from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from html import unescape
from itertools import count, pairwise
from typing import Any

import pytest
from sqlalchemy import delete, event, func, insert, select, update

from pushpull.catalogue.tables import item
from pushpull.db import reading, writing
from pushpull.learners.tables import (
    activity,
    learner,
    learner_choice,
    profile_fact,
    progress,
    queue_place,
    referral,
    review,
    share,
)
from pushpull.ledger.links import Claims, Purpose
from pushpull.ledger.pages.why_here import Why
from pushpull.ledger.tables import campaign, campaign_item, delivery, pick, rotation, wave
from tests.web.conftest import NOW, Place
from web.words import FOLDER, LANGUAGES, words_for

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
STAMPS = {"created_at": NOW, "updated_at": NOW}
_records = count(1)


def come(
    place: Place,
    *,
    campaign_id: int | None = 1,
    item_id: int | None = None,
    wave_id: int | None = None,
    ago: timedelta = timedelta(),
) -> None:
    """Open the page's door as a link does."""
    claims = Claims(Purpose.LANDING, 1, "", campaign_id=campaign_id, item_id=item_id, wave_id=wave_id, rotation=0)
    token = place.signer.session_token(claims, datetime.now(UTC) - ago + 2 * HOUR)
    place.client.cookies.set("__Host-pushpull", token)


def shown(place: Place, path: str = "/me") -> str:
    answer = place.client.get(path)
    assert answer.status_code == 200
    return unescape(answer.text)


def text_of(page: str) -> str:
    """What the page says, on one line."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page.partition("<main")[2]))


def titles(page: str) -> list[str]:
    """The queue in order."""
    return re.findall(r'<(?:p><a href="/me/start/\d+"|/span)><span(?: lang="\w+")?>(.*?)</span>', page)


def post(place: Place, **fields: str) -> Any:
    token = re.search(r'name="form_token" value="(.*?)"', shown(place))
    return place.client.post("/me/queue", data={"form_token": token[1] if token else "", **fields})


def add(place: Place, table: Any, **values: Any) -> None:
    with writing(place.engine) as connection:
        connection.execute(insert(table).values(**values))


def add_item(place: Place, item_id: int, title: str, **values: Any) -> None:
    values = {"url": f"https://courses.example/{item_id}", **values}
    add(place, item, id=item_id, key=f"i-{item_id}", title=title, **values, **STAMPS)


def add_activity(place: Place, at: datetime, minutes: float | None = None, **values: Any) -> None:
    values = {"learner_id": 1, "verb": "progressed", "source": "test", "stored_at": at, **values}
    add(place, activity, source_id=str(next(_records)), occurred_at=at, minutes=minutes, **values)


def add_wave(place: Place, wave_id: int = 1, *, campaign_id: int = 1, state: str = "accepted", **spec: Any) -> None:
    add(
        place, wave, id=wave_id, campaign_id=campaign_id, key=f"s.w@{wave_id}", series="s.w", on_day=NOW.date(),
        stage="s", message_key="m", touch="pull", message_class="nudge", family="learning",
        scheduled_for=NOW - DAY + wave_id * HOUR, expires_at=NOW, spec=spec,
    )  # fmt: skip
    add(place, rotation, wave_id=wave_id, rotation=0, reason="planned", cohort={}, as_of=NOW)
    add(place, delivery, wave_id=wave_id, rotation=0, learner_id=1, state=state, arm="treated")


def add_pick(place: Place, item_id: int, kind: str, value: str, *, wave_id: int = 1, score: float = 1.0) -> None:
    add(
        place, pick, wave_id=wave_id, rotation=0, learner_id=1, position=item_id, item_id=item_id, reason_kind=kind,
        reason_value=value, score=score,
    )  # fmt: skip


def speak(place: Place, language: str) -> None:
    place.change(learner, preferred_language=language)


@contextmanager
def statements(place: Place) -> Iterator[list[str]]:
    said: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        said.append(statement)

    event.listen(place.engine, "before_cursor_execute", note)
    yield said
    event.remove(place.engine, "before_cursor_execute", note)


def test_without_a_visit_there_is_no_page(place: Place) -> None:
    assert place.client.get("/me").status_code == 401
    assert place.client.post("/me/queue", data={"item": "1", "move": "next"}).status_code == 401


def test_opening_it_changes_nothing(place: Place) -> None:
    come(place, item_id=1)
    for method in ("GET", "HEAD"):
        assert place.client.request(method, "/me?moved=1").status_code == 200
    with reading(place.engine) as connection:
        assert connection.execute(select(func.count()).select_from(queue_place)).scalar() == 0


def test_there_is_one_next_with_the_place_where_they_stopped(place: Place) -> None:
    come(place)
    page = shown(place)
    assert titles(page) == ["Better breaks", "Saying no kindly"]
    assert page.count('class="button"') == 1
    assert 'aria-label="Weitermachen: Better breaks" href="/me/start/2"' in page
    said = text_of(page)
    assert "Hier waren Sie: Chapter 3" in said
    assert "5 Min." in said
    assert said.startswith(' id="content" tabindex="-1"> Hallo Ada Sie sind hier, weil „Spring“')


def test_what_the_message_is_about_comes_first_until_it_is_done(place: Place) -> None:
    come(place, item_id=1)
    page = shown(place)
    assert titles(page) == ["Saying no kindly", "Better breaks"]
    assert "Los geht’s: Saying no kindly" in page
    add(place, progress, learner_id=1, item_id=1, status="completed", completed_at=NOW)
    assert titles(shown(place)) == ["Better breaks"]


def test_unknown_minutes_are_not_told_as_none(place: Place) -> None:
    place.change(item, minutes=None)
    with writing(place.engine) as connection:
        connection.execute(update(item).values(minutes=None))
    come(place)
    assert not re.search(r"\b\d+ Min", text_of(shown(place)).partition("Heute zwei Minuten")[0])


def test_the_queue_holds_what_can_be_done_now_and_says_why(place: Place) -> None:
    speak(place, "en")
    add_item(place, 3, "Assigned elsewhere", minutes=90)
    add_item(place, 4, "For a goal", language="fr")
    add_item(place, 5, "Old pick")
    add_item(place, 6, "Given up")
    add_item(place, 7, "Closed", active=False)
    add_item(place, 8, "Not yet", available_from=NOW + DAY)
    add_item(place, 9, "Over", available_until=NOW - DAY)
    add_item(place, 10, "Nowhere", url=None)
    add_item(place, 11, "A quiz of the course", part_of="i-3")
    for item_id in (3, 7, 8, 9, 10, 11):
        add(place, progress, learner_id=1, item_id=item_id, status="assigned", due_at=NOW + 3 * DAY)
    add(place, progress, learner_id=1, item_id=6, status="withdrawn")
    add_wave(place, 1)
    add_wave(place, 2)
    add_pick(place, 5, "popular", "41", wave_id=1)
    add_pick(place, 4, "goal", "lead <my> team", wave_id=2)
    come(place)
    page = shown(place)
    assert titles(page) == ["Better breaks", "Assigned elsewhere", "For a goal", "Saying no kindly"]
    assert '<span lang="fr">For a goal</span>' in page
    said = text_of(page)
    assert "You have begun this" in said
    assert re.search(r"Assigned elsewhere 1 h 30 min · Date: \w+day, \d+ \w+ · It was set for you", said)
    assert "Because of your goal: lead <my> team" in page
    assert "<my>" not in place.client.get("/me").text
    assert "5 min · Part of “Spring”" in said


def test_only_campaigns_that_reach_the_learner_are_in_the_queue(place: Place) -> None:
    for number in range(2, 7):
        fields: dict[str, Any] = {"status": "cancelled"} if number == 3 else {}
        fields |= {"ends_at": NOW - DAY} if number == 4 else {}
        add(
            place, campaign, id=number, key=f"c-{number}", name=f"Campaign {number}", family="learning",
            message_class="nudge", definition={}, content_hash="", updated_at=NOW, **fields,
        )  # fmt: skip
        add_item(place, 10 + number, f"Of campaign {number}")
        add(place, campaign_item, campaign_id=number, item_id=10 + number, position=0)
    for number, state in ((2, "planned"), (3, "accepted"), (4, "accepted"), (5, "skipped")):
        add_wave(place, number, campaign_id=number, state=state)
    come(place)
    assert titles(shown(place)) == ["Better breaks", "Saying no kindly", "Of campaign 2"]
    come(place, campaign_id=None)
    assert titles(shown(place)) == ["Better breaks", "Of campaign 2"]


def test_an_item_is_moved_without_a_script_and_the_page_says_where_it_is(place: Place) -> None:
    speak(place, "en")
    add_item(place, 3, "A third & last")
    add(place, campaign_item, campaign_id=1, item_id=3, position=3)
    come(place)
    page = shown(place)
    assert titles(page) == ["Better breaks", "Saying no kindly", "A third & last"]
    for name in ("Make this next: A third & last", "Earlier: A third & last", "Later: Saying no kindly"):
        assert f'aria-label="{name}"' in page
    answer = post(place, item="3", move="earlier")
    assert (answer.status_code, answer.headers["location"]) == (303, "/me?moved=3#item-3")
    page = shown(place, "/me?moved=3")
    assert titles(page) == ["Better breaks", "A third & last", "Saying no kindly"]
    assert '<p class="note" role="status">“A third & last” is now number 2 of 3.</p>' in page
    assert '<li id="item-3" tabindex="-1">' in page
    answer = post(place, item="3", move="next")
    assert answer.headers["location"] == "/me?moved=3#next"
    page = shown(place, "/me?moved=3")
    assert titles(page) == ["A third & last", "Better breaks", "Saying no kindly"]
    assert "“A third & last” is next now." in page
    assert post(place, item="3", move="later").headers["location"] == "/me?moved=3#item-3"
    assert titles(shown(place)) == ["Better breaks", "A third & last", "Saying no kindly"]


def test_what_was_moved_stays_there_when_other_things_are_picked_and_another_message_comes(place: Place) -> None:
    come(place)
    post(place, item="1", move="next")
    assert titles(shown(place)) == ["Saying no kindly", "Better breaks"]
    add_item(place, 3, "A pick")
    add_wave(place)
    add_pick(place, 3, "goal", "calm", score=9)
    assert titles(shown(place)) == ["Saying no kindly", "Better breaks", "A pick"]
    come(place, item_id=3, ago=HOUR)  # what was moved since they came goes first
    assert titles(shown(place)) == ["Saying no kindly", "Better breaks", "A pick"]
    with writing(place.engine) as connection:
        connection.execute(update(queue_place).values(set_at=NOW - DAY))
    assert titles(shown(place)) == ["A pick", "Saying no kindly", "Better breaks"]
    post(place, item="2", move="next")
    assert titles(shown(place)) == ["Better breaks", "A pick", "Saying no kindly"]


def test_forms_that_are_not_ours_or_make_no_sense_move_nothing(place: Place) -> None:
    come(place)
    assert place.client.post("/me/queue", data={"item": "1", "move": "next"}).status_code == 403
    for fields in (
        {},
        {"item": "1"},
        {"item": "one", "move": "next"},
        {"item": "1", "move": "away"},
        {"item": "9" * 30, "move": "next"},
        {"item": "²", "move": "next"},
    ):
        assert post(place, **fields).status_code == 400
    answer = post(place, item="77", move="next")  # not in the queue, or not any more
    assert (answer.status_code, answer.headers["location"]) == (303, "/me")
    with reading(place.engine) as connection:
        assert connection.execute(select(func.count()).select_from(queue_place)).scalar() == 0
    for asked in ("77", "-1", "x", "9" * 30, "²"):
        assert 'role="status"' not in shown(place, f"/me?moved={asked}")


def test_a_long_queue_is_folded_and_unfolds_where_something_was_moved(place: Place) -> None:
    speak(place, "en")
    for number in range(3, 12):
        add_item(place, number, f"Item {number}")
        add(place, campaign_item, campaign_id=1, item_id=number, position=number)
    come(place)
    page = shown(place)
    assert "<details>" in page
    assert "5 more" in page
    assert len(titles(page)) == 11
    assert "<details open>" in shown(place, "/me?moved=11")
    assert "<details>" in shown(place, "/me?moved=3")


def test_an_empty_queue_says_so_kindly_and_offers_choices(place: Place) -> None:
    with writing(place.engine) as connection:
        connection.execute(delete(campaign_item))
        connection.execute(update(progress).values(status="completed", completed_at=NOW))
    speak(place, "en")
    come(place)
    page = shown(place)
    assert "Nothing is waiting for you" in page
    assert 'href="/me/choices"' in page.partition("<main")[2]
    assert "After that" not in page


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


EVERYBODY = {"field": "active", "is": True}
SALES = {"field": "department", "is": "Sales"}


@pytest.mark.parametrize(
    ("audience", "sentence"),
    [
        (EVERYBODY, "You are here because everybody takes part in “Spring”."),
        ({"everyone": True}, "You are here because everybody takes part in “Spring”."),
        (SALES, "You are here because everybody in Sales takes part in “Spring”."),
        ({"all": [EVERYBODY, SALES]}, "You are here because everybody in Sales takes part in “Spring”."),
        (
            {"field": "department", "in": ["Sales", "Finance"]},
            "You are here because everybody in Sales takes part in “Spring”.",
        ),
        (
            {"all": [SALES, {"tag": "lead"}]},
            "You are here because you are one of the people in Sales whom “Spring” is for.",
        ),
        (
            {"field": "title", "is": "Nurse"},
            "You are here because everybody who works as Nurse takes part in “Spring”.",
        ),
        (
            {"field": "hired_on", "after": "2026-01-01"},
            "You are here because everybody who is new takes part in “Spring”.",
        ),
        ({"not": SALES}, "You are here because you are one of the people “Spring” is for."),
        ({"any": [SALES, {"tag": "x"}]}, "You are here because you are one of the people “Spring” is for."),
        ({"field": "department", "is": "Law"}, "You are here because you are one of the people “Spring” is for."),
        ({"what": 1}, "You are here because you are one of the people “Spring” is for."),
        (None, "You are here because you are one of the people “Spring” is for."),
    ],
)
def test_the_audience_says_why_somebody_is_here(place: Place, audience: Any, sentence: str) -> None:
    if place.engine.dialect.name != "sqlite" and audience not in (SALES, None):
        pytest.skip("what is made of a stored audience is the same on both databases")
    place.change(learner, preferred_language="en", department="Sales", title="Nurse")
    place.change(campaign, definition={"audience": audience})
    come(place)
    assert sentence in shown(place)


def test_the_message_says_why_somebody_is_here(place: Place) -> None:
    speak(place, "en")
    due = datetime(2026, 11, 27, 12, tzinfo=UTC)
    add(place, progress, learner_id=1, item_id=1, status="assigned", due_at=due)
    add_wave(place, 1, due_offset=-2)
    add_wave(place, 2, inactive_days=3)
    add_wave(place, 3)
    add_pick(place, 1, "goal", "say no", wave_id=3)
    add_wave(place, 4)
    add_pick(place, 1, "popular", "41", wave_id=4)
    for item_id, wave_id, sentence in (
        (1, 1, "You are here because “Saying no kindly” has a date in “Spring”: Friday, 27 November."),
        (2, 2, "You are here because you began “Better breaks” in “Spring”, and your place is kept."),
        (1, 3, "You are here because “Spring” picked “Saying no kindly” for you (because of your goal: say no)."),
        (1, 4, "You are here because “Spring” picked “Saying no kindly” for you."),
        (1, 99, "You are here because you are one of the people “Spring” is for."),
    ):
        come(place, item_id=item_id, wave_id=wave_id)
        assert sentence in shown(place)
    come(place, campaign_id=None, item_id=1, wave_id=1)
    assert "No message brought you here: this is simply what is open for you." in shown(place)


def test_a_message_whose_item_is_done_asks_for_nothing_any_more(place: Place) -> None:
    speak(place, "en")
    add(place, progress, learner_id=1, item_id=1, status="completed", completed_at=NOW, due_at=NOW - DAY)
    add_wave(place, 1, due_offset=2)
    come(place, item_id=1, wave_id=1)
    assert "You are here because you are one of the people “Spring” is for." in shown(place)


def test_their_own_words_are_told_back_exactly(place: Place) -> None:
    speak(place, "en")
    said = "so that <b>evenings</b> & “weekends” are mine"
    add(place, profile_fact, learner_id=1, kind="why", value=said, source="declared", recorded_at=NOW)
    come(place)
    raw = place.client.get("/me").text
    assert f"What you learn for, in your words: “{said}”" in unescape(raw)
    assert "<b>" not in raw


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
