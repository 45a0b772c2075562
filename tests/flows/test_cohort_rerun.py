"""The cohort re-run as ops meet it: the form, what a dry run shows, and what the Prefect UI says afterwards."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.utilities.callables import parameter_schema, parameter_schema_from_entrypoint
from pydantic import ValidationError
from sqlalchemy import select, update

from flows.cohort_rerun import cohort_rerun
from flows.launch import launch
from pushpull.db import reading, writing
from pushpull.learners.segments import SegmentError
from pushpull.learners.tables import learner
from pushpull.ledger.campaigns import UnknownWaveError
from pushpull.ledger.rotations import CohortKind, Rotated
from pushpull.ledger.tables import delivery, rotation
from tasks.installation import Installation
from tests.flows.conftest import CAMPAIGN, PEOPLE
from tests.flows.test_stages import ACCEPTED, count, run, send_all

pytestmark = pytest.mark.xdist_group("runs")

ANNOUNCEMENT = "launch.announcement@2026-01-12"
ASKED = {"campaign": CAMPAIGN, "wave": ANNOUNCEMENT, "reason": "the mailboxes were full"}


@pytest.fixture
def bounced(company: Installation, launch_day: datetime) -> datetime:
    """The announcement went out, and bounced for everybody in New York; the next morning."""
    run(launch, launch_day, campaign=CAMPAIGN)
    send_all(launch_day)
    over_there = select(learner.c.id).where(learner.c.timezone == "America/New_York")
    with writing(company.engine) as connection:
        mine = delivery.c.learner_id.in_(over_there)
        connection.execute(update(delivery).where(mine, ACCEPTED).values(state="bounced"))
    return launch_day + timedelta(days=1, hours=9)


def test_a_dry_run_shows_what_the_real_run_then_does(company: Installation, bounced: datetime) -> None:
    dry: Rotated = run(cohort_rerun, bounced, dry_run=True, **ASKED)
    assert (dry.rotation, count(company, delivery.c.rotation > 0)) == (None, 0)
    real: Rotated = run(cohort_rerun, bounced, **ASKED)
    assert dry.changes == real.changes
    assert (dry.planned, dry.by_reason) == (real.planned, real.by_reason)
    assert count(company, delivery.c.rotation == 1) == real.planned + sum(real.by_reason.values()) > 0


def test_who_asked_and_why_is_kept(company: Installation, bounced: datetime) -> None:
    run(cohort_rerun, bounced, requested_by="grace", **ASKED)
    with reading(company.engine) as connection:
        row = connection.execute(
            select(rotation.c.requested_by, rotation.c.reason).where(rotation.c.rotation == 1)
        ).one()
    assert tuple(row) == ("grace", "the mailboxes were full")


def test_a_segment_is_written_as_in_a_campaign_file(company: Installation, bounced: datetime) -> None:
    german = {"field": "preferred_language", "is": "de"}
    result = run(cohort_rerun, bounced, cohort=CohortKind.SEGMENT, segment=german, **ASKED)
    assert result.planned + sum(result.by_reason.values()) == PEOPLE / 4


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"cohort": CohortKind.LEARNERS}, ValidationError),
        ({"cohort": CohortKind.SEGMENT}, ValidationError),
        ({"cohort": CohortKind.SEGMENT, "segment": {"feild": "department"}}, SegmentError),
        ({"wave": "launch.announcement@1999-01-01"}, UnknownWaveError),
    ],
)
def test_a_form_that_makes_no_sense_writes_nothing(
    company: Installation, bounced: datetime, parameters: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        run(cohort_rerun, bounced, **{**ASKED, **parameters})
    assert count(company, delivery.c.rotation > 0) == 0


def test_the_form_has_its_fields_in_order_with_real_defaults_and_help() -> None:
    schema = parameter_schema_from_entrypoint("flows/cohort_rerun.py:cohort_rerun").model_dump()
    assert schema == parameter_schema(cohort_rerun).model_dump()
    fields = schema["properties"]
    order = sorted(fields, key=lambda name: fields[name]["position"])
    assert order[:5] == ["campaign", "wave", "cohort", "reason", "requested_by"]
    assert schema["definitions"]["CohortKind"]["enum"] == [kind.value for kind in CohortKind], "a drop-down"
    assert fields["external_ids"]["items"] == {"type": "string"}
    assert fields["segment"]["type"] == "object"
    assert all(fields[name].get("description") for name in fields)
    assert all("anyOf" not in field for field in fields.values()), "the UI shows alternatives badly"
    assert {name for name in fields if "default" not in fields[name]} == set(schema["required"])


@pytest.mark.prefect
@pytest.mark.usefixtures("prefect")
def test_the_prefect_ui_shows_what_a_re_run_changed(company: Installation, bounced: datetime) -> None:
    typed = ["e1", "somebody-who-left-long-ago", "e3"]

    async def scenario() -> tuple[Any, Any, Rotated]:
        state = await cohort_rerun(
            **ASKED,
            cohort=CohortKind.LEARNERS,
            external_ids=typed,
            as_of=bounced.isoformat(),
            return_state=True,
        )
        async with get_client() as client:
            flow_run = await client.read_flow_run(state.state_details.flow_run_id)
            artifacts = [each for each in await client.read_artifacts(limit=200) if each.flow_run_id == flow_run.id]
        return flow_run, artifacts, await state.result()

    flow_run, artifacts, rotated = asyncio.run(scenario())
    assert flow_run.name == f"{CAMPAIGN}: {ANNOUNCEMENT} again for learners"
    (table,) = [each for each in artifacts if each.key.startswith("rerun-")]
    assert table.key == "rerun-two-minutes-a-day-launch-announcement-2026-01-12"
    rows = json.loads(table.data)
    assert sum(row["learners"] for row in rows) == 2
    assert "1 of 3 external ids belong to nobody: by their place in the list, 2." in table.description
    assert rotated.unknown == (2,)
    shown = json.dumps([table.data, table.description])
    assert not any(each in shown for each in typed), "ids stand in the form alone"


@pytest.mark.prefect
@pytest.mark.usefixtures("prefect")
def test_an_empty_cohort_says_so_in_the_prefect_ui(company: Installation, bounced: datetime) -> None:
    async def scenario() -> list[Any]:
        state = await cohort_rerun(**ASKED, cohort=CohortKind.PARKED, as_of=bounced.isoformat(), return_state=True)
        assert state.is_completed()
        async with get_client() as client:
            run_id = state.state_details.flow_run_id
            return [each for each in await client.read_artifacts(limit=200) if each.flow_run_id == run_id]

    (table,) = asyncio.run(scenario())
    assert "Nobody of the cohort 'parked' can be sent to again: nothing was made." in table.description
