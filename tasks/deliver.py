"""Delivering: what is due, in shards that any worker may drain."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from pushpull.db import reading, writing
from pushpull.learners.lists import in_texts
from pushpull.learners.tables import learner
from pushpull.ledger.drain import DrainResult, Shard, drain, shards
from pushpull.ledger.due import DueWave, due_waves, hold_misfires
from pushpull.ledger.results import close_finished
from pushpull.ledger.terms import Terms
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


def shards_of(due: DueWave, cohort: Sequence[str] = ()) -> list[Shard]:
    """How a wave is divided: one shard per core in use, one on SQLite, which has a single writer.

    Args:
        cohort: external ids; with them, one shard of just these learners.
    """
    here = installation()
    if cohort:
        with reading(here.engine) as connection:
            chosen = connection.execute(select(learner.c.id).where(in_texts(learner.c.external_id, cohort)))
            only = tuple(sorted(chosen.scalars()))
        return [Shard(due.wave_id, due.rotation, only=only)] if only else []
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
