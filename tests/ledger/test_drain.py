from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, func, select, update

from pushpull.catalogue.tables import item
from pushpull.db import reading, writing
from pushpull.learners.consent import opt_in, opt_out
from pushpull.learners.segments import parse_segment
from pushpull.learners.tables import learner, suppression
from pushpull.learners.vocabulary import Channel, SuppressionReason
from pushpull.ledger.campaigns import (
    CancelledError,
    cancel_campaign,
    cancel_wave,
    hold_campaign,
    pause_campaign,
    pause_channel,
    pause_wave,
    paused_channels,
    release_wave,
    resume_campaign,
    resume_channel,
)
from pushpull.ledger.drain import DrainOptions, Step, drain
from pushpull.ledger.due import due_waves, hold_misfires, next_due
from pushpull.ledger.events import DeliveryFact, record_facts
from pushpull.ledger.outcomes import Accepted, ChannelStopped, NotSent, Rejected, Uncertain
from pushpull.ledger.reconcile import reap
from pushpull.ledger.results import close_finished, wave_results
from pushpull.ledger.settling import backoff
from pushpull.ledger.shards import Shard, shards
from pushpull.ledger.specs import SendWindow, StopThresholds
from pushpull.ledger.stopping import stop_signal
from pushpull.ledger.tables import attempt, audit, campaign, contact, handover, wave
from pushpull.ledger.vocabulary import DeliveryState, EventKind, Reason, WaveStatus
from tests.ledger.builders import (
    DAWN,
    MONDAY,
    NO_CAPS,
    NOON,
    Sink,
    a_campaign,
    a_learner,
    a_wave,
    an_item,
    dispatched,
    drained,
    has_completed,
    has_withdrawn,
    learners,
    planned,
    rows_of,
    states_of,
    terms_of,
    time_passes,
    utc,
    was_active,
)

SENT = (DeliveryState.ACCEPTED.value, None)
HOUR = timedelta(hours=1)


def a_wave_for(engine: Engine, number: int, **fields: Any) -> tuple[int, list[int]]:
    with writing(engine) as connection:
        a_campaign(connection)
        people = learners(connection, number)
    return planned(engine, a_wave(**fields)), people


def count_of(engine: Engine, table: Any) -> int:
    with reading(engine) as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


# ---- the ordinary way


def test_everybody_planned_gets_one_message_and_a_second_drain_sends_nothing(engine: Engine) -> None:
    wave_id, people = a_wave_for(engine, 7)
    sink = Sink(request_size=3)
    result = drained(engine, wave_id, sink, batch_size=4)
    assert result.accepted == 7
    assert sink.received == {f"{wave_id}-0-{learner_id}": 1 for learner_id in people}
    assert [len(ids) for _, ids in sink.requests] == [3, 1, 3]
    assert set(states_of(engine, wave_id).values()) == {SENT}
    assert count_of(engine, contact) == 7
    assert drained(engine, wave_id, sink).accepted == 0
    assert sink.received.total() == 7
    with writing(engine) as connection:
        assert close_finished(connection, now=NOON) == 1
        (became,) = wave_results(connection)
    assert became.is_finished
    assert became.sentence() == "accepted 7, skipped 0"


def test_nothing_is_sent_before_it_is_due(engine: Engine) -> None:
    wave_id, _ = a_wave_for(engine, 2)
    sink = Sink()
    drained(engine, wave_id, sink, now=utc("2026-01-12T07:59"))
    assert not sink.received
    with reading(engine) as connection:
        assert next_due(connection, after=DAWN, before=NOON) == utc("2026-01-12T08:00")
    drained(engine, wave_id, sink, now=utc("2026-01-12T08:00"))
    assert sink.received.total() == 2


