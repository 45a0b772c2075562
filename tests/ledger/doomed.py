"""A worker process that kills itself at a given point of the delivery protocol, and a provider made of one file.

The file is what the provider knows: one line per message it processed, with the handover and the learner whose address
it went to, appended and synced. It outlives the worker.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

from sqlalchemy import Connection

from pushpull.db import open_database, reading
from pushpull.ledger.claims import Batch
from pushpull.ledger.drain import DrainOptions, DrainResult, Step, drain
from pushpull.ledger.handovers import Handover
from pushpull.ledger.messages import delivery_id
from pushpull.ledger.outcomes import Accepted, Evidence, Finding, Outcome, Question
from pushpull.ledger.shards import Shard
from pushpull.ledger.switches import switches
from tests.ledger.builders import NO_CAPS, PlainCourier, terms_of

#: Points within a call, beside the drain's own steps.
BEFORE_THE_WRITE, IN_MID_WRITE, AFTER_THE_WRITE = "before the write", "in mid-write", "after the write"
POINTS = (
    Step.CLAIMED,
    Step.WRITTEN,
    Step.INTENDED,
    BEFORE_THE_WRITE,
    IN_MID_WRITE,
    AFTER_THE_WRITE,
    Step.CALLED,
    Step.RECORDED,
)


class FileProvider(PlainCourier):
    """A courier whose provider is a file.

    Args:
        dies_at: the point at which the process kills itself; None lives on.
        at_visit: on which visit of that point.
    """

    def __init__(self, path: Path, *, request_size: int = 4, dies_at: str | None = None, at_visit: int = 1) -> None:
        self._path, self._request_size = path, request_size
        self._dies_at, self._visits_left = dies_at, at_visit

    def reach(self, point: str) -> None:
        if point == self._dies_at:
            self._visits_left -= 1
            if self._visits_left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def request_size(self, channel: str) -> int:
        return self._request_size

    def write(self, connection: Connection, batch: Batch) -> Mapping[int, object]:
        return {
            row.learner_id: (
                delivery_id(batch.wave_id, batch.rotation, row.learner_id),
                batch.diverted_to or row.learner_id,
            )
            for row in batch.rows
        }

    def carry(
        self, channel: str, handover: Handover, messages: Sequence[object], *, deadline: float, **_when: object
    ) -> Sequence[Outcome]:
        self.reach(BEFORE_THE_WRITE)
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            for place, (message, to) in enumerate(cast(Sequence[tuple[str, int]], messages)):
                if place == len(messages) // 2:
                    self.reach(IN_MID_WRITE)
                os.write(file, f"{message} {handover.id.hex} {to}\n".encode())
                os.fsync(file)
        finally:
            os.close(file)
        self.reach(AFTER_THE_WRITE)
        return [Accepted()] * len(messages)


def received(path: Path) -> Counter[str]:
    """How often each message reached the provider, by delivery id."""
    return Counter(line.split()[0] for line in _lines(path))


def reached(path: Path) -> set[int]:
    """The ids of the learners to whose addresses something went."""
    return {int(line.split()[2]) for line in _lines(path)}


def look_up(path: Path, asked: Sequence[Question]) -> list[Evidence]:
    """What the provider says about deliveries of handovers."""
    known = {tuple(line.split()[:2]) for line in _lines(path)}
    return [
        Evidence(
            each,
            question.handover_id.hex,
            Finding.ACCEPTED if (each, question.handover_id.hex) in known else Finding.ABSENT,
        )
        for question in asked
        for each in question.addresses
    ]


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def work(
    url: str, wave_id: int, path: Path, now: datetime, *, dies_at: str | None = None, at_visit: int = 1
) -> DrainResult:
    """Drain a wave with short leases, as everything is set, in this process; end it by SIGKILL where asked."""
    provider = FileProvider(path, dies_at=dies_at, at_visit=at_visit)
    engine = open_database(url)
    with reading(engine) as connection:
        now_set = switches(connection)
    options = DrainOptions(
        worker=f"doomed-{os.getpid()}",
        caps=NO_CAPS,
        lease=timedelta(seconds=LEASE_SECONDS),
        deadline=timedelta(seconds=LEASE_SECONDS / 2),
        batch_size=8,
        switches=now_set,
    )
    rules = terms_of(engine, wave_id, now=now)
    try:
        return drain(
            engine,
            Shard(wave_id),
            rules,
            provider,
            options=options,
            on_step=lambda step, _count: provider.reach(step),
        )
    finally:
        engine.dispose()


#: Long enough for a slow machine to make a call in half of it; tests let time pass instead of waiting for its end.
LEASE_SECONDS = 20.0
