"""What is learned about reaching people by a bot, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine

from pushpull.db import reading, writing
from pushpull.ledger.conversations import Reference, conversations_of, forget, learn
from pushpull.ledger.messages import Conversation

MORNING = datetime(2026, 3, 2, 8, tzinfo=UTC)
ADA = "0b1f1f1e-0000-4000-8000-00000000000a"
BEN = "0b1f1f1e-0000-4000-8000-00000000000b"


def a_conversation(name: str = "ada", *, conversation_id: str = "a:1ada") -> Conversation:
    return Conversation(
        service_url="https://smba.trafficmanager.net/emea/",
        user_id=f"29:{name}",
        conversation_id=conversation_id,
        tenant_id="tenant",
    )


def learned(engine: Engine, *references: Reference) -> dict[str, Conversation]:
    with writing(engine) as connection:
        learn(connection, references)
    return known(engine)


def known(engine: Engine) -> dict[str, Conversation]:
    with reading(engine) as connection:
        return conversations_of(connection, [ADA, BEN])


def test_what_was_learned_is_found_under_the_address_as_it_was_asked_for(engine: Engine) -> None:
    learned(engine, Reference(ADA.upper(), a_conversation(), MORNING))
    with reading(engine) as connection:
        found = conversations_of(connection, [ADA, ADA.upper(), BEN])
    assert found == {ADA: a_conversation(), ADA.upper(): a_conversation()}


def test_nobody_asked_for_is_nobody_found(engine: Engine) -> None:
    with reading(engine) as connection:
        assert conversations_of(connection, []) == {}


def test_learning_nothing_changes_nothing(engine: Engine) -> None:
    assert learned(engine) == {}


def test_the_latest_activity_holds_in_whatever_order_they_come(engine: Engine) -> None:
    later = Reference(ADA, a_conversation("ada2", conversation_id="a:2"), MORNING + timedelta(hours=1))
    assert learned(engine, later, Reference(ADA, a_conversation(), MORNING))[ADA].user_id == "29:ada2"
    assert learned(engine, Reference(ADA, a_conversation(), MORNING))[ADA].user_id == "29:ada2"


def test_an_activity_without_a_conversation_does_not_unlearn_the_one_that_is_known(engine: Engine) -> None:
    learned(engine, Reference(ADA, a_conversation(), MORNING))
    later = Reference(ADA, a_conversation(conversation_id=""), MORNING + timedelta(hours=1))
    assert learned(engine, later)[ADA].conversation_id == "a:1ada"


def test_the_conversation_of_another_user_id_is_not_kept(engine: Engine) -> None:
    learned(engine, Reference(ADA, a_conversation(), MORNING))
    later = Reference(ADA, a_conversation("ada2", conversation_id=""), MORNING + timedelta(hours=1))
    assert learned(engine, later)[ADA].conversation_id == ""


def test_who_removed_the_bot_is_not_reached_by_it_until_it_is_back(engine: Engine) -> None:
    learned(engine, Reference(ADA, a_conversation(), MORNING))
    with writing(engine) as connection:
        forget(connection, ADA.upper(), at=MORNING + timedelta(hours=1))
    assert known(engine) == {}
    assert learned(engine, Reference(ADA, a_conversation(), MORNING + timedelta(minutes=30))) == {}
    assert ADA in learned(engine, Reference(ADA, a_conversation(), MORNING + timedelta(hours=2)))


def test_a_removal_that_comes_before_its_installation_still_holds(engine: Engine) -> None:
    with writing(engine) as connection:
        forget(connection, ADA, at=MORNING + timedelta(hours=1))
    assert learned(engine, Reference(ADA, a_conversation(), MORNING)) == {}


def test_an_old_removal_does_not_undo_a_later_installation(engine: Engine) -> None:
    learned(engine, Reference(ADA, a_conversation(), MORNING))
    with writing(engine) as connection:
        forget(connection, ADA, at=MORNING - timedelta(hours=1))
    assert ADA in known(engine)


def test_thousands_are_learned_and_found_at_once(engine: Engine) -> None:
    people = [f"0b1f1f1e-0000-4000-8000-{number:012d}" for number in range(1300)]
    with writing(engine) as connection:
        learn(connection, [Reference(each, a_conversation(each[-6:]), MORNING) for each in people])
    with reading(engine) as connection:
        found = conversations_of(connection, people)
    assert len(found) == len(people)
    assert found[people[700]].user_id == "29:000700"
