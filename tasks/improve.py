"""What a person answered about a proposal in the form of an `improve` run, taken; and what they are asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from content.source import ContentError
from pushpull.insights.loop import ProposalError, ProposalState
from pushpull.insights.loop.proposals import OldProposalError
from tasks.proposals import asked_about, decide, publish_question
from tasks.step import step


@dataclass(frozen=True)
class Improvement:
    """What a person answered."""

    decision: Literal["decide later", "approve", "reject"]
    who: str
    why: str


@dataclass(frozen=True)
class Taken:
    """What came of an answer.

    Args:
        said: in words, for the person.
        is_over: nothing is left to be asked.
    """

    said: str
    is_over: bool = False


@dataclass(frozen=True)
class Offer:
    """What a person is asked.

    Args:
        content_hash: of exactly this change.
        markdown: the evidence and the diff.
    """

    proposal_id: int
    content_hash: str
    markdown: str


def what_is_proposed(proposal_id: int, as_of: datetime) -> Offer | str:
    """What a proposal asks now; in words, why nothing, where that is so."""
    try:
        chain = asked_about(proposal_id, as_of)
    except ProposalError as error:
        return str(error)
    except ContentError:
        return "the campaign's file cannot be used: `pushpull lint` says where; the next insights run asks anew"
    which = chain.tried[0].proposal
    if which.state is not ProposalState.PROPOSED:
        return f"proposal {proposal_id} is {which.state.value}: nothing is asked about it any more"
    return Offer(proposal_id, which.content_hash, publish_question(chain))


@step("take the answer about a proposal")
def take_improvement(proposal_id: int, answer: Improvement, *, shown: str, as_of: datetime) -> Taken:
    """Do what a person answered. An answer that cannot be taken is put to them again, with what is wrong about it.

    Args:
        shown: the hash of what they were shown.
        as_of: the campaign's clock, UTC.
    """
    asked = what_is_proposed(proposal_id, as_of)
    if isinstance(asked, str):
        return Taken(asked, is_over=True)
    if asked.content_hash != shown:
        return Taken("The file has been changed since you were asked: this is the change as it would be made now.")
    if answer.decision == "decide later" or not (answer.who.strip() and answer.why.strip()):
        return Taken("Nothing was recorded: a decision needs your name and a reason, which the audit log keeps.")
    try:
        came_to = decide(
            proposal_id,
            is_approved=answer.decision == "approve",
            shown=shown,
            who=answer.who,
            why=answer.why,
            as_of=as_of,
        )
    except OldProposalError as error:
        return Taken(f"{error}.")
    except ProposalError as error:  # decided elsewhere, at the same moment
        return Taken(str(error), is_over=True)
    return Taken(came_to.said, is_over=True)
