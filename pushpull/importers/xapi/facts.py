"""What a valid statement says about learners: who, which verb, about what, when, how long, how well.

No database here: which learner an identity is, and which item an activity, is looked up by ``importing``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import orjson

from pushpull.importers.refusals import Refusal, Refused
from pushpull.importers.transforms import iso_minutes
from pushpull.importers.xapi.rules import read_instant
from pushpull.importers.xapi.statements import VOIDED

#: An xAPI identity as ``learner_identity`` keeps it: its kind and its value.
Identity = tuple[str, str]

#: The source of all statements in ``activity``: their ids are unique over all systems.
SOURCE = "xapi"

#: Where a context lists people, since the second version.
_LISTED = ("contextAgents", "contextGroups")

#: Verbs of other vocabularies that mean the same as one of ADL's.
_SAME_AS = {"complete": "completed"}
_LONGEST_VERB = 32
#: Longer than this nobody learns at a time: it is not known how long then.
_MOST_MINUTES = 1_000_000


@dataclass(frozen=True)
class Fact:
    """What one statement says.

    Args:
        statement_id: its id; made from its content where it has none.
        actors: who did it; several for a group with members.
        verb: the last path segment of the verb's IRI, lower case.
        object_iri: the activity it is about; None when it is about another statement.
        about_statement: the statement it is about, if it is.
        around: the activities it belongs to (parents first, then groupings), for objects the catalogue does not know.
        voids: the statement that it voids, if that is what it does; nothing else of it counts then.
    """

    statement_id: str
    actors: Sequence[Identity]
    is_group: bool
    verb: str
    object_iri: str | None
    about_statement: str | None
    around: Sequence[str]
    occurred_at: datetime
    stored_at: datetime
    minutes: float | None
    score: float | None
    success: bool | None
    voids: str | None


def fact_of(statement: Mapping[str, Any], *, now: datetime) -> Fact:
    """What a valid statement says.

    Args:
        statement: as ``check_statement`` let it pass.
        now: stands in for a timestamp and a stored time that are missing, as an LRS would (2.4.7, 2.4.8).

    Raises:
        Refused: it says nothing about what a learner did: its group has no members, its object is a person, or it is
            only about an intention.
    """
    stored_at = read_instant(statement["stored"]) if "stored" in statement else now
    occurred_at = read_instant(statement["timestamp"]) if "timestamp" in statement else stored_at
    voids = statement["object"]["id"].lower() if statement["verb"]["id"] == VOIDED else None
    target = statement["object"]
    kind = target.get("objectType", "Activity")
    if kind in {"Agent", "Group"}:
        raise Refused(Refusal.OBJECT_IS_A_PERSON, field="object")
    if kind == "SubStatement":
        raise Refused(Refusal.ONLY_INTENDED, field="object")
    actor = statement["actor"]
    actors = [] if voids else _actors(actor)
    result = statement.get("result", {})
    return Fact(
        statement_id=id_of(statement),
        actors=actors,
        is_group=actor.get("objectType") == "Group",
        verb=_verb(statement["verb"]["id"]),
        object_iri=target["id"] if kind == "Activity" else None,
        about_statement=target["id"].lower() if kind == "StatementRef" else None,
        around=_around(statement.get("context", {})),
        occurred_at=occurred_at,
        stored_at=stored_at,
        minutes=_minutes(result),
        score=_score(result.get("score", {})),
        success=result.get("success"),
        voids=voids,
    )


def identity_of(agent: Mapping[str, Any]) -> Identity | None:
    """The one identifier of an agent, as ``learner_identity`` keeps it."""
    if "mbox" in agent:
        return "mbox", agent["mbox"].lower()
    if "mbox_sha1sum" in agent:
        return "mbox_sha1sum", agent["mbox_sha1sum"].lower()
    if "openid" in agent:
        return "openid", agent["openid"]
    if "account" in agent:
        return "account", f"{agent['account']['homePage']}|{agent['account']['name']}"
    return None


def people_in(statement: Mapping[str, Any]) -> Iterator[Identity]:
    """Whoever a valid statement names: as actor, object, instructor, in a team or a group; not who vouches for it."""
    context = statement.get("context", {})
    said = statement.get("object", {})
    named = [statement.get("actor"), context.get("instructor"), context.get("team")]
    named += [each.get("agent") or each.get("group") for more in _LISTED for each in context.get(more, ())]
    if said.get("objectType") == "SubStatement":
        yield from people_in(said)
    elif said.get("objectType") in ("Agent", "Group"):
        named.append(said)
    for agent in filter(None, named):
        for each in (agent, *agent.get("member", ())):
            if identity := identity_of(each):
                yield identity


def _actors(actor: Mapping[str, Any]) -> list[Identity]:
    if actor.get("objectType") != "Group":
        identity = identity_of(actor)
        assert identity is not None  # a valid agent has one
        return [identity]
    members = [identity for member in actor.get("member", ()) if (identity := identity_of(member)) is not None]
    if not members:
        raise Refused(Refusal.NO_MEMBERS, field="actor")
    return list(dict.fromkeys(members))


def id_of(statement: Mapping[str, Any]) -> str:
    """The statement's id. Without one it gets the same id whenever the same content is read again."""
    if "id" in statement:
        return str(UUID(statement["id"]))
    digest = hashlib.sha256(orjson.dumps(statement, option=orjson.OPT_SORT_KEYS)).digest()
    return str(UUID(bytes=digest[:16], version=5))


def _verb(iri: str) -> str:
    parts = urlsplit(iri)
    last = (parts.fragment or parts.path.rstrip("/").rsplit("/", 1)[-1] or parts.netloc).lower()
    verb = _SAME_AS.get(last, last)
    if len(verb) > _LONGEST_VERB:
        raise Refused(Refusal.VERB_TOO_LONG, field="verb")
    return verb


def _around(context: Mapping[str, Any]) -> list[str]:
    activities = context.get("contextActivities", {})
    found = []
    for place in ("parent", "grouping"):
        named = activities.get(place, [])
        found += [activity["id"] for activity in (named if isinstance(named, list) else [named])]
    return found


def _minutes(result: Mapping[str, Any]) -> float | None:
    minutes = iso_minutes(result["duration"]) if "duration" in result else None
    return minutes if minutes is not None and minutes <= _MOST_MINUTES else None


def _score(score: Mapping[str, Any]) -> float | None:
    """The score from 0 to 1; a negative scaled score counts as 0."""
    if "scaled" in score:
        return max(0.0, float(score["scaled"]))
    if "raw" in score and "max" in score:
        low = float(score.get("min", 0))
        if float(score["max"]) > low:
            return min(1.0, max(0.0, (float(score["raw"]) - low) / (float(score["max"]) - low)))
    return None
