"""The closed set of transforms that a preset may ask for, as functions.

How a preset names them is in ``presets``; what a value must be at the end is in ``fields``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from pushpull.importers.dates import DateOrder, read_instant
from pushpull.importers.presets import (
    Duration,
    Lower,
    Prefix,
    ReadDate,
    RelativeDay,
    Scale,
    Split,
    Transform,
    Translate,
    Upper,
)
from pushpull.importers.refusals import Refusal, Refused

_ISO_DURATION = re.compile(
    r"P(?:(\d+(?:[.,]\d+)?)W|(?=.)(?:(\d+(?:[.,]\d+)?)D)?(?:T(?=.)(?:(\d+(?:[.,]\d+)?)H)?(?:(\d+(?:[.,]\d+)?)M)?"
    r"(?:(\d+(?:[.,]\d+)?)S)?)?)"
)
_MINUTES_PER = {"seconds": 1 / 60, "minutes": 1.0, "hours": 60.0}


def iso_minutes(raw: str) -> float | None:
    """The minutes of an ISO 8601 duration of weeks, days and times; None when it is none (or has years or months, which
    have no fixed length)."""
    match = _ISO_DURATION.fullmatch(raw)
    if match is None or not any(match.groups()):
        return None
    weeks, days, hours, minutes, seconds = (float((part or "0").replace(",", ".")) for part in match.groups())
    return weeks * 10_080 + days * 1440 + hours * 60 + minutes + seconds / 60


def transformation(transform: Transform, filled: Callable[[str], str]) -> Callable[[Any], Any]:
    """The function that a transform of a preset stands for.

    Args:
        transform: as the preset states it.
        filled: puts the values of parameters into a setting that names them.
    """
    made: Callable[[Any], Any]
    match transform:
        case Lower():
            made = _lower
        case Upper():
            made = _upper
        case Prefix(text=text):
            made = partial(_prefix, text)
        case Split(separator=separator):
            made = partial(_split, separator)
        case Translate(values=values):
            made = partial(_translate, {word.casefold(): ours for word, ours in values.items()})
        case Scale(low=low, high=high):
            made = partial(_scale, low, high)
        case Duration(unit=unit):
            made = partial(_minutes, _MINUTES_PER[unit])
        case RelativeDay(day_zero=pinned):
            made = partial(_days_after, date.fromisoformat(filled(pinned)))
        case ReadDate():
            made = _date_reader(transform, filled)
    return made


def _date_reader(transform: ReadDate, filled: Callable[[str], str]) -> Callable[[Any], Any]:
    zone = ZoneInfo(filled(transform.zone))
    form = transform.format
    if form is not None:
        return partial(_by_format, form, zone)
    order = DateOrder(filled(transform.order))
    return lambda value: read_instant(str(value), order=order, zone=zone)


def _lower(value: Any) -> str:
    return str(value).lower()


def _upper(value: Any) -> str:
    return str(value).upper()


def _prefix(text: str, value: Any) -> str:
    return text + str(value)


def _split(separator: str, value: Any) -> tuple[str, ...]:
    return tuple(part.strip() for part in str(value).split(separator) if part.strip())


def _translate(words: Mapping[str, str], value: Any) -> str:
    try:
        return words[str(value).casefold()]
    except KeyError:
        raise Refused(Refusal.UNKNOWN_VALUE) from None


def _scale(low: float, high: float, value: Any) -> float:
    try:
        number = float(str(value).removesuffix("%").strip().replace(",", "."))
    except ValueError as error:
        raise Refused(Refusal.UNREADABLE_NUMBER) from error
    if not low <= number <= high:
        raise Refused(Refusal.OUT_OF_RANGE, f"{low:g} to {high:g}")
    return (number - low) / (high - low)


def _minutes(per_unit: float, value: Any) -> float:
    raw = str(value)
    if raw.upper().startswith("P"):
        minutes = iso_minutes(raw.upper())
        if minutes is None:
            raise Refused(Refusal.UNREADABLE_NUMBER, "duration")
        return minutes
    try:
        if ":" in raw:
            hours, minutes_part, *seconds = (float(part) for part in raw.split(":"))
            return hours * 60 + minutes_part + (seconds[0] / 60 if seconds else 0)
        return float(raw.replace(",", ".")) * per_unit
    except ValueError as error:
        raise Refused(Refusal.UNREADABLE_NUMBER, "duration") from error


def _days_after(zero: date, value: Any) -> date:
    try:
        return zero + timedelta(days=int(float(value)))
    except (ValueError, OverflowError) as error:
        raise Refused(Refusal.UNREADABLE_DATE, "relative day") from error


def _by_format(form: str, zone: ZoneInfo, value: Any) -> datetime | date:
    try:
        moment = datetime.strptime(str(value), form)  # noqa: DTZ007  # its zone is put in below
    except ValueError as error:
        raise Refused(Refusal.UNREADABLE_DATE, "not in the declared format") from error
    if not any(code in form for code in ("%H", "%I", "%X", "%c")):
        return moment.date()
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
