from __future__ import annotations

import pytest
from sqlalchemy import Engine, insert, select, update

from pushpull.catalogue.tables import item
from pushpull.db import writing
from pushpull.learners.recognitions import wall
from pushpull.learners.reviews import rate, said_of
from pushpull.learners.tables import recognition
from pushpull.learners.vocabulary import ReviewState
from pushpull.ledger.moderating import (
    NoReasonError,
    UnknownReviewError,
    UnknownThanksError,
    decide,
    lead_to_thread,
    low_rated,
    reviews_that,
    take_down,
)
from pushpull.ledger.tables import audit
from tests.learners.peers import NOW, agrees, company, completed


def test_a_review_that_waits_is_decided_with_a_line_for_auditors(engine: Engine) -> None:
    with writing(engine) as connection:
        company(connection)
        for who, words in ((1, "see www.example.org"), (2, "call 030 1234567"), (3, "clear")):
            completed(connection, who, 1, NOW)
            rate(connection, who, 1, rating=4, words=words, at=NOW)
        waiting = reviews_that(connection, ReviewState.HELD)
        assert [(each.number, each.item, each.why) for each in waiting] == [
            ("1-1", "Item 1", "link"),
            ("2-1", "Item 1", "phone"),
        ]
        decide(connection, "1-1", ReviewState.PUBLISHED, who="ops", why="our own site", at=NOW)
        decide(connection, "2-1", ReviewState.HIDDEN, who="ops", why="a private number", at=NOW)
        assert reviews_that(connection, ReviewState.HELD) == ()
        assert {said.words for said in said_of(connection, 1)} == {"see www.example.org", "clear"}
        assert [(each.words, each.why) for each in reviews_that(connection, ReviewState.HIDDEN)] == [
            ("call 030 1234567", "a private number")
        ]
        lines = connection.execute(select(audit.c.what, audit.c.subject, audit.c.why).order_by(audit.c.id)).all()
        assert [tuple(line) for line in lines] == [
            ("review published", "1-1", "our own site"),
            ("review hidden", "2-1", "a private number"),
        ]
        for number in ("9-9", "1", "x-y", "1-1-1", "", "1-" + "9" * 30, "²-1"):
            with pytest.raises(UnknownReviewError):
                decide(connection, number, ReviewState.HIDDEN, who="ops", why="x", at=NOW)
        with pytest.raises(NoReasonError):
            decide(connection, "1-1", ReviewState.HIDDEN, who="ops", why=" ", at=NOW)


def test_owners_hear_of_low_ratings_and_of_hidden_words(engine: Engine) -> None:
    with writing(engine) as connection:
        company(connection, people=8, items=4)
        connection.execute(update(item).where(item.c.id == 1).values(owner_external_id="owner-1"))
        for which, stars in ((1, (1, 2, 2, 3, 3)), (2, (1, 1, 1, 1)), (3, (5, 5, 5, 5, 1)), (4, (2, 2, 3, 3, 3))):
            for who, rating in enumerate(stars, 1):
                completed(connection, who, which, NOW)
                rate(connection, who, which, rating=rating, at=NOW)
        decide(connection, "5-3", ReviewState.HIDDEN, who="ops", why="personal", at=NOW)
        first, second = low_rated(connection)
        assert (first.key, first.owner, first.stars, first.raters, first.hidden) == ("i-1", "owner-1", 2.2, 5, 0)
        assert (second.key, second.stars, second.raters, second.hidden) == ("i-3", None, None, 1)


def test_thanks_are_taken_down_and_threads_set_with_a_line_for_auditors(engine: Engine) -> None:
    with writing(engine) as connection:
        company(connection)
        agrees(connection, 1)
        connection.execute(
            insert(recognition).values(
                id=5, learner_id=1, campaign_id=1, kind="finished", earned_at=NOW, post_state="wanted"
            )
        )
        take_down(connection, 5, who="ops", why="asked to", at=NOW)
        assert wall(connection, NOW) == ()
        with pytest.raises(UnknownThanksError):
            take_down(connection, 5, who="ops", why="asked to", at=NOW)
        with pytest.raises(NoReasonError):
            take_down(connection, 5, who="ops", why="", at=NOW)
        assert lead_to_thread(connection, "i-1", "https://talk.example/1", who="ops", why="", at=NOW)
        assert lead_to_thread(connection, "i-1", "", who="ops", why="", at=NOW)
        assert not lead_to_thread(connection, "i-1", "", who="ops", why="", at=NOW)
        said = connection.execute(select(audit.c.what).order_by(audit.c.id)).scalars().all()
        assert said == ["thanks hidden", "thread set", "thread ended"]
