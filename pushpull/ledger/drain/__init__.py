"""Draining: one worker empties one shard of a wave. The delivery protocol itself is in `worker`, on one page.

claim → write → intend → call → record, over and over, until nothing is due. It can be killed between any two steps and
started again any number of times; what is where then is for :mod:`pushpull.ledger.reconcile` to find out.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache

from sqlalchemy import Connection, Engine, select

from pushpull.db import reading
from pushpull.learners.lists import in_texts
from pushpull.learners.tables import learner
from pushpull.ledger.couriers import Courier
from pushpull.ledger.diverting import Diversion, diversion
from pushpull.ledger.drain.options import NOBODY_TO_DIVERT_TO, DrainOptions, DrainResult, Step
from pushpull.ledger.drain.worker import Worker
from pushpull.ledger.handovers import Recheck
from pushpull.ledger.shards import Shard
from pushpull.ledger.switches import switches
from pushpull.ledger.terms import Terms

__all__ = ["DrainOptions", "DrainResult", "Step", "drain"]

#: Handovers under way at the same time in one process; each needs a database connection for a moment.
_CALLERS = 8


def drain(
    engine: Engine,
    shard: Shard,
    rules: Terms,
    courier: Courier,
    *,
    options: DrainOptions,
    on_step: Callable[[Step, int], None] = lambda _step, _count: None,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> DrainResult:
    """Send everything of a shard that is due.

    Args:
        shard: of a pilot, only its guests are sent to.
        rules: the wave's terms; ``rules.as_of`` is the campaign's clock.
        on_step: told after each step how many deliveries it was about, for progress bars and crash tests.
        monotonic: seconds on a clock that never jumps.
        sleep: waits for turns at a provider, in seconds.
    """
    _spare_the_collector()
    result = DrainResult()
    with reading(engine) as connection:
        allowed = _as_switched(connection, shard, rules, options, result)
        if allowed is None:
            return result
        shard, to = allowed
        recheck = Recheck(connection, rules, options.caps)
    worker = Worker(engine, recheck, courier, options, result, on_step, monotonic, sleep, diversion=to)
    if options.senders == 1:
        worker.work(shard)
        return result
    with ThreadPoolExecutor(options.senders, "sender") as pool, ThreadPoolExecutor(_CALLERS, "caller") as callers:
        worker.call_at_once(callers)
        for sending in [pool.submit(worker.work, shard) for _ in range(options.senders)]:
            sending.result()
    return result


def _as_switched(
    connection: Connection, shard: Shard, rules: Terms, options: DrainOptions, result: DrainResult
) -> tuple[Shard, Diversion | None] | None:
    """What of a shard may be sent as everything is set, and to whom else it goes; None: nothing now."""
    now_set = switches(connection)
    if now_set.is_paused or now_set != options.switches:
        result.leave(now_set)
        return None
    if now_set.guests:
        guests = connection.execute(select(learner.c.id).where(in_texts(learner.c.external_id, now_set.guests)))
        invited = set(guests.scalars())
        only = tuple(sorted(invited.intersection(shard.only) if shard.only else invited))
        if not only:
            return None
        shard = replace(shard, only=only)
    if not now_set.override_recipient:
        return shard, None
    to = diversion(connection, now_set.override_recipient, rules.spec)
    if to is None:
        result.stopped = NOBODY_TO_DIVERT_TO
        return None
    return shard, to


@cache
def _spare_the_collector() -> None:
    """Take all that is loaded by now out of garbage collection: looking through it costs a sixth of the time."""
    gc.collect()
    gc.freeze()
