"""A run that asks a person, in turns: which question and answer it is at, as Prefect keeps it."""

from __future__ import annotations

from typing import NamedTuple

from prefect.context import FlowRunContext


class Turn(NamedTuple):
    """One question and answer of a run.

    Args:
        number: the first is 1.
        shown: the hash of what was asked about.
    """

    number: int
    shown: str

    @property
    def key(self) -> str:
        """As Prefect keeps it."""
        return f"{self.number}-{self.shown}"


def last_turn() -> Turn | None:
    """The last question this run has asked; None before the first one."""
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    asked = [key.partition("-") for key in (run.empirical_policy.pause_keys or ()) if key] if run else []
    turns = [Turn(int(number), shown) for number, _, shown in asked if number.isdigit()]
    return max(turns, default=None)
