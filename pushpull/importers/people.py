"""People into ``learner``, with their xAPI identities and tags.

A file of people is the word of HR: the columns it has replace what is stored, an empty cell included; the columns it
does not have are left alone. People whom it does not mention stay as they are; leaving is said by ``active``.
Two words are stronger than HR's: a language that learners chose themselves stays theirs, and who was erased stays so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, Column, ColumnElement, case, delete, func, select, tuple_

from pushpull.importers.fields import FIELDS, Target
from pushpull.importers.occurrences import Occurrences
from pushpull.importers.refusals import Refusal, Refused
from pushpull.importers.runs import ImportRun
from pushpull.importers.sides import SideSet
from pushpull.importers.staging import Columns, Merge, Stage, chunks, take_in, take_new
from pushpull.learners.consent import draw_for
from pushpull.learners.declared import chose_language, keep_what_hr_says
from pushpull.learners.lists import in_texts
from pushpull.learners.tables import learner, learner_identity, learner_tag
from pushpull.ledger.erased import erased_columns, has_any

#: More leavers than this share of the active learners must be confirmed (security: CSV in).
LEAVERS_TO_CONFIRM = 0.2

_BESIDE = ("tags", "account", "openid")  # fields that are not columns of the learner
_COLUMNS = tuple(name for name in FIELDS[Target.PEOPLE] if name not in _BESIDE)


#: An xAPI identity: its kind and its value.
Identity = tuple[str, str]
#: The identities that each row claims, by row number.
Claims = dict[int, set[Identity]]


class TooManyLeaversError(ValueError):
    """So many people would leave that the file may be wrong; nothing was changed.

    Args:
        leavers: people who would turn inactive.
        active: people who are active now.
    """

    def __init__(self, leavers: int, active: int) -> None:
        super().__init__(
            f"{leavers} of {active} active people would leave, more than {LEAVERS_TO_CONFIRM:.0%}: nothing was "
            "changed. Look at it with --dry-run; if it is right, confirm it with --confirm."
        )
        self.leavers = leavers
        self.active = active


class PeopleWriter:
    """Writes batches of people.

    Args:
        run: the import.
        names: the fields that the file fills.
        confirmed: whether a person confirmed that many leave.
        peppers: under which erased people are known, see :func:`pushpull.ledger.erased.peppers_of`.
    """

    def __init__(self, run: ImportRun, names: Sequence[str], *, confirmed: bool, peppers: Sequence[bytes]) -> None:
        self._run = run
        self._peppers = peppers if has_any(run.connection) else ()
        self._says_language = "preferred_language" in names
        self._confirmed = confirmed
        self._occurrences = Occurrences()
        connection = run.connection
        self._active = int(connection.scalar(select(func.count()).where(learner.c.active)) or 0)
        self._stage = Stage(
            connection,
            "learner",
            [Column(name, learner.c[name].type) for name in _COLUMNS] + [Column("draw", BigInteger)],
        )
        kinds = (["mbox", "mbox_sha1sum"] if "email" in names else []) + [
            name for name in ("account", "openid") if name in names
        ]
        self._identities = SideSet(
            connection,
            learner_identity,
            owner="learner_id",
            values=("kind", "value"),
            parent=learner,
            parent_key="external_id",
            managed=learner_identity.c.kind.in_(kinds),
        )
        self._tags = (
            SideSet(
                connection,
                learner_tag,
                owner="learner_id",
                values=("tag",),
                parent=learner,
                parent_key="external_id",
            )
            if "tags" in names
            else None
        )
        self._merge = Merge(
            learner,
            keys=("external_id",),
            rules={
                name: _take_unless_chosen if name == "preferred_language" else take_new
                for name in _COLUMNS
                if name in names and name != "external_id"
            },
            on_insert={"draw": self._stage.table.c.draw, "created_at": run.now},
            on_change={"updated_at": run.now},
        )

    def write(self, batch: Sequence[tuple[int, dict[str, Any]]]) -> None:
        """Merge one batch of numbered rows."""
        numbers = self._occurrences.number([values["external_id"] for _, values in batch])
        for (row_number, values), occurrence in zip(batch, numbers, strict=True):
            values["row_number"] = row_number
            values["occurrence"] = occurrence
            values["draw"] = draw_for(values["external_id"])
        rows = self._without_erased([values for _, values in batch])
        identities = self._claims(rows)
        rows = [row for row in rows if row["row_number"] in identities]
        self._stage.load(rows)
        self._identities.load(
            [
                {"row_number": number, "kind": kind, "value": value}
                for number, claimed in identities.items()
                for kind, value in sorted(claimed)
            ]
        )
        if self._tags is not None:
            self._tags.load([{"row_number": r["row_number"], "tag": t} for r in rows for t in r.get("tags") or ()])
        self._count_leavers()
        take_in(
            self._run,
            select(self._stage.table),
            self._merge,
            label="external_id",
            also_differs=[side.differs(self._stage.table) for side in self._sides()],
            beside=self._write_sides,
        )
        if self._says_language:
            said = select(self._stage.table).where(self._stage.table.c.occurrence == 1).subquery("said")
            keep_what_hr_says(self._run.connection, said, at=self._run.now)

    def _without_erased(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The rows of people who may be taken in; the others are refused."""
        if not self._peppers:
            return rows
        by = erased_columns(self._run.connection, rows, self._peppers)
        for row, column in zip(rows, by, strict=True):
            if column is not None:
                self._run.refuse(row["row_number"], Refused(Refusal.ERASED, field=column))
        self._forget_erased_managers(rows)
        return [row for row, column in zip(rows, by, strict=True) if column is None]

    def _forget_erased_managers(self, rows: list[dict[str, Any]]) -> None:
        """HR goes on naming a manager who was erased here; their people report to nobody we know."""
        named = sorted({row["manager_external_id"] for row in rows if row.get("manager_external_id")})
        by = erased_columns(self._run.connection, [{"external_id": each} for each in named], self._peppers)
        gone = {each for each, column in zip(named, by, strict=True) if column is not None}
        for row in rows:
            if row.get("manager_external_id") in gone:
                row["manager_external_id"] = None

    def _sides(self) -> list[SideSet]:
        return [self._identities] if self._tags is None else [self._identities, self._tags]

    def _write_sides(self) -> None:
        for side in self._sides():
            side.write(self._stage.table)

    def finish(self) -> None:
        """Check what can only be known at the end.

        Raises:
            TooManyLeaversError: many leave, nobody confirmed it, and this is no dry run.
        """
        self._occurrences.close()
        self._stage.close()
        for side in self._sides():
            side.close()
        report = self._run.report
        report.needs_confirmation = report.leavers > LEAVERS_TO_CONFIRM * self._active
        if report.needs_confirmation and not self._confirmed and not report.dry_run:
            raise TooManyLeaversError(report.leavers, self._active)

    def _count_leavers(self) -> None:
        staged = self._stage.table
        if "active" in self._merge.rules:
            self._run.report.leavers += int(
                self._run.connection.scalar(
                    select(func.count())
                    .select_from(staged.join(learner, learner.c.external_id == staged.c.external_id))
                    .where(staged.c.occurrence == 1, learner.c.active, staged.c.active.is_(False))
                )
                or 0
            )

    def _claims(self, rows: Sequence[Mapping[str, Any]]) -> Claims:
        """The identities each row claims, by row number; rows that claim somebody else's are refused.

        An address that belonged to somebody who left may be given to a colleague: leavers keep an identity only as long
        as nobody active claims it.
        """
        by_number = {row["row_number"]: row for row in rows}
        claims = {row["row_number"]: _identities_of(row) for row in rows}
        taken = self._settle_in_batch(by_number, claims)
        self._settle_with_stored(by_number, claims, taken)
        return claims

    def _settle_in_batch(self, by_number: Mapping[int, Mapping[str, Any]], claims: Claims) -> dict[Identity, int]:
        taken: dict[Identity, int] = {}
        for number, claimed in list(claims.items()):
            row = by_number[number]
            for identity in sorted(claimed):
                holder = taken.setdefault(identity, number)
                if by_number[holder]["external_id"] == row["external_id"]:
                    continue
                if row.get("active") is False:
                    claimed.discard(identity)
                elif by_number[holder].get("active") is False:
                    claims[holder].discard(identity)
                    taken[identity] = number
                else:
                    self._refuse_claim(claims, number, identity)
                    break
        return taken

    def _settle_with_stored(
        self, by_number: Mapping[int, Mapping[str, Any]], claims: Claims, taken: Mapping[Identity, int]
    ) -> None:
        released = []
        first = {row["external_id"]: row for row in by_number.values() if row["occurrence"] == 1}
        for identity, holder_key, holder_active in self._stored_holders(taken):
            number = taken[identity]
            row = by_number[number]
            if number not in claims or holder_key == row["external_id"]:
                continue
            if holder_key in first and identity not in _identities_of(first[holder_key]):
                continue  # the holder gives it up in this very batch
            if row.get("active") is False:
                claims[number].discard(identity)
            elif holder_active and not _leaves(first.get(holder_key)):
                self._refuse_claim(claims, number, identity)
            else:
                released.append(identity)
        for some in chunks(released):
            self._run.connection.execute(
                delete(learner_identity).where(tuple_(learner_identity.c.kind, learner_identity.c.value).in_(some))
            )

    def _refuse_claim(self, claims: Claims, number: int, identity: Identity) -> None:
        del claims[number]
        of_email = identity[0].startswith("mbox")
        reason = Refusal.EMAIL_TAKEN if of_email else Refusal.IDENTITY_TAKEN
        self._run.refuse(number, Refused(reason, field="email" if of_email else identity[0]))

    def _stored_holders(self, taken: Mapping[Identity, int]) -> list[tuple[Identity, str, bool]]:
        found: list[Any] = []
        for of_kind in sorted({kind for kind, _ in taken}):  # by kind: the table's key begins with it
            for some in chunks(value for kind, value in taken if kind == of_kind):
                found += self._run.connection.execute(
                    select(learner_identity.c.kind, learner_identity.c.value, learner.c.external_id, learner.c.active)
                    .join(learner, learner.c.id == learner_identity.c.learner_id)
                    .where(learner_identity.c.kind == of_kind, in_texts(learner_identity.c.value, some))
                ).all()
        return [((kind, value), key, active) for kind, value, key, active in found]


def _take_unless_chosen(new: Columns, stored: Columns, name: str) -> ColumnElement[Any]:
    """The file has the last word, unless the learner has spoken."""
    return case((chose_language(stored["id"]), stored[name]), else_=new[name])


def _leaves(row: Mapping[str, Any] | None) -> bool:
    return row is not None and row.get("active") is False


def _identities_of(row: Mapping[str, Any]) -> set[Identity]:
    identities = {(kind, row[kind]) for kind in ("account", "openid") if row.get(kind)}
    if row.get("email"):
        mbox = f"mailto:{row['email']}"
        identities |= {("mbox", mbox), ("mbox_sha1sum", hashlib.sha1(mbox.encode()).hexdigest())}  # noqa: S324
    return identities
