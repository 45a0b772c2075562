"""Re-running a wave for a cohort, and saying what it changes."""

from __future__ import annotations

from datetime import datetime

from pushpull.db import reading
from pushpull.insights.rerun import rows, sentences
from pushpull.ledger.campaigns import wave_id_of
from pushpull.ledger.rotations import Cohort, Rotated, rotate
from tasks.events import Event, announce
from tasks.installation import installation, log
from tasks.publish import artifact_key, publish_table
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


def report_rerun(campaign_key: str, wave_key: str, cohort: Cohort, rotated: Rotated, *, dry_run: bool) -> list[str]:
    """Publish what a re-run changes against what had become of the cohort before, and announce what it planned.

    Returns:
        The same in sentences.
    """
    said = sentences(rotated, cohort, dry_run=dry_run)
    counts = {"planned": rotated.planned, "skipped": sum(rotated.by_reason.values()), "unknown": len(rotated.unknown)}
    place = {"campaign": campaign_key, "wave": wave_key, "cohort": cohort.kind.value, "rotation": rotated.rotation}
    for each in said:
        log.info("re-run of %s: %s", wave_key, each, extra={**place, **counts})
    publish_table(
        key=artifact_key("rerun", campaign_key, wave_key),
        table=[{"before": before, "now": now, "learners": count} for before, now, count in rows(rotated.changes)]
        or [{"before": "", "now": said[0], "learners": 0}],
        description=" ".join([f"{campaign_key} {wave_key}, again for {cohort.kind.value}.", *said]),
    )
    if rotated.rotation is not None and not rotated.was_requested_before:
        payload = {**place, "status": str(rotated.status), **counts, "by_reason": dict(rotated.by_reason)}
        announce(Event.WAVE_PLANNED, about=f"wave.{rotated.wave_id}", name=wave_key, payload=payload)
    return said
