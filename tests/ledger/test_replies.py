"""A reply that reads like a refusal stops a channel for its learner, and waits for a person."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine, select

from pushpull.db import reading, writing
from pushpull.learners.consent import suppress
from pushpull.learners.tables import consent, learner
from pushpull.learners.vocabulary import SuppressionReason
from pushpull.ledger.replies import UNDECIDED, NoSuchRefusalError, Refusal, decide, refusals
from pushpull.ledger.tables import audit
from pushpull.ledger.waiting import waiting_for_a_person
from tests.ledger.builders import DAWN, NOON, a_campaign, a_wave, drained, learners, planned

LATER = NOON + timedelta(hours=1)


@pytest.fixture
def answered(engine: Engine) -> tuple[int, str]:
    """A wave for two learners, one of whom has answered; the wave, and who that is."""
    with writing(engine) as connection:
        a_campaign(connection)
        people = learners(connection, 2)
        who = connection.execute(select(learner.c.external_id).where(learner.c.id == people[0])).scalar_one()
        suppress(connection, people[0], channel="email", reason=SuppressionReason.STOPPED, source=UNDECIDED, at=DAWN)
    return planned(engine, a_wave()), str(who)


def test_it_waits_for_a_person_and_nothing_is_sent_meanwhile(engine: Engine, answered: tuple[int, str]) -> None:
    wave_id, who = answered
    assert drained(engine, wave_id).accepted == 1
    with reading(engine) as connection:
        assert refusals(connection) == [Refusal(who, "email", DAWN)]
        (waiting,) = waiting_for_a_person(connection)
    assert (waiting.kind, waiting.what, waiting.command) == ("reply", "email", "pushpull replies list")
    assert who not in waiting.why, "Prefect shows it: no personal data"


@pytest.mark.parametrize(("meant_stop", "reached"), [(True, 1), (False, 2)])
def test_a_person_says_what_was_meant(
    engine: Engine, answered: tuple[int, str], meant_stop: bool, reached: int
) -> None:
    _, who = answered
    with writing(engine) as connection:
        decide(connection, who, "email", meant_stop=meant_stop, who="ada", why="they called", at=NOON)
        assert refusals(connection) == []
        assert waiting_for_a_person(connection) == []
        (entry,) = connection.execute(select(audit.c.who, audit.c.why)).all()
        assert entry == ("ada", "they called")
        assert len(connection.execute(select(consent)).all()) == meant_stop
    assert drained(engine, planned(engine, a_wave("launch.again")), now=LATER).accepted == reached


def test_deciding_twice_or_about_nobody_is_an_error_in_words(engine: Engine, answered: tuple[int, str]) -> None:
    _, who = answered
    with writing(engine) as connection:
        decide(connection, who, "email", meant_stop=False, who="ada", why="a joke", at=NOON)
    for person, channel in ((who, "email"), (who, "sms"), ("nobody", "email")):
        with pytest.raises(NoSuchRefusalError, match="pushpull replies list"), writing(engine) as connection:
            decide(connection, person, channel, meant_stop=True, who="ada", why="again", at=NOON)
