"""Everything that is kept of one person, to read and to take along."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Connection, select

from pushpull.learners.consent import UnknownLearner
from pushpull.personal.mentions import mentions_of, person_of
from pushpull.personal.others import without_others
from pushpull.personal.places import PLACES, Shelf

#: Where what mentions a person is read.
_SHELVES = {"xapi_statement": Shelf.LEARNING, "conversation": Shelf.TECHNICAL, "callback": Shelf.TECHNICAL}

#: A row as JSON has it.
Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Kept:
    """The rows of one table.

    Args:
        table: its name.
        rows: its columns by name; as JSON has them.
    """

    shelf: Shelf
    table: str
    rows: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class PersonalData:
    """Everything that is kept of one person.

    Args:
        at: when it was read, UTC.
        kept: by table; tables without a row of theirs are left out.
    """

    at: datetime
    kept: tuple[Kept, ...]

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return sum(len(each.rows) for each in self.kept)

    def on(self, shelf: Shelf) -> tuple[Kept, ...]:
        """What is read under one heading."""
        return tuple(each for each in self.kept if each.shelf is shelf)

    def as_json(self) -> bytes:
        """The whole, one list of rows for each table."""
        whole = {"read_at": self.at.isoformat(), "tables": {each.table: list(each.rows) for each in self.kept}}
        return orjson.dumps(whole, option=orjson.OPT_INDENT_2)


def data_of(connection: Connection, learner_id: int, *, at: datetime) -> PersonalData:
    """Everything that is kept of a learner.

    Args:
        at: now, UTC.

    Raises:
        UnknownLearner: there is no such learner.
    """
    person = person_of(connection, learner_id)
    if person is None:
        raise UnknownLearner(learner_id)
    kept = []
    for place in PLACES:
        rows = connection.execute(
            select(place.table).where(place.owner == learner_id).order_by(*place.table.primary_key.columns)
        )
        kept.append(Kept(place.shelf, str(place.table.name), _records(rows.all())))
    for table, mentions in mentions_of(connection, person):
        records = _records(mentions)
        if table == "xapi_statement":
            records = tuple({**each, "body": without_others(each["body"], person.names)} for each in records)
        kept.append(Kept(_SHELVES[table], table, records))
    return PersonalData(at, tuple(each for each in kept if each.rows))


def _records(rows: Sequence[Any]) -> tuple[Record, ...]:
    return tuple({str(name): _plain(value) for name, value in row._mapping.items()} for row in rows)


def _plain(value: Any) -> Any:
    """A value as JSON can hold it."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, bytes | memoryview):
        raw = bytes(value)
        try:
            return raw.decode()
        except UnicodeDecodeError:
            return "base64:" + b64encode(raw).decode()
    return value
