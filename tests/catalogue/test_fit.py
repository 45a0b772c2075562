"""What else decides between items: what comes first, what others finished, what it costs, how it fits, variety."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection, Engine, delete, insert, select, update

from content.facts import item_views
from content.locale import load_locale
from pushpull.catalogue.items import CatalogueItem, item_ids, save_items
from pushpull.catalogue.recommend import Pick, Recommender
from pushpull.catalogue.tables import item_requirement
from pushpull.catalogue.together import Completions, Together, read_completions
from pushpull.catalogue.worth import MINUTES_UNHEARD_OF, MINUTES_WORTH, costs, qualities, time_fit
from pushpull.db import reading, writing
from pushpull.learners.tables import learner, profile_fact, progress
from pushpull.ledger.messages import MessageFacts, RecommendedItem
from pushpull.settings import settings
from tests.catalogue.test_recommend import DAY, a_fact, completed, picks_for
from tests.learners.population import START, a_learner

ADDRESS = "https://learn.example/x"


def an_item(key: str, title: str, **fields: Any) -> CatalogueItem:
    return CatalogueItem(key, title, **{"url": ADDRESS, "minutes": 20.0, **fields})


def keys(conn: Connection, picks: tuple[Pick, ...], *known: str) -> list[str]:
    """The picks' keys, in order."""
    names = {item_id: key for key, item_id in item_ids(conn, known).items()}
    return [names[pick.item_id] for pick in picks]


def test_what_requires_something_else_is_offered_once_that_is_completed_and_not_when_it_was_given_up(
    engine: Engine,
) -> None:
    with writing(engine) as conn:
        save_items(conn, [an_item("one", "Python basics"), an_item("two", "Advanced Python")], at=START)
        ids = item_ids(conn, ["one", "two"])
        conn.execute(
            insert(item_requirement),
            [{"item_id": ids["two"], "requires_key": key} for key in ("one", "nobody-knows")],
        )
        ada = a_learner(conn)
        a_fact(conn, ada, "goal", "Python")
        assert keys(conn, picks_for(conn, ada), "one", "two") == ["one"]
        completed(conn, ada, ids["one"], status="withdrawn")
        assert picks_for(conn, ada) == ()
        conn.execute(update(progress).values(status="completed"))
        assert keys(conn, picks_for(conn, ada), "one", "two") == ["two"]


def test_a_circle_of_requirements_binds_nobody(engine: Engine) -> None:
    with writing(engine) as conn:
        save_items(conn, [an_item("one", "Python basics"), an_item("two", "Advanced Python")], at=START)
        ids = item_ids(conn, ["one", "two"])
        for of, requires in (("one", "two"), ("two", "one")):
            conn.execute(insert(item_requirement).values(item_id=ids[of], requires_key=requires))
        ada = a_learner(conn)
        a_fact(conn, ada, "goal", "Python")
        assert len(picks_for(conn, ada)) == 2


def crowd(conn: Connection, *, both: int) -> None:
    """Sixty learners, ten items; so many finish both item 0 and item 1, of which nobody else finishes the second."""
    save_items(conn, [an_item(f"i{n}", f"{chr(65 + n) * 5}", minutes=15.0) for n in range(10)], at=START)
    ids = list(item_ids(conn, [f"i{n}" for n in range(10)]).values())
    people = [
        {"id": n, "external_id": f"p{n}", "draw": n, "created_at": START, "updated_at": START}
        for n in range(1001, 1061)
    ]
    conn.execute(insert(learner), people)
    rows = []
    for n in range(60):
        done = {0, 1} if n < both else {0} if n < 10 else set()
        done |= {2 + (n + step) % 8 for step in range(4)}
        rows += [{"learner_id": n + 1001, "item_id": ids[each], "status": "completed"} for each in sorted(done)]
    conn.execute(insert(progress), rows)


def test_what_those_who_finished_the_same_also_finished_is_a_reason_from_five_people_on(engine: Engine) -> None:
    with writing(engine) as conn:
        crowd(conn, both=5)
        ada = a_learner(conn, "ada")
        ids = item_ids(conn, ["i0", "i1"])
        completed(conn, ada, ids["i0"])
        found = {pick.item_id: (pick.reason_kind, pick.reason_value) for pick in picks_for(conn, ada, 9)}
        assert found[ids["i1"]] == ("together", "AAAAA")
        # Below five who did both there is no such reason; nor is the item popular then.
        conn.execute(delete(progress).where(progress.c.learner_id == 1001, progress.c.item_id == ids["i1"]))
        assert ids["i1"] not in {pick.item_id for pick in picks_for(conn, ada, 9)}


