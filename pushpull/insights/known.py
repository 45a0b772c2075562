"""What is known of a learner, fact by fact, with who says so and since when: for their own eyes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, and_, case, func, select

from pushpull.learners.declared import facts_of
from pushpull.learners.profile import given
from pushpull.learners.tables import activity, learner, learner_tag, progress
from pushpull.learners.vocabulary import FactKind, FactSource
from pushpull.ledger.tables import fetch

#: Columns of the learner that are shown as they are, in this order.
_SHOWN: Final = (
    "given_name",
    "family_name",
    "display_name",
    "title",
    "department",
    "hired_on",
    "email",
    "phone",
    "timezone",
)
#: Columns with ids of other systems or other people: that they are known is said, not what they are.
_ONLY_KNOWN: Final = ("manager_external_id", "teams_id", "slack_id")


class Source(StrEnum):
    """Who says so."""

    YOU = "you"
    HR = "hr"
    LEARNED = "learned"


_SOURCE: Final = {FactSource.DECLARED: Source.YOU, FactSource.HR: Source.HR, FactSource.LEARNED: Source.LEARNED}


@dataclass(frozen=True, slots=True)
class Known:
    """One thing that is known.

    Args:
        field: a column of the learner, ``tag``, or a :class:`FactKind`.
        value: empty where it is only known, and not shown.
        since: when it was last changed, UTC.
    """

    field: str
    value: str
    source: Source
    since: datetime


@dataclass(frozen=True, slots=True)
class Doings:
    """What was counted of somebody's learning.

    Args:
        records: of learning activity.
        started, completed: items.
        opened: links of messages, by a person and not a scanner; 0 where that is not kept of single persons.
    """

    records: int
    started: int
    completed: int
    opened: int


def known_of(connection: Connection, learner_id: int) -> tuple[Known, ...]:
    """What is known of a learner, HR's word first; nothing when there is no such learner."""
    row = connection.execute(select(learner).where(learner.c.id == learner_id)).mappings().one_or_none()
    if row is None:
        return ()
    facts = facts_of(connection, learner_id)
    own = {each.kind for each in facts if each.source is FactSource.DECLARED}
    found = [Known(name, str(row[name]), Source.HR, row["updated_at"]) for name in _SHOWN if row[name]]
    found += [Known(name, "", Source.HR, row["updated_at"]) for name in _ONLY_KNOWN if row[name]]
    tags = connection.execute(
        select(learner_tag.c.tag).where(learner_tag.c.learner_id == learner_id).order_by(learner_tag.c.tag)
    )
    found += [Known("tag", tag, Source.HR, row["updated_at"]) for tag in tags.scalars()]
    if row["preferred_language"] and FactKind.LANGUAGE not in own:
        found.append(_of_row(row, "preferred_language", FactKind.LANGUAGE, Source.HR))
    in_row = {FactKind.HOUR: row["preferred_hour"], FactKind.CHANNEL: row["preferred_channel"]}
    for each in given(facts, in_row, since=row["updated_at"]):
        found.append(Known(each.kind.value, each.value, Source.HR, each.recorded_at))
    found += [Known(each.kind.value, each.value, _SOURCE[each.source], each.recorded_at) for each in facts]
    return tuple(found)


def _of_row(row: Any, column: str, kind: FactKind, source: Source) -> Known:
    return Known(kind.value, str(row[column]), source, row["updated_at"])


def doings_of(connection: Connection, learner_id: int, *, counts_openings: bool) -> Doings:
    """What was counted of a learner.

    Args:
        counts_openings: whether whose opening it was is kept at all.
    """
    records = connection.scalar(
        select(func.count()).where(activity.c.learner_id == learner_id, activity.c.voided_at.is_(None))
    )
    began = and_(progress.c.completed_at.is_(None), progress.c.started_at.is_not(None))
    started, completed = connection.execute(
        select(func.count(case((began, 1))), func.count(progress.c.completed_at)).where(
            progress.c.learner_id == learner_id
        )
    ).one()
    opened = (
        connection.scalar(select(func.count()).where(fetch.c.learner_id == learner_id, fetch.c.reader == "human"))
        if counts_openings
        else 0
    )
    return Doings(int(records or 0), int(started), int(completed), int(opened or 0))
