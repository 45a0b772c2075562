"""What a valid xAPI statement is.

Source: xAPI 1.0.3, part two (Experience Data), sections 2.2 to 2.4 and 4; the numbers in the docstrings are its. What
xAPI 2.0 (IEEE 9274.1.1) adds is valid too. What an LRS would refuse is refused here too, because a file has not been
through one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pushpull.importers.xapi.activities import check_activity
from pushpull.importers.xapi.rules import (
    Check,
    boolean,
    check_instant,
    constant,
    extensions,
    invalid,
    iri,
    language,
    language_map,
    length,
    list_of,
    number,
    pattern,
    properties,
    text,
    uuid,
)

VOIDED = "http://adlnet.gov/expapi/verbs/voided"

_MBOX = re.compile(r"mailto:[^@\s\x00]+@[^@\s\x00]+", re.IGNORECASE)
_SHA1 = re.compile(r"[0-9a-fA-F]{40}")
_SHA2 = re.compile(r"(?:[0-9a-fA-F]{56}|[0-9a-fA-F]{64}|[0-9a-fA-F]{96}|[0-9a-fA-F]{128})")
_VERSION = re.compile(r"[12]\.0(\.\d+)?")
_DURATION = re.compile(
    r"P(?:\d+(?:[.,]\d+)?W|(?=.)(?:\d+(?:[.,]\d+)?Y)?(?:\d+(?:[.,]\d+)?M)?(?:\d+(?:[.,]\d+)?D)?"
    r"(?:T(?=.)(?:\d+(?:[.,]\d+)?H)?(?:\d+(?:[.,]\d+)?M)?(?:\d+(?:[.,]\d+)?S)?)?)"
)
_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+*-]+(\s*;.*)?")
_IDENTIFIERS = ("mbox", "mbox_sha1sum", "openid", "account")


def check_statement(value: Any) -> None:
    """Check a whole statement (2.2, 2.4).

    Raises:
        Refused: it is not valid; ``field`` is the place and ``detail`` the rule, never the value.
    """
    properties(
        value,
        "",
        required={"actor": _actor, "verb": _verb, "object": _object},
        optional={
            "id": uuid,
            "result": _result,
            "context": _context,
            "timestamp": check_instant,
            "stored": check_instant,
            "authority": _authority,
            "version": pattern(_VERSION, "not a version 1.0.x or 2.0.x"),
            "attachments": _attachments,
        },
    )
    _agree(value, "")
    if value["verb"]["id"] == VOIDED and value["object"].get("objectType") != "StatementRef":
        invalid("object", "only a statement can be voided")


def check_actor(value: Any, path: str) -> None:
    """Check an agent or an identified group, as it stands in the query of a request (part three, 2.1.3).

    Raises:
        Refused: it is not valid, or nobody in particular.
    """
    _actor(value, path)
    if not any(name in value for name in _IDENTIFIERS):
        invalid(path, "an anonymous group is nobody in particular")


def _agree(value: Mapping[str, Any], path: str) -> None:
    """Revision and platform only make sense for activities (2.4.6)."""
    context = value.get("context", {})
    if value["object"].get("objectType", "Activity") != "Activity" and {"revision", "platform"} & context.keys():
        invalid(f"{path}.context".lstrip("."), "revision or platform without an activity")


def _account(value: Any, path: str) -> None:
    """2.4.2.4"""
    properties(value, path, required={"homePage": iri, "name": text}, optional={})


_AGENT: Mapping[str, Check] = {
    "objectType": constant("Agent"),
    "name": text,
    "mbox": pattern(_MBOX, "not a mailto IRI"),
    "mbox_sha1sum": pattern(_SHA1, "not a SHA-1"),
    "openid": iri,
    "account": _account,
}


def _agent(value: Any, path: str) -> None:
    """2.4.2.1: exactly one inverse functional identifier."""
    properties(value, path, required={}, optional=_AGENT)
    if sum(name in value for name in _IDENTIFIERS) != 1:
        invalid(path, "not exactly one identifier")


def _group(value: Any, path: str) -> None:
    """2.4.2.2: identified by one identifier, or anonymous and then with members."""
    properties(
        value,
        path,
        required={"objectType": constant("Group")},
        optional={**_AGENT, "objectType": constant("Group"), "member": list_of(_agent)},
    )
    identifiers = sum(name in value for name in _IDENTIFIERS)
    if identifiers > 1:
        invalid(path, "more than one identifier")
    if identifiers == 0 and not value.get("member"):
        invalid(path, "anonymous group without members")


def _actor(value: Any, path: str) -> None:
    if isinstance(value, dict) and value.get("objectType") == "Group":
        _group(value, path)
    else:
        _agent(value, path)


def _authority(value: Any, path: str) -> None:
    """2.4.9: an agent, or the two of an OAuth consumer and its user."""
    _actor(value, path)
    if value.get("objectType") == "Group" and (
        len(value.get("member", ())) != 2 or any(name in value for name in _IDENTIFIERS)
    ):
        invalid(path, "not an agent or an anonymous group of two")


def _verb(value: Any, path: str) -> None:
    """2.4.3"""
    properties(value, path, required={"id": iri}, optional={"display": language_map})


def _statement_ref(value: Any, path: str) -> None:
    """2.4.4.3"""
    properties(value, path, required={"objectType": constant("StatementRef"), "id": uuid}, optional={})


def _object(value: Any, path: str, *, inside: bool = False) -> None:
    kind = value.get("objectType", "Activity") if isinstance(value, dict) else "Activity"
    if kind == "Activity":
        check_activity(value, path)
    elif kind in {"Agent", "Group"}:
        _actor(value, path)
    elif kind == "StatementRef":
        _statement_ref(value, path)
    elif kind == "SubStatement" and not inside:
        _sub_statement(value, path)
    else:
        invalid(path, "not an object type that may stand here")


def _sub_statement(value: Any, path: str) -> None:
    """2.4.4.3: no id, stored, version or authority, and no other SubStatement in it."""
    properties(
        value,
        path,
        required={
            "objectType": constant("SubStatement"),
            "actor": _actor,
            "verb": _verb,
            "object": lambda part, where: _object(part, where, inside=True),
        },
        optional={
            "result": _result,
            "context": _context,
            "timestamp": check_instant,
            "attachments": _attachments,
        },
    )
    _agree(value, path)


def _score(value: Any, path: str) -> None:
    """2.4.5.1"""
    properties(value, path, required={}, optional=dict.fromkeys(("scaled", "raw", "min", "max"), number))
    if not -1 <= value.get("scaled", 0) <= 1:
        invalid(f"{path}.scaled", "not from -1 to 1")
    low, high = value.get("min", float("-inf")), value.get("max", float("inf"))
    if low >= high or not low <= value.get("raw", low if low != float("-inf") else high) <= high:
        invalid(path, "not from min to max")


def _result(value: Any, path: str) -> None:
    """2.4.5"""
    properties(
        value,
        path,
        required={},
        optional={
            "score": _score,
            "success": boolean,
            "completion": boolean,
            "response": text,
            "duration": pattern(_DURATION, "not an ISO 8601 duration"),
            "extensions": extensions,
        },
    )


def _activities(value: Any, path: str) -> None:
    for part in value if isinstance(value, list) else [value]:
        check_activity(part, path)


def _related(kind: str, who: str, check: Check) -> Check:
    """2.0, 4.2.2.8: somebody who had to do with it, and in which way."""
    return lambda value, path: properties(
        value,
        path,
        required={"objectType": constant(kind), who: check},
        optional={"relevantTypes": list_of(iri)},
    )


def _context(value: Any, path: str) -> None:
    """2.4.6"""
    properties(
        value,
        path,
        required={},
        optional={
            "registration": uuid,
            "instructor": _actor,
            "team": _group,
            "contextActivities": lambda part, where: properties(
                part,
                where,
                required={},
                optional=dict.fromkeys(("parent", "grouping", "category", "other"), _activities),
            ),
            "revision": text,
            "platform": text,
            "language": language,
            "statement": _statement_ref,
            "extensions": extensions,
            "contextAgents": list_of(_related("contextAgent", "agent", _agent)),
            "contextGroups": list_of(_related("contextGroup", "group", _group)),
        },
    )


def _attachment(value: Any, path: str) -> None:
    """2.4.11"""
    properties(
        value,
        path,
        required={
            "usageType": iri,
            "display": language_map,
            "contentType": pattern(_MEDIA_TYPE, "not a media type"),
            "length": length,
            "sha2": pattern(_SHA2, "not a SHA-2"),
        },
        optional={"description": language_map, "fileUrl": iri},
    )


_attachments = list_of(_attachment)
