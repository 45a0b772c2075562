"""What a directory says of one person, taken in like a line of HR's file: the same checks, and the same two words that
are stronger. A language that learners chose stays theirs, and who was erased stays so.

An optional value that cannot be read is left out instead of refused: a leaver whose telephone number is odd must still
be able to leave. What a directory does not mention stays as it is (RFC 7644, section 3.5.1, leaves that open), because
HR's files say things about the same people. A password is never looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from scim2_models import (
    EnterpriseUser,
    ForbiddenException,
    InvalidValueException,
    Mutability,
    MutabilityException,
    NotFoundException,
    UniquenessException,
)
from sqlalchemy import Connection, delete, insert, select, update

from pushpull.db import insert_new
from pushpull.importers import fields
from pushpull.importers.daily import account, run_of_day
from pushpull.importers.people import PeopleWriter
from pushpull.importers.refusals import Refusal, Refused
from pushpull.importers.scim.users import COST_CENTER, REMOVED, USER_NAME, Person, external_id_of, goes_by, list_users
from pushpull.importers.scim.users import read_user as _read
from pushpull.learners.consent import UnknownLearner, lock_learner
from pushpull.learners.tables import learner, learner_identity, learner_tag
from pushpull.ledger.erased import erased_columns

_LONGEST_NAME = 255
_OPTIONAL: Mapping[str, Callable[[Any], Any]] = {
    "given_name": fields.text(400),
    "family_name": fields.text(400),
    "display_name": fields.text(400),
    "title": fields.text(400),
    "department": fields.text(400),
    "phone": fields.phone,
    "preferred_language": fields.language,
    "timezone": fields.zone,
    "manager_external_id": fields.text(255),
}


@dataclass(frozen=True)
class Directory:
    """A directory at work.

    Args:
        source: its name.
        peppers: under which erased people are known, see :func:`pushpull.ledger.erased.peppers_of`.
        at: now, aware.
    """

    connection: Connection
    source: str
    peppers: Sequence[bytes]
    at: datetime

    def create(self, sent: Person) -> Person:
        """Take in somebody new, or somebody who was removed and comes back.

        Raises:
            SCIMException: there is such a user, their address is somebody else's, they were erased, or a value is none.
        """
        name = _short(sent.user_name, "userName")
        key = _short(sent.external_id, "externalId") if sent.external_id else name
        self._refuse_erased({"external_id": key, "email": name})
        found, _ = list_users(self.connection, goes_by(name) | (learner.c.external_id == key), start=1, count=0)
        if found:
            raise UniquenessException(detail="there is a user of this userName or externalId")
        said = {"active": True, **self._said(sent)}
        there = self.connection.scalar(select(learner.c.id).where(learner.c.external_id == key))
        if there is not None:
            self._forget(there, REMOVED)
        self._write(key, {column: value for column, value in said.items() if value is not None})
        learner_id = int(self.connection.scalars(select(learner.c.id).where(learner.c.external_id == key)).one())
        self._call(learner_id, name)
        self._charge(learner_id, sent)
        return self._read(learner_id)

    def change(self, user_id: str, changed: Callable[[Person], Person]) -> Person:
        """Take in what changed of somebody.

        Args:
            changed: makes of the user who is there the one to be; called while nobody else changes them.

        Raises:
            SCIMException: there is no such user, or what they would become cannot be taken in.
        """
        before = self.lock(user_id)
        after = changed(before.model_copy(deep=True))
        if after.external_id is not None and after.external_id != before.external_id:
            raise MutabilityException(detail="externalId is who they are here: it never changes")
        learner_id = int(user_id)
        name = _short(after.user_name, "userName")
        if name.casefold() != str(before.user_name).casefold():
            self._refuse_erased({"email": name})
            if list_users(self.connection, goes_by(name) & (learner.c.id != learner_id), start=1, count=0)[0]:
                raise UniquenessException(detail="there is a user of this userName")
            self._forget(learner_id, USER_NAME)
            self._call(learner_id, name)
        was, said = self._said(before), self._said(after)
        new = {column: value for column, value in said.items() if value != was[column]}
        if new.get("active", True) is None:
            new.pop("active")
        if new:
            self._write(str(before.external_id), new)
        if _center(before) != _center(after):
            self._charge(learner_id, after)
        return self._read(learner_id)

    def remove(self, user_id: str, check: Callable[[Person], None]) -> None:
        """Let somebody leave: they get no message any more, and directories do not see them.

        Args:
            check: raises where they are not the one who is meant.

        Raises:
            SCIMException: there is no such user.
        """
        user = self.lock(user_id)
        check(user)
        learner_id = int(user_id)
        if user.active:
            self._write(str(user.external_id), {"active": False})
        self._forget(learner_id, USER_NAME)
        self.connection.execute(insert(learner_identity).values(kind=REMOVED, value=user_id, learner_id=learner_id))

    def lock(self, user_id: str) -> Person:
        """The user, who stays as they are until the transaction ends.

        Raises:
            NotFoundException: there is no such user.
        """
        found = _read(self.connection, user_id)
        if found is not None:
            try:
                lock_learner(self.connection, int(user_id))
            except UnknownLearner:
                found = None
            else:
                found = _read(self.connection, user_id)
        if found is None:
            raise NotFoundException(detail="there is no such user")
        return found

    def _read(self, learner_id: int) -> Person:
        user = _read(self.connection, str(learner_id))
        assert user is not None
        return user

    def _refuse_erased(self, addresses: Mapping[str, object]) -> None:
        if erased_columns(self.connection, [addresses], self.peppers) != [None]:
            raise ForbiddenException(detail="this person was erased and stays so, until they are readmitted here")

    def _said(self, user: Person) -> dict[str, Any]:
        """What a user says about the columns of a learner; None: nothing, or nothing that can be read."""
        company = user[EnterpriseUser] or EnterpriseUser()
        boss = company.manager.value if company.manager is not None else None
        raw = {
            "given_name": user.name.given_name if user.name else None,
            "family_name": user.name.family_name if user.name else None,
            "display_name": user.display_name,
            "title": user.title,
            "department": company.department,
            "phone": _best(user.phone_numbers, "mobile"),
            "preferred_language": user.preferred_language,
            "timezone": user.timezone,
            "manager_external_id": (external_id_of(self.connection, boss) or boss) if boss else None,
        }
        said: dict[str, Any] = {name: _read_or_none(_OPTIONAL[name], value) for name, value in raw.items()}
        address = _best(user.emails, "work")
        try:
            said["email"] = fields.email(address) if address else None
        except Refused:
            raise InvalidValueException(detail="the address in emails is no e-mail address") from None
        return {**said, "active": user.active}

    def _write(self, key: str, said: Mapping[str, Any]) -> None:
        """Merge one person, accounted for in the source's run of the day."""
        run = run_of_day(self.connection, "people", self.source, now=self.at)
        run.report.rows_in = 1
        row = {"external_id": key, **said}
        writer = PeopleWriter(run, list(row), confirmed=True, peppers=self.peppers)
        writer.write([(1, row)])
        writer.finish()
        if Refusal.ERASED.value in run.report.reasons:
            raise ForbiddenException(detail="this person was erased and stays so, until they are readmitted here")
        if run.report.rejected:
            raise UniquenessException(detail="the address in emails is somebody else's")
        account(run)

    def _call(self, learner_id: int, name: str) -> None:
        row = {"kind": USER_NAME, "value": name.casefold(), "learner_id": learner_id}
        if not insert_new(self.connection, learner_identity, [row]):  # somebody else was faster
            raise UniquenessException(detail="there is a user of this userName")

    def _forget(self, learner_id: int, kind: str) -> None:
        self.connection.execute(
            delete(learner_identity).where(learner_identity.c.learner_id == learner_id, learner_identity.c.kind == kind)
        )

    def _charge(self, learner_id: int, user: Person) -> None:
        """Keep the cost centre."""
        center = _center(user)
        mine = learner_tag.c.learner_id == learner_id
        self.connection.execute(delete(learner_tag).where(mine, learner_tag.c.tag.startswith(COST_CENTER)))
        if center and len(COST_CENTER + center) <= 100:
            insert_new(self.connection, learner_tag, [{"learner_id": learner_id, "tag": COST_CENTER + center}])
        self.connection.execute(update(learner).where(learner.c.id == learner_id).values(updated_at=self.at))


