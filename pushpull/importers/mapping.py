"""From the cells of a row to the fields of a target, as one preset shape says.

Everything that can be decided once per file is decided when a :class:`RowMapper` is made: which column is where, which
parameters are in force, how each transform is set. What remains per row is look-ups.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pushpull.importers.fields import FIELDS, Target, email
from pushpull.importers.presets import Preset, PresetError, filled
from pushpull.importers.refusals import Refusal, Refused
from pushpull.importers.shapes import FieldMap, LearnerKey, Shape
from pushpull.importers.transforms import compiled, transformation

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
        self._known = preset.params
        self._where = f"preset {preset.name!r}, shape {shape.name!r}"
        self._target: Target = shape.writes
        self._by_email = shape.learner_by is LearnerKey.EMAIL
        self._only = [
            (self._index(column), wanted) for column, raw in shape.only.items() if (wanted := self._wanted(raw))
        ]
        self._skip = [(self._index(column), compiled(pattern)) for column, pattern in shape.skip.items()]
        self._getters: list[tuple[str, Callable[[Sequence[str]], Any]]] = []
        for name, field in shape.fields.items():
            getter = self._getter(name, field)
            if getter is not None:
                self._getters.append((name, getter))
        #: The fields that this file fills; the others are left alone in the database.
        self.names = tuple(name for name, _ in self._getters)

    def lets_in(self, row: Sequence[str]) -> bool:
        """Whether the preset's declared filter takes the row."""
        if self._only and not all(row[index].strip() in wanted for index, wanted in self._only):
            return False
        return not any(pattern.fullmatch(row[index].strip()) for index, pattern in self._skip)

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
        return filled(text, self._params, where=self._where, known=self._known)

    def _wanted(self, raw: str | Sequence[str]) -> frozenset[str]:
        """The values of which a column must have one; none when a parameter that names the only one is empty."""
        values = [raw] if isinstance(raw, str) else raw
        return frozenset(value for each in values if (value := self._filled(each)))

    def _index(self, column: str) -> int:
        try:
            return self._columns[column.casefold()]
        except KeyError:
            raise PresetError(f"{self._where}: the file has no column {column!r}") from None

    def _getter(self, name: str, field: FieldMap) -> Callable[[Sequence[str]], Any] | None:
        spec = FIELDS[self._target][name]
        steps = [transformation(step, self._filled) for step in field.transforms]
        check, required, default, empty = spec.check, field.required or spec.required, field.default, self._empty
        if name == "learner" and self._by_email:
            check = email
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
                if value is None:  # what was looked for is not there
                    break
            if value is None and required:
                raise Refused(Refusal.MISSING)
            value = None if value is None else check(value)
            if len(remembered) < _REMEMBERED and len(raw) <= 64:
                remembered[raw] = value
            return value

        if field.columns:
            index = next((i for c in field.columns if (i := self._columns.get(c.casefold())) is not None), None)
            if index is None:
                if required:
                    raise PresetError(
                        f"{self._where}: the file has no column {' or '.join(field.columns)!r} for {name}"
                    )
                return None
            return lambda row: convert(row[index].strip())
        if field.constant is not None:
            constant = self._filled(field.constant)
            if not constant and required:
                raise PresetError(f"{self._where}: {field.constant} is empty, and {name} is needed")
            return (lambda _row: convert(constant)) if constant else None
        return self._template(field.template or "", convert)

    def _template(self, template: str, convert: Callable[[str], Any]) -> Callable[[Sequence[str]], Any]:
        pieces = _PLACE.split(template)  # literal, name, literal, name, …
        literals = pieces[0::2]
        places: list[int | str] = [
            self._filled(f"{{{name}}}") if name in self._known or name in self._params else self._index(name)
            for name in pieces[1::2]
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
