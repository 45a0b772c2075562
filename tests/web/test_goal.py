"""Two minutes, whatever somebody does: no path of the app ever raises the goal, and nothing is owed."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, func, insert, select

from pushpull.db import reading, writing
from pushpull.learners import habit
from pushpull.learners.choices import pause
from pushpull.learners.tables import activity, learner, learner_choice, progress, queue_place
from pushpull.ledger.links import Claims, Purpose
from tests.web.conftest import NOW, Place

#: What a learner, or a system about them, can do: minutes learned so many hours ago, and forms of the pages.
learned = st.tuples(st.just("learn"), st.integers(0, 400), st.none() | st.floats(0, 600))
moved = st.tuples(st.just("move"), st.sampled_from([1, 2]), st.sampled_from(["next", "earlier", "later"]))
finished = st.tuples(st.just("finish"), st.sampled_from([1, 2]), st.none())
rested = st.tuples(st.just("rest"), st.integers(0, 127), st.none())
paused = st.tuples(st.just("pause"), st.integers(1, 20), st.none())
steps = st.lists(learned | moved | finished | rested | paused, min_size=1, max_size=8)


@pytest.fixture
def visit(place: Place) -> Place:
    if place.engine.dialect.name != "sqlite":
        pytest.skip("the goal is not the database's business")
    token = place.signer.session_token(Claims(Purpose.LANDING, 1, "", campaign_id=1), NOW + timedelta(hours=2))
    place.client.cookies.set("__Host-pushpull", token)
    place.change(learner, preferred_language="en")
    return place


def forget(engine: Engine) -> None:
    with writing(engine) as connection:
        for table in (activity, learner_choice, queue_place):
            connection.execute(delete(table))
        connection.execute(progress.update().values(status="started", completed_at=None))


def do(place: Place, step: tuple[Any, ...]) -> None:
    what, first, second = step
    if what == "move":
        token = re.search(r'name="form_token" value="(.*?)"', place.client.get("/me").text)
        if token:
            form = {"form_token": token[1], "item": str(first), "move": second}
            assert place.client.post("/me/queue", data=form).status_code == 303
        return
    with writing(place.engine) as connection:
        number = connection.execute(select(func.count()).select_from(activity)).scalar_one()
        at = datetime.now(UTC) - timedelta(hours=first)
        if what == "learn":
            connection.execute(
                insert(activity).values(
                    learner_id=1, source="test", source_id=str(number), verb="progressed", occurred_at=at, stored_at=at,
                    minutes=second,
                )
            )  # fmt: skip
        elif what == "finish":
            connection.execute(progress.update().where(progress.c.item_id == first).values(status="completed"))
        elif what == "rest":
            connection.execute(delete(learner_choice))
            connection.execute(insert(learner_choice).values(learner_id=1, rest_days=first, updated_at=NOW))
        else:
            pause(connection, 1, days=first, at=NOW)


def todays_minutes(place: Place) -> tuple[float, bool]:
    """What was learned on the learner's today, and whether some of it has no known length."""
    now = datetime.now(UTC)
    with reading(place.engine) as connection:
        found = habit.learned_between(connection, 1, *habit.day_of(now, place.settings.timezone))
    found = tuple(each for each in found if each.at <= now)
    return sum(each.minutes or 0.0 for each in found), any(each.minutes is None for each in found)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(steps)
def test_the_page_asks_for_two_minutes_today_and_never_for_more(visit: Place, done: list[tuple[Any, ...]]) -> None:
    forget(visit.engine)
    for step in done:
        do(visit, step)
        page = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", unescape(visit.client.get("/me").text)))
        said = page.partition("Two minutes today ")[2].partition("Mo ")[0]
        assert said, "today's goal is two minutes"
        minutes, has_unknown = todays_minutes(visit)
        assert ("Done for today." in said) == (minutes >= habit.TWO_MINUTES or has_unknown)
        asked_for = said.replace("Two minutes are enough.", "").partition("on top")[0]
        assert all(int(number) <= minutes for number in re.findall(r"\+(\d+)", asked_for))  # a bonus, never a debt
        assert not re.search(r"\b(?:missed|behind|left to do|still)\b", said)
