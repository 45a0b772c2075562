"""Insights: what works and what does not, found in what happened; and what to change, proposed to a person.

Learns when and over what each person responds, decides how hard each campaign pushes, looks, proposes changes of
campaign files, applies what was approved, and measures what came of it. Running it again adds nothing.
"""

from __future__ import annotations

from prefect import flow

from flows.parameters import moment
from tasks.insights import (
    audit_catalogue,
    decide_rung,
    keep_verdicts,
    learn_from_behaviour,
    look_at,
    measure_changes,
    register_campaign,
    show_insights,
)
from tasks.proposals import apply_approved, ask_about_proposals
from tasks.state import known_campaigns, move_lifecycles


@flow(name="insights", flow_run_name="insights", persist_result=False, log_prints=False)
async def insights(
    campaign: str = "", as_of: str = "", dry_run: bool = False, thorough: bool = True
) -> dict[str, dict[str, int]]:
    """Learn, look, propose, measure.

    Args:
        campaign: Key of a campaign, to look at this one alone, e.g. two-minutes-a-day. Empty: all.
        as_of: Look as it stood at this instant, ISO 8601 with an offset, e.g. 2026-01-12T00:05+01:00. Empty: when it
            was scheduled.
        dry_run: Only count what would be found and proposed; nothing is written.
        thorough: Also audit the catalogue and fit the models of drop-off, uplift and engagement, which takes a while.

    Returns:
        How much was found, proposed and measured, by campaign.
    """
    now = moment(as_of)
    if not dry_run:
        learn_from_behaviour(now)
        if thorough:
            audit_catalogue(now)
        apply_approved(now, campaign)
    came_to = {}
    for each in [campaign] if campaign else known_campaigns():
        if not dry_run:
            register_campaign(each, now)
            move_lifecycles(each, now)
            if thorough:
                keep_verdicts(each, now)
        decide_rung(each, now, dry_run=dry_run)
        looked = look_at(each, now, thorough=thorough, dry_run=dry_run)
        measured = [] if dry_run else measure_changes(each, now)
        came_to[each] = {"found": looked.found, "proposed": looked.proposed, "measured": len(measured)}
        if not dry_run:
            show_insights(each)
    if not dry_run:
        ask_about_proposals(now, campaign)
    return came_to
