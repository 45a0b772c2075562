"""Whose paths are worth reading first: one learner of each kind of story.

For rehearsals, where nobody is real.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, exists, func, select

from pushpull.learners.tables import learner, lifecycle
from pushpull.learners.vocabulary import LearnerState
from pushpull.ledger.campaigns import campaign_id_of
from pushpull.ledger.tables import delivery, delivery_event, wave
from pushpull.ledger.vocabulary import ACCEPTED_STATES, Arm, EventKind, Reason


def sample_learners(connection: Connection, campaign_key: str, *, as_of: datetime) -> dict[str, str]:
    """External ids of a few learners with different stories, by a label that says which.

    Args:
        as_of: waves planned later (aware) do not count.

    Raises:
        UnknownCampaignError: there is no such campaign.
    """
    campaign_id = campaign_id_of(connection, campaign_key)
    rows = (
        select(
            delivery.c.learner_id,
            func.max(delivery.c.arm).label("arm"),
            func.count(delivery.c.reason).label("reasons"),
        )
        .join(wave, wave.c.id == delivery.c.wave_id)
        .where(wave.c.campaign_id == campaign_id, wave.c.planned_as_of <= as_of)
        .group_by(delivery.c.learner_id)
        .subquery("row")
    )

    def state(which: LearnerState) -> ColumnElement[bool]:
        return exists().where(
            lifecycle.c.campaign_id == campaign_id,
            lifecycle.c.learner_id == rows.c.learner_id,
            lifecycle.c.state == which.value,
        )

    def a_row(condition: ColumnElement[bool]) -> ColumnElement[bool]:
        waves = select(wave.c.id).where(wave.c.campaign_id == campaign_id)
        return exists().where(delivery.c.wave_id.in_(waves), delivery.c.learner_id == rows.c.learner_id, condition)

    came_back = exists().where(
        delivery_event.c.campaign_id == campaign_id,
        delivery_event.c.learner_id == rows.c.learner_id,
        delivery_event.c.kind == EventKind.CLICKED.value,
    )
    accepted = a_row(delivery.c.state.in_([each.value for each in ACCEPTED_STATES]))
    stories = {
        "Completed it": and_(state(LearnerState.COMPLETED), came_back),
        "Still learning": and_(state(LearnerState.ACTIVE), came_back),
        "Fell silent": state(LearnerState.DORMANT),
        "Reached the cap": and_(accepted, a_row(delivery.c.reason == Reason.CAPPED.value)),
        "Opted out": state(LearnerState.OPTED_OUT),
        "Held out": rows.c.arm == Arm.HOLDOUT.value,
    }
    chosen: dict[str, str] = {}
    for label, condition in stories.items():
        statement = (
            select(learner.c.external_id)
            .join(rows, rows.c.learner_id == learner.c.id)
            .where(condition, learner.c.external_id.not_in(list(chosen.values())))
            .order_by(rows.c.reasons.desc(), learner.c.external_id)
            .limit(1)
        )
        found = connection.execute(statement).scalar_one_or_none()
        if found is not None:
            chosen[label] = found
    return chosen
