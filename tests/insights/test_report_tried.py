"""The campaign report says what was tried, and what came of it on the day of the verdict, not before."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Engine

from pushpull.db import reading
from pushpull.insights.experiments.look import looks
from pushpull.insights.report.tried import tried, verdict_words
from tests.insights.assigned import BEGINS, DAY
from tests.insights.test_experiments import play

DECIDED = BEGINS + 28 * DAY


def said(engine: Engine, *, early: bool = False) -> str:
    with reading(engine) as connection:
        (look,) = looks(connection, "compared", as_of=DECIDED - timedelta(days=1) if early else DECIDED)
    return verdict_words(look)


def test_nothing_is_said_before_the_day_however_clear_it_looks(engine: Engine) -> None:
    play(engine, {"standard": 200, "question": 200}, {"standard": 20, "question": 120})
    assert said(engine, early=True) == "To be decided on 02 Feb 2026."
    assert said(engine) == "Decided on 02 Feb 2026: “question” is better."


def test_what_could_have_been_seen_is_said_where_nothing_can_be_told(engine: Engine) -> None:
    play(engine, {"standard": 40, "question": 40}, {"standard": 10, "question": 12})
    assert said(engine).startswith("Looked at on 02 Feb 2026: cannot tell. A true difference of ")


def test_too_little_is_said_to_be_too_little_and_no_count_of_people_is_shown(engine: Engine) -> None:
    play(engine, {"standard": 6, "question": 6}, {"standard": 1})
    assert said(engine) == "Looked at on 02 Feb 2026: cannot tell, too little happened."
    with reading(engine) as connection:
        found = looks(connection, "compared", as_of=DECIDED)
    page = str(tried(found))
    assert "A question brings more people to open their page." in page
    assert "“standard” against “question” in launch.all, by people who followed a link" in page
