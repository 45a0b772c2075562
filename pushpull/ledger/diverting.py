"""Rehearsals: with an override recipient everything goes to one person's addresses, and nothing of it counts.

A handover that goes there says so (``handover.diverted_to``). Whatever becomes of it, the learners it was meant for got
nothing: their rows end as ``skipped`` because they were ``diverted``, unless it was proven that the message never left,
and then they wait to be sent as before. What a provider reports about such a message is about the one who rehearses
(:mod:`pushpull.ledger.reports`), and nobody's attention budget pays for it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, select

from pushpull.learners.consent import blocked_channels
from pushpull.learners.tables import learner
from pushpull.ledger.facts import Addressed
from pushpull.ledger.reach import usable
from pushpull.ledger.specs import WaveSpec
from pushpull.ledger.tables import handover


@dataclass(frozen=True, slots=True)
class Diversion:
    """To whom everything goes.

    Args:
        channels: over which this learner may be sent to.
    """

    learner_id: int
    channels: frozenset[str]


def diversion(connection: Connection, external_id: str, spec: WaveSpec) -> Diversion | None:
    """The diversion of a wave to a learner; None where there is no such active learner."""
    person = select(learner.c.id).where(learner.c.external_id == external_id)
    blocked = blocked_channels(spec.family, spec.channels, among=lambda column: column.in_(person))
    flags = [usable(channel, blocked, spec).label(channel.value) for channel in spec.channels]
    source = learner.outerjoin(blocked, blocked.c.learner_id == learner.c.id)
    row = connection.execute(
        select(learner.c.id, *flags).select_from(source).where(learner.c.external_id == external_id, learner.c.active)
    ).one_or_none()
    if row is None:
        return None
    learner_id, *may_be_used = row
    reached = (channel.value for channel, is_usable in zip(spec.channels, may_be_used, strict=True) if is_usable)
    return Diversion(learner_id, frozenset(reached))


def diverted(meant_for: Addressed, to: Addressed) -> Addressed:
    """A learner's message as it goes to the one who rehearses.

    The words are the learner's; address and links are not, for a link acts for whom it was made for.

    Args:
        to: the one who rehearses, with links of their own.
    """
    own = to.facts
    facts = replace(
        meant_for.facts,
        link=own.link,
        unsubscribe_url=own.unsubscribe_url,
        preferences_url=own.preferences_url,
        items=tuple(replace(each, url=own.link) for each in meant_for.facts.items),
    )
    return Addressed(to.to, to.to_name, facts)


def is_diverted(handover_id: ColumnElement[UUID | None]) -> ColumnElement[bool]:
    """Whether a row's handover went to somebody else.

    Args:
        handover_id: a column of the statement this is used in.
    """
    return (
        select(handover.c.id)
        .where(handover.c.id == handover_id, handover.c.diverted_to.is_not(None))
        .correlate_except(handover)
        .exists()
    )
