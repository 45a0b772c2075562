"""How a worker drains, what it did, and the steps between which it may die."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from pushpull.learners.vocabulary import Channel
from pushpull.ledger.budget import OrganisationCaps
from pushpull.ledger.settling import Settled
from pushpull.ledger.switches import Switches
from pushpull.ledger.vocabulary import Reason

#: Why a drain was left, where a switch and not the wave's own status did it.
EVERYTHING_PAUSED = "everything is paused"
NOBODY_TO_DIVERT_TO = "the override recipient is no active learner"


class Step(StrEnum):
    """The steps between which a worker may die."""

    CLAIMED = "claimed"
    WRITTEN = "written"
    INTENDED = "intended"
    CALLED = "called"
    RECORDED = "recorded"


@dataclass(frozen=True, kw_only=True)
class DrainOptions:
    """How a worker works.

    Args:
        worker: a name for logs and claims.
        lease: how long a claim and a handover hold, by the database's clock.
        deadline: how long a provider call may take; shorter than the lease.
        batch_size: deliveries claimed at once.
        senders: batches under way at the same time, each with a thread and a database connection of its own.
        slice: how long to go on claiming before other waves get their turn; None: until nothing is due.
        send_at: for planned mail, the instant (UTC) the provider is to send it at; only what is due then is taken.
        channels: only these; empty: all of the wave.
        switches: how everything was set when the drain was decided on; when they are set otherwise it ends, so that
            whoever dispatches begins anew by the present ones.
    """

    worker: str
    caps: OrganisationCaps
    lease: timedelta = timedelta(seconds=60)
    deadline: timedelta = timedelta(seconds=30)
    batch_size: int = 500
    senders: int = 1
    slice: timedelta | None = None
    send_at: datetime | None = None
    channels: tuple[Channel, ...] = ()
    switches: Switches = field(default_factory=Switches)

    def __post_init__(self) -> None:
        if self.deadline >= self.lease:
            raise ValueError(
                f"the call deadline ({self.deadline}) must be shorter than the lease ({self.lease}): "
                "set PUSHPULL_CALL_DEADLINE_SECONDS below PUSHPULL_LEASE_SECONDS"
            )


@dataclass
class DrainResult:
    """What one drain did, by outcome and by reason.

    Args:
        stopped: why the wave was left, by a person's or a stop signal's word.
        paused: why channels were left for a person, by channel; the others went on.
        deferred: why channels were left for a while, by channel.
        has_more: the time was up, or a switch was set otherwise, before everything due was sent.
        gave_way: before that, because something else has become due.
        is_switched: a switch was set otherwise: what is due goes by the new ones.
    """

    accepted: int = 0
    rejected: int = 0
    not_sent: int = 0
    uncertain: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)
    stopped: str | None = None
    paused: dict[str, str] = field(default_factory=dict)
    deferred: dict[str, str] = field(default_factory=dict)
    has_more: bool = False
    gave_way: bool = False
    is_switched: bool = False

    def add(self, settled: Settled) -> None:
        """Count one settled handover."""
        self.accepted += settled.accepted
        self.rejected += settled.rejected
        self.not_sent += settled.not_sent
        self.uncertain += settled.uncertain
        if settled.diverted:
            self.skipped[Reason.DIVERTED.value] += settled.diverted

    def leave(self, now_set: Switches) -> None:
        """Note that the switches ended the drain."""
        if now_set.is_paused:
            self.stopped = EVERYTHING_PAUSED
        else:
            self.is_switched = self.has_more = True
