"""The write-ahead intent: who of a claimed batch is still to be sent to, written down before any byte leaves.

One transaction locks the learners, the wave and its campaign, asks every rule again, and commits the handovers. Calls
to providers happen elsewhere, after this transaction, never inside it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Connection, and_, func, insert, select, update

from pushpull.db import database_now
from pushpull.learners.lists import in_ids
from pushpull.learners.tables import learner
from pushpull.ledger.budget import OrganisationCaps, Spent, enter, outranking_waves, rivals, spent
from pushpull.ledger.campaigns import paused_channels
from pushpull.ledger.claims import Batch, claimed_rows, put_back
from pushpull.ledger.eligibility import rechecked
from pushpull.ledger.settling import duplicate_mark
from pushpull.ledger.specs import Caps
from pushpull.ledger.spread import Clocks, LocalTime
from pushpull.ledger.tables import campaign, delivery, handover, wave
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
    """

    id: UUID
    learner_ids: tuple[int, ...]
    valid_until: tuple[datetime, ...] = ()
    as_of: datetime | None = None
    request_id: str | None = None


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
        batch = claimed_rows()
        verdict = rechecked(connection, rules, batch).subquery("verdict")
        self._statement = (
            select(
                batch.c.learner_id,
                batch.c.expires_at,
                verdict.c.learner_id.label("judged"),
                verdict.c.reason,
                verdict.c.channel,
                func.coalesce(learner.c.timezone, "").label("zone"),
            )
            .select_from(
                # Outer: somebody who was erased since has no learner, and still a row to be accounted for.
                batch.outerjoin(learner, learner.c.id == batch.c.learner_id).outerjoin(
                    verdict, verdict.c.learner_id == batch.c.learner_id
                )
            )
            .order_by(batch.c.learner_id)
        )
        # Serialises with opt-outs and with other campaigns' handovers to the same people, so that neither a cap nor an
        # opt-out can be missed between the question and the commit. Ascending: two workers never wait in a circle.
        self._lock = (
            select(learner.c.id)
            .where(learner.c.id.in_(select(batch.c.learner_id)))
            .order_by(learner.c.id)
            .with_for_update(key_share=True)
        )

    def decide(self, connection: Connection, batch: Batch) -> Decisions:
        """Lock the batch's learners and rows and ask every rule again."""
        connection.execute(self._lock, batch.parameters()).all()
        # Without it the reaper could put a row back between the verdict and the handover, and two workers would send.
        connection.execute(select(delivery.c.learner_id).where(batch.mine()).with_for_update()).all()
        rows = connection.execute(self._statement, batch.parameters()).all()
        times = {row.learner_id: self.clocks[row.zone] for row in rows}
        lane = self.rules.spec.message_class.lane
        book = spent(connection, {learner_id: time.day for learner_id, time in times.items()}, lane=lane)
        ends = {learner_id: time.ends_at for learner_id, time in times.items()}
        waiting = rivals(connection, ends, self.outranking)
        decided = Decisions(batch, self.rules, self.caps)
        for row in rows:
            decided.judge(row, times[row.learner_id], book[row.learner_id], waiting[row.learner_id])
        return decided


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
        )
        for members in _requests(decided.send, group_of, request_size)
    )
    _write_handovers(connection, batch, recheck.rules, handovers, lease=lease, deadline=deadline, send_at=send_at)
    for each in handovers:
        days = {learner_id: decided.send[learner_id] for learner_id in each.learner_ids}
        enter(connection, _rows_of(batch, each), each.id, days, lane=recheck.rules.spec.message_class.lane)
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

    def judge(self, row: Any, local: LocalTime, spent: Spent, rivals: int) -> None:
        """Put one learner where the verdict says."""
        reason = row.reason if row.judged is not None else Reason.NO_LONGER_IN_SEGMENT.value
        if reason is not None:
            self._skip[reason].append(row.learner_id)
        elif row.expires_at <= self._now:
            self._skip[Reason.EXPIRED.value].append(row.learner_id)
        elif row.channel != self._batch.channel:
            self._reroute[row.channel].append(row.learner_id)
        elif not local.is_open:
            self._wait(row, Reason.QUIET_HOURS, until=local.next_open)
        elif spent.reaches(self._caps):
            self._wait(row, Reason.CAPPED, until=local.tomorrow)
        elif rivals and spent.reaches(self._caps, besides=rivals):
            self._wait(row, Reason.YIELDED, until=local.tomorrow)
        else:
            self.send[row.learner_id] = local.day
            self.until[row.learner_id] = min(row.expires_at, local.closes_at)

    def _wait(self, row: Any, reason: Reason, *, until: datetime) -> None:
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


def _rows_of(batch: Batch, each: Handover) -> ColumnElement[bool]:
    return and_(
        delivery.c.wave_id == batch.wave_id,
        delivery.c.rotation == batch.rotation,
        delivery.c.learner_id.between(each.learner_ids[0], each.learner_ids[-1]),
        delivery.c.handover_id == each.id,
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
    if not handovers:
        return
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
            }
            for each in handovers
        ],
    )
    spans = sorted((each.learner_ids[0], each.learner_ids[-1]) for each in handovers)
    # Rows that were skipped or held just now are no longer ours, so a range is exact unless handovers interleave.
    is_apart = all(before[1] < after[0] for before, after in pairwise(spans))
    for each in handovers:
        mine = and_(batch.mine(), delivery.c.learner_id.between(each.learner_ids[0], each.learner_ids[-1]))
        if not is_apart:
            mine = and_(mine, in_ids(delivery.c.learner_id, each.learner_ids))
        connection.execute(
            update(delivery)
            .where(mine)
            .values(
                state=DeliveryState.HANDING_OVER.value,
                reason=duplicate_mark(before=1),
                handover_id=each.id,
                attempt=delivery.c.attempt + 1,
                lease_until=at + lease,
            )
        )
