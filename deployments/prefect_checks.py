"""What is wrong on a Prefect server that answers: what is not deployed, does not fire, or has nobody to run it.

Most of it is silent otherwise: a schedule that never fires looks in the UI like one that is not due yet.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from ruamel.yaml import YAML

from deployments.automations import alarms
from deployments.doctor import Check, Health
from deployments.orchestration import POOL
from deployments.processes import ROOT
from tasks.switches import VARIABLES

_SET_UP = "run: python -m deployments.prefect_setup"
#: A schedule's next runs are there within a minute; a server that has just started may still be at it.
_SECONDS_TO_SCHEDULE = 180
_ASK_SECONDS = 10.0
#: What a deployment of prefect.yaml says, and how the server calls it.
_COMPARED = ("entrypoint", "description")


def examine_server(release: str, where: str) -> list[Check]:
    """Look at a server that answers.

    Args:
        release: of Prefect here.
        where: the server's address.
    """
    try:
        return asyncio.run(asyncio.wait_for(_examine(release, where), _ASK_SECONDS))
    except (httpx.HTTPError, PrefectHTTPStatusError, TimeoutError) as error:
        found = f"{release}, server {where} refuses ({type(error).__name__})"
        fix = "set PREFECT_API_AUTH_STRING to what the server's PREFECT_SERVER_API_AUTH_STRING says; else see its log"
        return [Check("Prefect", Health.BAD, found, fix)]


async def _examine(release: str, where: str) -> list[Check]:
    async with get_client() as client:
        checks = [await _release(client, release, where)]
        deployed = {each["name"]: each for each in await _ask(client, "/deployments/filter")}
        checks += [_deployments(deployed), *await _schedules(client, deployed)]
        checks += [each async for each in _workers(client)]
        return [*checks, await _furniture(client)]


async def _ask(client: PrefectClient, path: str, **body: Any) -> Any:
    answer = await client._client.post(path, json=body)
    return answer.json()


async def _release(client: PrefectClient, release: str, where: str) -> Check:
    theirs = (await client._client.get("/admin/version")).json()
    if theirs != release:
        fix = "let server, workers and commands be of one version: deploy the same release everywhere"
        return Check("Prefect", Health.NOTE, f"{release} here, {theirs} at {where}", fix)
    return Check("Prefect", Health.GOOD, f"{release}, server {where}")


def _deployments(deployed: Mapping[str, Mapping[str, Any]]) -> Check:
    wanted = {each["name"]: each for each in YAML(typ="safe").load(ROOT / "prefect.yaml")["deployments"]}
    missing = sorted(set(wanted) - set(deployed))
    if missing:
        return Check("deployments", Health.BAD, f"not deployed: {', '.join(missing)}", _SET_UP)
    old = sorted(
        name
        for name, each in wanted.items()
        if any(deployed[name].get(key) != each.get(key) for key in _COMPARED)
        or deployed[name]["work_pool_name"] != each["work_pool"]["name"]
    )
    if old:
        return Check("deployments", Health.NOTE, f"not as prefect.yaml says: {', '.join(old)}", _SET_UP)
    return Check("deployments", Health.GOOD, f"{len(wanted)} of {len(wanted)}")


async def _schedules(client: PrefectClient, deployed: Mapping[str, Mapping[str, Any]]) -> list[Check]:
    """Whether the server makes runs of its schedules: with SQLAlchemy 2.1, Prefect's own command never does."""
    now = datetime.now(UTC)
    active = {
        each["id"]: datetime.fromisoformat(each["updated"])
        for each in deployed.values()
        if not each["paused"] and any(schedule["active"] for schedule in each["schedules"])
    }
    if not active:
        return [Check("schedules", Health.NOTE, "none is active", "resume them in the UI when they are meant to run")]
    flow_runs = {
        "deployment_id": {"any_": list(active)},
        "state": {"type": {"any_": ["SCHEDULED"]}},
        "expected_start_time": {"after_": now.isoformat()},
    }
    coming = await _ask(client, "/flow_runs/count", flow_runs=flow_runs)
    if coming:
        return [Check("schedules", Health.GOOD, f"{len(active)} deployments, {coming} runs to come")]
    if now - max(active.values()) < timedelta(seconds=_SECONDS_TO_SCHEDULE):
        return [Check("schedules", Health.NOTE, "no runs to come yet", "just deployed: look again in a minute")]
    fix = "start the server with `python -m deployments.prefect_server`, not with `prefect server start`"
    return [Check("schedules", Health.BAD, f"{len(active)} deployments have one, and none fires", fix)]


async def _workers(client: PrefectClient) -> AsyncIterator[Check]:
    try:
        pool = await client.read_work_pool(POOL)
    except ObjectNotFound:
        yield Check("workers", Health.BAD, f"no work pool {POOL!r}", _SET_UP)
        return
    online = await _ask(client, f"/work_pools/{POOL}/workers/filter", workers={"status": {"any_": ["ONLINE"]}})
    late = await _ask(client, "/flow_runs/count", flow_runs={"state": {"name": {"any_": ["Late"]}}})
    waits = f", {late} runs late" if late else ""
    if not online:
        fix = "start one: python -m deployments.prefect_worker"
        yield Check("workers", Health.BAD, f"none is online{waits}", fix)
    elif pool.is_paused:
        yield Check("workers", Health.NOTE, f"{len(online)} online, the pool is paused{waits}", "resume it in the UI")
    else:
        yield Check("workers", Health.NOTE if late else Health.GOOD, f"{len(online)} online{waits}")


async def _furniture(client: PrefectClient) -> Check:
    """The automations that tell ops when something is wrong, and the Variables they switch with."""
    there = {each["name"]: each for each in await _ask(client, "/automations/filter")}
    wanted = {each.full_name for each in alarms()}
    missing = sorted(wanted - set(there))
    unset = [name for name in VARIABLES.values() if await client.read_variable_by_name(name) is None]
    if missing or unset:
        found = [*(f"automation {name!r}" for name in missing), *(f"variable {name}" for name in unset)]
        return Check("alarms", Health.NOTE, f"missing: {', '.join(found)}", "run: pushpull setup prefect")
    if off := sorted(name for name in wanted if not there[name]["enabled"]):
        return Check("alarms", Health.NOTE, f"switched off: {', '.join(off)}", "fine if meant so; else in the UI")
    return Check("alarms", Health.GOOD, f"{len(wanted)} automations, {len(VARIABLES)} variables")
