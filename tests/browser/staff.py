"""Managers and sponsors for the browser: who signs in, and what there is for them to see."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

from sqlalchemy import func, select, update

from pushpull.db import reading, writing
from pushpull.learners.tables import learner
from pushpull.ledger.tables import delivery, wave
from pushpull.ledger.vocabulary import DeliveryState
from tasks.state import fold_progress, move_lifecycles
from tests.browser.place import CAMPAIGN, Place
from tests.standin.issuer import Issuer, Person


def be(issuer: Issuer, email: str, *groups: str) -> None:
    """From now on, this is who signs in."""
    claims = {"email": email, "email_verified": True, "name": "Robin", "groups": list(groups)}
    issuer.people[:] = [Person(email, claims)]


def everything_arrived(place: Place) -> None:
    """What was planned is with the learners since Monday of last week: figures are of whole weeks."""
    now = datetime.now(UTC)
    monday = datetime.combine(now.date() - timedelta(days=now.weekday() + 7), time(10), tzinfo=UTC)
    with writing(place.engine) as connection:
        connection.execute(update(wave).values(planned_as_of=monday))
        connection.execute(
            update(delivery)
            .where(delivery.c.channel.is_not(None))
            .values(state=DeliveryState.DELIVERED.value, due_at=monday, settled_at=monday)
        )
    fold_progress(now)
    move_lifecycles(CAMPAIGN, now)


def manager_of_most(place: Place) -> tuple[str]:
    """The address of whoever most people report to."""
    with reading(place.engine) as connection:
        boss = connection.execute(
            select(learner.c.manager_external_id)
            .where(learner.c.manager_external_id.is_not(None))
            .group_by(learner.c.manager_external_id)
            .order_by(func.count().desc(), learner.c.manager_external_id)
            .limit(1)
        ).scalar_one()
        return (connection.execute(select(learner.c.email).where(learner.c.external_id == boss)).scalar_one(),)
