"""What can be filled from a file: the fields of each target and what makes a value of each kind acceptable.

A preset says where a value comes from; this module says what it must be. Nothing here knows a file or a table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any
from zoneinfo import available_timezones

from pushpull.importers.dates import NOON, read_day, read_instant
from pushpull.importers.refusals import Refusal, Refused
from pushpull.learners.vocabulary import ProgressStatus


class Target(StrEnum):
    """What rows of a file become."""

    PEOPLE = "people"
    ITEMS = "items"
    SECTIONS = "sections"
    PROGRESS = "progress"
    ACTIVITY = "activity"


@dataclass(frozen=True)
class Field:
    """One field of a target.

    Args:
        check: turns what the preset made of the cell into the value that is stored, or raises :class:`Refused`.
        required: a row without it is refused.
    """

    check: Callable[[Any], Any]
    required: bool = False


_TRUE = frozenset({"true", "yes", "y", "1", "t", "active", "enabled"})
_FALSE = frozenset({"false", "no", "n", "0", "f", "inactive", "disabled", "terminated"})
_EMAIL = re.compile(r"[^@\s<>,;:\"()\[\]\\]{1,64}@[^@\s<>,;:\"()\[\]\\.]+(?:\.[^@\s<>,;:\"()\[\]\\.]+)+")
_URL = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)
_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s\x00-\x20\x7f<>\"{}|\\^`]+")
# RFC 5646, section 2.1, without the grandfathered tags.
_LANGUAGE = re.compile(
    r"[A-Za-z]{2,8}(?:-[A-Za-z]{3}){0,3}(?:-[A-Za-z]{4})?(?:-(?:[A-Za-z]{2}|\d{3}))?"
    r"(?:-(?:[A-Za-z0-9]{5,8}|\d[A-Za-z0-9]{3}))*(?:-[A-WY-Za-wy-z0-9](?:-[A-Za-z0-9]{2,8})+)*"
    r"(?:-[xX](?:-[A-Za-z0-9]{1,8})+)?"
)
_MAX_TEXT = 4000


def text(limit: int) -> Callable[[Any], str]:
    """Text of at most ``limit`` characters."""

    def check(value: Any) -> str:
        as_text = str(value)
        if len(as_text) > limit:
            raise Refused(Refusal.TOO_LONG, f"over {limit} characters")
        return as_text

    return check


def number(low: float, high: float) -> Callable[[Any], float]:
    """A number from ``low`` to ``high``."""

    def check(value: Any) -> float:
        try:
            as_number = float(value)
        except ValueError as error:
            raise Refused(Refusal.UNREADABLE_NUMBER) from error
        if not low <= as_number <= high:  # also refuses NaN
            raise Refused(Refusal.OUT_OF_RANGE, f"{low:g} to {high:g}")
        return as_number

    return check


def whole(value: Any) -> int:
    """A whole number that fits into four bytes."""
    as_number = number(-(2**31), 2**31 - 1)(value)
    if as_number != int(as_number):
        raise Refused(Refusal.UNREADABLE_NUMBER, "not whole")
    return int(as_number)


def boolean(value: Any) -> bool:
    """Yes or no, in the words that exports use."""
    if isinstance(value, bool):
        return value
    word = str(value).casefold()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise Refused(Refusal.UNREADABLE_BOOLEAN)


def day(value: Any) -> date:
    """A calendar date."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).date()
    return value if isinstance(value, date) else read_day(str(value))


def instant(value: Any) -> datetime:
    """An instant in UTC; a date alone stands for its noon."""
    if isinstance(value, datetime):
        return value
    return datetime.combine(value, NOON) if isinstance(value, date) else read_instant(str(value))


def is_language_tag(tag: str) -> bool:
    """Whether ``tag`` has the shape of a language tag (BCP 47)."""
    return len(tag) <= 35 and _LANGUAGE.fullmatch(tag) is not None


def language(value: Any) -> str:
    """A language tag in the shape of BCP 47, in its usual capitals: ``de``, ``pt-BR``, ``zh-Hant``."""
    tag = str(value).replace("_", "-")
    if not is_language_tag(tag):
        raise Refused(Refusal.UNREADABLE_LANGUAGE)
    first, *rest = tag.split("-")
    return "-".join(
        [first.lower()]
        + [part.upper() if len(part) == 2 else part.title() if len(part) == 4 else part.lower() for part in rest]
    )


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def zone(value: Any) -> str:
    """A name of the IANA time zone database."""
    if value not in _zones():
        raise Refused(Refusal.UNKNOWN_TIMEZONE)
    return str(value)


def email(value: Any) -> str:
    """An e-mail address, lower case."""
    address = str(value).removeprefix("mailto:").lower()
    if len(address) > 320 or _EMAIL.fullmatch(address) is None:
        raise Refused(Refusal.UNREADABLE_EMAIL)
    return address


