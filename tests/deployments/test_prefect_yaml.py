"""prefect.yaml holds what Prefect would not tell us: it ignores unknown keys and takes any parameter."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from collections import Counter
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, available_timezones

import pytest
from prefect import Flow
from prefect.client.schemas.schedules import CronSchedule
from prefect.utilities.callables import parameter_schema
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML

from content.campaign import STAGES, campaign_keys, load_campaign
from deployments.orchestration import POOL
from deployments.timelines import timeline_of

ROOT = Path(__file__).resolve().parent.parent.parent
#: Local hours that daylight saving neither skips nor repeats in any zone, and in which somebody is awake.
FIRST, LAST = time(5), time(22)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Schedule(_Strict):
    """``active`` is left out where it runs: a redeployment would otherwise resume what ops paused."""

    slug: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    cron: str
    timezone: str
    parameters: dict[str, Any] = {}
    active: Literal[False] | None = None


class Pool(_Strict):
    name: str


class ConcurrencyLimit(_Strict):
    limit: int = Field(ge=1)
    collision_strategy: Literal["ENQUEUE", "CANCEL_NEW"]


class Deployment(_Strict):
    name: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    description: str = Field(min_length=20)
    entrypoint: str = Field(pattern=r"^flows/[a-z_]+\.py:[a-z_]+$")
    tags: list[str] = Field(min_length=1)
    parameters: dict[str, Any] = {}
    work_pool: Pool
    concurrency_limit: ConcurrencyLimit
    schedules: list[Schedule] = []

    def flow(self) -> Flow[..., Any]:
        """What its entrypoint names."""
        file, name = self.entrypoint.split(":")
        found = getattr(importlib.import_module(file.removesuffix(".py").replace("/", ".")), name)
        assert isinstance(found, Flow), self.entrypoint
        return found


class PrefectFile(_Strict):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    name: Literal["pushpull"]
    prefect_version: str = Field(alias="prefect-version")
    definitions: dict[str, Any]
    pull: list[dict[str, Any]]
    deployments: list[Deployment]


def load() -> PrefectFile:
    return PrefectFile.model_validate(YAML(typ="safe").load(ROOT / "prefect.yaml"))


DEPLOYMENTS = {each.name: each for each in load().deployments}
SCHEDULES = [(name, schedule) for name, each in DEPLOYMENTS.items() for schedule in each.schedules]
every_deployment = pytest.mark.parametrize("deployment", DEPLOYMENTS.values(), ids=lambda each: each.name)


def test_an_unknown_key_is_refused() -> None:
    raw = YAML(typ="safe").load(ROOT / "prefect.yaml")
    raw["deployments"][0]["retries"] = 3
    with pytest.raises(ValidationError, match="retries"):
        PrefectFile.model_validate(raw)


def test_names_are_unique() -> None:
    names = Counter(each.name for each in load().deployments)
    assert max(names.values()) == 1
    slugs = Counter((name, schedule.slug) for name, schedule in SCHEDULES)
    assert max(slugs.values()) == 1


def test_every_flow_has_a_deployment() -> None:
    defined = set()
    for path in sorted((ROOT / "flows").glob("*.py")):
        module = importlib.import_module(f"flows.{path.stem}")
        for name, found in vars(module).items():
            if isinstance(found, Flow) and found.fn.__module__ == module.__name__:
                defined.add(f"flows/{path.name}:{name}")
    assert defined == {each.entrypoint for each in DEPLOYMENTS.values()}


@every_deployment
def test_it_is_named_like_its_flow(deployment: Deployment) -> None:
    assert deployment.flow().name.replace("_", "-") == deployment.name


@every_deployment
def test_it_runs_in_the_pool_that_serve_makes(deployment: Deployment) -> None:
    assert deployment.work_pool.name == POOL


@every_deployment
def test_a_busy_deployment_waits_in_sight_instead_of_skipping(deployment: Deployment) -> None:
    assert deployment.concurrency_limit.collision_strategy == "ENQUEUE"


@every_deployment
def test_its_parameters_are_those_of_the_flow(deployment: Deployment) -> None:
    flow = deployment.flow()
    assert set(deployment.parameters) <= set(inspect.signature(flow.fn).parameters)
    for schedule in deployment.schedules:
        # Nobody is there to fill in what a schedule leaves open, and Prefect takes what it says as it is.
        flow.validate_parameters({**deployment.parameters, **schedule.parameters})
    if "campaign" in deployment.parameters:
        assert deployment.parameters["campaign"] in campaign_keys(ROOT / "content")


@every_deployment
def test_the_form_explains_every_parameter(deployment: Deployment) -> None:
    schema = parameter_schema(deployment.flow())
    for name, shown in schema.properties.items():
        assert len(shown.get("description", "")) > 15, f"{deployment.name}: {name} has no line under Args:"
        # The UI shows a union with None as 'Property is type "None"'.
        assert "anyOf" not in shown, f"{deployment.name}: {name}"
        assert {"type", "$ref", "allOf"} & set(shown), f"{deployment.name}: {name}"
    by_position = sorted(schema.properties, key=lambda name: schema.properties[name]["position"])
    assert by_position == list(inspect.signature(deployment.flow().fn).parameters)


def test_what_plans_and_sends_can_be_asked_for_another_instant_for_a_rehearsal_and_for_a_cohort() -> None:
    """Not so what flows start for themselves, forecasts, insights and decisions: they are about no day of waves."""
    others = {"decide", "forecast", "insights"}
    asked = [each for each in DEPLOYMENTS.values() if "started-by-flows" not in each.tags and each.name not in others]
    assert len(asked) == 9
    for deployment in asked:
        assert {"as_of", "dry_run", "cohort"} <= set(inspect.signature(deployment.flow().fn).parameters)


def test_stages_have_no_schedules_but_those_of_campaigns() -> None:
    """One that is in the file would plan the waves of a day a second time, at an hour that no campaign names."""
    stages = {name for name, each in DEPLOYMENTS.items() if "stage" in each.tags}
    assert stages == set(STAGES)
    assert not [name for name in stages if DEPLOYMENTS[name].schedules]


def test_a_campaigns_schedules_take_parameters_of_their_stage() -> None:
    campaign = load_campaign("two-minutes-a-day", ROOT / "content")
    asked = timeline_of(campaign, datetime(2020, 1, 1, tzinfo=UTC)).schedules
    assert {each.stage for each in asked} == set(STAGES)
    for each in asked:
        deployment = DEPLOYMENTS[each.stage]
        taken = deployment.flow().validate_parameters({**deployment.parameters, **each.parameters})
        assert each.parameters.items() <= taken.items()
        assert set(each.parameters) == {"campaign", "wave", "days_ahead"}


def test_a_wave_in_parts_never_waits_for_its_own_parts() -> None:
    parts = parameter_schema(DEPLOYMENTS["shard"].flow()).properties["parts"]["maximum"]
    assert DEPLOYMENTS["shard"].concurrency_limit.limit >= parts


def test_the_shared_parameters_are_explained_in_the_same_words() -> None:
    stages = [parameter_schema(each.flow()) for each in DEPLOYMENTS.values() if "stage" in each.tags]
    assert len(stages) == len(STAGES)
    for name, shown in stages[0].properties.items():
        assert all(each.properties[name] == shown for each in stages), name


@every_deployment
def test_results_and_prints_never_reach_prefect(deployment: Deployment) -> None:
    assert deployment.flow().persist_result is False
    assert deployment.flow().log_prints is False


@pytest.mark.parametrize(("name", "schedule"), SCHEDULES, ids=[f"{name}-{each.slug}" for name, each in SCHEDULES])
def test_a_schedule_is_readable_and_never_in_a_skipped_hour(name: str, schedule: Schedule) -> None:
    assert schedule.timezone in available_timezones()
    CronSchedule(cron=schedule.cron, timezone=schedule.timezone)
    _, _, day, _, weekday = schedule.cron.split()
    assert "*" in (day, weekday), "cron reads a day of the month and a weekday as 'or'"
    if schedule.timezone == "UTC":
        return  # which knows no daylight saving
    at = _local_time(schedule.cron)
    assert FIRST <= at <= LAST, f"{name}: {at}"
    zone = ZoneInfo(schedule.timezone)
    for number in range(366):
        moment = datetime.combine(datetime(2026, 1, 1) + timedelta(days=number), at).replace(tzinfo=zone)  # noqa: DTZ001
        assert moment.replace(fold=0).utcoffset() == moment.replace(fold=1).utcoffset()


def _local_time(cron: str) -> time:
    minute, hour, *_ = cron.split()
    return time(int(hour), int(minute))


def test_the_pull_step_names_no_machine() -> None:
    (step,) = load().pull
    assert step == {"prefect.deployments.steps.set_working_directory": {"directory": "{{ $PWD }}"}}
