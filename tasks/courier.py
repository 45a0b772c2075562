"""Content and channels brought together: writes the messages of a batch and hands them to their channel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import datetime
from itertools import zip_longest
from typing import NamedTuple, cast

from sqlalchemy import Connection

from channels.base import ChannelAdapter, PlanningAdapter
from channels.wire import Failure
from content.render import Renderer, RenderError
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.claims import Batch
from pushpull.ledger.conversations import conversations_of
from pushpull.ledger.couriers import NotReadyError
from pushpull.ledger.diverting import diverted
from pushpull.ledger.facts import Addressed, FactReader
from pushpull.ledger.handovers import Handover
from pushpull.ledger.messages import Body, Conversation, MessageFacts, OutgoingMessage, SharedEmail, delivery_id
from pushpull.ledger.outcomes import Outcome
from pushpull.ledger.terms import Terms
from pushpull.ledger.vocabulary import MessageClass
from tasks.installation import Installation, log


class _Written(NamedTuple):
    """A message on its way to its handover."""

    delivery_id: str
    addressed: Addressed
    body: Body
    conversation: Conversation | None


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
        self._rules, self._links = rules, here.links
        self._facts = {
            channel: FactReader(connection, rules, here.links, names=self._names(channel))
            for channel in rules.spec.channels
        }
        self._shares = {channel: here.adapters[channel].limits.takes_shared_bodies for channel in rules.spec.channels}

    def _names(self, channel: Channel) -> frozenset[str]:
        """What any learner's message may use."""
        spec, renderer = self._spec, self._renderer
        names: frozenset[str] = frozenset()
        for language in renderer.languages_of(spec.message_key):
            for variant in spec.variant_names or ("",):
                try:
                    names |= renderer.names_used(spec.message_key, channel, language, variant, trend=spec.trend)
                except RenderError:
                    continue  # writing says so, for the learners it concerns
        return names

    def request_size(self, channel: str) -> int:
        """How many messages of a channel go into one handover."""
        limits = self._adapters[Channel(channel)].limits
        if limits.takes_shared_bodies and limits.per_second:  # what leaves in one request must fit into a second
            return max(1, min(limits.batch_size, int(limits.per_second)))
        return limits.batch_size

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
        channel = Channel(batch.channel)
        addressed = self._facts[channel].read(connection, batch)
        if batch.diverted_to is not None:
            addressed = self._diverted(connection, channel, addressed, to=batch.diverted_to)
        reached_by: Mapping[str, Conversation] = {}
        if channel is Channel.TEAMS:
            reached_by = conversations_of(connection, [whom.to for whom in addressed.values() if whom.to])
        written: dict[int, object] = {}
        failures: Counter[str] = Counter()
        write = {
            (language, variant): self._writer(channel, language, variant)
            for language, variant in {(row.language, row.variant) for row in batch.rows}
        }
        for row in batch.rows:
            whom = addressed.get(row.learner_id)
            if whom is None or not whom.to:
                failures["no_address"] += 1
                continue
            try:
                body = write[row.language, row.variant](whom.facts)
            except RenderError as error:
                failures[error.code] += 1
                continue
            name = delivery_id(batch.wave_id, batch.rotation, row.learner_id)
            written[row.learner_id] = _Written(name, whom, body, reached_by.get(whom.to))
        if failures:
            log.warning("messages not written", extra={"wave_id": batch.wave_id, "failures": dict(failures)})
        return written

    def _diverted(
        self, connection: Connection, channel: Channel, addressed: Mapping[int, Addressed], *, to: int
    ) -> dict[int, Addressed]:
        """The same words to the one who rehearses: nobody's own address is left in them, and nobody's own links."""
        own = FactReader(connection, self._rules, self._links).read_one(connection, to, channel)
        if own is None:
            return {}
        return {learner_id: diverted(meant_for, own) for learner_id, meant_for in addressed.items()}

    def _writer(self, channel: Channel, language: str, variant: str | None) -> Callable[[MessageFacts], Body]:
        """What writes the messages of a language and variant: into a shared template where the channel takes it."""
        spec = self._spec

        def whole(facts: MessageFacts) -> Body:
            return self._renderer.render(spec.message_key, channel, language, variant, facts, trend=spec.trend)

        if not self._shares[channel]:
            return whole
        try:
            shared = self._renderer.share(spec.message_key, language, variant, trend=spec.trend)
        except RenderError:
            return whole
        if shared is None:
            return whole
        fill = shared.fill
        return lambda facts: fill(facts) or whole(facts)

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
        of, spec, as_of = Channel(channel), self._spec, handover.as_of
        is_mandatory = spec.message_class is MessageClass.MANDATORY
        outgoing = [
            OutgoingMessage(
                written.delivery_id,
                handover.id.hex,
                of,
                written.addressed.to,
                written.addressed.to_name,
                spec.family,
                written.body,
                is_mandatory,
                spec.campaign_key,
                until - as_of if until is not None and as_of is not None else None,
                send_at,
                handover.request_id,
                written.conversation,
            )
            for written, until in zip_longest(cast(Sequence[_Written], messages), handover.valid_until)
        ]
        return self._adapters[of].send(outgoing, deadline=deadline, not_before=not_before)
