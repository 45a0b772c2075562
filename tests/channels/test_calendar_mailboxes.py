"""A mailbox is asked as much at once as Graph takes, and no more."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event
from typing import Any

import pytest

from channels.calendar import Calendar
from channels.calendar.mailboxes import AT_ONCE, Mailboxes
from channels.microsoft import Tokens
from channels.wire import Answer, NothingSent, Wire
from pushpull.ledger.outcomes import Accepted
from tests.channels.test_calendar import NINE, account, graph, hold, soon
from tests.standin.engine import StandIn
from tests.standin.microsoft import Graph

__all__ = ["graph"]


def test_a_mailbox_is_asked_four_things_at_once_and_no_more() -> None:
    mailboxes = Mailboxes()
    all_in, go_on = Barrier(AT_ONCE + 1), Event()

    def stay() -> None:
        with mailboxes.one("Ada", soon()):
            all_in.wait(5)
            go_on.wait(5)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        staying = [pool.submit(stay) for _ in range(AT_ONCE)]
        all_in.wait(5)
        with pytest.raises(NothingSent, match="mailbox_busy"), mailboxes.one("ada", soon(0.05)):
            pass
        with mailboxes.one("bob", soon(0.05)):
            pass  # others are not affected
        go_on.set()
        for each in staying:
            each.result(5)
    with mailboxes.one("ada", soon(0.05)):
        pass


def test_many_threads_at_one_mailbox_stay_within_what_graph_takes(standin: StandIn, graph: Graph) -> None:
    here = account(standin)
    most, now = 0, 0

    class Watched(Wire):
        def request(self, *args: Any, **options: Any) -> Answer:
            nonlocal most, now
            now += 1
            most = max(most, now)
            try:
                time.sleep(0.01)
                return super().request(*args, **options)
            finally:
                now -= 1

    calendar = Calendar(here, Tokens(here), clock=lambda: NINE, wire=Watched(here.graph_url))
    with ThreadPoolExecutor(12) as pool:
        outcomes = list(pool.map(lambda at: hold(calendar, transaction_id=f"1-0-{at}"), range(24)))
    assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    assert most <= AT_ONCE
    assert len(graph.events) == 24
