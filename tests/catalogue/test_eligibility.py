"""Random catalogues: nothing is ever offered that may not be, whatever speaks for it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, delete, insert
from sqlalchemy.pool import StaticPool

import pushpull.ledger.tables  # noqa: F401  # what the learners' tables point at
from pushpull.catalogue.recommend import Recommender
from pushpull.catalogue.tables import item, item_requirement, item_tag
from pushpull.db import metadata
from pushpull.learners.tables import learner, profile_fact, progress
from tests.learners.population import START

DAY = timedelta(days=1)
WORDS = ("sales talk", "data python", "team lead", "safety", "fire drill safety", "excel data", "feedback", "calm")
STAMPS = {"created_at": START, "updated_at": START}
TABLES = (progress, profile_fact, item_requirement, item_tag, learner, item)


@pytest.fixture
def memory() -> Iterator[Engine]:
    """An empty database that is nowhere but in memory."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    metadata.create_all(engine, tables=[table for table in metadata.sorted_tables if table in (*TABLES,)])
    yield engine
    engine.dispose()


def a_world(conn: Connection, dice: random.Random) -> dict[str, Any]:
    """Fill an empty database with a random catalogue and random people; what was written is told."""
    for table in TABLES:
        conn.execute(delete(table))
    size, people = dice.randint(1, 20), dice.randint(1, 8)
    items = [
        {
            "id": n,
            "key": f"i{n}",
            "title": " ".join(dice.sample(WORDS, 2)),
            "language": dice.choice([None, "de", "de-AT", "fr", "en_US"]),
            "minutes": dice.choice([None, 0.0, 3.0, 9.0, 60.0, 2_000.0]),
            "format": dice.choice([None, "video", "article"]),
            "rating": dice.choice([None, 1.0, 3.4, 5.0]),
            "active": dice.random() < 0.85,
            "part_of": dice.choice([None] * 6 + ["i1"]),
            "available_from": dice.choice([None, None, START - DAY, START - DAY, START, START + DAY]),
            "available_until": dice.choice([None, None, START - DAY, START, START + DAY, START + DAY]),
            "url": dice.choice([None, "https://x.example"]),
            **STAMPS,
        }
        for n in range(1, size + 1)
    ]
    required = {(dice.randint(1, size), f"i{dice.randint(1, size + 2)}") for _ in range(dice.randint(0, 6))}
    learners = [
        {
            "id": n,
            "external_id": f"p{n}",
            "draw": n,
            "department": dice.choice([None, "Sales"]),
            "preferred_language": dice.choice([None, "de-DE", "fr", "en", "es"]),
            **STAMPS,
        }
        for n in range(1, people + 1)
    ]
    facts = {
        (who["id"], kind, value)
        for who in learners
        for kind, value in (
            ("goal", dice.choice(WORDS)),
            ("need", dice.choice(WORDS)),
            ("format", dice.choice(["video", "article"])),
            ("session_minutes", dice.choice(["5", "12.5", "0", "-1", "nan", "often"])),
        )
        if dice.random() < 0.5
    }
    done = {
        (dice.randint(1, people), dice.randint(1, size)): dice.choice(
            ["completed", "completed", "withdrawn", "started"]
        )
        for _ in range(dice.randint(0, 3 * people))
    }
    conn.execute(insert(item), items)
    conn.execute(insert(learner), learners)
    for table, rows in (
        (item_requirement, [{"item_id": each, "requires_key": key} for each, key in required]),
        (item_tag, [{"item_id": each["id"], "tag": "safety"} for each in items if "safety" in str(each["title"])]),
        (
            profile_fact,
            [
                {"learner_id": who, "kind": kind, "value": value, "source": dice.choice(["declared", "learned"])}
                | {"confidence": dice.random(), "recorded_at": START}
                for who, kind, value in facts
            ],
        ),
        (progress, [{"learner_id": who, "item_id": what, "status": status} for (who, what), status in done.items()]),
    ):
        if rows:
            conn.execute(insert(table), rows)
    return {"items": {each["id"]: each for each in items}, "required": required, "learners": learners, "done": done}


