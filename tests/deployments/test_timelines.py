"""Timelines on a real Prefect server: what deploying changes there, and what it leaves alone."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.schedules import CronSchedule, RRuleSchedule
from prefect.settings import PREFECT_API_URL, temporary_settings

from content.campaign import Campaign, When, load_campaign
from content.campaign.model import Planning
from content.campaign.when import DayOffset, Weekday
from deployments.orchestration import POOL, server_environment
from deployments.prefect_api import NoServerError, prefect_server
from deployments.schedules import NotDeployedError, apply, deployed
from deployments.timelines import Change, Deployed, Difference, differences, no_timeline, timeline_of
from tests.content.conftest import CONTENT, EXAMPLE
from tests.orchestra.processes import ROOT, Program, free_port, until

pytestmark = [pytest.mark.prefect, pytest.mark.xdist_group("servers")]

T = TypeVar("T")


@dataclass(frozen=True)
class Server:
    """A Prefect server with the deployments of prefect.yaml and no worker."""

    environment: dict[str, str]

    def prefect(self, *words: str) -> None:
        """Run a command of Prefect's as a person would, in the checkout."""
        done = subprocess.run(
            [str(Path(sys.executable).parent / "prefect"), *words],
            env={**self.environment, "PWD": str(ROOT)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def ask(self, question: Callable[[PrefectClient], Awaitable[T]]) -> T:
        """What the server answers."""

        async def asked() -> T:
            async with prefect_server() as client:
                return await question(client)

        with temporary_settings({PREFECT_API_URL: self.environment["PREFECT_API_URL"]}):
            return asyncio.run(asked())

    def deploy(self, campaign: Campaign, now: datetime | None = None) -> list[Difference]:
        """Deploy it, and say what that changed."""

        async def made_so(client: PrefectClient) -> list[Difference]:
            found = differences(timeline_of(campaign, now or datetime.now(UTC)), await deployed(client))
            await apply(client, found)
            return found

        return self.ask(made_so)

    def undeploy(self, key: str) -> list[Difference]:
        """Remove its schedules."""

        async def made_so(client: PrefectClient) -> list[Difference]:
            found = differences(no_timeline(key), await deployed(client))
            await apply(client, found)
            return found

        return self.ask(made_so)

    def schedules(self, campaign: str = "") -> dict[str, Deployed]:
        """By slug."""
        return {each.slug: each for each in self.ask(lambda client: deployed(client, campaign=campaign))}

    def upcoming(self, campaign: str) -> list[FlowRun]:
        """The runs of a campaign's schedules that wait for their time or for a worker."""

        async def all_of_them(client: PrefectClient) -> list[FlowRun]:
            found: list[FlowRun] = []
            while page := await client.read_flow_runs(limit=200, offset=len(found)):
                found += page
            return found

        runs = self.ask(all_of_them)
        return [run for run in runs if run.parameters.get("campaign") == campaign and run.state_type == "SCHEDULED"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder, port = tmp_path_factory.mktemp("prefect"), free_port()
    environment = server_environment(folder / "home", port)
    found = Server(environment)
    command = [sys.executable, "-m", "deployments.prefect_server", "--port", str(port)]
    program = Program("server", command, environment, folder)
    try:

        def answers() -> bool:
            try:
                found.ask(lambda client: client.hello())
            except NoServerError:
                assert program.is_running, program.said()
                return False
            return True

        until("the server answers", answers, seconds=90)
        found.prefect("work-pool", "create", POOL, "--type", "process")
        found.prefect("--no-prompt", "deploy", "--all")
        yield found
    finally:
        program.kill_with_all_it_started()


@pytest.fixture
def soon() -> Callable[[str], Campaign]:
    """The example under another key, from a Monday one to two weeks ahead: nothing of it is over."""
    today = datetime.now(UTC).date()
    monday = today + timedelta(days=14 - today.weekday())

    def make(key: str) -> Campaign:
        return load_campaign(EXAMPLE, CONTENT).model_copy(update={"key": key, "start": monday})

    return make


def with_wave(campaign: Campaign, stage: str, key: str, **changed: Any) -> Campaign:
    """The campaign with one wave changed, or without it when nothing is said about it."""
    old = getattr(campaign.stages, stage)
    waves = [each for each in old.waves if changed or each.key != key]
    waves = [each.model_copy(update=changed) if each.key == key else each for each in waves]
    stages = campaign.stages.model_copy(update={stage: old.model_copy(update={"waves": tuple(waves)})})
    return campaign.model_copy(update={"stages": stages})


def changes(found: list[Difference]) -> dict[str, Change]:
    return {f"{each.stage} {each.wave}": each.change for each in found if each.change is not Change.SAME}


def test_every_wave_becomes_a_schedule_whose_runs_say_what_they_are(
    server: Server, soon: Callable[[str], Campaign]
) -> None:
    campaign = soon("first")
    assert set(changes(server.deploy(campaign)).values()) == {Change.ADDED}
    asked = timeline_of(campaign, datetime.now(UTC))
    assert set(server.schedules("first")) == {each.slug for each in asked.schedules}
    assert len(asked.schedules) == len(list(campaign.waves()))
    wanted = {(f"first: {each.stage} {each.wave}", instant) for each in asked.schedules for instant in each.instants}
    upcoming = server.upcoming("first")
    found = {(run.name, datetime.fromisoformat(str(run.expected_start_time))) for run in upcoming}
    assert found <= wanted  # the next three of each
    assert {name for name, _ in found} == {name for name, _ in wanted}
    announcement = next(run for run in upcoming if run.name == "first: launch announcement")
    assert announcement.parameters == {"campaign": "first", "wave": "announcement", "days_ahead": 0}
    shown = server.schedules("first")["first--announcement"]
    assert shown.next_run == asked.schedules[0].instants[0]


def test_deploying_twice_changes_nothing(server: Server, soon: Callable[[str], Campaign]) -> None:
    server.deploy(soon("twice"))
    before = {slug: each.schedule_id for slug, each in server.schedules("twice").items()}
    runs = {run.id for run in server.upcoming("twice")}
    assert changes(server.deploy(soon("twice"))) == {}
    assert {slug: each.schedule_id for slug, each in server.schedules("twice").items()} == before
    assert {run.id for run in server.upcoming("twice")} == runs


def test_only_what_changed_is_changed_and_no_stale_run_survives(
    server: Server, soon: Callable[[str], Campaign]
) -> None:
    campaign = soon("changed")
    server.deploy(campaign)
    before = server.schedules("changed")
    later = with_wave(campaign, "onboarding", "invitation", when=When(weekly=(Weekday.TUE,)))
    later = with_wave(later, "launch", "announcement", when=When(after_start=DayOffset(days=1)))
    found = server.deploy(later)
    assert changes(found) == {"launch announcement": Change.CHANGED, "onboarding invitation": Change.CHANGED}
    (told,) = (str(each) for each in found if each.wave == "announcement")
    assert "once, Mon" in told
    assert "→ once, Tue" in told
    assert "next Tue" in told
    assert {slug: each.schedule_id for slug, each in server.schedules("changed").items()} == {
        slug: each.schedule_id for slug, each in before.items()
    }
    days = {
        run.expected_start_time.weekday()
        for run in server.upcoming("changed")
        if run.parameters["wave"] in ("announcement", "invitation") and run.expected_start_time
    }
    assert days == {1}


def test_what_ops_paused_stays_paused_when_its_rule_changes(server: Server, soon: Callable[[str], Campaign]) -> None:
    campaign = soon("paused")
    server.deploy(campaign)
    one = server.schedules("paused")["paused--announcement"]
    server.ask(lambda client: client.update_deployment_schedule(one.deployment_id, one.schedule_id, active=False))
    (told,) = (str(each) for each in server.deploy(campaign) if each.wave == "announcement")
    assert "stays paused" in told
    server.deploy(with_wave(campaign, "launch", "announcement", when=When(after_start=DayOffset(days=1))))
    again = server.schedules("paused")["paused--announcement"]
    assert (again.is_active, again.schedule_id) == (False, one.schedule_id)
    assert again.rule != one.rule
    assert not [run for run in server.upcoming("paused") if run.parameters["wave"] == "announcement"]


def test_planning_on_the_day_before_is_told_to_the_runs(server: Server, soon: Callable[[str], Campaign]) -> None:
    campaign = soon("before")
    server.deploy(campaign)
    early = campaign.model_copy(update={"planning": Planning(day_before=True)})
    found = server.deploy(early)
    assert set(changes(found).values()) == {Change.CHANGED}
    assert "the day before" in str(found[0])
    assert all(each.parameters["days_ahead"] == 1 for each in server.schedules("before").values())
    first = next(run for run in server.upcoming("before") if run.parameters["wave"] == "announcement")
    assert first.parameters["days_ahead"] == 1
    assert first.expected_start_time
    assert first.expected_start_time.date() == campaign.start - timedelta(days=1)


def test_a_wave_that_left_the_file_leaves_the_server_with_its_runs(
    server: Server, soon: Callable[[str], Campaign]
) -> None:
    campaign = soon("leaving")
    server.deploy(campaign)
    assert changes(server.deploy(with_wave(campaign, "launch", "overdue"))) == {"launch overdue": Change.REMOVED}
    assert "leaving--overdue" not in server.schedules()
    left = {run.parameters["wave"] for run in server.upcoming("leaving")}
    assert "overdue" not in left
    assert "reminder" in left


def test_undeploying_leaves_other_campaigns_and_what_ops_made_alone(
    server: Server, soon: Callable[[str], Campaign]
) -> None:
    server.deploy(soon("going"))
    server.deploy(soon("going-on"))  # a key that begins like the other
    launch = server.schedules("going")["going--announcement"].deployment_id
    own = DeploymentScheduleCreate(schedule=CronSchedule(cron="0 6 * * *"), active=False)
    server.ask(lambda client: client.create_deployment_schedules(launch, [own]))
    others = {slug: each.schedule_id for slug, each in server.schedules("going-on").items()}
    assert set(changes(server.undeploy("going")).values()) == {Change.REMOVED}
    assert server.schedules("going") == {}
    assert server.upcoming("going") == []
    assert {slug: each.schedule_id for slug, each in server.schedules("going-on").items()} == others
    assert {run.parameters["wave"] for run in server.upcoming("going-on")} >= {"announcement", "reminder"}
    kept = server.ask(lambda client: client.read_deployment_schedules(launch))
    assert [each for each in kept if each.slug is None]
    assert server.undeploy("going") == []


@pytest.mark.soak
def test_a_run_that_waits_for_a_worker_survives_the_removal_of_another_campaign(
    server: Server, soon: Callable[[str], Campaign]
) -> None:
    server.deploy(soon("removed"))
    launch = server.schedules("removed")["removed--announcement"].deployment_id
    at = datetime.now(UTC) - timedelta(hours=1)
    late = DeploymentScheduleCreate(
        schedule=RRuleSchedule(rrule=f"DTSTART:{at:%Y%m%dT%H%M%S}\nRRULE:FREQ=DAILY;COUNT=1", timezone="UTC"),
        active=True,
        slug="waiting--announcement",
        parameters={"campaign": "waiting", "wave": "announcement", "days_ahead": 0},
    )
    server.ask(lambda client: client.create_deployment_schedules(launch, [late]))
    past = {"start_time": (at - timedelta(hours=1)).isoformat(), "end_time": datetime.now(UTC).isoformat()}
    server.ask(
        lambda client: client.request("POST", "/deployments/{id}/schedule", path_params={"id": launch}, json=past)
    )
    (before,) = server.upcoming("waiting")
    assert before.auto_scheduled
    server.undeploy("removed")
    (after,) = server.upcoming("waiting")
    assert after.parameters == before.parameters
    assert after.expected_start_time == before.expected_start_time
    server.undeploy("waiting")


@pytest.mark.soak
def test_deploying_the_flows_again_keeps_the_timelines_and_what_ops_paused(
    server: Server, soon: Callable[[str], Campaign]
) -> None:
    server.deploy(soon("kept"))
    one = server.schedules("kept")["kept--reminder"]
    server.ask(lambda client: client.update_deployment_schedule(one.deployment_id, one.schedule_id, active=False))
    before = {slug: (each.schedule_id, each.rule, each.is_active) for slug, each in server.schedules().items()}
    server.prefect("--no-prompt", "deploy", "--all")
    after = {slug: (each.schedule_id, each.rule, each.is_active) for slug, each in server.schedules().items()}
    assert after == before
    assert not after["kept--reminder"][2]


def test_deploying_that_was_cut_short_goes_on_where_it_ended(server: Server, soon: Callable[[str], Campaign]) -> None:
    asked = timeline_of(soon("short"), datetime.now(UTC))

    async def begin(client: PrefectClient) -> None:
        await apply(client, differences(asked, await deployed(client))[:3])

    server.ask(begin)
    assert len(server.schedules("short")) == 3
    found = server.deploy(soon("short"))
    assert sum(each.change is Change.SAME for each in found) == 3
    assert len(server.schedules("short")) == len(asked.schedules)


@pytest.mark.soak
def test_two_people_who_deploy_at_once_make_each_schedule_once(server: Server, soon: Callable[[str], Campaign]) -> None:
    asked = timeline_of(soon("both"), datetime.now(UTC))

    async def both(client: PrefectClient) -> None:
        found = differences(asked, await deployed(client))
        await apply(client, found)
        await apply(client, found)  # the second one has looked before the first one was done

    server.ask(both)
    found = server.ask(lambda client: deployed(client, campaign="both"))
    assert len(found) == len(asked.schedules)
    assert len({each.slug for each in found}) == len(found)

    async def both_remove(client: PrefectClient) -> None:
        leaving = differences(no_timeline("both"), found)
        await apply(client, leaving)
        await apply(client, leaving)

    server.ask(both_remove)
    assert server.schedules("both") == {}


def test_without_the_flows_nothing_is_changed(server: Server, soon: Callable[[str], Campaign]) -> None:
    async def forget(client: PrefectClient) -> None:
        await client.delete_deployment((await client.read_deployment_by_name("reengagement/reengagement")).id)

    server.ask(forget)
    try:
        with pytest.raises(
            NotDeployedError, match=r"127.0.0.1:\d+/api/? has no deployment reengagement; .*prefect_setup"
        ):
            server.deploy(soon("nowhere"))
        assert server.schedules("nowhere") == {}
    finally:
        server.prefect("--no-prompt", "deploy", "-n", "reengagement/reengagement")


def test_a_server_that_is_not_there_is_named() -> None:
    async def ask() -> None:
        async with prefect_server() as client:
            await client.hello()

    url = f"http://127.0.0.1:{free_port()}/api"
    with temporary_settings({PREFECT_API_URL: url}), pytest.raises(NoServerError, match=f"{url}; start one with"):
        asyncio.run(ask())
    with temporary_settings({PREFECT_API_URL: None}), pytest.raises(NoServerError, match="PREFECT_API_URL is not set"):
        asyncio.run(ask())


def test_waves_that_are_over_get_no_schedule_and_are_told() -> None:
    campaign = load_campaign(EXAMPLE, CONTENT).model_copy(update={"start": date(2026, 1, 12)})
    now = datetime(2026, 2, 3, 4, 5, tzinfo=UTC)  # 05:05 in Berlin: planned this instant
    asked = timeline_of(campaign, now)
    over = {each.wave for each in asked.over}
    assert over == {"announcement", "invitation", "trend-ai", "picks-ai"}
    assert over.isdisjoint(each.wave for each in asked.schedules)
    assert all(instant > now for each in asked.schedules for instant in each.instants)


def test_a_timeline_is_the_same_on_every_day_of_the_campaign() -> None:
    campaign = load_campaign(EXAMPLE, CONTENT).model_copy(update={"start": date(2026, 1, 12)})
    first = {each.slug: each.recurrence for each in timeline_of(campaign, datetime(2026, 1, 1, tzinfo=UTC)).schedules}
    later = {each.slug: each.recurrence for each in timeline_of(campaign, datetime(2026, 2, 2, tzinfo=UTC)).schedules}
    assert later
    assert later.items() <= first.items()
