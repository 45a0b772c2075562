"""Re-runs: chosen learners of a wave get a new rotation with its own rows and a stated reason; old rows stay.

"Who is still missing?" is the query that fills it. What it changes is counted in :mod:`pushpull.ledger.changes`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, model_validator
from sqlalchemy import ColumnElement, Connection, Engine, and_, func, insert, or_, select, true, update

from pushpull.db import writing
from pushpull.learners.lists import in_texts
from pushpull.learners.segments import Segment, compile_segment
from pushpull.learners.tables import learner
from pushpull.ledger import timing
from pushpull.ledger.approvals import ask_if_large
from pushpull.ledger.audience import membership
from pushpull.ledger.campaigns import record
from pushpull.ledger.changes import Change, left_as_they_are, written
from pushpull.ledger.planning import counted, write_rows
from pushpull.ledger.specs import WaveSpec
from pushpull.ledger.tables import campaign, delivery, rotation, wave
from pushpull.ledger.terms import Terms, campaign_items
from pushpull.ledger.vocabulary import OPEN_STATES, DeliveryState, Reason, WaveStatus

_RECEIVED = (DeliveryState.ACCEPTED.value, DeliveryState.DELIVERED.value)
_FAILED = (DeliveryState.REJECTED.value, DeliveryState.UNDELIVERED.value, DeliveryState.BOUNCED.value)


class CohortKind(StrEnum):
    """Whom a re-run is for."""

    FAILED = "failed"  # rejected, bounced, undelivered, or the message could not be written
    PARKED = "parked"  # nobody knows whether they got it
    MISSED = "missed"  # skipped for reasons that no longer hold
    JOINED_SINCE = "joined_since"  # in the audience now, but not when the wave was planned
    LEARNERS = "learners"  # a list of external ids
    SEGMENT = "segment"


class Cohort(BaseModel):
    """The learners of a re-run.

    Args:
        external_ids: for ``learners``.
        segment: for ``segment``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: CohortKind
    external_ids: tuple[str, ...] = ()
    segment: Segment | None = None

    @model_validator(mode="after")
    def _says_whom(self) -> Cohort:
        if self.kind is CohortKind.LEARNERS and not self.external_ids:
            raise ValueError("a cohort of learners needs their external ids (--learner, external_ids)")
        if self.kind is CohortKind.SEGMENT and self.segment is None:
            raise ValueError("a cohort by segment needs a segment")
        return self


class WaveNotOpenError(ValueError):
    """The wave cannot be re-run as it stands."""


@dataclass(frozen=True)
class Rotated:
    """What a re-run came to.

    Args:
        rotation: its number; None after a dry run, or when nobody is in the cohort.
        planned: learners who will be sent to.
        by_reason: learners of the cohort who will not, by reason.
        was_requested_before: the same request had made this rotation already.
        status: of the wave; ``held`` when a person must approve first.
        changes: what had become of the cohort's learners before, against what is to become of them now.
        unknown: which of the external ids asked for nobody has, by their places in the list, from 1.
    """

    wave_id: int
    rotation: int | None
    planned: int
    by_reason: Mapping[str, int] = field(default_factory=dict)
    was_requested_before: bool = False
    status: str = WaveStatus.OPEN
    changes: tuple[Change, ...] = ()
    unknown: tuple[int, ...] = ()


class _Rehearsed(Exception):
    """Ends a dry run without a trace."""


def rotate(
    engine: Engine,
    wave_id: int,
    cohort: Cohort,
    *,
    reason: str,
    requested_by: str,
    as_of: datetime,
    global_holdout: float = 0.0,
    request_key: str | None = None,
    dry_run: bool = False,
) -> Rotated:
    """Plan a wave again for a cohort.

    Args:
        reason: why, in a person's words; kept for audits.
        as_of: the campaign's clock, UTC; sending times are counted from this day.
        request_key: the same key asks for the same re-run: asking twice makes one rotation.

    Raises:
        ValueError: the reason is empty.
        WaveNotOpenError: the wave was never planned, or is cancelled, paused or held; or its campaign is cancelled.
    """
    if not reason.strip():
        raise ValueError("a re-run needs a reason: it is what an auditor will read")
    result: Rotated | None = None
    try:
        with writing(engine) as connection:
            result = _rotate(
                connection,
                wave_id,
                cohort,
                reason=reason,
                requested_by=requested_by,
                as_of=as_of,
                global_holdout=global_holdout,
                request_key=request_key,
            )
            if dry_run or (not result.planned and not result.by_reason):
                raise _Rehearsed
    except _Rehearsed:
        assert result is not None
        return replace(result, rotation=None)
    return result


