"""What all stages have in common: plan the waves of the day, or re-run them for a cohort, and say what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from flows.parameters import run_key
from pushpull.ledger.planning import PlanResult
from pushpull.ledger.rotations import Cohort, CohortKind, Rotated
from pushpull.ledger.specs import WaveSpec
from pushpull.ledger.vocabulary import WaveStatus
from tasks.approve import ask_for_approvals
from tasks.brief import publish_briefing
from tasks.events import Event, announce
from tasks.plan import load_stage, plan_wave
from tasks.publish import in_a_run
from tasks.report import report_changes, report_no_waves, report_plans
from tasks.rerun import rerun_cohort


def plan_stage(
    campaign: str,
    stage: str,
    as_of: datetime,
    *,
    wave: str = "",
    days_ahead: int = 0,
    late_by: timedelta = timedelta(0),
    dry_run: bool,
    cohort: Sequence[str],
) -> list[PlanResult]:
    """Plan a stage's waves of the day. What was planned before stays as it is.

    Args:
        wave: key of one of its waves; empty: all.
        days_ahead: plan the waves of so many days after the local day of ``as_of``.
        late_by: how long after ``as_of`` this is; a wave planned later than its grace asks a person.
        cohort: external ids; with them, today's waves are planned again for these learners only, as a new rotation.

    Raises:
        UnknownWaveError: the stage has no such wave.
    """
    waves = load_stage(campaign, stage, as_of, wave, days_ahead)
    if cohort:
        plans = [_again(each, as_of, cohort, dry_run=dry_run) for each in waves]
    else:
        plans = [plan_wave(each, as_of, late_by=late_by, dry_run=dry_run) for each in waves]
    report_plans(stage, plans)
    if dry_run and not waves:
        report_no_waves(campaign, stage, as_of + timedelta(days=days_ahead))
    if not dry_run and not cohort:
        _tell(campaign, plans, as_of)
    return plans


def _tell(campaign: str, plans: Sequence[PlanResult], as_of: datetime) -> None:
    """Say what is new, and see to it that somebody is asked where a person must be."""
    if not in_a_run():
        return
    for each in plans:
        if each.wave_id is None or each.was_planned_before:
            continue
        publish_briefing(each.wave_id, as_of)
        counts = {"audience": each.audience, "planned": each.planned, "skipped": sum(each.by_reason.values())}
        about, payload = f"wave.{each.wave_id}", {"campaign": campaign, **counts}
        announce(Event.WAVE_PLANNED, about=about, name=each.key, payload=payload)
    # Also for those planned before: the run that planned them may have been killed before it asked.
    if any(each.status == WaveStatus.HELD for each in plans):
        ask_for_approvals(as_of)
    report_changes(as_of)


def _again(wave: WaveSpec, as_of: datetime, cohort: Sequence[str], *, dry_run: bool) -> PlanResult:
    again = rerun_cohort(
        wave.campaign_key,
        wave.key,
        Cohort(kind=CohortKind.LEARNERS, external_ids=tuple(cohort)),
        as_of,
        reason=f"{wave.stage} stage run for a chosen cohort",
        requested_by="flow",
        request_key=run_key(wave.key),
        dry_run=dry_run,
    )
    return _as_plan(wave.key, again)


def _as_plan(key: str, again: Rotated) -> PlanResult:
    return PlanResult(
        wave_id=again.wave_id,
        key=f"{key} #{again.rotation or 'dry run'}",
        audience=again.planned + sum(again.by_reason.values()),
        planned=again.planned,
        by_reason=again.by_reason,
        was_planned_before=again.was_requested_before,
    )
