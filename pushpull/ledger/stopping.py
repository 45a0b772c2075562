"""Stop signals: when what comes back says that a campaign does harm, it stops by itself (mission D5)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, and_, distinct, func, select

from pushpull.learners.tables import learner_choice, lifecycle
from pushpull.ledger.specs import StopThresholds
from pushpull.ledger.tables import campaign, delivery_event, handover
from pushpull.ledger.vocabulary import EventKind


@dataclass(frozen=True, slots=True)
class Figures:
    """What came back of a campaign so far: messages accepted and failed; learners who opted out, complained, paused."""

    accepted: int = 0
    failures: int = 0
    opt_outs: int = 0
    complaints: int = 0
    mutes: int = 0

    def since(self, baseline: Figures) -> Figures:
        """What came after ``baseline``."""
        return Figures(
            accepted=self.accepted - baseline.accepted,
            failures=self.failures - baseline.failures,
            opt_outs=self.opt_outs - baseline.opt_outs,
            complaints=self.complaints - baseline.complaints,
            mutes=max(0, self.mutes - baseline.mutes),  # a pause that is over no longer counts
        )


def figures(connection: Connection, campaign_id: int) -> Figures:
    """Count what came back of a campaign; rehearsals went to somebody else and say nothing about it."""
    accepted, refused = connection.execute(
        select(func.coalesce(func.sum(handover.c.accepted), 0), func.coalesce(func.sum(handover.c.rejected), 0)).where(
            handover.c.campaign_id == campaign_id, handover.c.diverted_to.is_(None)
        )
    ).one()
    watched = [EventKind.OPTED_OUT.value, EventKind.COMPLAINED.value, EventKind.BOUNCED.value]
    people: dict[str, int] = dict(
        connection.execute(
            select(delivery_event.c.kind, func.count(distinct(delivery_event.c.learner_id)))
            .where(delivery_event.c.campaign_id == campaign_id, delivery_event.c.kind.in_(watched))
            .group_by(delivery_event.c.kind)
        ).all()
    )
    return Figures(
        accepted=int(accepted),
        failures=int(refused) + people.get(EventKind.BOUNCED.value, 0),
        opt_outs=people.get(EventKind.OPTED_OUT.value, 0),
        complaints=people.get(EventKind.COMPLAINED.value, 0),
        mutes=_mutes(connection, campaign_id),
    )


def _mutes(connection: Connection, campaign_id: int) -> int:
    """Learners who asked for a pause after the campaign had reached them, and did not take it back."""
    reached = and_(
        lifecycle.c.campaign_id == campaign_id,
        lifecycle.c.learner_id == learner_choice.c.learner_id,
        lifecycle.c.reached_at <= learner_choice.c.updated_at,
    )
    return int(
        connection.execute(
            select(func.count())
            .select_from(learner_choice.join(lifecycle, reached))
            .where(learner_choice.c.paused_until > learner_choice.c.updated_at)
        ).scalar_one()
    )


def stop_signal(connection: Connection, campaign_id: int) -> str | None:
    """Why a campaign must stop now; None while everything is within its thresholds.

    Shares are of the messages accepted since a person last resumed the campaign: who resumes it has seen what was
    before, and only news stops it again.
    """
    row = connection.execute(
        select(campaign.c.definition, campaign.c.stop_baseline).where(campaign.c.id == campaign_id)
    ).one()
    thresholds = StopThresholds.model_validate(row.definition.get("stop") or {})
    news = figures(connection, campaign_id).since(Figures(**(row.stop_baseline or {})))
    if news.accepted < thresholds.after:
        # Where nearly everything is refused, hardly anything is ever accepted to take a share of.
        tried = news.accepted + news.failures
        if tried >= thresholds.after and news.failures / tried > thresholds.failures:
            return f"failures: {news.failures} of {tried} messages, over the threshold of {thresholds.failures:.1%}"
        return None
    for name, count, limit in (
        ("opt-outs", news.opt_outs, thresholds.opt_outs),
        ("complaints", news.complaints, thresholds.complaints),
        ("pauses", news.mutes, thresholds.mutes),
        ("failures", news.failures, thresholds.failures),
    ):
        if count / news.accepted > limit:
            return f"{name}: {count} for {news.accepted} accepted messages, over the threshold of {limit:.1%}"
    return None
