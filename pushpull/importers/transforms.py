"""The closed set of transforms that a preset may ask for, and what each does.

First what a preset may say, then what it does. What a value must be at the end is in ``fields``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator

from pushpull.importers.dates import DateOrder, read_instant
from pushpull.importers.refusals import Refusal, Refused


class Data(BaseModel):
    """A piece of a preset: fixed, and nothing in it that is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Lower(Data):
    """Lower case."""

    do: Literal["lower"]


class Upper(Data):
    """Upper case."""

    do: Literal["upper"]


class ReadDate(Data):
    """A date or an instant in a declared order, or in a declared ``strptime`` format.

    Args:
        order: ``auto``, ``ymd``, ``dmy`` or ``mdy``; may name a parameter, e.g. ``{date_order}``.
        format: a ``strptime`` format, for what no order describes.
        zone: IANA zone of times without an offset; may name a parameter.
        short_years: years may have two digits, as in ``7/09/26``.
    """

    do: Literal["date"]
    order: str = "auto"
    format: str | None = None
    zone: str = "UTC"
    short_years: bool = False


class Epoch(Data):
    """Seconds since the beginning of 1970, UTC; thousandths of them where the number is too large for seconds."""

    do: Literal["epoch"]


class RelativeDay(Data):
    """A number of days before (negative) or after a day that a parameter pins to a date."""

    do: Literal["relative_day"]
    day_zero: str


class Duration(Data):
    """A duration in minutes: a number in a declared unit, ``h:mm:ss``, ``h:mm`` or ISO 8601 (``PT1H30M``)."""

    do: Literal["duration"]
    unit: Literal["seconds", "minutes", "hours"] = "minutes"


class Scale(Data):
    """A number from ``low`` to ``high``, mapped to 0..1; a ``%`` sign is dropped. Outside of it: quarantine."""

    do: Literal["scale"]
    low: float = 0
    high: float = 100


class Translate(Data):
    """Words of the other system to ours, whatever their capitals. An unknown word goes into quarantine."""

    do: Literal["map"]
    values: Mapping[str, str]


class Split(Data):
    """A list in one cell."""

    do: Literal["split"]
    separator: str = ";"


class Prefix(Data):
    """Text put in front; may name a parameter."""

    do: Literal["prefix"]
    text: str


class Extract(Data):
    """The part of a text that a regular expression finds: its first group that took part.

    Args:
        pattern: with at least one group.
        required: a text without it is refused; otherwise it stands for an empty cell.
    """

    do: Literal["extract"]
    pattern: str
    required: bool = True

    @field_validator("pattern")
    @classmethod
    def _has_a_group(cls, value: str) -> str:
        if not compiled(value).groups:
            raise ValueError("a pattern needs a group around what is wanted: (…)")
        return value


Transform = Annotated[
    Lower | Upper | ReadDate | Epoch | RelativeDay | Duration | Scale | Translate | Split | Prefix | Extract,
    Field(discriminator="do"),
]


def compiled(pattern: str) -> re.Pattern[str]:
    """A regular expression that a preset states.

    Raises:
        ValueError: it is none.
    """
    try:
        return re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from error


_ISO_DURATION = re.compile(
    r"P(?:(\d+(?:[.,]\d+)?)W|(?=.)(?:(\d+(?:[.,]\d+)?)D)?(?:T(?=.)(?:(\d+(?:[.,]\d+)?)H)?(?:(\d+(?:[.,]\d+)?)M)?"
    r"(?:(\d+(?:[.,]\d+)?)S)?)?)"
)
#: The year 5138: what is larger are thousandths of seconds.
_LARGEST_SECONDS = 1e11
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
            made = partial(_prefix, filled(text))
        case Extract(pattern=pattern, required=required):
            made = partial(_extract, compiled(pattern), required)
        case Split(separator=separator):
            made = partial(_split, separator)
        case Translate(values=values):
            made = partial(_translate, {word.casefold(): ours for word, ours in values.items()})
        case Scale(low=low, high=high):
            made = partial(_scale, low, high)
        case Duration(unit=unit):
            made = partial(_minutes, _MINUTES_PER[unit])
        case Epoch():
            made = _since_epoch
        case RelativeDay(day_zero=pinned):
            made = partial(_days_after, date.fromisoformat(filled(pinned)))
        case ReadDate():
            made = _date_reader(transform, filled)
    return made


def _since_epoch(value: Any) -> datetime:
    try:
        seconds = float(value)
        return datetime.fromtimestamp(seconds / 1000 if seconds >= _LARGEST_SECONDS else seconds, tz=UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise Refused(Refusal.UNREADABLE_DATE, "epoch") from error


def _date_reader(transform: ReadDate, filled: Callable[[str], str]) -> Callable[[Any], Any]:
    zone = ZoneInfo(filled(transform.zone))
    form = transform.format
    if form is not None:
        return partial(_by_format, form, zone)
    order = DateOrder(filled(transform.order))
    short_years = transform.short_years
    return lambda value: read_instant(str(value), order=order, zone=zone, short_years=short_years)


def _lower(value: Any) -> str:
    return str(value).lower()


def _upper(value: Any) -> str:
    return str(value).upper()


def _prefix(text: str, value: Any) -> str:
    return text + str(value)


def _extract(pattern: re.Pattern[str], required: bool, value: Any) -> str | None:
    match = pattern.search(str(value))
    found = next((group for group in match.groups() if group is not None), None) if match else None
    if found is None and required:
        raise Refused(Refusal.UNKNOWN_VALUE, "no such part")
    return found


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
