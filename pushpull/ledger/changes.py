"""What a re-run changes: what had become of each learner of the cohort before, and what is to become of them now.

It is counted inside the transaction that makes the rotation, so a dry run counts exactly what the real one does.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, func, select

from pushpull.learners.tables import learner
from pushpull.ledger.tables import delivery
from pushpull.ledger.vocabulary import OPEN_STATES, DeliveryState


class Now(StrEnum):
    """What a re-run comes to for a learner."""

    PLANNED = "planned"
    SKIPPED = "skipped"  # a rule speaks against it, and a row says so
    STILL_OPEN = "still_open"  # nothing is added while the earlier delivery is not settled
    STILL_EXCLUDED = "still_excluded"  # missed then, and the rules still speak against it: no row is added


@dataclass(frozen=True, slots=True)
class Change:
    """So many learners of a cohort went from one outcome to another.

    Args:
        before_state: of their latest delivery in an earlier rotation; None: they were not in the wave.
        before_reason: why it was not sent, or failed.
        channel: over which they are planned now.
        reason: why they are not, where a rule speaks against it.
    """

    before_state: DeliveryState | None
    before_reason: str | None
    now: Now
    channel: str | None
    reason: str | None
    count: int


def written(connection: Connection, wave_id: int, number: int) -> tuple[Change, ...]:
    """The changes for those who have a row in a rotation.

    Args:
        number: the rotation's.
    """
    # One pass in the order of rotations: joining rows with earlier ones takes nested loops where statistics are old.
    row = (
        select(
            delivery.c.rotation,
            func.lag(delivery.c.state)
            .over(partition_by=delivery.c.learner_id, order_by=delivery.c.rotation)
            .label("state_then"),
            func.lag(delivery.c.reason)
            .over(partition_by=delivery.c.learner_id, order_by=delivery.c.rotation)
            .label("reason_then"),
            delivery.c.state,
            delivery.c.reason,
            delivery.c.channel,
        )
        .where(delivery.c.wave_id == wave_id, delivery.c.rotation <= number)
        .subquery("row")
    )
    kinds = (row.c.state_then, row.c.reason_then, row.c.state, row.c.reason, row.c.channel)
    changes = []
    rows = connection.execute(select(*kinds, func.count()).where(row.c.rotation == number).group_by(*kinds))
    for state_then, reason_then, state, reason, channel, count in rows:
        is_planned = state != DeliveryState.SKIPPED
        changes.append(
            Change(
                before_state=DeliveryState(state_then) if state_then is not None else None,
                before_reason=reason_then,
                now=Now.PLANNED if is_planned else Now.SKIPPED,
                channel=channel if is_planned else None,
                reason=None if is_planned else reason,
                count=count,
            )
        )
    return _together(changes)


def left_as_they_are(
    connection: Connection, wave_id: int, number: int, asked_for: ColumnElement[bool]
) -> tuple[Change, ...]:
    """The changes that there are not: learners who were asked for, and get no row.

    Args:
        asked_for: a condition on ``learner``.
    """
    latest_first = delivery.c.rotation.desc()
    numbered = (
        select(
            delivery.c.learner_id,
            delivery.c.rotation,
            delivery.c.state,
            delivery.c.reason,
            func.row_number().over(partition_by=delivery.c.learner_id, order_by=latest_first).label("place"),
        )
        .where(delivery.c.wave_id == wave_id, delivery.c.rotation <= number)
        .subquery("numbered")
    )
    rows = connection.execute(
        select(numbered.c.state, numbered.c.reason, func.count())
        .select_from(learner.join(numbered, numbered.c.learner_id == learner.c.id))
        .where(numbered.c.place == 1, numbered.c.rotation < number, asked_for)
        .group_by(numbered.c.state, numbered.c.reason)
    )
    changes = []
    for state, reason, count in rows:
        before = DeliveryState(state)
        now = Now.STILL_OPEN if before in OPEN_STATES else Now.STILL_EXCLUDED
        changes.append(Change(before, reason, now, None, None, count))
    return _together(changes)


def _together(changes: list[Change]) -> tuple[Change, ...]:
    """The same kinds as one, the most learners first."""
    counts: dict[Change, int] = {}
    for each in changes:
        kind = Change(each.before_state, each.before_reason, each.now, each.channel, each.reason, 0)
        counts[kind] = counts.get(kind, 0) + each.count
    summed = [
        Change(kind.before_state, kind.before_reason, kind.now, kind.channel, kind.reason, count)
        for kind, count in counts.items()
    ]
    return tuple(sorted(summed, key=lambda each: (-each.count, each.now, str(each))))
