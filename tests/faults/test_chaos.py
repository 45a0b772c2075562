"""A slice of the chaos that ``make chaos`` is: it must not lose or repeat anything, and must be able to see it."""

from __future__ import annotations

import pytest

from tests.faults.chaos import Plan, chaos


@pytest.fixture
def server(postgres_url: str) -> str:
    return postgres_url.split("#", maxsplit=1)[0]


def test_whatever_fails_and_whoever_dies_everybody_is_sent_to_once(server: str) -> None:
    tally = chaos(server, Plan(messages=120, kills=20, patience=150))
    assert (tally.duplicates, tally.lost, tally.parked) == (0, 0, 0), tally
    assert tally.kills >= 20
    assert tally.faults > 0.15 * tally.requests
    assert tally.states == {"accepted": 120}


def test_the_same_harness_sees_what_a_naive_loop_sends_twice(server: str) -> None:
    tally = chaos(server, Plan(messages=60, kills=15, patience=60, is_naive=True))
    assert tally.duplicates > 0, tally
