"""Who is followed, from when to when: a landmark analysis.

Everybody is followed from the day the campaign first reached them. What they did in the first :data:`LANDMARK` days
decides on which side they are, whatever they do later; what became of them is counted from there on, for
:data:`FOLLOW_UP` days. Otherwise those who stayed would have had more time to give signals, and signals would seem to
make people stay (immortal time). Source: J. R. Anderson, K. C. Cain & R. D. Gelber, "Analysis of survival by tumor
response", Journal of Clinical Oncology 1, 1983, 710-719. Days are UTC dates.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, case, func, select

from pushpull.db import UtcDateTime
from pushpull.insights.engagement.signals import Signal, first_signals, items_of
from pushpull.learners.lifecycle.events import utc_day
from pushpull.learners.tables import activity, learner, lifecycle_event, progress
from pushpull.learners.verbs import NOT_ACTIVE_VERBS
from pushpull.learners.vocabulary import LifecycleKind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Days after the campaign first reached somebody in which signals count.
LANDMARK: Final = 14
#: Days after the landmark in which later engagement is counted.
FOLLOW_UP: Final = 28
#: Days before the campaign first reached somebody by which they are compared with people like them.
BEFORE: Final = 28
#: People with so many active days before, or more, but fewer than the next, are alike.
ALIKE_FROM: Final = (0, 1, 3, 8)


@dataclass(frozen=True, eq=False)
class Followed:
    """People who were there at their landmark and have been followed to the end.

    Args:
        strata: by active days before the campaign reached them.
        days: active days in the campaign's items after the landmark.
        completed: whether they completed the campaign after the landmark, within the same days.
        gave: per signal, whether they had given it at the landmark.
        order: per person the signals in the order in which they were first given.
    """

    strata: NDArray[np.int64]
    days: NDArray[np.float64]
    completed: NDArray[np.bool_]
    gave: Mapping[Signal, NDArray[np.bool_]]
    order: tuple[tuple[Signal, ...], ...]

    @property
    def people(self) -> int:
        """How many."""
        return len(self.order)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Whom the campaign reached and nobody is told about here.

    Args:
        too_recent: their days are not over.
        gone: had completed, withdrawn or left the company at their landmark. None: so few that it is not told.
    """

    too_recent: int | None
    gone: int | None


def followed(connection: Connection, campaign_id: int, *, as_of: datetime) -> tuple[Followed, LeftOut]:
    """Everybody a campaign reached whose landmark and days after it are over.

    Args:
        as_of: aware; nothing later is known.
    """
    reached = _reached(connection, campaign_id, as_of)
    last_start = as_of.date() - timedelta(days=LANDMARK + FOLLOW_UP)
    starts = {who: day for who, day in reached.items() if day <= last_start}
    completed, gone = _completed(connection, campaign_id, as_of), _gone(connection, campaign_id, as_of)

    def is_gone(who: int, landmark: date) -> bool:
        return any(who in ends and ends[who] < landmark for ends in (completed, gone))

    there = {who: day for who, day in starts.items() if not is_gone(who, day + timedelta(days=LANDMARK))}
    before, after = _active_days(connection, campaign_id, there, as_of)
    given: defaultdict[int, list[tuple[datetime, Signal]]] = defaultdict(list)
    for who, signal, at in first_signals(connection, campaign_id, as_of=as_of):
        if who in there and at.date() < there[who] + timedelta(days=LANDMARK):
            given[who].append((at, signal))
    ends = {who: day + timedelta(days=LANDMARK + FOLLOW_UP) for who, day in there.items()}
    people = _arranged(
        sorted(there), before, after, {who for who, day in completed.items() if who in ends and day < ends[who]}, given
    )
    return people, LeftOut(too_recent=len(reached) - len(starts), gone=len(starts) - len(there))


