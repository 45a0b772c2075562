"""Who was seen in which section, and how it ended: read from activity and progress, in a few set-based statements.

Nothing is judged here. Clicks on messages are no visits, and administrative records are none either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, CursorResult, and_, case, false, func, or_, select

from pushpull.catalogue.tables import item, section
from pushpull.db import UtcDateTime
from pushpull.learners.lifecycle.events import utc_day
from pushpull.learners.lifecycle.states import Rules
from pushpull.learners.lists import in_ids
from pushpull.learners.tables import activity, learner, progress
from pushpull.learners.verbs import FAILING_VERBS, NOT_ACTIVE_VERBS, OPENING_VERBS

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

#: From the steps of so many learners it is seen which pages only lead to others.
_WATCHED = 400


@dataclass(frozen=True, slots=True)
class Section:
    """A section of an item, as the catalogue or, where it has none, activity names it."""

    item_key: str
    item_title: str
    key: str
    title: str
    kind: str | None = None
    position: int | None = None
    url: str | None = None


@dataclass(frozen=True)
class Visits:
    """Visits as columns.

    Args:
        sections: each is named by its number below.
        path: of each row: which learner in which item; a number into the columns of paths.
        section, first, last, times, minutes, only_opened, failed: one row per path and section: instants of the first
            and last visit (seconds), how many records, minutes in all (NaN is unknown), nothing but opened, went wrong.
        item_of, has_left, completed: one value per path: number of the item; whether the learner left without
            completing it; whether they completed it. Neither: still at it, or not silent for long enough.
        step_path, step_at, step_section: every visit of some of the paths, to see which pages lead to which.
        learners: how many different people there are.
    """

    sections: tuple[Section, ...]
    path: Ints
    section: Ints
    first: Floats
    last: Floats
    times: Ints
    minutes: Floats
    only_opened: Flags
    failed: Flags
    item_of: Ints
    has_left: Flags
    completed: Flags
    step_path: Ints
    step_at: Floats
    step_section: Ints
    learners: int


def read_visits(connection: Connection, item_ids: Sequence[int], *, as_of: datetime, silence: Rules) -> Visits:
    """Read the visits of these items.

    Args:
        as_of: the instant (aware) until which anything is known.
        silence: after how long somebody has left: in their own rhythm, or in so many days while it is unknown.
    """
    seen = and_(
        in_ids(activity.c.item_id, item_ids),
        activity.c.voided_at.is_(None),
        activity.c.occurred_at <= as_of,
        activity.c.verb.not_in(NOT_ACTIVE_VERBS),
    )
    path_of: dict[tuple[int, int], int] = {}
    number_of: dict[tuple[int, str], int] = {}
    rows = [
        (
            path_of.setdefault((row.learner_id, row.item_id), len(path_of)),
            number_of.setdefault((row.item_id, row.section_key), len(number_of)),
            row.first.timestamp(),
            row.last.timestamp(),
            row.times,
            np.nan if row.minutes is None else row.minutes,
            row.only_opened,
            row.failed,
        )
        for row in _reached(connection, seen)
    ]
    columns = np.array(rows, dtype=np.float64).reshape(len(rows), 8)
    items = {item_id: number for number, item_id in enumerate(item_ids)}
    has_left, completed = _ends(connection, seen, path_of, as_of=as_of, silence=silence)
    steps = _steps(connection, seen, path_of, number_of)
    return Visits(
        sections=_sections(connection, number_of),
        path=columns[:, 0].astype(np.int64),
        section=columns[:, 1].astype(np.int64),
        first=columns[:, 2],
        last=columns[:, 3],
        times=columns[:, 4].astype(np.int64),
        minutes=columns[:, 5],
        only_opened=columns[:, 6] > 0,
        failed=columns[:, 7] > 0,
        item_of=np.array([items[item_id] for _, item_id in path_of], dtype=np.int64),
        has_left=has_left,
        completed=completed,
        step_path=steps[:, 0].astype(np.int64),
        step_at=steps[:, 1],
        step_section=steps[:, 2].astype(np.int64),
        learners=len({learner_id for learner_id, _ in path_of}),
    )


def _reached(connection: Connection, seen: ColumnElement[bool]) -> CursorResult[Any]:
    went_wrong = or_(activity.c.verb.in_(FAILING_VERBS), activity.c.success == false())
    return connection.execute(
        select(
            activity.c.learner_id,
            activity.c.item_id,
            activity.c.section_key,
            func.min(activity.c.occurred_at, type_=UtcDateTime).label("first"),
            func.max(activity.c.occurred_at, type_=UtcDateTime).label("last"),
            func.count().label("times"),
            func.sum(activity.c.minutes).label("minutes"),
            func.min(case((activity.c.verb.in_(OPENING_VERBS), 1), else_=0)).label("only_opened"),
            func.max(case((went_wrong, 1), else_=0)).label("failed"),
        )
        .where(seen, activity.c.section_key.is_not(None))
        .group_by(activity.c.learner_id, activity.c.item_id, activity.c.section_key)
        .order_by(activity.c.item_id, activity.c.section_key, activity.c.learner_id)
    )


def _ends(
    connection: Connection,
    seen: ColumnElement[bool],
    path_of: dict[tuple[int, int], int],
    *,
    as_of: datetime,
    silence: Rules,
) -> tuple[Flags, Flags]:
    """Who left, and who completed. Who left the company is taken for neither: no section drove them out."""
    has_left = np.zeros(len(path_of), dtype=bool)
    completed = np.zeros(len(path_of), dtype=bool)
    done = and_(progress.c.completed_at.is_not(None), progress.c.completed_at <= as_of)
    ends = (
        select(
            activity.c.learner_id,
            activity.c.item_id,
            func.max(activity.c.occurred_at, type_=UtcDateTime).label("last"),
        )
        .where(seen)
        .group_by(activity.c.learner_id, activity.c.item_id)
        .subquery("ends")
    )
    rhythm = _rhythms(connection, seen, path_of)
    at = as_of.timestamp()
    all_parts = _done_in_all_parts(connection, sorted({item_id for _, item_id in path_of}), as_of=as_of)
    for row in connection.execute(
        select(ends, learner.c.active, case((done, 1), else_=0).label("done")).select_from(
            ends.join(learner, learner.c.id == ends.c.learner_id).outerjoin(
                progress,
                and_(progress.c.learner_id == ends.c.learner_id, progress.c.item_id == ends.c.item_id),
            )
        )
    ):
        path = path_of.get((row.learner_id, row.item_id))
        if path is None:
            continue
        is_done = bool(row.done) or (row.learner_id, row.item_id) in all_parts
        completed[path] = is_done
        gap = None if np.isnan(rhythm[path]) else float(rhythm[path])
        is_silent = at - row.last.timestamp() > silence.silence(gap).total_seconds()
        has_left[path] = row.active and not is_done and is_silent
    return has_left, completed


def _done_in_all_parts(connection: Connection, item_ids: Sequence[int], *, as_of: datetime) -> set[tuple[int, int]]:
    """Learner and item where every part of the item is done: a course that is only completed by its assessments.

    A part counts when it is dated or somebody ever completed it: an examination that is held elsewhere does not.
    """
    part = item.alias("part")
    done = and_(progress.c.completed_at.is_not(None), progress.c.completed_at <= as_of)
    ever = select(progress.c.item_id).where(progress.c.item_id == part.c.id, done).exists()
    parts = (
        select(item.c.id.label("whole"), part.c.id.label("part"))
        .join(part, part.c.part_of == item.c.key)
        .where(in_ids(item.c.id, item_ids), or_(part.c.due_at.is_not(None), ever))
        .subquery("parts")
    )
    needed = select(parts.c.whole, func.count().label("needed")).group_by(parts.c.whole).subquery("needed")
    statement = (
        select(progress.c.learner_id, parts.c.whole)
        .select_from(
            parts.join(progress, progress.c.item_id == parts.c.part).join(needed, needed.c.whole == parts.c.whole)
        )
        .where(done)
        .group_by(progress.c.learner_id, parts.c.whole, needed.c.needed)
        .having(func.count() == needed.c.needed)
    )
    return {(row.learner_id, row.whole) for row in connection.execute(statement)}


def _rhythms(connection: Connection, seen: ColumnElement[bool], path_of: dict[tuple[int, int], int]) -> Floats:
    """The median gap in days between the days of each path; NaN with fewer than two gaps."""
    day = utc_day(activity.c.occurred_at)
    days = [
        (path_of[row.learner_id, row.item_id], np.datetime64(row.day, "D").astype(np.int64))
        for row in connection.execute(
            select(activity.c.learner_id, activity.c.item_id, day.label("day")).where(seen).distinct()
        )
        if (row.learner_id, row.item_id) in path_of
    ]
    rhythm = np.full(len(path_of), np.nan)
    if not days:
        return rhythm
    ordered = np.array(sorted(days), dtype=np.int64)
    same = ordered[1:, 0] == ordered[:-1, 0]
    owner, gap = ordered[1:, 0][same], np.diff(ordered[:, 1])[same]
    order = np.lexsort((gap, owner))
    owner, gap = owner[order], gap[order]
    paths, start, count = np.unique(owner, return_index=True, return_counts=True)
    known = count >= Rules().rhythm_gaps
    low, high = start + (count - 1) // 2, start + count // 2
    rhythm[paths[known]] = ((gap[low] + gap[high]) / 2)[known]
    return rhythm


def _steps(
    connection: Connection,
    seen: ColumnElement[bool],
    path_of: dict[tuple[int, int], int],
    number_of: dict[tuple[int, str], int],
) -> Floats:
    """Every visit of some learners; whom, their lot decides, so that the same are watched each time."""
    people = sorted({learner_id for learner_id, _ in path_of})
    watched = connection.execute(
        select(learner.c.id).where(in_ids(learner.c.id, people)).order_by(learner.c.draw, learner.c.id).limit(_WATCHED)
    ).scalars()
    rows = [
        (path_of[row.learner_id, row.item_id], row.occurred_at.timestamp(), number_of[row.item_id, row.section_key])
        for row in connection.execute(
            select(activity.c.learner_id, activity.c.item_id, activity.c.occurred_at, activity.c.section_key)
            .where(seen, activity.c.section_key.is_not(None), in_ids(activity.c.learner_id, list(watched)))
            .distinct()
        )
    ]
    return np.array(rows, dtype=np.float64).reshape(len(rows), 3)


def _sections(connection: Connection, number_of: dict[tuple[int, str], int]) -> tuple[Section, ...]:
    ids = sorted({item_id for item_id, _ in number_of})
    items = {row.id: row for row in connection.execute(select(item).where(in_ids(item.c.id, ids)))}
    known = {
        (row.item_id, row.key): row for row in connection.execute(select(section).where(in_ids(section.c.item_id, ids)))
    }
    named = []
    for item_id, key in number_of:
        row, of = known.get((item_id, key)), items[item_id]
        if row is None:
            named.append(Section(of.key, of.title, key, key))
        else:
            named.append(Section(of.key, of.title, key, row.title or key, row.kind, row.position, row.url))
    return tuple(named)
