"""Statements in files: a list, one statement, one per line (NDJSON), an LRS answer, or a multipart message; gzipped or
not. What a statement must be is in ``statements``.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import orjson

from pushpull.importers.reading import SourceError, open_bytes
from pushpull.importers.refusals import Refusal, Refused
from pushpull.importers.xapi.multipart import looks_like_multipart, statements_in

#: The largest single document or statement that is read, in bytes. A list and NDJSON may be longer: they are streamed.
LARGEST_DOCUMENT = 64 * 2**20
_CHUNK = 1 << 20
_BETWEEN = re.compile(r"[\s,]*")

#: A statement's position in the file, from 1, and its JSON, or why there is none.
NumberedStatement = tuple[int, Any]


def read_statements(path: Path) -> Iterator[NumberedStatement]:
    """The statements of a file, in its order. Lists and NDJSON are streamed: memory does not grow with the file.

    Raises:
        SourceError: the file is missing, empty, cut, or no JSON.
    """
    try:
        with open_bytes(path) as stream:
            yield from enumerate(_read(stream, path), start=1)
    except FileNotFoundError as error:
        raise SourceError(f"there is no file {path}") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SourceError(f"{path.name} is damaged or was cut ({error}): get the file again") from error
    except UnicodeDecodeError as error:
        raise SourceError(f"{path.name} is not UTF-8 text") from error
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}") from error


def _read(stream: IO[bytes], path: Path) -> Iterator[Any]:
    beginning = stream.read(_CHUNK)
    stream.seek(0)
    start = beginning.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start:
        raise SourceError(f"{path.name} is empty")
    if looks_like_multipart(start):
        yield from _unwrapped(statements_in(_whole(stream, path), name=path.name))
    elif start.startswith(b"["):
        yield from _elements(io.TextIOWrapper(stream, encoding="utf-8-sig"), path)
    elif path.name.removesuffix(".gz").endswith((".ndjson", ".jsonl")) or _is_one_per_line(start):
        yield from _lines(stream)
    elif start.startswith(b"{"):
        try:
            yield from _unwrapped(orjson.loads(_whole(stream, path).removeprefix(b"\xef\xbb\xbf")))
        except orjson.JSONDecodeError as error:
            raise SourceError(f"{path.name} is no JSON, or was cut: {error}") from error
    else:
        raise SourceError(f"{path.name} holds no statements: it is neither JSON nor a multipart message")


def _whole(stream: IO[bytes], path: Path) -> bytes:
    content = stream.read(LARGEST_DOCUMENT + 1)
    if len(content) > LARGEST_DOCUMENT:
        raise SourceError(f"{path.name} is one document over {LARGEST_DOCUMENT >> 20} MB: make it a list or NDJSON")
    return content


def _is_one_per_line(start: bytes) -> bool:
    first, _, rest = start.partition(b"\n")
    if not rest.strip():
        return False
    try:
        return isinstance(orjson.loads(first), dict)
    except orjson.JSONDecodeError:
        return False


def _unwrapped(document: Any) -> Iterable[Any]:
    """The statements of a document: a list, an LRS answer (``{"statements": [...]}``), or one."""
    if isinstance(document, dict) and isinstance(document.get("statements"), list):
        return list(document["statements"])
    return document if isinstance(document, list) else [document]


def _lines(stream: IO[bytes]) -> Iterator[Any]:
    while line := stream.readline(LARGEST_DOCUMENT):
        if not line.strip():
            continue
        yield _parsed(line.removeprefix(b"\xef\xbb\xbf"))


def _parsed(one: bytes | str) -> Any:
    try:
        return orjson.loads(one)
    except orjson.JSONDecodeError:
        return Refused(Refusal.INVALID_JSON)


def _elements(stream: IO[str], path: Path) -> Iterator[Any]:
    """The elements of a JSON list, one by one: the decoder only finds where each ends."""
    decoder = json.JSONDecoder(parse_constant=_refuse_constant)
    buffer = stream.read(_CHUNK).lstrip()[1:]
    ended = False
    while True:
        buffer = buffer[_BETWEEN.match(buffer).end() :]  # type: ignore[union-attr]  # matches the empty text too
        if buffer.startswith("]"):
            return
        try:
            _, end = decoder.raw_decode(buffer)
        except (ValueError, RecursionError) as error:
            more = "" if ended else stream.read(_CHUNK)
            if not more or len(buffer) > LARGEST_DOCUMENT:
                raise SourceError(f"{path.name} is not a whole JSON list: it is cut or broken") from error
            buffer += more
            continue
        yield _parsed(buffer[:end])
        buffer = buffer[end:]
        if not buffer:
            buffer = stream.read(_CHUNK)
            ended = not buffer


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")
