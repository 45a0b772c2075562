"""`pushpull reviews` and `pushpull item`: what learners write, looked after on the command line."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Engine, insert, select, update

from pushpull.catalogue.tables import item, item_thread
from pushpull.db import reading, writing
from pushpull.learners.reviews import rate, said_of
from pushpull.learners.tables import learner, progress
from pushpull.ledger.tables import audit
from tests.cli.conftest import Command

NOW = datetime(2026, 3, 18, 12, tzinfo=UTC)
WHY = ("--why", "an agreed rule")


def rated(ledger: Engine, stars: tuple[int, ...], words: str = "") -> None:
    """The first learners rate the first item."""
    with writing(ledger) as connection:
        connection.execute(update(item).values(owner_external_id="e11"))
        people = connection.execute(select(learner.c.id).order_by(learner.c.id)).scalars().all()
        for who, rating in zip(people, stars, strict=False):
            connection.execute(insert(progress).values(learner_id=who, item_id=1, status="completed", started_at=NOW))
            rate(connection, who, 1, rating=rating, words=words, at=NOW)


def test_a_review_is_listed_published_and_hidden(company: Command, ledger: Engine) -> None:
    assert company("reviews", "list").out == "no review is held\n"
    rated(ledger, (4,), "see www.example.org [bold]")
    listed = company("reviews", "list").out
    assert "1-1" in listed
    assert "link" in listed
    assert "see www.example.org [bold]" in listed
    assert "Given" not in listed
    assert company("reviews", "publish", "1-1", *WHY).out == "review 1-1 is published\n"
    assert "1-1" in company("reviews", "list", "--published").out
    with reading(ledger) as connection:
        assert len(said_of(connection, 1)) == 1
    assert company("reviews", "hide", "1-1", *WHY).out == "review 1-1 is hidden\n"
    assert "an agreed rule" in company("reviews", "list", "--hidden").out
    assert company("reviews", "hide", "9-9", *WHY).error.startswith("there is no review 9-9")
    with reading(ledger) as connection:
        said = connection.execute(select(audit.c.who, audit.c.what).where(audit.c.what.like("review %"))).all()
        assert [tuple(line) for line in said] == [("ada", "review published"), ("ada", "review hidden")]


def test_owners_of_items_with_low_ratings_are_named(company: Command, ledger: Engine) -> None:
    assert company("reviews", "list", "--low").out == "no item is rated low\n"
    rated(ledger, (1, 2, 2, 3, 1))
    listed = company("reviews", "list", "--low").out
    assert "feedback-101" in listed
    assert "e11" in listed
    assert "1.8" in listed


def test_an_item_is_given_a_thread_and_loses_it(company: Command, ledger: Engine) -> None:
    url = "https://teams.microsoft.com/l/message/1"
    assert company("item", "thread", "focus-time", url).out == f"the page of focus-time leads to {url}\n"
    with reading(ledger) as connection:
        assert connection.execute(select(item_thread.c.url, item_thread.c.who)).one() == (url, "ada")
    assert company("item", "thread", "focus-time", "http://x.example").error.endswith("must begin with https://")
    assert company("item", "thread", "nothing", url).error == "no item of the catalogue has the key nothing"
    assert company("item", "thread", "focus-time").out == "the page of focus-time leads to no thread any more\n"
    assert company("item", "thread", "focus-time").out == "the page of focus-time leads to no thread, as before\n"