def test_shards_cover_every_learner_once(engine: Engine) -> None:
    wave_id, people = a_wave_for(engine, 11)
    with reading(engine) as connection:
        parts = shards(connection, wave_id=wave_id, rotation=0, count=3)
    assert len(parts) == 3
    sink = Sink()
    for part in parts:
        rules = terms_of(engine, wave_id, now=NOON)
        drain(engine, part, rules, sink, options=DrainOptions(worker="one of three", caps=NO_CAPS))
    assert sink.received == {f"{wave_id}-0-{learner_id}": 1 for learner_id in people}


def test_a_call_may_not_take_as_long_as_the_lease() -> None:
    with pytest.raises(ValueError, match="PUSHPULL_CALL_DEADLINE_SECONDS"):
        DrainOptions(worker="slow", caps=NO_CAPS, lease=timedelta(seconds=30), deadline=timedelta(seconds=30))


def test_a_handover_is_committed_before_its_call_and_the_call_holds_no_transaction(engine: Engine) -> None:
    wave_id, _ = a_wave_for(engine, 2)
    sink = Sink()
    seen = []

    def look(_channel: str, each: Any) -> None:
        with writing(engine) as connection:  # would wait for ever if the drain held the write lock
            seen.append(connection.execute(select(handover.c.id)).scalars().all() == [each.id])
        states = {state for state, _ in states_of(engine, wave_id).values()}
        seen.append(states == {DeliveryState.HANDING_OVER.value})

    sink.before_call = look
    drained(engine, wave_id, sink)
    assert seen == [True, True]


# ---- the re-check


def _completes(connection: Any, learner_id: int) -> None:
    has_completed(connection, learner_id, _course(connection))


def _withdraws(connection: Any, learner_id: int) -> None:
    has_withdrawn(connection, learner_id, _course(connection))


def _opts_out(connection: Any, learner_id: int) -> None:
    opt_out(connection, learner_id, channel="*", family="safety", source="test", at=NOON - HOUR)


def _is_active(connection: Any, learner_id: int) -> None:
    was_active(connection, learner_id, _course(connection), at=NOON - HOUR)


def _changes_department(connection: Any, learner_id: int) -> None:
    connection.execute(update(learner).where(learner.c.id == learner_id).values(department="Finance"))


def _leaves(connection: Any, learner_id: int) -> None:
    connection.execute(update(learner).where(learner.c.id == learner_id).values(active=False))


def _loses_the_address(connection: Any, learner_id: int) -> None:
    connection.execute(update(learner).where(learner.c.id == learner_id).values(email=None))


def _course(connection: Any) -> int:
    return int(connection.execute(select(item.c.id)).scalar_one())


@pytest.mark.parametrize(
    ("happens", "reason"),
    [
        (_completes, Reason.COMPLETED),
        (_withdraws, Reason.WITHDRAWN),
        (_opts_out, Reason.OPTED_OUT),
        (_is_active, Reason.ACTIVE_AGAIN),
        (_changes_department, Reason.NO_LONGER_IN_SEGMENT),
        (_leaves, Reason.INACTIVE),
        (_loses_the_address, Reason.NO_ADDRESS),
    ],
)
@pytest.mark.parametrize("moment", ["before the claim", "between claim and intent"])
def test_what_happens_after_planning_cancels_the_message(
    engine: Engine, happens: Any, reason: Reason, moment: str
) -> None:
    with writing(engine) as connection:
        a_campaign(connection, items=("course",))
        changed, same = learners(connection, 2, department="Sales")
    spec = a_wave(target=parse_segment({"field": "department", "is": "Sales"}), stop_when_active=True)
    wave_id = planned(engine, spec)
    sink = Sink()

    def now_it_happens(step: Step, _count: int) -> None:
        if step is Step.WRITTEN:
            with writing(engine) as connection:
                happens(connection, changed)

    if moment == "before the claim":
        with writing(engine) as connection:
            happens(connection, changed)
        result = drained(engine, wave_id, sink)
    else:
        result = drained(engine, wave_id, sink, on_step=now_it_happens)
    assert dict(result.skipped) == {reason: 1}
    assert states_of(engine, wave_id) == {changed: (DeliveryState.SKIPPED, reason), same: SENT}
    assert set(sink.received) == {f"{wave_id}-0-{same}"}
    assert count_of(engine, contact) == 1


