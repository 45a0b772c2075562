"""Delivering: what is due, in shards that any worker may drain."""

from __future__ import annotations

import os
import socket
from datetime import datetime

from pushpull.db import reading, writing
from pushpull.ledger.drain import DrainResult, Shard, drain, shards
from pushpull.ledger.due import DueWave, due_waves, hold_misfires
from pushpull.ledger.eligibility import Terms
from pushpull.ledger.results import close_finished
from tasks.courier import CampaignCourier
from tasks.installation import installation
from tasks.step import step

#: Learners a shard has at the least: below that, splitting costs more than it saves.
_WORTH_A_SHARD = 20_000


@step("find due waves")
def find_due(as_of: datetime, *, hold_late: bool = True) -> list[DueWave]:
    """The waves with due deliveries, most important first; waves that are too late are held for a person instead."""
    here = installation()
    with writing(here.engine) as connection:
        if hold_late:
            hold_misfires(connection, now=as_of)
        return due_waves(connection, now=as_of, global_holdout=here.settings.global_holdout)


def shards_of(due: DueWave) -> list[Shard]:
    """How a wave is divided: one shard per core in use, none on SQLite, which has a single writer."""
    here = installation()
    many = 1
    if here.engine.dialect.name != "sqlite":
        many = max(1, min(os.cpu_count() or 1, due.due // _WORTH_A_SHARD))
    with reading(here.engine) as connection:
        return shards(connection, wave_id=due.wave_id, rotation=due.rotation, count=many)


@step("drain shard", run_name="wave {shard.wave_id} from {shard.after}")
def drain_shard(shard: Shard, rules: Terms) -> DrainResult:
    """Send what is due in one shard of a wave. Safe to run any number of times, also at once with itself."""
    here = installation()
    renderer = here.renderer(rules.spec.campaign_key)
    with reading(here.engine) as connection:
        courier = CampaignCourier(connection, here, rules, renderer)
    worker = f"{socket.gethostname()[:12]}-{os.getpid()}"
    return drain(here.engine, shard, rules, courier, options=here.drain_options(worker))


@step("close finished waves")
def close_waves(as_of: datetime) -> int:
    """Mark waves without open rows.

    Returns:
        How many.
    """
    with writing(installation().engine) as connection:
        return close_finished(connection, now=as_of)
