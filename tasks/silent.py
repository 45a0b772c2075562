"""An installation that sends nothing: for forecasts, which play a campaign many times over.

Planning, the budget, the checks at the moment of sending and the ledger are the real ones. Only the last step is left
out: no message is written, and each counts as accepted. Its database is a copy, its channels are the sandbox's, and its
content is what it was when it was opened.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine

from content.campaign import Campaign
from pushpull.db import reading, writing
from pushpull.ledger.claims import Batch
from pushpull.ledger.couriers import NotReadyError
from pushpull.ledger.drain import drain
from pushpull.ledger.due import due_waves
from pushpull.ledger.handovers import Handover
from pushpull.ledger.outcomes import Accepted, Outcome
from pushpull.ledger.results import close_finished
from pushpull.ledger.shards import Shard
from pushpull.settings import SANDBOX, Settings
from tasks.installation import Installation, assemble
from tasks.still import StillInstallation

_ACCEPTED = Accepted()
#: As many as a sandbox takes at once.
_REQUEST = 1_000


class SilentCourier:
    """Writes nothing, carries nothing, and says that it was accepted."""

    def request_size(self, channel: str) -> int:
        """As many as a batch has."""
        return _REQUEST

    def per_second(self, channel: str) -> float | None:
        """As many as come."""
        return None

    def group_of(self, message: object) -> Hashable:
        """All travel together."""
        return None

    def reserve(self, channel: str, count: int) -> Sequence[str]:
        """Nothing is planned ahead."""
        raise NotReadyError("cannot_plan_ahead")

    def write(self, connection: Connection, batch: Batch) -> Mapping[int, object]:
        """A message without words for each."""
        return {row.learner_id: row.learner_id for row in batch.rows}

    def carry(self, channel: str, handover: Handover, messages: Sequence[object], **when: object) -> Sequence[Outcome]:
        """All of them are accepted."""
        return [_ACCEPTED] * len(messages)


@dataclass(frozen=True, eq=False)
class SilentInstallation(StillInstallation):
    """An installation whose waves ask nobody: a forecast is of what is approved."""

    def _loaded(self, key: str) -> Campaign:
        return super()._loaded(key).model_copy(update={"approval_above": None, "second_approval_above": None})


def open_silently(as_set: Mapping[str, Any], database: Path, outbox: Path) -> SilentInstallation:
    """An installation with everything set as in another one, but for its database and where messages go.

    Args:
        as_set: values of :data:`AS_SET`, from the other one's settings.
        database: a SQLite file; made when missing.
        outbox: a folder of its own.
    """
    chosen = Settings(
        _env_file=None,
        **as_set,
        database_url=f"sqlite:///{database}",
        outbox_dir=outbox,
        channels=SANDBOX,
        credentials_block="",
    )
    return SilentInstallation.of(assemble(chosen))


#: What decides whom a campaign writes to, and when.
AS_SET = (
    "content_dir",
    "timezone",
    "global_holdout",
    "cap_per_day",
    "cap_per_week",
    "cap_per_month",
    "mandatory_cap_per_day",
    "misfire_grace_minutes",
    "works_council",
    "fewest_people",
)


def send_silently(here: Installation, now: datetime) -> int:
    """Play sending everything that is due.

    Args:
        now: the campaigns' clock, UTC.

    Returns:
        How many messages counted as accepted.
    """
    sent, options, courier = 0, replace(here.drain_options("forecast"), batch_size=_REQUEST), SilentCourier()
    with reading(here.engine) as connection:
        due = due_waves(connection, now=now, global_holdout=here.settings.global_holdout)
    for wave in due:
        of = Shard(wave.wave_id, wave.rotation)
        sent += drain(here.engine, of, wave.rules, courier, options=options).accepted
    if due:
        with writing(here.engine) as connection:
            close_finished(connection, now=now)
    return sent


def sending(here: Installation) -> partial[int]:
    """What a rehearsal is given to send with."""
    return partial(send_silently, here)


def replace_database(engine: Engine, template: Path, database: Path) -> None:
    """Begin anew with a copy of a database; statements that were compiled for the former one stay compiled."""
    engine.dispose()
    for tail in ("-wal", "-shm"):
        database.with_name(database.name + tail).unlink(missing_ok=True)
    database.write_bytes(template.read_bytes())
