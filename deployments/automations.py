"""The automations of Prefect that tell ops when something is wrong, as data; `pushpull setup prefect` makes them.

Each is known by its name: setting up again brings it up to date and never makes a second one. What ops changed in the
UI stays: whether it is enabled, and whom it notifies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ActionTypes, ChangeFlowRunState, DoNothing, RunDeployment, SendNotification
from prefect.events.schemas.automations import Automation, AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectNotFound
from prefect.settings import get_current_settings

from deployments.orchestration import POOL
from tasks.events import Event

#: Every flow of `prefect.yaml`: automations watch these and no other project's.
FLOWS: Final = (
    "approval",
    "champions",
    "cohort-rerun",
    "decide",
    "dispatch",
    "forecast",
    "habit",
    "improve",
    "insights",
    "launch",
    "onboarding",
    "recommendations",
    "reengagement",
    "shard",
    "sync",
)

#: Longer than a worker needs to begin with a run.
LATE: Final = timedelta(minutes=10)
#: Dispatch runs every ten minutes: three in a row did not end well.
WITHOUT_DISPATCH: Final = timedelta(minutes=30)
#: Heartbeats that may be missing in a row: with fewer than three, Prefect says, healthy runs are ended.
_HEARTBEATS: Final = 3
_HEARTBEAT: Final = "prefect.flow-run.heartbeat"

_RUNBOOK: Final = "docs/runbook.md"
_THE_RUN: Final = "{{ flow_run.name }}, {{ flow_run|ui_url }}"
_THE_EVENT: Final = "{{ event.resource.name }}"


class Outcome(StrEnum):
    """What became of something when it was set up."""

    MADE = "made"
    CHANGED = "brought up to date"
    THERE = "there already"


class NoBlockError(LookupError):
    """The block that should notify is not on the server, or does not notify."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            f"{name!r} {why}: make it in the Prefect UI under Blocks, e.g. a Slack Webhook named ops, and name it "
            "type/name, e.g. slack-webhook/ops"
        )


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """One automation.

    Args:
        name: known by it; with "Pushpull: " before.
        section: of the runbook, as its heading's anchor.
        trigger: when it fires.
        text: what is told: a template of Prefect's, over the event and its run. Empty: nobody is told.
        runs: a deployment to start besides.
        parameters: of that run; templates too.
        crashes: declare the run it is about crashed.
    """

    name: str
    section: str
    trigger: EventTrigger
    text: str = ""
    runs: str = ""
    parameters: Mapping[str, Any] | None = None
    crashes: bool = False

    @property
    def full_name(self) -> str:
        """As the UI shows it."""
        return f"Pushpull: {self.name}"

    @property
    def description(self) -> str:
        """Where to read on."""
        return f"What to do: {_RUNBOOK}#{self.section}"