def test_too_few_completions_say_nothing_about_what_goes_together() -> None:
    def past(learners: int, items: int, each: int) -> Together | None:
        pairs = [(n, 100 + (n + step) % items) for n in range(learners) for step in range(each)]
        found = np.array(pairs, dtype=np.int64)
        return Together.learn(Completions(found[:, 0], found[:, 1]), {100 + n: n for n in range(items)})

    assert past(50, 10, 4) is not None
    assert past(49, 10, 5) is None
    assert past(50, 10, 3) is None
    assert past(60, 9, 5) is None


def test_popularity_turns_to_what_people_with_the_same_past_finished_and_stays_where_there_is_none() -> None:
    # Two crafts of six items: everybody finishes four of their own.
    draws = np.random.default_rng(1)
    pairs = [(n, int(each) + 6 * (n % 2)) for n in range(100) for each in draws.choice(6, 4, replace=False)]
    found = np.array(pairs, dtype=np.int64)
    model = Together.learn(Completions(found[:, 0], found[:, 1]), {n: n for n in range(12)})
    assert model is not None
    value = np.zeros((3, 12), dtype=np.float32)
    model.add_popularity(value, np.array([0, 0, 1]), np.array([0, 1, 7]), 0.3)
    assert value[0, 2:6].min() > value[0, 6:].max()
    assert value[1, 8:].min() > value[1, :6].max()
    assert not value[2].any()
    assert np.isfinite(value).all()
    assert model.because([0, 7], 3) == 0
    assert model.because([], 3) is None


def test_a_sample_of_learners_stands_for_too_many_completions(engine: Engine) -> None:
    with writing(engine) as conn:
        crowd(conn, both=5)
        conn.execute(update(learner).values(draw=(learner.c.id - 1000) * 30_000_000))
        every = read_completions(conn, as_of=START)
        some = read_completions(conn, as_of=START, most=100)
    assert len(every.learners) == 60 * 4 + 10 + 5
    assert 0 < len(some.learners) < 150
    whole = {who: set(every.items[every.learners == who]) for who in set(some.learners.tolist())}
    assert all(set(some.items[some.learners == who]) == items for who, items in whole.items())  # people, not rows


def test_what_costs_more_than_it_is_worth_is_not_pushed(engine: Engine) -> None:
    with writing(engine) as conn:
        long = an_item(
            "long", "Python and many other things besides", summary="Databases networks security", minutes=900.0
        )
        save_items(conn, [long, an_item("brief", "Python, briefly", minutes=5.0)], at=START)
        ada = a_learner(conn)
        a_fact(conn, ada, "goal", "Python")
        assert keys(conn, picks_for(conn, ada), "long", "brief") == ["brief"]


def test_of_two_that_fit_alike_the_shorter_and_the_better_rated_come_first(engine: Engine) -> None:
    with writing(engine) as conn:
        save_items(
            conn,
            [
                an_item("slow", "Python alpha", minutes=60.0),
                an_item("brief", "Python beta", minutes=15.0, rating=2.0),
                an_item("loved", "Python gamma", minutes=15.0, rating=4.8),
            ],
            at=START,
        )
        ada = a_learner(conn)
        a_fact(conn, ada, "goal", "Python")
        assert keys(conn, picks_for(conn, ada), "slow", "brief", "loved") == ["loved", "brief", "slow"]


def test_an_unknown_duration_costs_the_median_and_not_nothing() -> None:
    known = costs([10.0, None, 30.0, 50.0], [True] * 4)
    assert known[1] == pytest.approx(known[2])
    assert known[0] == pytest.approx((10 + 0.5) / MINUTES_WORTH)
    assert costs([None], [False])[0] == pytest.approx((MINUTES_UNHEARD_OF + 1.5) / MINUTES_WORTH)
    assert costs([0.0], [True])[0] == pytest.approx(0.5 / MINUTES_WORTH)
    assert costs([], []).shape == (0,)
    assert qualities([None, 3.0, 1.0, 5.0]).tolist() == [1, 1, 0.75, 1.25]


