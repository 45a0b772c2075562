from __future__ import annotations

import itertools
import random
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, delete, func, select, update

from pushpull.db import reading, writing
from pushpull.learners.consent import lift, opt_in, opt_out, suppress
from pushpull.learners.segments import parse_segment
from pushpull.learners.tables import learner
from pushpull.learners.vocabulary import Channel, SuppressionReason
from pushpull.ledger import timing
from pushpull.ledger.campaigns import UnknownCampaignError, cancel_wave
from pushpull.ledger.planning import plan
from pushpull.ledger.results import wave_results
from pushpull.ledger.tables import delivery, rotation, wave
from pushpull.ledger.vocabulary import Arm, MessageClass, Reason, WaveStatus
from tests.ledger.arm_oracle import is_held_out, people_with
from tests.ledger.builders import (
    DAWN,
    MONDAY,
    NOON,
    Sink,
    a_campaign,
    a_learner,
    a_lifecycle,
    a_wave,
    an_item,
    approved,
    counts_of,
    drained,
    has_completed,
    has_withdrawn,
    is_assigned,
    learners,
    planned,
    reasons_of,
    rows_of,
    utc,
    was_active,
)

SMS_TOO = (Channel.SMS, Channel.EMAIL)
GLOBAL, OWN = "global", "holdout:safety"


# ---- everybody gets a row, and those who get nothing a reason


def test_every_learner_of_the_audience_gets_one_row_and_the_excluded_ones_their_reason(engine: Engine) -> None:
    free = people_with(held={GLOBAL: False, OWN: False}, share=0.2)
    with writing(engine) as connection:
        a_campaign(connection, items=("course", "quiz"))
        course, quiz = connection.execute(select_items()).scalars().all()
        expected = {a_learner(connection, external_id=next(free)): None}

        def excluded(reason: Reason, **fields: object) -> int:
            learner_id = a_learner(connection, **{"external_id": next(free), **fields})
            expected[learner_id] = reason
            return learner_id

        excluded(Reason.INACTIVE, active=False)
        has_withdrawn(connection, excluded(Reason.WITHDRAWN), course)
        done = excluded(Reason.COMPLETED)
        has_completed(connection, done, course)
        has_completed(connection, done, quiz)
        in_global = people_with(held={GLOBAL: True, OWN: False}, share=0.2)
        in_own = people_with(held={GLOBAL: False, OWN: True}, share=0.2)
        excluded(Reason.GLOBAL_HOLDOUT, external_id=next(in_global))
        excluded(Reason.HOLDOUT, external_id=next(in_own))
        excluded(Reason.NO_ADDRESS, email=None, teams_id=None)
        excluded(Reason.NO_ADDRESS, email="", teams_id="")
        out = excluded(Reason.OPTED_OUT)
        opt_out(connection, out, channel="email", family="safety", source="test", at=DAWN)
        bounced = excluded(Reason.SUPPRESSED)
        suppress(connection, bounced, channel="email", reason=SuppressionReason.BOUNCED, source="test", at=DAWN)
        half_done = a_learner(connection, external_id=next(free))
        has_completed(connection, half_done, course)
        expected[half_done] = None
    result = plan(engine, a_wave(holdout=0.2), as_of=DAWN, global_holdout=0.2)
    assert result.wave_id is not None
    assert reasons_of(engine, result.wave_id) == expected
    assert result.audience == len(expected) == result.planned + sum(result.by_reason.values())
    assert result.planned == 2
    arms = {row.reason: row.arm for row in rows_of(engine, result.wave_id).values()}
    assert arms[Reason.HOLDOUT] == Arm.HOLDOUT
    assert arms[Reason.GLOBAL_HOLDOUT] == Arm.GLOBAL_HOLDOUT
    assert arms[None] == Arm.TREATED
    with reading(engine) as connection:
        (became,) = wave_results(connection, wave_ids=[result.wave_id])
    assert became.audience == len(expected)
    assert sum(became.states.values()) == len(expected)
    assert dict(became.skipped) == result.by_reason


def select_items():  # type: ignore[no-untyped-def]  # a select of ids
    from pushpull.catalogue.tables import item

    return select(item.c.id).order_by(item.c.id)


