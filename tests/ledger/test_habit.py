"""The habit stage: who gets a daily nudge, who needs none, how it fades, and reminders at a learner's own cue."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from itertools import count
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError
from sqlalchemy import Connection, Engine, insert, select, update

from pushpull.db import reading, writing
from pushpull.learners.choices import choose_habit
from pushpull.learners.habit import TWO_MINUTES, met_goal_today
from pushpull.learners.segments import EVERYONE
from pushpull.learners.tables import activity, cue_plan, learner
from pushpull.learners.vocabulary import Cue
from pushpull.ledger.budget import OrganisationCaps
from pushpull.ledger.cues import due_minutes
from pushpull.ledger.habit import last_nudges
from pushpull.ledger.planning import plan
from pushpull.ledger.rotations import Cohort, CohortKind, rotate
from pushpull.ledger.specs import Caps, WaveSpec
from pushpull.ledger.tables import contact, delivery, handover, wave
from pushpull.ledger.terms import Terms
from pushpull.ledger.vocabulary import DeliveryState, Reason
from tests.ledger.builders import (
    ALWAYS,
    DAWN,
    MONDAY,
    NO_CAPS,
    NOON,
    Sink,
    a_campaign,
    a_learner,
    a_wave,
    dispatched,
    drained,
    has_completed,
    item_ids,
    planned,
    reasons_of,
    rows_of,
    states_of,
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


@pytest.fixture
def campaign(engine: Engine) -> list[int]:
    """A campaign with two items; their ids."""
    with writing(engine) as connection:
        return item_ids(connection, a_campaign(connection, items=("course", "quiz")))


def got(sink: Sink) -> int:
    return sum(sink.received.values())


pytestmark = pytest.mark.usefixtures("campaign")


# ---- who gets a daily nudge


def test_only_those_who_asked_belong_to_the_wave(engine: Engine) -> None:
    wants = someone(engine)
    refused = someone(engine)
    asks(engine, refused, is_wanted=False)
    with writing(engine) as connection:
        a_learner(connection)  # never said anything
    assert reasons_of(engine, planned(engine, a_nudge())) == {wants: None}
    assert plan(engine, a_nudge(campaign="safety", on=MONDAY), as_of=DAWN).was_planned_before


def test_nobody_asked_so_no_wave_is_planned(engine: Engine) -> None:
    with writing(engine) as connection:
        a_learner(connection)
    result = plan(engine, a_nudge(), as_of=DAWN)
    assert (result.wave_id, result.audience) == (None, 0)


def test_it_comes_at_the_hour_the_learner_responds_in_their_zone(engine: Engine) -> None:
    early = someone(engine, zone="Asia/Tokyo", preferred_hour=10)
    usual = someone(engine, zone="America/New_York")
    rows = rows_of(engine, planned(engine, a_nudge(), as_of=EVENING_BEFORE))
    assert rows[early].due_at == utc("2026-01-12T01:00")
    assert rows[usual].due_at == utc("2026-01-12T14:00")


def test_nobody_is_nudged_on_a_rest_day_of_theirs(engine: Engine) -> None:
    rests = someone(engine, rest=[0])
    works = someone(engine, rest=[1, 5, 6])
    assert reasons_of(engine, planned(engine, a_nudge())) == {rests: Reason.RESTING, works: None}


def test_a_rest_day_is_that_of_the_learners_zone(engine: Engine) -> None:
    """It is Monday in Auckland while it is Sunday still in New York."""
    sunday_off = [6]
    east = someone(engine, zone="Pacific/Auckland", rest=sunday_off)
    west = someone(engine, zone="America/New_York", rest=sunday_off)
    wave_id = planned(engine, a_nudge(window=ALWAYS), as_of=EVENING_BEFORE - timedelta(hours=8))
    assert set(reasons_of(engine, wave_id).values()) == {None}
    with writing(engine) as connection:  # whoever moves is judged where they are when it is sent
        connection.execute(update(learner).where(learner.c.id == east).values(timezone="Pacific/Honolulu"))
    drained(engine, wave_id, now=utc("2026-01-11T20:30"))
    assert reasons_of(engine, wave_id) == {east: Reason.RESTING, west: None}


def test_a_rest_day_chosen_after_planning_is_kept(engine: Engine) -> None:
    one = someone(engine)
    wave_id = planned(engine, a_nudge())
    asks(engine, one, rest=[0])
    drained(engine, wave_id)
    assert reasons_of(engine, wave_id) == {one: Reason.RESTING}


def test_who_takes_it_back_before_it_is_sent_gets_none(engine: Engine) -> None:
    one = someone(engine)
    wave_id = planned(engine, a_nudge())
    asks(engine, one, is_wanted=False)
    drained(engine, wave_id)
    assert reasons_of(engine, wave_id) == {one: Reason.NO_LONGER_IN_SEGMENT}


# ---- it stops after success


@pytest.mark.parametrize(
    ("minutes", "verb", "is_done"),
    [
        ([2.0], "progressed", True),
        ([1.0, 1.0], "progressed", True),
        ([1.9], "progressed", False),
        ([None], "progressed", True),  # learned, nobody knows how long
        ([None], "launched", False),  # opened, nothing more
        ([5.0], "assigned", False),  # said by a system
        ([60.0], "progressed", True),
    ],
)
def test_two_minutes_before_planning_are_enough(
    engine: Engine, minutes: list[float | None], verb: str, is_done: bool
) -> None:
    one = someone(engine)
    for each in minutes:
        learns(engine, one, DAWN - timedelta(minutes=30), minutes=each, verb=verb)
    wave_id = planned(engine, a_nudge())
    assert reasons_of(engine, wave_id) == {one: Reason.GOAL_MET if is_done else None}


def test_two_minutes_between_planning_and_sending_are_enough(engine: Engine) -> None:
    done, not_yet, yesterday = someone(engine), someone(engine), someone(engine)
    wave_id = planned(engine, a_nudge(), as_of=EVENING_BEFORE)
    learns(engine, done, NOON - timedelta(hours=1))
    learns(engine, not_yet, NOON + timedelta(hours=1))  # recorded for later: it has not happened
    learns(engine, yesterday, utc("2026-01-11T22:59:59"))  # one second to midnight in Berlin
    sink = Sink()
    drained(engine, wave_id, sink)
    assert reasons_of(engine, wave_id) == {done: Reason.GOAL_MET, not_yet: None, yesterday: None}
    assert got(sink) == 2


def test_the_ledger_and_the_learners_page_agree_on_who_has_met_the_goal(engine: Engine) -> None:
    moments = [NOON - timedelta(hours=hours) for hours in (0, 1, 5, 11, 13, 20, 30)]
    people = [
        someone(engine, zone=zone, rest=())
        for zone in ("Europe/Berlin", "America/New_York", "Pacific/Auckland", None, "Nowhere/Land")
        for _ in range(6)
    ]
    for number, learner_id in enumerate(people):
        for minutes in ((1.0, 1.5), (None,), (0.5,), (3.0,), (), (2.0, None))[number % 6]:
            learns(engine, learner_id, moments[(number * 5) % 7], minutes=minutes)
    wave_id = planned(engine, a_nudge(window=ALWAYS, hour=0), as_of=EVENING_BEFORE - DAY)
    with writing(engine) as connection:
        values = {"due_at": DAWN, "expires_at": NOON + DAY}
        connection.execute(update(delivery).where(delivery.c.wave_id == wave_id).values(values))
    drained(engine, wave_id)
    with reading(engine) as connection:
        met = met_goal_today(connection, people, now=NOON, default_zone="Europe/Berlin")
    done = {each for each, reason in reasons_of(engine, wave_id).items() if reason == Reason.GOAL_MET}
    assert done == met
    assert 0 < len(met) < len(people)


def test_it_stops_for_good_when_the_campaign_is_completed(engine: Engine, campaign: list[int]) -> None:
    one = someone(engine)
    with writing(engine) as connection:
        for each in campaign:
            has_completed(connection, one, each)
    assert reasons_of(engine, planned(engine, a_nudge())) == {one: Reason.COMPLETED}


# ---- never more than one a day, and never the day after


def test_a_nudge_is_for_its_day_alone(engine: Engine) -> None:
    one = someone(engine)
    spec = a_nudge(expires_after=2 * DAY)
    wave_id = planned(engine, spec)
    assert rows_of(engine, wave_id)[one].expires_at == utc("2026-01-12T23:00")
    drained(engine, wave_id, now=NOON, caps=OrganisationCaps(nudge=Caps(per_day=1), mandatory=Caps()))
    drained(engine, wave_id, now=NOON + DAY)
    assert len(_contacts(engine)) == 1


def test_what_is_capped_is_given_up_and_not_moved_to_the_next_day(engine: Engine) -> None:
    one = someone(engine)
    caps = OrganisationCaps(nudge=Caps(per_day=1, per_week=9, per_month=9), mandatory=Caps())
    drained(engine, planned(engine, a_wave("launch.hello")), caps=caps)
    wave_id = planned(engine, a_nudge())
    drained(engine, wave_id, caps=caps)
    assert states_of(engine, wave_id) == {one: (DeliveryState.SKIPPED, Reason.CAPPED)}


def test_two_campaigns_and_re_runs_come_to_one_nudge_a_day(engine: Engine) -> None:
    someone(engine)
    with writing(engine) as connection:
        a_campaign(connection, "other")
    sink = Sink()
    for spec in (a_nudge(), a_nudge(campaign="other"), a_wave("habit.again", daily_goal=True)):
        planned(engine, spec)
    for hours in range(4):
        dispatched(engine, sink, now=NOON + timedelta(hours=hours), caps=NO_CAPS)
    assert got(sink) == 1


def test_planning_and_sending_again_adds_nothing(engine: Engine) -> None:
    someone(engine)
    sink = Sink()
    for _ in range(3):
        result = plan(engine, a_nudge(), as_of=DAWN)
        dispatched(engine, sink, now=NOON)
    assert result.was_planned_before
    assert got(sink) == 1


def _contacts(engine: Engine) -> list[tuple[int, int]]:
    with reading(engine) as connection:
        return [(row.learner_id, row.local_day) for row in connection.execute(select(contact))]


# ---- it fades


def play(
    engine: Engine, learner_id: int, days: Iterable[int], *, learns_at: int | None, name: str = "daily"
) -> list[int]:
    """A nudge is due every noon; the learner learns every day so many hours after it, or never.

    Returns:
        The numbers of the days on which a nudge went out.
    """
    sent = []
    for number in days:
        noon = NOON + number * DAY
        if learns_at is not None:
            learns(engine, learner_id, noon + timedelta(hours=learns_at))
        spec = a_wave("habit.daily", on=MONDAY + number * DAY, daily_goal=True, window=ALWAYS)
        wave_id = planned(engine, spec, as_of=DAWN + number * DAY)
        drained(engine, wave_id, now=noon)
        if states_of(engine, wave_id)[learner_id][0] == DeliveryState.ACCEPTED:
            sent.append(number)
    return sent


def has_learned(engine: Engine, learner_id: int, days_ago: Iterable[int]) -> None:
    for ago in days_ago:
        learns(engine, learner_id, NOON - ago * DAY)


def test_who_learns_only_after_the_nudge_gets_it_every_day(engine: Engine) -> None:
    assert play(engine, someone(engine, rest=()), range(9), learns_at=3) == list(range(9))


def test_who_learns_before_it_is_due_gets_none_at_all(engine: Engine) -> None:
    assert play(engine, someone(engine, rest=()), range(9), learns_at=-3) == []


def test_after_a_week_of_habit_it_comes_every_other_day_and_after_two_once_a_week(engine: Engine) -> None:
    one = someone(engine, rest=())
    has_learned(engine, one, range(1, 6))
    assert play(engine, one, range(21), learns_at=3) == [0, 2, 4, 6, 13, 20]


def test_it_comes_every_day_again_when_the_learning_stops(engine: Engine) -> None:
    one = someone(engine, rest=())
    has_learned(engine, one, range(1, 15))
    assert play(engine, one, range(8), learns_at=None) == [0, 3, 4, 5, 6]


def test_without_any_answer_it_comes_once_a_week_after_five_and_stops_after_eight(engine: Engine) -> None:
    one = someone(engine, rest=())
    assert play(engine, one, range(33), learns_at=None) == [0, 1, 2, 3, 4, 11, 18, 25]
    spec = a_nudge(MONDAY + 60 * DAY)
    wave_id = planned(engine, spec, as_of=DAWN + 60 * DAY)
    assert reasons_of(engine, wave_id) == {one: Reason.UNANSWERED}


@pytest.mark.parametrize("sign", ["learning", "opening", "choosing"])
def test_a_sign_of_the_learner_begins_afresh(engine: Engine, sign: str) -> None:
    one = someone(engine, rest=())
    assert len(play(engine, one, (0, 1, 2, 3, 4, 11, 18, 25, 29), learns_at=None)) == 8
    at = NOON + 30 * DAY
    if sign == "choosing":
        with writing(engine) as connection:
            choose_habit(connection, one, is_wanted=True, rest_days=[], at=at)
    else:
        learns(engine, one, at, minutes=None, verb="progressed" if sign == "learning" else "launched")
    assert play(engine, one, range(31, 38), learns_at=None) == [31, 32, 33, 34, 35]


def test_what_a_system_says_of_a_learner_is_no_sign(engine: Engine) -> None:
    one = someone(engine, rest=())
    play(engine, one, (0, 1, 2, 3, 4, 11, 18, 25), learns_at=None)
    learns(engine, one, NOON + 30 * DAY, minutes=None, verb="assigned")
    assert play(engine, one, (31, 38), learns_at=None) == []


def test_the_eighth_message_knows_that_it_is_the_last(engine: Engine) -> None:
    silent, answers = someone(engine, rest=()), someone(engine, rest=())
    last = []
    for number in (0, 1, 2, 3, 4, 11, 18, 25):
        now = NOON + number * DAY
        spec = a_wave("habit.daily", on=MONDAY + number * DAY, daily_goal=True, window=ALWAYS)
        wave_id = planned(engine, spec, as_of=DAWN + number * DAY)
        before = _last_nudges(engine, spec, wave_id, now)
        drained(engine, wave_id, now=now)
        # Written again by another worker after it was handed over, it says the same.
        assert _last_nudges(engine, spec, wave_id, now) == before
        learns(engine, answers, now + timedelta(hours=1))
        last += [(number, each) for each in before]
    assert {each for _, each in last} == {silent}
    assert states_of(engine, wave_id)[silent][0] == DeliveryState.ACCEPTED
    assert (25, silent) in last


def _last_nudges(engine: Engine, spec: WaveSpec, wave_id: int, now: datetime) -> set[int]:
    with reading(engine) as connection:
        campaign_id = connection.execute(select(wave.c.campaign_id).where(wave.c.id == wave_id)).scalar_one()
        rules = Terms(spec=spec, campaign_id=campaign_id, item_ids=(), as_of=now)
        return set(connection.execute(last_nudges(rules, lambda column: column > 0)).scalars())


def test_four_days_are_no_habit_yet(engine: Engine) -> None:
    one = someone(engine, rest=())
    has_learned(engine, one, range(1, 5))
    assert play(engine, one, range(2), learns_at=None) == [0, 1]


def test_a_surplus_is_worth_no_more_than_two_minutes(engine: Engine) -> None:
    much = someone(engine, rest=())
    learns(engine, much, NOON - DAY, minutes=600)
    assert TWO_MINUTES == 2.0
    assert reasons_of(engine, planned(engine, a_nudge())) == {much: None}


def expected_gap(met: frozenset[int], told: frozenset[int]) -> int:
    """The rule of the module's docstring, over days counted back from today."""

    def is_habit(days: range) -> bool:
        done = met & frozenset(days)
        return len(done) >= 5 and len(done - told) >= 2

    return (7 if is_habit(range(8, 15)) else 2) if is_habit(range(1, 8)) else 1


