"""A copy of the ledger for a forecast to play with: the same people without names and addresses, in another database.

What planning decides by is copied: who they are to each other, what they want and have done, consent, suppressions, the
attention budget, every campaign. Addresses become invented ones: who has none has none in the copy either. What people
said in their own words stays behind, and so does everything about providers and about who decided what. The source is
only read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, RowMapping, Table, func, insert, select

from pushpull.catalogue.tables import item, item_requirement, item_tag, section
from pushpull.insights.simulate.surroundings import SOURCE, as_text
from pushpull.learners.tables import (
    activity,
    champion,
    consent,
    cue_plan,
    fold_cursor,
    learner,
    learner_choice,
    learner_tag,
    lifecycle,
    lifecycle_event,
    profile_fact,
    progress,
    queue_place,
    referral,
    review,
    review_ask,
    share,
    suppression,
)
from pushpull.learners.vocabulary import FactKind
from pushpull.ledger.tables import (
    campaign,
    campaign_item,
    contact,
    delivery,
    delivery_event,
    handover,
    intensity,
    pick,
    rotation,
    wave,
)

#: Larger audiences are stood for by so many people.
SAMPLE: Final = 2_000
#: What was learned longer ago counts for nothing in a plan but by the progress it led to.
_REMEMBERED: Final = timedelta(days=400)
_ROWS: Final = 5_000
#: Which system activity in other items is said to come from.
_ELSEWHERE: Final = "past"

#: In the order in which rows can be written: what is pointed to comes first.
_TABLES: Final = (
    item,
    item_tag,
    item_requirement,
    section,
    learner,
    learner_tag,
    profile_fact,
    consent,
    suppression,
    learner_choice,
    queue_place,
    cue_plan,
    activity,
    progress,
    campaign,
    campaign_item,
    intensity,
    wave,
    rotation,
    delivery,
    handover,
    delivery_event,
    contact,
    pick,
    lifecycle_event,
    lifecycle,
    fold_cursor,
    champion,
    review,
    review_ask,
    share,
    referral,
)


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied.

    Args:
        learners: in the copy.
        everybody: in the source.
    """

    learners: int
    everybody: int

    @property
    def scale(self) -> float:
        """How many people one of the copy stands for."""
        return self.everybody / self.learners if self.learners else 1.0


def copy_ledger(
    source: Connection, target: Connection, *, as_of: datetime, items: Collection[str], sample: int = SAMPLE
) -> Copied:
    """Copy what a forecast needs into an empty database.

    Args:
        as_of: the instant (UTC) the forecast begins at.
        items: keys of the campaign's items: what learners did in them before, simulated ones remember.
        sample: most people; of more, a sample stratified by zone and by the channels they have an address on stands
            for all, with the same share of each stratum (proportional allocation: W. G. Cochran, "Sampling techniques",
            3rd edition, 1977, chapter 5).
    """
    everybody = source.execute(select(func.count()).select_from(learner).where(learner.c.active.is_(True))).scalar_one()
    chosen = _sample(source, sample) if everybody > sample else None
    names = {row.external_id: _pseudonym(row.id) for row in source.execute(select(learner.c.id, learner.c.external_id))}
    known = frozenset(source.execute(select(item.c.id).where(item.c.key.in_(sorted(items)))).scalars())
    learners = 0
    for table in _TABLES:
        for rows in _read(source, table, chosen, as_of=as_of):
            scrubbed = [_scrubbed(table, dict(row), names, known) for row in rows]
            target.execute(insert(table), scrubbed)
            learners += sum(bool(row["active"]) for row in scrubbed) if table is learner else 0
    return Copied(learners, everybody)


