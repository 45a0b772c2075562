"""Whose a record is: the learners behind the keys of a file, which may be external ids, addresses or account names.

Nobody is ever guessed: an address that several people have is of none of them, unless it is of one who is active and
otherwise only of people who left.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection, select

from pushpull.importers.refusals import Refusal, Refused
from pushpull.importers.shapes import LearnerKey
from pushpull.importers.staging import chunks
from pushpull.learners.lists import in_texts
from pushpull.learners.tables import learner, learner_identity
from pushpull.ledger.erased import erased_columns, has_any

#: So many keys are remembered at most.
_REMEMBERED = 200_000


class Whose:
    """The learners behind keys, looked up a batch at a time and remembered for the batches that follow.

    Args:
        connection: the import's transaction.
        by: what the keys are.
        peppers: under which erased people are known, see :func:`pushpull.ledger.erased.peppers_of`.
    """

    def __init__(
        self, connection: Connection, by: LearnerKey = LearnerKey.EXTERNAL_ID, *, peppers: Sequence[bytes] = ()
    ) -> None:
        self._connection = connection
        self._by = by
        self._peppers = peppers if peppers and by is not LearnerKey.ACCOUNT and has_any(connection) else ()
        self._known: dict[str, int | None] = {}
        self._reasons: dict[str, Refusal] = {}

    def find(self, keys: Iterable[str]) -> Mapping[str, int | None]:
        """A mapping that holds each of the keys: the id of the learner, or None; then :meth:`refused` says why."""
        wanted = set(keys)
        unknown = sorted(wanted - self._known.keys())
        if len(self._known) + len(unknown) > _REMEMBERED:
            self._known, self._reasons, unknown = {}, {}, sorted(wanted)
        for some in chunks(unknown):
            self._look_up(some)
        return self._known

    def refused(self, key: str) -> Refused:
        """Why a key is of no learner."""
        return Refused(self._reasons.get(key, Refusal.UNKNOWN_PERSON), field="learner")

    def in_ids(self, key: str, learner_id: int) -> str:
        """How a learner is called in the id of a record. Never by an address: ids are kept and shown as they are."""
        return f"#{learner_id}" if self._by is LearnerKey.EMAIL else key

    def _look_up(self, keys: Sequence[str]) -> None:
        holders: defaultdict[str, list[tuple[int, bool]]] = defaultdict(list)
        for key, learner_id, is_active in self._holders(keys):
            holders[key].append((learner_id, is_active))
        for key in keys:
            there = holders.get(key, [])
            active = [learner_id for learner_id, is_active in there if is_active]
            several = active or [learner_id for learner_id, _ in there]
            self._known[key] = several[0] if len(several) == 1 else None
            if len(several) > 1:
                self._reasons[key] = Refusal.AMBIGUOUS_PERSON
        if self._peppers:
            self._tell_erased([key for key in keys if not holders.get(key)])

    def _holders(self, keys: Sequence[str]) -> list[tuple[str, int, bool]]:
        if self._by is LearnerKey.ACCOUNT:
            found = (
                select(learner_identity.c.value, learner.c.id, learner.c.active)
                .join(learner, learner.c.id == learner_identity.c.learner_id)
                .where(learner_identity.c.kind == "account", in_texts(learner_identity.c.value, keys))
            )
        else:
            column = learner.c.email if self._by is LearnerKey.EMAIL else learner.c.external_id
            found = select(column, learner.c.id, learner.c.active).where(in_texts(column, keys))
        return [(key, learner_id, bool(active)) for key, learner_id, active in self._connection.execute(found)]

    def _tell_erased(self, keys: Sequence[str]) -> None:
        people = [{self._by.value: key} for key in keys]
        for key, column in zip(keys, erased_columns(self._connection, people, self._peppers), strict=True):
            if column is not None:
                self._reasons[key] = Refusal.ERASED