def test_the_rule_holds_for_any_past_and_more_days_met_never_bring_more_nudges(engine: Engine) -> None:
    """Sixty pairs of pasts; the second learner of each pair did on more days what the first one did."""
    dice = random.Random(7)
    pasts: dict[int, tuple[frozenset[int], frozenset[int]]] = {}
    pairs = []
    for _ in range(60):
        often = dice.choice([0.4, 0.7, 0.9])
        met = frozenset(day for day in range(1, 16) if dice.random() < often)
        more = met | frozenset(day for day in range(1, 16) if dice.random() < 0.3)
        told = frozenset(day for day in range(1, 16) if dice.random() < dice.choice([0.1, 0.4, 0.8]))
        zone = dice.choice(["Europe/Berlin", "America/New_York", "Asia/Kolkata", None])
        pair = [someone(engine, rest=(), zone=zone) for _ in range(2)]
        pasts |= {pair[0]: (met, told), pair[1]: (more, told)}
        pairs.append(pair)
    earlier = uuid4()
    with writing(engine) as connection:
        wave_id, campaign_id = _bare_wave(connection)
        connection.execute(insert(handover).values(_bare_handover(earlier, wave_id, campaign_id)))
        days = [
            {"learner_id": each, "local_day": MONDAY.toordinal() - ago, "handover_id": earlier, "lane": "nudge"}
            for each, (_, told) in pasts.items()
            for ago in told
        ]
        connection.execute(insert(contact), days)
    for each, (met, _) in pasts.items():
        for ago in met:  # three in the afternoon in India is nine in the morning in New York
            learns(engine, each, utc("2026-01-12T14:00") - ago * DAY, minutes=dice.choice([2.0, None, 30.0]))
    spec = a_wave("habit.daily", daily_goal=True, window=ALWAYS, hour=15)
    wave_id = planned(engine, spec, as_of=utc("2026-01-12T09:00"))
    at_planning = {each: reason is None for each, reason in reasons_of(engine, wave_id).items()}
    gap = {each: expected_gap(*past) for each, past in pasts.items()}
    nudged = {each: not any(ago < gap[each] for ago in told) for each, (_, told) in pasts.items()}
    assert at_planning == nudged
    assert set(gap.values()) == {1, 2, 7}
    for fewer_days, more_days in pairs:
        assert gap[more_days] >= gap[fewer_days]
        assert nudged[more_days] <= nudged[fewer_days]


