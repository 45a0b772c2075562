"""`pushpull wave approve` and `wave reject`: what the approval form in the Prefect UI asks, on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.common import AsOf, Campaign, Wave, Who, Why, here, tell
from cli.ops import waves

if TYPE_CHECKING:
    from datetime import datetime

    from pushpull.ledger.approvals import Question

_Yes = Annotated[bool, typer.Option("--yes", help="Do not ask whether it is meant.")]


@waves.command("approve")
def approve_wave(
    campaign: Campaign,
    wave: Wave,
    who: Who,
    why: Why,
    at_most: Annotated[int, typer.Option(help="No more learners than this; 0: all that are planned.", min=0)] = 0,
    test: Annotated[
        list[str] | None, typer.Option(help="External id: send it a test instead, and decide later.")
    ] = None,
    as_of: AsOf = "",
    yes: _Yes = False,
) -> None:
    """Approve a wave that waits for it; a very large one needs two people."""
    from flows.parameters import moment
    from pushpull.ledger.vocabulary import Decision
    from tasks.approve import decide
    from tasks.trial import send_test

    now = moment(as_of, live=True)
    asked = _shown(campaign, wave, now)
    if test:
        tell(f"{send_test(asked.wave_id, test, who=who, as_of=now).sentence()} Nothing was decided.")
        return
    reached = min(at_most, asked.planned) if at_most else asked.planned
    _confirm(f"Approve it for {reached} learners?", yes=yes)
    decided = decide(
        asked.wave_id,
        Decision.APPROVED,
        who=who,
        why=why,
        shown=asked.content_hash,
        cap=at_most or None,
        as_of=now,
    )
    if not decided.is_released:
        tell(f"{wave}: recorded; somebody else must approve it too")
        return
    left_out = f", {decided.not_approved} learners left out" if decided.not_approved else ""
    tell(f"{wave}: approved{left_out}; it is sent with the next dispatch")


@waves.command("reject")
def reject_wave(campaign: Campaign, wave: Wave, who: Who, why: Why, as_of: AsOf = "", yes: _Yes = False) -> None:
    """Reject a wave that waits for approval: nothing of it is sent until its content is another."""
    from flows.parameters import moment
    from pushpull.ledger.vocabulary import Decision
    from tasks.approve import decide

    now = moment(as_of, live=True)
    asked = _shown(campaign, wave, now)
    _confirm("Reject it?", yes=yes)
    shown = asked.content_hash
    decide(asked.wave_id, Decision.REJECTED, who=who, why=why, shown=shown, as_of=now)
    tell(f"{wave}: rejected; it asks again when its content is another")


def _shown(campaign: str, wave: str, now: datetime) -> Question:
    """What the wave asks, after it was told."""
    from pushpull.db import reading
    from pushpull.ledger.campaigns import wave_id_of
    from tasks.approve import asked_about

    with reading(here().engine) as connection:
        wave_id = wave_id_of(connection, campaign, wave)
    asked = asked_about(wave_id, now)
    channels = ", ".join(f"{many} {channel}" for channel, many in asked.by_channel.items())
    again = f", rotation {asked.rotation}" if asked.rotation else ""
    tell(f"{wave}{again}: {asked.planned} learners ({channels})")
    tell(f"its briefing, as the Prefect UI shows it: `pushpull preflight {campaign} --wave {wave}`")
    tell(f"what is decided about: {asked.content_hash}")
    if asked.needed > 1:
        by = f"; so far: {', '.join(asked.approved_by)}" if asked.approved_by else ""
        tell(f"{asked.needed} different people must approve it{by}")
    return asked


def _confirm(question: str, *, yes: bool) -> None:
    if not yes:
        typer.confirm(question, abort=True)
