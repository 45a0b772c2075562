"""Deploying campaigns from the command line: what is refused, and what is told."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.schemas.objects import DeploymentSchedule
from prefect.exceptions import ObjectNotFound

from deployments import deploying, prefect_api
from deployments.deploying import deploy_all
from pushpull.settings import Settings
from tests.cli.conftest import CAMPAIGN, Command

STAGES = ("launch", "onboarding", "recommendations", "reengagement", "habit", "champions")


class Kept:
    """What a Prefect server keeps about stage deployments, in memory: tests/deployments has the real one."""

    api_url = "http://prefect.example/api"

    def __init__(self) -> None:
        self.ids: dict[str, UUID] = {stage: uuid4() for stage in STAGES}
        self.schedules: dict[UUID, DeploymentSchedule] = {}
        self.writes = 0

    async def read_deployment_by_name(self, name: str) -> Any:
        stage = name.partition("/")[0]
        if stage not in self.ids:
            raise ObjectNotFound(http_exc=Exception(name))
        return type("Found", (), {"id": self.ids[stage]})

    async def read_deployment_schedules(self, deployment_id: UUID) -> list[DeploymentSchedule]:
        return [each for each in self.schedules.values() if each.deployment_id == deployment_id]

    async def create_deployment_schedules(self, deployment_id: UUID, made: list[Any]) -> None:
        for each in made:
            kept = DeploymentSchedule(
                id=uuid4(),
                deployment_id=deployment_id,
                schedule=each.schedule,
                active=each.active,
                slug=each.slug,
                parameters=each.parameters,
            )
            self.schedules[kept.id] = kept
            self.writes += 1

    async def update_deployment_schedule(self, _: UUID, schedule_id: UUID, **changed: Any) -> None:
        self.schedules[schedule_id] = self.schedules[schedule_id].model_copy(update=changed)
        self.writes += 1

    async def delete_deployment_schedule(self, _: UUID, schedule_id: UUID) -> None:
        del self.schedules[schedule_id]
        self.writes += 1

    async def read_flow_runs(self, **_: Any) -> list[Any]:
        return []

    async def request(self, *_: Any, **__: Any) -> Any:
        return type("Answer", (), {"raise_for_status": lambda self: None})()


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Kept:
    server = Kept()

    @asynccontextmanager
    async def reached() -> AsyncIterator[Kept]:
        yield server

    for module in (prefect_api, deploying):
        monkeypatch.setattr(module, "prefect_server", reached)
    return server


@pytest.fixture
def content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the shipped content, its campaign two weeks ahead."""
    folder = tmp_path / "content"
    for name in ("campaigns", "brands", "trends", "locale", "wordlists", "templates"):
        shutil.copytree(Settings.model_fields["content_dir"].default / name, folder / name)
    monkeypatch.setenv("PUSHPULL_CONTENT_DIR", str(folder))
    for trend in (folder / "trends").glob("*.yaml"):  # none is over, whenever this runs
        lines = trend.read_text(encoding="utf-8").splitlines()
        trend.write_text("\n".join("ends_on: 2099-12-31" if "ends_on:" in line else line for line in lines))
    start_on(folder, monday())
    return folder


def monday() -> datetime:
    today = datetime.now(UTC)
    return today + timedelta(days=14 - today.weekday())


def start_on(folder: Path, day: datetime) -> None:
    file = folder / "campaigns" / f"{CAMPAIGN}.yaml"
    lines = file.read_text(encoding="utf-8").splitlines()
    file.write_text("\n".join(f"start: {day:%Y-%m-%d}" if line.startswith("start:") else line for line in lines))


def edit(folder: Path, file: str, old: str, new: str) -> None:
    path = folder / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


FILE = f"campaigns/{CAMPAIGN}.yaml"


def test_the_difference_is_told_first_and_then_made(pushpull: Command, content: Path, kept: Kept) -> None:
    first = pushpull("deploy", CAMPAIGN, "--diff").out
    assert "added: launch announcement: once, Mon" in first
    assert f"{CAMPAIGN}: 16 schedules would change, 0 as they were" in first
    assert kept.writes == 0
    assert f"{CAMPAIGN}: 16 schedules changed" in pushpull("deploy", CAMPAIGN).out
    assert len(kept.schedules) == 16
    again = pushpull("deploy", CAMPAIGN).out
    assert again.splitlines() == [f"{CAMPAIGN}: 0 schedules changed, 16 as they were"]
    assert kept.writes == 16


def test_a_changed_file_is_told_as_old_and_new_rule_with_the_next_days(
    pushpull: Command, content: Path, kept: Kept
) -> None:
    pushpull("deploy", CAMPAIGN)
    edit(content, FILE, "{weekly: [thu], from_week: 1, until_week: 3}", "{weekly: [tue, thu], from_week: 1}")
    said = pushpull("deploy", CAMPAIGN, "--diff").out
    (line,) = (each for each in said.splitlines() if each.startswith("changed"))
    assert line.startswith("changed: onboarding invitation: Thu at 05:05, from")
    assert "→ Tue, Thu at 05:05, from" in line
    assert "; next Tue " in line
    assert line.count(" 05:05,") + line.count(" 05:05 …") >= 3