def _bare_wave(connection: Connection) -> tuple[int, int]:
    """A wave of the stage that was sent earlier, by another campaign."""
    campaign_id = a_campaign(connection, "earlier")
    spec = a_wave("habit.daily", campaign="earlier", on=MONDAY - 20 * DAY, daily_goal=True)
    values = {
        "campaign_id": campaign_id,
        "key": spec.key,
        "series": spec.series,
        "on_day": spec.on,
        "stage": spec.stage,
        "message_key": spec.message_key,
        "touch": spec.touch.value,
        "message_class": spec.message_class.value,
        "family": spec.family,
        "scheduled_for": DAWN,
        "expires_at": DAWN,
        "spec": spec.model_dump(mode="json"),
    }
    return int(connection.execute(insert(wave).values(values)).inserted_primary_key[0]), campaign_id


def _bare_handover(identity: UUID, wave_id: int, campaign_id: int) -> dict[str, object]:
    stamps = dict.fromkeys(("intended_at", "as_of", "deadline_at"), DAWN)
    numbers = {"rotation": 0, "first_learner_id": 1, "last_learner_id": 1, "size": 1}
    return {"id": identity, "wave_id": wave_id, "campaign_id": campaign_id, "channel": "email", **numbers, **stamps}


@pytest.mark.parametrize("seed", range(2))
def test_whatever_happens_nobody_gets_two_messages_of_the_stage_on_one_day(engine: Engine, seed: int) -> None:
    """Ten days of chance: two campaigns, both kinds of wave, re-runs, moves, changed minds, learning at any time."""
    dice = random.Random(seed)
    with writing(engine) as connection:
        a_campaign(connection, "other")
    zones = ["Europe/Berlin", "America/Los_Angeles", "Pacific/Auckland", "Asia/Kolkata"]
    people = [
        someone(engine, rest=(), zone=dice.choice(zones), preferred_hour=dice.choice([None, 8, 17])) for _ in range(6)
    ]
    for each in people[:3]:
        plans(engine, each, dice.randrange(9 * 60, 19 * 60), weekdays=0b1111111)
    sink = Sink()
    for number in range(10):
        on, dawn = MONDAY + number * DAY, EVENING_BEFORE + number * DAY
        for campaign in ("safety", "other"):
            for make in (a_nudge, a_reminder):
                plan(engine, make(on, campaign=campaign, window=ALWAYS), as_of=dawn)
        for hours in sorted(dice.sample(range(40), 5)):
            now = dawn + timedelta(hours=hours)
            who = dice.choice(people)
            match dice.randrange(5):
                case 0:
                    learns(engine, who, now, minutes=dice.choice([0.5, 2.0, None, 45.0]))
                case 1:
                    asks(engine, who, is_wanted=dice.random() < 0.8, rest=dice.sample(range(7), 1))
                case 2:
                    with writing(engine) as connection:
                        connection.execute(
                            update(learner).where(learner.c.id == who).values(timezone=dice.choice(zones))
                        )
                case 3:
                    _again(engine, now)
            dispatched(engine, sink, now=now, caps=NO_CAPS)
    days = _contacts(engine)
    assert len(days) > 10
    assert max(Counter(days).values()) == 1
    assert len(days) == got(sink)


