from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, delete, insert, select

from pushpull.catalogue.items import CatalogueItem, item_ids, save_items
from pushpull.catalogue.recommend import Pick, Recommender
from pushpull.catalogue.tables import item, item_tag
from pushpull.db import reading, writing
from pushpull.learners.tables import learner, profile_fact, progress
from tests.learners.population import START, a_learner

DAY = timedelta(days=1)


def a_fact(conn: Connection, learner_id: int, kind: str, value: str, **fields: Any) -> None:
    values = {"source": "declared", "confidence": 1.0, "recorded_at": START, **fields}
    conn.execute(insert(profile_fact).values(learner_id=learner_id, kind=kind, value=value, **values))


def completed(conn: Connection, learner_id: int, item_id: int, status: str = "completed") -> None:
    conn.execute(insert(progress).values(learner_id=learner_id, item_id=item_id, status=status, completed_at=START))


def picks_for(conn: Connection, learner_id: int, count: int = 3, **options: Any) -> tuple[Pick, ...]:
    options = {"languages_of": {}, **options}
    return Recommender.load(conn, as_of=START + DAY).recommend(conn, [learner_id], count=count, **options)[learner_id]


CATALOGUE = [
    CatalogueItem(
        key="excel", title="Spreadsheets for beginners", summary="Formulas and charts", tags=frozenset({"excel"})
    ),
    CatalogueItem(
        key="python", title="Programming with Python", summary="Automate reports", tags=frozenset({"python", "data"})
    ),
    CatalogueItem(
        key="lead", title="Leading a small team", summary="Feedback and delegation", tags=frozenset({"leadership"})
    ),
    CatalogueItem(
        key="ai", title="Prompting a chatbot", summary="Generative models at work", tags=frozenset({"genai"})
    ),
    CatalogueItem(key="breath", title="Breathing pause", summary="Calm down", minutes=3.0),
]


def test_the_goal_comes_first_and_is_named_in_its_own_words(engine: Engine) -> None:
    with writing(engine) as conn:
        save_items(conn, CATALOGUE, at=START)
        ids = item_ids(conn, ["python", "breath", "lead", "ai"])
        ada = a_learner(conn)
        a_fact(conn, ada, "goal", "automate my reports with Python")
        a_fact(conn, ada, "goal", "run a marathon")
        a_fact(conn, ada, "need", "give feedback to my team")
        picks = picks_for(conn, ada, 4, trend_tags=["GenAI"])
    told = {pick.item_id: (pick.reason_kind, pick.reason_value) for pick in picks}
    assert told == {
        ids["python"]: ("goal", "automate my reports with Python"),
        ids["ai"]: ("trend", "GenAI"),
        ids["lead"]: ("need", "give feedback to my team"),
        ids["breath"]: ("short", "3"),
    }


def test_what_nothing_speaks_for_is_not_picked(engine: Engine) -> None:
    with writing(engine) as conn:
        save_items(conn, CATALOGUE[:4], at=START)
        assert picks_for(conn, a_learner(conn)) == ()


def test_a_chosen_format_decides_between_what_fits_alike_and_makes_nothing_fit(engine: Engine) -> None:
    with writing(engine) as conn:
        kinds = {"film": "video", "text": "article", "talk": "video"}
        about = {"film": "Breathing pause", "text": "Standing up often", "talk": "Programming with Python"}
        minutes = {"film": 3.0, "text": 3.0, "talk": 60.0}
        save_items(
            conn,
            [CatalogueItem(key=key, title=about[key], minutes=minutes[key], format=kinds[key]) for key in kinds],
            at=START,
        )
        ids = item_ids(conn, list(kinds))
        ada, bo, cid = a_learner(conn), a_learner(conn, "bo"), a_learner(conn, "cid")
        a_fact(conn, ada, "format", "article")
        a_fact(conn, cid, "format", "article", source="learned")
        first = {who: picks_for(conn, who)[0].item_id for who in (ada, bo, cid)}
        assert first == {ada: ids["text"], bo: ids["film"], cid: ids["film"]}
        a_fact(conn, bo, "format", "video")
        assert ids["talk"] not in {pick.item_id for pick in picks_for(conn, bo)}


def test_colleagues_are_named_from_five_of_them_on(engine: Engine) -> None:
    with writing(engine) as conn:
        save_items(conn, CATALOGUE[:1], at=START)
        excel = item_ids(conn, ["excel"])["excel"]
        ada = a_learner(conn, department="Sales")
        grace = a_learner(conn, "grace", department="Legal")
        for number in range(4):
            completed(conn, a_learner(conn, f"colleague-{number}", department="Sales"), excel)
        assert picks_for(conn, ada) == ()
        completed(conn, a_learner(conn, "colleague-4", department="Sales"), excel)
        assert [(pick.reason_kind, pick.reason_value) for pick in picks_for(conn, ada)] == [("colleagues", "Sales")]
        assert [(pick.reason_kind, pick.reason_value) for pick in picks_for(conn, grace)] == [("popular", "5")]


def test_two_items_that_say_the_same_are_never_picked_together_nor_after_one_was_completed(engine: Engine) -> None:
    with writing(engine) as conn:
        twins = [
            CatalogueItem(
                key=key, title="Leading a small team", summary="Feedback and delegation", tags=frozenset({"leadership"})
            )
            for key in ("old", "new")
        ]
        save_items(conn, [*twins, *CATALOGUE[:2]], at=START)
        ids = item_ids(conn, ["old", "new"])
        ada = a_learner(conn)
        a_fact(conn, ada, "goal", "leading a team")
        assert [pick.item_id for pick in picks_for(conn, ada)] == [ids["old"]]
        completed(conn, ada, ids["new"])
        assert picks_for(conn, ada) == ()


