"""A campaign's schedules on the Prefect server, paused and resumed with the campaign.

Which of them ops had paused already is remembered in a Variable of the server, beside the schedules it is about.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from prefect.client.orchestration import SyncPrefectClient, get_client

from tasks.installation import log
from tasks.publish import in_a_run
from tasks.variables import write_variable

#: Between campaign and wave in the slug of a schedule (`deployments.timelines`); neither key can hold it.
JOINT: Final = "--"


def pause_schedules(campaign: str) -> str:
    """Pause a campaign's schedules, and remember which were not paused before."""

    def pause(client: SyncPrefectClient) -> str:
        active = [each for each in _schedules(client, campaign) if each.is_active]
        if active:
            remembered = set(_remembered(client, campaign)) | {each.name for each in active}
            _remember(client, campaign, sorted(remembered))  # first: who dies here has remembered enough
        return f"{_set_active(client, active, False)} of its schedules are paused."

    return _with_prefect(pause)


def resume_schedules(campaign: str) -> str:
    """Let exactly those schedules go on that were paused with their campaign."""

    def resume(client: SyncPrefectClient) -> str:
        paused = set(_remembered(client, campaign))
        again = [each for each in _schedules(client, campaign) if each.name in paused and not each.is_active]
        done = _set_active(client, again, True)
        _forget(client, campaign)
        return f"{done} of its schedules go on."

    return _with_prefect(resume)


def end_schedules(campaign: str) -> str:
    """Pause a campaign's schedules for good."""

    def end(client: SyncPrefectClient) -> str:
        done = _set_active(client, [each for each in _schedules(client, campaign) if each.is_active], False)
        _forget(client, campaign)
        return f"{done} of its schedules are paused; `pushpull undeploy {campaign}` removes them."

    return _with_prefect(end)


@dataclass(frozen=True)
class _Schedule:
    deployment_id: Any
    id: Any
    name: str
    is_active: bool


def _with_prefect(change: Callable[[SyncPrefectClient], str]) -> str:
    """What counts is in the ledger by now: a server that does not answer only leaves its schedules as they were."""
    if not in_a_run():
        return "Its schedules are as they were: no Prefect server runs this."
    try:
        with get_client(sync_client=True) as client:
            return change(client)
    except Exception as error:  # noqa: BLE001  # Prefect's client raises whatever its server or the network did
        log.warning("schedules could not be changed", extra={"error": type(error).__name__})
        return "Its schedules could not be changed: what they plan is not sent while the campaign does not go on."


def _schedules(client: SyncPrefectClient, campaign: str) -> list[_Schedule]:
    return [
        _Schedule(deployment.id, each.id, f"{deployment.name}/{each.slug}", each.active)
        for deployment in client.read_deployments(limit=200)
        for each in deployment.schedules
        if (each.slug or "").startswith(campaign + JOINT)
    ]


def _set_active(client: SyncPrefectClient, schedules: Sequence[_Schedule], active: bool) -> int:
    for each in schedules:
        client.update_deployment_schedule(each.deployment_id, each.id, active=active)
    return len(schedules)


def _variable(campaign: str) -> str:
    return f"pushpull_paused_schedules_{campaign}"


def _remembered(client: SyncPrefectClient, campaign: str) -> list[str]:
    found = client.read_variable_by_name(_variable(campaign))
    return [str(each) for each in found.value] if found is not None and isinstance(found.value, list) else []


def _remember(client: SyncPrefectClient, campaign: str, names: Sequence[str]) -> None:
    write_variable(client, _variable(campaign), list(names))


def _forget(client: SyncPrefectClient, campaign: str) -> None:
    if client.read_variable_by_name(_variable(campaign)) is not None:
        client.delete_variable_by_name(_variable(campaign))
