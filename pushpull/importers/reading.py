"""Reading CSV files row by row: encodings, delimiters, gzip, and files that are broken in the usual ways.

A cell is text and stays text: ``=1+1`` is four characters here. What cells mean is in ``mapping``.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from pushpull.importers.refusals import Refusal, Refused

_SAMPLE = 262_144
_DELIMITERS = ",;\t|"


class SourceError(ValueError):
    """A file that cannot be imported as a whole; nothing of it was taken in."""


@dataclass(frozen=True)
class Limits:
    """What is read at most, so that a hostile or mistaken file cannot fill the machine.

    Args:
        file_bytes: bytes of text after unpacking.
        rows: rows of one file.
        cell_characters: characters of one cell; a longer one makes its row unreadable.
    """

    file_bytes: int = 4 * 2**30
    rows: int = 20_000_000
    cell_characters: int = 131_072


#: A row's number as a person counts in the file (the header is row 1), and its cells, or why there are none.
NumberedRow = tuple[int, Sequence[str] | Refused]


@dataclass(frozen=True)
class Rows:
    """A table being read.

    Args:
        name: the file's name, for messages.
        header: the column names.
        rows: the numbered rows; may be read once only.
        total: about how many rows there are, for a progress bar; None is unknown.
    """

    name: str
    header: tuple[str, ...]
    rows: Iterable[NumberedRow]
    total: int | None = None


def read_csv(
    path: Path,
    *,
    encoding: str | None = None,
    delimiter: str | None = None,
    limits: Limits | None = None,
    may_repeat: bool = False,
) -> Rows:
    """The rows of a CSV file, gzipped or not. Rows are read as they are asked for; memory does not grow with the file.

    Rows without any value in them (blank lines, ``,,,``) are passed over and not counted.

    Args:
        path: the file.
        encoding: declared encoding; otherwise a byte order mark, UTF-16 by its zero bytes, UTF-8, then Windows-1252.
        delimiter: declared delimiter; otherwise the most frequent one of the header.
        limits: size caps.
        may_repeat: columns may have equal names; whoever reads them then checks with :func:`refuse_repeated`.

    Raises:
        SourceError: there is no such file, it is empty, larger than the limits, cut in the middle of a gzip stream, or
            its header repeats a column.
    """
    limits = limits or Limits()
    sample, total = _survey(path, limits)
    if not sample.strip(b"\x00 \t\r\n\xef\xbb\xbf\xff\xfe"):
        raise SourceError(f"{path.name} is empty: there is not even a header row")
    rows = _rows(path, encoding=encoding or detect_encoding(sample), delimiter=delimiter, limits=limits)
    _, first = next(rows, (1, Refused(Refusal.UNREADABLE_ROW)))
    if isinstance(first, Refused):
        raise SourceError(f"{path.name}: the header row cannot be read ({first})")
    header = tuple(name.strip() for name in first)
    if not may_repeat:
        refuse_repeated(path.name, header)
    return Rows(path.name, header, _of_width(rows, len(header)), total)


def refuse_repeated(name: str, header: Sequence[str]) -> None:
    """Refuse a header that names a column twice: nobody could tell which of them is meant.

    Raises:
        SourceError: it does.
    """
    counts = Counter(column.casefold() for column in header if column)
    if repeated := sorted(column for column, times in counts.items() if times > 1):
        raise SourceError(f"{name}: the header names a column twice: {', '.join(repeated)[:200]}")


def detect_encoding(sample: bytes) -> str:
    """The encoding of a text by its first bytes: byte order mark, zero bytes of UTF-16, UTF-8, else Windows-1252."""
    if sample.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    start = sample[:1000]
    if len(start) >= 4 and start[1::2].count(0) > len(start) * 0.3:
        return "utf-16-le"
    if len(start) >= 4 and start[0::2].count(0) > len(start) * 0.3:
        return "utf-16-be"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def detect_delimiter(header: str) -> str:
    """The most frequent of ``, ; tab |`` outside quotes in a header; a comma when there is none."""
    outside = re.sub(r'"[^"]*"', "", header)
    return max(_DELIMITERS, key=outside.count)


def open_bytes(path: Path) -> IO[bytes]:
    """The file's bytes, unpacked when it is gzip by its first bytes, whatever its name."""
    with path.open("rb") as probe:
        packed = probe.read(2) == b"\x1f\x8b"
    return cast("IO[bytes]", gzip.open(path, "rb")) if packed else path.open("rb")


def _survey(path: Path, limits: Limits) -> tuple[bytes, int]:
    """The beginning of the file and its number of lines, having checked that it can be read to its end."""
    try:
        with open_bytes(path) as stream:
            sample = stream.read(_SAMPLE)
            size, lines, chunk = len(sample), sample.count(b"\n"), sample
            while chunk:
                chunk = stream.read(1 << 20)
                size += len(chunk)
                lines += chunk.count(b"\n")
                if size > limits.file_bytes:
                    raise SourceError(f"{path.name} is larger than {limits.file_bytes:,} bytes of text: split it")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SourceError(f"{path.name} is damaged or was cut ({error}): get the file again") from error
    except FileNotFoundError as error:
        raise SourceError(f"there is no file {path}") from error
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}") from error
    return sample, max(0, lines - 1)


class _Lines:
    """Lines of a text, remembering whether one since the last look held what no text may hold."""

    def __init__(self, stream: Iterable[str]) -> None:
        self._stream = stream
        self.damage: Refusal | None = None

    def __iter__(self) -> Iterator[str]:
        for line in self._stream:
            if "\0" in line:
                self.damage = Refusal.NUL_BYTE
            elif not line.isascii() and "\ufffd" in line:
                self.damage = Refusal.UNDECODABLE_TEXT
            yield line


def _rows(path: Path, *, encoding: str, delimiter: str | None, limits: Limits) -> Iterator[NumberedRow]:
    with open_bytes(path) as raw:
        try:
            stream = io.TextIOWrapper(raw, encoding=encoding, errors="replace", newline="")
        except LookupError as error:
            raise SourceError(f"{encoding!r} is not an encoding; try utf-8, utf-16 or cp1252") from error
        if delimiter is None:
            delimiter = detect_delimiter(stream.readline(_SAMPLE))
            stream.detach()
            raw.seek(0)
            stream = io.TextIOWrapper(raw, encoding=encoding, errors="replace", newline="")
        lines = _Lines(stream)
        # The limit belongs to the interpreter, not to the reader, so it is set on every row that is read here.
        csv.field_size_limit(limits.cell_characters)
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        number = 0
        while True:
            try:
                cells: list[str] | Refused = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                cells = Refused(Refusal.UNREADABLE_ROW, "cell too large" if "limit" in str(error) else "quoting")
            number += 1
            if number > limits.rows + 1:
                raise SourceError(f"{path.name} has more than {limits.rows:,} rows: split it")
            if lines.damage is not None:
                cells, lines.damage = Refused(lines.damage), None
            if isinstance(cells, Refused) or any(cells):
                yield number, cells


def _of_width(rows: Iterator[NumberedRow], width: int) -> Iterator[NumberedRow]:
    for number, cells in rows:
        if isinstance(cells, Refused) or len(cells) == width:
            yield number, cells
        elif not any(cell.strip() for cell in cells):
            continue
        elif len(cells) > width and not any(cells[width:]):
            yield number, cells[:width]
        else:
            detail = f"{len(cells)} of {width}"
            yield number, Refused(Refusal.WRONG_CELL_COUNT, detail)
