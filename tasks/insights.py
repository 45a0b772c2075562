"""The steps of the insights flow: learn, decide the intensity, look, propose, measure, show. Counts, never people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from content.campaign import campaign_spec
from content.source import ContentError
from pushpull.db import reading, writing
from pushpull.insights.loop import Chain, Found, Look, chains_of
from pushpull.insights.loop.finders import QUICK, THOROUGH
from pushpull.insights.loop.insights import note
from pushpull.insights.loop.measuring import Measured, keep, measure, to_measure
from pushpull.insights.loop.proposals import get
from pushpull.insights.pull import decide_intensity
from pushpull.ledger.campaigns import campaign_id_of, register
from pushpull.ledger.tables import campaign
from tasks.installation import installation, log
from tasks.proposals import propose_change
from tasks.publish import artifact_key, publish_table
from tasks.step import step


@dataclass(frozen=True)
class Looked:
    """What a look at a campaign came to.

    Args:
        found: insights, new ones and those seen again.
        proposed: proposals that wait for a person.
    """

    campaign_key: str
    found: int
    proposed: int


@step("register campaign", run_name="register {campaign_key}")
def register_campaign(campaign_key: str, as_of: datetime) -> bool:
    """Let the ledger know a campaign as its file says now.

    Returns:
        Whether its file can be used; one that was taken away is looked at as it was.
    """
    here = installation()
    try:
        spec = campaign_spec(here.campaign(campaign_key))
    except ContentError:
        log.warning("a campaign's file cannot be used: pushpull lint", extra={"campaign": campaign_key})
        return False
    with writing(here.engine) as connection:
        register(connection, spec, now=as_of)
    return True


@step("learn signatures")
def learn_from_behaviour(as_of: datetime) -> None:
    """Learn from what learners did when, over what and how they learn; only where something is new."""
    from pushpull.learners.signature import learn_everybody

    learn_everybody(installation().engine, as_of=as_of)


@step("keep verdicts", run_name="keep verdicts on {campaign_key}")
def keep_verdicts(campaign_key: str, as_of: datetime) -> None:
    """Keep what uplift and experiments say at this look, with the figures it is taken from."""
    from pushpull.insights.verdicts import keep as keep_verdict

    with writing(installation().engine) as connection:
        keep_verdict(connection, campaign_key, as_of=as_of)


@step("audit the catalogue")
def audit_catalogue(as_of: datetime) -> None:
    """Look at how items are described, built and used, and keep what was found as the rewrite queue."""
    from pushpull.catalogue.audit import audit, record

    engine = installation().engine
    with reading(engine) as connection:
        found = audit(connection, as_of=as_of)
    with writing(engine) as connection:
        record(connection, found, at=as_of)


@step("decide intensity", run_name="decide intensity of {campaign_key}")
def decide_rung(campaign_key: str, as_of: datetime, *, dry_run: bool = False) -> bool:
    """Decide how hard a campaign pushes this week; a week that was decided stays as it is.

    Returns:
        Whether something was decided, or would be.
    """
    with writing(installation().engine) as connection:
        return decide_intensity(connection, campaign_key, as_of=as_of, dry_run=dry_run)


@step("look", run_name="look at {campaign_key}")
def look_at(campaign_key: str, as_of: datetime, *, thorough: bool = True, dry_run: bool = False) -> Looked:
    """Find what there is to be found, keep it, and propose what follows from it; again adds nothing.

    Args:
        thorough: with what fits models, too, which takes a while.
        dry_run: only count.
    """
    here = installation()
    campaign_id, found = _found(campaign_key, as_of, thorough=thorough)
    if dry_run:
        return Looked(campaign_key, len(found), sum(each.change is not None for each in found))
    proposed = 0
    for each in found:
        with writing(here.engine) as connection:
            insight_id = note(connection, campaign_id, each, at=as_of)
        if each.change is not None:
            proposed += propose_change(campaign_key, insight_id, each.change, as_of) is not None
    return Looked(campaign_key, len(found), proposed)


@step("measure changes", run_name="measure changes of {campaign_key}")
def measure_changes(campaign_key: str, as_of: datetime) -> list[Measured]:
    """Compare the two weeks after each applied change with the two before it, once both can have been answered."""
    with writing(installation().engine) as connection:
        found = [
            measure(connection, get(connection, proposal_id), metric)
            for proposal_id, metric in to_measure(connection, as_of=as_of, campaign_key=campaign_key)
        ]
        return [each for each in found if keep(connection, each)]


@step("show insights", run_name="show insights of {campaign_key}")
def show_insights(campaign_key: str) -> None:
    """The campaign's insights, what was proposed and what it came to, as a table in the Prefect UI."""
    with reading(installation().engine) as connection:
        chains = chains_of(connection, campaign_key)
    publish_table(
        key=artifact_key("insights", campaign_key),
        table=[row for chain in chains for row in _rows(chain)],
        description=f"What was found about {campaign_key}, the latest first, and what was made of it.",
    )


def _found(campaign_key: str, as_of: datetime, *, thorough: bool) -> tuple[int, Sequence[Found]]:
    """What the finders find, each in a transaction of its own: one that fails keeps the others from nothing."""
    engine = installation().engine
    with reading(engine) as connection:
        campaign_id = campaign_id_of(connection, campaign_key)
        definition = connection.execute(select(campaign.c.definition).where(campaign.c.id == campaign_id)).scalar_one()
    found: list[Found] = []
    for finder in (*QUICK, *(THOROUGH if thorough else ())):
        try:
            with reading(engine) as connection:
                found += finder(Look(connection, campaign_id, campaign_key, definition, as_of))
        except Exception as error:  # noqa: BLE001  # a model that does not fit must not keep a stop signal from being told
            log.error("a finder failed", extra={"finder": finder.__name__, "error": type(error).__name__})
    return campaign_id, found


def _rows(chain: Chain) -> list[dict[str, object]]:
    insight = chain.insight
    about: dict[str, object] = {
        "insight": insight.id,
        "kind": insight.kind.value.replace("_", " "),
        "found": f"{insight.found_at:%Y-%m-%d}",
        "seen": f"{insight.seen_at:%Y-%m-%d}",
        "what": insight.headline,
    }
    if not chain.tried:
        return [{**about, "proposal": "", "state": "", "came to": ""}]
    return [
        {
            **about,
            "proposal": each.proposal.id,
            "state": each.proposal.state.value,
            "came to": "; ".join(measured.said.value for measured in each.measurements),
        }
        for each in chain.tried
    ]
