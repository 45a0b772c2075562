"""JSON as strangers send it: read whole and strictly, or not at all.

Only what every part of the system can keep is let in: no duplicate keys, of which one reader would see the first and
another the last; no NUL, which PostgreSQL keeps in no text; no nesting that would exhaust a stack. NaN, numbers beyond
any float and halves of surrogate pairs are no JSON to begin with.
"""

from __future__ import annotations

import json
from typing import Any

import orjson

#: How deep objects and lists may lie in each other.
DEEPEST = 64


class NotJsonError(ValueError):
    """What was sent cannot be read; the message says why, without what was sent."""


def read_json(body: bytes) -> Any:
    """The value of a JSON text in UTF-8.

    Raises:
        NotJsonError: it is none, or holds what cannot be kept.
    """
    body = body.removeprefix(b"\xef\xbb\xbf")
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise NotJsonError("not JSON in UTF-8") from None
    _refuse_what_cannot_be_kept(value)
    # A second reader, for what the first does not tell; by now it cannot run into its limits.
    json.loads(body, object_pairs_hook=_refuse_duplicates, parse_int=str, parse_float=str)
    return value


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> None:
    if len({key for key, _ in pairs}) != len(pairs):
        raise NotJsonError("an object names a key twice")


def _refuse_what_cannot_be_kept(value: Any) -> None:
    level = [value]
    for _ in range(DEEPEST + 1):
        if not level:
            return
        below: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                below += each.keys()
                below += each.values()
            elif isinstance(each, list):
                below += each
            elif isinstance(each, str) and "\0" in each:
                raise NotJsonError("text with a NUL in it")
        level = below
    raise NotJsonError(f"nested deeper than {DEEPEST} levels")
