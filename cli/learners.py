"""`pushpull learner`: what is kept of one person: shown, exported, erased, and taken in again."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cli.common import AsOf, DryRun, Who, Why, here, out, tell

if TYPE_CHECKING:
    from sqlalchemy import Connection

learners = typer.Typer(no_args_is_help=True, help="What is kept of one person: show it, export it, erase it.")

_Person = Annotated[str, typer.Argument(help="External id of a learner.", metavar="LEARNER")]


@learners.command("show")
def show(learner: _Person) -> None:
    """What is known of a learner, who says so and since when; their own words are left out."""
    from pushpull.db import reading
    from pushpull.insights.known import known_of
    from pushpull.learners.vocabulary import FactKind
    from pushpull.personal import data_of

    now = datetime.now(UTC)
    with reading(here().engine) as connection:
        learner_id = _id_of(connection, learner)
        known = known_of(connection, learner_id)
        data = data_of(connection, learner_id, at=now)
    facts = Table("what", "value", "who says so", "since")
    for each in known:
        # What somebody learns for, and what may be in their way, is for their own eyes.
        is_private = each.field in (FactKind.WHY, FactKind.BARRIER)
        value = "(kept, not shown)" if is_private or not each.value else each.value
        facts.add_row(each.field.replace("_", " "), escape(value), each.source, f"{each.since:%Y-%m-%d}")
    if facts.rows:
        out.print(facts)
    counts = Table("kept in", "entries")
    for kept in data.kept:
        counts.add_row(kept.table, str(len(kept.rows)))
    out.print(counts)


@learners.command("profile")
def profile(learner: _Person, as_of: AsOf = "") -> None:
    """A learner's profile: who says so, how old and how sure it is, and how much of it is known."""
    from flows.parameters import moment
    from pushpull.db import reading
    from pushpull.learners.profile import WEIGHTS, profile_of
    from pushpull.learners.vocabulary import FactKind

    now = moment(as_of)
    with reading(here().engine) as connection:
        found = profile_of(connection, _id_of(connection, learner), as_of=now)
    table = Table("field", "value", "who says so", "age in days", "sure", "counts for")
    for each in found.fields:
        # What somebody learns for, and what may be in their way, is for their own eyes.
        is_private = each.kind in (FactKind.WHY, FactKind.BARRIER)
        value = "(kept, not shown)" if is_private else escape(", ".join(each.values))
        weight = f"{WEIGHTS[each.kind]:.0%}" if each.kind in WEIGHTS else "-"
        name = each.kind.value.replace("_", " ")
        table.add_row(name, value, each.source.value, str(each.age_days), f"{each.confidence:.0%}", weight)
    if table.rows:
        out.print(table)
    unknown = ", ".join(kind.value.replace("_", " ") for kind in found.missing) or "nothing"
    tell(f"{found.coverage:.0%} of the profile is known; unknown: {unknown}")


@learners.command("export")
def export(
    learner: _Person,
    file: Annotated[Path, typer.Option("--file", help="The JSON file; only its owner can read it.")] = Path(
        "learner.json"
    ),
) -> None:
    """Write everything that is kept of a learner to a JSON file: for each table a list of rows."""
    from pushpull.db import reading
    from pushpull.personal import data_of

    with reading(here().engine) as connection:
        data = data_of(connection, _id_of(connection, learner), at=datetime.now(UTC))
    file.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as kept:
        kept.write(data.as_json())
    tell(f"{data.rows} entries of {len(data.kept)} tables: {file}")


@learners.command("erase")
def erase(
    learner: _Person,
    who: Who,
    why: Why,
    dry_run: DryRun = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask first.")] = False,
) -> None:
    """Erase everything that is kept of a learner, for good. Messages on their way are not sent.

    Numbers stay that nobody can trace back, and keyed hashes of their addresses, by which imports know whom they must
    not bring back. What left already (mail, calendar entries, posts) is not ours to erase.
    """
    from pushpull.db import reading, writing
    from pushpull.ledger.erased import peppers_of
    from pushpull.personal import erase as erase_person

    home = here()
    with reading(home.engine) as connection:
        learner_id = _id_of(connection, learner)
    if not (dry_run or yes):
        typer.confirm("There is no way back. Erase everything that is kept of this learner?", abort=True)
    with writing(home.engine) as connection:
        done = erase_person(
            connection,
            learner_id,
            by="ops",
            who=who,
            why=why,
            pepper=peppers_of(home.settings)[0],
            at=datetime.now(UTC),
        )
        if dry_run:
            connection.rollback()
    if not done.is_new:
        tell("they were erased before: nothing is left")
        return
    table = Table("kept in", "deleted", "made nameless")
    for name in sorted({*done.deleted, *done.emptied}):
        table.add_row(name, str(done.deleted.get(name, 0)), str(done.emptied.get(name, 0)))
    out.print(table)
    said = f"Messages not sent: {done.skipped}, addresses blocked as keyed hashes: {done.addresses}"
    tell(f"nothing was changed; erasing would do this. {said}" if dry_run else f"erased. {said}")


@learners.command("readmit")
def readmit(
    who: Who,
    why: Why,
    learner: Annotated[str, typer.Option("--learner", help="Their external id now.")] = "",
    email: Annotated[str, typer.Option(help="Their e-mail address now.")] = "",
    phone: Annotated[str, typer.Option(help="Their telephone number now.")] = "",
    teams_id: Annotated[str, typer.Option(help="Their Teams id now.")] = "",
    slack_id: Annotated[str, typer.Option(help="Their Slack id now.")] = "",
    dry_run: DryRun = False,
) -> None:
    """Let imports take somebody in again who was erased; nothing of what was kept comes back."""
    from pushpull.db import writing
    from pushpull.ledger.erased import peppers_of
    from pushpull.personal import let_back_in

    person = {"external_id": learner, "email": email, "phone": phone, "teams_id": teams_id, "slack_id": slack_id}
    home = here()
    with writing(home.engine) as connection:
        freed = let_back_in(connection, person, peppers_of(home.settings), who=who, why=why, at=datetime.now(UTC))
        if dry_run:
            connection.rollback()
    if not freed:
        tell("none of this is known as erased: nothing was changed")
    elif dry_run:
        tell(f"nothing was changed; {freed} of these would be blocked no more")
    else:
        tell(f"{freed} of these are blocked no more: the next import may take them in")


def _id_of(connection: Connection, external_id: str) -> int:
    from pushpull.ledger.facts import UnknownLearnerError
    from pushpull.personal import learner_id_of

    learner_id = learner_id_of(connection, external_id)
    if learner_id is None:
        raise UnknownLearnerError(external_id)
    return learner_id
