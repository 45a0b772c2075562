"""Dates as people write them in exports: declared orders, and the honest answer when a date can be read two ways."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from enum import StrEnum
from zoneinfo import ZoneInfo

from pushpull.importers.refusals import Refusal, Refused

#: The hour that stands for "some time on that day" where a source has no hour: the middle of the day in UTC is the
#: same calendar date in nearly every zone.
NOON = time(12, tzinfo=UTC)


class DateOrder(StrEnum):
    """The order of day, month and year in a file."""

    AUTO = "auto"  # year first is taken; otherwise only what can be read in one way
    YMD = "ymd"
    DMY = "dmy"
    MDY = "mdy"


_YEAR_FIRST = re.compile(r"(\d{4})([-/.]?)(\d{2})\2(\d{2})(?=$|[T ]|, )")
_YEAR_LAST = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4})(?=$|[T ]|, )")
_YEAR_SHORT = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{2})(?=$|[T ]|, )")
_TIME = re.compile(
    r"(?:T|,? )\s*(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?\s*([AaPp][Mm])?\s*(Z|z|[+-]\d{2}:?\d{2}|UTC)?$"
)


def read_day(raw: str, *, order: DateOrder = DateOrder.AUTO, short_years: bool = False) -> date:
    """The date in ``raw``; a time of day behind it is not looked at.

    Args:
        short_years: years may have two digits: 00 to 68 are of this century, 69 to 99 of the last one (POSIX
            ``strptime``, ``%y``). Only with a declared order: three numbers of two digits can be read in many ways.

    Raises:
        Refused: it is no date, or day and month could be swapped and the order is not declared.
    """
    return _split(raw, order, short_years)[0]


def read_instant(
    raw: str, *, order: DateOrder = DateOrder.AUTO, zone: ZoneInfo | None = None, short_years: bool = False
) -> datetime:
    """The instant in ``raw``, in UTC. A time without an offset is local in ``zone`` (UTC by default); a date without a
    time stands for its noon in UTC.

    Args and errors: as :func:`read_day`.
    """
    day, rest = _split(raw, order, short_years)
    if not rest:
        return datetime.combine(day, NOON)
    match = _TIME.match(rest)
    if match is None:
        raise Refused(Refusal.UNREADABLE_DATE, "time")
    hour, minute, second, fraction, half, offset = match.groups()
    hours = int(hour)
    if half:
        if not 1 <= hours <= 12:
            raise Refused(Refusal.UNREADABLE_DATE, "time")
        hours = hours % 12 + (12 if half.lower() == "pm" else 0)
    try:
        clock = time(hours, int(minute), min(int(second or 0), 59), int((fraction or "0")[:6].ljust(6, "0")))
        local = datetime.combine(day, clock)
        if offset and offset not in {"Z", "z", "UTC"}:
            return datetime.fromisoformat(f"{local.isoformat()}{offset[:3]}:{offset[-2:]}").astimezone(UTC)
        return local.replace(tzinfo=UTC if offset or zone is None else zone).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Refused(Refusal.UNREADABLE_DATE, "time") from error


def _split(raw: str, order: DateOrder, short_years: bool) -> tuple[date, str]:
    match = _YEAR_FIRST.match(raw)
    if match is not None:
        year, _, month, day = match.groups()
        return _date(year, month, day), raw[match.end() :]
    match = _YEAR_LAST.match(raw)
    is_short = match is None and short_years
    match = _YEAR_SHORT.match(raw) if is_short else match
    if match is None:
        raise Refused(Refusal.UNREADABLE_DATE)
    first, _, second, year = match.groups()
    if is_short:
        if order is DateOrder.AUTO:
            raise Refused(Refusal.AMBIGUOUS_DATE, "declare date_order")
        year = ("20" if int(year) <= 68 else "19") + year
    rest = raw[match.end() :]
    if order is DateOrder.DMY:
        return _date(year, second, first), rest
    if order is DateOrder.MDY:
        return _date(year, first, second), rest
    if order is DateOrder.YMD:
        raise Refused(Refusal.UNREADABLE_DATE, "year is not first")
    if int(first) <= 12 and int(second) <= 12 and int(first) != int(second):
        raise Refused(Refusal.AMBIGUOUS_DATE, "declare date_order")
    return (_date(year, second, first) if int(second) <= 12 else _date(year, first, second)), rest


def _date(year: str, month: str, day: str) -> date:
    try:
        return date(int(year), int(month), int(day))
    except ValueError as error:
        raise Refused(Refusal.UNREADABLE_DATE, "no such day") from error
