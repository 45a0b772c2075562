"""Learners who can be reached on every channel, and waves for them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Engine

from pushpull.db import writing
from pushpull.learners.consent import opt_in
from pushpull.learners.vocabulary import Channel
from tests.ledger.builders import ALWAYS, DAWN, a_campaign, a_learner, a_wave, planned


def recruits(connection: Connection, number: int, *, first: int = 0, zone: str = "Europe/Berlin") -> list[int]:
    """So many learners with an address on every channel, who said yes to text messages."""
    found = []
    for place in range(first, first + number):
        learner_id = a_learner(
            connection,
            zone=zone,
            phone=f"+4915{place:08}",
            slack_id=f"U{place:08}",
            teams_id=f"aaaaaaaa-bbbb-4ccc-8ddd-{place:012}",
        )
        opt_in(connection, learner_id, channel=Channel.SMS.value, family="safety", source="test", at=DAWN)
        found.append(learner_id)
    return found


def a_wave_for(engine: Engine, number: int, channel: Channel, **fields: Any) -> tuple[int, set[str]]:
    """A planned wave over one channel: its id, and the delivery ids of everybody."""
    with writing(engine) as connection:
        a_campaign(connection)
        people = recruits(connection, number)
    wave_id = planned(engine, a_wave(channels=(channel,), window=ALWAYS, **fields))
    return wave_id, {f"{wave_id}-0-{learner_id}" for learner_id in people}
