"""What all stages have in common: plan the waves of the day, or re-run them for a cohort, and say what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from flows.parameters import run_key
from pushpull.ledger.planning import PlanResult
from pushpull.ledger.rotations import Cohort, CohortKind, Rotated
from tasks.plan import load_stage, plan_wave
from tasks.report import report_plans
from tasks.rerun import rerun_cohort


def plan_stage(campaign: str, stage: str, as_of: datetime, *, dry_run: bool, cohort: Sequence[str]) -> list[PlanResult]:
    """Plan a stage's waves of the day. What was planned before stays as it is.

    Args:
        cohort: external ids; with them, today's waves are planned again for these learners only, as a new rotation.
    """
    plans = []
    for wave in load_stage(campaign, stage, as_of):
        if not cohort:
            plans.append(plan_wave(wave, as_of, dry_run=dry_run))
            continue
        again = rerun_cohort(
            wave.campaign_key,
            wave.key,
            Cohort(kind=CohortKind.LEARNERS, external_ids=tuple(cohort)),
            as_of,
            reason=f"{stage} stage run for a chosen cohort",
            requested_by="flow",
            request_key=run_key(wave.key),
            dry_run=dry_run,
        )
        plans.append(_as_plan(wave.key, again))
    report_plans(stage, plans)
    return plans


def _as_plan(key: str, again: Rotated) -> PlanResult:
    return PlanResult(
        wave_id=again.wave_id,
        key=f"{key} #{again.rotation or 'dry run'}",
        audience=again.planned + sum(again.by_reason.values()),
        planned=again.planned,
        by_reason=again.by_reason,
        was_planned_before=again.was_requested_before,
    )
