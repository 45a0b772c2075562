from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from pushpull.db import reading, writing
from pushpull.learners.queue import Candidate, Move, arranged, keep_move, kept, moved, ranked
from pushpull.learners.tables import queue_place
from tests.learners.population import a_learner, an_item

NOW = datetime(2026, 1, 14, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def test_what_was_begun_comes_first_then_what_has_a_date_then_the_message_then_picks_then_the_campaign() -> None:
    everything = [
        Candidate(1, position=1),
        Candidate(2, position=0),
        Candidate(3, score=0.5, position=3),
        Candidate(4, score=0.9),
        Candidate(5, is_linked=True),
        Candidate(6, due_at=NOW + DAY),
        Candidate(7, due_at=NOW),
        Candidate(8, is_started=True, last_active_at=NOW - DAY),
        Candidate(9, is_started=True, last_active_at=NOW),
        Candidate(10, is_started=True),
        Candidate(11),
    ]
    assert ranked(everything) == (9, 8, 10, 7, 6, 5, 4, 3, 2, 1, 11)
    assert ranked(reversed(everything)) == ranked(everything)


def test_a_move_goes_one_step_or_to_the_top_and_never_out_of_the_queue() -> None:
    assert moved((1, 2, 3), 2, Move.EARLIER) == (2, 1, 3)
    assert moved((1, 2, 3), 2, Move.LATER) == (1, 3, 2)
    assert moved((1, 2, 3), 3, Move.NEXT) == (3, 1, 2)
    assert moved((1, 2, 3), 1, Move.EARLIER) == moved((1, 2, 3), 3, Move.LATER) == (1, 2, 3)
    assert moved((1, 2, 3), 9, Move.NEXT) == (1, 2, 3)
    assert moved((), 9, Move.NEXT) == ()


def test_what_a_message_is_about_leads_and_the_rest_stays_in_the_learners_order() -> None:
    assert arranged((1, 2, 3, 4), {3: 0, 2: 1}) == (3, 2, 1, 4)
    assert arranged((1, 2, 3, 4), {3: 0, 2: 1}, leading=4) == (4, 3, 2, 1)
    assert arranged((1, 2), {}, leading=9) == (1, 2)


candidates = st.lists(
    st.builds(
        Candidate,
        st.integers(1, 12),
        is_started=st.booleans(),
        due_at=st.none() | st.sampled_from([NOW, NOW + DAY]),
        score=st.none() | st.floats(0, 3),
        minutes=st.none() | st.sampled_from([0.5, 2.0, 10.0, 45.0]),
        position=st.none() | st.integers(0, 5),
    ),
    unique_by=lambda each: each.item_id,
    max_size=12,
)


@given(candidates)
def test_who_is_new_begins_with_something_small_that_fits(found: list[Candidate]) -> None:
    fresh = [each for each in found if not each.is_started and each.due_at is None]
    small = [each for each in fresh if each.minutes is not None and each.minutes <= 10]
    order = ranked(fresh, is_new=True)
    assert sorted(order) == sorted(each.item_id for each in fresh)
    if small:
        first = next(each for each in fresh if each.item_id == order[0])
        assert first in small
        # Picked for them, where anything small was: picks are made from goals and needs.
        assert (first.score is not None) == any(each.score is not None for each in small)


rankings = st.permutations(range(1, 13)).flatmap(lambda order: st.integers(1, 12).map(lambda n: tuple(order[:n])))
steps = st.lists(
    st.tuples(
        rankings,  # re-ranked and re-planned: other items, in another order
        st.integers(0, 11),
        st.sampled_from(Move),
        st.none() | st.integers(1, 12),
    ),
    max_size=12,
)


@given(steps, rankings)
def test_a_learners_order_survives_every_other_ranking(
    done: list[tuple[tuple[int, ...], int, Move, int | None]], later: tuple[int, ...]
) -> None:
    own: tuple[int, ...] = ()
    for ranking, which, move, leading in done:
        places = {each: position for position, each in enumerate(own)}
        shown = arranged(ranking, places, leading=leading)
        assert sorted(shown) == sorted(ranking)
        item_id = shown[which % len(shown)]
        wanted = moved(shown, item_id, move)
        before, own = own, kept(own, shown, item_id, move)
        assert set(own) >= set(before)
        # What the learner sees after the move is what they asked for, whatever led before.
        assert arranged(ranking, {each: position for position, each in enumerate(own)}) == wanted
        # What is not in the queue now keeps its order too.
        away = [each for each in before if each not in ranking]
        assert [each for each in own if each in away] == away
    after = arranged(later, {each: position for position, each in enumerate(own)})
    assert sorted(after) == sorted(later)
    assert len(after[:1]) == 1  # exactly one next
    assert [each for each in after if each in own] == [each for each in own if each in later]


def test_a_move_is_kept_and_reaches_no_further_than_it_must(engine: Engine) -> None:
    with writing(engine) as conn:
        ada, grace = a_learner(conn), a_learner(conn, "grace")
        items = [an_item(conn, f"i{n}") for n in range(5)]
        one, two, three, four, five = items
        assert keep_move(conn, ada, items, three, Move.EARLIER, at=NOW) == (one, three, two, four, five)
        assert keep_move(conn, ada, [five, one, three, two, four], three, Move.NEXT, at=NOW + DAY) == (
            three, five, one, two, four,
        )  # fmt: skip
        assert keep_move(conn, ada, [one, two], four, Move.NEXT, at=NOW) == (one, two)  # not there any more
        keep_move(conn, grace, items, two, Move.NEXT, at=NOW)
        # Two and three are away for a while: what is done meanwhile leaves them where they were.
        keep_move(conn, ada, [five, one, four], one, Move.NEXT, at=NOW + 2 * DAY)
    with reading(engine) as conn:
        rows = conn.execute(select(queue_place).order_by(queue_place.c.learner_id, queue_place.c.position)).all()
    assert [row.item_id for row in rows if row.learner_id == ada] == [one, three, five]
    assert [row.item_id for row in rows if row.learner_id == grace] == [two, one]
    assert {row.set_at for row in rows if row.learner_id == ada} == {NOW + 2 * DAY}
