"""The write-ahead intent: who of a claimed batch is still to be sent to, written down before any byte leaves.

One transaction locks the learners, the wave and its campaign, asks every rule again, and commits the handovers. Calls
to providers happen elsewhere, after this transaction, never inside it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    String,
    Uuid,
    and_,
    bindparam,
    case,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from pushpull.db import database_now
from pushpull.learners.lists import in_ids
from pushpull.learners.tables import learner
from pushpull.ledger.budget import OrganisationCaps, Spent, close_to, enter, outranking_waves, rivals, spent
from pushpull.ledger.campaigns import paused_channels
from pushpull.ledger.claims import Batch, Claimed, claimed_rows, near, put_back
from pushpull.ledger.eligibility import rechecked
from pushpull.ledger.settling import duplicate_mark
from pushpull.ledger.specs import Caps
from pushpull.ledger.spread import Clocks, LocalTime
from pushpull.ledger.tables import campaign, contact, delivery, handover, wave
from pushpull.ledger.terms import Terms
from pushpull.ledger.vocabulary import DeliveryState, Reason, WaveStatus


@dataclass(frozen=True, slots=True)
class Handover:
    """Messages that are about to be handed to a channel at once.

    Args:
        learner_ids: whose messages these are, ascending.
        valid_until: until when each message is worth delivering and allowed to be, in the same order: its own end, or
            the beginning of the learner's quiet hours (UTC).
        as_of: the campaign's clock when this was decided, UTC.
        request_id: what the provider will call the request, where it was named before.
        diverted_to: in a rehearsal, the id of the learner to whose addresses all of it goes.
    """

    id: UUID
    learner_ids: tuple[int, ...]
    valid_until: tuple[datetime, ...] = ()
    as_of: datetime | None = None
    request_id: str | None = None
    diverted_to: int | None = None


@dataclass(frozen=True, slots=True)
class Intent:
    """What the re-check decided about a batch.

    Args:
        handovers: what may be sent now; committed when this is returned to a caller outside the transaction.
        skipped: rows skipped, by reason.
        held: rows that wait, by reason.
        stopped: why nothing of this wave may be sent now; the rows went back.
        channel_paused: why nothing may be sent over this channel now; the rows went back.
    """

    handovers: tuple[Handover, ...] = ()
    skipped: dict[str, int] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)
    stopped: str | None = None
    channel_paused: str | None = None


class Recheck:
    """The re-check of one wave at one moment, prepared once and asked for every batch.

    Args:
        rules: the wave's terms; ``rules.as_of`` is the campaign's clock.
        caps: the organisation's caps.
    """

    def __init__(self, connection: Connection, rules: Terms, caps: OrganisationCaps) -> None:
        self.rules = rules
        self.caps = caps.binding(rules.spec)
        zones = connection.execute(select(func.coalesce(learner.c.timezone, "")).distinct()).scalars().all()
        self.clocks = Clocks(rules.spec, now=rules.as_of, zones=zones)
        self.outranking = outranking_waves(connection, rules.spec)
        #: No learner's local date is earlier.
        self._first_day = min((clock.day for clock in self.clocks.values()), default=rules.as_of.toordinal()) - 1
        # By whether the batch is dense; made when first asked, for a small wave has batches of one kind.
        self._verdicts: dict[bool, Select[tuple[int, str | None, str | None]]] = {}
        self._close: dict[bool, Select[tuple[int]]] = {}
        # Serialises with opt-outs and with other campaigns' handovers to the same people, so that neither a cap nor an
        # opt-out can be missed between the question and the commit. Ascending: two workers never wait in a circle.
        self._lock = (
            select(learner.c.id, func.coalesce(learner.c.timezone, ""))
            .where(learner.c.id.in_(select(claimed_rows().c.learner_id)))
            .order_by(learner.c.id)
            .with_for_update(key_share=True)
        )

    def _verdict(self, connection: Connection, *, is_dense: bool) -> Select[tuple[int, str | None, str | None]]:
        """The statement for the learners to whom something has happened; all others may be sent to as planned."""
        if is_dense not in self._verdicts:
            verdict = rechecked(connection, self.rules, is_dense=is_dense).subquery("verdict")
            usual = bindparam("batch_channel", type_=String)
            self._verdicts[is_dense] = select(verdict.c.learner_id, verdict.c.reason, verdict.c.channel).where(
                or_(verdict.c.reason.is_not(None), verdict.c.channel.is_distinct_from(usual))
            )
        return self._verdicts[is_dense]

    def _close_to_a_cap(self, *, is_dense: bool) -> Select[tuple[int]]:
        """The statement for the learners whose attention budget has to be read."""
        if is_dense not in self._close:
            self._close[is_dense] = close_to(
                self.caps,
                is_near=near(contact.c.learner_id, is_dense=is_dense),
                first_day=self._first_day,
                lane=self.rules.spec.message_class.lane,
            )
        return self._close[is_dense]

    def decide(self, connection: Connection, batch: Batch) -> Decisions:
        """Lock the batch's learners and rows and ask every rule again."""
        parameters = batch.parameters()
        zones: dict[int, str] = dict(connection.execute(self._lock, parameters).all())
        # Without it the reaper could put a row back between the verdict and the handover, and two workers would send.
        held = set(connection.execute(select(delivery.c.learner_id).where(batch.mine()).with_for_update()).scalars())
        asked = connection.execute(
            self._verdict(connection, is_dense=batch.is_dense), parameters | {"batch_channel": batch.channel}
        )
        verdicts = {row.learner_id: (row.reason, row.channel) for row in asked}
        times = {learner_id: self.clocks[zone] for learner_id, zone in zones.items() if learner_id in held}
        book, waiting = self._attention(connection, batch, times)
        decided = Decisions(batch, self.rules, self.caps)
        as_planned = (None, batch.channel)
        for row in batch.rows:
            learner_id = row.learner_id
            if learner_id not in held:
                continue
            local = times.get(learner_id)
            if local is None:
                # Somebody who was erased since has no learner, and still a row to be accounted for.
                decided.skip(learner_id, Reason.NO_LONGER_IN_SEGMENT.value)
            else:
                reason, channel = verdicts.get(learner_id, as_planned)
                decided.judge(row, reason, channel, local, book.get(learner_id), waiting.get(learner_id, 0))
        return decided

    def _attention(
        self, connection: Connection, batch: Batch, times: Mapping[int, LocalTime]
    ) -> tuple[Mapping[int, Spent], Mapping[int, int]]:
        """What the attention budget has about learners, those far from every cap left out; and who goes first."""
        ends = {learner_id: time.ends_at for learner_id, time in times.items()} if self.outranking else {}
        waiting = {
            learner_id: count for learner_id, count in rivals(connection, ends, self.outranking).items() if count
        }
        close: set[int] = {
            *waiting,
            *connection.execute(self._close_to_a_cap(is_dense=batch.is_dense), batch.parameters()).scalars(),
        }
        days = {learner_id: times[learner_id].day for learner_id in close & times.keys()}
        return spent(connection, days, lane=self.rules.spec.message_class.lane), waiting


