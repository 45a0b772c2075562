"""The whole of it on a real Prefect: a campaign is deployed, its wave fires by itself, a person approves it, and it is
sent; those who joined since get it too. The ledger and the stand-in agree to the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, select

from deployments.automations import alarms
from pushpull.db import reading, writing
from pushpull.ledger.tables import approval, rotation, wave
from pushpull.ledger.vocabulary import Decision
from tests import postgres
from tests.ledger.builders import learners
from tests.orchestra.counting import arrivals, missing_and_doubled
from tests.orchestra.fixtures import Playing
from tests.orchestra.processes import until
from tests.orchestra.stack import orchestra
from tests.orchestra.surroundings import (
    ANNOUNCEMENT,
    CAMPAIGN,
    afternoon_zone,
    rewrite_campaign,
    settle_people,
    today,
    variables_of,
    write_content,
)
from tests.standin.engine import StandIn

pytestmark = [
    pytest.mark.prefect,
    pytest.mark.xdist_group("stack"),
    pytest.mark.timeout(900),  # upper bound for a busy machine
]

PEOPLE = 120
JOINED = 12
CHANGES: dict[str, Any] = {"approval_above": PEOPLE // 3, "holdout": 0}


@pytest.fixture
def here(postgres_url: str, postgres_engine: Engine, standin: StandIn, tmp_path: Path) -> Iterator[Playing]:
    """A server on an empty database, people and content; nothing is deployed yet."""
    zone = afternoon_zone(datetime.now(ZoneInfo("UTC")))
    content = write_content(tmp_path, zone, **CHANGES)
    people = settle_people(postgres_engine, PEOPLE, zone)
    variables = variables_of(standin, postgres_engine, tmp_path, content)
    with (
        postgres.database(postgres_url.split("#", maxsplit=1)[0]) as prefect_url,
        orchestra(tmp_path / "prefect", prefect_url, variables) as stack,
    ):
        yield Playing(stack, postgres_engine, standin, content, people, zone)


def test_a_campaign_is_deployed_fires_is_approved_sent_and_run_again(here: Playing) -> None:
    """One test, because each part needs all before it."""
    everything_is_deployed(here)
    the_campaign_becomes_schedules(here)
    here.stack.start_worker()
    key = f"{ANNOUNCEMENT}@{today(here.zone)}"
    the_wave_is_planned_by_itself(here)
    asked = a_person_is_asked(here, key)
    a_wrong_answer_is_refused(here, asked)
    what_is_approved_is_sent(here, asked, key)
    those_who_joined_since_get_it_too(here, key)
    it_can_all_be_seen_in_the_ui(here, key)


def everything_is_deployed(here: Playing) -> None:
    here.stack.deploy()
    here.stack.command("pushpull", "setup", "prefect")
    found = {each["name"] for each in here.stack.api.post("/automations/filter")}
    assert {each.full_name for each in alarms()} <= found


def the_campaign_becomes_schedules(here: Playing) -> None:
    soon = datetime.now(ZoneInfo(here.zone)) + timedelta(seconds=75)
    rewrite_campaign(here.content, here.zone, planning={"at": f"{soon:%H:%M}"}, **CHANGES)
    assert "announcement" in here.stack.command("pushpull", "deploy", CAMPAIGN, "--diff")
    assert here.stack.api.deployment("launch")["schedules"] == []
    here.stack.command("pushpull", "deploy", CAMPAIGN)

    def upcoming() -> list[str]:
        """Waves that the UI shows as scheduled runs."""
        scheduled = here.stack.api.runs("launch", "SCHEDULED")
        return [each["parameters"]["wave"] for each in scheduled if each["auto_scheduled"]]

    until("the next waves are in sight", lambda: "announcement" in upcoming())
    again = here.stack.command("pushpull", "deploy", CAMPAIGN)
    assert "0 schedules changed" in again


def the_wave_is_planned_by_itself(here: Playing) -> None:
    def planned() -> list[dict[str, Any]]:
        runs = here.stack.api.runs("launch", "COMPLETED", "FAILED", "CRASHED")
        return [each for each in runs if each["parameters"]["wave"] == "announcement"]

    (run,) = until("the schedule fires", planned, seconds=150)
    assert run["state_type"] == "COMPLETED", here.stack.api.told_by(run["id"])
    assert run["auto_scheduled"]
    assert run["name"] == f"{CAMPAIGN}: launch announcement"
    assert sum(missing_and_doubled(here.engine, here.standin, wave_key=ANNOUNCEMENT).states.values()) == here.people


def a_person_is_asked(here: Playing, key: str) -> str:
    (run,) = until("a person is asked", lambda: here.stack.api.runs("approval", "PAUSED"))
    assert run["name"] == f"{CAMPAIGN}: approve {key}"
    here.stack.api.finished(here.stack.api.start("dispatch"))
    assert arrivals(here.standin) == 0
    assert len(here.stack.api.runs("approval")) == 1
    return str(run["id"])


def a_wrong_answer_is_refused(here: Playing, asked: str) -> None:
    wrong: list[dict[str, object]] = [
        {"decision": "perhaps", "your_name": "Grace", "reason": "to be sure"},
        {"decision": "approve", "your_name": "Grace", "reason": "to be sure", "at_most": "a few"},
    ]
    for answers in wrong:
        assert not here.stack.api.resume(asked, answers)
        assert here.stack.api.state(asked) == "PAUSED"
    with reading(here.engine) as connection:
        assert connection.execute(select(approval.c.id)).all() == []


def what_is_approved_is_sent(here: Playing, asked: str, key: str) -> None:
    right = {"decision": "approve", "your_name": "Grace", "reason": "words and numbers are right"}
    assert here.stack.api.resume(asked, right)
    until(
        "all are sent to",
        lambda: arrivals(here.standin) and not missing_and_doubled(here.engine, here.standin).open,
    )
    until("dispatch has ended", lambda: not here.stack.api.runs("dispatch", "RUNNING", "PENDING"))
    with reading(here.engine) as connection:
        (decided,) = connection.execute(select(approval.c.decision, approval.c.who)).all()
    assert decided == (Decision.APPROVED.value, "Grace")
    assert any(key in each["name"] for each in here.stack.api.runs("dispatch", "COMPLETED"))
    exact(here)


def those_who_joined_since_get_it_too(here: Playing, key: str) -> None:
    with writing(here.engine) as connection:
        learners(connection, JOINED, zone=here.zone)
    asked_for = {"campaign": CAMPAIGN, "wave": key, "cohort": "joined_since", "reason": "they started today"}
    before = arrivals(here.standin)
    here.stack.api.finished(here.stack.api.start("cohort-rerun", {**asked_for, "dry_run": True}))
    assert rotations(here, key) == 1
    again = here.stack.api.start("cohort-rerun", asked_for)
    here.stack.api.finished(again)
    here.stack.api.retry(again)
    here.stack.api.finished(again)
    assert rotations(here, key) == 2
    here.stack.api.finished(here.stack.api.start("dispatch"))
    assert arrivals(here.standin) == before + JOINED
    exact(here)


def rotations(here: Playing, key: str) -> int:
    with reading(here.engine) as connection:
        ids = select(wave.c.id).where(wave.c.key == key).scalar_subquery()
        return len(connection.execute(select(rotation.c.rotation).where(rotation.c.wave_id == ids)).all())


def exact(here: Playing) -> None:
    count = missing_and_doubled(here.engine, here.standin)
    assert count.is_exact(), count
    assert count.arrived > PEOPLE / 2
    assert here.standin.violations == []


def it_can_all_be_seen_in_the_ui(here: Playing, key: str) -> None:
    day = key.replace(".", "-").replace("@", "-")
    kept = {each["key"] for each in here.stack.api.artifacts()}
    assert {f"preflight-{CAMPAIGN}-{day}", f"wave-{CAMPAIGN}-{day}", f"rerun-{CAMPAIGN}-{day}"} <= kept
    wanted = {f"pushpull.wave.{each}" for each in ("planned", "held", "approved", "finished")}
    until("every event was told", lambda: wanted <= {each["event"] for each in here.stack.api.events("pushpull.wave.")})
    assert all(len(here.stack.api.steps(each["id"])) < 40 for each in here.stack.api.runs("dispatch", "COMPLETED"))
