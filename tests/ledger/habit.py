"""Builders for the tests of the habit stage: people who asked for a nudge, what they did, and its waves."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from itertools import count

from sqlalchemy import Engine, insert, select

from pushpull.db import reading, writing
from pushpull.learners.choices import choose_habit
from pushpull.learners.tables import activity, cue_plan
from pushpull.learners.vocabulary import Cue
from pushpull.ledger.specs import WaveSpec
from pushpull.ledger.tables import contact
from tests.ledger.builders import (
    DAWN,
    MONDAY,
    Sink,
    a_learner,
    a_wave,
    utc,
)

_serial = count(1)
DAY = timedelta(days=1)
#: Monday's in Berlin.
EVENING_BEFORE = utc("2026-01-11T16:05")


def a_nudge(on: date = MONDAY, **fields: object) -> WaveSpec:
    return a_wave("habit.daily", on=on, **{"daily_goal": True, "prefer_learner_hour": True, **fields})


def a_reminder(on: date = MONDAY, **fields: object) -> WaveSpec:
    return a_wave("habit.cue", on=on, **{"at_cue": True, **fields})


def asks(engine: Engine, learner_id: int, *, rest: Iterable[int] = (5, 6), is_wanted: bool = True) -> None:
    """The learner asks for the daily nudge, or no longer."""
    with writing(engine) as connection:
        choose_habit(connection, learner_id, is_wanted=is_wanted, rest_days=list(rest), at=DAWN)


def someone(engine: Engine, *, rest: Iterable[int] = (5, 6), **fields: object) -> int:
    """A learner who asked for the daily nudge."""
    with writing(engine) as connection:
        learner_id = a_learner(connection, **fields)
    asks(engine, learner_id, rest=rest)
    return learner_id


def learns(
    engine: Engine, learner_id: int, at: datetime, *, minutes: float | None = 2.0, verb: str = "progressed"
) -> None:
    with writing(engine) as connection:
        connection.execute(
            insert(activity).values(
                learner_id=learner_id,
                source="test",
                source_id=f"habit-{next(_serial)}",
                verb=verb,
                minutes=minutes,
                occurred_at=at,
                stored_at=at,
            )
        )


def plans(engine: Engine, learner_id: int, at_minute: int | None, **fields: object) -> int:
    """The learner makes an if-then plan; on Mondays, with a reminder, where nothing else is said."""
    values = {"cue": Cue.AFTER_LUNCH.value, "weekdays": 0b1, "reminds": True, "made_at": DAWN, **fields}
    with writing(engine) as connection:
        made = connection.execute(insert(cue_plan).values(learner_id=learner_id, at_minute=at_minute, **values))
        return int(made.inserted_primary_key[0])


def got(sink: Sink) -> int:
    return sum(sink.received.values())


def contacts(engine: Engine) -> list[tuple[int, int]]:
    """Who got something on which local day."""
    with reading(engine) as connection:
        return [(row.learner_id, row.local_day) for row in connection.execute(select(contact))]
