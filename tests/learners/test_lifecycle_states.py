from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pushpull.learners.lifecycle import (
    TRANSITIONS,
    IllegalTransition,
    Lifecycle,
    LifecycleEvent,
    Rules,
    fold,
    transition,
)
from pushpull.learners.vocabulary import LearnerState as S
from pushpull.learners.vocabulary import LifecycleKind as K
from tests.learners.population import START

DAY = timedelta(days=1)
RULES = Rules(habitual_days=3, habitual_window_days=7, dormant_days=10, dormant_at_least=4, dormant_at_most=20)


def told(*events: tuple[K, float], until: float = 0, rules: Rules = RULES) -> Lifecycle:
    """The fold of (kind, day) pairs, some days after the last of them."""
    last = max((day for _, day in events), default=0)
    listed = [LifecycleEvent(kind, START + day * DAY, f"{kind}-{day}") for kind, day in events]
    return fold(listed, as_of=START + (last + until) * DAY, rules=rules)


def test_nobody_heard_of_anything_is_unaware() -> None:
    story = told()
    assert (story.state, story.since, story.history) == (S.UNAWARE, None, ())


def test_a_learner_walks_from_message_to_completion() -> None:
    story = told((K.REACHED, 0), (K.CLICKED, 1), (K.SIGNED_IN, 1), (K.LEARNED, 2), (K.COMPLETED, 3))
    assert [state for state, _ in story.history] == [S.AWARE, S.ACTIVATED, S.ACTIVE, S.COMPLETED]
    assert (story.reached_at, story.activated_at, story.completed_at) == (START, START + DAY, START + 3 * DAY)
    assert story.since == START + 3 * DAY


def test_learning_on_three_days_of_a_week_is_a_habit_and_a_thinner_week_ends_it() -> None:
    assert told((K.LEARNED, 0), (K.LEARNED, 1), (K.LEARNED, 2)).state is S.HABITUAL
    assert told((K.LEARNED, 0), (K.LEARNED, 0.1), (K.LEARNED, 0.2)).state is S.ACTIVE
    thin = told((K.LEARNED, 0), (K.LEARNED, 3), (K.LEARNED, 6), (K.LEARNED, 13))
    assert [state for state, _ in thin.history] == [S.ACTIVE, S.HABITUAL, S.ACTIVE]


def test_silence_is_measured_by_the_learners_own_rhythm() -> None:
    every_day = [(K.LEARNED, day) for day in range(5)]
    every_week = [(K.LEARNED, day) for day in range(0, 35, 7)]
    assert told(*every_day).dormant_after == START + 4 * DAY + 4 * DAY  # three times a day, but at least four
    assert told(*every_week).dormant_after == START + 28 * DAY + 20 * DAY  # three weeks, but at most twenty days
    assert told((K.LEARNED, 0)).dormant_after == START + 10 * DAY  # unknown
    assert told(*every_day, until=5).state is S.DORMANT
    assert told(*every_week, until=5).state is not S.DORMANT


def test_dormancy_begins_when_the_silence_is_long_enough_and_ends_with_activity() -> None:
    asleep = told((K.LEARNED, 0), until=11)
    assert (asleep.state, asleep.since, asleep.dormant_after) == (S.DORMANT, START + 10 * DAY, None)
    back = told((K.LEARNED, 0), (K.SIGNED_IN, 12))
    assert back.history[-2:] == ((S.DORMANT, START + 10 * DAY), (S.ACTIVE, START + 12 * DAY))
    assert told((K.LEARNED, 0), (K.CLICKED, 12)).state is S.DORMANT  # a click is no learning
    assert told((K.REACHED, 0), until=99).state is S.AWARE  # who never began cannot fall asleep


def test_opting_in_again_shows_what_happened_meanwhile() -> None:
    assert told((K.REACHED, 0), (K.OPTED_OUT, 1)).state is S.OPTED_OUT
    assert told((K.REACHED, 0), (K.OPTED_OUT, 1), (K.LEARNED, 2), (K.OPTED_IN, 3)).state is S.ACTIVE
    assert told((K.OPTED_OUT, 1), (K.OPTED_IN, 2)).state is S.UNAWARE
    assert told((K.OPTED_IN, 1), (K.OPTED_OUT, 1)).state is S.OPTED_OUT  # yes and no at once


