"""The signature of one learner, from what they did: same doings, same signature."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time
from functools import lru_cache
from itertools import compress
from typing import Final
from zoneinfo import ZoneInfo

from pushpull.learners.habit import is_zone
from pushpull.learners.signature.events import ENOUGH, Doing, Sent, Visit, visits, weight
from pushpull.learners.signature.response import Expected, most, responsive
from pushpull.learners.signature.rhythm import LEVEL, WEEKDAYS, busy_days, effective, nearest_hour, peak, rayleigh
from pushpull.learners.signature.taste import returned_to, shares, usual

_ANYBODY: Final = Expected()
#: Where a source has no hour, importers put noon and others midnight, UTC: no time of day can be read from these.
_NO_HOUR: Final = (time(0), time(12))


@dataclass(frozen=True, slots=True)
class Learned:
    """A field of the signature that is known.

    Args:
        value: as the profile keeps it: ``14``, ``teams``, ``mon tue thu``, ``video``, ``12``, or a tag.
        confidence: 0 to 1: how clear the pattern is, times how much it rests on.
        evidence: what it rests on, in visits (or messages) of today.
    """

    value: str
    confidence: float
    evidence: float


@dataclass(frozen=True, slots=True)
class Signature:
    """What behaviour says; None is unknown.

    Args:
        hour: local, 0 to 23.
        days: weekdays with more than an even share, ``mon`` to ``sun``, separated by spaces.
        session_minutes: how long they usually stay, whole minutes.
        topics: at most three tags, what weighs most first; empty is unknown.
    """

    hour: Learned | None = None
    days: Learned | None = None
    channel: Learned | None = None
    format: Learned | None = None
    session_minutes: Learned | None = None
    topics: tuple[Learned, ...] = ()


def signature_of(
    doings: Iterable[Doing],
    sent: Iterable[Sent] = (),
    *,
    zone: str | None,
    as_of: datetime,
    expected: Expected = _ANYBODY,
) -> Signature:
    """What doings say about somebody.

    Args:
        doings: learning and followed links, in any order.
        sent: what reached them, one for each channel.
        zone: IANA name; where it is unknown or names no zone, hour and weekdays are unknown too.
        as_of: aware; what is later does not count.
        expected: of somebody of whom nothing is known.
    """
    found = visits(doings, as_of=as_of)
    weights = [weight(each.at, as_of=as_of) for each in found]
    hour = days = None
    if zone is not None and is_zone(zone):
        local = [each.at.astimezone(_zone(zone)) for each in found]
        timed = [each.at.astimezone(UTC).time() not in _NO_HOUR for each in found]
        hour = _hour(list(compress(local, timed)), list(compress(weights, timed)))
        days = _days(local, weights)
    else:
        local = [each.at for each in found]
    answer = responsive(sent, expected)
    return Signature(
        hour=hour,
        days=days,
        channel=None if answer is None else _learned(*answer),
        format=_format(found, weights),
        session_minutes=_minutes(found, weights),
        topics=_topics(found, local, weights),
    )


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _learned(value: str, clear: float, evidence: float) -> Learned:
    """How clear it is, times how much it rests on: half at the least that is enough, all of it never."""
    return Learned(value, round(clear * evidence / (evidence + ENOUGH), 3), round(evidence, 3))


def _hour(local: list[datetime], weights: list[float]) -> Learned | None:
    evidence = sum(weights)
    if evidence < ENOUGH:
        return None
    minutes = [each.hour * 60 + each.minute + each.second / 60 for each in local]
    length, p = rayleigh(minutes, weights)
    return None if p >= LEVEL else _learned(str(nearest_hour(peak(minutes, weights))), length, evidence)


def _days(local: list[datetime], weights: list[float]) -> Learned | None:
    evidence = sum(weights)
    if evidence < ENOUGH:
        return None
    parts = [0.0] * len(WEEKDAYS)
    for each, part in zip(local, weights, strict=True):
        parts[each.weekday()] += part / evidence
    busy = busy_days(parts, effective(weights))
    if busy is None:
        return None
    return _learned(" ".join(busy), sum(parts[WEEKDAYS.index(each)] for each in busy), evidence)


def _format(found: list[Visit], weights: list[float]) -> Learned | None:
    valued = [(each.formats, part) for each, part in zip(found, weights, strict=True) if each.formats]
    evidence = sum(part for _, part in valued)
    if evidence < ENOUGH:
        return None
    best = most(shares(valued), effective([part for _, part in valued]))
    return None if best is None else _learned(best[0], best[1], evidence)


def _minutes(found: list[Visit], weights: list[float]) -> Learned | None:
    timed = [(each.length, part) for each, part in zip(found, weights, strict=True) if each.length is not None]
    lengths = [(length, part) for length, part in timed if length is not None and length > 0]
    evidence = sum(part for _, part in lengths)
    if evidence < ENOUGH:
        return None
    middle, spread = usual(lengths)
    return _learned(str(max(1, round(middle))), middle / (middle + spread), evidence)


def _topics(found: list[Visit], local: list[datetime], weights: list[float]) -> tuple[Learned, ...]:
    tagged = [(each.tags, at.date(), part) for each, at, part in zip(found, local, weights, strict=True) if each.tags]
    evidence = sum(part for _, _, part in tagged)
    if evidence < ENOUGH:
        return ()
    return tuple(_learned(tag, share, evidence) for tag, share, _ in returned_to(tagged))
