"""Switches in an installation without a Prefect server: the ledger alone says how everything is set."""

from __future__ import annotations

import asyncio
import email
import re
import subprocess
import sys
import time
from dataclasses import replace
from datetime import datetime, timedelta
from email import policy
from threading import active_count

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings
from sqlalchemy import insert, select, update

from channels.outbox import build_outbox
from channels.parcels import parcel_folder, read
from flows.dispatch import dispatch
from flows.launch import launch
from pushpull.db import reading, writing
from pushpull.learners.tables import learner
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.claims import Batch, Claimed
from pushpull.ledger.due import due_waves
from pushpull.ledger.links import Purpose
from pushpull.ledger.messages import parse_delivery_id
from pushpull.ledger.switches import SwitchError, Switches, set_switch
from pushpull.ledger.tables import conversation, delivery, handover
from pushpull.ledger.vocabulary import DeliveryState, Reason, SwitchName
from tasks.courier import CampaignCourier
from tasks.deliver import shards_of
from tasks.installation import Installation
from tasks.switches import Refresher, read_switches, set_everywhere
from tests.flows.conftest import CAMPAIGN, company, launch_day

__all__ = ["company", "launch_day"]

PAUSE, PILOT, OVERRIDE = SwitchName.PAUSE, SwitchName.PILOT, SwitchName.OVERRIDE_RECIPIENT
REHEARSING = "rehearsing@example.org"


def set_to(here: Installation, name: SwitchName, value: object, at: datetime) -> None:
    with writing(here.engine) as connection:
        set_switch(connection, name, value, who="ops", at=at)


def sent(here: Installation) -> list[tuple[int, bytes]]:
    """Every message of the outbox: of which learner's delivery, and itself."""
    parcels = (path for path in sorted(parcel_folder(here.settings.outbox_dir).rglob("*.parcel")))
    return [(parse_delivery_id(name)[2], raw) for path in parcels for name, raw in read(path).messages()]


@pytest.fixture
def planned(company: Installation, launch_day: datetime) -> Installation:
    with writing(company.engine) as connection:
        connection.execute(
            insert(learner).values(
                external_id="rehearsing",
                given_name="Robin",
                email=REHEARSING,
                preferred_language="en",
                draw=1,
                created_at=launch_day,
                updated_at=launch_day,
            )
        )
    asyncio.run(launch.fn(campaign=CAMPAIGN, as_of=launch_day.isoformat()))
    return company


def send(day: datetime) -> None:
    for hours in (9, 15):  # nine o'clock in Berlin, then in New York
        asyncio.run(dispatch.fn(as_of=(day + timedelta(hours=hours)).isoformat()))


def test_a_pause_holds_back_every_dispatch(planned: Installation, launch_day: datetime) -> None:
    set_to(planned, PAUSE, True, launch_day)
    asyncio.run(dispatch.fn(as_of=(launch_day + timedelta(hours=9)).isoformat()))
    assert sent(planned) == []
    set_to(planned, PAUSE, False, launch_day)
    send(launch_day)
    assert len(sent(planned)) > 30


def test_a_pilot_reaches_its_guests_alone(planned: Installation, launch_day: datetime) -> None:
    set_to(planned, PILOT, [f"e{number}" for number in range(10)], launch_day)
    send(launch_day)
    with reading(planned.engine) as connection:
        guests = set(
            connection.execute(
                select(learner.c.id).where(learner.c.external_id.in_([f"e{n}" for n in range(10)]))
            ).scalars()
        )
    reached = {learner_id for learner_id, _ in sent(planned)}
    assert reached
    assert reached <= guests


def test_a_rehearsal_writes_to_one_address_with_no_link_of_anybody_else(
    planned: Installation, launch_day: datetime
) -> None:
    set_to(planned, OVERRIDE, "rehearsing", launch_day)
    send(launch_day)
    messages = sent(planned)
    assert len(messages) > 30
    with reading(planned.engine) as connection:
        robin = connection.execute(select(learner.c.id).where(learner.c.external_id == "rehearsing")).scalar_one()
        people = dict(connection.execute(select(learner.c.id, learner.c.email)).all())
        states = connection.execute(
            select(delivery.c.state, delivery.c.reason).where(delivery.c.handover_id.is_not(None)).distinct()
        ).all()
        diverted_to = set(connection.execute(select(handover.c.diverted_to)).scalars())
    assert {tuple(row) for row in states} == {(DeliveryState.SKIPPED, Reason.DIVERTED)}
    assert diverted_to == {robin}
    links = 0
    for learner_id, raw in messages:
        text = raw.decode()
        assert REHEARSING in text
        if learner_id != robin:
            assert people[learner_id] not in text
        for purpose in Purpose:
            for token in _tokens(text, purpose, planned):
                assert planned.links.read(token, purpose, launch_day).learner_id == robin
                links += 1
    assert links >= 2 * len(messages)
    assert build_outbox(planned.settings.outbox_dir).exists()


