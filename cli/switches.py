"""`pushpull switch`: what ops set for everything at once, in the ledger and in Prefect's Variables."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cli.common import Who, Why, here, tell

if TYPE_CHECKING:
    from pushpull.ledger.vocabulary import SwitchName

switch = typer.Typer(
    no_args_is_help=True, help="Pause everything, send to guests only, or send everything to one person."
)


@switch.command("show")
def show_switches() -> None:
    """How everything is set, and where a Prefect Variable says otherwise."""
    from pushpull.db import reading
    from pushpull.ledger.switches import kept_value, switches
    from tasks.switches import VARIABLES, variables

    with reading(here().engine) as connection:
        now_set = switches(connection)
        kept = {name: kept_value(connection, name) for name in VARIABLES}
    tell(now_set.sentence())
    if now_set.guests:
        tell(f"guests: {', '.join(now_set.guests)}")
    if now_set.override_recipient:
        tell(f"everything goes to: {now_set.override_recipient}")
    for name, value in (variables() or {}).items():
        if value != kept[name]:
            when = "once what pauses everything is corrected" if now_set.why_paused else "by the next dispatch"
            tell(f"the Variable {VARIABLES[name]} says otherwise: it is followed {when}")


@switch.command("pause")
def pause_everything(who: Who, why: Why) -> None:
    """Hand nothing over, of any campaign, obligations included, until `pushpull switch go-on`."""
    from pushpull.ledger.vocabulary import SwitchName

    _set(SwitchName.PAUSE, True, who, why, "nothing is sent any more, of any campaign")


@switch.command("go-on")
def go_on(who: Who, why: Why) -> None:
    """Let everything go on with the next dispatch."""
    from pushpull.ledger.vocabulary import SwitchName

    _set(SwitchName.PAUSE, False, who, why, "everything goes on with the next dispatch")


@switch.command("pilot")
def pilot(
    who: Who,
    why: Why,
    guests: Annotated[
        list[str] | None, typer.Argument(help="External ids, at most 1,000; left out: everybody again.")
    ] = None,
) -> None:
    """Send to these learners only; all others wait."""
    from pushpull.ledger.vocabulary import SwitchName

    many = len(set(guests or ()))
    said = f"only {many} {'guest is' if many == 1 else 'guests are'} sent to" if many else "everybody is sent to"
    _set(SwitchName.PILOT, guests or [], who, why, said)


@switch.command("override")
def override(
    who: Who,
    why: Why,
    learner: Annotated[str, typer.Argument(help="External id of an active learner; left out: nobody any more.")] = "",
) -> None:
    """Send everything to one person's addresses: a rehearsal, which counts for nobody."""
    from pushpull.ledger.vocabulary import SwitchName

    said = f"everything goes to {learner}" if learner else "messages go to those they are meant for"
    _set(SwitchName.OVERRIDE_RECIPIENT, learner, who, why, said)


def _set(name: SwitchName, value: object, who: str, why: str, said: str) -> None:
    from tasks.switches import set_everywhere

    here()
    is_new = set_everywhere(name, value, who=who, why=why, at=datetime.now(UTC))
    tell(said if is_new else f"it was so already: {said}")