def test_what_is_deployed_is_listed_with_what_is_paused(pushpull: Command, content: Path, kept: Kept) -> None:
    assert "nothing is deployed" in pushpull("deploy").out
    pushpull("deploy", CAMPAIGN)
    one = next(each for each in kept.schedules.values() if each.slug == f"{CAMPAIGN}--reminder")
    kept.schedules[one.id] = one.model_copy(update={"active": False})
    listed = pushpull("deploy", "--list").out
    assert listed == pushpull("deploy").out
    (paused,) = (line for line in listed.splitlines() if "paused" in line)
    assert "launch reminder" in paused
    assert "Mon to Fri at 05:05" in listed


def test_undeploying_says_what_it_does_not_do(pushpull: Command, content: Path, kept: Kept) -> None:
    pushpull("deploy", CAMPAIGN)
    assert "would change" in pushpull("undeploy", CAMPAIGN, "--diff").out
    assert len(kept.schedules) == 16
    said = pushpull("undeploy", CAMPAIGN).out
    assert kept.schedules == {}
    assert "waves that are planned already stay" in said
    assert f"pushpull campaign pause {CAMPAIGN}" in said


def test_a_campaign_whose_file_is_gone_can_be_undeployed(pushpull: Command, content: Path, kept: Kept) -> None:
    pushpull("deploy", CAMPAIGN)
    (content / FILE).unlink()
    assert pushpull("undeploy", CAMPAIGN).code == 0
    assert kept.schedules == {}


def test_an_unknown_campaign_is_told(pushpull: Command, content: Path, kept: Kept) -> None:
    assert f"there is no campaign 'two-minute'; did you mean '{CAMPAIGN}'?" in pushpull("deploy", "two-minute").error
    assert f"there is no campaign 'two-minute'; known: {CAMPAIGN}" in pushpull("undeploy", "two-minute").error


def test_a_campaign_with_errors_is_refused_with_all_of_them(pushpull: Command, content: Path, kept: Kept) -> None:
    edit(content, "templates/messages/launch-announcement/en.yaml", "subject:", 'subject: "Last chance: act now!" #')
    said = pushpull("deploy", CAMPAIGN)
    assert said.code == 1
    assert f"'{CAMPAIGN}' is not deployed, correct these first" in said.err
    assert "launch-announcement/en.yaml" in said.err
    assert kept.writes == 0


def test_errors_of_another_campaign_keep_nobody_from_it(pushpull: Command, content: Path, kept: Kept) -> None:
    (content / "campaigns" / "broken.yaml").write_text("key: broken\n")
    assert pushpull("deploy", CAMPAIGN).code == 0
    assert len(kept.schedules) == 16
    said = pushpull("deploy", "--all")
    assert said.code == 1
    assert "broken.yaml" in said.out
    assert f"{CAMPAIGN}: 0 schedules changed, 16 as they were" in said.out


def test_a_wave_whose_time_is_over_is_told_and_not_deployed(pushpull: Command, content: Path, kept: Kept) -> None:
    start_on(content, monday() - timedelta(days=21))
    said = pushpull("deploy", CAMPAIGN).out
    assert "over: launch announcement: was to be planned by Mon" in said
    assert f"{CAMPAIGN}--announcement" not in {each.slug for each in kept.schedules.values()}


def test_all_campaigns_that_are_not_over_are_deployed(pushpull: Command, content: Path, kept: Kept) -> None:
    later = content / "campaigns" / "later.yaml"
    text = (content / FILE).read_text(encoding="utf-8")
    later.write_text(text.replace(f"key: {CAMPAIGN}", "key: later"), encoding="utf-8")
    start_on(content, monday() - timedelta(days=140))
    (outcome,) = asyncio.run(deploy_all(content, datetime.now(UTC)))
    assert (outcome.timeline.campaign, outcome.refused) == ("later", "")
    assert {each.slug.partition("--")[0] for each in kept.schedules.values() if each.slug} == {"later"}


def test_a_server_without_the_flows_says_the_command(pushpull: Command, content: Path, kept: Kept) -> None:
    kept.ids.clear()
    assert "python -m deployments.prefect_setup" in pushpull("deploy", CAMPAIGN).error


def test_a_server_that_does_not_answer_is_named(
    pushpull: Command, content: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:1/api"}):
        assert "no Prefect server answers at http://127.0.0.1:1/api" in pushpull("deploy").error
    with temporary_settings({PREFECT_API_URL: None}):
        assert "PREFECT_API_URL is not set" in pushpull("deploy", CAMPAIGN).error
