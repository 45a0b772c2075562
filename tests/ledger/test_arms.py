from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from pushpull.db import reading, writing
from pushpull.learners.consent import DRAW_RANGE
from pushpull.learners.tables import learner
from pushpull.ledger.arms import arm, share_of, variant
from pushpull.ledger.vocabulary import Arm, MessageClass
from tests.ledger.arm_oracle import bucket
from tests.ledger.builders import a_learner, a_wave

EDGES = [0, 1, 2, DRAW_RANGE // 2, DRAW_RANGE - 2, DRAW_RANGE - 1]
SALTS = ["global", "holdout:safety", "holdout:habits", "variant:safety:launch.hello", "ümlaut · 漢字"]


def people(engine: Engine, draws: list[int]) -> dict[int, int]:
    with writing(engine) as connection:
        return {a_learner(connection, draw=draw): draw for draw in draws}


def test_the_hash_is_the_same_in_sql_and_in_python_on_both_databases(engine: Engine) -> None:
    draws = people(engine, [*EDGES, *range(12_345, DRAW_RANGE, DRAW_RANGE // 200)])
    with reading(engine) as connection:
        for salt in SALTS:
            for buckets in (1, 2, 3, 10_000):
                rows = connection.execute(select(learner.c.id, share_of(salt, buckets).label("bucket"))).all()
                assert {row.id: row.bucket for row in rows} == {
                    learner_id: bucket(draw, salt, buckets) for learner_id, draw in draws.items()
                }


@given(draw=st.integers(0, DRAW_RANGE - 1), salt=st.text(max_size=60), buckets=st.integers(1, 10_000))
@settings(max_examples=300, derandomize=True, database=None)
def test_a_bucket_is_always_one_of_them(draw: int, salt: str, buckets: int) -> None:
    if any("\ud800" <= letter <= "\udfff" for letter in salt):
        return
    assert 0 <= bucket(draw, salt, buckets) < buckets


def test_arms_and_variants_follow_from_the_hash_alone(engine: Engine) -> None:
    draws = people(engine, list(range(7, DRAW_RANGE, DRAW_RANGE // 500)))
    spec = a_wave(holdout=0.25, variants=(("a", 1), ("b", 2), ("c", 1)))
    with reading(engine) as connection:
        rows = connection.execute(select(learner.c.id, arm(spec, global_holdout=0.1), variant(spec))).all()
    for learner_id, side, name in rows:
        draw = draws[learner_id]
        if bucket(draw, "global", 10_000) < 1000:
            assert side == Arm.GLOBAL_HOLDOUT
        elif bucket(draw, "holdout:safety", 10_000) < 2500:
            assert side == Arm.HOLDOUT
        else:
            assert side == Arm.TREATED
        assert name == "abbc"[bucket(draw, "variant:safety:launch.hello", 4)]


def test_a_larger_holdout_contains_the_smaller_one(engine: Engine) -> None:
    people(engine, list(range(11, DRAW_RANGE, DRAW_RANGE // 300)))
    held = []
    with reading(engine) as connection:
        for share in (0.05, 0.1, 0.3):
            sides = connection.execute(select(learner.c.id, arm(a_wave(holdout=share), global_holdout=0))).all()
            held.append({learner_id for learner_id, side in sides if side == Arm.HOLDOUT})
    assert held[0] < held[1] < held[2]


def test_nobody_is_held_out_of_an_obligation_or_of_a_wave_without_holdouts(engine: Engine) -> None:
    people(engine, list(range(3, DRAW_RANGE, DRAW_RANGE // 100)))
    duty = a_wave(message_class=MessageClass.MANDATORY, holdout=0.5)
    with reading(engine) as connection:
        for spec, share in ((duty, 0.5), (a_wave(), 0.0)):
            assert set(connection.execute(select(arm(spec, global_holdout=share))).scalars()) == {Arm.TREATED}
        assert set(connection.execute(select(variant(a_wave()))).scalars()) == {None}
        assert set(connection.execute(select(variant(a_wave(variants=(("only", 1),))))).scalars()) == {"only"}
