"""Approval: a large wave waits until a person has looked at it, and says yes, no, yes to some, or "show me first".

The run suspends: it holds no worker while it waits, and starts again from the top when somebody answers. What they
answered counts for exactly what they were shown.

Prefect's open-source server knows no users: whoever can open its UI can answer, and the name is what they type. Who may
open it is for the proxy with single sign-on before it to say (or for Prefect Cloud).
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.flow_runs import asuspend_flow_run
from prefect.input import RunInput, keyset_from_base_key
from prefect.states import Completed
from pydantic import Field

from flows.parameters import CampaignKey, WaveKey, moment, run_key
from flows.turns import Turn, last_turn
from pushpull.ledger.approvals import Question
from tasks.answer import Answer, Answered, take_answer, wave_to_approve, what_is_asked
from tasks.brief import publish_briefing
from tasks.start import start_run

#: Seconds a question waits at the least; a wave about to be stale is still asked about.
_LEAST_SECONDS = 60


class Approval(RunInput):
    """What you decide about this wave."""

    decision: Literal["approve", "reject", "send a test first"] = Field(
        "send a test first",
        title="Your decision",
        description="Approve: it is sent as described. Reject: nothing is sent until its content is another. "
        "Send a test first: those named below get it, and you are asked again.",
        json_schema_extra={"position": 0},
    )
    your_name: str = Field(
        "",
        title="Your name",
        description="Kept in the audit log. Where two people must approve, the second one is somebody else.",
        json_schema_extra={"position": 1},
    )
    reason: str = Field(
        "", title="Reason", description="Why; an auditor will read it.", json_schema_extra={"position": 2}
    )
    at_most: int = Field(
        0,
        title="At most so many learners",
        description="0: everybody planned. Else so many of them, picked by lot; a re-run can reach the others later.",
        json_schema_extra={"position": 3},
    )
    test_recipients: list[str] = Field(
        [],
        title="Test recipients",
        description="External ids of learners who get the message now, marked as a test.",
        json_schema_extra={"position": 4},
    )


@flow(name="approval", flow_run_name="{campaign}: approve {wave}", persist_result=False, log_prints=False)
async def approval(campaign: CampaignKey, wave: WaveKey, as_of: str = "") -> State:
    """Brief a person about a wave, wait for their answer, and send it if they say so.

    Args:
        campaign: Key of the campaign, e.g. two-minutes-a-day.
        wave: Key of the wave, e.g. launch.announcement@2026-01-12; it is planned if it is not yet.
        as_of: Instant to decide at, ISO 8601 with an offset, e.g. 2026-01-12T00:05+01:00. Empty: now.
    """
    now, turn = moment(as_of, live=True), last_turn()
    wave_id = wave_to_approve(campaign, wave, now)
    answered = Answered("") if turn is None else take_answer(wave_id, await _answer(turn), shown=turn.shown, as_of=now)
    asked = answered.said if answered.is_over else what_is_asked(wave_id, now)
    if isinstance(asked, Question):
        return await _ask(asked, answered.said, Turn(1 + (turn.number if turn else 0), asked.content_hash), now)
    if answered.is_released:
        start_run("dispatch/dispatch", {}, key=run_key("dispatch") or "")
    return Completed(message=asked)


async def _ask(asked: Question, said: str, turn: Turn, now: datetime) -> State:
    """Suspend the run until a person answers, or the wave is stale; what follows is another run from the top."""
    seconds = int((asked.expires_at - now).total_seconds()) if asked.expires_at else 0
    form = Approval.with_initial_data(description=_description(asked, said, publish_briefing(asked.wave_id, now)))
    await asuspend_flow_run(wait_for_input=form, key=turn.key, timeout=max(_LEAST_SECONDS, seconds))
    return Completed(message=f"wave {asked.key} was asked about")


def _description(asked: Question, said: str, briefing: str) -> str:
    parts = [f"**{said}**"] if said else []
    if asked.needed > 1:
        by = f"; approved so far by {', '.join(asked.approved_by)}" if asked.approved_by else ""
        parts.append(f"**{asked.needed} different people must approve this wave{by}.**")
    return "\n\n".join([*parts, briefing, f"What you approve: `{asked.content_hash}`"])


async def _answer(turn: Turn) -> Answer:
    given = await Approval.aload(keyset_from_base_key(f"suspended-{turn.key}"))
    context = FlowRunContext.get()
    run_id = context.flow_run.id if context and context.flow_run else ""
    return Answer(
        decision=given.decision,
        who=given.your_name,
        why=given.reason,
        at_most=given.at_most,
        test_recipients=tuple(given.test_recipients),
        key=f"{run_id}:{turn.number}",
    )