def alarms(*, heartbeat_seconds: int | None = None) -> list[Alarm]:
    """All of them.

    Args:
        heartbeat_seconds: how often a run says that it lives; Prefect's setting of this process where left out.
    """
    beat = heartbeat_seconds or get_current_settings().flows.heartbeat_frequency or 180
    return [
        Alarm(
            name="a run is late",
            section="late-run",
            trigger=_runs(
                after={"prefect.flow-run.Late"},
                expect=_states("Pending", "Running", "AwaitingConcurrencySlot", *_ENDED),
                posture=Posture.Proactive,
                within=LATE,
            ),
            text=f"No worker has begun with it for {_minutes(LATE)} minutes: {_THE_RUN}",
        ),
        Alarm(
            name="nothing is dispatched",
            section="nothing-is-dispatched",
            trigger=EventTrigger(
                match=_resource("prefect.flow-run.*"),
                match_related=_flows("dispatch"),
                expect=_states("Completed"),
                posture=Posture.Proactive,
                threshold=1,
                within=WITHOUT_DISPATCH,
            ),
            text=f"No dispatch has ended well for {_minutes(WITHOUT_DISPATCH)} minutes: what is due waits.",
        ),
        Alarm(
            name="a run failed",
            section="failed-run",
            trigger=_runs(expect=_states("Failed", "Crashed", "TimedOut")),
            text=f"{{{{ flow_run.state.name }}}}: {_THE_RUN}",
        ),
        Alarm(
            name="a run fell silent",
            section="silent-run",
            trigger=_runs(
                after={_HEARTBEAT, *_states("Running")},  # it may end before its first heartbeat
                expect={_HEARTBEAT, *_states("Paused", "Suspended", "AwaitingRetry", *_ENDED)},
                posture=Posture.Proactive,
                within=timedelta(seconds=_HEARTBEATS * beat + 30),
            ),
            crashes=True,  # "a run failed" tells of it
        ),
        Alarm(
            name="a channel stopped",
            section="channel-stopped",
            trigger=_ours(Event.CHANNEL_STOPPED),
            text=f"Nothing is sent over {_THE_EVENT} until a person resumes it; its messages wait.",
        ),
        Alarm(
            name="a campaign stopped itself",
            section="campaign-stopped",
            trigger=_ours(Event.CAMPAIGN_STOPPED),
            text=f"{_THE_EVENT}: {{{{ event.payload.why }}}}. Nothing of it is sent until a person decides.",
            # The ledger has stopped it by itself; this pauses its schedules too.
            runs="decide/decide",
            parameters={
                "action": "pause campaign",
                "campaign": "{{ event.payload.campaign }}",
                "who": "stop signal",
                "why": "{{ event.payload.why }}",
            },
        ),
        Alarm(
            name="a person is needed",
            section="person-needed",
            trigger=_ours(Event.PERSON_NEEDED),
            text="Waiting for an answer: {{ event.payload.waits }}, of them new: {{ event.payload.new }}, the first is "
            "{{ event.payload.first }}. The artifact waits-for-a-person has them all, with what answers each.",
        ),
        Alarm(
            name="no worker",
            section="no-worker",
            trigger=EventTrigger(
                match=_resource("prefect.work-pool.*", name=POOL), expect={"prefect.work-pool.not-ready"}, threshold=1
            ),
            text="No worker of the work pool answers: nothing runs, so that nothing is sent.",
        ),
    ]


_ENDED: Final = ("Completed", "Failed", "Crashed", "Cancelled", "Cancelling", "TimedOut")


def _states(*names: str) -> set[str]:
    return {f"prefect.flow-run.{name}" for name in names}


def _resource(pattern: str, *, name: str = "") -> ResourceSpecification:
    labels = {"prefect.resource.id": pattern, **({"prefect.resource.name": name} if name else {})}
    return ResourceSpecification.model_validate(labels)


def _flows(*names: str) -> ResourceSpecification:
    # By the flow: a run's heartbeats name it, but not its deployment.
    return ResourceSpecification.model_validate(
        {"prefect.resource.role": "flow", "prefect.resource.name": list(names)},
    )


def _runs(**options: Any) -> EventTrigger:
    """About each run of ours by itself."""
    return EventTrigger(
        match=_resource("prefect.flow-run.*"),
        match_related=_flows(*FLOWS),
        for_each={"prefect.resource.id"},
        threshold=1,
        **options,
    )


def _ours(event: Event) -> EventTrigger:
    return EventTrigger(match=_resource("pushpull.*"), expect={event.value}, threshold=1)


