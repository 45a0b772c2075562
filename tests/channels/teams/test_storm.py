"""A storm of faults over everything Teams is asked: what was not sent is sent again, and nobody gets anything twice."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from pushpull.ledger.outcomes import Accepted, NotSent, Outcome, Uncertain
from tests.channels.teams.people import a_channel, a_conversation, a_message, taken
from tests.standin.engine import StandIn
from tests.standin.faults import Fault

#: What needs no deadline to end.
QUICK = tuple(fault for fault in Fault if not fault.value.startswith(("hang", "drip", "unauthorized", "huge")))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_in_a_storm_everybody_gets_it_once_or_is_in_doubt(standin: StandIn, seed: int) -> None:
    standin.fault(*QUICK, times=None, share=0.3, seed=seed, seconds=0.01)
    channel = a_channel(standin, feed_per_second=1000.0)
    waiting = [
        a_message(number, conversation=a_conversation(standin, f"p{number}", is_open=number % 3 == 0))
        if number % 2
        else a_message(number)
        for number in range(60)
    ]
    outcomes: dict[str, Outcome] = {}
    for _ in range(200):
        if not waiting:
            break
        batch, waiting = waiting[:20], waiting[20:]
        found = channel.send(batch, deadline=time.monotonic() + 5)
        outcomes |= {message.delivery_id: outcome for message, outcome in zip(batch, found, strict=True)}
        # As the ledger does: what was proved not to have gone goes again, in a handover of its own.
        again = [message for message, outcome in zip(batch, found, strict=True) if isinstance(outcome, NotSent)]
        waiting += [replace(message, handover_id="f" * 32) for message in again]
    assert waiting == []
    time.sleep(0.1)  # what is accepted late
    counts = taken(standin)
    assert {type(each) for each in outcomes.values()} <= {Accepted, Uncertain}
    assert max(counts.values()) == 1
    assert all(counts.get(each) == 1 for each, outcome in outcomes.items() if isinstance(outcome, Accepted))
    assert not any(isinstance(outcomes[f"7-0-{number}"], Uncertain) for number in range(0, 60, 2)), "feeds repeat"
    assert standin.violations == []
