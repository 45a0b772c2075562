from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, insert

from pushpull.db import reading, writing
from pushpull.insights.funnel import Funnel, Step, Verdict, funnel
from pushpull.learners.tables import lifecycle_event
from pushpull.learners.vocabulary import LifecycleKind
from pushpull.ledger.campaigns import UnknownCampaignError
from pushpull.ledger.results import wave_results
from pushpull.ledger.tables import campaign, delivery, delivery_event, handover, wave
from pushpull.ledger.vocabulary import Arm, DeliveryState, EventKind, Reason
from tests.insights import rehearsal
from tests.insights.conftest import Played
from tests.learners.population import START, a_learner

DAY = timedelta(days=1)
NOW = START + 10 * DAY

ROWS = st.sampled_from(
    [
        *((state.value, None) for state in DeliveryState if state is not DeliveryState.SKIPPED),
        *(("skipped", reason.value) for reason in (Reason.HOLDOUT, Reason.INACTIVE, Reason.CAPPED, Reason.OPTED_OUT)),
    ]
)
DAYS = st.lists(st.integers(-2, 14), max_size=3, unique=True)


@dataclass(frozen=True)
class Life:
    """One learner: the arm, a row in each of up to two waves, and the days of clicks and learning."""

    arm: str
    rows: tuple[tuple[str, str | None], ...]
    clicked: tuple[int, ...]
    came: tuple[int, ...]
    learned: tuple[int, ...]
    completed: int | None


LIVES = st.builds(
    Life,
    arm=st.sampled_from([arm.value for arm in Arm]),
    rows=st.lists(ROWS, min_size=0, max_size=2).map(tuple),
    clicked=DAYS.map(tuple),
    came=DAYS.map(tuple),
    learned=DAYS.map(tuple),
    completed=st.none() | st.integers(-5, 14),
)


def a_campaign(conn: Connection, stages: dict[str, object] | None = None) -> int:
    made = conn.execute(
        insert(campaign).values(
            key="lives",
            name="Lives",
            family="learning",
            message_class="nudge",
            definition={"stages": stages or {}},
            content_hash="",
            starts_at=START,
            updated_at=START,
        )
    ).inserted_primary_key
    assert made is not None
    return int(made[0])


def live(conn: Connection, lives: list[Life]) -> None:
    campaign_id = a_campaign(conn)
    waves = []
    for number in range(2):
        made = conn.execute(
            insert(wave).values(
                campaign_id=campaign_id,
                key=f"w.{number}",
                series="w",
                on_day=START.date(),
                stage="launch" if number == 0 else "onboarding",
                message_key="m",
                touch="push" if number == 0 else "pull",
                message_class="nudge",
                family="learning",
                scheduled_for=START,
                expires_at=NOW,
                planned_as_of=START,
                planned_at=START,
                spec={},
            )
        ).inserted_primary_key
        assert made is not None
        waves.append(int(made[0]))
    for number, one in enumerate(lives):
        learner_id = a_learner(conn, f"life-{number}")
        for wave_id, (state, reason) in zip(waves, one.rows, strict=False):
            conn.execute(
                insert(delivery).values(
                    wave_id=wave_id,
                    rotation=0,
                    learner_id=learner_id,
                    state=state,
                    reason=reason,
                    arm=one.arm,
                    due_at=START,
                    attempt=0,
                    epoch=0,
                )
            )
        for day in one.clicked if one.rows else ():
            conn.execute(
                insert(delivery_event).values(
                    source="test",
                    source_id=f"{number}:{day}",
                    wave_id=waves[0],
                    rotation=0,
                    learner_id=learner_id,
                    campaign_id=campaign_id,
                    kind=EventKind.CLICKED.value,
                    occurred_at=START + day * DAY,
                )
            )
        told = [(LifecycleKind.SIGNED_IN, day) for day in one.came] + [(LifecycleKind.LEARNED, d) for d in one.learned]
        if one.completed is not None:
            told.append((LifecycleKind.COMPLETED, one.completed))
        for kind, day in told:
            conn.execute(
                insert(lifecycle_event).values(
                    campaign_id=campaign_id,
                    learner_id=learner_id,
                    kind=kind.value,
                    source_id=f"{kind}:{day}",
                    occurred_at=START + day * DAY,
                )
            )


def steps_of(one: Life) -> list[bool]:
    """The same by hand."""
    days = {day for day in (*one.came, *one.learned) if day <= 10}
    learned = [day for day in one.learned if day <= 10]
    gone = ("holdout", "inactive")
    return [
        one.arm == Arm.TREATED and any(reason not in gone for _, reason in one.rows),
        any(state in ("accepted", "delivered") for state, _ in one.rows),
        any(day <= 10 for day in one.clicked),
        bool(days),
        bool(learned),
        bool(learned) and len(days) > 1,
        one.completed is not None and one.completed <= 10,
    ]


