"""The building blocks of what is valid in xAPI: text, IRIs, instants, maps and lists, and how a broken rule is told.

A check takes a value and its place in the statement, and raises :class:`Refused` with the place and the rule, never
with the value. Source: xAPI 1.0.3, part two, section 4.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Never
from urllib.parse import urlsplit

from pushpull.importers.fields import is_language_tag
from pushpull.importers.refusals import Refusal, Refused

Check = Callable[[Any, str], None]

_UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s\x00-\x20\x7f<>\"{}|\\^`]+")
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?([Zz]|[+-]\d{2}(:?\d{2})?)?")


def invalid(path: str, rule: str) -> Never:
    """Refuse a statement.

    Args:
        path: the place in it, e.g. ``actor.account``; empty for the statement itself.
        rule: what is broken, without the value.
    """
    raise Refused(Refusal.INVALID_STATEMENT, rule, field=path or "statement")


def properties(value: Any, path: str, *, required: Mapping[str, Check], optional: Mapping[str, Check]) -> None:
    """Check an object's properties: the required ones are there, none is unknown, none is null (2.2)."""
    if not isinstance(value, dict):
        invalid(path, "not an object")
    prefix = f"{path}." if path else ""
    for name in required:
        if name not in value:
            invalid(prefix + name, "missing")
    for name, part in value.items():
        check = required.get(name) or optional.get(name)
        if check is None:
            invalid(path, "unknown property")
        if part is None:
            invalid(prefix + name, "null")
        check(part, prefix + name)


def text(value: Any, path: str) -> None:
    """Text; no database keeps a NUL in one."""
    if not isinstance(value, str) or "\0" in value:
        invalid(path, "not text")


def pattern(expected: re.Pattern[str], rule: str) -> Check:
    """Text that matches as a whole."""

    def check(value: Any, path: str) -> None:
        if not isinstance(value, str) or expected.fullmatch(value) is None:
            invalid(path, rule)

    return check


uuid = pattern(_UUID, "not a UUID")


def iri(value: Any, path: str) -> None:
    """An absolute IRI, whose host can be told from the rest (RFC 3987)."""
    if not isinstance(value, str) or _IRI.fullmatch(value) is None:
        invalid(path, "not an IRI")
    try:
        urlsplit(value)
    except ValueError:  # half a literal address, or letters that stand for a slash
        invalid(path, "not an IRI")


def check_instant(value: Any, path: str) -> None:
    """ISO 8601 with a time; an offset of minus zero says that the zone is unknown and is not allowed (4.5)."""
    if not isinstance(value, str) or _INSTANT.fullmatch(value) is None:
        invalid(path, "not a timestamp")
    if re.search(r"-00(:?00)?$", value[10:]):
        invalid(path, "offset of minus zero")
    try:
        read_instant(value)
    except (ValueError, OverflowError):
        invalid(path, "not a timestamp")


def read_instant(raw: str) -> datetime:
    """A checked timestamp in UTC; without an offset it is UTC (4.5)."""
    moment = datetime.fromisoformat(raw.replace(",", ".").upper())
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def number(value: Any, path: str) -> None:
    """A number; true and false are none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        invalid(path, "not a number")


def boolean(value: Any, path: str) -> None:
    """True or false."""
    if not isinstance(value, bool):
        invalid(path, "not true or false")


def constant(expected: str) -> Check:
    """Exactly this text."""

    def check(value: Any, path: str) -> None:
        if value != expected:
            invalid(path, f"not {expected}")

    return check


def map_of(value: Any, path: str, key: Callable[[str], bool], rule: str) -> Mapping[str, Any]:
    """An object whose keys all pass."""
    if not isinstance(value, dict):
        invalid(path, "not an object")
    if not all(key(name) for name in value):
        invalid(path, rule)
    return value


def language_map(value: Any, path: str) -> None:
    """Text by language (4.2)."""
    for translation in map_of(value, path, is_language_tag, "key is not a language tag").values():
        text(translation, path)


def extensions(value: Any, path: str) -> None:
    """Anything by IRI (4.1): the values may be anything, null included."""
    map_of(value, path, lambda name: _IRI.fullmatch(name) is not None, "key is not an IRI")


def list_of(check: Check) -> Check:
    """A list whose elements all pass."""

    def check_all(value: Any, path: str) -> None:
        if not isinstance(value, list):
            invalid(path, "not a list")
        for part in value:
            check(part, path)

    return check_all


def language(value: Any, path: str) -> None:
    """A language tag (RFC 5646)."""
    if not isinstance(value, str) or not is_language_tag(value):
        invalid(path, "not a language tag")


def length(value: Any, path: str) -> None:
    """A length in bytes."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        invalid(path, "not a length")
