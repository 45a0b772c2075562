"""Voiding: a statement that takes another one back (xAPI 1.0.3, part two, section 2.3.2), whichever comes first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, update

from pushpull.db import insert_new
from pushpull.importers.runs import ImportRun
from pushpull.importers.tables import voided_statement
from pushpull.importers.xapi.facts import SOURCE, Fact
from pushpull.learners.tables import activity


def void(run: ImportRun, voiding: Sequence[tuple[int, Fact]], there: set[str]) -> None:
    """Account for voiding statements, remember what they void, and void what of it is there already.

    Args:
        run: the import.
        voiding: the voiding statements of a batch.
        there: ids of statements that are known; the new ones are added.
    """
    new: list[dict[str, Any]] = []
    for _, fact in voiding:
        if fact.statement_id in there or not fact.voids:
            run.count(duplicate=1)
            continue
        there.add(fact.statement_id)
        new.append(
            {
                "source": SOURCE,
                "statement_id": fact.voids,
                "voided_by": fact.statement_id,
                "voided_at": fact.occurred_at,
            }
        )
    if not new:
        return
    connection = run.connection
    ids = {row["statement_id"] for row in new}
    taken = set(
        connection.scalars(select(voided_statement.c.statement_id).where(voided_statement.c.statement_id.in_(ids)))
    )
    for row in new:  # a second voiding of the same statement says nothing new
        run.count(**({"duplicate": 1} if row["statement_id"] in taken else {"new": 1}))
        taken.add(row["statement_id"])
    insert_new(connection, voided_statement, new)
    # Rare: without an index on the statement behind a group's records, but only for batches that void something.
    of_statement = func.substr(activity.c.source_id, 1, 36)
    for row in new:
        connection.execute(
            update(activity)
            .where(activity.c.source == SOURCE, of_statement == row["statement_id"], activity.c.voided_at.is_(None))
            .values(voided_at=row["voided_at"])
        )


def voided_at(connection: Connection, facts: Sequence[tuple[int, Fact]]) -> Mapping[str, datetime]:
    """When statements of a batch were voided, also by statements that came before them."""
    ids = [fact.statement_id for _, fact in facts]
    found = connection.execute(
        select(voided_statement.c.statement_id, voided_statement.c.voided_at).where(
            voided_statement.c.source == SOURCE, voided_statement.c.statement_id.in_(ids)
        )
    )
    return {row.statement_id: row.voided_at for row in found}