def test_the_learners_own_language_counts_where_the_map_has_none(engine: Engine) -> None:
    with writing(engine) as conn:
        save_items(
            conn,
            [
                CatalogueItem(key="de", title="Atempause", minutes=3, language="de"),
                CatalogueItem(key="fr", title="Respirer", minutes=3, language="fr-CA"),
            ],
            at=START,
        )
        ids = item_ids(conn, ["de", "fr"])
        ada = a_learner(conn, preferred_language="de-AT")
        assert [pick.item_id for pick in picks_for(conn, ada)] == [ids["de"]]
        assert [pick.item_id for pick in picks_for(conn, ada, languages_of={ada: "fr"})] == [ids["fr"]]


def test_an_empty_catalogue_and_one_without_words_offer_nothing(engine: Engine) -> None:
    with writing(engine) as conn:
        ada = a_learner(conn)
        assert picks_for(conn, ada) == ()
        save_items(conn, [CatalogueItem(key="x", title="!")], at=START)
        a_fact(conn, ada, "goal", "anything")
        assert picks_for(conn, ada, trend_tags=["x"]) == ()


def test_saving_the_same_items_again_changes_nothing_and_tags_are_replaced(engine: Engine) -> None:
    with writing(engine) as conn:
        assert save_items(conn, CATALOGUE, at=START) == 5
        assert save_items(conn, CATALOGUE, at=START + DAY) == 0
        excel = CatalogueItem(key="excel", title="Spreadsheets", tags=frozenset({"tables"}))
        assert save_items(conn, [excel], at=START + DAY) == 1
        rows = conn.execute(select(item.c.title, item.c.updated_at, item_tag.c.tag).join(item_tag)).all()
    assert ("Spreadsheets", START + DAY, "tables") in [tuple(row) for row in rows]
    assert "excel" not in {row.tag for row in rows}


texts = st.sampled_from(["sales talk", "data python", "team lead", "safety", "fire drill safety", "excel data"])
instants = st.none() | st.integers(-3, 3).map(lambda days: START + days * DAY)
items_of = st.lists(
    st.fixed_dictionaries(
        {
            "title": texts,
            "tags": st.frozensets(st.sampled_from(["sales", "data", "safety"]), max_size=2),
            "language": st.sampled_from([None, "de", "de-AT", "fr", "en_US"]),
            "minutes": st.sampled_from([None, 5.0, 60.0]),
            "active": st.sampled_from([True, True, False]),
            "available_from": instants,
            "available_until": instants,
        }
    ),
    max_size=8,
)
people_of = st.lists(
    st.fixed_dictionaries(
        {
            "language": st.sampled_from([None, "de-DE", "fr", "en"]),
            "goal": st.none() | texts,
            "need": st.none() | texts,
            "done": st.sets(st.integers(0, 7), max_size=3),
        }
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(items_of, people_of, st.lists(st.sampled_from(["data", "fire", "nothing"]), max_size=2), st.integers(0, 4))
def test_nothing_completed_unavailable_or_in_another_language_is_ever_picked(
    engine: Engine, offered: list[dict[str, Any]], people: list[dict[str, Any]], trend: list[str], count: int
) -> None:
    now: datetime = START
    with writing(engine) as conn:
        for table in (progress, profile_fact, learner, item_tag, item):
            conn.execute(delete(table))
        save_items(conn, [CatalogueItem(key=f"i{n}", **fields) for n, fields in enumerate(offered)], at=START)
        ids = item_ids(conn, [f"i{n}" for n in range(len(offered))])
        facts_of = {ids[f"i{n}"]: fields for n, fields in enumerate(offered)}
        learners: dict[int, dict[str, Any]] = {}
        for number, person in enumerate(people):
            learner_id = a_learner(conn, f"p{number}")
            learners[learner_id] = person
            for kind in ("goal", "need"):
                if person[kind]:
                    a_fact(conn, learner_id, kind, person[kind])
            for done in person["done"]:
                if done < len(offered):
                    completed(conn, learner_id, ids[f"i{done}"])
    languages = {learner_id: person["language"] for learner_id, person in learners.items() if person["language"]}
    with reading(engine) as conn:
        ready = Recommender.load(conn, as_of=now)
        picked = ready.recommend(conn, list(learners), count=count, trend_tags=trend, languages_of=languages)
        again = Recommender.load(conn, as_of=now)
        backwards = again.recommend(conn, list(learners)[::-1], count=count, trend_tags=trend, languages_of=languages)
    assert picked == backwards
    assert picked.keys() == learners.keys()
    for learner_id, picks in picked.items():
        person = learners[learner_id]
        assert len(picks) <= count
        assert len({pick.item_id for pick in picks}) == len(picks)
        assert [pick.score for pick in picks] == sorted((pick.score for pick in picks), reverse=True)
        for pick in picks:
            chosen = facts_of[pick.item_id]
            assert pick.item_id not in {ids.get(f"i{done}") for done in person["done"]}
            assert chosen["active"]
            assert chosen["available_from"] is None or chosen["available_from"] <= now
            assert chosen["available_until"] is None or now < chosen["available_until"]
            if chosen["language"] and person["language"]:
                assert chosen["language"][:2] == person["language"][:2]
            if pick.reason_kind in ("goal", "need"):
                assert pick.reason_value == person[pick.reason_kind]
            if pick.reason_kind == "short":
                assert chosen["minutes"] == 5
            if pick.reason_kind == "trend":
                assert pick.reason_value in trend
