"""What a valid activity is, with its interactions.

Source: xAPI 1.0.3, part two (Experience Data), section 2.4.4.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pushpull.importers.xapi.rules import (
    constant,
    extensions,
    invalid,
    iri,
    language_map,
    list_of,
    properties,
    text,
)

_INTERACTIONS: Mapping[str, tuple[str, ...]] = {
    "true-false": (),
    "choice": ("choices",),
    "fill-in": (),
    "long-fill-in": (),
    "matching": ("source", "target"),
    "performance": ("steps",),
    "sequencing": ("choices",),
    "likert": ("scale",),
    "numeric": (),
    "other": (),
}
_COMPONENTS = ("choices", "scale", "source", "target", "steps")


def _component(value: Any, path: str) -> None:
    properties(value, path, required={"id": text}, optional={"description": language_map})


def _components(value: Any, path: str) -> None:
    list_of(_component)(value, path)
    if len({part["id"] for part in value}) != len(value):
        invalid(path, "ids are not distinct")


def _definition(value: Any, path: str) -> None:
    """2.4.4.1"""
    properties(
        value,
        path,
        required={},
        optional={
            "name": language_map,
            "description": language_map,
            "type": iri,
            "moreInfo": iri,
            "extensions": extensions,
            "interactionType": text,
            "correctResponsesPattern": list_of(text),
            **dict.fromkeys(_COMPONENTS, _components),
        },
    )
    kind = value.get("interactionType")
    if kind is not None and kind not in _INTERACTIONS:
        invalid(f"{path}.interactionType", "not an interaction type")
    present = [name for name in _COMPONENTS if name in value]
    if kind is None and (present or "correctResponsesPattern" in value):
        invalid(path, "interaction without interactionType")
    if any(name not in _INTERACTIONS[kind] for name in present if kind is not None):
        invalid(path, "components of another interaction type")


def check_activity(value: Any, path: str) -> None:
    """Check an activity (2.4.4.1).

    Raises:
        Refused: it is not valid.
    """
    properties(
        value,
        path,
        required={"id": iri},
        optional={"objectType": constant("Activity"), "definition": _definition},
    )