def _again(engine: Engine, now: datetime) -> None:
    """Everybody of the latest wave is asked for once more."""
    with reading(engine) as connection:
        latest = connection.execute(select(wave.c.id).order_by(wave.c.id.desc()).limit(1)).scalar_one()
    cohort = Cohort(kind=CohortKind.SEGMENT, segment=EVERYONE)
    rotate(engine, latest, cohort, reason="again", requested_by="ada", as_of=now)


# ---- reminders at a cue


def test_a_reminder_comes_at_the_minute_of_the_earliest_cue_of_the_day_in_the_learners_zone(
    engine: Engine, campaign: list[int]
) -> None:
    with writing(engine) as connection:
        berlin, york = a_learner(connection), a_learner(connection, zone="America/New_York")
        a_learner(connection)  # no plan
    plans(engine, berlin, 15 * 60)
    plans(engine, berlin, 9 * 60 + 20, item_id=campaign[1])
    plans(engine, york, 8 * 60 + 5)
    wave_id = planned(engine, a_reminder(), as_of=EVENING_BEFORE)
    rows = rows_of(engine, wave_id)
    assert {each: row.due_at for each, row in rows.items()} == {
        berlin: utc("2026-01-12T08:20"),
        york: utc("2026-01-12T13:05"),
    }
    assert (rows[berlin].item_id, rows[york].item_id) == (campaign[1], None)
    assert {row.expires_at - row.due_at for row in rows.values()} == {timedelta(minutes=45)}