def intend(
    connection: Connection,
    batch: Batch,
    recheck: Recheck,
    *,
    request_size: int,
    lease: timedelta,
    deadline: timedelta,
    group_of: Callable[[int], Hashable] = lambda _learner_id: None,
    request_ids: Sequence[str] = (),
    send_at: datetime | None = None,
) -> Intent:
    """Decide about a claimed batch and write its handovers.

    Args:
        request_size: messages per handover.
        lease: how long the rows stay ours from now on.
        deadline: how long the provider may take; shorter than the lease.
        group_of: by learner id; messages of different groups never share a handover.
        request_ids: names the provider gave for requests that are about to be made; as many as there may be handovers.
        send_at: for planned mail, when the provider is to send it, UTC.
    """
    stopped = _stopped(connection, batch, recheck.rules)
    if stopped:
        put_back(connection, batch)
        return stopped
    decided = recheck.decide(connection, batch)
    decided.write(connection)
    names = iter(request_ids)
    handovers = tuple(
        Handover(
            uuid4(),
            tuple(members),
            valid_until=tuple(decided.until[learner_id] for learner_id in members),
            as_of=recheck.rules.as_of,
            request_id=next(names, None),
            diverted_to=batch.diverted_to,
        )
        for members in _requests(decided.send, group_of, request_size)
    )
    if handovers:
        _write_handovers(connection, batch, recheck.rules, handovers, lease=lease, deadline=deadline, send_at=send_at)
        if batch.diverted_to is None:
            enter(connection, _rows_of(batch, handovers), decided.send, lane=recheck.rules.spec.message_class.lane)
    return Intent(handovers=handovers, skipped=decided.skipped(), held=decided.held())