def _arranged(
    who: list[int],
    before: Mapping[int, int],
    after: Mapping[int, int],
    completed: set[int],
    given: Mapping[int, list[tuple[datetime, Signal]]],
) -> Followed:
    import numpy as np

    order = tuple(tuple(signal for _, signal in sorted(given.get(each, ()))) for each in who)
    return Followed(
        strata=np.array([_stratum(before.get(each, 0)) for each in who], dtype=np.int64),
        days=np.array([after.get(each, 0) for each in who], dtype=np.float64),
        completed=np.array([each in completed for each in who], dtype=np.bool_),
        gave={signal: np.array([signal in each for each in order], dtype=np.bool_) for signal in Signal},
        order=order,
    )


def _stratum(days: int) -> int:
    return sum(days >= least for least in ALIKE_FROM)


def _reached(connection: Connection, campaign_id: int, as_of: datetime) -> dict[int, date]:
    first = func.min(lifecycle_event.c.occurred_at, type_=UtcDateTime()).label("at")
    rows = connection.execute(
        select(lifecycle_event.c.learner_id, first)
        .where(
            lifecycle_event.c.campaign_id == campaign_id,
            lifecycle_event.c.kind == LifecycleKind.REACHED.value,
            lifecycle_event.c.occurred_at <= as_of,
        )
        .group_by(lifecycle_event.c.learner_id)
    )
    return {row.learner_id: row.at.date() for row in rows}


def _completed(connection: Connection, campaign_id: int, as_of: datetime) -> dict[int, date]:
    rows = connection.execute(
        select(lifecycle_event.c.learner_id, lifecycle_event.c.occurred_at).where(
            lifecycle_event.c.campaign_id == campaign_id,
            lifecycle_event.c.kind == LifecycleKind.COMPLETED.value,
            lifecycle_event.c.occurred_at <= as_of,
        )
    )
    return {row.learner_id: row.occurred_at.date() for row in rows}


def _gone(connection: Connection, campaign_id: int, as_of: datetime) -> dict[int, date]:
    """When people left; of the company only that they did is known, so they are left out altogether."""
    at = func.min(progress.c.withdrawn_at, type_=UtcDateTime()).label("at")
    rows = connection.execute(
        select(progress.c.learner_id, at)
        .where(progress.c.item_id.in_(items_of(campaign_id)), progress.c.withdrawn_at <= as_of)
        .group_by(progress.c.learner_id)
    )
    found = {row.learner_id: row.at.date() for row in rows}
    inactive = connection.execute(select(learner.c.id).where(learner.c.active.is_(False))).scalars()
    return found | dict.fromkeys(inactive, date.min)


def _active_days(
    connection: Connection, campaign_id: int, starts: Mapping[int, date], as_of: datetime
) -> tuple[Mapping[int, int], Mapping[int, int]]:
    """Active days before the campaign reached each person, in anything, and after their landmark, in its items."""
    if not starts:
        return {}, {}
    day = utc_day(activity.c.occurred_at)
    ours = func.max(case((activity.c.item_id.in_(items_of(campaign_id)), 1), else_=0)).label("ours")
    reached = select(lifecycle_event.c.learner_id).where(
        lifecycle_event.c.campaign_id == campaign_id, lifecycle_event.c.kind == LifecycleKind.REACHED.value
    )
    rows: Iterable[tuple[int, str, int]] = (
        (row.learner_id, row.day, row.ours)
        for row in connection.execute(
            select(activity.c.learner_id, day.label("day"), ours)
            .where(
                activity.c.learner_id.in_(reached),
                activity.c.voided_at.is_(None),
                activity.c.verb.not_in(NOT_ACTIVE_VERBS),
                activity.c.occurred_at <= as_of,
            )
            .group_by(activity.c.learner_id, day)
        )
    )
    before: defaultdict[int, int] = defaultdict(int)
    after: defaultdict[int, int] = defaultdict(int)
    for who, told, is_ours in rows:
        if who not in starts:
            continue
        since = (date.fromisoformat(told) - starts[who]).days
        before[who] += -BEFORE <= since < 0
        after[who] += bool(is_ours) and LANDMARK <= since < LANDMARK + FOLLOW_UP
    return before, after
