"""A re-run in words: whom it reaches, and what it changes for the cohort. Counts, never people."""

from __future__ import annotations

from collections.abc import Sequence

from pushpull.insights.briefing.text import CHANNEL_WORDS, label
from pushpull.insights.reasons import STATE_WORDS
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.changes import Change, Now
from pushpull.ledger.rotations import Cohort, Rotated
from pushpull.ledger.vocabulary import DeliveryState, WaveStatus

#: So many places of unknown ids are named; more are only counted.
_NAMED = 20
_SAYS_WHY = (DeliveryState.SKIPPED, DeliveryState.REJECTED, DeliveryState.HELD)


def sentences(rotated: Rotated, cohort: Cohort, *, dry_run: bool) -> list[str]:
    """What a re-run came to, one thing each.

    Args:
        dry_run: whether it was one.
    """
    left_out = sum(rotated.by_reason.values())
    said = []
    if not rotated.planned and not left_out:
        said.append(f"Nobody of the cohort {cohort.kind.value!r} can be sent to again: nothing was made.")
    elif dry_run:
        said.append(f"Dry run: {rotated.planned:,} would be sent to, {left_out:,} would not. Nothing was written.")
    elif rotated.was_requested_before:
        said.append(f"Rotation {rotated.rotation} was made by this request before: {rotated.planned:,} planned in it.")
    else:
        said.append(f"Rotation {rotated.rotation}: {rotated.planned:,} will be sent to, {left_out:,} will not.")
    if rotated.status == WaveStatus.HELD:
        said.append("It would ask a person first." if dry_run else "It waits until a person approves it.")
    if rotated.unknown:
        listed = ", ".join(map(str, rotated.unknown[:_NAMED])) + (", …" if rotated.unknown[_NAMED:] else "")
        many = f"{len(rotated.unknown):,} of {len(cohort.external_ids):,} external ids belong to nobody"
        said.append(f"{many}: by their place in the list, {listed}.")
    return said


def rows(changes: Sequence[Change]) -> list[tuple[str, str, int]]:
    """The changes as a table: what had become of learners before, what is to become of them now, how many."""
    return [(_before(each), _now(each), each.count) for each in changes]


def _before(change: Change) -> str:
    if change.before_state is None:
        return "not in it"
    words = STATE_WORDS[change.before_state]
    if change.before_reason and change.before_state in _SAYS_WHY:
        return f"{words}: {label(change.before_reason)}"
    return words


def _now(change: Change) -> str:
    match change.now:
        case Now.PLANNED:
            return f"gets it by {CHANNEL_WORDS[Channel(change.channel)]}" if change.channel else "gets it"
        case Now.SKIPPED:
            return f"does not get it: {label(change.reason or '')}"
        case Now.STILL_OPEN:
            return "nothing is added: the earlier one is not settled"
        case Now.STILL_EXCLUDED:
            return "still left out"
