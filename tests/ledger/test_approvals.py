"""Large waves wait for a person, or two; what they approved is what is sent, to no more learners than they allowed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import Engine, func, select, update

from pushpull.db import reading, writing
from pushpull.learners.tables import learner
from pushpull.ledger import approvals
from pushpull.ledger.approvals import (
    AlreadyApprovedError,
    BadDecisionError,
    NotAskedError,
    OldContentError,
    RejectedError,
    WaveOverError,
)
from pushpull.ledger.campaigns import (
    AwaitsApprovalError,
    CancelledError,
    cancel_campaign,
    cancel_wave,
    hold_wave,
    pause_wave,
    release_wave,
)
from pushpull.ledger.planning import plan
from pushpull.ledger.results import close_finished
from pushpull.ledger.rotations import Cohort, CohortKind, rotate
from pushpull.ledger.tables import approval, audit, delivery, wave
from pushpull.ledger.vocabulary import DeliveryState, HoldReason, Reason, WaveStatus
from pushpull.ledger.waiting import waiting_for_a_person
from tests.ledger.builders import (
    CONTENT,
    NOON,
    Sink,
    a_campaign,
    a_learner,
    a_wave,
    approved,
    asked,
    drained,
    learners,
    planned,
    reasons_of,
    states_of,
)

OTHER = "d1" * 16
HELD = (WaveStatus.HELD.value, HoldReason.APPROVAL.value)
REJECTED = (WaveStatus.HELD.value, HoldReason.REJECTED.value)
OPEN = (WaveStatus.OPEN.value, None)


def a_large_wave(engine: Engine, *, people: int = 6, **fields: object) -> int:
    """A wave that asks one person, of six learners where nothing else is said."""
    with writing(engine) as connection:
        a_campaign(connection)
        learners(connection, people)
    return planned(engine, a_wave(**{"approval_threshold": 2, **fields}))


def standing(engine: Engine, wave_id: int) -> tuple[str, str | None]:
    with reading(engine) as connection:
        row = connection.execute(select(wave.c.status, wave.c.status_reason).where(wave.c.id == wave_id)).one()
        return row.status, row.status_reason


def rejected(engine: Engine, wave_id: int, *, who: str = "Ada", content: str = CONTENT) -> None:
    with writing(engine) as connection:
        shown = asked(connection, wave_id, content=content).content_hash
        approvals.reject(connection, wave_id, who=who, why="wrong week", content_hash=shown, at=NOON)


def lines(engine: Engine) -> list[tuple[str, str]]:
    with reading(engine) as connection:
        return [(row.what, row.who) for row in connection.execute(select(audit).order_by(audit.c.id))]


# ---- one person, two persons


def test_a_large_wave_is_sent_once_a_person_approved_it(engine: Engine) -> None:
    wave_id, sink = a_large_wave(engine), Sink()
    assert drained(engine, wave_id, sink).stopped == "wave held"
    with writing(engine) as connection:
        question = asked(connection, wave_id)
        assert (question.planned, question.by_channel, question.needed) == (6, {"email": 6}, 1)
        decided = approvals.approve(
            connection, wave_id, who=" Ada ", why="looks fine", content_hash=question.content_hash, at=NOON
        )
    assert decided.is_released
    assert drained(engine, wave_id, sink).accepted == 6
    with reading(engine) as connection:
        row = connection.execute(select(approval)).one()
    assert (row.who, row.planned, row.content_hash, row.cap) == ("Ada", 6, question.content_hash, None)
    assert ("wave approved", "Ada") in lines(engine)


def test_over_the_second_threshold_two_different_people_are_needed(engine: Engine) -> None:
    wave_id = a_large_wave(engine, second_approval_threshold=5)
    with writing(engine) as connection:
        assert not approved(connection, wave_id, who="Ada Lovelace").is_released
    assert standing(engine, wave_id) == HELD
    with reading(engine) as connection:
        assert asked(connection, wave_id).approved_by == ("Ada Lovelace",)
    with writing(engine) as connection:
        assert approved(connection, wave_id, who="Grace").is_released
    assert standing(engine, wave_id) == OPEN


@pytest.mark.parametrize("again", ["Ada Lovelace", "  ada  LOVELACE ", "Ada\u00a0Lovelace"])
def test_the_same_person_does_not_count_twice(engine: Engine, again: str) -> None:
    wave_id = a_large_wave(engine, second_approval_threshold=5)
    with writing(engine) as connection:
        approved(connection, wave_id, who="Ada Lovelace")
    with pytest.raises(AlreadyApprovedError, match="somebody else"), writing(engine) as connection:
        approved(connection, wave_id, who=again)
    assert standing(engine, wave_id) == HELD


def test_two_approvals_of_different_content_release_nothing(engine: Engine) -> None:
    wave_id = a_large_wave(engine, second_approval_threshold=5)
    with writing(engine) as connection:
        approved(connection, wave_id, who="Ada", content=CONTENT)
        assert not approved(connection, wave_id, who="Grace", content=OTHER).is_released
        assert approved(connection, wave_id, who="Ada", content=OTHER).is_released


def test_two_approvers_at_once_release_it_once(postgres_engine: Engine) -> None:
    wave_id = a_large_wave(postgres_engine, people=20, second_approval_threshold=5)
    both = Barrier(2)

    def decide(who: str) -> bool:
        both.wait()
        with writing(postgres_engine) as connection:
            return approved(connection, wave_id, who=who, cap=7).is_released

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(decide, ("Ada", "Grace"))) == [False, True]
    assert drained(postgres_engine, wave_id).accepted == 7


def test_one_approver_twice_at_once_counts_once(postgres_engine: Engine) -> None:
    wave_id = a_large_wave(postgres_engine, second_approval_threshold=5)
    both = Barrier(2)

    def decide(who: str) -> str:
        both.wait()
        try:
            with writing(postgres_engine) as connection:
                return f"released: {approved(connection, wave_id, who=who).is_released}"
        except AlreadyApprovedError:
            return "twice"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(decide, ("Ada", "ada "))) == ["released: False", "twice"]
    assert standing(postgres_engine, wave_id) == HELD


# ---- no


def test_a_rejected_wave_waits_until_its_content_is_another(engine: Engine) -> None:
    wave_id, sink = a_large_wave(engine), Sink()
    rejected(engine, wave_id)
    assert standing(engine, wave_id) == REJECTED
    assert drained(engine, wave_id, sink).stopped == "wave held"
    with pytest.raises(RejectedError, match="change its content"), writing(engine) as connection:
        approved(connection, wave_id, who="Grace")
    with writing(engine) as connection:
        assert not asked(connection, wave_id, content=OTHER).is_rejected
        assert approved(connection, wave_id, content=OTHER).is_released
    assert drained(engine, wave_id, sink).accepted == 6


def test_one_no_outweighs_a_yes_also_of_the_same_person(engine: Engine) -> None:
    wave_id = a_large_wave(engine, second_approval_threshold=5)
    with writing(engine) as connection:
        approved(connection, wave_id, who="Ada")
    rejected(engine, wave_id, who="Ada")
    assert standing(engine, wave_id) == REJECTED
    assert ("wave rejected", "Ada") in lines(engine)
    with pytest.raises(RejectedError, match="already"):
        rejected(engine, wave_id, who="Grace")


def test_what_waits_says_how_it_is_answered(engine: Engine) -> None:
    wave_id = a_large_wave(engine)
    with reading(engine) as connection:
        (waiting,) = waiting_for_a_person(connection)
    assert waiting.command == "pushpull wave approve safety launch.hello@2026-01-12"
    rejected(engine, wave_id)
    with reading(engine) as connection:
        (waiting,) = waiting_for_a_person(connection)
    assert "rejected" in waiting.why
    assert waiting.command == "pushpull wave cancel safety launch.hello@2026-01-12"


# ---- some of them


def test_a_cap_leaves_exactly_so_many_and_tells_why_for_the_others(engine: Engine) -> None:
    wave_id = a_large_wave(engine, people=30)
    with writing(engine) as connection:
        assert approved(connection, wave_id, cap=11).not_approved == 19
    states = list(states_of(engine, wave_id).values())
    assert states.count((DeliveryState.PLANNED, None)) == 11
    assert states.count((DeliveryState.SKIPPED, Reason.NOT_APPROVED)) == 19
    assert drained(engine, wave_id).accepted == 11


def test_the_smaller_of_two_caps_counts(engine: Engine) -> None:
    wave_id = a_large_wave(engine, people=12, second_approval_threshold=5)
    with writing(engine) as connection:
        approved(connection, wave_id, who="Ada", cap=4)
        approved(connection, wave_id, who="Grace", cap=9)
    assert drained(engine, wave_id).accepted == 4


def test_a_cap_above_what_is_planned_leaves_everybody_in(engine: Engine) -> None:
    wave_id = a_large_wave(engine)
    with writing(engine) as connection:
        assert approved(connection, wave_id, cap=6).not_approved == 0
    assert set(reasons_of(engine, wave_id).values()) == {None}


def test_those_below_a_smaller_cap_are_also_below_a_larger_one_of_the_same_series(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        learners(connection, 40)
    chosen = []
    for on, cap in ((NOON.date(), 10), (NOON.date() + timedelta(days=1), 25)):
        wave_id = planned(engine, a_wave(on=on, approval_threshold=2))
        with writing(engine) as connection:
            approved(connection, wave_id, cap=cap)
        chosen.append({who for who, why in reasons_of(engine, wave_id).items() if why is None})
    assert len(chosen[0]) == 10
    assert chosen[0] < chosen[1]


def test_a_cap_picks_without_regard_to_anything_known_about_people(sqlite_engine: Engine) -> None:
    """Half of 600, of whom half are in one department: 150 of it, give or take four standard deviations."""
    with writing(sqlite_engine) as connection:
        a_campaign(connection)
        ids = [a_learner(connection, department=("north", "south")[number % 2]) for number in range(600)]
    wave_id = planned(sqlite_engine, a_wave(approval_threshold=2))
    with writing(sqlite_engine) as connection:
        approved(connection, wave_id, cap=300)
        north = connection.execute(
            select(func.count())
            .select_from(delivery.join(learner, learner.c.id == delivery.c.learner_id))
            .where(delivery.c.state == DeliveryState.PLANNED, learner.c.department == "north")
        ).scalar_one()
        first_half = connection.execute(
            select(func.count()).where(
                delivery.c.state == DeliveryState.PLANNED, delivery.c.learner_id <= sorted(ids)[299]
            )
        ).scalar_one()
    spread = 4 * (600 * 0.25 / 2) ** 0.5
    assert abs(north - 150) < spread
    assert abs(first_half - 150) < spread


def test_those_over_the_cap_can_be_reached_by_a_rerun_of_the_missed(engine: Engine) -> None:
    wave_id, sink = a_large_wave(engine), Sink()
    with writing(engine) as connection:
        approved(connection, wave_id, cap=4)
    drained(engine, wave_id, sink)
    again = rotate(
        engine, wave_id, Cohort(kind=CohortKind.MISSED), reason="it went well", requested_by="Ada", as_of=NOON
    )
    left_out = {who for who, why in reasons_of(engine, wave_id).items() if why == Reason.NOT_APPROVED}
    assert again.planned == len(left_out) == 2
    assert again.rotation is not None
    with reading(engine) as connection:
        rows = connection.execute(select(delivery.c.learner_id).where(delivery.c.rotation == again.rotation)).scalars()
        assert set(rows) == left_out


@pytest.mark.parametrize("cap", [0, -3])
def test_a_cap_of_nobody_is_refused(engine: Engine, cap: int) -> None:
    wave_id = a_large_wave(engine)
    with pytest.raises(BadDecisionError, match="nobody"), writing(engine) as connection:
        approved(connection, wave_id, cap=cap)
    assert standing(engine, wave_id) == HELD


# ---- decisions that come wrong


def test_a_decision_needs_a_name_and_a_reason(engine: Engine) -> None:
    wave_id = a_large_wave(engine)
    with writing(engine) as connection:
        shown = asked(connection, wave_id).content_hash
        with pytest.raises(BadDecisionError, match="name"):
            approvals.approve(connection, wave_id, who=" ", why="fine", content_hash=shown, at=NOON)
        with pytest.raises(BadDecisionError, match="reason"):
            approvals.reject(connection, wave_id, who="Ada", why="\n", content_hash=shown, at=NOON)


def test_what_was_released_is_not_decided_again(engine: Engine) -> None:
    wave_id = a_large_wave(engine)
    with writing(engine) as connection:
        shown = asked(connection, wave_id).content_hash
        approved(connection, wave_id)
        with pytest.raises(NotAskedError, match="open"):
            approvals.approve(connection, wave_id, who="Grace", why="me too", content_hash=shown, at=NOON)
        with pytest.raises(NotAskedError):
            approvals.reject(connection, wave_id, who="Grace", why="too late", content_hash=shown, at=NOON)


def test_a_wave_held_for_another_reason_is_not_approved(engine: Engine) -> None:
    wave_id = a_large_wave(engine, approval_threshold=None)
    with writing(engine) as connection:
        hold_wave(connection, wave_id, HoldReason.MISFIRE, why="late", at=NOON)
        with pytest.raises(NotAskedError, match="misfire"):
            approved(connection, wave_id)


def test_what_is_over_is_not_decided(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        learners(connection, 3)
    cancelled, expired, finished, orphaned = (
        planned(engine, a_wave(f"launch.wave-{number}", approval_threshold=2)) for number in range(4)
    )
    with writing(engine) as connection:
        cancel_wave(connection, cancelled, who="ops", why="changed our minds", at=NOON)
        with pytest.raises(CancelledError):
            approved(connection, cancelled)
        with pytest.raises(WaveOverError, match="stale"):
            approved(connection, expired, at=NOON + timedelta(days=30))
        connection.execute(update(delivery).where(delivery.c.wave_id == finished).values(state="skipped"))
        connection.execute(update(wave).where(wave.c.id == finished).values(finished_at=NOON))
        with pytest.raises(WaveOverError, match="finished"):
            approved(connection, finished)
        cancel_campaign(connection, "safety", who="ops", why="all of it", at=NOON)
        with pytest.raises(CancelledError):
            approved(connection, orphaned)


def test_an_audience_that_changed_since_it_was_shown_is_looked_at_again(engine: Engine) -> None:
    wave_id = a_large_wave(engine)
    with writing(engine) as connection:
        shown = asked(connection, wave_id).content_hash
        somebody = delivery.c.learner_id == min(states_of(engine, wave_id))
        connection.execute(update(delivery).where(somebody).values(channel="teams"))
        with pytest.raises(OldContentError, match="look again"):
            approvals.approve(connection, wave_id, who="Ada", why="fine", content_hash=shown, at=NOON)
    assert standing(engine, wave_id) == HELD


def test_a_wave_that_waits_for_approval_is_neither_released_nor_paused_past_it(engine: Engine) -> None:
    wave_id = a_large_wave(engine, second_approval_threshold=5)
    for word in (release_wave, pause_wave):
        with pytest.raises(AwaitsApprovalError, match="wave approve safety"), writing(engine) as connection:
            word(connection, wave_id, who="Ada", why="I may", at=NOON)
    rejected(engine, wave_id)
    with pytest.raises(AwaitsApprovalError), writing(engine) as connection:
        release_wave(connection, wave_id, who="Ada", why="I may", at=NOON)
    assert standing(engine, wave_id) == REJECTED


# ---- what was approved is what is sent


def test_an_approved_wave_that_asks_again_keeps_to_its_cap(engine: Engine) -> None:
    wave_id, sink = a_large_wave(engine, people=20), Sink()
    with writing(engine) as connection:
        approved(connection, wave_id, cap=10)
        approvals.hold_again(connection, wave_id, why="its message is another", at=NOON)
    assert standing(engine, wave_id) == HELD
    with writing(engine) as connection:
        assert asked(connection, wave_id).is_settled  # exactly this was approved
        assert not asked(connection, wave_id, content=OTHER).is_settled
        assert approved(connection, wave_id, content=OTHER, cap=3).is_released
    assert drained(engine, wave_id, sink).accepted == 3


def test_a_wave_that_asks_again_when_half_sent_counts_what_was_sent(engine: Engine) -> None:
    wave_id, sink = a_large_wave(engine, people=20), Sink()
    with writing(engine) as connection:
        approved(connection, wave_id)
        sent = delivery.c.learner_id.in_(sorted(states_of(engine, wave_id))[:8])
        connection.execute(update(delivery).where(sent).values(state=DeliveryState.ACCEPTED.value))
        approvals.hold_again(connection, wave_id, why="its message is another", at=NOON)
        approved(connection, wave_id, content=OTHER, cap=12)
    assert drained(engine, wave_id, sink).accepted == 4


def test_what_is_as_it_was_approved_goes_on_without_being_asked_twice(engine: Engine) -> None:
    wave_id = a_large_wave(engine, second_approval_threshold=5)
    with writing(engine) as connection:
        approved(connection, wave_id, who="Ada")
        approved(connection, wave_id, who="Grace")
        approvals.hold_again(connection, wave_id, why="its message is another", at=NOON)
        shown = asked(connection, wave_id, content=OTHER).content_hash
        assert not approvals.settle(connection, wave_id, shown, who="p", why="as before", at=NOON).is_released
        back = asked(connection, wave_id).content_hash
        assert approvals.settle(connection, wave_id, back, who="p", why="as before", at=NOON).is_released
    assert standing(engine, wave_id) == OPEN


def test_what_was_approved_says_how_many_learners_which_content_may_reach(engine: Engine) -> None:
    wave_id = a_large_wave(engine)
    with writing(engine) as connection:
        assert approvals.agreed(connection, [wave_id]) == {}
        approved(connection, wave_id)
        known = approvals.agreed(connection, [wave_id])[wave_id, 0]
        assert approvals.reaches(connection, wave_id, 0) == 6
        assert not approvals.has_begun(connection, wave_id, 0)
    shown = next(iter(known.approvers))
    assert known.most(shown, planned=6) == 6
    assert known.most(OTHER, planned=6) is None
    drained(engine, wave_id)
    with reading(engine) as connection:
        assert approvals.has_begun(connection, wave_id, 0)
        assert approvals.reaches(connection, wave_id, 0) == 6


# ---- re-runs


def test_a_large_rerun_asks_and_a_small_one_does_not(engine: Engine) -> None:
    wave_id, sink = a_large_wave(engine), Sink()
    with writing(engine) as connection:
        approved(connection, wave_id, cap=2)
    drained(engine, wave_id, sink)
    with writing(engine) as connection:
        close_finished(connection, now=NOON)
    one = Cohort(kind=CohortKind.LEARNERS, external_ids=("learner-x",))
    with writing(engine) as connection:
        a_learner(connection, external_id="learner-x")
    rotate(engine, wave_id, one, reason="joined", requested_by="Ada", as_of=NOON)
    assert standing(engine, wave_id) == OPEN
    rotate(engine, wave_id, Cohort(kind=CohortKind.MISSED), reason="all", requested_by="Ada", as_of=NOON)
    assert standing(engine, wave_id) == HELD
    with writing(engine) as connection:
        question = asked(connection, wave_id)
        assert (question.rotation, question.planned) == (2, 4)
        approved(connection, wave_id)
        assert [row.rotation for row in connection.execute(select(approval).order_by(approval.c.id))] == [0, 2]
    assert standing(engine, wave_id) == OPEN


def test_a_dry_run_of_a_large_rerun_asks_nobody(engine: Engine) -> None:
    wave_id = a_large_wave(engine)
    with writing(engine) as connection:
        approved(connection, wave_id, cap=2)
    drained(engine, wave_id)
    cohort = Cohort(kind=CohortKind.MISSED)
    rotate(engine, wave_id, cohort, reason="all", requested_by="Ada", as_of=NOON, dry_run=True)
    assert standing(engine, wave_id) == OPEN


def test_planning_twice_asks_once(engine: Engine) -> None:
    wave_id = a_large_wave(engine)
    assert plan(engine, a_wave(approval_threshold=2), as_of=NOON).status == WaveStatus.HELD
    with reading(engine) as connection:
        assert approvals.waves_that_ask(connection) == [wave_id]
