"""From the cells of a row to the fields of a target, as one preset shape says.

Everything that can be decided once per file is decided when a :class:`RowMapper` is made: which column is where, which
parameters are in force, how each transform is set. What remains per row is look-ups.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pushpull.importers.fields import FIELDS, Target
from pushpull.importers.presets import FieldMap, Preset, PresetError, Shape, filled
from pushpull.importers.refusals import Refusal, Refused
from pushpull.importers.transforms import transformation

#: Cells repeat: what was read once is remembered, up to this many short values per field.
_REMEMBERED = 50_000
_PLACE = re.compile(r"\{([^{}]+)\}")


class RowMapper:
    """Maps the rows of one file.

    Args:
        preset: the preset.
        shape: the shape that the file has.
        header: the file's column names.
        params: the values of the preset's parameters, defaults filled in.

    Raises:
        PresetError: a parameter that is used has no value, or a template names no column.
    """

    def __init__(self, preset: Preset, shape: Shape, header: Sequence[str], params: Mapping[str, str]) -> None:
        self._columns = {name.strip().casefold(): index for index, name in enumerate(header)}
        self._empty = frozenset({"", *preset.empty})
        self._params = params
        self._where = f"preset {preset.name!r}, shape {shape.name!r}"
        self._target: Target = shape.writes
        self._only = [
            (self._index(column), wanted) for column, raw in shape.only.items() if (wanted := self._filled(raw))
        ]
        self._getters: list[tuple[str, Callable[[Sequence[str]], Any]]] = []
        for name, field in shape.fields.items():
            getter = self._getter(name, field)
            if getter is not None:
                self._getters.append((name, getter))
        #: The fields that this file fills; the others are left alone in the database.
        self.names = tuple(name for name, _ in self._getters)

    def lets_in(self, row: Sequence[str]) -> bool:
        """Whether the preset's declared filter takes the row."""
        return not self._only or all(row[index].strip() == wanted for index, wanted in self._only)

    def map(self, row: Sequence[str]) -> dict[str, Any]:
        """The fields of one row.

        Raises:
            Refused: a value is not acceptable; names the field.
        """
        values: dict[str, Any] = {}
        for name, getter in self._getters:
            try:
                values[name] = getter(row)
            except Refused as refused:
                refused.field = refused.field or name
                raise
        return values

    def _filled(self, text: str) -> str:
        return filled(text, self._params, where=self._where)

    def _index(self, column: str) -> int:
        try:
            return self._columns[column.casefold()]
        except KeyError:
            raise PresetError(f"{self._where}: the file has no column {column!r}") from None

    def _getter(self, name: str, field: FieldMap) -> Callable[[Sequence[str]], Any] | None:
        spec = FIELDS[self._target][name]
        steps = [
            transformation(t, lambda text: filled(text, self._params, where=self._where)) for t in field.transforms
        ]
        check, required, default, empty = spec.check, field.required or spec.required, field.default, self._empty
        status_map = name == "status"
        remembered: dict[str, Any] = {}

        def convert(raw: str) -> Any:
            if raw in empty:
                if default is None:
                    if required:
                        raise Refused(Refusal.MISSING)
                    return None
                raw = default
            try:
                return remembered[raw]
            except KeyError:
                value: Any = raw
            for step in steps:
                try:
                    value = step(value)
                except Refused as refused:
                    if status_map and refused.reason is Refusal.UNKNOWN_VALUE:
                        raise Refused(Refusal.UNKNOWN_STATUS) from refused
                    raise
            value = check(value)
            if len(remembered) < _REMEMBERED and len(raw) <= 64:
                remembered[raw] = value
            return value

        if field.columns:
            index = next((i for c in field.columns if (i := self._columns.get(c.casefold())) is not None), None)
            if index is None:
                return None
            return lambda row: convert(row[index].strip())
        if field.constant is not None:
            constant = self._filled(field.constant)
            return (lambda _row: convert(constant)) if constant else None
        return self._template(field.template or "", convert)

    def _template(self, template: str, convert: Callable[[str], Any]) -> Callable[[Sequence[str]], Any]:
        pieces = _PLACE.split(template)  # literal, name, literal, name, …
        literals = pieces[0::2]
        places: list[int | str] = [
            self._params[name] if name in self._params else self._index(name) for name in pieces[1::2]
        ]
        empty = self._empty

        def get(row: Sequence[str]) -> Any:
            parts = [literals[0]]
            for place, literal in zip(places, literals[1:], strict=True):
                value = place if isinstance(place, str) else row[place].strip()
                if value in empty:
                    return convert("")
                parts.append(value)
                parts.append(literal)
            return convert("".join(parts))

        return get