@pytest.mark.parametrize(
    "fields",
    [
        {"reminds": False},
        {"at_minute": None, "reminds": True},
        {"ended_at": DAWN},
        {"weekdays": 0b1111110},
    ],
)
def test_a_plan_that_does_not_remind_today_is_none(engine: Engine, fields: dict[str, object]) -> None:
    with writing(engine) as connection:
        one = a_learner(connection)
    plans(engine, one, **{"at_minute": 600, **fields})  # type: ignore[arg-type]
    assert plan(engine, a_reminder(), as_of=EVENING_BEFORE).wave_id is None


def test_an_item_that_is_completed_is_not_reminded_of(engine: Engine, campaign: list[int]) -> None:
    with writing(engine) as connection:
        one = a_learner(connection)
        has_completed(connection, one, campaign[0])
    plans(engine, one, 600, item_id=campaign[0])
    assert rows_of(engine, planned(engine, a_reminder()))[one].item_id is None


def test_no_reminder_after_the_two_minutes_nor_where_the_plan_was_changed_or_ended(engine: Engine) -> None:
    with writing(engine) as connection:
        done, ended, moved, stays = (a_learner(connection) for _ in range(4))
    ids = {each: plans(engine, each, 600) for each in (done, ended, moved, stays)}
    wave_id = planned(engine, a_reminder(), as_of=EVENING_BEFORE)
    now = utc("2026-01-12T09:08")
    learns(engine, done, now - timedelta(minutes=20))
    with writing(engine) as connection:
        connection.execute(update(cue_plan).where(cue_plan.c.id == ids[ended]).values(ended_at=now))
        connection.execute(update(cue_plan).where(cue_plan.c.id == ids[moved]).values(at_minute=900))
    drained(engine, wave_id, now=now)
    assert reasons_of(engine, wave_id) == {
        done: Reason.GOAL_MET,
        ended: Reason.NO_LONGER_IN_SEGMENT,
        moved: Reason.NO_LONGER_IN_SEGMENT,
        stays: None,
    }