def _rotate(
    connection: Connection,
    wave_id: int,
    cohort: Cohort,
    *,
    reason: str,
    requested_by: str,
    as_of: datetime,
    global_holdout: float,
    request_key: str | None,
) -> Rotated:
    row = connection.execute(
        select(
            wave.c.spec,
            wave.c.campaign_id,
            wave.c.status,
            wave.c.planned_at,
            wave.c.key,
            campaign.c.key.label("campaign_key"),
            campaign.c.status.label("campaign_status"),
        )
        .join(campaign, campaign.c.id == wave.c.campaign_id)
        .where(wave.c.id == wave_id)
        .with_for_update(of=wave)
    ).one_or_none()
    if row is None or row.planned_at is None:
        raise WaveNotOpenError(f"wave {wave_id} was never planned: there is nothing to re-run")
    if request_key is not None:  # asked again, whatever the rotation has led to since
        known = connection.execute(
            select(rotation.c.rotation).where(rotation.c.request_key == request_key, rotation.c.wave_id == wave_id)
        ).scalar_one_or_none()
        if known is not None:
            before = _result(connection, row.key, wave_id, known, cohort)
            return replace(before, was_requested_before=True, changes=written(connection, wave_id, known))
    if row.status != WaveStatus.OPEN:
        raise WaveNotOpenError(_why_not(row.key, row.status))
    if row.campaign_status == WaveStatus.CANCELLED:
        raise WaveNotOpenError(f"campaign {row.campaign_key} was cancelled, and that is for good: nothing is re-run")
    number = (
        1 + connection.execute(select(func.max(rotation.c.rotation)).where(rotation.c.wave_id == wave_id)).scalar_one()
    )
    rules, earlier = _rules(connection, row, as_of=as_of, global_holdout=global_holdout), _Earlier(wave_id, number)
    asked_for = _asked_for(connection, rules, earlier, cohort)
    connection.execute(
        insert(rotation).values(
            wave_id=wave_id,
            rotation=number,
            reason=reason,
            cohort=cohort.model_dump(mode="json"),
            requested_by=requested_by,
            as_of=as_of,
            request_key=request_key,
        )
    )
    write_rows(
        connection,
        rules,
        wave_id=wave_id,
        rotation_number=number,
        only=and_(asked_for, ~earlier.is_open),
        sendable_only=cohort.kind is CohortKind.MISSED,
    )
    _keep_items(connection, wave_id, number)
    connection.execute(update(wave).where(wave.c.id == wave_id).values(finished_at=None, reached_recorded_at=None))
    record(connection, at=as_of, who=requested_by, what="cohort re-run", subject=f"{row.key} #{number}", why=reason)
    result = _result(connection, row.key, wave_id, number, cohort)
    asks = ask_if_large(connection, wave_id, number, planned=result.planned, spec=rules.spec, at=as_of)
    unchanged = left_as_they_are(connection, wave_id, number, asked_for)
    return replace(
        result,
        status=WaveStatus.HELD if asks else result.status,
        changes=(*written(connection, wave_id, number), *unchanged),
    )


def _why_not(key: str, status: str) -> str:
    if status == WaveStatus.CANCELLED:
        return f"wave {key} was cancelled, and that is for good: nothing is re-run"
    return f"wave {key} is {status}: release it before re-running a cohort"


