from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection, Engine, insert, select

from pushpull.catalogue.evaluation import Evaluation, Verdict, evaluate
from pushpull.catalogue.held_out import split
from pushpull.catalogue.items import CatalogueItem, save_items
from pushpull.catalogue.tables import item
from pushpull.db import reading, writing
from pushpull.learners.tables import learner, profile_fact, progress
from tests.learners.population import START, a_learner

DAY = timedelta(days=1)
SYLLABLES = [a + b for a in "bdfgklmnprst" for b in "aeiou"]


def a_past(
    conn: Connection, *, learners: int, crafts: int, share_of_own: float, seed: int, goals: bool = False
) -> None:
    """Learners of some crafts with ten items each, who complete eight: a share from their own craft, the rest by lot.

    Lots fall on items as popularity does: on the n-th with a weight of 1 / n.
    """
    draws = np.random.default_rng(seed)
    size = 10 * crafts
    words = ["".join(draws.choice(SYLLABLES, 3)) for _ in range(size)]
    titles = [f"{words[n % crafts]} {n}" if goals else words[n] for n in range(size)]
    items = [CatalogueItem(f"i{n}", title, minutes=10.0, url="https://x.example") for n, title in enumerate(titles)]
    save_items(conn, items, at=START - DAY)
    ids = np.array(conn.execute(select(item.c.id).order_by(item.c.id)).scalars().all())
    weight = 1 / np.arange(1, size + 1)
    rows: list[dict[str, Any]] = []
    facts: list[dict[str, Any]] = []
    people = [
        {"id": n, "external_id": f"p{n}", "draw": n, "created_at": START, "updated_at": START}
        for n in range(1, learners + 1)
    ]
    for n in range(1, learners + 1):
        own = np.flatnonzero(np.arange(size) % crafts == n % crafts)
        from_own = draws.binomial(8, share_of_own)
        done = [*draws.choice(own, from_own, replace=False).tolist()]
        rest = [each for each in draws.choice(size, size, replace=False, p=weight / weight.sum()) if each not in done]
        done = draws.permutation([*done, *rest[: 8 - from_own]]).tolist()
        rows += [
            {"learner_id": n, "item_id": int(ids[each]), "status": "completed", "completed_at": START + place * DAY}
            for place, each in enumerate(done)
        ]
        if goals:
            fact = {"learner_id": n, "kind": "goal", "value": words[n % crafts], "source": "declared"}
            facts.append({**fact, "confidence": 1.0, "recorded_at": START - DAY})
    conn.execute(insert(learner), people)
    conn.execute(insert(progress), rows)
    if facts:
        conn.execute(insert(profile_fact), facts)


def judged(engine: Engine, **past: Any) -> Evaluation:
    with writing(engine) as conn:
        a_past(conn, **past)
    with reading(engine) as conn:
        return evaluate(conn, as_of=START + 30 * DAY, k=10, seed=1)


def test_where_people_of_a_craft_finish_the_same_the_recommender_beats_popularity(engine: Engine) -> None:
    # 200 learners who keep to their craft in 5 of 8 steps: the gain is some ten standard errors above 0.
    found = judged(engine, learners=200, crafts=4, share_of_own=0.6, seed=3)
    assert found.uses_together
    assert found.verdict is Verdict.BETTER
    assert found.recommender is not None
    assert found.popularity is not None
    assert found.recommender.hit_rate.low > found.popularity.hit_rate.value
    assert found.recommender.coverage > found.popularity.coverage
    assert found.recommender.tail_share > found.popularity.tail_share
    for each in (found.recommender.hit_rate, found.recommender.ndcg, found.popularity.ndcg):
        assert 0 <= each.low <= each.value <= each.high <= 1


def test_goals_that_learners_declared_before_beat_popularity_without_any_pattern_in_completions(
    sqlite_engine: Engine,
) -> None:
    found = judged(sqlite_engine, learners=40, crafts=6, share_of_own=0.9, seed=5, goals=True)
    assert found.verdict is Verdict.BETTER


def test_where_people_finish_by_lot_the_recommender_is_not_called_better(sqlite_engine: Engine) -> None:
    # Nothing is there to be foreseen but popularity: a gain whose interval is above 0 happens in under 1 of 40.
    found = judged(sqlite_engine, learners=200, crafts=4, share_of_own=0.0, seed=4)
    assert found.verdict in (Verdict.CANNOT_TELL, Verdict.WORSE)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(40))
def test_structure_is_found_whenever_it_is_there(sqlite_engine: Engine, seed: int) -> None:
    assert judged(sqlite_engine, learners=200, crafts=4, share_of_own=0.6, seed=seed).verdict is Verdict.BETTER


def test_little_data_is_called_little(engine: Engine) -> None:
    with reading(engine) as conn:
        nothing = evaluate(conn, as_of=START)
    assert (nothing.verdict, nothing.learners, nothing.items) == (Verdict.TOO_THIN, 0, 0)
    found = judged(engine, learners=20, crafts=4, share_of_own=0.6, seed=3)
    assert found.verdict is Verdict.TOO_THIN
    assert found.recommender is None
    assert "20 learners" in found.in_words


def test_the_same_seed_gives_the_same_figures_on_both_databases(sqlite_engine: Engine, postgres_engine: Engine) -> None:
    past = {"learners": 60, "crafts": 3, "share_of_own": 0.7, "seed": 9}
    assert judged(sqlite_engine, **past) == judged(postgres_engine, **past)


def test_only_the_latest_completions_are_held_out_and_never_those_of_somebody_with_two(engine: Engine) -> None:
    with writing(engine) as conn:
        save_items(conn, [CatalogueItem(key=f"i{n}", title=f"Item {n}") for n in range(6)], at=START)
        ids = list(conn.execute(select(item.c.id).order_by(item.c.id)).scalars())
        ada, bo = a_learner(conn), a_learner(conn, "bo", department="Sales")
        rows = [(ada, place, START - place * DAY) for place in range(5)] + [(bo, 0, START), (bo, 1, None)]
        conn.execute(
            insert(progress),
            [
                {"learner_id": who, "item_id": ids[place], "status": "completed", "completed_at": at}
                for who, place, at in rows
            ],
        )
        cut = split(conn, frozenset(ids[:5]), as_of=START)
        earlier = split(conn, frozenset(ids), as_of=START - DAY)
    assert cut.held_out == {ada: frozenset({ids[0]})}
    assert cut.cuts == {ada: START}
    assert (ada, ids[0]) not in set(zip(cut.known.learners.tolist(), cut.known.items.tolist(), strict=True))
    assert cut.finishers == {(ids[n], None): 1 for n in range(1, 5)} | {(ids[0], "Sales"): 1, (ids[1], "Sales"): 1}
    assert earlier.held_out == {ada: frozenset({ids[1]})}


def test_ndcg_is_one_for_a_perfect_list_and_less_further_down() -> None:
    from pushpull.catalogue.evaluation import _gains

    hits, ndcg = _gains(
        [[7, 8], [1, 7], [1, 2], []], [frozenset({7, 8}), frozenset({7}), frozenset({9}), frozenset({1})], 2
    )
    assert hits.tolist() == [1, 1, 0, 0]
    assert ndcg.tolist() == pytest.approx([1, 1 / math.log2(3), 0, 0])  # fmt: skip


def test_a_list_of_none_is_refused(engine: Engine) -> None:
    with reading(engine) as conn, pytest.raises(ValueError, match="0 picks"):
        evaluate(conn, as_of=START, k=0)
