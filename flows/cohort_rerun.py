"""Cohort re-run: one wave again, for exactly the learners who need it.

The failed, the parked, the missed, those who joined since, a list, or a segment. It makes a new rotation with a stated
reason; earlier rows stay as they are. What it changes is shown before (dry run) and after, as the same table.
"""

from __future__ import annotations

from prefect import flow

from flows.parameters import CampaignKey, Reason, WaveKey, moment, run_key
from pushpull.learners.segments import parse_segment
from pushpull.ledger.rotations import Cohort, CohortKind, Rotated
from pushpull.ledger.vocabulary import WaveStatus
from tasks.approve import ask_for_approvals
from tasks.rerun import report_rerun, rerun_cohort


@flow(
    name="cohort-rerun", flow_run_name="{campaign}: {wave} again for {cohort}", persist_result=False, log_prints=False
)
async def cohort_rerun(
    campaign: CampaignKey,
    wave: WaveKey,
    *,
    cohort: CohortKind = CohortKind.FAILED,
    reason: Reason,
    requested_by: str = "ops",
    external_ids: list[str] = [],  # noqa: B006
    segment: dict[str, object] = {},  # noqa: B006
    as_of: str = "",
    dry_run: bool = False,
) -> Rotated:
    """Plan one wave again for a cohort; run it with `dry_run` first to see what it would change.

    Args:
        campaign: Key of the campaign, e.g. two-minutes-a-day.
        wave: Key of the wave, e.g. launch.announcement@2026-01-12; `pushpull wave list` shows them.
        cohort: "failed": refused, bounced or could not be written. "parked": nobody knows whether they got it.
            "missed": left out for a reason that no longer holds. "joined_since": in the audience only since then.
            "learners": those of external_ids. "segment": those of segment.
        reason: Why it is sent again; an auditor will read it. No names of learners.
        requested_by: Who asks; kept in the audit log.
        external_ids: External ids of learners; for the cohort "learners" alone.
        segment: A segment as it would stand in a campaign file, as JSON; for the cohort "segment" alone. An example:
            {"field": "department", "prefix": "Sales"}
        as_of: Instant to plan for, ISO 8601 with an offset, e.g. 2026-01-12T00:05+01:00. Empty: when it was scheduled.
        dry_run: Only show what it would change; nothing is written.
    """
    now = moment(as_of)
    chosen = Cohort(kind=cohort, external_ids=tuple(external_ids), segment=parse_segment(segment) if segment else None)
    rotated = rerun_cohort(
        campaign,
        wave,
        chosen,
        now,
        reason=reason,
        requested_by=requested_by,
        request_key=run_key(wave),
        dry_run=dry_run,
    )
    report_rerun(campaign, wave, chosen, rotated, dry_run=dry_run)
    if rotated.rotation is not None and rotated.status == WaveStatus.HELD:
        ask_for_approvals(now)
    return rotated