def test_a_rest_day_does_not_overrule_a_plan_that_names_the_day(engine: Engine) -> None:
    one = someone(engine, rest=[0])
    plans(engine, one, 600)
    assert reasons_of(engine, planned(engine, a_reminder())) == {one: None}


def test_a_reminder_in_quiet_hours_is_given_up_unless_they_end_while_the_cue_is_fresh(engine: Engine) -> None:
    with writing(engine) as connection:
        night, nearly = a_learner(connection), a_learner(connection)
    plans(engine, night, 7 * 60 + 15)
    plans(engine, nearly, 7 * 60 + 50)
    wave_id = planned(engine, a_reminder(), as_of=EVENING_BEFORE)
    assert reasons_of(engine, wave_id) == {night: Reason.QUIET_HOURS, nearly: None}
    drained(engine, wave_id, now=utc("2026-01-12T06:50"))
    assert states_of(engine, wave_id)[nearly] == (DeliveryState.HELD, Reason.QUIET_HOURS)
    drained(engine, wave_id, now=utc("2026-01-12T07:00"))
    assert states_of(engine, wave_id)[nearly][0] == DeliveryState.ACCEPTED


def test_a_reminder_that_could_not_be_sent_is_stale_after_three_quarters_of_an_hour(engine: Engine) -> None:
    with writing(engine) as connection:
        one = a_learner(connection)
    plans(engine, one, 600)
    wave_id = planned(engine, a_reminder())
    drained(engine, wave_id, now=utc("2026-01-12T09:46"))
    assert states_of(engine, wave_id)[one][0] == DeliveryState.SKIPPED