def test_what_fits_into_the_usual_session_comes_first(engine: Engine) -> None:
    assert time_fit(np.array([10.0]), [5.0, 10.0, 20.0, 40.0, 400.0, None, 0.0]).tolist() == [[1, 1, 0, -1, -1, 0, 1]]
    with writing(engine) as conn:
        # Rated so that the longer one is ahead where nothing is known of sessions.
        save_items(
            conn,
            [an_item("long", "Python alpha", minutes=24.0, rating=4.6), an_item("brief", "Python beta", minutes=12.0)],
            at=START,
        )
        ada, bo = a_learner(conn), a_learner(conn, "bo")
        for who in (ada, bo):
            a_fact(conn, who, "goal", "Python")
        a_fact(conn, ada, "session_minutes", "12", source="learned", confidence=0.9)
        a_fact(conn, bo, "session_minutes", "a while", source="learned")
        assert keys(conn, picks_for(conn, ada), "long", "brief") == ["brief", "long"]
        assert keys(conn, picks_for(conn, bo), "long", "brief") == ["long", "brief"]


def test_a_topic_somebody_comes_back_to_decides_between_items_alike_and_makes_none_relevant(engine: Engine) -> None:
    with writing(engine) as conn:
        save_items(
            conn,
            [
                an_item("ahead", "Python alpha", rating=3.2, tags=("code",)),
                an_item("theirs", "Python beta", tags=("Data",)),
                an_item("else", "Watercolours for beginners", minutes=60.0, tags=("data",)),
            ],
            at=START,
        )
        ada, bo = a_learner(conn), a_learner(conn, "bo")
        for who in (ada, bo):
            a_fact(conn, who, "goal", "Python")
        a_fact(conn, ada, "topic", "data", source="learned", confidence=0.9)
        assert keys(conn, picks_for(conn, ada), "ahead", "theirs", "else") == ["theirs", "ahead"]
        assert keys(conn, picks_for(conn, bo), "ahead", "theirs", "else") == ["ahead", "theirs"]


def test_picks_differ_from_each_other_where_that_costs_little(engine: Engine) -> None:
    with writing(engine) as conn:
        save_items(
            conn,
            [
                an_item("a", "Lead a team: delegate work well today", rating=3.3),
                an_item("b", "Lead a team: delegate work well tomorrow", rating=3.2),
                an_item("c", "Lead a team: conflicts, feedback, praise"),
            ],
            at=START,
        )
        ada = a_learner(conn)
        a_fact(conn, ada, "goal", "lead a team")
        assert keys(conn, picks_for(conn, ada, 2), "a", "b", "c") == ["a", "c"]


@pytest.mark.parametrize("language", ["en", "de", "fr", "es"])
def test_a_reason_is_told_in_the_learners_language_with_its_minutes_and_their_own_words(language: str) -> None:
    locale = load_locale(language, settings().content_dir)
    own = "lead {value} <b>people</b> & {{ 7*7 }}"
    facts = MessageFacts(
        "Ada", ADDRESS, "", ADDRESS,
        items=(
            RecommendedItem("Feedback", ADDRESS, 5.0, "goal", own),
            RecommendedItem("Listening", ADDRESS, None, "together", "Give feedback"),
            RecommendedItem("Praise", ADDRESS, None, "together", None),
        ),
    )  # fmt: skip
    goal, together, plain = item_views(facts, locale, {})
    assert goal.minutes == locale.duration(5)
    assert own in goal.reason
    assert "Give feedback" in together.reason
    assert plain.reason
    assert "{" not in plain.reason
    english = load_locale("en", settings().content_dir)
    assert language == "en" or together.reason != english.reason("together", "Give feedback", {})


def test_the_learners_words_come_back_as_they_wrote_them(engine: Engine) -> None:
    own = "Python & <script>alert('x')</script> %s {0}"
    with writing(engine) as conn:
        save_items(conn, [an_item("a", "Python basics")], at=START)
        ada = a_learner(conn)
        a_fact(conn, ada, "goal", own)
    with reading(engine) as conn:
        ready = Recommender.load(conn, as_of=START + DAY)
        assert [(each.reason_kind, each.reason_value) for each in picks_for(conn, ada)] == [("goal", own)]
        assert ready.recommend(conn, [], count=3, languages_of={}) == {}
        assert conn.execute(select(profile_fact.c.value)).scalar_one() == own