def _tokens(text: str, purpose: Purpose, here: Installation) -> set[str]:
    parsed = email.message_from_string(text, policy=policy.default)
    parts = [part.get_content() for part in parsed.walk() if part.get_content_maintype() == "text"]
    words = "\n".join([*parts, *(str(value) for value in parsed.values())])
    base = re.escape(f"{here.settings.base_url.rstrip('/')}/{purpose.value}/")
    return set(re.findall(base + r"([\w-]{40,})", words))


def test_a_rehearsed_chat_goes_into_the_conversation_of_the_one_who_rehearses(
    planned: Installation, launch_day: datetime
) -> None:
    with writing(planned.engine) as connection:
        connection.execute(update(learner).values(teams_id="oid-" + learner.c.external_id))
        for name in ("rehearsing", "e1"):
            connection.execute(
                insert(conversation).values(
                    channel="teams",
                    address=f"oid-{name}",
                    service_url="https://teams",
                    user_id=f"29:{name}",
                    recorded_at=launch_day,
                )
            )
        ids = dict(connection.execute(select(learner.c.external_id, learner.c.id)).all())
    with reading(planned.engine) as connection:
        (due, *_) = due_waves(connection, now=launch_day + timedelta(hours=9), global_holdout=0)
        rules = due.rules
        spec = rules.spec.model_copy(update={"channels": (Channel.TEAMS,)})

        courier = CampaignCourier(connection, planned, replace(rules, spec=spec), planned.renderer(CAMPAIGN))
        row = Claimed(ids["e1"], None, "en", None, 0, launch_day + timedelta(days=1))
        for to, name in ((None, "e1"), (ids["rehearsing"], "rehearsing")):
            batch = Batch(due.wave_id, 0, "teams", "token", launch_day, (row,), diverted_to=to)
            (written,) = courier.write(connection, batch).values()
            assert written.addressed.to == f"oid-{name}"  # type: ignore[attr-defined]
            assert written.conversation.user_id == f"29:{name}"  # type: ignore[attr-defined]


# ---- without a server


def test_outside_of_a_run_the_ledger_alone_is_read_even_where_a_server_is_named(
    planned: Installation, launch_day: datetime
) -> None:
    set_to(planned, PILOT, ["e1"], launch_day)
    threads = active_count()
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):  # a demo must not take its Variables
        began = time.perf_counter()
        for _ in range(20):
            assert read_switches() == Switches(guests=("e1",))
        refresher = Refresher(every=0)
        for _ in range(1_000):
            refresher.maybe("a step", 1)
        assert time.perf_counter() - began < 2
    assert active_count() == threads


def test_where_no_server_is_configured_the_ledger_alone_is_set(planned: Installation, launch_day: datetime) -> None:
    with temporary_settings({PREFECT_API_URL: None}):
        assert set_everywhere(PAUSE, True, who="ops", why="because", at=launch_day)
        assert not set_everywhere(PAUSE, True, who="ops", why="because", at=launch_day)
        with pytest.raises(SwitchError):
            set_everywhere(OVERRIDE, "nobody", who="ops", why="because", at=launch_day)
    assert read_switches() == Switches(is_paused=True)


def test_a_pilot_with_nobody_due_makes_no_shard(planned: Installation, launch_day: datetime) -> None:

    with reading(planned.engine) as connection:
        (due, *_) = due_waves(connection, now=launch_day + timedelta(hours=9), global_holdout=0)
    assert shards_of(due, only=["nobody"]) == []


def test_the_switches_cost_the_command_line_no_server() -> None:
    script = (
        "import sys; import tasks.switches; "
        "assert 'prefect.server.api.server' not in sys.modules, 'an import that starts what only a server needs'"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
