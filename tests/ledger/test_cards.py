"""Which cards still ask for what their learner has done, on both databases."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, select, update

from pushpull.db import reading, writing
from pushpull.learners.tables import learner
from pushpull.learners.vocabulary import Channel, LearnerState
from pushpull.ledger.cards import SentCard, card_id, cards_to_close, record_closed
from pushpull.ledger.conversations import Reference, learn
from pushpull.ledger.messages import Conversation
from pushpull.ledger.outcomes import Accepted, Outcome, Rejected
from pushpull.ledger.tables import card_update, delivery
from tests.ledger.builders import (
    DAWN,
    NOON,
    Sink,
    a_campaign,
    a_learner,
    a_lifecycle,
    a_wave,
    drained,
    planned,
)

AFTERNOON = NOON + timedelta(hours=3)
EVENING = NOON + timedelta(hours=8)
ADA = "0B1F1F1E-0000-4000-8000-00000000000A"


def someone(engine: Engine, **fields: object) -> tuple[int, int]:
    """A learner in a campaign; the ids of both."""
    with writing(engine) as connection:
        return a_campaign(connection), a_learner(connection, teams_id=ADA, **fields)


def sent_on(engine: Engine, channel: Channel, answers: Mapping[int, Outcome]) -> int:
    """A wave over a channel that was answered so; its id."""
    wave_id = planned(engine, a_wave(channels=(channel,)))
    drained(engine, wave_id, Sink({who: [answer] for who, answer in answers.items()}))
    return wave_id


def completed(engine: Engine, campaign_id: int, learner_id: int, *, at: datetime) -> None:
    with writing(engine) as connection:
        a_lifecycle(connection, campaign_id, learner_id, state=LearnerState.COMPLETED.value, completed_at=at)


def open_cards(engine: Engine, *, now: datetime = EVENING, limit: int = 100) -> list[SentCard]:
    with reading(engine) as connection:
        return cards_to_close(connection, now=now, limit=limit)


def test_a_card_is_closed_once_its_learner_has_completed_the_campaign(engine: Engine) -> None:
    campaign_id, who = someone(engine, preferred_language="en")
    wave_id = sent_on(engine, Channel.TEAMS, {who: Accepted("a:1ada|1700")})
    assert open_cards(engine) == []
    completed(engine, campaign_id, who, at=AFTERNOON)
    assert open_cards(engine) == [SentCard(wave_id, 0, who, "a:1ada", "1700", "", "en")]
    assert open_cards(engine, now=AFTERNOON - timedelta(minutes=1)) == [], "that has not happened yet"


def test_it_is_closed_where_the_person_is_reached_today(engine: Engine) -> None:
    campaign_id, who = someone(engine)
    sent_on(engine, Channel.TEAMS, {who: Accepted("a:1ada|1700")})
    completed(engine, campaign_id, who, at=AFTERNOON)
    with writing(engine) as connection:
        place = Conversation("https://smba.trafficmanager.net/emea/", "29:ada", "a:1ada")
        learn(connection, [Reference(ADA, place, DAWN)])
    assert [card.service_url for card in open_cards(engine)] == ["https://smba.trafficmanager.net/emea/"]


def test_a_card_is_closed_only_once(engine: Engine) -> None:
    campaign_id, who = someone(engine)
    sent_on(engine, Channel.TEAMS, {who: Accepted("a:1ada|1700")})
    completed(engine, campaign_id, who, at=AFTERNOON)
    [card] = open_cards(engine)
    with writing(engine) as connection:
        assert record_closed(connection, [(card, "updated")], at=EVENING) == 1
        assert record_closed(connection, [(card, "gone")], at=EVENING) == 0
    assert open_cards(engine) == []
    with reading(engine) as connection:
        assert connection.execute(select(card_update.c.outcome)).scalars().all() == ["updated"]


@pytest.mark.parametrize(
    ("channel", "answer"),
    [
        (Channel.TEAMS, Accepted("feed:123")),
        (Channel.TEAMS, Accepted(None)),
        (Channel.TEAMS, Rejected("blocked")),
        (Channel.EMAIL, Accepted("a:1ada|1700")),
    ],
)
def test_what_is_no_accepted_card_is_left_alone(engine: Engine, channel: Channel, answer: Outcome) -> None:
    campaign_id, who = someone(engine)
    sent_on(engine, channel, {who: answer})
    completed(engine, campaign_id, who, at=AFTERNOON)
    assert open_cards(engine) == []


def test_a_card_sent_after_the_completion_is_left_alone(engine: Engine) -> None:
    campaign_id, who = someone(engine)
    sent_on(engine, Channel.TEAMS, {who: Accepted("a:1ada|1700")})
    completed(engine, campaign_id, who, at=NOON - timedelta(days=1))
    assert open_cards(engine) == []


def test_old_cards_are_left_alone(engine: Engine) -> None:
    campaign_id, who = someone(engine)
    sent_on(engine, Channel.TEAMS, {who: Accepted("a:1ada|1700")})
    completed(engine, campaign_id, who, at=AFTERNOON)
    assert open_cards(engine, now=NOON + timedelta(days=90)) == []


def test_completing_one_campaign_closes_no_card_of_another(engine: Engine) -> None:
    _, who = someone(engine)
    sent_on(engine, Channel.TEAMS, {who: Accepted("a:1ada|1700")})
    with writing(engine) as connection:
        other = a_campaign(connection, "other")
    completed(engine, other, who, at=AFTERNOON)
    assert open_cards(engine) == []


def test_a_run_takes_no_more_than_it_is_told(engine: Engine) -> None:
    with writing(engine) as connection:
        campaign_id = a_campaign(connection)
        people = [a_learner(connection) for _ in range(5)]
    sent_on(engine, Channel.TEAMS, {who: Accepted(f"a:{who}|1") for who in people})
    with writing(engine) as connection:
        for who in people:
            connection.execute(update(learner).where(learner.c.id == who).values(teams_id=None))
    for who in people:
        with writing(engine) as connection:
            a_lifecycle(connection, campaign_id, who, completed_at=AFTERNOON)
    assert [card.learner_id for card in open_cards(engine, limit=3)] == people[:3]


def test_a_card_is_named_by_conversation_and_activity() -> None:
    assert card_id("a:1", "17") == "a:1|17"
    assert card_id("a:1", "") is None
    assert card_id("", "17") is None
    assert card_id("a:" + "1" * 253, "17") is None


def test_the_longest_name_of_a_card_fits_its_column(engine: Engine) -> None:
    _, who = someone(engine)
    name = card_id("a:" + "1" * 250, "17")
    wave_id = sent_on(engine, Channel.TEAMS, {who: Accepted(name)})
    with reading(engine) as connection:
        kept = connection.execute(select(delivery.c.provider_id).where(delivery.c.wave_id == wave_id)).scalar_one()
    assert kept == name
