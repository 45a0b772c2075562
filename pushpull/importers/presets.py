"""Presets: where each field comes from in the files of one system, as data.

A preset is a YAML file in ``presets/``. It lists the *shapes* of the files that the system exports; which shape a
file has is seen from its header. What a shape may say is in ``shapes``, what may be done with a cell is the closed set
in ``transforms``: no code is ever taken from a file. What a value must be is in ``fields``; how rows are read is in
``reading``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, ValidationError, field_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pushpull.importers.dates import DateOrder
from pushpull.importers.fields import FIELDS, Target
from pushpull.importers.shapes import Shape
from pushpull.importers.transforms import Data

_FOLDER = Path(__file__).resolve().parent / "presets"
_NAMES = re.compile(r"\{([^{}]+)\}")


class PresetError(ValueError):
    """A preset cannot be used: it does not exist, is not valid, or was given wrong parameters."""


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
        documented_at: where somebody says what the columns are called: pages of the vendor, of a customer of theirs, or
            the source code of the system.
        source: the name of the system in the activity table; may name a parameter.
        encoding: declared encoding; found out when absent.
        delimiter: declared delimiter; found out when absent.
        empty: what stands for "no value" in a cell, beside nothing.
    """

    name: str = Field(min_length=1, max_length=64)
    description: str
    documented_at: tuple[str, ...] = ()
    source: str
    encoding: str | None = None
    delimiter: str | None = None
    empty: tuple[str, ...] = ()
    params: Mapping[str, Param] = Field(default_factory=dict)
    shapes: tuple[Shape, ...]

    @field_validator("documented_at")
    @classmethod
    def _are_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(address.startswith("https://") for address in value):
            raise ValueError("say where the columns are documented by addresses that begin with https://")
        return value

    @field_validator("delimiter")
    @classmethod
    def _is_one_character(cls, value: str | None) -> str | None:
        if value is not None and len(value) != 1:
            raise ValueError("a delimiter is one character")
        return value

    @property
    def has_pairs(self) -> bool:
        """Whether it has a shape whose columns may have equal names."""
        return any(shape.pairs is not None for shape in self.shapes)

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
                raise PresetError(f"parameter {name}={value!r} is no {param.kind}: {param.description}")
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


def filled(text: str, params: Mapping[str, str], *, where: str, known: Mapping[str, Param] | None = None) -> str:
    """``text`` with its parameters put in.

    Args:
        where: which preset and shape it is about, for messages.
        known: the parameters of the preset, so that a message can say what a missing one is for.

    Raises:
        PresetError: a parameter has no value.
    """

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        try:
            return params[name]
        except KeyError:
            what_for = f" ({known[name].description.rstrip('.')})" if known and name in known else ""
            raise PresetError(f"{where} needs a parameter: give --param {name}=…{what_for}") from None

    return _NAMES.sub(value, text)


def preset_names() -> list[str]:
    """The presets that ship."""
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def load_preset(name: str) -> Preset:
    """The preset that ships under ``name``, or the one in a YAML file of somebody's own.

    Args:
        name: a shipped preset's name, or a path that ends with ``.yaml`` or ``.yml``.

    Raises:
        PresetError: there is none, or it is not valid.
    """
    if name.endswith((".yaml", ".yml")):
        return read_preset(Path(name))
    if name not in preset_names():
        raise PresetError(f"there is no preset {name!r}; there are: {', '.join(preset_names())}")
    return _shipped(name)


@lru_cache(maxsize=32)
def _shipped(name: str) -> Preset:
    return read_preset(_FOLDER / f"{name}.yaml")


def sample_of(name: str, shape: Shape) -> Path | None:
    """The small file of invented people that ships for a shape of a shipped preset, where there is one."""
    return _FOLDER / "samples" / name / shape.sample if shape.sample else None


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
        lacking = [mark or "(no name)" for mark in shape.marks if mark.casefold() not in there]
        has = there | {name.casefold() for name in shape.made_columns}
        for name, field in shape.fields.items():
            needed = field.required or FIELDS[shape.writes][name].required
            if needed and field.columns and not any(c.casefold() in has for c in field.columns):
                lacking.append(" or ".join(field.columns))
        if not lacking:
            return shape
        if nearest is None or len(lacking) < nearest[0]:
            nearest = (len(lacking), f"the nearest, {shape.name!r}, lacks: {', '.join(dict.fromkeys(lacking))}")
    wanted = " or ".join(target.value for target in targets)
    reason = nearest[1] if nearest else f"it has no shape for {wanted}"
    # Reports often begin with their name, their filters and a blank line.
    hint = ". If the headings come further down in the file, delete the lines above them" if len(header) <= 2 else ""
    raise PresetError(
        f"{file_name}: its columns ({', '.join(header)[:300]}) fit no shape of preset {preset.name!r} "
        f"for {wanted}; {reason}{hint}"
    )
