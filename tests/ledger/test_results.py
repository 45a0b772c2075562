"""What became of a wave, in words."""

from __future__ import annotations

from collections import Counter

from pushpull.ledger.results import WaveResult


def _told(**states: int) -> str:
    result = WaveResult(1, "pilot", "launch.one", "launch", "words", "push", "open", None, states=Counter(states))
    return result.sentence()


def test_what_nobody_knows_the_outcome_of_is_told_apart_from_what_waits() -> None:
    assert _told(planned=3, uncertain=2) == "accepted 0, skipped 0, open 5 (2 uncertain)"
    assert _told(planned=3) == "accepted 0, skipped 0, open 3"
