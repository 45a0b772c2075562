"""Content and channels brought together: writes the messages of a batch and hands them to their channel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from sqlalchemy import Connection

from channels.base import ChannelAdapter
from content.render import Renderer, RenderError
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.claims import Batch
from pushpull.ledger.facts import Addressed, FactReader
from pushpull.ledger.handovers import Handover
from pushpull.ledger.messages import Body, OutgoingMessage, delivery_id
from pushpull.ledger.outcomes import Outcome
from pushpull.ledger.terms import Terms
from tasks.installation import Installation, log


@dataclass(frozen=True, slots=True)
class _Written:
    batch: Batch
    learner_id: int
    addressed: Addressed
    body: Body


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
        """How many messages of a channel go into one provider request."""
        return self._adapters[Channel(channel)].limits.batch_size

    def write(self, connection: Connection, batch: Batch) -> Mapping[int, object]:
        """Write a batch; learners whose message cannot be written are left out and counted in the log."""
        spec, channel = self._spec, Channel(batch.channel)
        addressed = self._facts.read(connection, batch)
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
            written[row.learner_id] = _Written(batch, row.learner_id, whom, body)
        if failures:
            log.warning("messages not written", extra={"wave_id": batch.wave_id, "failures": dict(failures)})
        return written

    def carry(
        self, channel: str, handover: Handover, messages: Sequence[object], *, deadline: float
    ) -> Sequence[Outcome]:
        """Hand written messages to the channel in one request."""
        outgoing = [
            OutgoingMessage(
                delivery_id=delivery_id(written.batch.wave_id, written.batch.rotation, written.learner_id),
                handover_id=handover.id.hex,
                channel=Channel(channel),
                to=written.addressed.to,
                to_name=written.addressed.to_name,
                family=self._spec.family,
                body=written.body,
            )
            for written in cast(Sequence[_Written], messages)
        ]
        return self._adapters[Channel(channel)].send(outgoing, deadline=deadline)
