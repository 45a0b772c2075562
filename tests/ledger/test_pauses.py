"""A learner's pause: no nudge while it lasts, obligations as always."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Engine

from pushpull.db import writing
from pushpull.insights.reasons import REASON_SENTENCES
from pushpull.learners.choices import pause, resume
from pushpull.ledger.rotations import Cohort, CohortKind, rotate
from pushpull.ledger.vocabulary import MessageClass, Reason
from tests.ledger.builders import (
    DAWN,
    NOON,
    Sink,
    a_campaign,
    a_learner,
    a_wave,
    drained,
    planned,
    reasons_of,
    utc,
)


def paused(engine: Engine, learner_id: int, *, until: datetime) -> None:
    with writing(engine) as connection:
        pause(connection, learner_id, days=1, at=until - timedelta(days=1))


def test_who_paused_gets_no_nudge_and_no_service_message_but_every_obligation(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        away, there = a_learner(connection), a_learner(connection)
    paused(engine, away, until=NOON)
    for message_class, expected in (
        (MessageClass.NUDGE, Reason.PAUSED_BY_LEARNER),
        (MessageClass.SERVICE, Reason.PAUSED_BY_LEARNER),
        (MessageClass.MANDATORY, None),
    ):
        wave_id = planned(engine, a_wave(f"launch.{message_class.value}", message_class=message_class))
        assert reasons_of(engine, wave_id) == {away: expected, there: None}


def test_a_pause_counts_at_the_time_the_message_is_due_not_when_it_is_planned(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        back_by_then, still_away = a_learner(connection), a_learner(connection)
    paused(engine, back_by_then, until=utc("2026-01-12T08:00"))  # nine o'clock in Berlin
    paused(engine, still_away, until=utc("2026-01-12T08:00:01"))
    wave_id = planned(engine, a_wave(), as_of=DAWN)
    assert reasons_of(engine, wave_id) == {back_by_then: None, still_away: Reason.PAUSED_BY_LEARNER}
    sink = Sink()
    drained(engine, wave_id, sink)
    assert sum(sink.received.values()) == 1


def test_a_pause_that_begins_between_planning_and_sending_is_kept(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        one, other, changed_mind = (a_learner(connection) for _ in range(3))
    wave_id = planned(engine, a_wave())
    obligation = planned(engine, a_wave("launch.must", message_class=MessageClass.MANDATORY))
    with writing(engine) as connection:
        for each in (one, changed_mind):
            pause(connection, each, days=3, at=DAWN + timedelta(hours=1))
        resume(connection, changed_mind, at=DAWN + timedelta(hours=2))
    drained(engine, wave_id)
    assert reasons_of(engine, wave_id) == {one: Reason.PAUSED_BY_LEARNER, other: None, changed_mind: None}
    drained(engine, obligation)
    assert set(reasons_of(engine, obligation).values()) == {None}


def test_who_is_back_can_be_reached_by_a_re_run_of_the_missed(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        away = a_learner(connection)
    paused(engine, away, until=NOON + timedelta(days=1))
    wave_id = planned(engine, a_wave())
    later = NOON + timedelta(days=1)
    missed = Cohort(kind=CohortKind.MISSED)
    for at, expected in ((NOON, 0), (later, 1)):
        again = rotate(engine, wave_id, missed, reason="back from a break", requested_by="ada", as_of=at)
        assert again.planned == expected


def test_the_reasons_have_words() -> None:
    assert "pause" in REASON_SENTENCES[Reason.PAUSED_BY_LEARNER]
    assert "rest day" in REASON_SENTENCES[Reason.RESTING]
    assert "two minutes" in REASON_SENTENCES[Reason.GOAL_MET]
    assert "stopped" in REASON_SENTENCES[Reason.UNANSWERED]