def _sample(source: Connection, size: int) -> list[int]:
    """So many learners, from every stratum its share; the same ones whenever it is asked."""
    has = [column.is_not(None) for column in (learner.c.email, learner.c.teams_id, learner.c.slack_id, learner.c.phone)]
    rows = source.execute(
        select(learner.c.id, learner.c.timezone, *has).where(learner.c.active.is_(True)).order_by(learner.c.draw)
    ).all()
    strata: dict[tuple[Any, ...], list[int]] = {}
    for who, *stratum in rows:
        strata.setdefault(tuple(stratum), []).append(who)
    # Systematically over the strata laid end to end: each gets its share, to the person.
    line = [who for _, people in sorted(strata.items(), key=lambda each: repr(each[0])) for who in people]
    return [line[place * len(line) // size] for place in range(size)]


def _read(
    source: Connection, table: Table, chosen: Sequence[int] | None, *, as_of: datetime
) -> Iterator[Sequence[RowMapping]]:
    statement = select(table)
    whose = table.c.id if table is learner else table.c.get("learner_id")
    if whose is not None and chosen is not None and table is not learner:
        statement = statement.where(whose.in_(select(learner.c.id).where(learner.c.id.in_(chosen))))
    elif table is learner and chosen is not None:
        statement = statement.where(table.c.id.in_(chosen))
    if (condition := _wanted(table, as_of)) is not None:
        statement = statement.where(condition)
    yield from source.execute(statement, execution_options={"yield_per": _ROWS}).mappings().partitions(_ROWS)


def _wanted(table: Table, as_of: datetime) -> ColumnElement[bool] | None:
    """What of a table is left out: what was longer ago than it counts, and what is in somebody's own words."""
    if table is activity:
        return activity.c.occurred_at > as_of - _REMEMBERED
    if table is profile_fact:
        return profile_fact.c.kind != FactKind.WHY.value
    return None


def _pseudonym(learner_id: int) -> str:
    return f"p{learner_id:07d}"


def _scrubbed(table: Table, row: Mapping[str, Any], names: Mapping[str, str], known: Collection[int]) -> dict[str, Any]:
    if table is activity:
        return {**row, **_activity(row, is_remembered=row["item_id"] in known)}
    scrub = _SCRUBS.get(table.name)
    return {**row, **scrub(row, names)} if scrub else dict(row)


def _person(row: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    who = row["id"]
    email = row["email"]
    mailbox = email and (f"{_pseudonym(who)}@sandbox.invalid" if "@" in email else "unusable")
    return {
        "external_id": _pseudonym(who),
        "given_name": row["given_name"] and "P.",
        "family_name": row["family_name"] and str(who),
        "display_name": row["display_name"] and _pseudonym(who),
        "email": mailbox,
        "phone": row["phone"] and (f"+999{who:010d}" if row["phone"].startswith("+") else "unusable"),
        "teams_id": row["teams_id"] and f"00000000-0000-4000-8000-{who:012d}",
        "slack_id": row["slack_id"] and f"U{who:010d}",
        "manager_external_id": row["manager_external_id"] and names.get(row["manager_external_id"], "nobody"),
    }


def _activity(row: Mapping[str, Any], *, is_remembered: bool) -> dict[str, Any]:
    """Where it counts, as a simulated learner's own, who remembers it then."""
    began = as_text(row["occurred_at"])
    return {
        "source": SOURCE if is_remembered else _ELSEWHERE,
        "source_id": f"{_pseudonym(row['learner_id'])}#{row['id']}|{began}|00",
        "object_iri": None,
    }


_SCRUBS: Final[Mapping[str, Callable[[Mapping[str, Any], Mapping[str, str]], dict[str, Any]]]] = {
    "learner": _person,
    "item": lambda row, names: {
        "owner_external_id": row["owner_external_id"] and names.get(row["owner_external_id"], "nobody")
    },
    "progress": lambda _row, _names: {"place_title": None, "place_url": None},
    "cue_plan": lambda _row, _names: {"cue_text": None},
    "delivery_event": lambda _row, _names: {"detail": None},
    "pick": lambda _row, _names: {"reason_value": None},
    "review": lambda _row, _names: {"body": None, "reason": None, "decided_by": None},
    "delivery": lambda _row, _names: {"provider_id": None, "claimed_by": None},
    "rotation": lambda _row, _names: {"reason": "a copy", "cohort": {}, "requested_by": ""},
}
