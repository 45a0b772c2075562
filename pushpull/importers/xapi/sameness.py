"""Whether two statements say the same (xAPI 1.0.3, part two, section 2.3.1.1 and the immutability of 2.3.1).

What an LRS adds, what is only for display, and the order of a group's members do not count; instants are compared as
instants, identifiers and UUIDs whatever their capitals.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from pushpull.importers.xapi.facts import identity_of
from pushpull.importers.xapi.rules import read_instant

#: What an LRS says about a statement, and what may be said in more than one way.
_ADDED = frozenset({"id", "stored", "authority", "version", "attachments"})
_ACTORS = frozenset({"actor", "instructor", "team"})


def same(stored: Mapping[str, Any], sent: Mapping[str, Any]) -> bool:
    """Whether a statement that is sent says what is stored under its id. Both are valid.

    A statement that was sent without a timestamp got one when it was stored: that is no difference.
    """
    if "timestamp" not in sent:
        stored = {name: value for name, value in stored.items() if name != "timestamp"}
    return _text(stored) == _text(sent)


def as_listed(statement: Mapping[str, Any]) -> dict[str, Any]:
    """The statement with every context activity in a list, as an LRS answers it (2.4.6.2)."""
    listed = dict(statement)
    activities = listed.get("context", {}).get("contextActivities")
    if activities is not None:
        lists = {place: named if isinstance(named, list) else [named] for place, named in activities.items()}
        listed["context"] = {**listed["context"], "contextActivities": lists}
    if listed["object"].get("objectType") == "SubStatement":
        listed["object"] = as_listed(listed["object"])
    return listed


def only_ids(statement: Mapping[str, Any]) -> dict[str, Any]:
    """The statement as the format ``ids`` has it: people, verbs and activities by what identifies them (part three,
    section 2.1.3)."""
    short: dict[str, Any] = {}
    for name, value in as_listed(statement).items():
        if name in {"actor", "authority"}:
            short[name] = _only_identifier(value)
        elif name == "verb":
            short[name] = {"id": value["id"]}
        elif name == "object":
            short[name] = _only_id(value)
        elif name == "context":
            short[name] = _context_by_ids(value)
        else:
            short[name] = value
    return short


def _context_by_ids(context: Mapping[str, Any]) -> dict[str, Any]:
    short = {name: _only_identifier(value) if name in _ACTORS else value for name, value in context.items()}
    if "contextActivities" in short:
        short["contextActivities"] = {
            place: [{"id": activity["id"]} for activity in named] for place, named in short["contextActivities"].items()
        }
    return short


def _only_id(target: Mapping[str, Any]) -> Any:
    kind = target.get("objectType", "Activity")
    if kind == "Activity":
        return {"objectType": "Activity", "id": target["id"]}
    if kind in {"Agent", "Group"}:
        return _only_identifier(target)
    return {"objectType": kind, **only_ids(target)} if kind == "SubStatement" else target


def _only_identifier(actor: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in actor.items() if name not in {"name", "member"}}
    if "member" in actor and identity_of(actor) is None:  # an anonymous group is its members
        kept["member"] = [_only_identifier(member) for member in actor["member"]]
    return kept


def _text(statement: Mapping[str, Any]) -> bytes:
    return orjson.dumps(_bare(statement), option=orjson.OPT_SORT_KEYS)


def _bare(statement: Mapping[str, Any]) -> dict[str, Any]:
    bare = {name: value for name, value in as_listed(statement).items() if name not in _ADDED}
    bare["actor"] = _actor(bare["actor"])
    bare["verb"] = bare["verb"]["id"]
    bare["object"] = _target(bare["object"])
    if "timestamp" in bare:
        bare["timestamp"] = read_instant(bare["timestamp"])
    if "context" in bare:
        bare["context"] = _context(bare["context"])
    return bare


def _context(context: Mapping[str, Any]) -> dict[str, Any]:
    bare: dict[str, Any] = {name: _actor(v) if name in _ACTORS else v for name, v in context.items()}
    if "registration" in bare:
        bare["registration"] = bare["registration"].lower()
    if "contextActivities" in bare:
        bare["contextActivities"] = {
            place: sorted(activity["id"] for activity in named) for place, named in bare["contextActivities"].items()
        }
    return bare


def _target(target: Mapping[str, Any]) -> Any:
    kind = target.get("objectType", "Activity")
    if kind == "Activity":
        return [kind, target["id"]]
    if kind == "StatementRef":
        return [kind, target["id"].lower()]
    return _actor(target) if kind in {"Agent", "Group"} else _bare(target)


def _actor(actor: Mapping[str, Any]) -> list[Any]:
    members = sorted([identity_of(member) or ("", "") for member in actor.get("member", ())])
    return [actor.get("objectType", "Agent"), identity_of(actor), members]
