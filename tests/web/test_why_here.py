"""Why am I here, in one sentence that is true: of the audience, the message, and their own words."""

from __future__ import annotations

from datetime import UTC, datetime
from html import unescape
from typing import Any

import pytest

from pushpull.learners.tables import (
    learner,
    profile_fact,
    progress,
)
from pushpull.ledger.tables import campaign
from tests.web.conftest import NOW, Place
from tests.web.my_page import (
    DAY,
    add,
    add_pick,
    add_wave,
    come,
    shown,
    speak,
)

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