def leads_back(required: set[tuple[int, str]], item_id: int, key: str) -> bool:
    """Whether a requirement is part of a circle: from the required item a way leads back."""
    seen: set[int] = set()
    ahead = [int(key[1:])]
    while ahead:
        at = ahead.pop()
        if at == item_id:
            return True
        if at not in seen:
            seen.add(at)
            ahead += [int(other[1:]) for each, other in required if each == at]
    return False


def same_words(one: str, other: str) -> bool:
    return sorted(one.split()) == sorted(other.split()) and one == other


def check(world: dict[str, Any], picked: dict[int, Any], count: int) -> None:
    items, done = world["items"], world["done"]
    assert picked.keys() == {each["id"] for each in world["learners"]}
    for who in world["learners"]:
        picks = picked[who["id"]]
        assert len(picks) <= count
        assert len({pick.item_id for pick in picks}) == len(picks)
        scores = [pick.score for pick in picks]
        assert scores == sorted(scores, reverse=True)
        over = [what for (person, what), status in done.items() if person == who["id"] and status != "started"]
        for pick in picks:
            chosen = items[pick.item_id]
            assert pick.item_id not in over
            assert chosen["active"]
            assert chosen["part_of"] is None
            assert chosen["available_from"] is None or chosen["available_from"] <= START
            assert chosen["available_until"] is None or chosen["available_until"] > START
            if chosen["language"] and who["preferred_language"]:
                assert chosen["language"][:2] == who["preferred_language"][:2]
            offered_and_over = [each for each in over if items[each]["active"] and items[each]["part_of"] is None]
            for each in offered_and_over:
                until, since = items[each]["available_until"], items[each]["available_from"]
                is_offered = (until is None or until > START) and (since is None or since <= START)
                assert not (is_offered and same_words(items[each]["title"], chosen["title"]))
            for item_id, key in world["required"]:
                if (
                    item_id == pick.item_id
                    and int(key[1:]) in items
                    and not leads_back(world["required"], item_id, key)
                ):
                    assert done.get((who["id"], int(key[1:]))) == "completed"
            assert pick.reason_value
            if pick.reason_kind == "short":
                assert chosen["minutes"] is not None
                assert chosen["minutes"] <= 10
            if chosen["minutes"] == 2_000.0:
                raise AssertionError("no goal is worth 33 hours")
        titles = [items[pick.item_id]["title"] for pick in picks]
        assert len(set(titles)) == len(titles)


def play(engine: Engine, seeds: range) -> int:
    """How many picks there were in as many worlds, all of them checked."""
    picks = 0
    with engine.connect() as conn:
        for seed in seeds:
            dice = random.Random(seed)
            world = a_world(conn, dice)
            count = dice.randint(1, 5)
            trend = dice.sample(["safety", "python", "nothing"], dice.randint(0, 2))
            ids = [each["id"] for each in world["learners"]]
            found = Recommender.load(conn, as_of=START).recommend(
                conn, ids, count=count, trend_tags=trend, languages_of={}
            )
            check(world, found, count)
            picks += sum(map(len, found.values()))
            if seed % 5 == 0:
                again = Recommender.load(conn, as_of=START)
                assert found == again.recommend(conn, ids[::-1], count=count, trend_tags=trend, languages_of={})
    return picks


def test_nothing_is_offered_that_may_not_be_in_random_catalogues(memory: Engine) -> None:
    assert play(memory, range(150)) > 300


@pytest.mark.soak
@pytest.mark.parametrize("thousand", range(10))
def test_nothing_is_offered_that_may_not_be_in_ten_thousand_random_catalogues(memory: Engine, thousand: int) -> None:
    assert play(memory, range(1_000 * thousand, 1_000 * (thousand + 1))) > 2_000
