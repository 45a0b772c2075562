"""What the records of a web hook mean: the maps that ship, and how a JSON object becomes the row of a table."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from pushpull.importers.fields import Target
from pushpull.importers.mapping import RowMapper
from pushpull.importers.presets import Preset, PresetError, read_preset, shape_of
from pushpull.importers.refusals import Refusal, Refused
from pushpull.importers.shapes import Shape

_FOLDER = Path(__file__).resolve().parent
#: Wider objects are no record of what somebody did.
_MOST_COLUMNS = 500


def map_names() -> list[str]:
    """The maps that ship."""
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def load_map(name: str) -> Preset:
    """The map that ships under a name, or the one in a YAML file of somebody's own.

    Raises:
        PresetError: there is none, it is not valid, or it needs parameters, which nobody can give here.
    """
    if name.endswith((".yaml", ".yml")):
        return _checked(read_preset(Path(name)))
    if name not in map_names():
        raise PresetError(f"there is no map {name!r}; there are: {', '.join(map_names())}, or a YAML file of your own")
    return _shipped(name)


@lru_cache(maxsize=8)
def _shipped(name: str) -> Preset:
    return _checked(read_preset(_FOLDER / f"{name}.yaml"))


def _checked(preset: Preset) -> Preset:
    if lacking := [name for name, param in preset.params.items() if param.default is None]:
        raise PresetError(f"map {preset.name!r}: give a default to {', '.join(lacking)}: nobody is there to state it")
    return preset


def flat(record: Mapping[str, Any]) -> dict[str, str]:
    """A JSON object as a row: each value under its place in the object, ``a.b.0``. What is null is not there.

    Raises:
        Refused: it is too wide.
    """
    row: dict[str, str] = {}
    level: list[tuple[str, Any]] = list(record.items())
    while level:
        name, value = level.pop()
        if isinstance(value, dict):
            level += [(f"{name}.{key}", each) for key, each in value.items()]
        elif isinstance(value, list):
            level += [(f"{name}.{at}", each) for at, each in enumerate(value)]
        elif isinstance(value, bool):
            row[name] = str(value).lower()
        elif value is not None:
            row[name] = str(value)
        if len(row) + len(level) > _MOST_COLUMNS:
            raise Refused(Refusal.TOO_LONG, f"over {_MOST_COLUMNS} values")
    return row


class EventMapper:
    """Maps the records of one request: rows of which each may have columns of its own."""

    def __init__(self, preset: Preset) -> None:
        self._preset = preset
        self._known: dict[tuple[str, ...], list[tuple[Shape, RowMapper]]] = {}

    def map(self, record: Any) -> tuple[Shape, tuple[str, ...], dict[str, Any]]:
        """The shape of a record, the fields that it fills, and their values.

        Raises:
            Refused: it is no record that the map knows, or a value is not acceptable.
        """
        if not isinstance(record, dict):
            raise Refused(Refusal.UNREADABLE_ROW, "not an object")
        row = flat(record)
        header = tuple(sorted(row))
        cells = [row[name] for name in header]
        if header not in self._known:
            self._known[header] = list(self._fitting(header))
        for shape, mapper in self._known[header]:
            if mapper.lets_in(cells):
                return shape, mapper.names, mapper.map(cells)
        raise Refused(Refusal.UNKNOWN_EVENT)

    def _fitting(self, header: tuple[str, ...]) -> list[tuple[Shape, RowMapper]]:
        """The shapes that a record with these columns may have, in the order of the map."""
        fitting = []
        params = self._preset.parameters({})
        for shape in self._preset.shapes:
            alone = self._preset.model_copy(update={"shapes": (shape,)})
            try:
                shape_of(alone, header, (Target.ACTIVITY, Target.PROGRESS), file_name="a record")
                fitting.append((shape, RowMapper(self._preset, shape, header, params)))
            except PresetError:
                continue
        return fitting