@given(lives=st.lists(LIVES, max_size=12))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_step_is_within_the_one_before_and_all_adds_up(engine: Engine, lives: list[Life]) -> None:
    with writing(engine) as conn, conn.begin_nested() as nested:
        live(conn, lives)
        found = funnel(conn, "lives", as_of=NOW)
        nested.rollback()
    present = [one for one in lives if one.rows]
    paths = [steps_of(one) for one in present]
    assert found.audience == len(present)
    assert sum(found.not_eligible.values()) == found.audience - found[Step.ELIGIBLE].count
    before = found.audience
    for place, each in enumerate(found.steps):
        assert each.count == sum(all(path[: place + 1]) for path in paths)
        assert each.count + each.dropped == before
        assert each.count + each.besides == sum(path[place] for path in paths)
        before = each.count
    sides = Counter((one.arm == Arm.TREATED) for one in present if one.completed is None or one.completed >= 0)
    assert (found.comparison.treated.total, found.comparison.holdout.total) == (sides[True], sides[False])
    assert (found.comparison.difference is None) == (min(sides[True], sides[False]) < 5)


def compared(engine: Engine, treated: tuple[int, int], holdout: tuple[int, int]) -> Funnel:
    def lives(arm: Arm, row: tuple[str, str | None], done: int, total: int) -> list[Life]:
        return [Life(arm.value, (row,), (), (), (1,), 3 if place < done else None) for place in range(total)]

    with writing(engine) as conn:
        live(
            conn,
            lives(Arm.TREATED, ("accepted", None), *treated) + lives(Arm.HOLDOUT, ("skipped", "holdout"), *holdout),
        )
        return funnel(conn, "lives", as_of=NOW)


def test_a_clear_difference_is_called_one(engine: Engine) -> None:
    found = compared(engine, (40, 80), (4, 40)).comparison
    assert found.difference == pytest.approx(0.4)
    assert found.verdict is Verdict.MORE


def test_what_could_be_chance_cannot_be_told(sqlite_engine: Engine) -> None:
    found = compared(sqlite_engine, (12, 60), (1, 10)).comparison
    assert found.interval is not None
    assert found.verdict is Verdict.CANNOT_TELL


def test_groups_of_fewer_than_five_are_not_compared(sqlite_engine: Engine) -> None:
    found = compared(sqlite_engine, (40, 80), (0, 4)).comparison
    assert (found.difference, found.interval, found.verdict) == (None, None, Verdict.CANNOT_TELL)


def test_what_happened_later_is_not_counted(sqlite_engine: Engine) -> None:
    with writing(sqlite_engine) as conn:
        live(conn, [Life("treated", (("accepted", None),), (1,), (1,), (1, 4), 6)])
        completed = [funnel(conn, "lives", as_of=START + day * DAY)[Step.COMPLETED].count for day in (0, 5, 6)]
        came_back = [funnel(conn, "lives", as_of=START + day * DAY)[Step.CAME_BACK].count for day in (0, 1, 4)]
    assert (completed, came_back) == ([0, 0, 1], [0, 0, 1])


def test_a_message_handed_over_later_has_not_reached_anybody_yet(engine: Engine) -> None:
    with writing(engine) as conn:
        live(conn, [Life("treated", (("accepted", None),), (), (), (), None)])
        request = uuid4()
        row = conn.execute(delivery.select()).one()
        conn.execute(
            insert(handover).values(
                id=request,
                wave_id=row.wave_id,
                rotation=0,
                campaign_id=1,
                channel="email",
                first_learner_id=row.learner_id,
                last_learner_id=row.learner_id,
                size=1,
                intended_at=START,
                as_of=START + 2 * DAY,
                deadline_at=START,
            )
        )
        conn.execute(delivery.update().values(handover_id=request))
        reached = [funnel(conn, "lives", as_of=START + day * DAY)[Step.REACHED].count for day in (1, 2)]
    assert reached == [0, 1]


def test_a_played_campaign_looks_alive_and_agrees_with_the_ledger(played: Played) -> None:
    with reading(played.engine) as conn:
        found = funnel(conn, rehearsal.KEY, as_of=played.now)
        results = wave_results(conn, campaign_key=rehearsal.KEY)
    counts = [each.count for each in found.steps]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[2] > counts[4] > 0
    assert found.messages == sum(result.accepted for result in results)
    assert {each.stage: each.planned_push for each in found.mix} == {
        "launch": 100,
        "onboarding": 20,
        "recommendations": None,
    }
    assert found.mix[0].actual_push == 100
    assert found.messages_per_active is not None
    assert 1 < found.messages_per_active < 50


def test_a_campaign_nobody_knows_is_an_error_that_says_so(sqlite_engine: Engine) -> None:
    with reading(sqlite_engine) as conn, pytest.raises(UnknownCampaignError, match="no campaign 'nope'"):
        funnel(conn, "nope", as_of=NOW)


def test_a_campaign_without_waves_has_an_empty_funnel(sqlite_engine: Engine) -> None:
    with writing(sqlite_engine) as conn:
        a_campaign(conn)
        found = funnel(conn, "lives", as_of=NOW)
    assert (found.audience, found.messages, found.messages_per_active, found.mix) == (0, 0, None, ())
    assert all(each.count == 0 for each in found.steps)
