"""Rows that say several things at once, as several records: what follows sees one record per row.

Every record keeps the number of the row it came from, so that what is refused of it can be found in the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pushpull.importers.reading import NumberedRow, Rows, SourceError
from pushpull.importers.refusals import Refused
from pushpull.importers.shapes import Each, Pairs, Shape


def records_of(rows: Rows, shape: Shape) -> Rows:
    """The rows, with each that says several things taken apart as the shape states.

    Raises:
        SourceError: the columns that should come in pairs do not.
    """
    if shape.pairs is not None:
        rows = _by_pair(rows, shape.pairs)
    if shape.each is not None:
        rows = _by_column(rows, shape.each)
    return rows


def _by_pair(rows: Rows, pairs: Pairs) -> Rows:
    fixed = {name.casefold() for name in pairs.beside}
    first = next((at for at, name in enumerate(rows.header) if name.casefold() not in fixed), len(rows.header))
    if (len(rows.header) - first) % 2 or first == len(rows.header):
        raise SourceError(
            f"{rows.name}: after {', '.join(name or '(no name)' for name in rows.header[:first]) or 'nothing'} columns "
            f"must come in pairs, and there are {len(rows.header) - first}"
        )
    headings = [(at, rows.header[at]) for at in range(first, len(rows.header), 2)]

    def taken_apart() -> Iterator[NumberedRow]:
        for number, cells in rows.rows:
            if isinstance(cells, Refused):
                yield number, cells
                continue
            beside = list(cells[:first])
            for at, heading in headings:
                yield number, [*beside, heading, *cells[at : at + 2]]

    header = (*rows.header[:first], pairs.heading, *pairs.names)
    return replace(rows, header=header, rows=taken_apart(), total=_times(rows.total, len(headings)))


def _by_column(rows: Rows, each: Each) -> Rows:
    places = {name.casefold(): at for at, name in enumerate(rows.header)}
    wanted = [at for name in each.columns if (at := places.get(name.casefold())) is not None]

    def taken_apart() -> Iterator[NumberedRow]:
        for number, cells in rows.rows:
            if isinstance(cells, Refused):
                yield number, cells
                continue
            for value in _different(cells, wanted):
                yield number, [*cells, value]

    return replace(rows, header=(*rows.header, each.name), rows=taken_apart(), total=_times(rows.total, len(wanted)))


def _different(cells: Sequence[str], wanted: Sequence[int]) -> list[str]:
    """The filled cells, each value once; one empty cell when none is filled, so that the row is refused, not lost."""
    found = list(dict.fromkeys(cell for at in wanted if (cell := cells[at].strip())))
    return found or [""]


def _times(total: int | None, factor: int) -> int | None:
    return None if total is None else total * factor