def test_what_is_completed_stays_completed_and_only_a_champion_goes_further() -> None:
    assert told((K.COMPLETED, 0), (K.OPTED_OUT, 1), (K.LEARNED, 2), until=99).state is S.COMPLETED
    assert told((K.OPTED_OUT, 0), (K.COMPLETED, 1)).state is S.COMPLETED
    assert told((K.COMPLETED, 0), (K.BECAME_CHAMPION, 1), (K.OPTED_OUT, 2)).state is S.CHAMPION
    assert told((K.REACHED, 0), (K.BECAME_CHAMPION, 1)).state is S.AWARE  # nothing to vouch for yet


def test_every_failed_try_is_counted_once() -> None:
    events = [LifecycleEvent(K.FAILED_TRY, START, "activity:1")] * 3 + [
        LifecycleEvent(K.FAILED_TRY, START, "activity:2")
    ]
    story = fold(events, as_of=START, rules=RULES)
    assert (story.failed_tries, story.state, story.activated_at) == (2, S.ACTIVATED, START)


def test_an_illegal_transition_is_refused_in_words() -> None:
    with pytest.raises(IllegalTransition, match="a learner who is completed cannot become dormant"):
        transition(S.COMPLETED, S.DORMANT)
    assert transition(S.AWARE, S.ACTIVE) is S.ACTIVE
    assert set(TRANSITIONS) == set(S)


@pytest.mark.parametrize("wrong", [{"habitual_days": 1}, {"habitual_window_days": 2}, {"dormant_at_least": 99}])
def test_rules_that_cannot_hold_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"habitual_days|must be positive"):
        Rules(**wrong)  # type: ignore[arg-type]


events_of = st.lists(
    st.builds(
        LifecycleEvent,
        kind=st.sampled_from(list(K)),
        occurred_at=st.integers(0, 240).map(lambda hours: START + hours * timedelta(hours=3)),
        source_id=st.sampled_from(["a", "b", "c", "d", "e", "f"]),
    ),
    max_size=25,
)
instants = st.integers(-5, 300).map(lambda hours: START + hours * timedelta(hours=3))


@settings(max_examples=400, deadline=None)
@given(events_of, instants, st.randoms())
def test_order_and_repetition_do_not_matter(events: list[LifecycleEvent], as_of: datetime, random: object) -> None:
    again = events + events[: len(events) // 2]
    random.shuffle(again)  # type: ignore[attr-defined]
    assert fold(again, as_of=as_of, rules=RULES) == fold(events, as_of=as_of, rules=RULES)


@settings(max_examples=400, deadline=None)
@given(events_of, instants)
def test_every_history_is_legal_and_later_events_are_not_seen(events: list[LifecycleEvent], as_of: datetime) -> None:
    story = fold(events, as_of=as_of, rules=RULES)
    assert story == fold([event for event in events if event.occurred_at <= as_of], as_of=as_of, rules=RULES)
    states = [S.UNAWARE, *(state for state, _ in story.history)]
    for old, new in pairwise(states):
        assert new in TRANSITIONS[old]
    times = [at for _, at in story.history]
    assert times == sorted(times)
    assert states[-1] is story.state
    assert all(at <= as_of for at in times)


@settings(max_examples=300, deadline=None)
@given(events_of, instants, st.integers(1, 400))
def test_history_is_never_rewritten_by_what_comes_later(
    events: list[LifecycleEvent], as_of: datetime, hours: int
) -> None:
    events = list({(event.kind, event.source_id): event for event in events}.values())
    early = fold(events, as_of=as_of, rules=RULES)
    late = fold(events, as_of=as_of + timedelta(hours=hours), rules=RULES)
    assert late.history[: len(early.history)] == early.history
