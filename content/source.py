"""How files in `content` are read: YAML with its line numbers, into pydantic models, with every problem named.

What the files mean is said by the models; nothing here knows campaigns, brands or messages.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent

from pushpull.learners.segments import SegmentError

#: Larger files are refused unread: no author writes them, an attacker might.
MAX_BYTES = 256 * 1024
#: More brackets than this are an attack on the parser, whose time grows with their nesting squared.
_MAX_BRACKETS = 2000

Place = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)


class ContentModel(BaseModel):
    """What a file may say: fields that are not named are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a file, and where.

    Args:
        file: as the caller named it.
        line: counted from 1; 1 when the problem is of the file as a whole.
        field: dotted path, e.g. ``stages.launch.waves[0].touch``; empty for the whole file.
        message: what is wrong and what to write instead.
    """

    file: Path
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        field = f"{self.field}: " if self.field else ""
        return f"{self.file}:{self.line}: {field}{self.message}"


class ContentError(Exception):
    """A content file cannot be used; lists all of its problems, one per line as ``file:line: field: message``."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(frozen=True, slots=True)
class Source:
    """A YAML file as plain data, with the line of every key and list entry.

    Args:
        path: as the caller named it.
        data: dicts, lists and scalars.
        lines: line number (from 1) by place.
    """

    path: Path
    data: Any
    lines: Mapping[Place, int]

    def line_of(self, place: Sequence[str | int]) -> int:
        """The line of a place, or of the nearest thing around it."""
        for size in range(len(place), 0, -1):
            line = self.lines.get(tuple(place[:size]))
            if line is not None:
                return line
        return 1

    def problem(self, place: Sequence[str | int], message: str) -> Problem:
        """A problem at a place of this file."""
        return Problem(self.path, self.line_of(place), dotted(place), message)


def dotted(place: Sequence[str | int]) -> str:
    """``("waves", 0, "touch")`` as ``waves[0].touch``."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def read_yaml(path: Path) -> Source:
    """Read one YAML file.

    Raises:
        ContentError: the file is missing, too large, not UTF-8, not YAML, or uses anchors.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ContentError([Problem(path, 1, "", f"cannot be read: {error.strerror or error}")]) from error
    if len(raw) > MAX_BYTES:
        raise ContentError([Problem(path, 1, "", f"is {len(raw):,} bytes; at most {MAX_BYTES:,} are allowed")])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ContentError([Problem(path, line, "", "is not UTF-8; save the file as UTF-8")]) from error
    try:
        return Source(path, *_loaded(text))
    except _NotUsableError as error:
        raise ContentError([Problem(path, error.line, "", error.what)]) from error


