"""Reading single fields of what providers send: anything may be missing, of another type, or absurd."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson

from channels.callbacks.verdict import Unreadable
from pushpull.ledger.messages import parse_delivery_id
from pushpull.ledger.news import DeliveryName, ProviderEvent

_LARGEST_ID = 2**63 - 1
_LARGEST_ROTATION = 2**15 - 1
_LONGEST_KEY = 200


def parsed(body: bytes | str) -> Any:
    """A body as JSON.

    Raises:
        Unreadable: it is none.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Unreadable("not JSON") from None


def parsed_object(body: bytes | str) -> dict[str, Any]:
    """A body that is a JSON object.

    Raises:
        Unreadable: it is none.
    """
    found = parsed(body)
    if not isinstance(found, dict):
        raise Unreadable("not an object")
    return found


def an_event(value: Any, *, key: object = None) -> ProviderEvent:
    """One event to be kept, under the provider's own id where that is a plain one, else under its hash.

    Raises:
        Unreadable: it is nested deeper than anything a provider says.
    """
    try:
        body = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # what is read may be nested deeper than what is written
        raise Unreadable("nested too deep") from None
    if isinstance(key, str) and 0 < len(key) <= _LONGEST_KEY and key.isprintable():
        return ProviderEvent(key, body.decode())
    return ProviderEvent("sha256:" + hashlib.sha256(body).hexdigest(), body.decode())


def text(values: Mapping[str, Any], name: str) -> str:
    """A field that should be text; empty where it is not."""
    found = values.get(name)
    return found if isinstance(found, str) else ""


def inner(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A field that should be an object; empty where it is not."""
    found = values.get(name)
    return found if isinstance(found, dict) else {}


def short_hash(*parts: str) -> str:
    """A name for something that has none, of 24 characters."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def unix_time(value: object, *, received_at: datetime) -> datetime:
    """When it happened: Unix seconds as number or text; the time of receipt where that is absurd or still to come."""
    try:
        seconds = float(value) if isinstance(value, str | int | float) else 0.0
        found = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return received_at
    return min(found, received_at) if seconds > 0 else received_at


def iso_time(value: object, *, received_at: datetime) -> datetime:
    """The same for ISO 8601."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else received_at
        return min(found.astimezone(UTC), received_at) if found.tzinfo else received_at
    except (ValueError, OverflowError):
        return received_at


def delivery_name(value: object, handover: object) -> DeliveryName | None:
    """The delivery an id of ours names; None where the text is none that we can have made."""
    if not isinstance(value, str) or len(value) > 64:
        return None
    try:
        wave_id, rotation, learner_id = parse_delivery_id(value)
        handover_id = UUID(handover) if isinstance(handover, str) and handover else None
    except ValueError:
        return None
    if max(wave_id, learner_id) > _LARGEST_ID or rotation > _LARGEST_ROTATION:
        return None
    return DeliveryName(wave_id, rotation, learner_id, handover_id)
