"""What the ledger knows of an experiment: who was to get which variant with which chance, and what came of it.

Set-based statements; nothing is compared here. Bots and scanners never count: the ledger has told them apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, distinct, exists, func, literal, or_, select

from pushpull.db import days_after
from pushpull.insights.experiments.plan import Allocation, ExperimentPlan, Guardrails, Metric
from pushpull.learners.lists import in_ids
from pushpull.learners.tables import lifecycle_event
from pushpull.learners.vocabulary import LifecycleKind
from pushpull.ledger.specs import WaveSpec
from pushpull.ledger.tables import delivery, delivery_event, handover, wave
from pushpull.ledger.vocabulary import ACCEPTED_STATES, Arm, DeliveryState, EventKind, Reason


@dataclass(frozen=True, slots=True)
class Shown:
    """A message of the experiment that has had its time.

    Args:
        chance: with which the learner got this variant of the wave.
        succeeded: whether what counts happened within its days.
    """

    learner_id: int
    variant: str
    chance: float
    succeeded: bool


@dataclass(frozen=True, slots=True)
class Harm:
    """What came back of a variant's messages: accepted ones, and people or messages that speak against it."""

    accepted: int = 0
    opt_outs: int = 0
    complaints: int = 0
    failures: int = 0

    def breach(self, guardrails: Guardrails) -> str:
        """What is over its threshold, in words; empty: nothing is, or too little was sent to say."""
        # A variant that no provider takes has failures alone.
        if self.accepted + self.failures >= guardrails.after > self.accepted and self.failures > self.accepted:
            return f"failures: {self.failures} and {self.accepted} accepted messages, more than half"
        if self.accepted < guardrails.after:
            return ""
        for name, count, limit in (
            ("opt-outs", self.opt_outs, guardrails.opt_outs),
            ("complaints", self.complaints, guardrails.complaints),
            ("failures", self.failures, guardrails.failures),
        ):
            if count / self.accepted > limit:
                return f"{name}: {count} for {self.accepted} accepted messages, over {limit:.1%}"
        return ""


def waves_of(
    connection: Connection, campaign_id: int, plan: ExperimentPlan, *, until: datetime
) -> dict[int, Mapping[str, float]]:
    """The waves that were split for the experiment, each with the chance of every variant, as planning was told.

    Waves of which not every variant was sent, as after a stop, compare nothing and are left out.
    """
    found = connection.execute(
        select(wave.c.id, wave.c.spec)
        .where(
            wave.c.campaign_id == campaign_id,
            wave.c.series == plan.wave,
            wave.c.planned_at.is_not(None),
            wave.c.planned_as_of <= until,
        )
        .order_by(wave.c.planned_as_of, wave.c.id)
    )
    waves: dict[int, Mapping[str, float]] = {}
    for wave_id, stored in found:
        spec = WaveSpec.model_validate(stored)
        if spec.lot.partition("@")[0] != plan.key or {name for name, _ in spec.variants} != set(plan.variants):
            continue
        total = sum(weight for _, weight in spec.variants)
        waves[wave_id] = {name: weight / total for name, weight in spec.variants}
    return waves


