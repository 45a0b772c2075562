"""Delivering: what is due, in shards that any worker may drain."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import select

from pushpull.db import reading, writing
from pushpull.learners.lists import in_texts
from pushpull.learners.tables import learner
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.drain import DrainResult, drain
from pushpull.ledger.due import DueWave, due_waves, hold_misfires, waves_ahead
from pushpull.ledger.results import close_finished
from pushpull.ledger.shards import Shard, shards
from pushpull.ledger.terms import Terms
from tasks.courier import CampaignCourier
from tasks.installation import installation
from tasks.step import step

#: Learners a shard has at the least: below that, splitting costs more than it saves.
_WORTH_A_SHARD = 20_000

#: After so long a drain lets others have their turn: what has become due meanwhile may be more important, and the clock
#: the rules go by must not stand still.
_SLICE = timedelta(minutes=1)

#: Batches of a shard under way at the same time where a provider's answers take a while.
_SENDERS = 4

#: How many times larger batches are where e-mails are shared; what differs is some hundred bytes for each.
_SHARED_BATCH = 4

#: The least a provider that keeps messages must be given them ahead, and the time one run takes at the most.
_LEAD = timedelta(minutes=16)


@step("find due waves")
def find_due(as_of: datetime, *, hold_late: bool = True) -> list[DueWave]:
    """The waves with due deliveries, most important first; waves that are too late are held for a person instead."""
    here = installation()
    with writing(here.engine) as connection:
        if hold_late:
            hold_misfires(connection, now=as_of)
        return due_waves(connection, now=as_of, global_holdout=here.settings.global_holdout)


@step("find waves to plan ahead")
def find_ahead(as_of: datetime) -> list[DueWave]:
    """The waves whose e-mails the provider may be given before they are due, where the installation does that."""
    here = installation()
    ahead = timedelta(minutes=here.settings.email_plan_ahead_minutes)
    if not ahead or not here.adapters[Channel.EMAIL].limits.can_plan_ahead:
        return []
    with reading(here.engine) as connection:
        return waves_ahead(
            connection,
            after=as_of + _LEAD,
            upto=as_of + ahead,
            channel=Channel.EMAIL.value,
            global_holdout=here.settings.global_holdout,
        )


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
def drain_shard(shard: Shard, rules: Terms, is_ahead: bool = False) -> DrainResult:
    """Send what is due in one shard of a wave. Safe to run any number of times, also at once with itself.

    Args:
        is_ahead: give the provider what becomes due at ``rules.as_of``, to be sent then.
    """
    here = installation()
    renderer = here.renderer(rules.spec.campaign_key)
    with reading(here.engine) as connection:
        courier = CampaignCourier(connection, here, rules, renderer)
    worker = f"{socket.gethostname()[:12]}-{os.getpid()}"
    is_far = here.settings.channels != "sandbox" and here.engine.dialect.name != "sqlite"
    usual = here.drain_options(worker)
    # Shared e-mails travel by language and shape: of a larger batch, each request gets enough of a kind to be worth it.
    shares = any(here.adapters[channel].limits.takes_shared_bodies for channel in rules.spec.channels)
    options = replace(
        usual,
        batch_size=usual.batch_size * (_SHARED_BATCH if shares else 1),
        slice=_SLICE,
        senders=_SENDERS if is_far else 1,
        send_at=rules.as_of if is_ahead else None,
        channels=(Channel.EMAIL,) if is_ahead else (),
    )
    return drain(here.engine, shard, rules, courier, options=options)


@step("close finished waves")
def close_waves(as_of: datetime) -> int:
    """Mark waves without open rows.

    Returns:
        How many.
    """
    with writing(installation().engine) as connection:
        return close_finished(connection, now=as_of)
