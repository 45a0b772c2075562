"""Presets: where each field comes from in the files of one system, as data.

A preset is a YAML file in ``presets/``. It lists the *shapes* of the files that the system exports; which shape a
file has is seen from its header. What may be done with a cell is the closed set in ``transforms``: no code is ever
taken from a file. What a value must be is in ``fields``; how rows are read is in ``reading``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, ValidationError, field_validator, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pushpull.importers.dates import DateOrder
from pushpull.importers.fields import FIELDS, Target
from pushpull.importers.transforms import Data, Transform

_FOLDER = Path(__file__).resolve().parent / "presets"
_NAMES = re.compile(r"\{([^{}]+)\}")


class PresetError(ValueError):
    """A preset cannot be used: it does not exist, is not valid, or was given wrong parameters."""


class FieldMap(Data):
    """Where one field comes from.

    Args:
        column: the column, or other names it may have (the first one that is there is taken).
        template: text with columns and parameters in it, e.g. ``{code_module}-{id_student}``; empty when one is empty.
        constant: the same for every row; may name a parameter.
        transforms: applied in order to what was read.
        required: a row without it is refused, and a file without the column does not have this shape.
        default: stands in for an empty cell.
        occurrence: number equal values (``#2``, ``#3`` …) in the order of the file, so that rows which the source
            cannot tell apart are all kept and still found again by a second import.
    """

    column: str | tuple[str, ...] | None = None
    template: str | None = None
    constant: str | None = None
    transforms: tuple[Transform, ...] = ()
    required: bool = False
    default: str | None = None
    occurrence: bool = False

    @model_validator(mode="after")
    def _has_one_origin(self) -> FieldMap:
        if sum(origin is not None for origin in (self.column, self.template, self.constant)) != 1:
            raise ValueError("say exactly one of column, template and constant")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """The names that the column may have."""
        return (self.column,) if isinstance(self.column, str) else self.column or ()


class Shape(Data):
    """One kind of file.

    Args:
        name: how messages call it.
        writes: what its rows become.
        marks: columns that must be there for a file to have this shape, beside those of required fields.
        only: rows are let in where these columns equal these values; a value may name a parameter, and where that
            parameter is empty the column is not looked at. The other rows are counted as filtered.
        fields: target field → where it comes from.
        parts: progress only: what is said about a course also assigns its dated parts (``item.part_of``).
        completion_verb: progress only: a completion is also learning activity, recorded with this verb.
    """

    name: str
    writes: Target
    marks: tuple[str, ...] = ()
    only: Mapping[str, str] = Field(default_factory=dict)
    fields: Mapping[str, FieldMap]
    parts: bool = False
    completion_verb: str | None = None

    @model_validator(mode="after")
    def _fields_exist(self) -> Shape:
        known = FIELDS[self.writes]
        for name in self.fields:
            if name not in known:
                raise ValueError(f"{self.writes.value} has no field {name!r}; it has {', '.join(known)}")
        for name, field in known.items():
            if field.required and name not in self.fields:
                raise ValueError(f"shape {self.name!r} lacks the required field {name!r}")
        return self


class Param(Data):
    """Something a person states at the import.

    Args:
        description: what it is for.
        kind: ``text``, ``date`` (ISO), ``zone`` (IANA) or ``order`` (auto, ymd, dmy, mdy).
        default: what it is unless stated; without one it must be stated where a shape uses it.
    """

    description: str
    kind: Literal["text", "date", "zone", "order"] = "text"
    default: str | None = None


class Preset(Data):
    """All the shapes of one system's files.

    Args:
        source: the name of the system in the activity table; may name a parameter.
        encoding: declared encoding; found out when absent.
        delimiter: declared delimiter; found out when absent.
        empty: what stands for "no value" in a cell, beside nothing.
    """

    name: str
    description: str
    source: str
    encoding: str | None = None
    delimiter: str | None = None
    empty: tuple[str, ...] = ()
    params: Mapping[str, Param] = Field(default_factory=dict)
    shapes: tuple[Shape, ...]

    @field_validator("delimiter")
    @classmethod
    def _is_one_character(cls, value: str | None) -> str | None:
        if value is not None and len(value) != 1:
            raise ValueError("a delimiter is one character")
        return value

    def parameters(self, given: Mapping[str, str]) -> dict[str, str]:
        """The values of all parameters that have one.

        Raises:
            PresetError: an unknown parameter, or a value that is not of its kind.
        """
        for name, value in given.items():
            param = self.params.get(name)
            if param is None:
                known = ", ".join(self.params) or "none"
                raise PresetError(f"preset {self.name!r} has no parameter {name!r}; it has: {known}")
            if value and not _is_of_kind(value, param.kind):
                raise PresetError(f"parameter {name}={value!r} is not a {param.kind}: {param.description}")
        defaults = {name: param.default for name, param in self.params.items() if param.default is not None}
        return {**defaults, **given}


def _is_of_kind(value: str, kind: str) -> bool:
    try:
        if kind == "date":
            date.fromisoformat(value)
        elif kind == "zone":
            ZoneInfo(value)
        elif kind == "order":
            DateOrder(value)
    except (ValueError, ZoneInfoNotFoundError):
        return False
    return True


def names_in(template: str) -> list[str]:
    """The columns and parameters that a template names."""
    return _NAMES.findall(template)


def filled(text: str, params: Mapping[str, str], *, where: str) -> str:
    """``text`` with its parameters put in.

    Raises:
        PresetError: a parameter has no value.
    """

    def value(match: re.Match[str]) -> str:
        try:
            return params[match.group(1)]
        except KeyError:
            raise PresetError(f"{where} needs a parameter: give --param {match.group(1)}=…") from None

    return _NAMES.sub(value, text)


def preset_names() -> list[str]:
    """The presets that ship."""
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


@lru_cache(maxsize=32)
def load_preset(name: str) -> Preset:
    """The preset that ships under ``name``.

    Raises:
        PresetError: there is none, or it is not valid.
    """
    if name not in preset_names():
        raise PresetError(f"there is no preset {name!r}; there are: {', '.join(preset_names())}")
    return read_preset(_FOLDER / f"{name}.yaml")


def read_preset(path: Path) -> Preset:
    """The preset in a YAML file.

    Raises:
        PresetError: it is not valid; the message names the place.
    """
    try:
        data: Any = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
        return Preset.model_validate(data)
    except (OSError, YAMLError) as error:
        raise PresetError(f"{path.name} cannot be read: {error}") from error
    except ValidationError as error:
        places = [f"{'.'.join(str(p) for p in e['loc'])}: {e['msg']}" for e in error.errors(include_url=False)]
        raise PresetError(f"{path.name} is not a valid preset: {'; '.join(places)}") from error


def shape_of(preset: Preset, header: Sequence[str], targets: Sequence[Target], *, file_name: str) -> Shape:
    """The first shape of ``preset`` that a file with this header has.

    Raises:
        PresetError: none fits; the message names what the nearest one lacks.
    """
    there = {name.strip().casefold() for name in header}
    nearest: tuple[int, str] | None = None
    for shape in preset.shapes:
        if shape.writes not in targets:
            continue
        lacking = [mark for mark in shape.marks if mark.casefold() not in there]
        for name, field in shape.fields.items():
            needed = field.required or FIELDS[shape.writes][name].required
            if needed and field.columns and not any(c.casefold() in there for c in field.columns):
                lacking.append(" or ".join(field.columns))
        if not lacking:
            return shape
        if nearest is None or len(lacking) < nearest[0]:
            nearest = (len(lacking), f"the nearest, {shape.name!r}, lacks: {', '.join(lacking)}")
    wanted = " or ".join(target.value for target in targets)
    reason = nearest[1] if nearest else f"it has no shape for {wanted}"
    raise PresetError(
        f"{file_name}: its columns ({', '.join(header)[:300]}) fit no shape of preset {preset.name!r} "
        f"for {wanted}; {reason}"
    )
