from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushpull.insights.proportions import Proportion, detectable_effect, difference_interval
from pushpull.insights.small_numbers import FEWEST, shown

PROPORTIONS = st.integers(0, 500).flatmap(lambda n: st.builds(Proportion, st.integers(0, n), st.just(n)))


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    # Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I, method 3
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilsons_interval_is_the_published_one(count: int, total: int, low: float, high: float) -> None:
    interval = Proportion(count, total).interval()
    assert (round(interval.low, 4), round(interval.high, 4)) == (low, high)


@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    # Newcombe, "Interval estimation for the difference between independent proportions", 1998, table II, method 10
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((10, 10), (0, 20), 0.6791, 1.0000),
    ],
)
def test_newcombes_interval_is_the_published_one(
    first: tuple[int, int], second: tuple[int, int], low: float, high: float
) -> None:
    interval = difference_interval(Proportion(*first), Proportion(*second))
    assert interval is not None
    assert (round(interval.low, 4), round(interval.high, 4)) == (low, high)


@given(PROPORTIONS, PROPORTIONS)
def test_a_difference_lies_in_its_interval_and_turns_with_the_groups(first: Proportion, second: Proportion) -> None:
    interval, turned = difference_interval(first, second), difference_interval(second, first)
    if interval is None or turned is None:
        assert 0 in (first.total, second.total)
        return
    assert first.share is not None
    assert second.share is not None
    assert interval.low - 1e-9 <= first.share - second.share <= interval.high + 1e-9
    assert interval.low == pytest.approx(-turned.high)
    assert -1 <= interval.low <= interval.high <= 1


def test_more_people_than_there_are_is_refused() -> None:
    with pytest.raises(ValueError, match="3 of 2"):
        Proportion(3, 2)


@given(st.lists(st.integers(0, 60), max_size=12))
def test_no_small_number_is_shown_nor_can_one_be_worked_out_from_the_total(counts: list[int]) -> None:
    column = shown(counts)
    assert [value for value in column if value is not None and value < FEWEST] == []
    assert all(value in (None, count) for value, count in zip(column, counts, strict=True))
    hidden = [count for value, count in zip(column, counts, strict=True) if value is None]
    if hidden and len(hidden) < len(counts):
        assert len(hidden) >= 2
        assert sum(hidden) >= FEWEST
    if min(counts, default=FEWEST) >= FEWEST:
        assert column == counts


@pytest.mark.parametrize(("first", "second", "baseline"), [(900, 100, 0.5), (4500, 500, 0.2), (300, 300, 0.1)])
def test_an_effect_called_detectable_is_found_four_times_in_five_by_the_reports_own_interval(
    first: int, second: int, baseline: float
) -> None:
    effect = detectable_effect(first, second, baseline=baseline)
    assert effect is not None
    chance = random.Random(7)
    runs = 1_200

    def found(rise: float) -> float:
        hits = 0
        for _ in range(runs):
            treated = Proportion(_drawn(chance, first, baseline + rise), first)
            held_out = Proportion(_drawn(chance, second, baseline), second)
            interval = difference_interval(treated, held_out)
            assert interval is not None
            hits += interval.low > 0
        return hits / runs

    assert found(effect) == pytest.approx(0.8, abs=0.05)
    assert found(effect / 2) < 0.45


def _drawn(chance: random.Random, total: int, share: float) -> int:
    """So many of ``total`` people, each with this chance; the normal approximation is exact enough for thousands."""
    if total > 1000:
        return min(total, max(0, round(chance.gauss(total * share, (total * share * (1 - share)) ** 0.5))))
    return sum(chance.random() < share for _ in range(total))


def test_the_detectable_effect_is_the_one_of_the_textbook() -> None:
    # Two groups of 388 find a rise from 40 % to 50 %: n = 387.3 by Fleiss, Levin and Paik's formula at 0.05 and 0.8.
    assert detectable_effect(388, 388, baseline=0.4) == pytest.approx(0.1, abs=0.0005)


@given(st.integers(2, 100_000), st.integers(2, 100_000), st.floats(0, 0.95))
def test_more_people_show_smaller_effects(first: int, second: int, baseline: float) -> None:
    effect = detectable_effect(first, second, baseline=baseline)
    with_more = detectable_effect(2 * first, 2 * second, baseline=baseline)
    if effect is None:
        return
    assert 0 < effect <= 1 - baseline
    assert with_more is not None
    assert with_more < effect


def test_an_effect_that_nobody_could_show_is_none() -> None:
    assert detectable_effect(100, 0, baseline=0.5) is None
    assert detectable_effect(0, 100, baseline=0.5) is None
    assert detectable_effect(3, 2, baseline=0.9) is None
    assert detectable_effect(1000, 1000, baseline=1.0) is None
    with pytest.raises(ValueError, match="between 0 and 1"):
        detectable_effect(10, 10, baseline=1.2)
