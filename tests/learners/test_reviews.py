from __future__ import annotations

import random

import pytest
from sqlalchemy import Connection, Engine, delete, select, update

from pushpull.catalogue.ratings import rating_of, refresh_ratings, shrunk
from pushpull.catalogue.tables import item
from pushpull.db import reading, writing
from pushpull.learners.asking import SPELL, asks, spell_of
from pushpull.learners.reviews import (
    LONGEST,
    BadReviewError,
    NotUsedError,
    decide,
    decline,
    own_review,
    rate,
    said_of,
    withdraw,
)
from pushpull.learners.tables import learner, progress, review, review_ask
from pushpull.learners.vocabulary import ReviewState
from tests.learners.peers import DAY, NOW, company, completed, learned


def item_rating(connection: Connection, item_id: int = 1) -> float | None:
    return connection.execute(select(item.c.rating).where(item.c.id == item_id)).scalar_one()


def all_used(connection: Connection, item_id: int = 1, people: int = 8) -> None:
    for n in range(1, people + 1):
        completed(connection, n, item_id, NOW - DAY)


def test_only_who_used_an_item_may_rate_it(engine: Engine) -> None:
    with writing(engine) as connection:
        company(connection)
        learned(connection, 1, 1, NOW)
        learned(connection, 2, 1, NOW, verb="assigned")
        completed(connection, 3, 1, NOW)
        for who in (1, 3):
            assert rate(connection, who, 1, rating=4, at=NOW) is ReviewState.PUBLISHED
        for who, which in ((2, 1), (4, 1), (1, 2), (1, 99)):
            with pytest.raises(NotUsedError):
                rate(connection, who, which, rating=4, at=NOW)
            decline(connection, who, which, at=NOW)
        assert connection.execute(select(review.c.learner_id).order_by("learner_id")).scalars().all() == [1, 3]
        assert connection.execute(select(review_ask.c.learner_id).order_by("learner_id")).scalars().all() == [1, 3]


@pytest.mark.parametrize(("rating", "words", "field"), [(0, "", "rating"), (6, "", "rating"), (3, "é" * 501, "words")])
def test_what_is_no_review_is_refused(sqlite_engine: Engine, rating: int, words: str, field: str) -> None:
    with writing(sqlite_engine) as connection:
        company(connection)
        learned(connection, 1, 1, NOW)
        with pytest.raises(BadReviewError) as refused:
            rate(connection, 1, 1, rating=rating, words=words, at=NOW)
        assert refused.value.field == field
        assert rate(connection, 1, 1, rating=3, words=f" {'é' * LONGEST}\n ", at=NOW) is ReviewState.PUBLISHED


def test_a_review_is_changed_in_place_and_can_be_taken_back(engine: Engine) -> None:
    with writing(engine) as connection:
        company(connection)
        learned(connection, 1, 1, NOW)
        rate(connection, 1, 1, rating=2, words="Too long.", language="en", at=NOW)
        rate(connection, 1, 1, rating=5, words="Short,\x00\u202e\n and  good.", language="en", at=NOW + DAY)
        mine = own_review(connection, 1, 1)
        assert mine is not None
        assert (mine.rating, mine.words) == (5, "Short, and good.")
        assert connection.execute(select(review.c.made_at, review.c.updated_at)).one() == (NOW, NOW + DAY)
        assert [said.words for said in said_of(connection, 1)] == ["Short, and good."]
        assert said_of(connection, 1, except_of=1) == ()
        assert withdraw(connection, 1, 1, at=NOW)
        assert not withdraw(connection, 1, 1, at=NOW)
        assert own_review(connection, 1, 1) is None
        assert said_of(connection, 1) == ()


def test_doubtful_words_wait_and_their_stars_count(engine: Engine) -> None:
    with writing(engine) as connection:
        company(connection)
        learned(connection, 1, 1, NOW)
        assert rate(connection, 1, 1, rating=5, words="see https://spam.example", at=NOW) is ReviewState.HELD
        assert said_of(connection, 1) == ()
        assert item_rating(connection) == pytest.approx(shrunk(5, 1, (15 + 5) / 6))
        # The same words with other stars still wait, and other words do not.
        assert rate(connection, 1, 1, rating=4, words="see https://spam.example", at=NOW) is ReviewState.HELD
        assert rate(connection, 1, 1, rating=4, words="clear and short", at=NOW) is ReviewState.PUBLISHED


def test_what_ops_published_stays_published_until_its_words_change(engine: Engine) -> None:
    with writing(engine) as connection:
        company(connection)
        learned(connection, 1, 1, NOW)
        rate(connection, 1, 1, rating=5, words="call 030 1234567", at=NOW)
        assert decide(connection, 1, 1, ReviewState.PUBLISHED, who="ops", why="a help desk", at=NOW)
        assert rate(connection, 1, 1, rating=4, words="call 030 1234567", at=NOW) is ReviewState.PUBLISHED
        assert rate(connection, 1, 1, rating=4, words="call 030 7654321", at=NOW) is ReviewState.HELD