def phone(value: Any) -> str:
    """A telephone number of 6 to 15 digits; ``+`` and the digits are kept."""
    digits = re.sub(r"[\s().\-/]", "", str(value))
    if re.fullmatch(r"\+?\d{6,15}", digits) is None:
        raise Refused(Refusal.UNREADABLE_PHONE)
    return digits


def url(value: Any) -> str:
    """A web address."""
    if len(str(value)) > 2000 or _URL.fullmatch(str(value)) is None:
        raise Refused(Refusal.UNREADABLE_URL)
    return str(value)


def iri(value: Any) -> str:
    """An absolute IRI, as xAPI names activities."""
    if len(str(value)) > 767 or _IRI.fullmatch(str(value)) is None:
        raise Refused(Refusal.UNREADABLE_URL)
    return str(value)


def tags(value: Any) -> tuple[str, ...]:
    """A set of tags, each of at most 100 characters."""
    parts = value if isinstance(value, tuple) else tuple(str(value).split(";"))
    cleaned = sorted({part.strip() for part in parts if part.strip()})
    if any(len(part) > 100 for part in cleaned):
        raise Refused(Refusal.TOO_LONG, "tag over 100 characters")
    return tuple(cleaned)


def keys(value: Any) -> tuple[str, ...]:
    """A set of keys, each of at most 255 characters."""
    parts = value if isinstance(value, tuple) else tuple(str(value).split(";"))
    cleaned = sorted({part.strip() for part in parts if part.strip()})
    if any(len(part) > 255 for part in cleaned):
        raise Refused(Refusal.TOO_LONG, "key over 255 characters")
    return tuple(cleaned)


def status(value: Any) -> str:
    """A progress status; a preset's ``map`` translates other systems' words."""
    try:
        return ProgressStatus(str(value).casefold()).value
    except ValueError as error:
        raise Refused(Refusal.UNKNOWN_STATUS) from error


_KEY = text(255)
_NAME = text(400)

FIELDS: Mapping[Target, Mapping[str, Field]] = {
    Target.PEOPLE: {
        "external_id": Field(_KEY, required=True),
        "given_name": Field(_NAME),
        "family_name": Field(_NAME),
        "display_name": Field(_NAME),
        "email": Field(email),
        "phone": Field(phone),
        "teams_id": Field(_KEY),
        "slack_id": Field(text(64)),
        "preferred_language": Field(language),
        "timezone": Field(zone),
        "title": Field(_NAME),
        "department": Field(_NAME),
        "manager_external_id": Field(_KEY),
        "active": Field(boolean),
        "hired_on": Field(day),
        "tags": Field(tags),
        "account": Field(text(767)),  # xAPI account as "homePage|name"
        "openid": Field(iri),
    },
    Target.ITEMS: {
        "key": Field(_KEY, required=True),
        "title": Field(text(1000), required=True),
        "summary": Field(text(20_000)),
        "url": Field(url),
        "iri": Field(iri),
        "language": Field(language),
        "minutes": Field(number(0, 1_000_000)),
        "level": Field(text(32)),
        "format": Field(text(32)),
        "owner_external_id": Field(_KEY),
        "rating": Field(number(1, 5)),
        "active": Field(boolean),
        "available_from": Field(instant),
        "available_until": Field(instant),
        "due_at": Field(instant),
        "part_of": Field(_KEY),
        "tags": Field(tags),
        "requires": Field(keys),  # of items that must be completed before
    },
    Target.SECTIONS: {
        "item_key": Field(_KEY, required=True),
        "key": Field(_KEY, required=True),
        "title": Field(text(1000)),
        "kind": Field(text(32)),
        "position": Field(whole),
        "url": Field(url),
    },
    Target.PROGRESS: {
        "learner": Field(_KEY, required=True),
        "item_key": Field(_KEY, required=True),
        "status": Field(status),
        "assigned_at": Field(instant),
        "due_at": Field(instant),
        "started_at": Field(instant),
        "completed_at": Field(instant),
        "withdrawn_at": Field(instant),
        "last_activity_at": Field(instant),
        "ratio": Field(number(0, 1)),
        "score": Field(number(0, 1)),
        "place_key": Field(_KEY),
        "place_title": Field(_NAME),
        "place_url": Field(url),
        "carried_over": Field(boolean),  # done elsewhere before: counts as completed, is no activity now
    },
    Target.ACTIVITY: {
        "learner": Field(_KEY, required=True),
        "verb": Field(text(32), required=True),
        "occurred_at": Field(instant, required=True),
        "source_id": Field(text(_MAX_TEXT)),
        "item_key": Field(_KEY),
        "section_key": Field(_KEY),
        "object_iri": Field(iri),
        "minutes": Field(number(0, 1_000_000)),
        "score": Field(number(0, 1)),
        "success": Field(boolean),
    },
}
