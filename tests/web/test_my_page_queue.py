"""What a learner can do next, in order: one next, the queue, and moving things in it."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import delete, func, select, update

from pushpull.catalogue.tables import item
from pushpull.db import reading, writing
from pushpull.learners.tables import (
    progress,
    queue_place,
)
from pushpull.ledger.tables import campaign, campaign_item
from tests.web.conftest import NOW, Place
from tests.web.my_page import (
    DAY,
    HOUR,
    add,
    add_item,
    add_pick,
    add_wave,
    come,
    post,
    shown,
    speak,
    text_of,
    titles,
)


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
