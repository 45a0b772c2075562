from __future__ import annotations

import random
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, insert

from pushpull.db import reading, writing
from pushpull.learners.vocabulary import Channel
from pushpull.ledger import timing
from pushpull.ledger.budget import OrganisationCaps, Spent, spent
from pushpull.ledger.messages import parse_delivery_id
from pushpull.ledger.planning import plan
from pushpull.ledger.results import close_finished, wave_results
from pushpull.ledger.specs import Caps, SendWindow, WaveSpec
from pushpull.ledger.tables import contact
from pushpull.ledger.vocabulary import DeliveryState, MessageClass, Reason
from tests.ledger.builders import (
    MONDAY,
    NOON,
    PLENTY,
    Sink,
    a_campaign,
    a_learner,
    a_wave,
    dispatched,
    drained,
    learners,
    planned,
    rows_of,
    states_of,
    utc,
)

caps_of = st.builds(Caps, per_day=st.integers(1, 4), per_week=st.integers(1, 8), per_month=st.integers(1, 12))


def organisation(per_day: int = 1000, per_week: int = 1000, per_month: int = 1000) -> OrganisationCaps:
    return OrganisationCaps(nudge=Caps(per_day=per_day, per_week=per_week, per_month=per_month), mandatory=PLENTY)


# ---- the rule itself


@given(days=st.lists(st.integers(0, 45), max_size=30), caps=caps_of, today=st.integers(20, 45))
@settings(max_examples=150, derandomize=True, database=None, suppress_health_check=list(HealthCheck), deadline=None)
def test_the_book_counts_days_weeks_and_months_as_the_calendar_does(
    sqlite_engine: Engine, days: list[int], caps: Caps, today: int
) -> None:
    base = MONDAY.toordinal()
    with writing(sqlite_engine) as connection:
        connection.execute(delete(contact))
        for day in days:
            entry = {"learner_id": 1, "local_day": base + day, "handover_id": uuid4(), "lane": "nudge"}
            connection.execute(insert(contact).values(entry))
        other = {"learner_id": 1, "local_day": base + today, "handover_id": uuid4(), "lane": "mandatory"}
        connection.execute(insert(contact).values(other))
        got = spent(connection, {1: base + today, 2: base + today}, lane="nudge")
    expected = Spent(
        day=sum(day >= today for day in days),
        week=sum(day > today - 7 for day in days),
        month=sum(day > today - 30 for day in days),
    )
    assert got == {1: expected, 2: Spent()}
    full = (expected.day >= caps.per_day, expected.week >= caps.per_week, expected.month >= caps.per_month)
    assert expected.reaches(caps) is any(full)


@given(orders=st.lists(st.integers(0, 60), min_size=1, max_size=40), caps=caps_of)
@settings(max_examples=200, derandomize=True, database=None)
def test_whoever_asks_before_every_message_never_exceeds_any_cap(orders: list[int], caps: Caps) -> None:
    sent: list[int] = []
    for day in sorted(orders):
        so_far = Spent(
            day=sum(each == day for each in sent),
            week=sum(each > day - 7 for each in sent),
            month=sum(each > day - 30 for each in sent),
        )
        if not so_far.reaches(caps):
            sent.append(day)
    for last in sent:
        for span, most in ((1, caps.per_day), (7, caps.per_week), (30, caps.per_month)):
            assert sum(last - span < each <= last for each in sent) <= most


@given(own=caps_of, tighter=caps_of)
@settings(max_examples=50, derandomize=True, database=None)
def test_a_campaign_can_only_tighten_the_organisations_caps(own: Caps, tighter: Caps) -> None:
    bound = OrganisationCaps(nudge=own, mandatory=PLENTY).binding(a_wave(caps=tighter))
    for name in ("per_day", "per_week", "per_month"):
        assert getattr(bound, name) == min(getattr(own, name), getattr(tighter, name))


# ---- in the ledger


def test_the_cap_counts_over_campaigns_and_channels_and_the_overflow_goes_out_the_next_day(engine: Engine) -> None:
    with writing(engine) as connection:
        for key in ("safety", "habits"):
            a_campaign(connection, key)
        (someone,) = learners(connection, 1)
    first = planned(engine, a_wave(campaign="safety"))
    second = planned(engine, a_wave(campaign="habits", channels=(Channel.TEAMS,)))
    sink, caps = Sink(), organisation(per_day=1)
    assert drained(engine, first, sink, caps=caps).accepted == 1
    assert dict(drained(engine, second, sink, caps=caps).held) == {Reason.CAPPED: 1}
    row = rows_of(engine, second)[someone]
    assert (row.state, row.reason, row.due_at) == (DeliveryState.HELD, Reason.CAPPED, utc("2026-01-13T08:00"))
    assert drained(engine, second, sink, now=utc("2026-01-13T09:00"), caps=caps).accepted == 1


def test_what_a_cap_keeps_back_for_too_long_is_skipped_with_that_reason(engine: Engine) -> None:
    with writing(engine) as connection:
        for key in ("safety", "habits"):
            a_campaign(connection, key)
        (someone,) = learners(connection, 1)
    caps = organisation(per_week=1)
    drained(engine, planned(engine, a_wave(campaign="safety")), caps=caps)
    second = planned(engine, a_wave(campaign="habits", expires_after=timedelta(days=3)))
    sink = Sink()
    for days in range(4):
        drained(engine, second, sink, now=NOON + timedelta(days=days), caps=caps)
    assert not sink.received
    assert states_of(engine, second) == {someone: (DeliveryState.SKIPPED, Reason.CAPPED)}


