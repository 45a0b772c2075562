"""The rewrite queue: what audits found, kept from one to the next, the most read and the worst first."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, case, func, or_, select, update

from pushpull.catalogue.audit.facts import shown
from pushpull.catalogue.audit.findings import Audit, FindingState, Severity
from pushpull.catalogue.items import item_ids
from pushpull.catalogue.tables import catalogue_finding, item
from pushpull.db import insert_into
from pushpull.learners.lists import in_ids
from pushpull.learners.tables import progress

#: Findings per statement: SQLite takes 32,766 bound values.
_BATCH = 1_000


class UnknownFindingError(LookupError):
    """The audit has not found that.

    Args:
        key: of the item.
        rule: that was named.
    """

    def __init__(self, key: str, rule: str) -> None:
        super().__init__(f"no audit has found {rule!r} about {key!r}: `pushpull catalogue queue` lists what was found")


@dataclass(frozen=True, slots=True)
class Recorded:
    """What an audit changed in the queue.

    Args:
        opened: findings that are new, or there again.
        stayed: that were open before.
        gone: that are not there any more.
        dismissed: that are still there, and may stay so.
    """

    opened: int
    stayed: int
    gone: int
    dismissed: int


@dataclass(frozen=True, slots=True)
class ToRewrite:
    """An item with open findings.

    Args:
        reach: learners who ever started it; None below the smallest number that is shown, if it is not zero.
        weight: of its findings together.
        rules: of its findings, the gravest first.
        words: what was found, in the same order.
    """

    item_key: str
    title: str
    reach: int | None
    weight: int
    rules: tuple[str, ...]
    words: tuple[str, ...]


def record(connection: Connection, audit: Audit, *, at: datetime) -> Recorded:
    """Keep what an audit found.

    What was found before keeps the day on which it was first found; what is not found any more is gone; what a person
    dismissed stays dismissed for as long as it is found, and is not asked about again.

    Args:
        at: the instant of the audit (aware).
    """
    ids = item_ids(connection, sorted({each.item_key for each in audit.findings}))
    before = {
        (row.item_id, row.rule): FindingState(row.state)
        for row in connection.execute(
            select(catalogue_finding.c.item_id, catalogue_finding.c.rule, catalogue_finding.c.state)
        )
    }
    rows = {
        (ids[each.item_key], each.rule): {
            "item_id": ids[each.item_key],
            "rule": each.rule,
            "severity": each.severity.value,
            "evidence": {"words": each.words, **each.evidence},
            "state": FindingState.OPEN.value,
            "found_at": at,
            "seen_at": at,
        }
        for each in audit.findings
        if each.item_key in ids
    }
    _keep(connection, list(rows.values()))
    missing = [pair for pair, state in before.items() if state is FindingState.OPEN and pair not in rows]
    _end(connection, missing)
    states = [before.get(pair) for pair in rows]
    return Recorded(
        opened=sum(state in (None, FindingState.GONE) for state in states),
        stayed=states.count(FindingState.OPEN),
        gone=len(missing),
        dismissed=states.count(FindingState.DISMISSED),
    )


def _keep(connection: Connection, rows: list[dict[str, Any]]) -> None:
    for start in range(0, len(rows), _BATCH):
        statement = insert_into(connection, catalogue_finding).values(rows[start : start + _BATCH])
        new, old = statement.excluded, catalogue_finding.c
        is_dismissed = old.state == FindingState.DISMISSED.value
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=[old.item_id, old.rule],
                set_={
                    "severity": new.severity,
                    "evidence": new.evidence,
                    "seen_at": new.seen_at,
                    "state": case((is_dismissed, old.state), else_=new.state),
                },
            )
        )


def _end(connection: Connection, pairs: list[tuple[int, str]]) -> None:
    by_rule: defaultdict[str, list[int]] = defaultdict(list)
    for item_id, rule in pairs:
        by_rule[rule].append(item_id)
    for rule, ids in by_rule.items():
        there = and_(catalogue_finding.c.rule == rule, in_ids(catalogue_finding.c.item_id, ids))
        connection.execute(update(catalogue_finding).where(there).values(state=FindingState.GONE.value))


def rewrite_queue(connection: Connection, *, as_of: datetime, most: int | None = None) -> tuple[ToRewrite, ...]:
    """Items with open findings, by reach times weight: what many people meet and is bad comes first.

    Args:
        as_of: until when starts are counted (aware).
        most: how many items; None is all of them.
    """
    begun = or_(progress.c.started_at <= as_of, progress.c.completed_at <= as_of)
    reach = select(progress.c.item_id, func.count().label("reach")).where(begun).group_by(progress.c.item_id).subquery()
    rows = connection.execute(
        select(
            item.c.key,
            item.c.title,
            catalogue_finding.c.rule,
            catalogue_finding.c.severity,
            catalogue_finding.c.evidence,
            func.coalesce(reach.c.reach, 0).label("reach"),
        )
        .select_from(
            catalogue_finding.join(item, item.c.id == catalogue_finding.c.item_id).outerjoin(
                reach, reach.c.item_id == item.c.id
            )
        )
        .where(catalogue_finding.c.state == FindingState.OPEN.value)
        .order_by(item.c.key, catalogue_finding.c.rule)
    )
    by_item: defaultdict[tuple[str, str, int], list[Any]] = defaultdict(list)
    for row in rows:
        by_item[row.key, row.title, int(row.reach)].append(row)
    listed = []
    for (key, title, people), found in by_item.items():
        found.sort(key=lambda row: (-Severity(row.severity).weight, row.rule))
        weight = sum(Severity(row.severity).weight for row in found)
        rules, words = tuple(row.rule for row in found), tuple(str(row.evidence["words"]) for row in found)
        # One more than its reach: among items nobody uses, the worst still comes first.
        listed.append((-(people + 1) * weight, ToRewrite(key, title, shown(people), weight, rules, words)))
    listed.sort(key=lambda each: (each[0], each[1].item_key))
    return tuple(each for _, each in listed[:most])


def dismiss(connection: Connection, key: str, rule: str, *, who: str, at: datetime) -> bool:
    """Say that a finding may stay as it is.

    Returns:
        Whether anything changed.

    Raises:
        UnknownFindingError: no audit has found that, or it is gone.
    """
    of_item = select(item.c.id).where(item.c.key == key).scalar_subquery()
    there = and_(catalogue_finding.c.item_id == of_item, catalogue_finding.c.rule == rule)
    state = connection.execute(select(catalogue_finding.c.state).where(there)).scalar_one_or_none()
    if state is None or state == FindingState.GONE.value:
        raise UnknownFindingError(key, rule)
    if state == FindingState.DISMISSED.value:
        return False
    connection.execute(
        update(catalogue_finding).where(there).values(state=FindingState.DISMISSED.value, who=who, decided_at=at)
    )
    return True
