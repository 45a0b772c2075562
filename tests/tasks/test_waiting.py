"""What waits for a person is told by every dispatch, with the command that answers it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, insert, select, update

from flows.dispatch import dispatch
from flows.launch import launch
from pushpull.db import reading, writing
from pushpull.ledger.campaigns import hold_campaign, pause_channel, release_wave, resume_channel, wave_id_of
from pushpull.ledger.switches import follow
from pushpull.ledger.tables import attempt, delivery
from pushpull.ledger.vocabulary import DeliveryState, SwitchName
from pushpull.ledger.waiting import waiting_for_a_person
from tasks.installation import Installation
from tasks.report import report_waiting
from tests.flows.conftest import CAMPAIGN, company, launch_day

__all__ = ["company", "launch_day"]

ANNOUNCEMENT = "launch.announcement@2026-01-12"


def _plan(launch_day: datetime) -> None:
    asyncio.run(launch.fn(campaign=CAMPAIGN, as_of=launch_day.isoformat()))


def _park_everything(connection: Connection, now: datetime) -> None:
    sent = delivery.c.state == DeliveryState.ACCEPTED
    rows = connection.execute(
        select(delivery.c.handover_id, delivery.c.learner_id, delivery.c.wave_id, delivery.c.rotation).where(sent)
    ).mappings()
    verdict = {"seq": 1, "outcome": "parked", "reason": "no_evidence", "recorded_at": now}
    connection.execute(insert(attempt), [{**row, **verdict} for row in rows])
    connection.execute(update(delivery).where(sent).values(state=DeliveryState.PARKED))


def test_nothing_waits_while_all_goes_well(company: Installation, launch_day: datetime) -> None:
    _plan(launch_day)
    asyncio.run(dispatch.fn(as_of=(launch_day + timedelta(hours=9)).isoformat()))
    assert report_waiting() == []


def test_a_late_wave_asks_until_it_is_answered(company: Installation, launch_day: datetime) -> None:
    _plan(launch_day)
    late = launch_day + timedelta(hours=14)
    asyncio.run(dispatch.fn(as_of=late.isoformat()))
    (waiting,) = report_waiting()
    assert (waiting.kind, waiting.what) == ("wave", ANNOUNCEMENT)
    assert "late" in waiting.why
    assert waiting.command == f"pushpull wave release {CAMPAIGN} {ANNOUNCEMENT}"
    with writing(company.engine) as connection:
        release_wave(connection, wave_id_of(connection, CAMPAIGN, ANNOUNCEMENT), who="ada", why="still good", at=late)
    assert report_waiting() == []


def test_going_on_is_the_answer_only_where_a_person_paused_everything(
    company: Installation, launch_day: datetime
) -> None:
    def answers(told: dict[SwitchName, object]) -> list[str]:
        with writing(company.engine) as connection:
            follow(connection, told, who="elsewhere", at=launch_day)
            return [each.command for each in waiting_for_a_person(connection)]

    assert answers({SwitchName.PILOT: "nonsense"}) == ["pushpull switch show"]
    assert answers({SwitchName.PILOT: []}) == []
    assert answers({SwitchName.PAUSE: True}) == ["pushpull switch go-on"]


def test_what_concerns_most_learners_comes_first(company: Installation, launch_day: datetime) -> None:
    _plan(launch_day)
    asyncio.run(dispatch.fn(as_of=(launch_day + timedelta(hours=9)).isoformat()))
    now = datetime.now(UTC)
    with writing(company.engine) as connection:
        pause_channel(connection, "sms", reason="throttled", at=now, until=now + timedelta(minutes=5))
        pause_channel(connection, "email", reason="the key was revoked", at=now)
        hold_campaign(connection, CAMPAIGN, why="opt-outs 7 % of 120", at=now)
        _park_everything(connection, now)
    with reading(company.engine) as connection:
        waiting = waiting_for_a_person(connection)
    assert [each.kind for each in waiting] == ["channel", "campaign", "parked"]
    assert "the key was revoked" in waiting[0].why
    assert "opt-outs 7 %" in waiting[1].why
    assert "deliveries arrived" in waiting[2].why
    with writing(company.engine) as connection:
        resume_channel(connection, "email")
        assert [each.kind for each in waiting_for_a_person(connection)] == ["campaign", "parked"]
