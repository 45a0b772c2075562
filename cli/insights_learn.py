"""`pushpull insights learn`: learn from behaviour when, over what and how people learn."""

from __future__ import annotations

from cli.common import AsOf, DryRun, here, out
from cli.insights import insights


@insights.command("learn")
def learn(as_of: AsOf = "", dry_run: DryRun = False) -> None:
    """Learn everybody's hour, days, channel, format, visit length and topics from what they did.

    What people declared, and what came with them from HR, stays as it is.
    """
    from rich.table import Table

    from flows.parameters import moment
    from pushpull.db import writing
    from pushpull.learners.signature import learn_everybody, learn_signatures

    engine, now = here().engine, moment(as_of)
    if dry_run:
        with writing(engine) as connection:
            done = learn_signatures(connection, as_of=now)
            connection.rollback()
    else:
        done = learn_everybody(engine, as_of=now)
    table = Table("", "", box=None, show_header=False)
    table.add_row("people looked at", str(done.learners))
    table.add_row("of whom something is known", str(done.known))
    table.add_row("facts known", str(done.facts))
    table.add_row("facts that are new or changed", str(done.written))
    table.add_row("facts that are unknown again", str(done.removed))
    table.add_row("people with another hour or channel", str(done.rows))
    out.print(table)
