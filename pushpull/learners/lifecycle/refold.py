"""Keep the ``lifecycle`` rows what the fold of the events says, for those whom something happened to.

The list of these learners is a plain array of ids; events and rows are read and written in batches, so memory does
not grow with the audience but for those eight bytes each.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, literal, or_, select, union

from pushpull.db import insert_into
from pushpull.learners.lifecycle.states import Lifecycle, LifecycleEvent, Rules, fold
from pushpull.learners.lists import in_ids
from pushpull.learners.tables import learner, lifecycle, lifecycle_event
from pushpull.learners.vocabulary import LearnerState, LifecycleKind

#: Learners folded at once.
_BATCH = 2_000
#: Rows per INSERT: SQLite takes 32,766 bound values.
_ROWS = 2_000

_FIELDS = (
    "reached_at",
    "activated_at",
    "last_active_at",
    "completed_at",
    "active_days",
    "failed_tries",
    "rhythm_days",
    "dormant_after",
)
_KINDS = {kind.value: kind for kind in LifecycleKind}


def refold(
    conn: Connection,
    campaign_id: int,
    *,
    as_of: datetime,
    rules: Rules,
    learner_ids: Iterable[int] | None = None,
    everyone: bool = False,
) -> dict[tuple[LearnerState, LearnerState], int]:
    """Bring lifecycle rows up to ``as_of``.

    Without further arguments only learners are folded who have events but no row, whose row is marked, who have
    events between the row's last fold and ``as_of``, or whose silence has become dormancy.

    Args:
        as_of: events that happened later (aware) are not seen.
        rules: the knobs of the machine; when they change, fold ``everyone``.
        learner_ids: fold exactly these.
        everyone: fold all who have events or a row in the campaign.

    Returns:
        How many learners moved, by (old state, new state).
    """
    if learner_ids is not None:
        whom: Sequence[int] = array("q", sorted(set(learner_ids)))
    else:
        whom = array("q", _concerned(conn, campaign_id, as_of, everyone=everyone))
    moved: Counter[tuple[LearnerState, LearnerState]] = Counter()
    for start in range(0, len(whom), _BATCH):
        people = list(whom[start : start + _BATCH])
        before = _states(conn, campaign_id, people)
        folded: dict[int, Lifecycle] = {}
        for learner_id, events in _events(conn, campaign_id, people):
            story = fold(events, as_of=as_of, rules=rules)
            if story.since is not None:
                folded[learner_id] = story
        _store(conn, campaign_id, folded, as_of)
        _forget(conn, campaign_id, [learner_id for learner_id in before if learner_id not in folded])
        for learner_id in {*before, *folded}:
            old = before.get(learner_id, LearnerState.UNAWARE)
            new = folded[learner_id].state if learner_id in folded else LearnerState.UNAWARE
            if old is not new:
                moved[old, new] += 1
    return dict(moved)


def _concerned(conn: Connection, campaign_id: int, as_of: datetime, *, everyone: bool) -> Iterator[int]:
    """Ids of the learners to fold, ascending."""
    of_row = and_(
        lifecycle_event.c.campaign_id == lifecycle.c.campaign_id,
        lifecycle_event.c.learner_id == lifecycle.c.learner_id,
    )
    came_since: ColumnElement[bool] = exists(
        select(literal(1))
        .where(of_row, lifecycle_event.c.occurred_at > lifecycle.c.folded_to, lifecycle_event.c.occurred_at <= as_of)
        .correlate(lifecycle)
    )
    with_row = select(lifecycle.c.learner_id).where(lifecycle.c.campaign_id == campaign_id)
    # Asked per learner: the events of a year are many times as many as the learners.
    of_learner = and_(lifecycle_event.c.campaign_id == campaign_id, lifecycle_event.c.learner_id == learner.c.id)
    has_event = exists(select(literal(1)).where(of_learner, lifecycle_event.c.occurred_at <= as_of).correlate(learner))
    with_events = select(learner.c.id.label("learner_id")).where(has_event)
    if everyone:
        statement = union(with_row, with_events)
    else:
        due = or_(
            lifecycle.c.folded_to.is_(None),
            lifecycle.c.folded_to > as_of,
            lifecycle.c.dormant_after <= as_of,
            came_since,
        )
        row = and_(lifecycle.c.campaign_id == campaign_id, lifecycle.c.learner_id == learner.c.id)
        no_row = ~exists(select(literal(1)).where(row).correlate(learner))
        statement = union(with_row.where(due), with_events.where(no_row))
    named = statement.subquery("concerned")
    return iter(conn.execute(select(named.c.learner_id).order_by(named.c.learner_id)).scalars())


def _among(column: ColumnElement[int], people: Sequence[int]) -> ColumnElement[bool]:
    """These learners, who are in order. Both forms stay on the index even where a table has no statistics yet: a dense
    batch is read as a range (the caller drops who is not meant), a sparse one as a list."""
    is_dense = people[-1] - people[0] < 4 * len(people)
    return column.between(people[0], people[-1]) if is_dense else column.in_(people)


def _states(conn: Connection, campaign_id: int, people: Sequence[int]) -> dict[int, LearnerState]:
    rows = conn.execute(
        select(lifecycle.c.learner_id, lifecycle.c.state).where(
            lifecycle.c.campaign_id == campaign_id, _among(lifecycle.c.learner_id, people)
        )
    )
    meant = set(people)
    return {learner_id: LearnerState(state) for learner_id, state in rows if learner_id in meant}


def _events(conn: Connection, campaign_id: int, people: Sequence[int]) -> Iterator[tuple[int, list[LifecycleEvent]]]:
    """The events of each learner who has any, learner by learner."""
    rows = conn.execute(
        select(
            lifecycle_event.c.learner_id,
            lifecycle_event.c.kind,
            lifecycle_event.c.occurred_at,
            lifecycle_event.c.source_id,
        )
        .where(lifecycle_event.c.campaign_id == campaign_id, _among(lifecycle_event.c.learner_id, people))
        .order_by(lifecycle_event.c.learner_id)
        .execution_options(yield_per=10_000)
    )
    meant = set(people)
    current: int | None = None
    events: list[LifecycleEvent] = []
    for some in rows.partitions():
        for learner_id, kind, occurred_at, source_id in some:
            if learner_id not in meant:
                continue
            if learner_id != current:
                if current is not None:
                    yield current, events
                current, events = learner_id, []
            events.append(LifecycleEvent(_KINDS[kind], occurred_at, source_id))
    if current is not None:
        yield current, events


def _store(conn: Connection, campaign_id: int, folded: dict[int, Lifecycle], as_of: datetime) -> None:
    rows: list[dict[str, Any]] = [
        {
            "campaign_id": campaign_id,
            "learner_id": learner_id,
            "state": story.state.value,
            "since": story.since,
            "folded_to": as_of,
            **{name: getattr(story, name) for name in _FIELDS},
        }
        for learner_id, story in folded.items()
    ]
    if not rows:
        return
    statement = insert_into(conn, lifecycle)
    changes = {name: statement.excluded[name] for name in ("state", "since", "folded_to", *_FIELDS)}
    upsert = statement.on_conflict_do_update(index_elements=list(lifecycle.primary_key), set_=changes)
    for start in range(0, len(rows), _ROWS):
        conn.execute(upsert, rows[start : start + _ROWS])


def _forget(conn: Connection, campaign_id: int, people: Sequence[int]) -> None:
    """No event is left: the learner is unaware, which is what having no row means."""
    if people:
        conn.execute(
            delete(lifecycle).where(lifecycle.c.campaign_id == campaign_id, in_ids(lifecycle.c.learner_id, people))
        )
