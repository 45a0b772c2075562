"""The switches of ops, as Prefect's Variables and the ledger have them."""

from __future__ import annotations

from pushpull.db import reading
from pushpull.ledger.switches import Switches, switches
from tasks.installation import installation
from tasks.step import step


@step("read switches")
def read_switches() -> Switches:
    """How everything is set now."""
    with reading(installation().engine) as connection:
        return switches(connection)