def _minutes(length: timedelta) -> int:
    return int(length.total_seconds() // 60)


async def set_up(
    client: PrefectClient, *, notify: str = "", heartbeat_seconds: int | None = None, dry_run: bool = False
) -> dict[str, Outcome]:
    """Make the automations, or bring them up to date.

    Args:
        client: of the server they belong to.
        notify: the block that tells people, as type/name, e.g. ``slack-webhook/ops``. Empty: whom each notifies stays
            as it is; a new one notifies nobody, and only shows in the UI.
        heartbeat_seconds: how often a run says that it lives, where it is not this process's setting.
        dry_run: only say what would become of each.

    Returns:
        What became of each, by name.

    Raises:
        NoBlockError: there is no such block.
    """
    block = await _block(client, notify) if notify else None
    done = {}
    for alarm in alarms(heartbeat_seconds=heartbeat_seconds):
        done[alarm.full_name] = await _set_up_one(client, alarm, block=block, dry_run=dry_run)
    return done


async def _set_up_one(client: PrefectClient, alarm: Alarm, *, block: UUID | None, dry_run: bool) -> Outcome:
    there = await _named(client, alarm.full_name)
    before = there[0] if there else None
    target = block or (_target(before) if before else None)
    wanted = AutomationCore(
        name=alarm.full_name,
        description=alarm.description,
        enabled=before.enabled if before else True,
        trigger=alarm.trigger,
        actions=await _actions(client, alarm, target),
    )
    if before is None:
        if not dry_run:
            await client.create_automation(wanted)
            await _keep_the_first(client, alarm.full_name)
        return Outcome.MADE
    if not dry_run:
        await _keep_the_first(client, alarm.full_name)
    if _says(before) == _says(wanted):
        return Outcome.THERE
    if not dry_run:
        # Prefect leaves out of an update what was not named, defaults too, and its server then misses them.
        await client.update_automation(before.id, AutomationCore.model_validate(_says(wanted)))
    return Outcome.CHANGED


async def _named(client: PrefectClient, name: str) -> Sequence[Automation]:
    """Automations of that name, in an order that all who ask agree on."""
    return sorted(await client.read_automations_by_name(name), key=lambda each: each.id.hex)


async def _keep_the_first(client: PrefectClient, name: str) -> None:
    """Two set-ups at the same time may both have made it."""
    for surplus in (await _named(client, name))[1:]:
        try:
            await client.delete_automation(surplus.id)
        except httpx.HTTPStatusError as error:
            if error.response.status_code != httpx.codes.NOT_FOUND:  # else the other one was quicker
                raise


def _target(before: Automation) -> UUID | None:
    """Whom it notifies now."""
    blocks = [each.block_document_id for each in before.actions if isinstance(each, SendNotification)]
    return blocks[0] if blocks else None


def _says(automation: AutomationCore) -> dict[str, Any]:
    shown = {"name", "description", "enabled", "trigger", "actions"}
    return automation.model_dump(include=shown)  # sets stay sets: their order says nothing


async def _actions(client: PrefectClient, alarm: Alarm, target: UUID | None) -> list[ActionTypes]:
    actions: list[ActionTypes] = []
    if alarm.crashes:
        why = "no heartbeat: its process or its machine is gone; what it sent is in the ledger"
        actions.append(ChangeFlowRunState(state=StateType.CRASHED, name="Crashed", message=why))
    if alarm.runs and (deployment := await _deployment(client, alarm.runs)):
        actions.append(
            RunDeployment(source="selected", deployment_id=deployment, parameters=dict(alarm.parameters or {}))
        )
    if alarm.text and target:
        body = f"{alarm.text}\n{alarm.description}"
        actions.append(SendNotification(block_document_id=target, subject=alarm.full_name, body=body))
    return actions or [DoNothing()]


async def _deployment(client: PrefectClient, name: str) -> UUID | None:
    try:
        return (await client.read_deployment_by_name(name)).id
    except ObjectNotFound:
        return None


async def _block(client: PrefectClient, name: str) -> UUID:
    kind, slash, own = name.partition("/")
    if not (kind and slash and own):
        raise NoBlockError(name, "is no name of a block")
    try:
        found = await client.read_block_document_by_name(own, kind)
    except ObjectNotFound as error:
        raise NoBlockError(name, "is not on the server") from error
    schema = found.block_schema
    if schema is not None and "notify" not in schema.capabilities:
        raise NoBlockError(name, "is a block that cannot notify")
    return found.id
