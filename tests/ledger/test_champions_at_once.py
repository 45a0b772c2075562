"""Invitations planned at once: as many as there are places, and nobody asked by two campaigns."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Engine, func, insert, select

from pushpull.db import reading, writing
from pushpull.learners.tables import champion
from pushpull.ledger.planning import plan, write_rows
from pushpull.ledger.specs import WaveSpec
from pushpull.ledger.tables import campaign, campaign_item
from pushpull.ledger.terms import Terms
from tests.learners.peers import NOW
from tests.ledger.builders import a_wave
from tests.ledger.test_champions import invitation, peers, rules, vouched

#: Long enough for a planner that waits for nobody to be through.
A_MOMENT = 0.5


def while_another_plans(engine: Engine, first: Terms, second: WaveSpec) -> tuple[int, int]:
    """Plan ``second`` while the transaction that plans ``first`` is not committed yet; how many each invites."""
    written, through = threading.Event(), threading.Event()

    def planned_slowly() -> int:
        with writing(engine) as connection:
            write_rows(connection, first, wave_id=99, rotation_number=0)
            invited = connection.scalar(select(func.count()).select_from(champion))
            written.set()
            through.wait(A_MOMENT)
        return invited or 0

    def planned_meanwhile() -> int:
        written.wait()
        result = plan(engine, second, as_of=NOW)
        through.set()
        return result.planned

    with ThreadPoolExecutor(2) as pool:
        slowly, meanwhile = pool.submit(planned_slowly), pool.submit(planned_meanwhile)
        return slowly.result(), meanwhile.result()


def test_two_waves_at_once_fill_no_more_places_than_there_are(engine: Engine) -> None:
    with writing(engine) as connection:
        peers(connection)
        for who in range(1, 7):
            vouched(connection, who)
    invited = while_another_plans(
        engine, rules(invitation(places=3)), a_wave("champions.second", campaign="spring", on=NOW.date(), champions=4)
    )
    assert invited == (3, 1)


def test_two_campaigns_at_once_do_not_ask_the_same_person(engine: Engine) -> None:
    with writing(engine) as connection:
        peers(connection)
        for who in range(1, 5):
            vouched(connection, who)
        connection.execute(
            insert(campaign).values(
                id=2, key="autumn", name="Autumn", family="learning", message_class="nudge", priority=0,
                definition={}, content_hash="", updated_at=NOW,
            )
        )  # fmt: skip
        connection.execute(insert(campaign_item), [{"campaign_id": 2, "item_id": n} for n in (1, 2, 3)])
    invited = while_another_plans(
        engine,
        rules(invitation(places=3)),
        a_wave("champions.invitation", campaign="autumn", on=NOW.date(), champions=3),
    )
    assert invited == (3, 1)
    with reading(engine) as connection:
        asked = connection.execute(select(champion.c.learner_id)).scalars().all()
    assert sorted(asked) == [1, 2, 3, 4]
