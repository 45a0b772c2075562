"""Sync: bring in what learners did, and move everybody to where they stand.

Activity from a learning record store, where one is named; what providers and our own links tell; then progress,
ratings, lifecycles, the deliveries nobody has heard of, cards that ask for what is done, learners' own entries in their
calendars, and letters they asked for.
"""

from __future__ import annotations

from prefect import flow

from flows.parameters import moment
from tasks.activity import import_statements
from tasks.calendar import make_holds
from tasks.callbacks import fold_callbacks
from tasks.cards import close_cards
from tasks.clicks import fold_clicks
from tasks.deliver import close_waves
from tasks.ingest import count_early
from tasks.letters import send_letters
from tasks.reconcile import reap_silent, settle_uncertain
from tasks.report import refresh_pages, report_changes
from tasks.state import fold_progress, fold_ratings, known_campaigns, move_lifecycles


@flow(name="sync", flow_run_name="sync", persist_result=False, log_prints=False)
async def sync(
    as_of: str = "",
    dry_run: bool = False,
    cohort: list[str] = [],  # noqa: B006
    source: str = "",
) -> dict[str, dict[str, int]]:
    """Import, fold, reap and reconcile.

    Args:
        as_of: Fold as it stood at this instant, ISO 8601 with an offset, e.g. 2026-01-12T00:05+01:00. Empty: when it
            was scheduled.
        dry_run: Only read the source and count; nothing is written.
        cohort: External ids of learners, to move only these from state to state. Empty: everybody.
        source: xAPI statements to import first: a file, or the statements URL of a learning record store. Empty: none.

    Returns:
        Learners moved from state to state, by campaign.
    """
    now = moment(as_of)
    if source:
        import_statements(source, now, dry_run=dry_run)
    if dry_run:
        return {}
    fold_callbacks(now)
    fold_clicks(now)
    count_early(now)
    fold_progress(now)
    fold_ratings(now)
    reap_silent()
    settle_uncertain(now)
    close_waves(now)
    moved = {campaign: move_lifecycles(campaign, now, cohort) for campaign in known_campaigns()}
    close_cards(now)
    make_holds(now)
    send_letters(now)
    refresh_pages(now)
    report_changes(now)
    return moved
