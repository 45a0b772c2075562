"""A campaign's funnel (mission P1): eligible → reached → clicked → activated → started → came back → completed.

Each step holds only people who are in the step before it, so the drops add up. People who took a later step without an
earlier one, such as those who came without following a link, are counted beside it: that is the pull. All of it is one
set-based statement over the ledger and the lifecycle events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    String,
    Subquery,
    and_,
    case,
    cast,
    distinct,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
)

from pushpull.insights.proportions import Interval, Proportion, difference_interval
from pushpull.learners.lifecycle.events import utc_day
from pushpull.learners.tables import lifecycle_event
from pushpull.learners.vocabulary import LifecycleKind
from pushpull.ledger.campaigns import campaign_id_of
from pushpull.ledger.tables import campaign, delivery, delivery_event, handover, wave
from pushpull.ledger.vocabulary import ACCEPTED_STATES, Arm, DeliveryState, EventKind, Reason, Touch

#: Smaller groups are not compared: their shares would speak of single people.
FEWEST_TO_COMPARE = 5

_NOT_ELIGIBLE = (Reason.HOLDOUT, Reason.GLOBAL_HOLDOUT, Reason.INACTIVE, Reason.WITHDRAWN)
_ARRIVED = (DeliveryState.ACCEPTED, DeliveryState.DELIVERED)
_WAS_THERE = (LifecycleKind.SIGNED_IN, LifecycleKind.LEARNED, LifecycleKind.FAILED_TRY)


class Step(StrEnum):
    """The steps, in order."""

    ELIGIBLE = "eligible"  # on the treated side, still with the company and the course
    REACHED = "reached"  # at least one message arrived: accepted, and neither bounced nor reported undelivered
    CLICKED = "clicked"  # a person followed a link
    ACTIVATED = "activated"  # opened one of the campaign's items
    STARTED = "started"  # learned something in it
    CAME_BACK = "came_back"  # was there on a second day
    COMPLETED = "completed"  # completed all of the campaign's items


@dataclass(frozen=True, slots=True)
class StepCount:
    """One step.

    Args:
        count: people in this and in every earlier step.
        dropped: people of the step before who are not in this one; for the first step, of the audience.
        besides: people who took this step but missed an earlier one.
    """

    step: Step
    count: int
    dropped: int
    besides: int


class Verdict(StrEnum):
    """What the comparison with the holdout says."""

    MORE = "more"
    FEWER = "fewer"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Completion of those who got messages and of those held out, without people who had completed before the start.

    Args:
        difference: treated minus holdout, as a fraction of 1; None when a group is too small to be shown.
        interval: of the difference, 95 %, by Newcombe's hybrid score method.
    """

    treated: Proportion
    holdout: Proportion
    difference: float | None
    interval: Interval | None

    @property
    def verdict(self) -> Verdict:
        """Whether the interval leaves zero out, and on which side."""
        if self.interval is None or self.interval.holds(0.0):
            return Verdict.CANNOT_TELL
        return Verdict.MORE if self.interval.low > 0 else Verdict.FEWER


@dataclass(frozen=True, slots=True)
class TouchMix:
    """Push and pull of one stage: what was planned, in percent, and the messages accepted (mission P4)."""

    stage: str
    push: int
    pull: int
    planned_push: int | None

    @property
    def actual_push(self) -> float | None:
        """The share of push in percent; None while nothing was sent."""
        sent = self.push + self.pull
        return 100 * self.push / sent if sent else None


@dataclass(frozen=True)
class Funnel:
    """The funnel of one campaign.

    Args:
        audience: learners with at least one row in a wave of the campaign.
        not_eligible: those of the audience who are not in the first step, by arm.
        messages: accepted messages.
    """

    campaign_key: str
    as_of: datetime
    audience: int
    not_eligible: Mapping[str, int]
    steps: tuple[StepCount, ...]
    mix: tuple[TouchMix, ...]
    comparison: Comparison
    messages: int

    def __getitem__(self, step: Step) -> StepCount:
        return self.steps[list(Step).index(step)]

    @property
    def messages_per_active(self) -> float | None:
        """Messages per learner who started, as the price of one in attention; None without any."""
        started = self[Step.STARTED].count + self[Step.STARTED].besides
        return self.messages / started if started else None


