"""Planning: one wave to the whole audience, with every rule on."""

from __future__ import annotations

import time

from benchmarks.figures import Measured, peak_memory
from benchmarks.population import AS_OF, a_wave
from pushpull.db import open_database
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.planning import plan


def measure(url: str, size: int, runs: int) -> Measured:
    """Plan as many waves as there are runs.

    Raises:
        AssertionError: the audience is not what it should be, or planning again added rows.
    """
    engine = open_database(url)
    engine.connect().close()
    measured = Measured(memory_before=peak_memory())
    for number in range(runs):
        spec = a_wave(number, channels=(Channel.TEAMS, Channel.EMAIL))
        start = time.perf_counter()
        result = plan(engine, spec, as_of=AS_OF)
        measured.seconds.append(time.perf_counter() - start)
        assert abs(result.audience - size) <= 8, f"planned {result.audience} of {size}"
        measured.counts = {"planned": result.planned, **{f"skipped {k}": v for k, v in result.by_reason.items()}}
    start = time.perf_counter()
    assert plan(engine, spec, as_of=AS_OF).was_planned_before
    measured.more["again"] = time.perf_counter() - start
    measured.peak_memory = peak_memory()
    return measured
