"""Cohort re-run: one wave again, for exactly the learners who need it.

The failed, the parked, the missed, those who joined since, a list, or a segment. It makes a new rotation with a stated
reason; earlier rows stay as they are.
"""

from __future__ import annotations

from typing import Annotated

from prefect import flow
from pydantic import Field

from flows.parameters import AsOf, CampaignKey, DryRun, moment, run_key
from pushpull.learners.segments import parse_segment
from pushpull.ledger.rotations import Cohort, CohortKind, Rotated
from tasks.rerun import rerun_cohort

WaveKey = Annotated[
    str,
    Field(
        title="Wave",
        description="Key of the wave, e.g. launch.announcement@2026-01-12; `pushpull waves` lists them.",
        json_schema_extra={"position": 1},
    ),
]
Why = Annotated[
    str,
    Field(title="Reason", description="Why it is sent again; an auditor will read it.", min_length=3),
]


@flow(name="cohort-rerun", flow_run_name="{campaign}: {wave} for {cohort}", persist_result=False, log_prints=False)
async def cohort_rerun(
    campaign: CampaignKey,
    wave: WaveKey,
    reason: Why,
    cohort: CohortKind = CohortKind.FAILED,
    external_ids: list[str] = [],  # noqa: B006
    segment: dict[str, object] = {},  # noqa: B006
    as_of: AsOf = "",
    dry_run: DryRun = False,
) -> Rotated:
    """Plan one wave again for a cohort.

    Args:
        external_ids: For the cohort "learners".
        segment: For the cohort "segment", as it would stand in a campaign file.
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