def test_what_ops_hid_stays_hidden_whatever_its_writer_does(engine: Engine) -> None:
    with writing(engine) as connection:
        company(connection)
        learned(connection, 1, 1, NOW)
        rate(connection, 1, 1, rating=1, words="about a person", at=NOW)
        decide(connection, 1, 1, ReviewState.HIDDEN, who="ops", why="personal", at=NOW)
        assert item_rating(connection) is None  # its stars do not count
        assert rate(connection, 1, 1, rating=2, words="", at=NOW) is ReviewState.HIDDEN
        assert rate(connection, 1, 1, rating=2, words="about a person again", at=NOW) is ReviewState.HELD
        assert rate(connection, 1, 1, rating=2, words="harmless", at=NOW) is ReviewState.HELD
        assert withdraw(connection, 1, 1, at=NOW)
        assert own_review(connection, 1, 1) is None
        assert connection.execute(select(review.c.body)).scalar_one() is None
        assert item_rating(connection) is None
        assert rate(connection, 1, 1, rating=2, words="about a person", at=NOW) is ReviewState.HELD
        decide(connection, 1, 1, ReviewState.PUBLISHED, who="ops", why="fine now", at=NOW)
        assert [said.words for said in said_of(connection, 1)] == ["about a person"]
        assert not decide(connection, 5, 1, ReviewState.HIDDEN, who="ops", why="x", at=NOW)


def test_an_average_is_shown_from_five_raters_on_and_drawn_to_the_mean(engine: Engine) -> None:
    with writing(engine) as connection:
        company(connection)
        all_used(connection)
        for n in range(1, 5):
            rate(connection, n, 1, rating=5, at=NOW)
            assert rating_of(connection, 1) is None
        rate(connection, 5, 1, rating=5, at=NOW)
        shown = rating_of(connection, 1)
        assert shown is not None
        stored = item_rating(connection)
        assert stored == pytest.approx(shrunk(25, 5, (15 + 25) / 10))
        assert (shown.stars, shown.raters) == (4.5, 5)
        rate(connection, 6, 1, rating=1, at=NOW)
        assert rating_of(connection, 1) is not None
        withdraw(connection, 6, 1, at=NOW)
        assert item_rating(connection) == pytest.approx(stored)
        decide(connection, 5, 1, ReviewState.HIDDEN, who="ops", why="x", at=NOW)
        assert rating_of(connection, 1) is None


def test_every_rating_is_the_bayesian_average_of_a_plain_loop(engine: Engine) -> None:
    draw = random.Random(11)
    with writing(engine) as connection:
        company(connection, people=30, items=6)
        given: dict[int, list[int]] = {}
        for which in (1, 2, 3, 4):
            for who in draw.sample(range(1, 31), draw.randrange(1, 20)):
                completed(connection, who, which, NOW - DAY)
                stars = draw.randrange(1, 6)
                rate(connection, who, which, rating=stars, at=NOW)
                given.setdefault(which, []).append(stars)
        connection.execute(update(item).where(item.c.id == 5).values(rating=4.25))  # a catalogue said so
        refresh_ratings(connection, NOW)
        every = [stars for each in given.values() for stars in each]
        mean = (5 * 3 + sum(every)) / (5 + len(every))
        for which, stars in given.items():
            assert item_rating(connection, which) == pytest.approx((5 * mean + sum(stars)) / (5 + len(stars)))
        assert item_rating(connection, 5) == 4.25
        assert item_rating(connection, 6) is None
        assert refresh_ratings(connection, NOW + DAY) == 0
        # An import that brings its own rating again gives way to what learners say.
        connection.execute(update(item).where(item.c.id == 1).values(rating=5))
        assert refresh_ratings(connection, NOW + DAY) == 1
        # Who is erased takes their stars along.
        connection.execute(delete(learner))
        refresh_ratings(connection, NOW)


def asked(engine: Engine, learner_id: int, days: int) -> dict[int, list[int]]:
    """Item ids a learner is asked about, by the day, over so many days."""
    with reading(engine) as connection:
        return {day: [ask.item_id for ask in asks(connection, learner_id, NOW + day * DAY)] for day in range(-1, days)}


def test_asking_is_rare_sampled_and_never_twice(engine: Engine) -> None:
    with writing(engine) as connection:
        company(connection, people=40, items=12)
        draw = random.Random(5)
        for who in range(1, 41):
            for which in range(1, 13):
                completed(connection, who, which, NOW + draw.random() * 42 * DAY)
        before = [connection.execute(select(table)).all() for table in (review, review_ask, progress)]
    everything = 0
    for who in range(1, 41):
        days = asked(engine, who, 63)
        assert all(len(each) <= 1 for each in days.values())
        order = [each[0] for each in days.values() if each]
        runs = [which for n, which in enumerate(order) if n == 0 or order[n - 1] != which]
        assert len(runs) == len(set(runs)), "asked about again"
        assert len(runs) <= 63 / 7
        everything += len(runs)
    assert 100 < everything < 240  # of 480 completions in 6 spells for 40 people
    with reading(engine) as connection:
        assert before == [connection.execute(select(table)).all() for table in (review, review_ask, progress)]


def test_an_answer_ends_the_asking_for_seven_days_and_not_now_is_an_answer(engine: Engine) -> None:
    with writing(engine) as connection:
        company(connection, people=20, items=3)
        who, ask = 0, None
        while ask is None:  # somebody who is in the sample
            who += 1
            spell = spell_of(NOW, who * 7919)
            for which in (1, 2, 3):
                completed(connection, who, which, spell - DAY)
            ask = next(iter(asks(connection, who, NOW)), None)
        assert ask.title == f"Item {ask.item_id}"
        assert NOW < ask.until <= NOW + SPELL
        decline(connection, who, ask.item_id, at=NOW)
        assert asks(connection, who, NOW) == ()
        assert asks(connection, who, NOW - DAY) == ()
        # A fresh completion is asked about, if at all, only when the seven days are over.
        for hours in range(24 * 7):
            assert asks(connection, who, NOW + hours * DAY / 24) == ()


def test_nobody_unknown_is_asked(sqlite_engine: Engine) -> None:
    with reading(sqlite_engine) as connection:
        assert asks(connection, 77, NOW) == ()
