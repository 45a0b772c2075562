"""What ops see of a run in the Prefect UI: tables of counts, never of people, and one event per wave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pushpull.db import reading
from pushpull.ledger.planning import PlanResult
from pushpull.ledger.results import WaveResult, wave_results
from pushpull.ledger.waiting import Waiting, waiting_for_a_person
from tasks.events import Event, announce
from tasks.installation import installation, log
from tasks.publish import publish_table
from tasks.step import step


def report_plans(stage: str, plans: Sequence[PlanResult]) -> None:
    """Publish what was planned, wave by wave; nothing when nothing was."""
    for each in plans:
        log.info("wave planned", extra={"wave": each.key, "audience": each.audience, "planned": each.planned})
    publish_table(
        key=f"{stage}-plan",
        table=[_plan_row(each) for each in plans],
        description=f"What the {stage} stage planned, by wave.",
    )


def _plan_row(plan: PlanResult) -> dict[str, object]:
    skipped = ", ".join(f"{count} {reason}" for reason, count in plan.by_reason.items())
    channels = ", ".join(f"{count} {channel}" for channel, count in plan.by_channel.items())
    return {
        "wave": plan.key,
        "audience": plan.audience,
        "planned": plan.planned,
        "channels": channels,
        "skipped": skipped,
        "status": plan.status,
        "new": "no" if plan.was_planned_before else "yes",
    }


#: Questions a log shows; the table has them all.
_TOLD = 5


@step("report")
def report_waves(wave_ids: Sequence[int]) -> list[WaveResult]:
    """Publish what became of waves, and emit one event for each, for automations to react to."""
    with reading(installation().engine) as connection:
        results = wave_results(connection, wave_ids=list(wave_ids))
    publish_table(
        key="dispatched-waves",
        table=[_result_row(result) for result in results],
        description="What became of the waves this run sent.",
    )
    for result in results:
        announce(
            Event.WAVE_FINISHED if result.is_finished else Event.WAVE_DISPATCHED,
            about=f"wave.{result.wave_id}",
            name=result.key,
            payload={"audience": result.audience, "accepted": result.accepted, **dict(result.states)},
        )
    return results


def _result_row(result: WaveResult) -> dict[str, object]:
    return {
        "campaign": result.campaign_key,
        "wave": result.key,
        "audience": result.audience,
        "accepted": result.accepted,
        "open": result.open,
        "result": result.sentence(),
    }


@step("report what waits")
def report_waiting() -> list[Waiting]:
    """Publish what waits for a person, so that a completed run does not hide it; nothing when nothing does."""
    with reading(installation().engine) as connection:
        waiting = waiting_for_a_person(connection)
    for each in waiting[:_TOLD]:
        log.warning("a person is needed: %s %s: %s; then: %s", each.kind, each.what, each.why, each.command)
    if len(waiting) > _TOLD:
        log.warning("a person is needed for %d things more", len(waiting) - _TOLD)
    publish_table(
        key="waits-for-a-person",
        table=[{"what": f"{each.kind} {each.what}", "why": each.why, "answer": each.command} for each in waiting],
        description="Goes on only when a person says so.",
    )
    if waiting:
        kinds = Counter(each.kind for each in waiting)
        announce(Event.PERSON_NEEDED, about="ledger", name="the ledger", payload=dict(kinds))
    return waiting
