"""What people write first: send, then record. It is here to show that the harness sees what goes wrong with it."""

from __future__ import annotations

import os
import signal
import time
from uuid import uuid4

from sqlalchemy import select, update

from pushpull.db import open_database, reading, writing
from pushpull.learners.tables import learner
from pushpull.ledger.drain import Step
from pushpull.ledger.messages import delivery_id
from pushpull.ledger.outcomes import Accepted, ChannelStopped
from pushpull.ledger.reach import ADDRESS
from pushpull.ledger.tables import delivery
from pushpull.ledger.vocabulary import DeliveryState
from tests.faults import doomed

#: Where in this loop a point of the protocol would be.
_PLACES = {
    Step.CALLED: "after the call",
    Step.RECORDED: "recorded",
    doomed.AFTER_THE_CALL: "after the call",
}


def work(post: doomed.Post, index: int, workers: int, *, dies_at: str | None = None, at_visit: int = 1) -> None:
    """Send what is planned of an ``index``-th part, as no other worker does, and note what was accepted."""
    visits_left = at_visit

    def reached(place: str) -> None:
        nonlocal visits_left
        if dies_at is not None and place == _PLACES.get(dies_at, "before the call"):
            visits_left -= 1
            if visits_left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    adapter = doomed.adapter_of(post.channel, post.variables)
    engine = open_database(post.database)
    mine = (
        delivery.c.wave_id.in_(post.wave_ids),
        delivery.c.state == DeliveryState.PLANNED.value,
        delivery.c.learner_id % workers == index,
    )
    query = (
        select(delivery.c.wave_id, delivery.c.learner_id, ADDRESS[post.channel].label("to"))
        .join(learner, learner.c.id == delivery.c.learner_id)
        .where(*mine)
        .limit(post.request_size)
    )
    while True:
        with reading(engine) as connection:
            rows = connection.execute(query).all()
        if not rows:
            return
        handover_id = uuid4()
        messages = [
            doomed.outgoing(post, delivery_id(row.wave_id, 0, row.learner_id), row.to, handover_id) for row in rows
        ]
        reached("before the call")
        try:
            outcomes = adapter.send(messages, deadline=time.monotonic() + post.deadline)
        except ChannelStopped:
            return
        reached("after the call")
        accepted = [
            row.learner_id for row, outcome in zip(rows, outcomes, strict=True) if isinstance(outcome, Accepted)
        ]
        with writing(engine) as connection:
            connection.execute(
                update(delivery)
                .where(delivery.c.wave_id.in_(post.wave_ids), delivery.c.learner_id.in_(accepted))
                .values(state=DeliveryState.ACCEPTED.value)
            )
        reached("recorded")
