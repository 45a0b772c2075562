"""Re-running a wave for a cohort."""

from __future__ import annotations

from datetime import datetime

from pushpull.db import reading
from pushpull.ledger.campaigns import wave_id_of
from pushpull.ledger.rotations import Cohort, Rotated, rotate
from tasks.installation import installation
from tasks.step import step


@step("re-run cohort", run_name="re-run {wave_key}")
def rerun_cohort(
    campaign_key: str,
    wave_key: str,
    cohort: Cohort,
    as_of: datetime,
    *,
    reason: str,
    requested_by: str,
    request_key: str | None = None,
    dry_run: bool = False,
) -> Rotated:
    """Plan a wave again for chosen learners, as a new rotation; the same request key makes only one."""
    here = installation()
    with reading(here.engine) as connection:
        wave_id = wave_id_of(connection, campaign_key, wave_key)
    return rotate(
        here.engine,
        wave_id,
        cohort,
        reason=reason,
        requested_by=requested_by,
        as_of=as_of,
        global_holdout=here.settings.global_holdout,
        request_key=request_key,
        dry_run=dry_run,
    )