class _NotUsableError(Exception):
    """A text is no YAML, or not the part of YAML that content is written in."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line = line
        self.what = what


@lru_cache(maxsize=256)
def _loaded(text: str) -> tuple[Any, Mapping[Place, int]]:
    """Data and lines of a YAML text. Kept, because the same files are asked for again and again; nobody changes it."""
    if text.count("[") + text.count("{") > _MAX_BRACKETS:
        raise _NotUsableError(1, f"is not valid YAML: more than {_MAX_BRACKETS} brackets")
    try:
        for event in YAML(typ="rt", pure=True).parse(text) if "*" in text else ():
            if isinstance(event, AliasEvent):
                line = event.start_mark.line + 1
                raise _NotUsableError(line, "anchors and aliases are not allowed; write it out")
        loaded = YAML(typ="rt", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = (error.problem or "is not YAML").strip().splitlines()[0]
        raise _NotUsableError(mark.line + 1 if mark else 1, f"is not valid YAML: {what}") from error
    except (YAMLError, ValueError, RecursionError) as error:
        what = (str(error) or type(error).__name__).splitlines()[0]
        raise _NotUsableError(1, f"is not valid YAML: {what}") from error
    lines: dict[Place, int] = {}
    return _plain(loaded, (), lines), lines


def parse(source: Source, model: type[Model]) -> Model:
    """The file's data as a model.

    Raises:
        ContentError: with every problem pydantic found, each at its line.
    """
    if not isinstance(source.data, dict):
        raise ContentError([source.problem((), "must be a mapping of fields")])
    try:
        return model.model_validate(source.data)
    except ValidationError as error:
        raise ContentError(list(_problems(source, model, error))) from error


def _plain(value: Any, place: Place, lines: dict[Place, int]) -> Any:
    """Plain Python data of a round-trip document; fills ``lines`` on the way."""
    if isinstance(value, CommentedMap):
        result: dict[Any, Any] = {}
        for key, entry in value.items():
            name = key if isinstance(key, (str, int)) and not isinstance(key, bool) else str(key)
            inner = (*place, name)
            _note(lines, inner, value.lc.data, key)
            result[name] = _plain(entry, inner, lines)
        return result
    if isinstance(value, CommentedSeq):
        items = []
        for index, entry in enumerate(value):
            _note(lines, (*place, index), value.lc.data, index)
            items.append(_plain(entry, (*place, index), lines))
        return items
    if value is None or isinstance(value, (bool, date, time)):
        return datetime.fromisoformat(value.isoformat()) if isinstance(value, datetime) else value
    for kind in (int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return str(value)


def _note(lines: dict[Place, int], place: Place, positions: Mapping[Any, Any] | None, key: Any) -> None:
    """Note the line of a place, where the reader kept one: for tagged values it does not."""
    if positions and key in positions:
        lines[place] = positions[key][0] + 1


def _problems(source: Source, model: type[BaseModel], error: ValidationError) -> Iterator[Problem]:
    seen = set()
    for entry in error.errors(include_url=False, include_input=False):
        place = _place_in(source.data, entry["loc"])
        cause = entry.get("ctx", {}).get("error")
        if isinstance(cause, SegmentError):
            place, message = (*place, *cause.path), cause.message
        elif entry["type"] == "extra_forbidden":
            message = _unknown_key(model, place)
        elif entry["type"] == "missing":
            message = "is missing"
        else:
            message = entry["msg"].removeprefix("Value error, ")
            message = message[:1].lower() + message[1:] if message.startswith("Input ") else message
        problem = source.problem(place, message)
        if problem not in seen:
            seen.add(problem)
            yield problem


def _place_in(data: Any, loc: tuple[int | str, ...]) -> Place:
    """pydantic's location without the names of union members, which are in no file."""
    place: list[int | str] = []
    here = data
    for position, part in enumerate(loc):
        if isinstance(here, dict):
            if part in here:
                here = here[part]
            elif position < len(loc) - 1:
                continue
            else:
                here = None
            place.append(part)
        elif isinstance(here, list) and isinstance(part, int) and part < len(here):
            here = here[part]
            place.append(part)
    return tuple(place)


def _unknown_key(model: type[BaseModel], place: Place) -> str:
    known: set[str] = set()
    for owner in _models_at(model, place[:-1]):
        known |= {field.alias or name for name, field in owner.model_fields.items()}
    near = get_close_matches(str(place[-1]), sorted(known), n=1)
    if near:
        return f"unknown field; did you mean '{near[0]}'?"
    return f"unknown field; known are {', '.join(sorted(known))}" if known else "unknown field"


def _models_at(annotation: Any, place: Place) -> Iterator[type[BaseModel]]:
    """The models that may stand at a place, found by walking type annotations."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _models_at(get_args(annotation)[0], place)
    elif origin in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from _models_at(member, place)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if not place:
            yield annotation
            return
        for name, field in annotation.model_fields.items():
            if (field.alias or name) == place[0]:
                yield from _models_at(field.annotation, place[1:])
    elif origin is not None and place:
        arguments = [argument for argument in get_args(annotation) if argument is not Ellipsis]
        if arguments:
            yield from _models_at(arguments[-1], place[1:])
