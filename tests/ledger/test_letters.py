"""Letters that people asked for: one at a time, each sent once or not known to be."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import Engine, select

from pushpull.db import reading, writing
from pushpull.learners.consent import opt_out, suppress
from pushpull.learners.vocabulary import ANY_CHANNEL, ANY_FAMILY, Channel, SuppressionReason
from pushpull.ledger.letters import (
    ASK_AGAIN_AFTER,
    CARRIED_WITHIN,
    STALE_AFTER,
    ask,
    brands_for,
    claim,
    give_up,
    recipient_of,
    settle,
    waiting,
)
from pushpull.ledger.outcomes import Accepted, NotSent, Outcome, Rejected, Uncertain
from pushpull.ledger.tables import campaign, letter
from pushpull.ledger.vocabulary import LetterKind, LetterState
from tests.ledger.builders import NOON, a_campaign, a_learner

FRESH, DATA = LetterKind.FRESH_LINK, LetterKind.YOUR_DATA


@pytest.fixture
def ada(engine: Engine) -> int:
    with writing(engine) as connection:
        return a_learner(connection, given_name="Ada", email="ada@example.org")


def states(engine: Engine) -> list[tuple[str, str | None]]:
    with reading(engine) as connection:
        return [(row.state, row.note) for row in connection.execute(select(letter).order_by(letter.c.id))]


def asked(engine: Engine, who: int, kind: LetterKind = FRESH, after: timedelta = timedelta()) -> bool:
    with writing(engine) as connection:
        return ask(connection, who, kind, at=NOON + after)


def test_nobody_gets_two_letters_of_a_kind_within_ten_minutes(engine: Engine, ada: int) -> None:
    almost = ASK_AGAIN_AFTER - timedelta(seconds=1)
    assert [asked(engine, ada, after=after) for after in (timedelta(), almost, ASK_AGAIN_AFTER)] == [True, False, True]
    assert asked(engine, ada, DATA)
    assert not asked(engine, 99_999)
    assert len(states(engine)) == 3


def test_asking_many_times_at_once_asks_once(engine: Engine, ada: int) -> None:
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda _: asked(engine, ada), range(24)))
    assert sum(done) == 1


def test_a_letter_is_taken_by_one_sender(engine: Engine, ada: int) -> None:
    asked(engine, ada)

    def take(letter_id: int) -> bool:
        with writing(engine) as connection:
            return claim(connection, letter_id, at=NOON) is not None

    with reading(engine) as connection:
        ids = waiting(connection)
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(take, ids * 24)) == 1
    assert states(engine) == [("sending", None)]


@pytest.mark.parametrize(
    ("outcome", "state", "waits"),
    [
        (Accepted(), ("sent", None), False),
        (Rejected("invalid_address"), ("refused", "invalid_address"), False),
        (Uncertain("read_timeout"), ("uncertain", "read_timeout"), False),
        (NotSent("connection_refused"), ("asked", "connection_refused"), True),
        (Uncertain("x" * 200), ("uncertain", "x" * 64), False),
    ],
    ids=lambda each: type(each).__name__,
)
def test_what_became_of_it_is_kept(
    engine: Engine, ada: int, outcome: Outcome, state: tuple[str, str | None], waits: bool
) -> None:
    asked(engine, ada)
    with writing(engine) as connection:
        (letter_id,) = waiting(connection)
        assert claim(connection, letter_id, at=NOON) is not None
        settle(connection, letter_id, outcome, at=NOON)
        assert (waiting(connection) == [letter_id]) is waits
        assert settle(connection, letter_id, Accepted(), at=NOON) is LetterState.SENT  # a late word changes nothing
    assert states(engine) == [state]


def test_a_letter_whose_sender_died_is_never_sent_again(engine: Engine, ada: int) -> None:
    asked(engine, ada)
    with writing(engine) as connection:
        (letter_id,) = waiting(connection)
        claim(connection, letter_id, at=NOON)
        assert give_up(connection, now=NOON + CARRIED_WITHIN - timedelta(seconds=1)) == 0
        assert give_up(connection, now=NOON + CARRIED_WITHIN) == 1
        assert waiting(connection) == []
    assert states(engine) == [("uncertain", "sender_died")]


def test_a_letter_nobody_waits_for_is_given_up(engine: Engine, ada: int) -> None:
    asked(engine, ada)
    with writing(engine) as connection:
        assert give_up(connection, now=NOON + STALE_AFTER) == 1
    assert states(engine) == [("refused", "stale")]


def test_who_wants_no_nudges_still_gets_what_they_ask_for(engine: Engine, ada: int) -> None:
    with writing(engine) as connection:
        opt_out(connection, ada, channel=ANY_CHANNEL, family=ANY_FAMILY, source="preferences", at=NOON)
        to = recipient_of(connection, ada)
    assert to is not None
    assert (to.address, to.given_name, to.why_not) == ("ada@example.org", "Ada", "")


@pytest.mark.parametrize(
    "reason", [SuppressionReason.BOUNCED, SuppressionReason.COMPLAINED, SuppressionReason.INVALID_ADDRESS]
)
def test_nothing_goes_to_an_address_that_takes_nothing(engine: Engine, ada: int, reason: SuppressionReason) -> None:
    with writing(engine) as connection:
        suppress(connection, ada, channel=Channel.TEAMS, reason=reason, source="provider", at=NOON)
        assert recipient_of(connection, ada).why_not == ""  # type: ignore[union-attr]
        suppress(connection, ada, channel=Channel.EMAIL, reason=reason, source="provider", at=NOON)
        to = recipient_of(connection, ada)
    assert to is not None
    assert (to.address, to.why_not) == ("", reason.value)


def test_who_has_left_or_has_no_address_gets_none(engine: Engine) -> None:
    with writing(engine) as connection:
        for field, why_not in (({"active": False}, "inactive"), ({"email": None}, "no_address")):
            to = recipient_of(connection, a_learner(connection, **field))
            assert to is not None
            assert (to.address, to.why_not) == ("", why_not)
        assert recipient_of(connection, 99_999) is None


def test_a_letter_wears_the_brand_of_its_campaign_or_the_newest(engine: Engine) -> None:
    with writing(engine) as connection:
        ids = [a_campaign(connection, key) for key in ("one", "two", "three")]
        for campaign_id, brand in zip(ids, ("red", "green", None), strict=True):
            values = {"definition": {"brand": brand} if brand else {}}
            connection.execute(campaign.update().where(campaign.c.id == campaign_id).values(values))
        assert brands_for(connection, ids[0]) == ["red", "green"]
        assert brands_for(connection, None) == ["green", "red"]
