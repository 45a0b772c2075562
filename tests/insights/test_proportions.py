from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushpull.insights.proportions import Proportion, difference_interval
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