def funnel(connection: Connection, campaign_key: str, *, as_of: datetime) -> Funnel:
    """Compute a campaign's funnel.

    Args:
        as_of: what happened later (aware) is not counted.

    Raises:
        UnknownCampaignError: there is no such campaign.
    """
    campaign_id = campaign_id_of(connection, campaign_key)
    rows = _counted_paths(connection, campaign_id, as_of=as_of)
    mix = touch_mix(connection, campaign_id, as_of=as_of)
    audience = sum(row.people for row in rows)
    steps, before = [], audience
    for place, step in enumerate(Step):
        inside = sum(row.people for row in rows if all(getattr(row, each.value) for each in list(Step)[: place + 1]))
        took = sum(row.people for row in rows if getattr(row, step.value))
        steps.append(StepCount(step, inside, before - inside, took - inside))
        before = inside
    left_out: dict[str, int] = {}
    for row in rows:
        if not row.eligible:
            left_out[row.arm] = left_out.get(row.arm, 0) + row.people
    return Funnel(
        campaign_key=campaign_key,
        as_of=as_of,
        audience=audience,
        not_eligible=dict(sorted(left_out.items())),
        steps=tuple(steps),
        mix=mix,
        comparison=_compared(rows),
        messages=sum(each.push + each.pull for each in mix),
    )


def _counted_paths(connection: Connection, campaign_id: int, *, as_of: datetime) -> Sequence[Any]:
    """How many learners took which of the steps: one row per combination that occurs."""
    rows, clicks, events = _rows(campaign_id, as_of), _clicks(campaign_id, as_of), _events(campaign_id, as_of)
    starts_at = select(campaign.c.starts_at).where(campaign.c.id == campaign_id).scalar_subquery()
    # Put below one another, not joined: SQLite would look through all clicks and deeds beside each person.
    nothing, no_arm, never = literal(0), cast(null(), String), cast(null(), events.c.completed_at.type)
    parts = union_all(
        select(
            rows.c.learner_id,
            rows.c.arm,
            rows.c.eligible,
            rows.c.reached,
            nothing.label("clicked"),
            nothing.label("active_days"),
            nothing.label("learned"),
            never.label("completed_at"),
        ),
        select(clicks.c.learner_id, no_arm, nothing, nothing, literal(1), nothing, nothing, never),
        select(
            events.c.learner_id,
            no_arm,
            nothing,
            nothing,
            nothing,
            events.c.active_days,
            events.c.learned,
            events.c.completed_at,
        ),
    ).subquery("part")
    names = ("arm", "eligible", "reached", "clicked", "active_days", "learned", "completed_at")
    person = (
        select(*(func.max(parts.c[name], type_=parts.c[name].type).label(name) for name in names))
        .group_by(parts.c.learner_id)
        .having(func.max(parts.c.arm).is_not(None))
        .subquery("person")
    )
    completed = person.c.completed_at.is_not(None)
    flags = (
        person.c.arm,
        person.c.eligible.label(Step.ELIGIBLE),
        person.c.reached.label(Step.REACHED),
        person.c.clicked.label(Step.CLICKED),
        _flag(person.c.active_days > 0, Step.ACTIVATED),
        _flag(person.c.learned > 0, Step.STARTED),
        _flag(and_(person.c.learned > 0, person.c.active_days > 1), Step.CAME_BACK),
        _flag(completed, Step.COMPLETED),
        _flag(and_(completed, person.c.completed_at < starts_at), "was_done_before"),
    )
    statement = select(*flags, func.count().label("people")).group_by(*flags)
    return connection.execute(statement).all()


def _flag(condition: ColumnElement[bool], name: str) -> ColumnElement[int]:
    return case((condition, 1), else_=0).label(name)


