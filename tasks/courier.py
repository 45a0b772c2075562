"""Content and channels brought together: writes the messages of a batch and hands them to their channel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest
from typing import cast

from sqlalchemy import Connection

from channels.base import ChannelAdapter, PlanningAdapter
from channels.wire import Failure
from content.render import Renderer, RenderError
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.claims import Batch
from pushpull.ledger.conversations import conversations_of
from pushpull.ledger.drain import NotReadyError
from pushpull.ledger.facts import Addressed, FactReader
from pushpull.ledger.handovers import Handover
from pushpull.ledger.messages import Body, Conversation, OutgoingMessage, SharedEmail, delivery_id
from pushpull.ledger.outcomes import Outcome
from pushpull.ledger.terms import Terms
from pushpull.ledger.vocabulary import MessageClass
from tasks.installation import Installation, log


@dataclass(frozen=True, slots=True)
class _Written:
    batch: Batch
    learner_id: int
    addressed: Addressed
    body: Body
    conversation: Conversation | None = None


class CampaignCourier:
    """Carries one wave's messages.

    Args:
        rules: the wave's terms.
        renderer: writes in the campaign's words and brand.
    """

    def __init__(self, connection: Connection, here: Installation, rules: Terms, renderer: Renderer) -> None:
        self._spec = rules.spec
        self._adapters: Mapping[Channel, ChannelAdapter] = here.adapters
        self._renderer = renderer
        self._facts = FactReader(connection, rules, here.links)

    def request_size(self, channel: str) -> int:
        """How many messages of a channel go into one handover."""
        return self._adapters[Channel(channel)].limits.batch_size

    def per_second(self, channel: str) -> float | None:
        """The rate of a channel's provider."""
        return self._adapters[Channel(channel)].limits.per_second

    def group_of(self, message: object) -> Hashable:
        """Messages written from one template travel together; those with a body each go with one another."""
        body = cast(_Written, message).body
        return body.template if isinstance(body, SharedEmail) else None

    def reserve(self, channel: str, count: int) -> Sequence[str]:
        """Names for planned requests."""
        adapter = self._adapters[Channel(channel)]
        if not adapter.limits.can_plan_ahead:
            raise NotReadyError("cannot_plan_ahead")
        try:
            return cast(PlanningAdapter, adapter).reserve(count)
        except Failure as failure:
            raise NotReadyError(failure.code) from None

    def write(self, connection: Connection, batch: Batch) -> Mapping[int, object]:
        """Write a batch; learners whose message cannot be written are left out and counted in the log."""
        spec, channel = self._spec, Channel(batch.channel)
        addressed = self._facts.read(connection, batch)
        reached_by: Mapping[str, Conversation] = {}
        if channel is Channel.TEAMS:
            reached_by = conversations_of(connection, [whom.to for whom in addressed.values() if whom.to])
        written: dict[int, object] = {}
        failures: Counter[str] = Counter()
        for row in batch.rows:
            whom = addressed.get(row.learner_id)
            if whom is None or not whom.to:
                failures["no_address"] += 1
                continue
            try:
                body = self._renderer.render(
                    spec.message_key, channel, row.language, row.variant, whom.facts, trend=spec.trend
                )
            except RenderError as error:
                failures[error.code] += 1
                continue
            written[row.learner_id] = _Written(batch, row.learner_id, whom, body, reached_by.get(whom.to))
        if failures:
            log.warning("messages not written", extra={"wave_id": batch.wave_id, "failures": dict(failures)})
        return written

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
        """Hand written messages to the channel."""
        outgoing = [
            OutgoingMessage(
                delivery_id=delivery_id(written.batch.wave_id, written.batch.rotation, written.learner_id),
                handover_id=handover.id.hex,
                channel=Channel(channel),
                to=written.addressed.to,
                to_name=written.addressed.to_name,
                family=self._spec.family,
                body=written.body,
                is_mandatory=self._spec.message_class is MessageClass.MANDATORY,
                campaign=self._spec.campaign_key,
                valid_for=until - handover.as_of if until is not None and handover.as_of is not None else None,
                send_at=send_at,
                request_id=handover.request_id,
                conversation=written.conversation,
            )
            for written, until in zip_longest(cast(Sequence[_Written], messages), handover.valid_until)
        ]
        return self._adapters[Channel(channel)].send(outgoing, deadline=deadline, not_before=not_before)
