"""Decide: what a person decides about campaigns, waves, channels and messages, by a form instead of the terminal.

Approving a large wave is not here: its run of the approval deployment asks for that.
"""

from __future__ import annotations

from typing import Annotated, Literal

from prefect import flow
from prefect.runtime import flow_run
from pydantic import Field

from flows.parameters import Reason, moment
from tasks.decide import Action, Subject, decide_about
from tasks.report import report_changes, report_waiting

ChannelName = Literal["", "email", "teams", "slack", "sms"]


def _name() -> str:
    given = flow_run.parameters
    parts = (given["action"], given.get("campaign"), given.get("wave"), given.get("learner"), given.get("channel"))
    return " ".join(str(each) for each in parts if each)


@flow(name="decide", flow_run_name=_name, persist_result=False, log_prints=False)
async def decide(
    action: Action,
    campaign: str = "",
    wave: str = "",
    channel: ChannelName = "",
    learner: str = "",
    *,
    who: Annotated[str, Field(min_length=1)],
    why: Reason,
) -> list[str]:
    """Let a decision take effect at once; what is sent after it goes by it.

    Args:
        action: What is decided. Everything that waits for a person is in the artifact waits-for-a-person.
        campaign: Key of the campaign, e.g. two-minutes-a-day; for decisions about a campaign or one of its waves.
        wave: Key of the wave, e.g. launch.announcement@2026-01-12; for decisions about a wave.
        channel: For decisions about a channel, or about a reply on one.
        learner: External id; for decisions about what a learner replied.
        who: Who decides; kept in the audit log.
        why: Why; an auditor will read it. No names of learners.
    """
    now = moment("", live=True)
    subject = Subject(campaign=campaign.strip(), wave=wave.strip(), channel=channel, learner=learner.strip())
    said = decide_about(action, subject, who=who, why=why, at=now)
    report_waiting()
    report_changes(now)
    return said