def _rows(campaign_id: int, as_of: datetime) -> Subquery:
    """Per learner of the audience: the arm, whether there was ever a message to be sent, whether one arrived."""
    held_out = delivery.c.arm.in_([Arm.HOLDOUT.value, Arm.GLOBAL_HOLDOUT.value])
    sendable = or_(delivery.c.reason.is_(None), delivery.c.reason.not_in([reason.value for reason in _NOT_ELIGIBLE]))
    arrived = and_(delivery.c.state.in_([state.value for state in _ARRIVED]), _sent_by(as_of))
    arm = func.max(case((held_out, delivery.c.arm), else_="")).label("arm")
    return (
        select(
            delivery.c.learner_id,
            case((arm == "", Arm.TREATED.value), else_=arm).label("arm"),
            func.max(case((and_(sendable, ~held_out), 1), else_=0)).label("eligible"),
            func.max(case((arrived, 1), else_=0)).label("reached"),
        )
        .select_from(_deliveries())
        .where(wave.c.campaign_id == campaign_id, wave.c.planned_as_of <= as_of)
        .group_by(delivery.c.learner_id)
        .subquery("row")
    )


def _deliveries() -> Any:
    return delivery.join(wave, wave.c.id == delivery.c.wave_id).outerjoin(
        handover, handover.c.id == delivery.c.handover_id
    )


def _sent_by(as_of: datetime) -> ColumnElement[bool]:
    """Whether a delivery went out until then, by the campaign's clock."""
    return func.coalesce(handover.c.as_of, delivery.c.due_at) <= as_of


def _clicks(campaign_id: int, as_of: datetime) -> Subquery:
    return (
        select(delivery_event.c.learner_id)
        .where(
            delivery_event.c.campaign_id == campaign_id,
            delivery_event.c.kind == EventKind.CLICKED.value,
            delivery_event.c.occurred_at <= as_of,
        )
        .distinct()
        .subquery("click")
    )


def _events(campaign_id: int, as_of: datetime) -> Subquery:
    """Per learner: days on which they were there, whether they learned, and when they completed."""
    event = lifecycle_event.c
    was_there = event.kind.in_([kind.value for kind in _WAS_THERE])
    return (
        select(
            event.learner_id,
            func.count(distinct(case((was_there, utc_day(event.occurred_at))))).label("active_days"),
            func.sum(case((event.kind == LifecycleKind.LEARNED.value, 1), else_=0)).label("learned"),
            func.min(case((event.kind == LifecycleKind.COMPLETED.value, event.occurred_at))).label("completed_at"),
        )
        .where(event.campaign_id == campaign_id, event.occurred_at <= as_of)
        .group_by(event.learner_id)
        .subquery("event")
    )


def _compared(rows: Sequence[Any]) -> Comparison:
    def side(*, treated: bool) -> Proportion:
        # Everybody as they were assigned, whatever became of them: leaving people out afterwards would favour a side.
        inside = [row for row in rows if (row.arm == Arm.TREATED) is treated and not row.was_done_before]
        return Proportion(sum(row.people for row in inside if row.completed), sum(row.people for row in inside))

    first, second = side(treated=True), side(treated=False)
    if min(first.total, second.total) < FEWEST_TO_COMPARE:
        return Comparison(first, second, None, None)
    assert first.share is not None
    assert second.share is not None
    return Comparison(first, second, first.share - second.share, difference_interval(first, second))


def touch_mix(connection: Connection, campaign_id: int, *, as_of: datetime) -> tuple[TouchMix, ...]:
    """Push and pull per stage: planned, and as accepted until ``as_of``; in the order of the stages' first waves."""
    definition = connection.execute(select(campaign.c.definition).where(campaign.c.id == campaign_id)).scalar_one()
    stages = definition.get("stages") or {}
    accepted = and_(delivery.c.state.in_([state.value for state in ACCEPTED_STATES]), _sent_by(as_of))

    def sent(touch: Touch) -> ColumnElement[int]:
        return func.sum(case((and_(accepted, wave.c.touch == touch.value), 1), else_=0))

    rows = connection.execute(
        select(wave.c.stage, sent(Touch.PUSH).label("push"), sent(Touch.PULL).label("pull"))
        .select_from(_deliveries())
        .where(wave.c.campaign_id == campaign_id)
        .group_by(wave.c.stage)
        .order_by(func.min(wave.c.scheduled_for), wave.c.stage)
    )
    return tuple(
        TouchMix(stage, push, pull, ((stages.get(stage) or {}).get("mix") or {}).get("push"))
        for stage, push, pull in rows
    )