def test_activity_elsewhere_or_before_planning_cancels_nothing(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection, items=("course",))
        course, other = _course(connection), an_item(connection)
        people = learners(connection, 3)
        was_active(connection, people[0], other, at=NOON - HOUR)
        was_active(connection, people[1], course, at=DAWN - HOUR)
    wave_id = planned(engine, a_wave(stop_when_active=True))
    assert drained(engine, wave_id).accepted == 3


def test_a_learner_who_lost_a_channel_is_reached_over_the_next(engine: Engine) -> None:
    wave_id, (moved, same) = a_wave_for(engine, 2, channels=(Channel.EMAIL, Channel.TEAMS))
    with writing(engine) as connection:
        opt_out(connection, moved, channel="email", family="safety", source="test", at=NOON)
    sink = Sink()
    drained(engine, wave_id, sink)
    assert sink.requests == [("email", (same,)), ("teams", (moved,))]


def test_a_message_that_cannot_be_written_is_skipped_and_the_rest_go_out(engine: Engine) -> None:
    wave_id, (bad, good) = a_wave_for(engine, 2)
    sink = Sink(unwritable=[bad])
    assert dict(drained(engine, wave_id, sink).skipped) == {Reason.RENDER_FAILED: 1}
    assert states_of(engine, wave_id) == {bad: (DeliveryState.SKIPPED, Reason.RENDER_FAILED), good: SENT}


def test_a_stale_message_is_given_up(engine: Engine) -> None:
    wave_id, _ = a_wave_for(engine, 2, expires_after=timedelta(hours=3))
    sink = Sink()
    assert dict(drained(engine, wave_id, sink).skipped) == {Reason.EXPIRED: 2}
    assert not sink.received


