"""Places that mention a person inside a text or a list, where no column says whose it is."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, Row, Text, and_, cast, delete, false, func, or_, select, update

from pushpull.catalogue.tables import item
from pushpull.importers.tables import xapi_statement
from pushpull.learners.tables import learner, learner_identity
from pushpull.ledger.tables import audit, callback, conversation, rotation, switch
from pushpull.ledger.vocabulary import CallbackState

#: Lines of the audit log whose subject is a learner's external id, or lists some.
_ABOUT_LEARNERS = ("switch set", "reply meant a stop", "reply was no stop", "wave tested")
_WAITING = (CallbackState.NEW.value, CallbackState.ORPHAN.value)


@dataclass(frozen=True, slots=True)
class Person:
    """How somebody is named: their row in ``learner``, and the identities that statements name them by.

    Args:
        row: the columns of ``learner``.
        identities: kind and value, as in ``learner_identity``.
    """

    row: Mapping[str, Any]
    identities: tuple[tuple[str, str], ...]

    @property
    def id(self) -> int:
        """The learner's id."""
        return int(self.row["id"])

    @property
    def names(self) -> frozenset[tuple[str, str]]:
        """What statements name them by: their identities, and those that follow from their address."""
        email = self.row["email"]
        mbox = f"mailto:{str(email).lower()}"
        digest = hashlib.sha1(mbox.encode()).hexdigest()  # noqa: S324  # as xAPI has it
        return frozenset({*self.identities, *((("mbox", mbox), ("mbox_sha1sum", digest)) if email else ())})

    @property
    def external_id(self) -> str:
        """The id that HR knows."""
        return str(self.row["external_id"])

    @property
    def addresses(self) -> dict[str, str]:
        """Their addresses, by the column they are in."""
        names = ("email", "phone", "teams_id", "slack_id")
        return {name: str(self.row[name]) for name in names if self.row[name]}


def person_of(connection: Connection, learner_id: int) -> Person | None:
    """How a learner is named; None when there is no such learner."""
    row = connection.execute(select(learner).where(learner.c.id == learner_id)).mappings().one_or_none()
    if row is None:
        return None
    known = select(learner_identity.c.kind, learner_identity.c.value).where(learner_identity.c.learner_id == learner_id)
    return Person(dict(row), tuple((kind, value) for kind, value in connection.execute(known)))


def learner_id_of(connection: Connection, external_id: str) -> int | None:
    """The learner of an external id; None when there is none."""
    return connection.execute(select(learner.c.id).where(learner.c.external_id == external_id)).scalar_one_or_none()


def statements_naming(connection: Connection, person: Person) -> Sequence[Row[Any]]:
    """The statements that name a person anywhere: as actor, object, instructor or member of a group."""
    return connection.execute(
        select(xapi_statement).where(_names(person)).order_by(xapi_statement.c.stored_at, xapi_statement.c.statement_id)
    ).all()


def callbacks_naming(connection: Connection, person: Person) -> Sequence[Row[Any]]:
    """What providers sent that has an address of the person in it."""
    patterns = _address_patterns(person)
    body = func.lower(callback.c.body)
    somewhere = [body.contains(text, autoescape=True) for text, _ in patterns]
    rows = connection.execute(select(callback).where(or_(false(), *somewhere)).order_by(callback.c.id))
    return [row for row in rows if any(pattern.search(row.body) for _, pattern in patterns)]


def conversations_with(person: Person) -> ColumnElement[bool]:
    """Which rows of ``conversation`` are about how to reach the person."""
    theirs = [value.lower() for name, value in person.addresses.items() if name in ("teams_id", "slack_id")]
    return func.lower(conversation.c.address).in_(theirs)


def forget_mentions(connection: Connection, person: Person, instead: str, *, at: datetime) -> dict[str, int]:
    """Take a person out of every text and list.

    A guest of a pilot is replaced and not left out: an empty list of guests would mean everybody.

    Args:
        instead: what stands in the external id's place.

    Returns:
        Changed or deleted rows, by table.
    """
    return {
        "xapi_statement": connection.execute(delete(xapi_statement).where(_names(person))).rowcount,
        "conversation": connection.execute(delete(conversation).where(conversations_with(person))).rowcount,
        "callback": _empty_callbacks(connection, person, at=at),
        "switch": _replace_in_switches(connection, person.external_id, instead),
        "rotation": _replace_in_cohorts(connection, person.external_id, instead),
        "audit": _replace_in_audit(connection, person, instead),
        "item": connection.execute(
            update(item).where(item.c.owner_external_id == person.external_id).values(owner_external_id=None)
        ).rowcount,
        "learner": connection.execute(
            update(learner).where(learner.c.manager_external_id == person.external_id).values(manager_external_id=None)
        ).rowcount,
    }


