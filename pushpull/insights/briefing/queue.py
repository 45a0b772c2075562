"""How long a wave takes under its providers' limits: a fluid queue per channel.

Messages flow like water. What is due waits in one basin per channel, and the basin runs out at the channel's rate ``r``
(messages per second). Between two events the backlog ``B(t)`` of a channel shrinks by ``r`` per second, every group of
messages by its share of it, so that ``B(t + d) = max(0, B(t) - r·d)`` and ``n`` messages due at once take ``n / r``
seconds. Events are: messages become due; the send window of a zone closes, and what is left there waits until it opens
again; messages go stale. What would be stale by then is given up, as the ledger does.

What it leaves out: the minutes until the next dispatch begins, other waves that want the same channel in the same hour,
and everything that is skipped by the checks before sending. So it says when the last message leaves at the earliest.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from zoneinfo import ZoneInfo

from pushpull.ledger import timing
from pushpull.ledger.specs import SendWindow

_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Due:
    """So many messages of one channel that become due at the same instant, in one zone.

    Args:
        due_at, expires_at: UTC; from ``expires_at`` on they are stale.
        zone: an IANA zone: its send window is theirs.
        count: more than zero.
    """

    due_at: datetime
    expires_at: datetime
    zone: str
    count: float


@dataclass(frozen=True, slots=True)
class Flow:
    """So many messages that leave evenly between two instants, UTC."""

    start: datetime
    end: datetime
    messages: float


@dataclass(frozen=True, slots=True)
class Course:
    """How a channel gets through a wave.

    Args:
        planned: messages.
        per_second: the rate it was reckoned with.
        flows: when they leave, in order.
        stale: messages whose turn does not come before they are stale.
        overnight: messages whose turn does not come before the send window closes, so that they wait for another day.
    """

    planned: int
    per_second: float
    flows: tuple[Flow, ...]
    stale: int
    overnight: int

    @property
    def first_at(self) -> datetime | None:
        """When the first message leaves, UTC; None when none does."""
        return self.flows[0].start if self.flows else None

    @property
    def last_at(self) -> datetime | None:
        """When the last message leaves, UTC; None when none does."""
        return self.flows[-1].end if self.flows else None


@dataclass(slots=True)
class _Waiting:
    """A group in the basin; it leaves at ``until``, its window's end or its own, whatever is left of it."""

    due: Due
    left: float
    until: datetime
    was_overnight: bool


def course(due: Iterable[Due], *, per_second: float, window: SendWindow) -> Course:
    """Let one channel's messages run.

    Args:
        due: in any order.
        per_second: the channel's rate, above zero.
        window: the local hours in which messages may arrive.
    """
    serial = count()
    ahead = [(each.due_at, next(serial), each, False) for each in due if each.count > 0]
    planned = sum(each.count for _, _, each, _ in ahead)
    heapq.heapify(ahead)
    waiting: list[_Waiting] = []
    flows: list[Flow] = []
    stale = overnight = 0.0
    now = ahead[0][0] if ahead else datetime.min.replace(tzinfo=UTC)

    def later(each: Due, *, at: datetime, was_overnight: bool) -> float:
        """Put messages off until their window opens; how many are given up because they would be stale then."""
        opens = timing.next_open(at, each.zone, window)
        if opens >= each.expires_at:
            return each.count
        heapq.heappush(ahead, (opens, next(serial), each, was_overnight))
        return 0.0

    while waiting or ahead:
        if not waiting:
            now = max(now, ahead[0][0])
        while ahead and ahead[0][0] <= now:
            _, _, each, was_overnight = heapq.heappop(ahead)
            if each.expires_at <= now:
                stale += each.count
            elif not timing.is_open(now, each.zone, window):
                stale += later(each, at=now, was_overnight=was_overnight)
            else:
                until = min(timing.closes_at(now, each.zone, window), each.expires_at)
                waiting.append(_Waiting(each, each.count, until, was_overnight))
        if not waiting:
            continue
        backlog = sum(each.left for each in waiting)
        turns = [min(each.until for each in waiting), *(instant for instant, *_ in ahead[:1])]
        empty_in = backlog / per_second
        if empty_in <= (min(turns) - now).total_seconds():
            end = now + timedelta(seconds=empty_in)
            flows.append(Flow(now, end, backlog))
            waiting, now = [], end
            continue
        end = min(turns)
        left = per_second * (end - now).total_seconds()
        if left > 0:
            flows.append(Flow(now, end, left))
        now = end
        for each_waiting in waiting:
            each_waiting.left *= 1 - left / backlog
        for over in [each_waiting for each_waiting in waiting if each_waiting.until <= now]:
            waiting.remove(over)
            if over.due.expires_at <= now:
                stale += over.left
                continue
            overnight += 0.0 if over.was_overnight else over.left
            stale += later(replace(over.due, count=over.left), at=now, was_overnight=True)
    return Course(
        planned=round(planned),
        per_second=per_second,
        flows=tuple(flows),
        stale=round(stale),
        overnight=round(overnight),
    )


@dataclass(frozen=True, slots=True)
class BusiestHour:
    """The hour in which most messages leave.

    Args:
        starts_at: its first instant, UTC.
    """

    starts_at: datetime
    messages: int


def busiest_hour(courses: Iterable[Course], *, zone: str) -> BusiestHour | None:
    """The busiest hour over all channels, the earliest of several; None when nothing leaves.

    Args:
        zone: whose clock the hours are of.
    """
    place = ZoneInfo(zone)
    hours: dict[datetime, float] = {}
    for each in courses:
        for flow in each.flows:
            for start, end in _hours(flow.start, flow.end, place):
                length = (flow.end - flow.start).total_seconds()
                share = (min(end, flow.end) - max(start, flow.start)).total_seconds() / length if length else 1.0
                hours[start] = hours.get(start, 0.0) + flow.messages * share
    if not hours:
        return None
    # Compared as whole messages: sums of fractions differ in the last digit by the order they were added in.
    starts_at = min(hours, key=lambda start: (-round(hours[start]), start))
    return BusiestHour(starts_at, round(hours[starts_at]))


def _hours(start: datetime, end: datetime, place: ZoneInfo) -> Iterable[tuple[datetime, datetime]]:
    """The clock hours from ``start`` on that begin before ``end``; the one of ``start`` at least."""
    local = start.astimezone(place)
    hour = start - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    yield hour, hour + _HOUR
    while (hour := hour + _HOUR) < end:
        yield hour, hour + _HOUR