def test_quiet_hours_hold_a_message_until_the_window_opens(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        berlin, kolkata = a_learner(connection), a_learner(connection, zone="Asia/Kolkata")
    wave_id = planned(engine, a_wave())
    evening = utc("2026-01-12T18:00")  # 19:00 in Berlin, half past eleven at night in Kolkata
    sink = Sink()
    assert dict(drained(engine, wave_id, sink, now=evening).held) == {Reason.QUIET_HOURS: 1}
    assert set(sink.received) == {f"{wave_id}-0-{berlin}"}
    row = rows_of(engine, wave_id)[kolkata]
    assert (row.state, row.reason, row.due_at) == (
        DeliveryState.HELD,
        Reason.QUIET_HOURS,
        utc("2026-01-13T02:30"),
    )
    drained(engine, wave_id, sink, now=utc("2026-01-13T02:29"))
    assert sink.received.total() == 1
    drained(engine, wave_id, sink, now=utc("2026-01-13T02:30"))
    assert sink.received.total() == 2


def test_a_message_that_would_be_stale_by_the_morning_is_skipped_with_what_held_it(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        a_learner(connection, zone="Asia/Kolkata")
    wave_id = planned(engine, a_wave(expires_after=timedelta(hours=16)))
    assert dict(drained(engine, wave_id, now=utc("2026-01-12T18:00")).skipped) == {Reason.QUIET_HOURS: 1}


# ---- pause, cancel, hold


def test_a_paused_wave_keeps_everything_until_it_is_released(engine: Engine) -> None:
    wave_id, _ = a_wave_for(engine, 3)
    sink = Sink()
    with writing(engine) as connection:
        pause_wave(connection, wave_id, who="ops", why="typo", at=NOON)
    assert drained(engine, wave_id, sink).stopped == "wave paused"
    assert dispatched(engine, sink, now=NOON) == []
    with writing(engine) as connection:
        release_wave(connection, wave_id, who="ops", why="fixed", at=NOON)
    assert drained(engine, wave_id, sink).accepted == 3


def test_a_pause_between_claim_and_intent_stops_the_very_next_handover(engine: Engine) -> None:
    wave_id, _ = a_wave_for(engine, 4)
    sink = Sink()

    def pause(step: Step, _count: int) -> None:
        if step is Step.RECORDED:
            with writing(engine) as connection:
                pause_campaign(connection, "safety", who="ops", why="stop", at=NOON)

    result = drained(engine, wave_id, sink, batch_size=2, on_step=pause)
    assert (result.accepted, result.stopped) == (2, "campaign paused")
    assert sorted(state for state, _ in states_of(engine, wave_id).values()) == ["accepted"] * 2 + ["planned"] * 2
    with writing(engine) as connection:
        resume_campaign(connection, "safety", who="ops", why="go", at=NOON)
    assert drained(engine, wave_id, sink).accepted == 2
    assert set(sink.received.values()) == {1}


def test_a_cancelled_wave_is_called_back_and_accounted_for(engine: Engine) -> None:
    wave_id, _ = a_wave_for(engine, 4)
    sink = Sink()

    def cancel(step: Step, _count: int) -> None:
        if step is Step.RECORDED:
            with writing(engine) as connection:
                cancel_wave(connection, wave_id, who="ops", why="wrong message", at=NOON)

    drained(engine, wave_id, sink, batch_size=2, on_step=cancel)
    states = sorted(states_of(engine, wave_id).values())
    assert states == [("accepted", None)] * 2 + [("skipped", Reason.CANCELLED)] * 2
    assert drained(engine, wave_id, sink).accepted == 0
    with writing(engine) as connection:
        assert close_finished(connection, now=NOON) == 1


def test_what_was_on_its_way_when_its_campaign_was_cancelled_is_never_sent_later(engine: Engine) -> None:
    wave_id, (learner_id,) = a_wave_for(engine, 1)
    sink = Sink({learner_id: [NotSent("throttled")]})

    def cancel(_channel: str, _handover: Any) -> None:
        with writing(engine) as connection:
            assert cancel_campaign(connection, "safety", who="ops", why="over", at=NOON) == 0

    sink.before_call = cancel
    drained(engine, wave_id, sink)
    assert states_of(engine, wave_id) == {learner_id: (DeliveryState.PLANNED, Reason.NOT_PROCESSED)}
    with writing(engine) as connection:
        assert close_finished(connection, now=NOON) == 1
    assert states_of(engine, wave_id) == {learner_id: (DeliveryState.SKIPPED, Reason.CANCELLED)}


def test_cancelling_is_for_good(engine: Engine) -> None:
    wave_id, _ = a_wave_for(engine, 1)
    with writing(engine) as connection:
        cancel_wave(connection, wave_id, who="ops", why="no", at=NOON)
        cancel_campaign(connection, "safety", who="ops", why="no", at=NOON)
        hold_campaign(connection, "safety", why="late signal", at=NOON)
        assert connection.execute(select(campaign.c.status)).scalar_one() == WaveStatus.CANCELLED
    with pytest.raises(CancelledError, match="campaign 'safety' was cancelled"), writing(engine) as connection:
        resume_campaign(connection, "safety", who="ops", why="oops", at=NOON)
    with pytest.raises(CancelledError, match="for good"), writing(engine) as connection:
        release_wave(connection, wave_id, who="ops", why="oops", at=NOON)


# ---- what the provider answers


def test_a_message_that_was_not_processed_is_tried_again_later_and_later(engine: Engine) -> None:
    wave_id, (learner_id,) = a_wave_for(engine, 1)
    sink = Sink({learner_id: [NotSent("connection_refused")] * 3})
    now = NOON
    for tries in (1, 2, 3):
        assert drained(engine, wave_id, sink, now=now).not_sent == 1
        row = rows_of(engine, wave_id)[learner_id]
        assert (row.state, row.reason, row.attempt) == (DeliveryState.PLANNED, Reason.NOT_PROCESSED, tries)
        assert row.due_at == now + backoff(tries)
        assert count_of(engine, contact) == 0, "proven not sent: struck out of the book"
        now = row.due_at
    assert drained(engine, wave_id, sink, now=now).accepted == 1
    assert states_of(engine, wave_id) == {learner_id: SENT}
    with reading(engine) as connection:
        noted = connection.execute(select(attempt.c.outcome, attempt.c.proof)).all()
    assert noted == [("not_sent", "connection_refused")] * 3
    assert sink.received.total() == 1


def test_the_pause_between_tries_doubles_from_a_minute_to_an_hour() -> None:
    minutes = [backoff(tries) / timedelta(minutes=1) for tries in range(1, 10)]
    assert minutes == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert backoff(32_000) == HOUR


def test_a_provider_that_names_a_time_is_not_asked_before(engine: Engine) -> None:
    wave_id, (learner_id,) = a_wave_for(engine, 1)
    later = NOON + timedelta(minutes=20)
    drained(engine, wave_id, Sink({learner_id: [NotSent("throttled", retry_at=later)]}))
    assert rows_of(engine, wave_id)[learner_id].due_at == later


def test_a_refused_address_is_suppressed_everywhere(engine: Engine) -> None:
    wave_id, (bad, good) = a_wave_for(engine, 2)
    refused = Rejected("no_such_mailbox", suppress=SuppressionReason.INVALID_ADDRESS)
    assert drained(engine, wave_id, Sink({bad: [refused]})).rejected == 1
    assert states_of(engine, wave_id) == {bad: (DeliveryState.REJECTED, Reason.PROVIDER_REFUSED), good: SENT}
    with reading(engine) as connection:
        stored = connection.execute(select(suppression.c.learner_id, suppression.c.channel, suppression.c.reason)).all()
    assert stored == [(bad, "email", SuppressionReason.INVALID_ADDRESS)]
    assert count_of(engine, contact) == 1
    tomorrow = planned(engine, a_wave(on=MONDAY + timedelta(days=1)), as_of=NOON)
    assert rows_of(engine, tomorrow)[bad].reason == Reason.SUPPRESSED


def test_an_unknown_outcome_waits_for_evidence_and_keeps_its_place_in_the_book(engine: Engine) -> None:
    wave_id, (learner_id,) = a_wave_for(engine, 1)
    sink = Sink({learner_id: [Uncertain("read_timeout")]})
    assert drained(engine, wave_id, sink).uncertain == 1
    assert states_of(engine, wave_id) == {learner_id: (DeliveryState.UNCERTAIN, Reason.UNKNOWN_OUTCOME)}
    assert count_of(engine, contact) == 1
    assert drained(engine, wave_id, sink, now=NOON + timedelta(days=1)).accepted == 0, "time alone changes nothing"


def test_a_provider_may_name_each_message(engine: Engine) -> None:
    wave_id, (named, unnamed) = a_wave_for(engine, 2)
    drained(engine, wave_id, Sink({named: [Accepted("msg-1")]}))
    rows = rows_of(engine, wave_id)
    assert (rows[named].provider_id, rows[unnamed].provider_id) == ("msg-1", None)


def test_a_mixed_answer_settles_each_message_by_its_own_outcome(engine: Engine) -> None:
    wave_id, people = a_wave_for(engine, 5)
    a, b, c, d, e = people
    answers = {a: [Accepted()], b: [Rejected("bad")], c: [NotSent("throttled")], d: [Uncertain("reset")]}
    result = drained(engine, wave_id, Sink(answers))  # type: ignore[arg-type]
    assert (result.accepted, result.rejected, result.not_sent, result.uncertain) == (2, 1, 1, 1)
    assert [states_of(engine, wave_id)[each][0] for each in (a, b, c, d, e)] == [
        "accepted",
        "rejected",
        "planned",
        "uncertain",
        "accepted",
    ]
    with reading(engine) as connection:
        row = connection.execute(select(handover)).one()
    assert (row.accepted, row.rejected, row.not_sent, row.uncertain, row.size) == (2, 1, 1, 1, 5)


def test_a_defect_in_a_channel_is_an_unknown_outcome_and_the_rest_goes_on(engine: Engine) -> None:
    wave_id, people = a_wave_for(engine, 4)
    sink = Sink({people[0]: [RuntimeError("boom")]}, request_size=2)
    result = drained(engine, wave_id, sink)
    assert (result.uncertain, result.accepted) == (2, 2)
    with reading(engine) as connection:
        assert set(connection.execute(select(attempt.c.reason)).scalars()) == {"defect:RuntimeError"}


@pytest.mark.parametrize("answers", [[], [Accepted()], [Accepted()] * 3, [Accepted(), None], [Accepted(), "ok"]])
def test_an_answer_that_does_not_fit_its_messages_is_an_unknown_outcome_for_all(
    engine: Engine, answers: list[Any]
) -> None:
    wave_id, _ = a_wave_for(engine, 4)

    class Confused(Sink):
        def carry(self, channel: str, handover: Any, messages: Any, *, deadline: float, **when: Any) -> Any:
            super().carry(channel, handover, messages, deadline=deadline, **when)
            return list(answers)

    sink = Confused(request_size=2)
    result = drained(engine, wave_id, sink)
    assert (result.uncertain, result.accepted) == (4, 0)
    assert drained(engine, wave_id, sink).accepted == 0
    assert set(sink.received.values()) == {1}, "none lost, none sent twice"


def test_a_stopped_channel_is_paused_loses_nothing_and_leaves_the_others_alone(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        by_mail = learners(connection, 3)
        on_teams = a_learner(connection, email=None)
    wave_id = planned(engine, a_wave(channels=(Channel.EMAIL, Channel.TEAMS)))
    sink = Sink({by_mail[0]: [ChannelStopped("the API key was revoked: set another one")]}, request_size=2)
    result = drained(engine, wave_id, sink)
    assert result.paused == {"email": "the API key was revoked: set another one"}
    assert result.stopped is None
    assert (result.accepted, result.not_sent) == (1, 3)
    assert set(sink.received) == {f"{wave_id}-0-{on_teams}"}
    with reading(engine) as connection:
        assert paused_channels(connection, now=NOON) == {"email": "the API key was revoked: set another one"}
    later = NOON + timedelta(minutes=5)
    assert drained(engine, wave_id, sink, now=later).accepted == 0
    with writing(engine) as connection:
        resume_channel(connection, "email")
    assert drained(engine, wave_id, sink, now=later).accepted == 3
    assert set(sink.received.values()) == {1}


def test_a_channel_paused_until_an_instant_resumes_by_itself(engine: Engine) -> None:
    wave_id, _ = a_wave_for(engine, 1)
    with writing(engine) as connection:
        pause_channel(connection, "email", reason="throttled", at=NOON, until=NOON + HOUR)
    assert drained(engine, wave_id).accepted == 0
    assert drained(engine, wave_id, now=NOON + HOUR).accepted == 1


def test_a_drain_that_ran_out_of_time_sends_nothing_more(engine: Engine) -> None:
    wave_id, _ = a_wave_for(engine, 2)
    sink = Sink(request_size=1)
    ticks = iter([0.0, 1.0, 31.0])
    rules = terms_of(engine, wave_id, now=NOON)
    options = DrainOptions(worker="slow", caps=NO_CAPS)
    result = drain(engine, Shard(wave_id), rules, sink, options=options, monotonic=lambda: next(ticks))
    assert (result.accepted, result.not_sent) == (1, 1)
    assert sink.received.total() == 1
    with reading(engine) as connection:
        assert connection.execute(select(attempt.c.proof)).scalars().all() == ["deadline_passed"]


# ---- stop signals


def _optouts(engine: Engine, wave_id: int, people: list[int]) -> None:
    with writing(engine) as connection:
        record_facts(
            connection,
            [
                DeliveryFact("test", f"out-{wave_id}-{each}", wave_id, 0, each, EventKind.OPTED_OUT, NOON)
                for each in people
            ],
        )


def test_too_many_opt_outs_hold_the_campaign_and_resuming_it_needs_news_to_hold_it_again(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection, stop=StopThresholds(after=10, opt_outs=0.2))
        people = learners(connection, 12)
    first = planned(engine, a_wave())
    assert drained(engine, first).accepted == 12
    _optouts(engine, first, people[:3])
    sink = Sink()
    second = planned(engine, a_wave("launch.more"))
    result = drained(engine, second, sink)
    assert result.stopped == "opt-outs: 3 for 12 accepted messages, over the threshold of 20.0%"
    assert not sink.received
    with reading(engine) as connection:
        row = connection.execute(select(campaign)).one()
        assert (row.status, row.status_reason) == (WaveStatus.HELD, result.stopped)
        assert due_waves(connection, now=NOON, global_holdout=0) == []
        held = connection.execute(select(func.count()).where(audit.c.what == "campaign held")).scalar_one()
    assert held == 1
    with writing(engine) as connection:
        resume_campaign(connection, "safety", who="ops", why="it was a test mail", at=NOON)
        assert stop_signal(connection, row.id) is None
    assert drained(engine, second, sink).accepted == 9
    third = planned(engine, a_wave("launch.again"))
    assert drained(engine, third, sink).accepted == 9, "only nine after the baseline: too few to judge"
    _optouts(engine, third, people[5:9])
    fourth = planned(engine, a_wave("launch.last"))
    assert str(drained(engine, fourth, sink).stopped).startswith("opt-outs: 4 for 18")


def test_failures_are_refusals_and_bounces(engine: Engine) -> None:
    with writing(engine) as connection:
        campaign_id = a_campaign(connection, stop=StopThresholds(after=4, failures=0.3))
        people = learners(connection, 6)
    wave_id = planned(engine, a_wave())
    drained(engine, wave_id, Sink({people[0]: [Rejected("bad")]}))
    with writing(engine) as connection:
        assert stop_signal(connection, campaign_id) is None
        record_facts(connection, [DeliveryFact("test", "b", wave_id, 0, people[1], EventKind.BOUNCED, NOON)])
        assert str(stop_signal(connection, campaign_id)).startswith("failures: 2 for 5")


def test_a_campaign_whose_every_message_is_refused_stops(engine: Engine) -> None:
    with writing(engine) as connection:
        campaign_id = a_campaign(connection, stop=StopThresholds(after=5, failures=0.3))
        people = learners(connection, 6)
    drained(engine, planned(engine, a_wave()), Sink({each: [Rejected("bad")] for each in people}))
    with reading(engine) as connection:
        assert str(stop_signal(connection, campaign_id)).startswith("failures: 6 of 6")


# ---- misfires


def test_a_wave_that_is_hours_late_asks_a_person_and_goes_once_released(engine: Engine) -> None:
    wave_id, _ = a_wave_for(engine, 3, grace=timedelta(hours=3))
    in_time = utc("2026-01-12T11:00")
    with writing(engine) as connection:
        assert hold_misfires(connection, now=in_time) == []
        too_late = in_time + timedelta(minutes=1)
        assert hold_misfires(connection, now=too_late) == [(wave_id, 3)]
        assert hold_misfires(connection, now=too_late) == []
        row = connection.execute(select(wave.c.status, wave.c.status_reason)).one()
    assert row == (WaveStatus.HELD, "misfire")
    sink = Sink()
    assert dispatched(engine, sink, now=too_late) == []
    with writing(engine) as connection:
        release_wave(connection, wave_id, who="ops", why="still wanted", at=too_late)
        assert hold_misfires(connection, now=too_late + timedelta(minutes=30)) == []
    dispatched(engine, sink, now=too_late + timedelta(minutes=30))
    assert sink.received.total() == 3


def test_what_was_tried_is_held_or_is_stale_is_no_misfire(engine: Engine) -> None:
    wave_id, (tried, stale) = a_wave_for(engine, 2, grace=HOUR, expires_after=timedelta(hours=8))
    drained(engine, wave_id, Sink({tried: [NotSent("refused")], stale: [NotSent("refused")]}))
    evening = NOON + timedelta(hours=6)
    with writing(engine) as connection:
        assert hold_misfires(connection, now=evening) == []


# ---- leases


def test_a_claim_that_was_reaped_sends_nothing_even_if_its_worker_wakes_up(engine: Engine) -> None:
    wave_id, _ = a_wave_for(engine, 3)
    sink, other = Sink(), Sink()

    def sleep_through_the_lease(step: Step, _count: int) -> None:
        if step is Step.WRITTEN and not other.received:
            time_passes(engine, timedelta(minutes=2))
            assert reap(engine).put_back == 3
            drained(engine, wave_id, other)

    result = drained(engine, wave_id, sink, on_step=sleep_through_the_lease)
    assert result.accepted == 0
    assert not sink.received
    assert set(other.received.values()) == {1}
    assert other.received.total() == 3


def test_the_reaper_cannot_come_between_verdict_and_handover(postgres_engine: Engine) -> None:
    from threading import Thread

    from pushpull.ledger.claims import claim
    from pushpull.ledger.handovers import Recheck, intend

    engine = postgres_engine
    wave_id, people = a_wave_for(engine, 2)
    rules = terms_of(engine, wave_id, now=NOON)
    with writing(engine) as connection:
        batch = claim(
            connection,
            wave_id=wave_id,
            rotation=0,
            channel="email",
            after=0,
            upto=2**60,
            limit=10,
            token="sleepy",
            now=NOON,
            lease=timedelta(seconds=60),
        )
    assert batch is not None
    time_passes(engine, timedelta(minutes=2))
    reaper = Thread(target=reap, args=[engine])

    class Watched(Recheck):
        def decide(self, connection: Any, batch: Any) -> Any:
            decided = super().decide(connection, batch)
            reaper.start()
            reaper.join(0.5)
            assert reaper.is_alive(), "it waits for the rows the verdict is about"
            return decided

    with writing(engine) as connection:
        intent = intend(
            connection,
            batch,
            Watched(connection, rules, NO_CAPS),
            request_size=100,
            lease=timedelta(seconds=60),
            deadline=timedelta(seconds=30),
        )
    reaper.join(10)
    (handed_over,) = intent.handovers
    assert list(handed_over.learner_ids) == people
    assert {row.state for row in rows_of(engine, wave_id).values()} == {DeliveryState.HANDING_OVER}
    assert {row.handover_id for row in rows_of(engine, wave_id).values()} == {handed_over.id}


def test_a_night_that_never_ends_still_accounts_for_everybody(engine: Engine) -> None:
    weekends = SendWindow(weekdays=frozenset({5, 6}))
    wave_id, _ = a_wave_for(engine, 2, window=weekends, expires_after=timedelta(days=30))
    rows = rows_of(engine, wave_id)
    assert {row.due_at for row in rows.values()} == {utc("2026-01-17T08:00")}
    assert drained(engine, wave_id, now=utc("2026-01-17T09:00")).accepted == 2


def test_a_yes_that_comes_back_between_plan_and_send_does_not_wake_a_skipped_row(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        (learner_id,) = learners(connection, 1)
        opt_out(connection, learner_id, channel="*", family="*", source="test", at=DAWN)
    wave_id = planned(engine, a_wave())
    with writing(engine) as connection:
        opt_in(connection, learner_id, channel="*", family="*", source="test", at=DAWN + HOUR)
    assert drained(engine, wave_id).accepted == 0
    assert states_of(engine, wave_id) == {learner_id: (DeliveryState.SKIPPED, Reason.OPTED_OUT)}