def test_the_daily_nudge_gives_way_to_a_reminder_where_the_campaign_has_both(engine: Engine) -> None:
    both, nudge_only = someone(engine), someone(engine)
    plans(engine, both, 16 * 60)
    assert set(reasons_of(engine, planned(engine, a_nudge(cues_first=True)))) == {nudge_only}
    with writing(engine) as connection:
        a_campaign(connection, "other")
    assert set(reasons_of(engine, planned(engine, a_nudge(campaign="other")))) == {both, nudge_only}


@pytest.mark.parametrize(
    ("on", "minute", "expected"),
    [
        (date(2026, 3, 29), 2 * 60 + 30, "2026-03-29T01:30"),  # skipped: 03:30 by the new clock
        (date(2026, 3, 29), 9 * 60, "2026-03-29T07:00"),
        (date(2026, 10, 25), 2 * 60 + 30, "2026-10-25T00:30"),  # twice: the first
        (date(2026, 10, 25), 9 * 60, "2026-10-25T08:00"),
    ],
)
def test_a_cue_is_a_time_on_the_wall_where_clocks_are_changed(
    engine: Engine, on: date, minute: int, expected: str
) -> None:
    with writing(engine) as connection:
        one = a_learner(connection)
    plans(engine, one, minute, weekdays=0b1000000)
    wave_id = planned(engine, a_reminder(on, window=ALWAYS), as_of=utc(f"{on}T00:00") - DAY)
    assert rows_of(engine, wave_id)[one].due_at == utc(expected)
    for minutes in (-1, 0):
        drained(engine, wave_id, now=utc(expected) + timedelta(minutes=minutes))
        state = states_of(engine, wave_id)[one][0]
        assert state == (DeliveryState.ACCEPTED if minutes == 0 else DeliveryState.PLANNED)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"])
def test_no_reminder_is_due_for_longer_than_its_life_in_any_minute_of_a_year(zone: str) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    while moment.year == 2026:
        day, first, last = due_minutes(moment, zone)
        local = moment.astimezone(ZoneInfo(zone))
        assert (day, last) == (local.date(), local.hour * 60 + local.minute)
        assert (
            first <= last or local.utcoffset() != (moment - timedelta(hours=2)).astimezone(ZoneInfo(zone)).utcoffset()
        )
        assert last - first <= 45 + 60
        moment += timedelta(minutes=37)


# ---- what a wave may be


@pytest.mark.parametrize(
    "fields",
    [
        {"daily_goal": True, "at_cue": True},
        {"daily_goal": True, "stage": "onboarding"},
        {"at_cue": True, "due_offset": -1},
    ],
)
def test_a_wave_is_one_of_both_and_belongs_to_the_stage(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        a_wave("habit.daily", **fields)


def test_a_stored_wave_of_before_reads_as_one_without_habit() -> None:
    stored = a_wave().model_dump(mode="json")
    for name in ("daily_goal", "at_cue", "cues_first"):
        del stored[name]
    assert not WaveSpec.model_validate(stored).is_habit