def test_a_private_phone_is_texted_only_after_an_explicit_yes(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        silent = a_learner(connection, phone="+4915100000001", email=None)
        willing = a_learner(connection, phone="+4915100000002", email=None)
        opt_in(connection, willing, channel="sms", family="safety", source="test", at=DAWN)
    wave_id = planned(engine, a_wave(channels=SMS_TOO))
    assert reasons_of(engine, wave_id) == {silent: Reason.NO_CONSENT, willing: None}


def test_who_never_got_the_first_step_does_not_get_the_second(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        told, missed = learners(connection, 2)
        opt_out(connection, missed, channel="*", family="safety", source="test", at=DAWN)
    first = planned(engine, a_wave("launch.hello"))
    drained(engine, first)
    with writing(engine) as connection:
        opt_in(connection, missed, channel="*", family="safety", source="test", at=NOON)
        late = a_learner(connection)
    second = planned(engine, a_wave("launch.more", on=MONDAY + timedelta(days=1), after=("launch.hello",)), as_of=NOON)
    assert reasons_of(engine, second) == {
        told: None,
        missed: Reason.FIRST_STEP_MISSING,
        late: Reason.FIRST_STEP_MISSING,
    }


def test_an_accepted_first_step_counts_only_after_the_gap(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        a_learner(connection)
    drained(engine, planned(engine, a_wave("launch.hello")))
    for days, reason in ((2, Reason.FIRST_STEP_MISSING), (3, None)):
        spec = a_wave("launch.more", on=MONDAY + timedelta(days=days), after=("launch.hello",), min_gap_days=3)
        assert set(reasons_of(engine, planned(engine, spec, as_of=NOON)).values()) == {reason}


def test_a_wave_planned_after_its_time_is_expired_where_its_hour_is_long_gone(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        east, west = a_learner(connection, zone="Asia/Tokyo"), a_learner(connection, zone="America/Los_Angeles")
    as_of = utc("2026-01-12T06:00")  # six hours after nine in Tokyo, eleven before nine in Los Angeles
    wave_id = planned(engine, a_wave(expires_after=timedelta(hours=5)), as_of=as_of)
    assert reasons_of(engine, wave_id) == {east: Reason.EXPIRED, west: None}
    assert rows_of(engine, wave_id)[west].due_at == utc("2026-01-12T17:00")


def test_a_wave_planned_a_little_late_is_due_at_once(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        east = a_learner(connection, zone="Asia/Tokyo")
    as_of = utc("2026-01-12T06:00")
    row = rows_of(engine, planned(engine, a_wave(), as_of=as_of))[east]
    assert row.due_at == as_of
    assert row.expires_at == utc("2026-01-14T00:00")  # still counted from nine o'clock of the day itself


def test_the_most_telling_reason_stands_first(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection, items=("course",))
        course = connection.execute(select_items()).scalar_one()
        gone = a_learner(connection, active=False, email=None)
        has_completed(connection, gone, course)
        left = a_learner(connection, email=None)
        has_withdrawn(connection, left, course)
    assert reasons_of(engine, planned(engine, a_wave())) == {gone: Reason.INACTIVE, left: Reason.WITHDRAWN}


# ---- planning again, rehearsing, nobody


def test_planning_again_adds_nothing_whoever_joined(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        learners(connection, 3)
    first = plan(engine, a_wave(), as_of=DAWN)
    with writing(engine) as connection:
        learners(connection, 2)
    again = plan(engine, a_wave(), as_of=DAWN)
    assert counts_of(again) == counts_of(first) == (3, 3, {})
    assert again.was_planned_before
    assert not first.was_planned_before
    assert again.wave_id == first.wave_id


def test_planning_again_leaves_a_persons_decision_alone(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        learners(connection, 3)
    spec = a_wave(approval_threshold=2)
    wave_id = planned(engine, spec)
    with writing(engine) as connection:
        approved(connection, wave_id, at=NOON)
    assert plan(engine, spec, as_of=NOON).status == WaveStatus.OPEN
    with writing(engine) as connection:
        cancel_wave(connection, wave_id, who="ops", why="changed our minds", at=NOON)
    again = plan(engine, spec, as_of=NOON)
    assert again.status == WaveStatus.CANCELLED
    assert again.by_reason == {Reason.CANCELLED: 3}


def test_a_dry_run_counts_and_leaves_no_trace(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        learners(connection, 2)
        a_learner(connection, email=None)
    rehearsed = plan(engine, a_wave(), as_of=DAWN, dry_run=True)
    assert counts_of(rehearsed) == (3, 2, {Reason.NO_ADDRESS: 1})
    assert rehearsed.wave_id is None
    assert rehearsed.by_channel == {"email": 2}
    with reading(engine) as connection:
        for table in (wave, delivery, rotation):
            assert connection.execute(select(func.count()).select_from(table)).scalar_one() == 0


def test_a_wave_nobody_belongs_to_leaves_no_wave(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        learners(connection, 2)
    result = plan(engine, a_wave(target=parse_segment({"tag": "pilot"})), as_of=DAWN)
    assert counts_of(result) == (0, 0, {})
    assert result.wave_id is None
    with reading(engine) as connection:
        assert connection.execute(select(func.count()).select_from(wave)).scalar_one() == 0


def test_a_wave_of_an_unknown_campaign_is_refused_in_words(engine: Engine) -> None:
    with pytest.raises(UnknownCampaignError, match="no campaign 'nowhere'"):
        plan(engine, a_wave(campaign="nowhere"), as_of=DAWN)


def test_only_the_target_within_the_audience_gets_rows(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        seller = a_learner(connection, department="Sales")
        a_learner(connection, department="Sales", title="Trainee")
        a_learner(connection, department="Finance")
    spec = a_wave(
        audience=parse_segment({"field": "department", "is": "Sales"}),
        target=parse_segment({"not": {"field": "title", "is": "Trainee"}}),
    )
    assert set(rows_of(engine, planned(engine, spec))) == {seller}


def test_more_learners_than_the_approval_threshold_hold_the_wave(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        learners(connection, 2)
    at_threshold = plan(engine, a_wave("launch.one", approval_threshold=2), as_of=DAWN)
    above = plan(engine, a_wave("launch.two", approval_threshold=1), as_of=DAWN)
    assert (at_threshold.status, above.status) == (WaveStatus.OPEN, WaveStatus.HELD)
    sink = Sink()
    assert above.wave_id is not None
    assert drained(engine, above.wave_id, sink).stopped == "wave held"
    assert not sink.received
    with writing(engine) as connection:
        approved(connection, above.wave_id, at=NOON)
    assert drained(engine, above.wave_id, sink).accepted == 2


# ---- channels, languages, classes


def test_the_first_usable_channel_is_taken(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        both = a_learner(connection)
        no_email = a_learner(connection, email=None)
        opted_out = a_learner(connection)
        opt_out(connection, opted_out, channel="email", family="safety", source="test", at=DAWN)
        suppressed = a_learner(connection)
        suppress(connection, suppressed, channel="email", reason=SuppressionReason.BOUNCED, source="test", at=DAWN)
        lifted = a_learner(connection)
        suppress(connection, lifted, channel="email", reason=SuppressionReason.BOUNCED, source="test", at=DAWN)
        lift(connection, lifted, channel="email", at=NOON)
    rows = rows_of(engine, planned(engine, a_wave(channels=(Channel.EMAIL, Channel.TEAMS))))
    assert {learner_id: row.channel for learner_id, row in rows.items()} == {
        both: "email",
        no_email: "teams",
        opted_out: "teams",
        suppressed: "teams",
        lifted: "email",
    }


@pytest.mark.parametrize(
    ("preferred", "language"),
    [("de-AT", "de"), ("DE_ch", "de"), ("pt-BR", "pt-BR"), ("pt", "en"), ("zh-Hant-TW", "en"), (None, "en")],
)
def test_a_message_comes_in_the_learners_language_or_the_first_one(
    sqlite_engine: Engine, preferred: str | None, language: str
) -> None:
    with writing(sqlite_engine) as connection:
        a_campaign(connection)
        someone = a_learner(connection, preferred_language=preferred)
    wave_id = planned(sqlite_engine, a_wave(languages=("en", "de", "pt-BR")))
    assert rows_of(sqlite_engine, wave_id)[someone].language == language


def test_an_obligation_knows_no_opt_out_and_no_holdout_but_completion(engine: Engine) -> None:
    names = people_with(held={GLOBAL: True, OWN: True}, share=0.5)
    with writing(engine) as connection:
        a_campaign(connection, items=("course",), message_class=MessageClass.MANDATORY)
        course = connection.execute(select_items()).scalar_one()
        held_out = a_learner(connection, external_id=next(names))
        unwilling = a_learner(connection, external_id=next(names))
        opt_out(connection, unwilling, channel="*", family="*", source="test", at=DAWN)
        bounced = a_learner(connection, external_id=next(names))
        suppress(connection, bounced, channel="email", reason=SuppressionReason.BOUNCED, source="test", at=DAWN)
        done = a_learner(connection, external_id=next(names))
        has_completed(connection, done, course)
    spec = a_wave(message_class=MessageClass.MANDATORY, holdout=0.5)
    wave_id = planned(engine, spec, global_holdout=0.5)
    assert reasons_of(engine, wave_id) == {
        held_out: None,
        unwilling: None,
        bounced: Reason.SUPPRESSED,
        done: Reason.COMPLETED,
    }
    sink = Sink()
    drained(engine, wave_id, sink, global_holdout=0.5)
    assert sink.received.total() == 2


# ---- arms and variants


def test_the_variant_split_is_sticky_and_about_even(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        learners(connection, 600)
    spec = a_wave(variants=(("plain", 1), ("question", 1)))
    first = rows_of(engine, planned(engine, spec))
    tomorrow = a_wave(variants=spec.variants, on=MONDAY + timedelta(days=1))
    second = rows_of(engine, planned(engine, tomorrow))
    assert {learner_id: row.variant for learner_id, row in first.items()} == {
        learner_id: row.variant for learner_id, row in second.items()
    }
    share = sum(row.variant == "plain" for row in first.values()) / 600
    assert 0.42 < share < 0.58
    other = rows_of(engine, planned(engine, a_wave("launch.other", variants=spec.variants)))
    agreeing = sum(other[learner_id].variant == row.variant for learner_id, row in first.items()) / 600
    assert 0.4 < agreeing < 0.6, "another series splits independently"


def test_holdouts_are_about_as_large_as_asked_and_independent_over_campaigns(engine: Engine) -> None:
    with writing(engine) as connection:
        for key in ("safety", "habits"):
            a_campaign(connection, key)
        learners(connection, 2000)
    held = {}
    for key in ("safety", "habits"):
        reasons = reasons_of(engine, planned(engine, a_wave(campaign=key, holdout=0.2), global_holdout=0.1))
        held[key] = {learner_id for learner_id, reason in reasons.items() if reason == Reason.HOLDOUT}
        globally = {learner_id for learner_id, reason in reasons.items() if reason == Reason.GLOBAL_HOLDOUT}
        assert 0.08 < len(globally) / 2000 < 0.12
        assert 0.15 < len(held[key]) / (2000 - len(globally)) < 0.25
    both = len(held["safety"] & held["habits"]) / 2000
    assert 0.02 < both < 0.06, "a fifth of a fifth, less the global holdout"


def test_a_holdout_sticks_when_the_campaign_is_planned_anew(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        people = {a_learner(connection, external_id=f"p{number}"): f"p{number}" for number in range(100)}
    for days in (0, 1):
        reasons = reasons_of(engine, planned(engine, a_wave(on=MONDAY + timedelta(days=days), holdout=0.3)))
        for learner_id, name in people.items():
            assert (reasons[learner_id] == Reason.HOLDOUT) == is_held_out(name, OWN, 0.3)


# ---- when


@pytest.mark.parametrize("on", [date(2026, 3, 6), date(2026, 3, 9), date(2026, 3, 27), date(2026, 3, 30)])
def test_the_local_hour_stays_the_same_over_clock_changes(engine: Engine, on: date) -> None:
    zones = ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC"]
    with writing(engine) as connection:
        a_campaign(connection)
        people = {a_learner(connection, zone=zone): zone for zone in zones}
    as_of = datetime.combine(on, datetime.min.time(), tzinfo=UTC) - timedelta(days=1)
    rows = rows_of(engine, planned(engine, a_wave(on=on, hour=10), as_of=as_of))
    for learner_id, zone in people.items():
        local = rows[learner_id].due_at.astimezone(ZoneInfo(zone))
        assert (local.date(), local.hour, local.minute) == (on, 10, 0)


def test_the_learners_own_hour_is_used_where_it_is_known_and_allowed(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        people = {a_learner(connection, zone="UTC", preferred_hour=hour): hour for hour in (None, 3, 14, 23)}
    rows = rows_of(engine, planned(engine, a_wave(hour=10, prefer_learner_hour=True)))
    hours = {people[learner_id]: row.due_at.hour for learner_id, row in rows.items()}
    assert hours == {None: 10, 3: 8, 14: 14, 23: 19}  # moved into the window, which is open from 8 to 20


@pytest.mark.parametrize("zone", [None, "", "Mars/Olympus"])
def test_who_has_no_known_zone_is_timed_by_the_organisations(engine: Engine, zone: str | None) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        someone = a_learner(connection, zone=zone)
    wave_id = planned(engine, a_wave(timezone="America/New_York"))
    assert rows_of(engine, wave_id)[someone].due_at == utc("2026-01-12T14:00")
    assert drained(engine, wave_id, now=utc("2026-01-12T15:00")).accepted == 1


def test_a_text_to_an_unknown_zone_waits_until_it_is_day_everywhere(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        a_learner(connection, zone="America/New_York")
        unknown = a_learner(connection, zone=None, phone="+15550000001")
        opt_in(connection, unknown, channel="sms", family="safety", source="test", at=DAWN)
    wave_id = planned(engine, a_wave(channels=(Channel.SMS,)))
    row = rows_of(engine, wave_id)[unknown]
    assert row.due_at == utc("2026-01-12T13:00")  # eight in New York; nine in Berlin was five hours ago


# ---- due dates, absence, once


def test_a_reminder_reaches_whose_own_due_date_is_so_many_working_days_away(engine: Engine) -> None:
    random.seed(7)
    zones = ["Europe/Berlin", "America/Los_Angeles", "Asia/Tokyo", "Pacific/Auckland", None]
    with writing(engine) as connection:
        campaign_id = a_campaign(connection, items=("course",))
        course = connection.execute(select_items()).scalar_one()
        due = {}
        for number in range(150):
            zone = zones[number % len(zones)]
            learner_id = a_learner(connection, zone=zone)
            due_at = utc("2026-01-05T00:00") + timedelta(hours=random.randrange(24 * 21))
            is_assigned(connection, learner_id, course, due_at=due_at)
            due[learner_id] = timing.local_day(due_at, zone or "Europe/Berlin")
        never_due = a_learner(connection)
        is_assigned(connection, never_due, course)
        other = an_item(connection, "other")
        is_assigned(connection, a_learner(connection), other, due_at=NOON)
    assert campaign_id
    for days, offset in itertools.product(range(5), (-3, -1, 1, 2)):
        on = MONDAY + timedelta(days=days)
        expected = {learner_id for learner_id, day in due.items() if timing.add_working_days(day, offset) == on}
        spec = a_wave(f"launch.due{offset}", on=on, due_offset=offset)
        result = plan(engine, spec, as_of=DAWN)
        if not expected:
            assert result.wave_id is None
            continue
        assert result.wave_id is not None
        rows = rows_of(engine, result.wave_id)
        assert set(rows) == expected
        assert {row.item_id for row in rows.values()} == {course}


def test_a_reminder_is_about_the_item_that_is_still_open(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection, items=("first", "second"))
        first, second = connection.execute(select_items()).scalars().all()
        someone, finished = learners(connection, 2)
        due_at = utc("2026-01-14T12:00")
        has_completed(connection, someone, first)
        is_assigned(connection, someone, second, due_at=due_at)
        for done in (first, second):
            has_completed(connection, finished, done)
        for learner_id, done in ((someone, first), (finished, first), (finished, second)):
            connection.execute(due_set(learner_id, done, due_at))
    wave_id = planned(engine, a_wave(due_offset=-2))
    rows = rows_of(engine, wave_id)
    assert (rows[someone].item_id, rows[someone].reason) == (second, None)
    assert rows[finished].reason == Reason.COMPLETED


def due_set(learner_id: int, item_id: int, due_at: datetime):  # type: ignore[no-untyped-def]  # an update
    from pushpull.learners.tables import progress

    return (
        update(progress).where(progress.c.learner_id == learner_id, progress.c.item_id == item_id).values(due_at=due_at)
    )


def test_absence_is_counted_in_days_and_by_the_learners_own_rhythm(engine: Engine) -> None:
    with writing(engine) as connection:
        campaign_id = a_campaign(connection)
        people = {}
        for silent_days, rhythm in itertools.product((2, 5, 8, 15, 30), (None, 1.0, 10.0)):
            learner_id = a_learner(connection)
            a_lifecycle(
                connection,
                campaign_id,
                learner_id,
                last_active_at=DAWN - timedelta(days=silent_days),
                rhythm_days=rhythm,
            )
            people[learner_id] = (silent_days, rhythm)
        never_active = a_learner(connection)
        a_lifecycle(connection, campaign_id, never_active, last_active_at=None)
        a_learner(connection)  # without a lifecycle at all
    by_days = set(rows_of(engine, planned(engine, a_wave("back.days", inactive_days=5))))
    assert by_days == {learner_id for learner_id, (days, _) in people.items() if days >= 5}
    by_rhythm = set(rows_of(engine, planned(engine, a_wave("back.rhythm", inactive_days=5, inactive_rhythm=2))))
    assert by_rhythm == {
        learner_id for learner_id, (days, rhythm) in people.items() if days >= max(5, 2 * (rhythm or 0))
    }
    by_rhythm_alone = set(rows_of(engine, planned(engine, a_wave("back.own", inactive_rhythm=2))))
    assert by_rhythm_alone == {
        learner_id for learner_id, (days, rhythm) in people.items() if days >= max(7, 2 * (rhythm or 0))
    }


def test_once_means_once_whether_sent_or_still_waiting(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        told, refused, excluded = learners(connection, 3)
        opt_out(connection, excluded, channel="*", family="*", source="test", at=DAWN)
    from pushpull.ledger.outcomes import Rejected

    drained(engine, planned(engine, a_wave(once=True)), Sink({refused: [Rejected("invalid_address")]}))
    with writing(engine) as connection:
        opt_in(connection, excluded, channel="*", family="*", source="test", at=NOON)
        joined = a_learner(connection)
    tuesday = planned(engine, a_wave(on=MONDAY + timedelta(days=1), once=True), as_of=NOON)
    assert set(rows_of(engine, tuesday)) == {refused, excluded, joined}, "only the one who got it has had it"
    wednesday = plan(engine, a_wave(on=MONDAY + timedelta(days=2), once=True), as_of=NOON)
    assert wednesday.wave_id is None, "tuesday's messages are still waiting, so nobody is left"
    assert told not in rows_of(engine, tuesday)


def test_once_per_absence_starts_afresh_when_the_learner_was_back(engine: Engine) -> None:
    with writing(engine) as connection:
        campaign_id = a_campaign(connection)
        stays_away, returns = learners(connection, 2)
        for learner_id in (stays_away, returns):
            a_lifecycle(connection, campaign_id, learner_id, last_active_at=DAWN - timedelta(days=10))
    fields = {"inactive_days": 3.0, "once_per_absence": True}
    drained(engine, planned(engine, a_wave("back.small", **fields)))
    a_week_on = MONDAY + timedelta(days=7)
    with writing(engine) as connection:
        a_lifecycle(connection, campaign_id, returns, last_active_at=NOON + timedelta(days=2))
    wave_id = planned(engine, a_wave("back.small", on=a_week_on, **fields), as_of=DAWN + timedelta(days=7))
    assert set(rows_of(engine, wave_id)) == {returns}


def test_the_second_rung_of_a_ladder_needs_the_first_in_the_same_absence(engine: Engine) -> None:
    with writing(engine) as connection:
        campaign_id = a_campaign(connection)
        stays_away, returned = learners(connection, 2)
        for learner_id in (stays_away, returned):
            a_lifecycle(connection, campaign_id, learner_id, last_active_at=DAWN - timedelta(days=10))
    drained(engine, planned(engine, a_wave("back.small", inactive_days=3.0, once_per_absence=True)))
    with writing(engine) as connection:
        a_lifecycle(connection, campaign_id, returned, last_active_at=NOON + timedelta(hours=2))
    second = a_wave(
        "back.choice",
        on=MONDAY + timedelta(days=7),
        inactive_days=3.0,
        once_per_absence=True,
        after=("back.small",),
        min_gap_days=5,
    )
    assert set(rows_of(engine, planned(engine, second, as_of=DAWN + timedelta(days=7)))) == {stays_away}
    too_soon = second.model_copy(update={"key": "back.choice@early", "min_gap_days": 8})
    assert plan(engine, too_soon, as_of=DAWN + timedelta(days=7)).wave_id is None


def test_withdrawal_in_the_future_and_activity_do_not_exclude_at_planning(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection, items=("course",))
        course = connection.execute(select_items()).scalar_one()
        leaving, active = learners(connection, 2)
        has_withdrawn(connection, leaving, course, at=NOON)
        was_active(connection, active, course, at=DAWN - timedelta(hours=1))
    wave_id = planned(engine, a_wave(stop_when_active=True))
    assert reasons_of(engine, wave_id) == {leaving: None, active: None}


def test_a_learner_who_was_erased_since_leaves_the_wave_accounted_for(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        gone, stays = learners(connection, 2)
    wave_id = planned(engine, a_wave())
    with writing(engine) as connection:
        connection.execute(delete(learner).where(learner.c.id == gone))
    sink = Sink()
    drained(engine, wave_id, sink)
    assert set(sink.received) == {f"{wave_id}-0-{stays}"}
    assert rows_of(engine, wave_id)[gone].reason == Reason.NO_LONGER_IN_SEGMENT
