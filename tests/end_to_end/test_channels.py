"""Every channel for real: the official SDKs and our wire formats against the stand-in, which holds them to their word.

A request that breaks a provider's published description is a violation; the stand-in collects them.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, select, update

from channels.accounts import accounts_of
from channels.base import ChannelAdapter
from channels.registry import adapters
from content.campaign import load_campaign
from content.message import load_message, message_keys
from content.render import Renderer
from content.samples import ORDINARY
from flows.rehearsal import Clock, Rehearsal, days_of, midnight
from pushpull.db import reading, writing
from pushpull.insights.sample import make_company
from pushpull.insights.simulate import SimulatedLearners
from pushpull.learners.tables import learner
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.conversations import Reference, learn
from pushpull.ledger.messages import Body, Conversation, OutgoingMessage, SharedEmail
from pushpull.ledger.outcomes import Accepted
from pushpull.ledger.tables import delivery, wave
from pushpull.ledger.vocabulary import ACCEPTED_STATES, DeliveryState
from pushpull.settings import Settings
from tasks.installation import Installation, assemble, installed
from tests.standin.engine import StandIn
from tests.standin.variables import variables

CAMPAIGN = "two-minutes-a-day"
CONTENT = Path(__file__).resolve().parents[2] / "content"
ADDRESSES = {
    Channel.EMAIL: "ada@example.org",
    Channel.TEAMS: "6f2c7a7e-1111-4222-8333-444455556666",
    Channel.SLACK: "U0ADA0001",
    Channel.SMS: "+4915112345678",
}


def settings_for(standin: StandIn, engine: Engine | None = None, **others: object) -> Settings:
    said = {name.removeprefix("PUSHPULL_").lower(): value for name, value in variables(standin).items()}
    fast = {f"{name}_per_second": 0 for name in ("sendgrid", "teams", "twilio", "slack")}
    url = engine.url.render_as_string(hide_password=False) if engine else "sqlite://"
    return Settings(_env_file=None, **{**said, **fast, "database_url": url, **others})


def conversation(standin: StandIn, person: str) -> Conversation:
    return Conversation(service_url=standin.url("bot"), user_id=f"29:{person}", tenant_id="tenant")


# ---- every kind of message


def every_kind() -> Iterator[tuple[str, Channel, str, str]]:
    for key in message_keys(CONTENT):
        message = load_message(key, CONTENT)
        for channel in message.file.channels:
            for language in message.languages:
                for variant in message.variants:
                    yield key, channel, language, variant


def written(renderer: Renderer, key: str, channel: Channel, language: str, variant: str) -> list[Body]:
    """A message as it may be sent: whole, and shared where it can be."""
    trend = min(path.stem for path in (CONTENT / "trends").glob("*.yaml")) if key == "trend-of-the-month" else None
    bodies = [renderer.render(key, channel, language, variant, ORDINARY, trend=trend)]
    shared = renderer.share(key, language, variant, trend=trend) if channel is Channel.EMAIL else None
    if shared is not None:
        filled = shared.fill(ORDINARY)
        if filled is not None:
            assert isinstance(filled, SharedEmail)
            bodies.append(filled)
    return bodies


def test_every_message_kind_goes_through_every_channel_without_a_violation(standin: StandIn) -> None:
    chosen = settings_for(standin, teams_app_id=str(UUID(int=7)))
    carriers = adapters(chosen, clock=lambda: datetime.now(UTC), accounts=accounts_of(chosen))
    renderer = Renderer(CONTENT, load_campaign(CAMPAIGN, CONTENT))
    sent: Counter[Channel] = Counter()
    for number, (key, channel, language, variant) in enumerate(every_kind()):
        for again, body in enumerate(written(renderer, key, channel, language, variant)):
            known = conversation(standin, "ada") if channel is Channel.TEAMS and number % 2 else None
            delivery_id = f"{number + 1}-{again}-1"
            message = a_message(channel, body, delivery_id, known)
            assert sent_by(carriers[channel], message), (key, channel, language, variant)
            sent[channel] += 1
    assert standin.violations == []
    assert set(sent) == set(Channel)
    kept = [taken for provider in standin.providers.values() for taken in provider.taken()]
    assert len(kept) == sum(sent.values())
    assert len({(taken.provider, taken.delivery_id) for taken in kept if taken.delivery_id}) >= len(kept) / 2


def a_message(channel: Channel, body: Body, delivery_id: str, known: Conversation | None) -> OutgoingMessage:
    return OutgoingMessage(
        delivery_id=delivery_id,
        handover_id=uuid4().hex,
        channel=channel,
        to=ADDRESSES[channel],
        to_name="Ada Lovelace",
        family="learning",
        body=body,
        campaign=CAMPAIGN,
        valid_for=timedelta(hours=3),
        conversation=known,
    )


def sent_by(carrier: ChannelAdapter, message: OutgoingMessage) -> bool:
    (outcome,) = carrier.send([message], deadline=time.monotonic() + 20)
    return isinstance(outcome, Accepted)


# ---- a whole campaign


@pytest.fixture
def house(engine: Engine, standin: StandIn, tmp_path: Path) -> Iterator[tuple[Installation, Clock]]:
    """Thirty learners, some of whom the bot can reach."""
    campaign = load_campaign(CAMPAIGN)
    clock = Clock(midnight(campaign.start) - timedelta(days=1))
    here = assemble(
        settings_for(standin, engine, outbox_dir=tmp_path / "outbox", teams_app_id=str(UUID(int=7))), clock=clock
    )
    with writing(here.engine) as connection:
        make_company(connection, seed=11, size=30, now=clock.now, family=campaign.family)
        with_teams = connection.execute(
            select(learner.c.id, learner.c.teams_id).where(learner.c.teams_id.is_not(None)).order_by(learner.c.id)
        ).all()
        for position, (learner_id, _) in enumerate(with_teams):
            connection.execute(
                update(learner).where(learner.c.id == learner_id).values(teams_id=str(UUID(int=1000 + position)))
            )
            if position % 3:
                learn(connection, [_reference(standin, UUID(int=1000 + position), clock.now)])
    with installed(here):
        yield here, clock


def _reference(standin: StandIn, person: UUID, at: datetime) -> Reference:
    return Reference(
        address=str(person),
        conversation=Conversation(service_url=standin.url("bot"), user_id=f"29:{person}", tenant_id="tenant"),
        at=at,
    )


def test_a_whole_campaign_reaches_everybody_once_over_every_channel(
    house: tuple[Installation, Clock], standin: StandIn
) -> None:
    here, clock = house
    campaign = here.campaign(CAMPAIGN)
    rehearsal = Rehearsal(here, CAMPAIGN, SimulatedLearners(seed=11), clock)
    for day in days_of(campaign.start, campaign.start + timedelta(days=20)):
        asyncio.run(rehearsal.day(day))
    assert standin.violations == []
    by_channel = _accepted(here.engine)
    kept = _kept(standin)
    assert {channel: len(ids) for channel, ids in kept.items()} == {
        channel: len(ids) for channel, ids in by_channel.items()
    }
    assert kept[Channel.EMAIL] == by_channel[Channel.EMAIL]
    assert all(count == 1 for ids in kept.values() for count in Counter(ids).values())
    assert set(by_channel) >= {Channel.EMAIL, Channel.TEAMS}


def _accepted(engine: Engine) -> Mapping[Channel, list[str]]:
    """The deliveries the ledger holds for accepted, by channel."""
    found: dict[Channel, list[str]] = {}
    with reading(engine) as connection:
        rows = connection.execute(
            select(delivery.c.channel, delivery.c.wave_id, delivery.c.rotation, delivery.c.learner_id)
            .join(wave, wave.c.id == delivery.c.wave_id)
            .where(delivery.c.state.in_([state.value for state in ACCEPTED_STATES]))
            .order_by(delivery.c.wave_id, delivery.c.rotation, delivery.c.learner_id)
        ).all()
        silent = connection.execute(
            select(delivery.c.state).where(delivery.c.state.in_([DeliveryState.UNCERTAIN.value, "handing_over"]))
        ).all()
    assert silent == []
    for row in rows:
        found.setdefault(Channel(row.channel), []).append(f"{row.wave_id}-{row.rotation}-{row.learner_id}")
    return found


def _kept(standin: StandIn) -> Mapping[Channel, list[str]]:
    """The deliveries the providers took, by channel."""
    channels = {"sendgrid": Channel.EMAIL, "bot": Channel.TEAMS, "graph": Channel.TEAMS, "twilio": Channel.SMS}
    found: dict[Channel, list[str]] = {}
    for name, provider in standin.providers.items():
        for taken in provider.taken():
            found.setdefault(channels.get(name, Channel.SLACK), []).append(taken.delivery_id or taken.provider_id)
    return {channel: sorted(ids, key=_by_number) for channel, ids in found.items()}


def _by_number(delivery_id: str) -> tuple[int, ...]:
    parts = delivery_id.split("-")
    return tuple(int(part) for part in parts) if all(part.isdigit() for part in parts) else (0,)
