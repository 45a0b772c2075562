"""Proposals meet the campaign's file: asked about as they would be made now, decided, written.

What is kept about them is in :mod:`pushpull.insights.loop`, how a file is changed in `content.campaign.changing`. Each
step may be cut short and done again: a change is applied once, and what was written but not noted is noted.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from content.campaign import campaign_spec
from content.campaign.changing import CannotChangeError, FileChangedError, ReadOnlyError, draft, file_hash, write
from content.source import ContentError
from pushpull.db import reading, writing
from pushpull.insights.loop import Chain, Change, Proposal, ProposalState, chain_to, proposals
from pushpull.insights.loop.proposals import ask_again, get, note_applied, note_outdated, propose, waiting_of
from pushpull.insights.loop.proposals import decide as keep_decision
from pushpull.ledger.campaigns import register
from pushpull.ledger.provider_objects import ledger_name
from tasks.installation import installation, log
from tasks.publish import artifact_key, publish_markdown
from tasks.start import start_run
from tasks.step import step

IMPROVE: Final = "improve/improve"
#: Runs that ask about the same, one after the other, where they end without an answer.
_MOST_RUNS: Final = 5
_TOLD_APART: Final = 16


@dataclass(frozen=True)
class Applied:
    """What came of an approved proposal.

    Args:
        said: in words, for the person.
        is_applied: the file says so now.
    """

    proposal_id: int
    said: str
    is_applied: bool


def propose_change(campaign_key: str, insight_id: int, change: Change, as_of: datetime) -> int | None:
    """Propose a change as it would be made in the file of now; nothing where the file says so or has no such place.

    Returns:
        The proposal that waits; None where none does.
    """
    here = installation()
    try:
        now_it_is = file_hash(campaign_key, here.settings.content_dir)
        with reading(here.engine) as connection:
            waiting = waiting_of(connection, insight_id)
        if waiting is not None and (waiting.change, waiting.base_hash) == (change, now_it_is):
            return waiting.id
        made = draft(campaign_key, change, here.settings.content_dir)
    except (CannotChangeError, ContentError) as error:
        log.warning("no proposal for insight %d", insight_id, extra={"error": type(error).__name__})
        return None
    if made.is_needless:
        return None
    with writing(here.engine) as connection:
        return propose(connection, insight_id, change, diff=made.diff, base_hash=made.base_hash, at=as_of)


def asked_about(proposal_id: int, as_of: datetime) -> Chain:
    """A proposal with its insight, made anew where the file was changed since.

    Raises:
        UnknownProposalError: there is none.
        ContentError: the campaign's file cannot be used.
    """
    with writing(installation().engine) as connection:
        waiting = get(connection, proposal_id, lock=True)
        if waiting.state is ProposalState.PROPOSED:
            _made_anew(connection, waiting, as_of)
        return chain_to(connection, proposal_id)


def decide(proposal_id: int, *, is_approved: bool, shown: str, who: str, why: str, as_of: datetime) -> Applied:
    """Do what a person decided: keep it and, for a yes, change the file.

    Args:
        shown: the hash of what they were shown.

    Raises:
        ProposalError: nothing was recorded.
    """
    with writing(installation().engine) as connection:
        keep_decision(connection, proposal_id, is_approved=is_approved, shown=shown, who=who, why=why, at=as_of)
    if not is_approved:
        return Applied(proposal_id, f"proposal {proposal_id} was rejected: the file stays as it is", False)
    return apply(proposal_id, as_of)


def apply(proposal_id: int, as_of: datetime) -> Applied:
    """Make an approved change in the campaign's file, and let the ledger know the campaign as it is now.

    The file is written while the proposal's row is locked. Where this ends between the two, the next try finds the
    change made and notes it.
    """
    here = installation()
    with writing(here.engine) as connection:
        approved = get(connection, proposal_id, lock=True)
        if approved.state is not ProposalState.APPROVED:
            return Applied(proposal_id, f"proposal {proposal_id} is {approved.state.value}", False)
        try:
            made = draft(approved.campaign_key, approved.change, here.settings.content_dir)
            if not made.is_needless and made.base_hash != approved.base_hash:
                raise FileChangedError(made.path)
            if not made.is_needless:
                write(made)
        except FileChangedError as error:
            ask_again(connection, approved, diff=made.diff, base_hash=made.base_hash, at=as_of)
            return Applied(proposal_id, f"proposal {proposal_id} was not applied: {error}", False)
        except CannotChangeError as error:
            note_outdated(connection, approved, why=str(error), at=as_of)
            return Applied(proposal_id, f"proposal {proposal_id} cannot be applied any more: {error}", False)
        except (ReadOnlyError, ContentError) as error:
            log.warning("proposal %d waits for its file", proposal_id, extra={"error": type(error).__name__})
            return Applied(proposal_id, f"proposal {proposal_id} is approved and not applied: {error}", False)
        note_applied(connection, approved, new_hash=made.new_hash, at=as_of)
        register(connection, campaign_spec(here.campaign(approved.campaign_key)), now=as_of)
    log.info("proposal applied", extra={"proposal": proposal_id, "campaign": approved.campaign_key})
    said = f"proposal {proposal_id} was applied to {made.path.name}; it is measured 17 days from now"
    return Applied(proposal_id, said, True)


@step("apply approved proposals")
def apply_approved(as_of: datetime, campaign: str = "") -> list[Applied]:
    """Apply what was approved and not applied: a run that was cut short, or a folder that could not be written."""
    with writing(installation().engine) as connection:
        waiting = [each.id for each in proposals(connection, campaign_key=campaign, state=ProposalState.APPROVED)]
    return [apply(each, as_of) for each in waiting]


@step("ask about proposals")
def ask_about_proposals(as_of: datetime, campaign: str = "") -> list[int]:
    """Let a run ask about every proposal that waits for a person; one that asks already asks on.

    Returns:
        The proposals that wait.
    """
    with writing(installation().engine) as connection:
        ledger = ledger_name(connection)
        waiting = proposals(connection, campaign_key=campaign, state=ProposalState.PROPOSED)
    asked = []
    for each in waiting:
        current = asked_about(each.id, as_of).tried[0].proposal
        if current.state is not ProposalState.PROPOSED:
            continue
        asked.append(each.id)
        _see_that_one_asks(current, ledger)
    return asked


def publish_question(chain: Chain) -> str:
    """The evidence and the diff as Markdown, shown as an artifact of the run."""
    which = chain.tried[0].proposal
    lines = [f"- {name.replace('_', ' ')}: `{_short(value)}`" for name, value in sorted(chain.insight.evidence.items())]
    markdown = "\n\n".join(
        [
            f"## {_plain(which.change.why)}",
            f"Campaign **{which.campaign_key}**, proposal {which.id}, from insight {chain.insight.id} "
            f"({chain.insight.kind.value.replace('_', ' ')}), found {chain.insight.found_at:%Y-%m-%d}, "
            f"seen {chain.insight.seen_at:%Y-%m-%d}.",
            _plain(chain.insight.headline),
            "\n".join(lines) or "No more numbers.",
            f"```diff\n{which.diff.rstrip()}\n```",
            f"Measured afterwards by: {chain.insight.metric}." if chain.insight.metric else "",
        ]
    ).strip()
    publish_markdown(
        key=artifact_key("proposal", which.campaign_key, str(which.id)),
        markdown=markdown,
        description=f"What proposal {which.id} would change, and why.",
    )
    return markdown


def _short(value: object) -> str:
    """A number to four digits; anything else as it is."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _made_anew(connection: Connection, waiting: Proposal, as_of: datetime) -> None:
    try:
        if file_hash(waiting.campaign_key, installation().settings.content_dir) == waiting.base_hash:
            return
        made = draft(waiting.campaign_key, waiting.change, installation().settings.content_dir)
    except CannotChangeError as error:
        note_outdated(connection, waiting, why=str(error), at=as_of)
        return
    if made.is_needless:
        note_outdated(connection, waiting, why="the file says so already", at=as_of)
    elif (made.base_hash, made.diff) != (waiting.base_hash, waiting.diff):
        propose(connection, waiting.insight_id, waiting.change, diff=made.diff, base_hash=made.base_hash, at=as_of)


def _see_that_one_asks(about: Proposal, ledger: str) -> None:
    """Start the run that asks, if there is none; another one where it ended without an answer."""
    stem = f"improve-{ledger}-{about.id}-{about.content_hash[:_TOLD_APART]}"
    for number in range(1, _MOST_RUNS + 1):
        name = f"{about.campaign_key}: improve by proposal {about.id}"
        run = start_run(IMPROVE, {"proposal": about.id}, key=f"{stem}-{number}", name=name)
        if run is None or run.state is None or not run.state.is_final():
            return
    log.warning("proposal %d was asked about %d times: pushpull insights approve", about.id, _MOST_RUNS)


def _plain(text: str) -> str:
    """Text that Markdown leaves alone."""
    return text.replace("`", "'").replace("\n", " ")
