"""The schedules of a Prefect server: reading those of waves, and making them what timelines ask for.

Schedules of other campaigns are left alone, and so is what ops did in the UI: a paused schedule stays paused. What was
planned already is in the ledger, and nothing here touches it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import DeploymentSchedule, FlowRun, StateType
from prefect.client.schemas.schedules import RRuleSchedule
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.states import Scheduled

from content.campaign import STAGES
from deployments.timelines import Change, Deployed, Difference, WaveSchedule
from tasks.schedules import JOINT

_MOST_RUNS = 200


class TimelineError(RuntimeError):
    """A timeline could not be deployed."""


class NotDeployedError(TimelineError):
    """The server does not have the deployments that schedules belong to."""

    def __init__(self, stages: Sequence[str], url: str) -> None:
        super().__init__(
            f"the Prefect server at {url} has no deployment {', '.join(stages)}; deploy the flows first: "
            "`python -m deployments.prefect_setup`"
        )


async def deployed(client: PrefectClient, *, campaign: str = "") -> list[Deployed]:
    """The schedules of waves that the server has, by stage and slug.

    Args:
        campaign: of this one alone; empty: of all.
    """
    found = []
    for stage, deployment_id in (await _deployments(client)).items():
        schedules = [
            each for each in await client.read_deployment_schedules(deployment_id) if JOINT in (each.slug or "")
        ]
        coming = await _next_runs(client, deployment_id) if schedules else {}
        found += [_as_found(stage, deployment_id, each, coming.get(each.id)) for each in schedules]
    chosen = (each for each in found if not campaign or each.campaign == campaign)
    return sorted(chosen, key=lambda each: (STAGES.index(each.stage), each.slug))


async def apply(client: PrefectClient, wanted: Sequence[Difference]) -> None:
    """Make the server have what was asked for. Doing it again changes nothing; one that was cut short goes on.

    Raises:
        NotDeployedError: a stage has no deployment to hold schedules; nothing was changed.
    """
    changing = [each for each in wanted if each.change is not Change.SAME]
    deployments = await _deployments(client)
    missing = sorted({each.stage for each in changing} - set(deployments), key=STAGES.index)
    if missing:
        raise NotDeployedError(missing, str(client.api_url))
    for each in changing:
        if each.wanted is None:
            assert each.found is not None
            await _remove(client, each.found)
        elif each.found is None:
            await _add(client, deployments[each.stage], each.wanted)
        else:  # whether it is active is for ops to say
            await client.update_deployment_schedule(
                each.found.deployment_id,
                each.found.schedule_id,
                schedule=_as_prefect_wants(each.wanted),
                parameters=each.wanted.parameters,
            )
    for stage in dict.fromkeys(each.stage for each in changing):
        await _show_upcoming(client, deployments[stage], stage)


async def _deployments(client: PrefectClient) -> dict[str, UUID]:
    """The deployments of stages that the server has."""
    found = {}
    for stage in STAGES:
        try:
            found[stage] = (await client.read_deployment_by_name(f"{stage}/{stage}")).id
        except ObjectNotFound:
            continue
    return found


def _as_found(stage: str, deployment_id: UUID, found: DeploymentSchedule, next_run: datetime | None) -> Deployed:
    return Deployed(
        deployment_id=deployment_id,
        schedule_id=found.id,
        stage=stage,
        slug=found.slug or "",
        rule=getattr(found.schedule, "rrule", ""),  # somebody may have made it a cron schedule in the UI
        timezone=getattr(found.schedule, "timezone", None) or "UTC",
        parameters=found.parameters,
        is_active=found.active,
        next_run=next_run,
    )


def _as_prefect_wants(wanted: WaveSchedule) -> RRuleSchedule:
    return RRuleSchedule(rrule=wanted.recurrence.rule, timezone=wanted.recurrence.timezone)


async def _add(client: PrefectClient, deployment_id: UUID, wanted: WaveSchedule) -> None:
    schedule = DeploymentScheduleCreate(
        schedule=_as_prefect_wants(wanted), active=True, slug=wanted.slug, parameters=wanted.parameters
    )
    try:
        await client.create_deployment_schedules(deployment_id, [schedule])
    except PrefectHTTPStatusError:  # slugs are unique: somebody may be deploying the same at this moment
        if wanted.slug not in {each.slug for each in await client.read_deployment_schedules(deployment_id)}:
            raise


async def _remove(client: PrefectClient, found: Deployed) -> None:
    """Delete a schedule and the runs it has asked for.

    With it Prefect 3.8 deletes every run of the deployment that a schedule asked for and no worker has taken yet, also
    those of other campaigns that were due while no worker ran. These are put back, under their own idempotency keys.
    """
    due = [
        run
        for run in await _waiting(client, found.deployment_id)
        if _is_due(run) and _asked_by(run) != found.schedule_id
    ]
    with suppress(ObjectNotFound):  # somebody else was faster
        await client.delete_deployment_schedule(found.deployment_id, found.schedule_id)
    for run in due:
        await client.create_flow_run_from_deployment(
            found.deployment_id,
            parameters=run.parameters,
            state=Scheduled(scheduled_time=run.expected_start_time),
            name=run.name,
            tags=run.tags,
            idempotency_key=run.idempotency_key,
        )


async def _show_upcoming(client: PrefectClient, deployment_id: UUID, stage: str) -> None:
    """Let the server work out the next runs at once instead of within a minute, and name them for the UI."""
    answer = await client.request("POST", "/deployments/{id}/schedule", path_params={"id": deployment_id}, json={})
    answer.raise_for_status()
    for run in await _waiting(client, deployment_id):
        given = run.parameters
        name = f"{given.get('campaign')}: {stage} {given.get('wave', '')}".rstrip()
        if run.name != name:
            await client.set_flow_run_name(run.id, name)


async def _next_runs(client: PrefectClient, deployment_id: UUID) -> dict[UUID, datetime]:
    """When each schedule fires next, by its id."""
    found: dict[UUID, datetime] = {}
    for run in await _waiting(client, deployment_id):
        schedule_id = _asked_by(run)
        if schedule_id is not None and run.expected_start_time is not None and not _is_due(run):
            at = datetime.fromisoformat(run.expected_start_time.isoformat()).astimezone(UTC)
            found[schedule_id] = min(at, found.get(schedule_id, at))
    return found


async def _waiting(client: PrefectClient, deployment_id: UUID) -> list[FlowRun]:
    """The runs of a deployment that a schedule asked for and no worker has taken."""
    chosen = FlowRunFilter(
        deployment_id=FlowRunFilterDeploymentId(any_=[deployment_id]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
    )
    found: list[FlowRun] = []
    while True:
        page = await client.read_flow_runs(
            flow_run_filter=chosen, limit=_MOST_RUNS, offset=len(found), sort=FlowRunSort.EXPECTED_START_TIME_ASC
        )
        found += page
        if len(page) < _MOST_RUNS:
            return [run for run in found if run.auto_scheduled]


def _is_due(run: FlowRun) -> bool:
    at = run.next_scheduled_start_time or run.expected_start_time
    return at is not None and at <= datetime.now(UTC)


def _asked_by(run: FlowRun) -> UUID | None:
    return run.created_by.id if run.created_by is not None else None
