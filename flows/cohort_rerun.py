"""Cohort re-run: one wave again, for exactly the learners who need it.

The failed, the parked, the missed, those who joined since, a list, or a segment. It makes a new rotation with a stated
reason; earlier rows stay as they are.
"""

from __future__ import annotations

from prefect import flow

from flows.parameters import CampaignKey, Reason, WaveKey, moment, run_key
from pushpull.learners.segments import parse_segment
from pushpull.ledger.rotations import Cohort, CohortKind, Rotated
from tasks.rerun import rerun_cohort


@flow(name="cohort-rerun", flow_run_name="{campaign}: {wave} for {cohort}", persist_result=False, log_prints=False)
async def cohort_rerun(
    campaign: CampaignKey,
    wave: WaveKey,
    reason: Reason,
    cohort: CohortKind = CohortKind.FAILED,
    external_ids: list[str] = [],  # noqa: B006
    segment: dict[str, object] = {},  # noqa: B006
    as_of: str = "",
    dry_run: bool = False,
) -> Rotated:
    """Plan one wave again for a cohort.

    Args:
        campaign: Key of the campaign, e.g. two-minutes-a-day.
        wave: Key of the wave, e.g. launch.announcement@2026-01-12; `pushpull wave list` shows them.
        reason: Why it is sent again; an auditor will read it.
        cohort: "failed": refused, bounced or could not be written. "parked": nobody knows whether they got it.
            "missed": left out for a reason that no longer holds. "joined_since": in the audience only since then.
            "learners": those of external_ids. "segment": those of segment.
        external_ids: External ids of learners; for the cohort "learners" alone.
        segment: A segment as it would stand in a campaign file, as JSON; for the cohort "segment" alone.
        as_of: Instant to plan for, ISO 8601 with an offset, e.g. 2026-01-12T00:05+01:00. Empty: when it was scheduled.
        dry_run: Only count whom it would reach; nothing is written.
    """
    chosen = Cohort(kind=cohort, external_ids=tuple(external_ids), segment=parse_segment(segment) if segment else None)
    return rerun_cohort(
        campaign,
        wave,
        chosen,
        moment(as_of),
        reason=reason,
        requested_by="flow",
        request_key=run_key(wave),
        dry_run=dry_run,
    )
