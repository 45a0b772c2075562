"""What a person decides by the form: it takes effect, says what it changed, and refuses what it cannot mean."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from deployments.timelines import JOINT
from flows.decide import decide
from flows.dispatch import dispatch
from flows.launch import launch
from pushpull.db import reading, writing
from pushpull.learners.consent import suppress
from pushpull.learners.tables import learner, suppression
from pushpull.learners.vocabulary import Channel, SuppressionReason
from pushpull.ledger.campaigns import (
    UnknownCampaignError,
    UnknownWaveError,
    hold_campaign,
    hold_wave,
    paused_channels,
    wave_id_of,
)
from pushpull.ledger.tables import audit, campaign, delivery, wave
from pushpull.ledger.vocabulary import DeliveryState, HoldReason, WaveStatus
from pushpull.ledger.waiting import waiting_for_a_person
from tasks.decide import Action, DecisionError, Subject, require_filled_in
from tasks.installation import Installation
from tasks.schedules import JOINT as JOINT_OF_PAUSING
from tests.flows.conftest import CAMPAIGN
from tests.flows.test_stages import ACCEPTED, count, messages_in_the_outbox

ANNOUNCEMENT = "launch.announcement@2026-01-12"
BY = {"who": "ada", "why": "because"}


def decided(action: Action, **about: str) -> list[str]:
    return asyncio.run(decide.fn(action, **{**BY, **about}))


@pytest.fixture
def planned(company: Installation, launch_day: datetime) -> Installation:
    asyncio.run(launch.fn(campaign=CAMPAIGN, as_of=launch_day.isoformat()))
    return company


def send(day: datetime) -> None:
    asyncio.run(dispatch.fn(as_of=(day + timedelta(hours=9)).isoformat()))


def status(here: Installation, table: Any) -> str:
    chosen = select(table.c.status).where(table.c.key == (CAMPAIGN if table is campaign else ANNOUNCEMENT))
    with reading(here.engine) as connection:
        return str(connection.execute(chosen).scalar_one())


# ---- what the form must say


@pytest.mark.parametrize(
    ("action", "about", "complaint"),
    [
        (Action.PAUSE_CAMPAIGN, {}, "needs campaign: fill it in"),
        (Action.PAUSE_WAVE, {"campaign": "x"}, "needs wave"),
        (Action.PAUSE_WAVE, {}, "needs campaign and wave: fill them in"),
        (Action.PAUSE_CHANNEL, {"campaign": "x"}, "needs channel"),
        (Action.REPLY_STOPS, {"channel": "sms"}, "needs learner"),
        (Action.PAUSE_CAMPAIGN, {"campaign": "x", "wave": "y"}, "leave wave empty"),
        (Action.PAUSE_EVERYTHING, {"campaign": "x"}, "is about everything: leave campaign empty"),
        (Action.PAUSE_CHANNEL, {"channel": "pigeon"}, "no channel 'pigeon'"),
        (Action.PAUSE_CAMPAIGN, {"campaign": "x", "why": " "}, "needs why"),
        (Action.PAUSE_CAMPAIGN, {"campaign": "x", "who": ""}, "needs who"),
    ],
)
def test_a_form_that_does_not_fit_says_what_to_fill_in(action: Action, about: dict[str, str], complaint: str) -> None:
    by = {name: about.get(name, given) for name, given in BY.items()}
    subject = Subject(**{name: given for name, given in about.items() if name not in BY})
    with pytest.raises(DecisionError, match=complaint):
        require_filled_in(action, subject, **by)


def test_every_action_knows_what_it_needs() -> None:
    everything = Subject(campaign="x", wave="y", channel="sms", learner="z")
    for action in Action:
        with pytest.raises(DecisionError, match="empty"):
            require_filled_in(action, everything, who="ada", why="because")


def test_what_there_is_not_is_named(planned: Installation) -> None:
    with pytest.raises(UnknownCampaignError, match="no-such"):
        decided(Action.CANCEL_CAMPAIGN, campaign="no-such")
    with pytest.raises(UnknownWaveError, match="no-such"):
        decided(Action.PARKED_RECEIVED, campaign=CAMPAIGN, wave="no-such")


# ---- what it does


def test_a_campaign_is_paused_resumed_and_cancelled(planned: Installation, launch_day: datetime) -> None:
    assert "until it is resumed" in decided(Action.PAUSE_CAMPAIGN, campaign=CAMPAIGN)[0]
    send(launch_day)
    assert count(planned, ACCEPTED) == 0
    decided(Action.RESUME_CAMPAIGN, campaign=CAMPAIGN)
    assert status(planned, campaign) == WaveStatus.OPEN
    said = decided(Action.CANCEL_CAMPAIGN, campaign=f" {CAMPAIGN} ")
    assert "deliveries were called back" in said[0]
    assert status(planned, campaign) == WaveStatus.CANCELLED
    with pytest.raises(ValueError, match="for good"):
        decided(Action.RESUME_CAMPAIGN, campaign=CAMPAIGN)


def test_a_campaign_that_stopped_itself_goes_on_asking_when_it_is_paused(
    planned: Installation, launch_day: datetime
) -> None:
    with writing(planned.engine) as connection:
        hold_campaign(connection, CAMPAIGN, why="opt-outs 7 % of 120", at=launch_day)
    decided(Action.PAUSE_CAMPAIGN, campaign=CAMPAIGN)
    with reading(planned.engine) as connection:
        assert [each.kind for each in waiting_for_a_person(connection)] == ["campaign"]
    decided(Action.RESUME_CAMPAIGN, campaign=CAMPAIGN)
    assert status(planned, campaign) == WaveStatus.OPEN


def test_a_wave_is_paused_released_and_cancelled(planned: Installation, launch_day: datetime) -> None:
    about = {"campaign": CAMPAIGN, "wave": ANNOUNCEMENT}
    decided(Action.PAUSE_WAVE, **about)
    send(launch_day)
    assert count(planned, ACCEPTED) == 0
    decided(Action.RELEASE_WAVE, **about)
    send(launch_day)
    assert count(planned, ACCEPTED) == messages_in_the_outbox(planned) > 0
    decided(Action.CANCEL_WAVE, **about)
    assert status(planned, wave) == WaveStatus.CANCELLED


@pytest.mark.parametrize("reason", [HoldReason.APPROVAL, HoldReason.REJECTED])
@pytest.mark.parametrize("action", [Action.RELEASE_WAVE, Action.PAUSE_WAVE])
def test_a_wave_that_waits_for_approval_cannot_get_round_it(
    planned: Installation, launch_day: datetime, action: Action, reason: HoldReason
) -> None:
    with writing(planned.engine) as connection:
        hold_wave(connection, wave_id_of(connection, CAMPAIGN, ANNOUNCEMENT), reason, why="large", at=launch_day)
    with pytest.raises(DecisionError, match="approval deployment"):
        decided(action, campaign=CAMPAIGN, wave=ANNOUNCEMENT)
    assert status(planned, wave) == WaveStatus.HELD
    decided(Action.CANCEL_WAVE, campaign=CAMPAIGN, wave=ANNOUNCEMENT)


def test_a_late_wave_is_released(planned: Installation, launch_day: datetime) -> None:
    with writing(planned.engine) as connection:
        wave_id = wave_id_of(connection, CAMPAIGN, ANNOUNCEMENT)
        hold_wave(connection, wave_id, HoldReason.MISFIRE, why="late", at=launch_day)
    decided(Action.RELEASE_WAVE, campaign=CAMPAIGN, wave=ANNOUNCEMENT)
    assert status(planned, wave) == WaveStatus.OPEN


def test_a_channel_is_paused_and_resumed(company: Installation, launch_day: datetime) -> None:
    decided(Action.PAUSE_CHANNEL, channel="sms")
    with reading(company.engine) as connection:
        assert paused_channels(connection, now=launch_day) == {"sms": "because"}
    decided(Action.RESUME_CHANNEL, channel="sms")
    with reading(company.engine) as connection:
        assert paused_channels(connection, now=launch_day) == {}


def test_everything_is_paused_and_goes_on(planned: Installation, launch_day: datetime) -> None:
    decided(Action.PAUSE_EVERYTHING)
    with reading(planned.engine) as connection:
        (waiting,) = waiting_for_a_person(connection)
    assert (waiting.kind, waiting.why) == ("switch", "everything is paused"), "so that nobody forgets it"
    assert "already" in decided(Action.PAUSE_EVERYTHING)[0]
    send(launch_day)
    assert count(planned, ACCEPTED) == 0
    decided(Action.GO_ON)
    send(launch_day)
    assert count(planned, ACCEPTED) > 0
    with reading(planned.engine) as connection:
        said = connection.execute(select(audit.c.who, audit.c.why).where(audit.c.what == "switch set")).all()
    assert [tuple(row) for row in said] == [("ada", "because")] * 2


@pytest.mark.parametrize(
    ("action", "state"),
    [(Action.PARKED_RECEIVED, DeliveryState.ACCEPTED), (Action.PARKED_AGAIN, DeliveryState.PLANNED)],
)
def test_all_parked_messages_of_a_wave_are_decided_about_at_once(
    planned: Installation, launch_day: datetime, action: Action, state: DeliveryState
) -> None:
    send(launch_day)
    sent = count(planned, ACCEPTED)
    with writing(planned.engine) as connection:
        connection.execute(update(delivery).where(ACCEPTED).values(state=DeliveryState.PARKED.value))
    (said,) = decided(action, campaign=CAMPAIGN, wave=ANNOUNCEMENT)
    assert said.startswith(f"{sent} parked messages")
    assert count(planned, delivery.c.state == DeliveryState.PARKED) == 0
    assert count(planned, delivery.c.state == state, delivery.c.handover_id.is_not(None)) == sent
    assert decided(action, campaign=CAMPAIGN, wave=ANNOUNCEMENT)[0].startswith("0 parked messages")


def test_a_reply_is_decided_about(company: Installation, launch_day: datetime) -> None:
    with writing(company.engine) as connection:
        person = connection.execute(select(learner.c.id).where(learner.c.external_id == "e1")).scalar_one()
        suppress(
            connection,
            person,
            channel=Channel.SMS,
            reason=SuppressionReason.STOPPED,
            source="reply: refusal",
            at=launch_day,
        )
    (said,) = decided(Action.REPLY_GOES_ON, learner="e1", channel="sms")
    assert said == "e1 gets messages over sms as before."
    with reading(company.engine) as connection:
        assert connection.execute(select(suppression.c.lifted_at)).scalar_one() is not None


def test_schedules_are_known_by_the_names_they_are_deployed_with() -> None:
    assert JOINT_OF_PAUSING == JOINT
