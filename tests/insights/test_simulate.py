from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Engine, delete, func, select

from pushpull.db import reading, writing
from pushpull.insights.simulate import SOURCE, SimulatedLearners, temperament_of
from pushpull.learners.lifecycle.events import utc_day
from pushpull.learners.tables import activity, consent, learner, progress, suppression
from pushpull.learners.vocabulary import LifecycleKind
from pushpull.ledger.tables import delivery, delivery_event
from pushpull.ledger.vocabulary import Arm, DeliveryState, EventKind
from tests.insights import rehearsal
from tests.insights.conftest import Played

DAY = timedelta(days=1)


def footprint(conn: Connection) -> dict[str, list[Any]]:
    """What simulated learners left behind, without ids of the database."""
    done = conn.execute(
        select(
            learner.c.external_id,
            activity.c.source_id,
            activity.c.verb,
            activity.c.section_key,
            activity.c.occurred_at,
            activity.c.minutes,
            activity.c.score,
        )
        .join(learner, learner.c.id == activity.c.learner_id)
        .where(activity.c.source == SOURCE)
    )
    told = conn.execute(
        select(learner.c.external_id, delivery_event.c.kind, delivery_event.c.source_id, delivery_event.c.occurred_at)
        .join(learner, learner.c.id == delivery_event.c.learner_id)
        .where(delivery_event.c.source == SOURCE)
    )
    return {"activity": sorted(map(str, done)), "facts": sorted(map(str, told))}


def replay(conn: Connection, played: Played, step: timedelta) -> Counter[str]:
    """Let the same people act over all the days again, in windows of another length."""
    people, counts = SimulatedLearners(7), Counter[str]()
    at = rehearsal.midnight(rehearsal.START) - timedelta(hours=6)
    while at < played.now:
        counts += people.act(conn, since=at, until=min(at + step, played.now))
        at += step
    return counts


def test_something_of_everything_happens(played: Played) -> None:
    assert played.done["clicked"] > 10
    assert played.done["sessions"] > played.done["completed"] > 0
    assert played.done["unasked"] > 0
    with reading(played.engine) as conn:
        verbs = set(conn.execute(select(activity.c.verb).where(activity.c.source == SOURCE)).scalars())
        places = conn.execute(select(func.count()).where(progress.c.place_key.is_not(None))).scalar_one()
    assert verbs >= {"launched", "initialized", "progressed", "suspended", "completed"}
    assert places > 5


def test_playing_the_same_days_again_changes_nothing(played: Played) -> None:
    with played.engine.connect() as conn:
        before = footprint(conn)
        assert replay(conn, played, DAY) == played.done
        assert footprint(conn) == before
        conn.rollback()


def test_the_length_of_the_windows_makes_no_difference(played: Played) -> None:
    with played.engine.connect() as conn:
        before = footprint(conn)
        conn.execute(delete(activity).where(activity.c.source == SOURCE))
        assert replay(conn, played, timedelta(hours=7)) == played.done
        assert footprint(conn) == before
        conn.rollback()


def test_people_act_on_what_reached_them_and_only_after_it(played: Played) -> None:
    with reading(played.engine) as conn:
        rows = conn.execute(
            select(delivery_event.c.kind, delivery_event.c.occurred_at, delivery.c.state, delivery.c.due_at).join(
                delivery,
                (delivery.c.wave_id == delivery_event.c.wave_id)
                & (delivery.c.rotation == delivery_event.c.rotation)
                & (delivery.c.learner_id == delivery_event.c.learner_id),
            )
        ).all()
    assert rows
    assert {row.state for row in rows} <= {DeliveryState.DELIVERED.value, DeliveryState.BOUNCED.value}
    assert all(row.occurred_at > row.due_at for row in rows)


def test_those_held_out_hardly_ever_come(played: Played) -> None:
    with reading(played.engine) as conn:
        arms = dict(conn.execute(select(delivery.c.learner_id, func.max(delivery.c.arm)).group_by("learner_id")).all())  # type: ignore[arg-type]
        came = set(conn.execute(select(activity.c.learner_id).where(activity.c.source == SOURCE)).scalars())
    held = {learner_id for learner_id, arm in arms.items() if arm == Arm.HOLDOUT}
    treated = set(arms) - held
    assert len(held) >= 5
    assert len(came & held) / len(held) < 0.15 < 0.2 < len(came & treated) / len(treated)


def test_sections_are_read_in_order_and_items_completed_after_all_of_them(played: Played) -> None:
    with reading(played.engine) as conn:
        rows = conn.execute(
            select(activity.c.learner_id, activity.c.item_id, activity.c.verb, activity.c.section_key)
            .where(activity.c.source == SOURCE)
            .order_by(activity.c.occurred_at, activity.c.source_id)
        ).all()
        core = {played.company.item_ids[key] for key in rehearsal.CORE_ITEMS}
    read: dict[tuple[int, int], list[str]] = {}
    for row in rows:
        if row.item_id in core and row.verb == "progressed":
            read.setdefault((row.learner_id, row.item_id), []).append(row.section_key)
    assert all(len(keys) == len(set(keys)) for keys in read.values())
    finished = {(row.learner_id, row.item_id) for row in rows if row.verb == "completed" and row.item_id in core}
    assert finished
    assert all(len(read[pair]) >= 4 for pair in finished)


def test_opting_out_and_bouncing_have_their_consequences(engine: Engine) -> None:
    rehearsal.prepare(engine, size=120, seed=2)
    done = Counter[str]()
    seeds = iter(range(1, 60))
    rehearsal.play(engine, days=1, seed=2)
    window = rehearsal.midnight(rehearsal.START)
    with writing(engine) as conn:
        while not (done[EventKind.OPTED_OUT] and done[EventKind.BOUNCED]):
            done += SimulatedLearners(next(seeds)).act(conn, since=window, until=window + 2 * DAY)
        words = conn.execute(select(consent).where(consent.c.source == SOURCE)).all()
        blocked = conn.execute(select(suppression)).all()
    assert words
    assert not any(word.granted for word in words)
    assert {row.reason for row in blocked} == {"bounced"}


def test_a_temperament_stays_with_the_person_and_all_kinds_occur() -> None:
    kinds = [temperament_of(draw, seed=1).name for draw in range(1000)]
    assert kinds == [temperament_of(draw, seed=1).name for draw in range(1000)]
    assert set(kinds) == {"keen", "busy", "forgetful", "sceptic", "absent"}
    assert kinds != [temperament_of(draw, seed=2).name for draw in range(1000)]


def test_lifecycles_follow_from_what_they_did(played: Played) -> None:
    from pushpull.learners.tables import lifecycle_event

    with reading(played.engine) as conn:
        days = dict(
            conn.execute(
                select(activity.c.learner_id, func.min(utc_day(activity.c.occurred_at)))
                .where(
                    activity.c.source == SOURCE,
                    activity.c.item_id.in_([played.company.item_ids[key] for key in rehearsal.CORE_ITEMS]),
                    activity.c.occurred_at <= played.now,
                )
                .group_by(activity.c.learner_id)
            ).all()
        )
        events = dict(
            conn.execute(
                select(lifecycle_event.c.learner_id, func.min(utc_day(lifecycle_event.c.occurred_at)))
                .where(lifecycle_event.c.kind == LifecycleKind.SIGNED_IN.value)
                .group_by(lifecycle_event.c.learner_id)
            ).all()
        )
    assert days == events