def _rules(connection: Connection, row: object, *, as_of: datetime, global_holdout: float) -> Terms:
    spec = WaveSpec.model_validate(row.spec)  # type: ignore[attr-defined]
    today = timing.local_day(as_of, spec.timezone)
    campaign_id: int = row.campaign_id  # type: ignore[attr-defined]
    return Terms(
        # The day is this one, not the wave's; due dates chose the learners the first time and need not fit again.
        spec=spec.model_copy(update={"on": today, "due_offset": None}),
        campaign_id=campaign_id,
        item_ids=campaign_items(connection, campaign_id),
        as_of=as_of,
        global_holdout=global_holdout,
    )


@dataclass(frozen=True)
class _Earlier:
    """The rotations of a wave before a new one.

    Args:
        rotation: the new one's number.
    """

    wave_id: int
    rotation: int

    def has_row(self, condition: ColumnElement[bool]) -> ColumnElement[bool]:
        """Whether a learner has such a delivery in one of them."""
        # The key is (wave, rotation, learner): without their rotations, a learner's rows are found by reading them all.
        mine = and_(
            delivery.c.wave_id == self.wave_id,
            delivery.c.rotation.in_(range(self.rotation)),
            delivery.c.learner_id == learner.c.id,
        )
        return select(delivery.c.learner_id).where(mine, condition).correlate(learner).exists()

    @property
    def is_open(self) -> ColumnElement[bool]:
        """Whether a learner has a delivery that is not settled: a second one would be a duplicate."""
        return self.has_row(delivery.c.state.in_([state.value for state in OPEN_STATES]))


def _asked_for(connection: Connection, rules: Terms, earlier: _Earlier, cohort: Cohort) -> ColumnElement[bool]:
    """Whether a learner belongs to the cohort, be it that an earlier delivery is still open."""
    received = earlier.has_row(delivery.c.state.in_(_RECEIVED))
    unwritten = and_(delivery.c.state == DeliveryState.SKIPPED.value, delivery.c.reason == Reason.RENDER_FAILED.value)
    match cohort.kind:
        case CohortKind.FAILED:
            return and_(earlier.has_row(or_(delivery.c.state.in_(_FAILED), unwritten)), ~received)
        case CohortKind.PARKED:
            return and_(earlier.has_row(delivery.c.state == DeliveryState.PARKED.value), ~received)
        case CohortKind.MISSED:
            return and_(earlier.has_row(delivery.c.state == DeliveryState.SKIPPED.value), ~received)
        case CohortKind.JOINED_SINCE:
            return and_(membership(connection, rules), ~earlier.has_row(true()))
        case CohortKind.LEARNERS:
            return in_texts(learner.c.external_id, cohort.external_ids)
        case CohortKind.SEGMENT:
            assert cohort.segment is not None
            return compile_segment(cohort.segment, rules.context)


def _unknown(connection: Connection, cohort: Cohort) -> tuple[int, ...]:
    """Which of the external ids nobody has, by place, from 1."""
    if cohort.kind is not CohortKind.LEARNERS:
        return ()
    asked_for = in_texts(learner.c.external_id, cohort.external_ids)
    known = set(connection.execute(select(learner.c.external_id).where(asked_for)).scalars())
    return tuple(place for place, each in enumerate(cohort.external_ids, start=1) if each not in known)


def _keep_items(connection: Connection, wave_id: int, number: int) -> None:
    """A reminder that is sent again is about the same item as the first time."""
    earlier = delivery.alias("earlier")
    first_item = (
        select(func.max(earlier.c.item_id))
        .where(
            earlier.c.wave_id == wave_id,
            earlier.c.rotation.in_(range(number)),  # not "<": see _Earlier
            earlier.c.learner_id == delivery.c.learner_id,
        )
        .scalar_subquery()
    )
    connection.execute(
        update(delivery).where(delivery.c.wave_id == wave_id, delivery.c.rotation == number).values(item_id=first_item)
    )


def _result(connection: Connection, key: str, wave_id: int, number: int, cohort: Cohort) -> Rotated:
    status = connection.execute(select(wave.c.status).where(wave.c.id == wave_id)).scalar_one()
    counts = counted(connection, key, wave_id, rotation_number=number, status=status)
    return Rotated(
        wave_id=wave_id,
        rotation=number,
        planned=counts.planned,
        by_reason=counts.by_reason,
        status=status,
        unknown=_unknown(connection, cohort),
    )
