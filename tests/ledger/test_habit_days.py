"""Whatever a learner's week looks like, in any zone, over any change of the clocks: when a nudge must not come."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, insert, select, update

from pushpull.db import reading, writing
from pushpull.learners.choices import choose_habit, pause
from pushpull.learners.habit import TWO_MINUTES
from pushpull.learners.tables import activity, learner, learner_choice
from pushpull.ledger.planning import plan
from pushpull.ledger.specs import WaveSpec
from pushpull.ledger.tables import campaign, contact, delivery, handover, rotation, wave
from tests.ledger.builders import ALWAYS, NO_CAPS, Sink, a_campaign, a_learner, a_wave, dispatched

_serial = count(1)
DAY = timedelta(days=1)
ZONES = (
    "Europe/Berlin", "America/New_York", "America/Havana", "Australia/Lord_Howe", "Africa/Casablanca",
    "Pacific/Apia", "Pacific/Chatham", "Asia/Kolkata", "UTC",
)  # fmt: skip
#: Days around which clocks are changed somewhere, and one on which they are not.
STARTS = (
    date(2026, 3, 6),
    date(2026, 3, 27),
    date(2026, 4, 3),
    date(2026, 9, 25),
    date(2026, 10, 23),
    date(2026, 6, 1),
)
DAYS = 4


@dataclass(frozen=True)
class Week:
    """What a learner decided and did.

    Args:
        hours: of the learner's nudge, and of the campaign's.
        rest: a set of weekdays.
        learned: when, in hours since the first midnight in the learner's zone, and for how many minutes.
        paused_at: the same for the beginning of a pause of two days; None for none.
        sends: hours since then at which messages are sent.
    """

    start: date
    zone: str
    hours: tuple[int | None, int]
    rest: frozenset[int]
    learned: tuple[tuple[float, float], ...]
    paused_at: float | None
    sends: tuple[float, ...]

    def at(self, hours: float) -> datetime:
        """An instant, UTC."""
        return datetime.combine(self.start, time(), tzinfo=ZoneInfo(self.zone)).astimezone(UTC) + timedelta(hours=hours)

    def local(self, instant: datetime) -> date:
        return instant.astimezone(ZoneInfo(self.zone)).date()


moments = st.floats(0, DAYS * 24, allow_nan=False).map(lambda hours: round(hours, 2))
weeks = st.builds(
    Week,
    start=st.sampled_from(STARTS),
    zone=st.sampled_from(ZONES),
    hours=st.tuples(st.one_of(st.none(), st.integers(0, 23)), st.integers(0, 23)),
    rest=st.frozensets(st.integers(0, 6), max_size=3),
    learned=st.lists(st.tuples(moments, st.sampled_from([0.5, 1.5, 2.0, 30.0])), max_size=4).map(tuple),
    paused_at=st.one_of(st.none(), moments),
    sends=st.lists(moments, min_size=4, max_size=9).map(lambda found: tuple(sorted(found))),
)


def fresh_learner(engine: Engine, week: Week) -> int:
    with writing(engine) as connection:
        for table in (contact, handover, delivery, rotation, wave, activity, learner_choice):  # as if it were the first
            connection.execute(delete(table))
        connection.execute(update(learner).values(active=False))
        one = a_learner(connection, zone=week.zone, preferred_hour=week.hours[0])
        choose_habit(connection, one, is_wanted=True, rest_days=week.rest, at=week.at(-48))
        if connection.execute(select(campaign.c.id)).first() is None:
            a_campaign(connection, "one")
            a_campaign(connection, "two")
    return one


def nudges(key: str, on: date, hour: int) -> WaveSpec:
    return a_wave(
        f"habit.n{next(_serial)}", campaign=key, on=on, hour=hour, daily_goal=True, prefer_learner_hour=True,
        window=ALWAYS, timezone="Europe/Berlin",
    )  # fmt: skip


@settings(max_examples=8, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(week=weeks)
def test_no_nudge_twice_a_day_nor_on_a_rest_day_nor_after_success_nor_in_a_pause(engine: Engine, week: Week) -> None:
    one = fresh_learner(engine, week)
    for number in range(DAYS):  # two campaigns, both planned on the day before
        for key in ("one", "two"):
            plan(engine, nudges(key, week.start + number * DAY, week.hours[1]), as_of=week.at(24 * number - 20))
    happens = sorted(
        [(week.at(hours), "learn", minutes) for hours, minutes in week.learned]
        + [(week.at(hours), "send", 0.0) for hours in week.sends]
        + ([(week.at(week.paused_at), "pause", 0.0)] if week.paused_at is not None else [])
    )
    for at, what, minutes in happens:
        with writing(engine) as connection:
            if what == "learn":
                connection.execute(
                    insert(activity).values(
                        learner_id=one, source="test", source_id=f"day-{next(_serial)}", verb="progressed",
                        minutes=minutes, occurred_at=at, stored_at=at,
                    )
                )  # fmt: skip
            elif what == "pause":
                pause(connection, one, days=2, at=at)
        if what == "send":
            dispatched(engine, Sink(), now=at, caps=NO_CAPS)
    with reading(engine) as connection:
        sent = connection.execute(
            select(handover.c.as_of).join(contact, contact.c.handover_id == handover.c.id)
        ).scalars()
        instants = sorted(sent)
    days = [week.local(each) for each in instants]
    assert len(days) == len(set(days))
    assert not {day.weekday() for day in days} & week.rest
    for at in instants:
        today = [
            minutes
            for hours, minutes in week.learned
            if week.local(week.at(hours)) == week.local(at) and week.at(hours) <= at
        ]
        assert sum(today) < TWO_MINUTES
        if week.paused_at is not None:
            begins = week.at(week.paused_at)
            assert not begins <= at < begins + 2 * DAY