def overlaid(before: Person, sent: Person) -> Person:
    """The user who is there with what a directory sent laid over it.

    Raises:
        MutabilityException: what never changes would change.
    """
    given = {name for name in sent.model_fields_set if name not in {"id", "meta", "schemas", EnterpriseUser.__name__}}
    writable = [name for name in given if Person.get_field_annotation(name, Mutability) is not Mutability.read_only]
    after = before.model_copy(update={name: getattr(sent, name) for name in writable})
    company = sent[EnterpriseUser] if EnterpriseUser.__name__ in sent.model_fields_set else None
    if company is not None:
        known = before[EnterpriseUser] or EnterpriseUser()
        said = {name: getattr(company, name) for name in company.model_fields_set - {"schemas"}}
        after[EnterpriseUser] = known.model_copy(update=said)
    return after


def _best(entries: Sequence[Any] | None, kind: str) -> str | None:
    """The entry of a multi-valued attribute that counts: of the kind that is wanted, else the primary one, else the
    first."""
    ranked = sorted(entries or (), key=lambda each: (str(each.type).lower() != kind, not each.primary))
    return next((str(each.value) for each in ranked if each.value), None)


def _center(user: Person) -> str | None:
    company = user[EnterpriseUser]
    return company.cost_center or None if company is not None else None


def _read_or_none(read: Callable[[Any], Any], value: Any) -> Any:
    if value is None or not str(value).strip() or "\0" in str(value):
        return None
    try:
        return read(str(value).strip())
    except Refused:
        return None


def _short(value: str | None, name: str) -> str:
    if not value or not value.strip() or len(value) > _LONGEST_NAME or "\0" in value:
        raise InvalidValueException(detail=f"{name} has 1 to {_LONGEST_NAME} characters")
    return value.strip()
