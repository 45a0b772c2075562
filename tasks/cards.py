"""Closing cards: what a learner has done by now is no longer asked of them in their chats."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime

from channels.teams.updates import CardOutcome, ClosesCards
from pushpull.db import reading, writing
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.cards import cards_to_close, record_closed
from pushpull.ledger.outcomes import ChannelStopped
from tasks.installation import installation
from tasks.step import step

#: Cards one run changes at the most: they are changed one after the other, each with a request of its own.
_PER_RUN = 200

#: So many cards in a row that could not be changed now: the provider has enough, and the next run goes on.
_PATIENCE = 5


@dataclass(frozen=True)
class ClosedCards:
    """What one run did.

    Args:
        gone: cards that cannot be changed any more.
        later: cards the next run tries again.
        stopped: why the run ended early, where the whole channel cannot be used; whoever sends next pauses it.
    """

    updated: int = 0
    gone: int = 0
    later: int = 0
    stopped: str = ""


@step("close cards")
def close_cards(as_of: datetime, *, limit: int = _PER_RUN) -> ClosedCards:
    """Change cards whose learners have completed the campaign to "done, thanks".

    A run that dies halfway changes some of them again: that changes nothing.
    """
    here = installation()
    adapter = here.adapters.get(Channel.TEAMS)
    if not isinstance(adapter, ClosesCards):
        return ClosedCards()
    with reading(here.engine) as connection:
        cards = cards_to_close(connection, now=as_of, limit=limit)
    done, later, in_a_row, stopped = [], 0, 0, ""
    for card in cards:
        deadline = time.monotonic() + here.settings.call_deadline_seconds
        try:
            outcome = adapter.close_card(card, deadline=deadline)
        except ChannelStopped as why:
            stopped = str(why)
            break
        if outcome is CardOutcome.LATER:
            later, in_a_row = later + 1, in_a_row + 1
            if in_a_row == _PATIENCE:
                break
            continue
        in_a_row = 0
        done.append((card, outcome.value))
    if done:
        with writing(here.engine) as connection:
            record_closed(connection, done, at=as_of)
    updated = sum(outcome == CardOutcome.UPDATED.value for _, outcome in done)
    return ClosedCards(updated, len(done) - updated, later, stopped)