def shown(
    connection: Connection, plan: ExperimentPlan, waves: Mapping[int, Mapping[str, float]], *, until: datetime
) -> tuple[Shown, ...]:
    """The messages whose days are over by ``until``, whoever was to get them, sent or not.

    Where a learner keeps their variant, only their first message is counted: what comes later depends on it. Where each
    message is a draw of its own, all are.
    """
    row = delivery.c
    is_meant = and_(
        row.arm == Arm.TREATED.value,
        row.variant.is_not(None),
        row.due_at.is_not(None),
        # What was not sent for reasons of its own says nothing of a variant, but that it could not be written does.
        or_(row.state != DeliveryState.SKIPPED.value, row.reason == Reason.RENDER_FAILED.value),
    )
    whose = (row.learner_id,) if plan.allocation is Allocation.FIXED else (row.learner_id, row.wave_id)
    first = (
        select(
            row.wave_id,
            row.learner_id,
            row.variant,
            row.due_at,
            func.row_number()
            .over(partition_by=whose, order_by=(row.due_at, row.wave_id, row.rotation))
            .label("number"),
        )
        .where(in_ids(row.wave_id, list(waves)), is_meant)
        .subquery("first")
    )
    over = days_after(first.c.due_at, literal(float(plan.within_days)))
    success = case((succeeded(plan.metric, first, over), 1), else_=0)
    found = connection.execute(
        select(first.c.learner_id, first.c.wave_id, first.c.variant, success.label("succeeded"))
        .where(first.c.number == 1, over <= literal(until, over.type))
        .order_by(first.c.learner_id, first.c.wave_id)
    )
    return tuple(
        Shown(each.learner_id, each.variant, waves[each.wave_id][each.variant], bool(each.succeeded))
        for each in found
        if each.variant in waves[each.wave_id]
    )


def succeeded(metric: Metric, message: Any, over: ColumnElement[datetime]) -> ColumnElement[bool]:
    """Whether what counts happened to a message's learner from its hour until its days were over.

    Args:
        message: columns ``wave_id, learner_id, due_at``.
        over: the end of its days.
    """
    if metric is Metric.CLICKED:
        event = delivery_event.c
        return exists().where(
            event.wave_id == message.c.wave_id,
            event.learner_id == message.c.learner_id,
            event.kind == EventKind.CLICKED.value,
            event.occurred_at >= message.c.due_at,
            event.occurred_at <= over,
        )
    kind = LifecycleKind.LEARNED if metric is Metric.STARTED else LifecycleKind.COMPLETED
    deed = lifecycle_event.c
    return exists().where(
        deed.campaign_id == wave.c.campaign_id,
        wave.c.id == message.c.wave_id,
        deed.learner_id == message.c.learner_id,
        deed.kind == kind.value,
        deed.occurred_at >= message.c.due_at,
        deed.occurred_at <= over,
    )


def harm(connection: Connection, plan: ExperimentPlan, wave_ids: Sequence[int], *, until: datetime) -> dict[str, Harm]:
    """What came back of each variant's messages by ``until``."""
    row, event = delivery.c, delivery_event.c
    is_sent = and_(handover.c.as_of <= until, handover.c.diverted_to.is_(None))
    counts = {
        "accepted": row.state.in_([state.value for state in ACCEPTED_STATES]),
        "rejected": row.state == DeliveryState.REJECTED.value,
    }
    sent = connection.execute(
        select(
            row.variant, *(func.sum(case((condition, 1), else_=0)).label(name) for name, condition in counts.items())
        )
        .select_from(delivery.join(handover, handover.c.id == row.handover_id))
        .where(in_ids(row.wave_id, wave_ids), is_sent, row.variant.is_not(None))
        .group_by(row.variant)
    ).all()
    watched = (EventKind.OPTED_OUT, EventKind.COMPLAINED, EventKind.BOUNCED)
    came_back = {
        (variant, kind): count
        for variant, kind, count in connection.execute(
            select(row.variant, event.kind, func.count(distinct(event.learner_id)))
            .select_from(
                delivery_event.join(
                    delivery,
                    and_(
                        row.wave_id == event.wave_id,
                        row.rotation == event.rotation,
                        row.learner_id == event.learner_id,
                    ),
                )
            )
            .where(
                in_ids(event.wave_id, wave_ids),
                event.kind.in_([kind.value for kind in watched]),
                event.occurred_at <= until,
                row.variant.is_not(None),
            )
            .group_by(row.variant, event.kind)
        )
    }
    found = {variant: Harm() for variant in plan.variants}
    for each in sent:
        if each.variant in found:
            opted_out, complained, bounced = (came_back.get((each.variant, kind.value), 0) for kind in watched)
            found[each.variant] = Harm(int(each.accepted), opted_out, complained, int(each.rejected) + bounced)
    return found
