"""A worker that hands over messages by a channel's real adapter, over real HTTP, and may die on its way.

The provider is a stand-in in another process: it outlives the worker, and counts.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Connection, select

from channels.accounts import accounts_of
from channels.base import ChannelAdapter
from channels.registry import adapters
from pushpull.db import open_database
from pushpull.learners.tables import learner
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.claims import Batch
from pushpull.ledger.drain import DrainOptions, DrainResult, Step, drain
from pushpull.ledger.handovers import Handover
from pushpull.ledger.links import LinkSigner
from pushpull.ledger.messages import (
    Body,
    CardBody,
    Conversation,
    EmailTemplate,
    OutgoingMessage,
    SharedEmail,
    SmsBody,
    delivery_id,
)
from pushpull.ledger.outcomes import Outcome
from pushpull.ledger.reach import ADDRESS
from pushpull.ledger.shards import Shard
from pushpull.settings import Settings
from tests.ledger.builders import NO_CAPS, PlainCourier, terms_of

#: Points within a call, beside the drain's own steps.
BEFORE_THE_CALL, AFTER_THE_CALL = "before the call", "after the call"
POINTS = (
    Step.CLAIMED,
    Step.WRITTEN,
    Step.INTENDED,
    BEFORE_THE_CALL,
    AFTER_THE_CALL,
    Step.CALLED,
    Step.RECORDED,
)

_LINKS = LinkSigner("a link secret for tests, 32 bytes", None, "https://learn.example")
_CARD = {"type": "AdaptiveCard", "version": "1.4", "body": [{"type": "TextBlock", "text": "Two minutes a day"}]}
_TEMPLATE = EmailTemplate(
    subject="Two minutes a day",
    html="<p>Hello ~name~, two minutes.</p>",
    text="Hello ~name~, two minutes.",
    sender_name="Learning",
    sender_address="learning@example.org",
    tags=("~name~",),
)
_BLOCKS = {"blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "Two minutes a day"}}]}


@dataclass(frozen=True, kw_only=True)
class Post:
    """Where a worker works.

    Args:
        variables: the settings that point at the stand-in (:func:`tests.standin.variables.variables`).
        now: the campaign's clock.
        lease, deadline: seconds; see :class:`pushpull.ledger.drain.DrainOptions`.
        request_size: messages per handover.
    """

    database: str
    wave_ids: Sequence[int]
    channel: Channel
    variables: Mapping[str, str]
    now: datetime
    lease: float = 20.0
    deadline: float = 10.0
    request_size: int = 4
    batch_size: int = 8


def adapter_of(channel: Channel, variables: Mapping[str, str]) -> ChannelAdapter:
    """The real adapter of a channel, as an installation puts it together, without a limit to its speed."""
    given: dict[str, Any] = {name.removeprefix("PUSHPULL_").lower(): value for name, value in variables.items()}
    given |= {"channels": channel.value, "twilio_per_second": "0", "teams_per_second": "0", "slack_per_second": "0"}
    chosen = Settings(_env_file=None, **given)
    made = adapters(chosen, clock=lambda: datetime.now(UTC), accounts=accounts_of(chosen), links=_LINKS)
    return made[channel]


class RealCourier(PlainCourier):
    """Writes short messages and hands them to a real adapter.

    Args:
        reached: told of the points before and after each call.
    """

    def __init__(self, adapter: ChannelAdapter, post: Post, *, reached: Callable[[str], None]) -> None:
        self._adapter, self._post, self._reached = adapter, post, reached

    def request_size(self, channel: str) -> int:
        return self._post.request_size

    def group_of(self, message: object) -> Hashable:
        return None

    def write(self, connection: Connection, batch: Batch) -> Mapping[int, object]:
        address = ADDRESS[Channel(batch.channel)]
        mine = [row.learner_id for row in batch.rows]
        to: dict[int, str] = dict(connection.execute(select(learner.c.id, address).where(learner.c.id.in_(mine))).all())
        return {each: (delivery_id(batch.wave_id, batch.rotation, each), to[each]) for each in mine}

    def carry(
        self,
        channel: str,
        handover: Handover,
        messages: Sequence[object],
        *,
        deadline: float,
        not_before: Sequence[float] = (),
        send_at: datetime | None = None,
    ) -> Sequence[Outcome]:
        self._reached(BEFORE_THE_CALL)
        written = [self._outgoing(handover, *cast(tuple[str, str], message)) for message in messages]
        outcomes = self._adapter.send(written, deadline=deadline, not_before=not_before)
        self._reached(AFTER_THE_CALL)
        return outcomes

    def _outgoing(self, handover: Handover, delivery: str, to: str) -> OutgoingMessage:
        return outgoing(self._post, delivery, to, handover.id)


def outgoing(post: Post, delivery: str, to: str, handover_id: UUID) -> OutgoingMessage:
    """A short message over the post's channel."""
    conversation = None
    if post.channel is Channel.TEAMS:
        tenant = post.variables["PUSHPULL_TEAMS_TENANT_ID"]
        conversation = Conversation(post.variables["PUSHPULL_BOT_URL"], f"29:{to}", tenant_id=tenant)
    return OutgoingMessage(
        delivery_id=delivery,
        handover_id=handover_id.hex,
        channel=post.channel,
        to=to,
        to_name="",
        family="safety",
        body=_body(post, delivery),
        campaign="safety",
        conversation=conversation,
    )


def _body(post: Post, delivery: str) -> Body:
    wave, rotation, person = map(int, delivery.split("-"))
    match post.channel:
        case Channel.EMAIL:
            return SharedEmail(_TEMPLATE, {"~name~": f"learner {person}"})
        case Channel.SMS:
            link = _LINKS.landing_url(person, 1, None, wave, rotation, post.now + timedelta(days=30))
            return SmsBody(f"Two minutes: {link}")
        case Channel.TEAMS:
            return CardBody(json.dumps(_CARD), "Two minutes a day")
    return CardBody(json.dumps(_BLOCKS), "Two minutes a day")


def work(post: Post, *, dies_at: str | None = None, at_visit: int = 1) -> DrainResult:
    """Drain waves in this process; end it by SIGKILL on the ``at_visit``-th visit of a point, where one is named."""
    visits_left = at_visit

    def reached(point: str) -> None:
        nonlocal visits_left
        if point == dies_at:
            visits_left -= 1
            if visits_left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    courier = RealCourier(adapter_of(post.channel, post.variables), post, reached=reached)
    engine = open_database(post.database)
    options = DrainOptions(
        worker=f"doomed-{os.getpid()}",
        caps=NO_CAPS,
        lease=timedelta(seconds=post.lease),
        deadline=timedelta(seconds=post.deadline),
        batch_size=post.batch_size,
    )
    result = DrainResult()
    try:
        for wave_id in post.wave_ids:
            result = drain(
                engine,
                Shard(wave_id),
                terms_of(engine, wave_id, now=post.now),
                courier,
                options=options,
                on_step=lambda step, _count: reached(step),
            )
    finally:
        engine.dispose()
    return result