def _names(person: Person) -> ColumnElement[bool]:
    body = func.lower(cast(xapi_statement.c.body, Text))

    def has(value: str) -> ColumnElement[bool]:
        return body.contains(orjson.dumps(value.lower()).decode(), autoescape=True)

    conditions = [
        and_(*(has(part) for part in value.rpartition("|")[::2] if part)) if kind == "account" else has(value)
        for kind, value in sorted(person.names)
    ]
    return or_(false(), *conditions)


def _address_patterns(person: Person) -> list[tuple[str, re.Pattern[str]]]:
    """What to look for in small letters, and what makes it the very address and no part of a longer one."""
    found = []
    for name, value in person.addresses.items():
        text = re.sub(r"\D", "", value) if name == "phone" else value.lower()
        if text:
            around = (r"(?<!\d)", r"(?!\d)") if name == "phone" else (r"(?<![\w.+-])", r"(?![\w-]|\.\w)")
            found.append((text, re.compile(around[0] + re.escape(text) + around[1], re.IGNORECASE)))
    return found


def _empty_callbacks(connection: Connection, person: Person, *, at: datetime) -> int:
    found = callbacks_naming(connection, person)
    for row in found:
        waits = {"state": CallbackState.IGNORED.value, "folded_at": at} if row.state in _WAITING else {}
        connection.execute(update(callback).where(callback.c.id == row.id).values(body="", note="erased", **waits))
    return len(found)


def _replace_in_switches(connection: Connection, external_id: str, instead: str) -> int:
    changed = 0
    for row in connection.execute(select(switch.c.name, switch.c.value)).all():
        value = _with(row.value, external_id, instead)
        if value != row.value:
            connection.execute(update(switch).where(switch.c.name == row.name).values(value=value))
            changed += 1
    return changed


def _replace_in_cohorts(connection: Connection, external_id: str, instead: str) -> int:
    changed = 0
    for row in connection.execute(select(rotation.c.wave_id, rotation.c.rotation, rotation.c.cohort)).all():
        listed = (row.cohort or {}).get("external_ids") or []
        if external_id in listed:
            cohort = {**row.cohort, "external_ids": _with(listed, external_id, instead)}
            mine = and_(rotation.c.wave_id == row.wave_id, rotation.c.rotation == row.rotation)
            connection.execute(update(rotation).where(mine).values(cohort=cohort))
            changed += 1
    return changed


def _with(value: object, external_id: str, instead: str) -> object:
    if isinstance(value, list):
        return [instead if each == external_id else each for each in value]
    return instead if value == external_id else value


def _replace_in_audit(connection: Connection, person: Person, instead: str) -> int:
    """The log stays, and says of whom no more: external ids where a line is about learners, addresses everywhere."""
    patterns = [pattern for _, pattern in _address_patterns(person)]
    texts = [text for text, _ in _address_patterns(person)]
    own = re.compile(rf"(?<![\w-]){re.escape(person.external_id)}(?![\w-])")
    about = and_(audit.c.what.in_(_ABOUT_LEARNERS), audit.c.subject.contains(person.external_id, autoescape=True))
    somewhere = [
        func.lower(column).contains(text, autoescape=True)
        for column in (audit.c.subject, audit.c.why)
        for text in texts
    ]
    changed = 0
    for row in connection.execute(select(audit).where(or_(about, *somewhere))).all():
        subject, why = (_replaced(text, patterns, instead) for text in (row.subject, row.why))
        if row.what in _ABOUT_LEARNERS and subject is not None:
            subject = own.sub(instead, subject)
        if (subject, why) != (row.subject, row.why):
            connection.execute(update(audit).where(audit.c.id == row.id).values(subject=subject, why=why))
            changed += 1
    return changed


def _replaced(text: str | None, patterns: Sequence[re.Pattern[str]], instead: str) -> str | None:
    for pattern in patterns if text else ():
        text = pattern.sub(instead, text or "")
    return text


def mentions_of(connection: Connection, person: Person) -> Iterator[tuple[str, Sequence[Row[Any]]]]:
    """The rows that mention a person and are theirs to know, by table."""
    yield "xapi_statement", statements_naming(connection, person)
    yield "conversation", connection.execute(select(conversation).where(conversations_with(person))).all()
    yield "callback", callbacks_naming(connection, person)