def most_requests(learner_ids: Sequence[int], group_of: Callable[[int], Hashable], request_size: int) -> int:
    """How many handovers :func:`intend` may make of these learners at the most."""
    return sum(1 for _ in _requests(learner_ids, group_of, request_size))


def _requests(
    learner_ids: Sequence[int] | Mapping[int, object], group_of: Callable[[int], Hashable], size: int
) -> Iterator[list[int]]:
    groups: dict[Hashable, list[int]] = {}
    for learner_id in learner_ids:
        groups.setdefault(group_of(learner_id), []).append(learner_id)
    for members in groups.values():
        for start in range(0, len(members), size):
            yield members[start : start + size]


def _stopped(connection: Connection, batch: Batch, rules: Terms) -> Intent | None:
    """Whether a person or a rule stopped the wave or the channel; holds a share of the wave's and campaign's rows."""
    statuses = connection.execute(
        select(wave.c.status, campaign.c.status.label("campaign_status"))
        .select_from(wave.join(campaign, campaign.c.id == wave.c.campaign_id))
        .where(wave.c.id == batch.wave_id)
        .with_for_update(read=True)
    ).one()
    if statuses.campaign_status != WaveStatus.OPEN:
        return Intent(stopped=f"campaign {statuses.campaign_status}")
    if statuses.status != WaveStatus.OPEN:
        return Intent(stopped=f"wave {statuses.status}")
    paused = paused_channels(connection, now=rules.as_of)
    return Intent(channel_paused=paused[batch.channel]) if batch.channel in paused else None


