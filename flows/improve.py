"""Improve: a proposed change of a campaign's file waits until a person has looked at it, and says yes or no.

As with the approval of waves the run suspends: it holds no worker while it waits, and starts again from the top when
somebody answers. What they answered counts for exactly the change they were shown.
"""

from __future__ import annotations

from typing import Annotated, Literal

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.flow_runs import asuspend_flow_run
from prefect.input import RunInput, keyset_from_base_key
from prefect.states import Completed
from pydantic import Field

from flows.parameters import moment
from flows.turns import Turn, last_turn
from tasks.improve import Improvement, Offer, take_improvement, what_is_proposed

ProposalNumber = Annotated[int, Field(ge=1)]

#: Days a question waits; the next insights run asks again.
_DAYS = 14


class ImproveForm(RunInput):
    """What you decide about this change."""

    decision: Literal["decide later", "approve", "reject"] = Field(
        "decide later",
        title="Your decision",
        description="Approve: the campaign's file is changed as the diff says. Reject: it stays as it is, and you are "
        "not asked about it for four weeks.",
        json_schema_extra={"position": 0},
    )
    your_name: str = Field(
        "", title="Your name", description="Kept in the audit log.", json_schema_extra={"position": 1}
    )
    reason: str = Field(
        "", title="Reason", description="Why; an auditor will read it.", json_schema_extra={"position": 2}
    )


@flow(name="improve", flow_run_name="improve by proposal {proposal}", persist_result=False, log_prints=False)
async def improve(proposal: ProposalNumber, as_of: str = "") -> State:
    """Show a person a proposed change with its evidence, wait for their answer, and change the file if they say so.

    Args:
        proposal: Number of the proposal, as `pushpull insights proposals` shows it.
        as_of: Instant to decide at, ISO 8601 with an offset, e.g. 2026-01-12T00:05+01:00. Empty: now.
    """
    now, turn = moment(as_of, live=True), last_turn()
    said = ""
    if turn is not None:
        taken = take_improvement(proposal, await _answer(turn), shown=turn.shown, as_of=now)
        if taken.is_over:
            return Completed(message=taken.said)
        said = taken.said
    offer = what_is_proposed(proposal, now)
    if isinstance(offer, str):
        return Completed(message=offer)
    return await _ask(offer, said, Turn(1 + (turn.number if turn else 0), offer.content_hash))


async def _ask(offer: Offer, said: str, turn: Turn) -> State:
    """Suspend the run until a person answers; what follows is another run from the top."""
    parts = [*([f"**{said}**"] if said else []), offer.markdown, f"What you decide about: `{offer.content_hash}`"]
    form = ImproveForm.with_initial_data(description="\n\n".join(parts))
    await asuspend_flow_run(wait_for_input=form, key=turn.key, timeout=_DAYS * 24 * 3600)
    return Completed(message=f"proposal {offer.proposal_id} was asked about")


async def _answer(turn: Turn) -> Improvement:
    given = await ImproveForm.aload(keyset_from_base_key(f"suspended-{turn.key}"))
    return Improvement(decision=given.decision, who=given.your_name, why=given.reason)
