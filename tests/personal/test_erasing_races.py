"""Erasing against sending: nothing is handed over to somebody who was erased before, and late news wakes nobody."""

from __future__ import annotations

import random
import time
from datetime import timedelta

from sqlalchemy import Engine, func, insert, select

from pushpull.db import reading, writing
from pushpull.learners.tables import learner, suppression
from pushpull.ledger.erased import peppers_of
from pushpull.ledger.events import DeliveryFact, record_facts
from pushpull.ledger.messages import delivery_id
from pushpull.ledger.tables import delivery, delivery_event, handover
from pushpull.ledger.vocabulary import EventKind
from pushpull.personal import erase
from pushpull.settings import Settings
from tests.ledger.builders import DAWN, NOON, Sink, a_campaign, a_wave, drained, planned
from tests.web.test_races import BASE, Race

SETTINGS = Settings(_env_file=None, base_url=BASE, link_key="a secret of the tests alone")
PEPPER = peppers_of(SETTINGS)[0]
PEOPLE = range(1, 41)


class ErasingRace(Race):
    """A worker, and people who erase themselves instead of unsubscribing."""

    def _unsubscribe(self, learner_id: int) -> int:
        erased(self.engine, learner_id)
        self.answered_at[learner_id] = time.perf_counter()
        return 200


def erased(engine: Engine, learner_id: int) -> int:
    with writing(engine) as connection:
        done = erase(connection, learner_id, by="learner", who="learner", why=None, pepper=PEPPER, at=NOON)
    return done.skipped


def a_company(engine: Engine) -> None:
    stamps = {"created_at": DAWN, "updated_at": DAWN}
    with writing(engine) as connection:
        connection.execute(
            insert(learner),
            [
                {"id": n, "external_id": f"p-{n}", "email": f"p-{n}@example.org", "draw": n, "active": True, **stamps}
                for n in PEOPLE
            ],
        )
        a_campaign(connection)


def test_no_message_leaves_after_somebody_was_erased(engine: Engine) -> None:
    a_company(engine)
    wave_id = planned(engine, a_wave())
    race = ErasingRace(engine, SETTINGS, random.Random(7))
    sink = race.run(wave_id)
    assert set(race.answered_at) == set(PEOPLE)
    got = {each for each in PEOPLE if sink.received[delivery_id(wave_id, 0, each)]}
    assert {each for each in got if race.answered_at[each] <= race.decided_at[each]} == set()
    assert got, "nobody was ever sent to: nothing met"
    assert got < set(PEOPLE), "nobody was ever erased in time: nothing met"
    with reading(engine) as connection:
        rows = connection.execute(select(delivery).where(delivery.c.wave_id == wave_id)).all()
        handed_over = connection.scalar(select(func.sum(handover.c.size)))
    assert len(rows) == len(PEOPLE)  # counts of the ledger stay
    assert {row.learner_id for row in rows if row.handover_id is not None} == got
    assert {row.learner_id for row in rows if row.state == "skipped"} == set(PEOPLE) - got
    assert handed_over == len(got)
    again = Sink()
    drained(engine, planned(engine, a_wave("launch.again")), again)
    assert not again.received


def test_news_of_an_erased_persons_message_is_counted_and_quotes_nothing(engine: Engine) -> None:
    a_company(engine)
    wave_id = planned(engine, a_wave())
    drained(engine, wave_id, Sink())
    erased(engine, 1)
    told = [
        DeliveryFact(
            source="callback", source_id=f"{wave_id}-0-{who}:{kind}", wave_id=wave_id, rotation=0, learner_id=who,
            kind=kind, occurred_at=NOON + timedelta(hours=1), detail=f"550 no such user p-{who}@example.org",
        )
        for who in (1, 2)
        for kind in (EventKind.BOUNCED, EventKind.COMPLAINED, EventKind.OPTED_OUT)
    ]  # fmt: skip
    with writing(engine) as connection:
        assert record_facts(connection, told) == 6
        details = connection.execute(select(delivery_event.c.learner_id, delivery_event.c.detail)).all()
        blocked = set(connection.execute(select(suppression.c.learner_id)).scalars())
        state = connection.scalar(select(delivery.c.state).where(delivery.c.learner_id == 1))
    assert {(row.learner_id, bool(row.detail)) for row in details} == {(1, False), (2, True)}
    assert blocked == {2}
    assert state == "bounced"
