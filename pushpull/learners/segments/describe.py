"""A segment in plain English, for ``explain`` and for the approval page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pushpull.learners.segments.fields import Kind
from pushpull.learners.segments.nodes import (
    ANY_ITEM,
    CAMPAIGN_ITEMS,
    NO_PROGRESS,
    ActivityRule,
    AllOf,
    AnyNode,
    AnyOf,
    ByActivity,
    ByField,
    ByInactivity,
    ByLifecycle,
    ByProfile,
    ByProgress,
    ByTag,
    Everyone,
    InactiveRule,
    Not,
    ProgressRule,
)
from pushpull.learners.segments.segment import Segment

#: Longer lists are counted, not told.
_TELL_AT_MOST = 5


def describe(segment: Segment) -> str:
    """Who is meant, as part of a sentence, e.g. ``department is Sales, and not (tag contractor)``."""
    return _words(segment.root)


def _words(node: AnyNode) -> str:  # noqa: PLR0911  (a table of nodes)
    match node:
        case Everyone():
            return "everyone"
        case AllOf(all=parts):
            return ", and ".join(_part(part) for part in parts)
        case AnyOf(any=parts):
            return " or ".join(_part(part) for part in parts)
        case Not(part=part):
            return f"not ({_words(part)})"
        case ByField():
            return _field(node)
        case ByTag(tags=tags):
            return f"tag {_list(tags)}"
        case ByProfile(profile=kind, values=values):
            return f"{kind} is {_list(values)}" if values else f"some {kind} is known"
        case ByLifecycle(lifecycle=states):
            return f"{_list([state.replace('_', ' ') for state in states])} in this campaign"
        case ByActivity(activity=rule):
            return _activity(rule)
        case ByProgress(progress=rule):
            return _progress(rule)
        case ByInactivity(inactive_days=rule):
            return _inactivity(rule)


def _part(node: AnyNode) -> str:
    """The words of a node inside another: in brackets where they would run together."""
    several = isinstance(node, AllOf | AnyOf) and len(node.all if isinstance(node, AllOf) else node.any) > 1
    return f"({_words(node)})" if several else _words(node)


def _list(values: Sequence[Any]) -> str:
    told = [str(value) for value in values]
    if len(told) > _TELL_AT_MOST:
        return f"one of {len(told)} listed"
    return " or ".join([", ".join(told[:-1]), told[-1]] if len(told) > 1 else told)


def _days(count: float) -> str:
    return f"{count:g} day" if count == 1 else f"{count:g} days"


def _item(key: str) -> str:
    return {CAMPAIGN_ITEMS: "the campaign's items", ANY_ITEM: "anything"}.get(key, f"“{key}”")


def _field(node: ByField) -> str:  # noqa: PLR0911  (a table of comparisons)
    name = node.known.words
    if node.is_set is not None:
        return f"{name} is {'known' if node.is_set else 'unknown'}"
    if node.known.kind is Kind.TRUTH:
        return name if node.is_ else f"not {name}"
    if node.in_ is not None:
        return f"{name} is {_list(node.in_)}"
    if node.prefix is not None:
        return f"{name} starts with {node.prefix}"
    if node.before is not None:
        return f"{name} is before {node.before}"
    if node.after is not None:
        return f"{name} is after {node.after}"
    return f"{name} is {node.is_}"


def _activity(rule: ActivityRule) -> str:
    what = _list(rule.verbs) if rule.verbs else "active on"
    words = f"{what} {_item(rule.item)}"
    if rule.at_least > 1:
        words += f" at least {rule.at_least} times"
    if rule.within_days is not None:
        words += f" in the last {_days(rule.within_days)}"
    if rule.since is not None:
        words += f" since {rule.since}"
    return words


def _progress(rule: ProgressRule) -> str:
    said: list[str] = []
    if rule.status is not None:
        said.append(_list(["not begun" if status == NO_PROGRESS else str(status) for status in rule.status]))
    if rule.due_within_days is not None:
        said.append(f"due within {_days(rule.due_within_days)}")
    if rule.overdue is not None:
        said.append("overdue" if rule.overdue else "not overdue")
    return f"{_item(rule.item)}: {' and '.join(said)}"


def _inactivity(rule: InactiveRule) -> str:
    bounds: list[str] = []
    if rule.at_least is not None:
        bounds.append(f"at least {_days(rule.at_least)}")
    if rule.at_most is not None:
        bounds.append(f"at most {_days(rule.at_most)}")
    words = f"last active {' and '.join(bounds)} ago" if bounds else ""
    if rule.never:
        words += " or never active" if words else "never active"
    return words if rule.item == ANY_ITEM else f"{words} on {_item(rule.item)}"
