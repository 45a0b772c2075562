"""One-click unsubscribe against send: nothing is handed over to somebody whose opt-out was committed before.

A worker drains a wave, one learner at a time. At a moment drawn anew for each of them the learner's mail client posts
the one-click request (RFC 8058) to the real app, in a thread of its own, and the two meet wherever they meet.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, event, insert, select

from pushpull.db import reading, writing
from pushpull.learners.tables import learner
from pushpull.ledger.claims import Batch
from pushpull.ledger.drain import Step
from pushpull.ledger.links import LinkSigner
from pushpull.ledger.messages import delivery_id
from pushpull.ledger.tables import delivery
from pushpull.settings import Settings
from tests.ledger.builders import DAWN, Sink, a_campaign, a_wave, drained, planned
from web.app import create_app

BASE = "https://learn.example"
#: Where in a delivery the learner's request leaves; before the worker's own decision, and after it.
MOMENTS = ("writing", Step.WRITTEN.value, Step.INTENDED.value, Step.CALLED.value)
#: How far the request and the worker's next step may be apart, in seconds.
SPREAD = 0.012


@dataclass
class Race:
    """A worker and a crowd of mail clients.

    Args:
        engine: holds a wave in which every learner gets one message.
        draw: when each request leaves, and how long the worker takes before its next step.
    """

    engine: Engine
    settings: Settings
    draw: random.Random
    answered_at: dict[int, float] = field(default_factory=dict)
    decided_at: dict[int, float] = field(default_factory=dict)
    moments: dict[int, str] = field(default_factory=dict)
    posts: list[Future[int]] = field(default_factory=list)
    now_at: int = 0
    _committing: float = 0.0
    _own: threading.local = field(default_factory=threading.local)

    def run(self, wave_id: int) -> Sink:
        """Send the wave while everybody in it unsubscribes."""
        self._signer, self._app = LinkSigner.of(self.settings), create_app(self.settings, self.engine, limits=None)
        worker, sink = threading.get_ident(), _Watched(self)

        def note(_: Any) -> None:
            if threading.get_ident() == worker:
                self._committing = time.perf_counter()

        event.listen(self.engine, "commit", note)  # it tells just before a transaction is committed
        try:
            with ThreadPoolExecutor(3) as self._clients:
                drained(self.engine, wave_id, sink, on_step=self._stepped, batch_size=1)
        finally:
            event.remove(self.engine, "commit", note)
        assert {post.result() for post in self.posts} == {200}
        return sink

    def reaches(self, moment: str) -> None:
        """The worker is at this point with the learner of the moment: maybe their request leaves now."""
        if self.moments.setdefault(self.now_at, self.draw.choice(MOMENTS)) == moment:
            self.posts.append(self._clients.submit(self._unsubscribe, self.now_at))
            time.sleep(self.draw.uniform(0, SPREAD))

    def _stepped(self, step: Step, count: int) -> None:
        if step is Step.INTENDED and count:
            self.decided_at[self.now_at] = self._committing
        if step in (Step.WRITTEN, Step.INTENDED, Step.CALLED):
            self.reaches(step.value)

    def _unsubscribe(self, learner_id: int) -> int:
        if not hasattr(self._own, "client"):
            self._own.client = TestClient(self._app, base_url=BASE)
        path = self._signer.unsubscribe_url(learner_id, "email", "safety").removeprefix(BASE)
        answer = self._own.client.post(path, data={"List-Unsubscribe": "One-Click"})
        self.answered_at[learner_id] = time.perf_counter()
        return int(answer.status_code)


class _Watched(Sink):
    """The provider; it tells the race whose message is being written."""

    def __init__(self, race: Race) -> None:
        super().__init__()
        self._race = race

    def write(self, connection: Any, batch: Batch) -> Mapping[int, object]:
        self._race.now_at = batch.rows[0].learner_id
        self._race.reaches("writing")
        return super().write(connection, batch)


def _people(engine: Engine, number: int) -> list[int]:
    stamps = {"created_at": DAWN, "updated_at": DAWN}
    with writing(engine) as connection:
        connection.execute(
            insert(learner),
            [
                {"id": n, "external_id": f"p-{n}", "email": f"p-{n}@example.org", "draw": n, "active": True, **stamps}
                for n in range(1, number + 1)
            ],
        )
        a_campaign(connection)
    return list(range(1, number + 1))


def _races(engine: Engine, number: int) -> None:
    people = _people(engine, number)
    settings = Settings(_env_file=None, base_url=BASE, link_key="a secret of the tests alone")
    wave_id = planned(engine, a_wave())
    race = Race(engine, settings, random.Random(number))
    sink = race.run(wave_id)
    assert sorted(race.answered_at) == people

    got = {each for each in people if sink.received[delivery_id(wave_id, 0, each)]}
    too_late = {each for each in got if race.answered_at[each] <= race.decided_at[each]}
    assert too_late == set(), "handed over after the opt-out was committed"

    with reading(engine) as connection:
        rows = connection.execute(select(delivery).where(delivery.c.wave_id == wave_id)).all()
    assert {row.learner_id for row in rows if row.handover_id is not None} == got
    assert {row.learner_id for row in rows if row.state == "skipped"} == set(people) - got
    by_moment = Counter((race.moments[each], each in got) for each in people)
    assert not by_moment[Step.INTENDED.value, False]  # it was decided: the word counts from the next message on
    assert set() < got < set(people), "one of the two always won: nothing met"

    # Whoever unsubscribed, in time or not, is sent nothing more.
    again = Sink()
    drained(engine, planned(engine, a_wave("launch.again")), again)
    assert not again.received


def test_no_message_leaves_after_somebody_has_unsubscribed(engine: Engine) -> None:
    _races(engine, 60)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_no_message_leaves_after_somebody_has_unsubscribed_in_a_thousand_races(engine: Engine) -> None:
    _races(engine, 1000)
