"""The runs that ask for approval: one for every question, and none for what is no longer asked."""

from __future__ import annotations

from collections.abc import Collection

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType

from pushpull.db import writing
from pushpull.ledger.approvals import Question
from pushpull.ledger.provider_objects import ledger_name
from tasks.installation import installation, log
from tasks.publish import impatient, in_a_run
from tasks.start import start_run

APPROVAL = "approval/approval"

#: Runs that ask about the same, one after the other, where they end without an answer.
_MOST_RUNS = 5

#: Digits of a content hash that tell one question from another in the key of a run.
_TOLD_APART = 16

#: Runs looked at, at the most.
_AT_ONCE = 200


def see_that_one_asks(about: Question) -> bool:
    """Start the run that asks, if there is none; another one where it ended without an answer.

    Returns:
        Whether one asks now.
    """
    with writing(installation().engine) as connection:
        ledger = ledger_name(connection)
    stem = f"approval-{ledger}-{about.wave_id}-{about.rotation}-{about.content_hash[:_TOLD_APART]}"
    parameters = {"campaign": about.campaign_key, "wave": about.key}
    for number in range(1, _MOST_RUNS + 1):
        run = start_run(APPROVAL, parameters, key=f"{stem}-{number}", name=f"{about.campaign_key}: approve {about.key}")
        if run is None:
            log.warning("wave %d waits for approval on the command line: pushpull wave approve", about.wave_id)
            return False
        if run.state is None or not run.state.is_final():
            return True
    log.warning("wave %d was asked about %d times: pushpull wave approve", about.wave_id, _MOST_RUNS)
    return False


def end_what_asks_in_vain(asked: Collection[Question]) -> int:
    """Let runs go on that wait for an answer nobody needs any more: they find out why, say so, and end.

    Args:
        asked: all that is asked now.

    Returns:
        How many there were.
    """
    if not in_a_run():
        return 0
    wanted = {(each.campaign_key, each.key, each.content_hash) for each in asked}
    waits = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PAUSED])))
    named = FlowFilter(name=FlowFilterName(any_=[APPROVAL.partition("/")[0]]))
    ended = 0
    try:
        with impatient(), get_client(sync_client=True) as client:
            for run in client.read_flow_runs(flow_filter=named, flow_run_filter=waits, limit=_AT_ONCE):
                if _question_of(run) not in wanted:
                    client.resume_flow_run(run.id, run_input={})
                    ended += 1
    except Exception as error:  # noqa: BLE001  # it is tidying up, and the next run does it, too
        log.warning("runs that ask in vain could not be ended", extra={"error": type(error).__name__})
    return ended


def _question_of(run: FlowRun) -> tuple[object, object, str]:
    key = (run.state.state_details.pause_key if run.state else "") or ""
    return run.parameters.get("campaign"), run.parameters.get("wave"), key.partition("-")[2]
