"""Switches: what ops can set for everything at once. A handover looks at them before every request.

The ledger's rows are what counts; Prefect's Variables of the same names are copied into them (`tasks.switches`).
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from pushpull.ledger.tables import switch
from pushpull.ledger.vocabulary import SwitchName


@dataclass(frozen=True, slots=True)
class Switches:
    """How everything is set.

    Args:
        is_paused: nothing is handed over, of any campaign or class.
        guests: external ids; only these learners are sent to. Empty: everybody.
        override_recipient: external id of the learner to whose addresses everything goes; empty: nobody.
    """

    is_paused: bool = False
    guests: tuple[str, ...] = ()
    override_recipient: str = ""


def switches(connection: Connection) -> Switches:
    """The switches as they are now."""
    found = dict(connection.execute(select(switch.c.name, switch.c.value)).all())
    return Switches(
        is_paused=bool(found.get(SwitchName.PAUSE.value, False)),
        guests=tuple(found.get(SwitchName.PILOT.value, ())),
        override_recipient=str(found.get(SwitchName.OVERRIDE_RECIPIENT.value, "")),
    )
