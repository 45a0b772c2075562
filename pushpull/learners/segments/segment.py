"""The segment itself: read from plain data with errors that name their place, and written back as it was."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import ConfigDict, RootModel, ValidationError, model_serializer, model_validator

from pushpull.learners.segments.fields import FIELDS, Path, SegmentError
from pushpull.learners.segments.nodes import (
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
    Node,
    Not,
)

#: Deeper trees are mistakes, and SQLite ends at 1000.
_DEEPEST = 20

#: What tells a node apart → the node.
_NODES: Mapping[str, type[Node]] = {
    "all": AllOf,
    "any": AnyOf,
    "not": Not,
    "everyone": Everyone,
    "field": ByField,
    "tag": ByTag,
    "profile": ByProfile,
    "lifecycle": ByLifecycle,
    "activity": ByActivity,
    "progress": ByProgress,
    "inactive_days": ByInactivity,
}


class Segment(RootModel[AnyNode]):
    """A segment, usable as a field of any pydantic model; it dumps to the data it was read from.

    Raises:
        SegmentError: the data is no segment; inside another model it becomes part of that model's ValidationError,
            whose ``ctx["error"]`` is the SegmentError.
    """

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _read(cls, data: Any) -> Any:
        return data if isinstance(data, Node) else _node(data, ())

    @model_serializer(mode="plain")
    def _write(self) -> dict[str, Any]:
        return _data(self.root)


def parse_segment(data: Any) -> Segment:
    """Read a segment from plain data, as YAML or JSON gives it.

    Raises:
        SegmentError: an unknown key, field, state or value; its path says where.
    """
    return Segment(_node(data, ()))


#: The segment of every learner.
EVERYONE = Segment(Everyone())


def _node(data: Any, path: Path) -> AnyNode:
    """The node that ``data`` writes, with everything below it."""
    if len(path) > 2 * _DEEPEST:
        raise SegmentError(path, f"nested deeper than {_DEEPEST} levels")
    if not isinstance(data, Mapping):
        raise SegmentError(path, f"expected a mapping such as `field: department`, got {_short(data)}")
    named = [key for key in data if key in _NODES]
    if not named:
        wrong = next((key for key in data if isinstance(key, str)), None)
        if wrong is None:
            raise SegmentError(path, f"is empty; write one of {', '.join(_NODES)}")
        raise SegmentError((*path, wrong), _unknown("key", wrong, _NODES))
    if len(named) > 1:
        raise SegmentError(path, f"has {' and '.join(named)} side by side; put them under `all:` or `any:`")
    (key,) = named
    if key in ("all", "any"):
        _refuse_others(data, (key,), path)
        parts = data[key]
        if not isinstance(parts, Sequence) or isinstance(parts, str) or not parts:
            raise SegmentError((*path, key), "needs a list of at least one segment")
        nodes = tuple(_node(part, (*path, key, place)) for place, part in enumerate(parts))
        return AllOf(all=nodes) if key == "all" else AnyOf(any=nodes)
    if key == "not":
        _refuse_others(data, (key,), path)
        return Not(part=_node(data[key], (*path, key)))
    return _leaf(key, data, path)


def _leaf(key: str, data: Mapping[str, Any], path: Path) -> AnyNode:
    node = _NODES[key]
    _refuse_others(data, _keys_of(node), path)
    if node is ByField and (not isinstance(data[key], str) or data[key] not in FIELDS):
        raise SegmentError((*path, key), _unknown("field", data[key], FIELDS))
    try:
        return node.model_validate(dict(data))  # type: ignore[return-value]  # the table holds only leaves here
    except ValidationError as error:
        raise _in_words(error, path) from error


def _in_words(error: ValidationError, path: Path) -> SegmentError:
    """The first thing pydantic found, as one of our errors."""
    first = error.errors(include_url=False)[0]
    # Inside a union pydantic names the branch it tried: such steps are no part of the author's file.
    steps = tuple(step for step in first["loc"] if isinstance(step, int) or step.isidentifier())
    place = (*path, *steps)
    name = str(place[-1]) if place else ""
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        known = _keys_below(steps)
        return SegmentError(place, _unknown("key", name, known))
    if first["type"] in ("literal_error", "enum"):
        choices = [word.strip(" '") for word in str(first["ctx"]["expected"]).replace(" or ", ", ").split(",")]
        return SegmentError(place, _unknown("value", first["input"], choices))
    return SegmentError(place, message[:1].lower() + message[1:] if first["type"] != "value_error" else message)


def _keys_below(steps: Path) -> tuple[str, ...]:
    """The keys that a leaf's rule knows, e.g. those under ``activity``."""
    rule = next((_NODES[step] for step in steps if isinstance(step, str) and step in _NODES), None)
    if rule is None:
        return tuple(_NODES)
    inner = next(iter(rule.model_fields.values())).annotation
    return _keys_of(inner) if isinstance(inner, type) and issubclass(inner, Node) else _keys_of(rule)


def _keys_of(node: type[Node]) -> tuple[str, ...]:
    return tuple(field.alias or name for name, field in node.model_fields.items())


def _refuse_others(data: Mapping[Any, Any], known: Iterable[str], path: Path) -> None:
    known = tuple(known)
    for key in data:
        if key not in known:
            raise SegmentError((*path, str(key)), _unknown("key", key, known))


def _unknown(what: str, value: Any, known: Iterable[str]) -> str:
    choices = list(dict.fromkeys(known))
    near = get_close_matches(str(value), choices, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(choices)}"
    return f"unknown {what} {_short(value)}; {hint}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _data(node: Node) -> dict[str, Any]:
    """The plain data of a node, as an author would write it."""
    if isinstance(node, AllOf):
        return {"all": [_data(part) for part in node.all]}
    if isinstance(node, AnyOf):
        return {"any": [_data(part) for part in node.any]}
    if isinstance(node, Not):
        return {"not": _data(node.part)}
    if isinstance(node, Everyone):
        return {"everyone": True}
    return node.model_dump(mode="json", by_alias=True, exclude_defaults=True)


assert set(_NODES.values()) == {each for each in get_args(AnyNode) if isinstance(each, type)}, "a node has no key"