class Decisions:
    """Sorts a batch's rows into sent, skipped, held and rerouted, then writes the last three."""

    def __init__(self, batch: Batch, rules: Terms, caps: Caps) -> None:
        self._batch, self._now, self._caps = batch, rules.as_of, caps
        #: Who is sent to, with the ordinal of the local day it counts for.
        self.send: dict[int, int] = {}
        #: Until when each of them may be reached.
        self.until: dict[int, datetime] = {}
        self._skip: dict[str, list[int]] = defaultdict(list)
        self._hold: dict[tuple[str, datetime], list[int]] = defaultdict(list)
        self._reroute: dict[str, list[int]] = defaultdict(list)

    def skip(self, learner_id: int, reason: str) -> None:
        """Give one learner up."""
        self._skip[reason].append(learner_id)

    def judge(
        self, row: Claimed, reason: str | None, channel: str | None, local: LocalTime, spent: Spent | None, rivals: int
    ) -> None:
        """Put one learner where the verdict says.

        Args:
            spent: None when the learner is far from every cap.
        """
        if reason is not None:
            self.skip(row.learner_id, reason)
        elif row.expires_at <= self._now:
            self.skip(row.learner_id, Reason.EXPIRED.value)
        elif channel != self._batch.channel:
            assert channel is not None  # without one there is a reason
            self._reroute[channel].append(row.learner_id)
        elif not local.is_open:
            self._wait(row, Reason.QUIET_HOURS, until=local.next_open)
        elif spent is not None and spent.reaches(self._caps):
            self._wait(row, Reason.CAPPED, until=local.tomorrow)
        elif rivals and spent is not None and spent.reaches(self._caps, besides=rivals):
            self._wait(row, Reason.YIELDED, until=local.tomorrow)
        else:
            self.send[row.learner_id] = local.day
            self.until[row.learner_id] = min(row.expires_at, local.closes_at)

    def _wait(self, row: Claimed, reason: Reason, *, until: datetime) -> None:
        # What would be stale by the time it may go is given up now, with the reason that made it wait.
        if until >= row.expires_at:
            self._skip[reason.value].append(row.learner_id)
        else:
            self._hold[reason.value, until].append(row.learner_id)

    def write(self, connection: Connection) -> None:
        """Write every row that is not sent."""
        free = {"claimed_by": None, "lease_until": None}
        for reason, ids in self._skip.items():
            self._update(
                connection, ids, state=DeliveryState.SKIPPED.value, reason=reason, settled_at=self._now, **free
            )
        for (reason, until), ids in self._hold.items():
            self._update(connection, ids, state=DeliveryState.HELD.value, reason=reason, due_at=until, **free)
        for channel, ids in self._reroute.items():
            planned = DeliveryState.PLANNED.value
            self._update(connection, ids, state=planned, reason=Reason.REROUTED.value, channel=channel, **free)

    def _update(self, connection: Connection, ids: list[int], **values: object) -> None:
        connection.execute(update(delivery).where(self._batch.mine(), delivery.c.learner_id.in_(ids)).values(**values))

    def skipped(self) -> dict[str, int]:
        """Counts by reason."""
        return {reason: len(ids) for reason, ids in self._skip.items()}

    def held(self) -> dict[str, int]:
        """Counts by reason."""
        counts: dict[str, int] = defaultdict(int)
        for (reason, _), ids in self._hold.items():
            counts[reason] += len(ids)
        return dict(counts)


def _rows_of(batch: Batch, handovers: Sequence[Handover]) -> ColumnElement[bool]:
    return and_(
        delivery.c.wave_id == batch.wave_id,
        delivery.c.rotation == batch.rotation,
        delivery.c.learner_id.between(batch.first, batch.last),
        delivery.c.handover_id.in_([each.id for each in handovers]),
    )


def _write_handovers(
    connection: Connection,
    batch: Batch,
    rules: Terms,
    handovers: Sequence[Handover],
    *,
    lease: timedelta,
    deadline: timedelta,
    send_at: datetime | None,
) -> None:
    at = database_now(connection)
    connection.execute(
        insert(handover),
        [
            {
                "id": each.id,
                "wave_id": batch.wave_id,
                "rotation": batch.rotation,
                "campaign_id": rules.campaign_id,
                "channel": batch.channel,
                "first_learner_id": each.learner_ids[0],
                "last_learner_id": each.learner_ids[-1],
                "size": len(each.learner_ids),
                "intended_at": at,
                "as_of": rules.as_of,
                "deadline_at": at + deadline,
                "request_id": each.request_id,
                "send_at": send_at,
                "content_hash": rules.spec.content_hash,
                "diverted_to": each.diverted_to,
            }
            for each in handovers
        ],
    )
    *some, last = handovers
    of_rest = literal(last.id, Uuid)
    which = case(*((in_ids(delivery.c.learner_id, each.learner_ids), each.id) for each in some), else_=of_rest)
    # Rows that were skipped or held just now are no longer ours, so all that are go with one of the handovers.
    written = connection.execute(
        update(delivery)
        .where(batch.mine())
        .values(
            state=DeliveryState.HANDING_OVER.value,
            reason=duplicate_mark(before=1),
            handover_id=which if some else of_rest,
            attempt=delivery.c.attempt + 1,
            lease_until=at + lease,
        )
    ).rowcount
    intended = sum(len(each.learner_ids) for each in handovers)
    if written != intended:
        raise RuntimeError(f"{written} deliveries for {intended} messages that were about to be handed over")
