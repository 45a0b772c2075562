"""What a segment means, said a second time: one learner at a time, in memory, from the plain data of the segment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from pushpull.learners.verbs import NOT_ACTIVE_VERBS

COLUMNS = {"preferredLanguage": "preferred_language", "manager": "manager_external_id", "hiredOn": "hired_on"}


@dataclass(frozen=True)
class Did:
    verb: str
    item: str | None
    at: datetime
    voided: bool = False


@dataclass(frozen=True)
class Stands:
    status: str
    due_at: datetime | None = None


@dataclass(frozen=True)
class Person:
    fields: Mapping[str, Any]
    tags: frozenset[str] = frozenset()
    facts: frozenset[tuple[str, str]] = frozenset()
    state: str | None = None
    activity: tuple[Did, ...] = ()
    progress: Mapping[str, Stands] = field(default_factory=dict)


@dataclass(frozen=True)
class World:
    campaign_items: Sequence[str]
    as_of: datetime


def is_meant(data: Mapping[str, Any], person: Person, world: World) -> bool:
    if "all" in data:
        return all(is_meant(part, person, world) for part in data["all"])
    if "any" in data:
        return any(is_meant(part, person, world) for part in data["any"])
    if "not" in data:
        return not is_meant(data["not"], person, world)
    if "everyone" in data:
        return True
    if "tag" in data:
        wanted = [data["tag"]] if isinstance(data["tag"], str) else data["tag"]
        return any(tag in person.tags for tag in wanted)
    if "profile" in data:
        said = [value for kind, value in person.facts if kind == data["profile"]]
        if "is" in data:
            return data["is"] in said
        return any(value in data["in"] for value in said) if "in" in data else bool(said)
    if "lifecycle" in data:
        return (person.state or "unaware") in data["lifecycle"]
    if "field" in data:
        return field_fits(data, person)
    if "activity" in data:
        return did_enough(data["activity"], person, world)
    if "progress" in data:
        return stands_so(data["progress"], person, world)
    return was_silent(data["inactive_days"], person, world)


def field_fits(data: Mapping[str, Any], person: Person) -> bool:
    value = person.fields.get(COLUMNS.get(data["field"], data["field"]))
    if "is_set" in data:
        return (value is not None) == data["is_set"]
    if value is None:
        return False
    if "prefix" in data:
        return value.startswith(data["prefix"])
    if isinstance(value, date):
        value = value.isoformat()  # written so, dates sort like text
    if "is" in data:
        return value == data["is"]
    if "in" in data:
        return value in data["in"]
    return value < data["before"] if "before" in data else value > data["after"]


def concerns(item: str | None, wanted: str | None, world: World) -> bool:
    if wanted == "*":
        return True
    return item in world.campaign_items if wanted in (None, "campaign") else item == wanted


def seen(person: Person, verbs: Sequence[str] | None, item: str | None, world: World) -> list[datetime]:
    return [
        did.at
        for did in person.activity
        if not did.voided
        and did.at <= world.as_of
        and (did.verb in verbs if verbs else did.verb not in NOT_ACTIVE_VERBS)
        and concerns(did.item, item, world)
    ]


def did_enough(rule: Mapping[str, Any], person: Person, world: World) -> bool:
    times = seen(person, rule.get("verbs"), rule.get("item"), world)
    if "within_days" in rule:
        times = [at for at in times if world.as_of - at <= timedelta(days=rule["within_days"])]
    if "since" in rule:
        start = datetime.combine(date.fromisoformat(rule["since"]), time(), UTC)
        times = [at for at in times if at >= start]
    return len(times) >= rule.get("at_least", 1)


def stands_so(rule: Mapping[str, Any], person: Person, world: World) -> bool:
    rows = [row for item, row in person.progress.items() if concerns(item, rule.get("item"), world)]
    statuses = rule.get("status")
    if statuses is not None and "none" in statuses and not rows:
        return True

    def fits(row: Stands) -> bool:
        is_open = row.due_at is not None and row.status in ("assigned", "started", "failed")
        if statuses is not None and row.status not in statuses:
            return False
        if "due_within_days" in rule:
            ahead = None if row.due_at is None else row.due_at - world.as_of
            if not is_open or ahead is None or not timedelta() <= ahead <= timedelta(days=rule["due_within_days"]):
                return False
        if "overdue" in rule:
            overdue = is_open and row.due_at is not None and row.due_at < world.as_of
            return overdue == rule["overdue"]
        return True

    return any(fits(row) for row in rows)


def was_silent(rule: Mapping[str, Any], person: Person, world: World) -> bool:
    times = seen(person, None, rule.get("item", "*"), world)
    if not times:
        return bool(rule.get("never", False))
    if "at_least" not in rule and "at_most" not in rule:
        return False
    silence = world.as_of - max(times)
    long_enough = silence >= timedelta(days=rule.get("at_least", 0))
    return long_enough and silence <= timedelta(days=rule.get("at_most", 10_000))
