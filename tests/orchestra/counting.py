"""What the ledger says was sent, against what arrived at the providers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from sqlalchemy import Engine, func, select

from pushpull.db import reading
from pushpull.ledger.tables import delivery, wave
from pushpull.ledger.vocabulary import ACCEPTED_STATES, OPEN_STATES, DeliveryState
from tests.standin.engine import StandIn

_ACCEPTED = {state.value for state in ACCEPTED_STATES}
_OPEN = {state.value for state in OPEN_STATES}


@dataclass(frozen=True)
class Count:
    """A comparison.

    Args:
        arrived: messages at the providers.
        missing: deliveries, ``wave-rotation-learner``, that the ledger counts as sent and nobody got.
        doubled: deliveries that arrived more than once.
        unknown: messages of no delivery that the ledger counts as sent.
        open: deliveries nobody is finished with.
        parked: deliveries nobody knows the outcome of.
        states: how many deliveries are in each state.
    """

    arrived: int
    missing: set[str]
    doubled: dict[str, int]
    unknown: set[str]
    open: set[str]
    parked: set[str]
    states: dict[str, int] = field(default_factory=dict)

    def is_exact(self) -> bool:
        """Whether all got one message, and nobody two."""
        return not (self.missing or self.doubled or self.unknown or self.open or self.parked)


def missing_and_doubled(engine: Engine, standin: StandIn, *, wave_key: str = "") -> Count:
    """Compare the ledger with what the providers took.

    Args:
        wave_key: of the only wave to look at, or how it begins; empty: all.
    """
    rows = select(delivery.c.wave_id, delivery.c.rotation, delivery.c.learner_id, delivery.c.state)
    with reading(engine) as connection:
        ids = set(connection.execute(select(wave.c.id).where(wave.c.key.startswith(wave_key))).scalars())
        found = {
            f"{row.wave_id}-{row.rotation}-{row.learner_id}": row.state
            for row in connection.execute(rows.where(delivery.c.wave_id.in_(ids)))
        }
    taken = Counter(
        message.delivery_id
        for provider in standin.providers.values()
        for message in provider.taken()
        if message.delivery_id.split("-")[0] in {str(each) for each in ids} or not message.delivery_id
    )
    accepted = {each for each, state in found.items() if state in _ACCEPTED}
    return Count(
        arrived=taken.total(),
        missing=accepted - set(taken),
        doubled={each: count for each, count in taken.items() if count > 1},
        unknown=set(taken) - accepted,
        open={each for each, state in found.items() if state in _OPEN},
        parked={each for each, state in found.items() if state == DeliveryState.PARKED},
        states=dict(Counter(found.values())),
    )


def how_many(engine: Engine, *states: DeliveryState) -> int:
    """How many deliveries are in these states; in any, where none is named."""
    chosen = select(func.count()).select_from(delivery)
    if states:
        chosen = chosen.where(delivery.c.state.in_([state.value for state in states]))
    with reading(engine) as connection:
        return int(connection.execute(chosen).scalar_one())


def arrivals(standin: StandIn) -> int:
    """How many messages all providers took so far."""
    return sum(len(provider.taken()) for provider in standin.providers.values())
