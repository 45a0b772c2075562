"""Closing cards, from the ledger to Teams, on both databases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Engine, select

from channels.base import ChannelAdapter
from channels.sandbox import SandboxChannel
from channels.teams import TeamsChannel
from channels.teams.updates import done_card
from pushpull.db import reading, writing
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.conversations import Reference, learn
from pushpull.ledger.links import LinkSigner
from pushpull.ledger.outcomes import Accepted
from pushpull.ledger.tables import card_update
from pushpull.settings import Settings
from tasks.cards import ClosedCards, close_cards
from tasks.installation import Installation, installed
from tests.channels.teams.people import a_channel, a_conversation, a_message, sent
from tests.ledger.builders import DAWN, NOON, Sink, a_campaign, a_learner, a_lifecycle, a_wave, drained, planned
from tests.ledger.conftest import ledger_on_postgres, postgres_engine
from tests.standin.engine import StandIn
from tests.standin.faults import Fault
from tests.standin.microsoft import BotConnector

__all__ = ["ledger_on_postgres", "postgres_engine"]

EVENING = NOON + timedelta(hours=8)


@contextmanager
def at_work(engine: Engine, adapter: ChannelAdapter) -> Iterator[None]:
    """An installation whose Teams channel is this one."""
    chosen = Settings(_env_file=None, call_deadline_seconds=2.0)
    with installed(
        Installation(settings=chosen, engine=engine, links=LinkSigner.of(chosen), adapters={Channel.TEAMS: adapter})
    ):
        yield


def done_by(engine: Engine, standin: StandIn, channel: TeamsChannel, names: Sequence[str]) -> list[tuple[str, str]]:
    """People who got a card and completed the campaign since; their conversations and activities."""
    cards = {}
    with writing(engine) as connection:
        campaign_id = a_campaign(connection)
        for number, name in enumerate(names):
            person = a_conversation(standin, name)
            who = a_learner(connection, teams_id=f"0b1f1f1e-0000-4000-8000-{number:012d}", preferred_language="en")
            [outcome] = sent(channel, a_message(number, conversation=person))
            assert isinstance(outcome, Accepted)
            cards[who] = outcome
            learn(connection, [Reference(f"0b1f1f1e-0000-4000-8000-{number:012d}", person, DAWN)])
    wave_id = planned(engine, a_wave(channels=(Channel.TEAMS,)))
    drained(engine, wave_id, Sink({who: [outcome] for who, outcome in cards.items()}))
    for who in cards:
        with writing(engine) as connection:
            a_lifecycle(connection, campaign_id, who, completed_at=NOON + timedelta(hours=1))
    places = [str(outcome.provider_id).split("|") for outcome in cards.values()]
    return [(conversation, activity) for conversation, activity in places]


def recorded(engine: Engine) -> list[str]:
    with reading(engine) as connection:
        return list(connection.execute(select(card_update.c.outcome)).scalars())


def test_cards_of_those_who_are_done_say_thanks(engine: Engine, standin: StandIn) -> None:
    channel = a_channel(standin)
    places = done_by(engine, standin, channel, ["ada", "ben"])
    bot = standin.provider(BotConnector)
    with at_work(engine, channel):
        assert close_cards(EVENING) == ClosedCards(updated=2)
        assert [bot.cards[place] for place in places] == [done_card("en")] * 2
        assert close_cards(EVENING) == ClosedCards()
    assert bot.updates == dict.fromkeys(places, 1)
    assert recorded(engine) == ["updated", "updated"]
    assert standin.violations == []


def test_a_card_that_is_gone_is_not_asked_for_again(engine: Engine, standin: StandIn) -> None:
    channel = a_channel(standin)
    [place] = done_by(engine, standin, channel, ["ada"])
    del standin.provider(BotConnector).cards[place]
    with at_work(engine, channel):
        assert close_cards(EVENING) == ClosedCards(gone=1)
        assert close_cards(EVENING) == ClosedCards()
    assert recorded(engine) == ["gone"]


def test_what_could_not_be_changed_now_is_changed_by_the_next_run(engine: Engine, standin: StandIn) -> None:
    channel = a_channel(standin)
    done_by(engine, standin, channel, ["ada", "ben"])
    standin.fault(Fault.RESET_PROCESSED, provider=BotConnector, method="PUT")
    with at_work(engine, channel):
        assert close_cards(EVENING) == ClosedCards(updated=1, later=1)
        assert close_cards(EVENING) == ClosedCards(updated=1)
    assert recorded(engine) == ["updated", "updated"]


def test_a_provider_that_has_enough_is_left_alone(engine: Engine, standin: StandIn) -> None:
    channel = a_channel(standin)
    done_by(engine, standin, channel, [f"p{n}" for n in range(8)])
    standin.fault(Fault.THROTTLED_SECONDS, provider=BotConnector, method="PUT", times=None)
    with at_work(engine, channel):
        assert close_cards(EVENING) == ClosedCards(later=5)
    assert sum(each.method == "PUT" for each in standin.requests(BotConnector)) == 5
    assert recorded(engine) == []


def test_a_run_takes_no_more_than_it_is_told(engine: Engine, standin: StandIn) -> None:
    channel = a_channel(standin)
    done_by(engine, standin, channel, ["ada", "ben", "eve"])
    with at_work(engine, channel):
        assert close_cards(EVENING, limit=2) == ClosedCards(updated=2)
        assert close_cards(EVENING, limit=2) == ClosedCards(updated=1)


def test_a_channel_that_cannot_be_used_ends_the_run_and_says_why(engine: Engine, standin: StandIn) -> None:
    channel = a_channel(standin)
    done_by(engine, standin, channel, ["ada", "ben"])
    standin.fault(Fault.UNAUTHORIZED, provider=BotConnector, method="PUT", times=None)
    with at_work(engine, channel):
        result = close_cards(EVENING)
    assert (result.updated, result.gone, result.later) == (0, 0, 0)
    assert "fresh token" in result.stopped
    assert recorded(engine) == []


def test_a_sandbox_has_no_cards_to_close(engine: Engine, tmp_path: Path) -> None:
    with at_work(engine, SandboxChannel(Channel.TEAMS, tmp_path)):
        assert close_cards(EVENING) == ClosedCards()