@pytest.mark.parametrize(
    ("caps", "before"),
    [({"per_day": 1}, 0), ({"per_day": 2}, 1), ({"per_week": 2}, 1), ({"per_month": 2}, 1)],
)
def test_the_lower_priority_yields_its_place_to_the_higher(engine: Engine, caps: dict[str, int], before: int) -> None:
    with writing(engine) as connection:
        for key, priority in (("low", 0), ("high", 5), ("early", 0)):
            a_campaign(connection, key, priority=priority)
        (someone,) = learners(connection, 1)
    sink = Sink()
    limits = organisation(**caps)
    if before:
        drained(engine, planned(engine, a_wave(campaign="early")), sink, caps=limits)
    low = planned(engine, a_wave(campaign="low"))
    high = planned(engine, a_wave(campaign="high", priority=5, hour=17))
    assert dict(drained(engine, low, sink, caps=limits).held) == {Reason.YIELDED: 1}
    assert drained(engine, high, sink, now=utc("2026-01-12T17:00"), caps=limits).accepted == 1
    assert states_of(engine, low) == {someone: (DeliveryState.HELD, Reason.YIELDED)}


def test_an_obligation_neither_waits_for_nudges_nor_uses_up_their_budget(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection, "duty", message_class=MessageClass.MANDATORY)
        a_campaign(connection)
        learners(connection, 2)
    caps = organisation(per_day=1)
    duty = planned(engine, a_wave(campaign="duty", message_class=MessageClass.MANDATORY))
    nudge = planned(engine, a_wave())
    assert drained(engine, nudge, caps=caps).accepted == 2
    assert drained(engine, duty, caps=caps).accepted == 2


def test_the_local_day_of_the_learner_is_what_counts(engine: Engine) -> None:
    always = SendWindow(weekdays=frozenset(range(7)))
    with writing(engine) as connection:
        for key in ("safety", "habits"):
            a_campaign(connection, key)
        learners(connection, 1, zone="Pacific/Auckland")
    caps = organisation(per_day=1)
    evening = utc("2026-01-13T06:00")  # 19:00 on Tuesday in Auckland
    morning = utc("2026-01-13T20:00")  # 09:00 on Wednesday there, still Tuesday in London
    assert drained(engine, planned(engine, a_wave(window=always)), now=evening, caps=caps).accepted == 1
    second = planned(engine, a_wave(campaign="habits", window=always, expires_after=timedelta(days=5)))
    assert drained(engine, second, now=evening, caps=caps).accepted == 0
    assert drained(engine, second, now=morning, caps=caps).accepted == 1


# ---- ten campaigns, three weeks, five zones, two clock changes


def test_ten_campaigns_over_three_weeks_keep_every_cap_and_lose_nobody(engine: Engine) -> None:
    """Mission P5: from 16 March to 5 April clocks change in Berlin (29 March) and in Sydney (5 April)."""
    dice = random.Random(5)
    zones = ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Sydney", "UTC"]
    caps = organisation(per_day=1, per_week=3, per_month=8)
    window = SendWindow(weekdays=frozenset(range(7)))
    start = date(2026, 3, 16)
    with writing(engine) as connection:
        for number in range(10):
            a_campaign(connection, f"c{number}", priority=number % 3)
        zone_of = {
            a_learner(connection, zone=zone, preferred_hour=dice.choice([None, 8, 13, 21])): zone for zone in zones * 2
        }
    calendar: dict[date, list[WaveSpec]] = defaultdict(list)
    for number in range(10):
        for day in dice.sample(range(19), 4):
            on = start + timedelta(days=day)
            channels = dice.choice([(Channel.EMAIL,), (Channel.TEAMS, Channel.EMAIL)])
            calendar[on].append(
                a_wave(
                    "weekly.note",
                    campaign=f"c{number}",
                    on=on,
                    hour=dice.choice([8, 12, 17]),
                    priority=number % 3,
                    channels=channels,
                    prefer_learner_hour=dice.random() < 0.5,
                    window=window,
                    expires_after=timedelta(days=dice.choice([1, 3])),
                )
            )
    sink = Sink()
    for day in range(-1, 24):
        midnight = datetime.combine(start + timedelta(days=day), datetime.min.time(), tzinfo=UTC)
        for spec in calendar[start + timedelta(days=day + 1)]:
            plan(engine, spec, as_of=midnight)
        for hour in (2, 9, 16, 22):
            for _again in range(2 if hour == 9 else 1):  # re-runs change nothing
                dispatched(engine, sink, now=midnight + timedelta(hours=hour), caps=caps)
    with writing(engine) as connection:
        close_finished(connection, now=utc("2026-04-10T00:00"))
    with reading(engine) as connection:
        results = wave_results(connection)
    assert len(results) == 40
    assert all(result.is_finished for result in results)
    assert all(result.audience == 10 == result.accepted + sum(result.skipped.values()) for result in results)
    reasons: Counter[str] = sum((result.skipped for result in results), Counter())
    assert set(reasons) <= {Reason.CAPPED, Reason.YIELDED, Reason.EXPIRED, Reason.QUIET_HOURS}
    assert reasons[Reason.CAPPED] > 20, "the caps were put to the test"
    assert max(sink.received.values()) == 1
    days: dict[int, list[int]] = defaultdict(list)
    for at, message in sink.received_at:
        learner_id = parse_delivery_id(message)[2]
        local = at.astimezone(ZoneInfo(zone_of[learner_id]))
        assert timing.is_open(at, zone_of[learner_id], window), f"{local} is in the quiet hours"
        days[learner_id].append(local.date().toordinal())
    assert set(days) == set(zone_of), "everybody got something"
    for got in days.values():
        for last in got:
            for span, most in ((1, 1), (7, 3), (30, 8)):
                assert sum(last - span < each <= last for each in got) <= most
