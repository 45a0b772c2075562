"""Reaping silent workers' rows and settling what nobody knows the outcome of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pushpull.learners.vocabulary import Channel
from pushpull.ledger.outcomes import Evidence, Question
from pushpull.ledger.reconcile import Reaped, Reconciled, reap, reconcile
from tasks.installation import installation
from tasks.step import step


@step("reap")
def reap_silent() -> Reaped:
    """Put back what a dead worker only claimed; mark what it had handed over as uncertain."""
    return reap(installation().engine)


@step("reconcile")
def settle_uncertain(as_of: datetime) -> Reconciled:
    """Settle uncertain deliveries by what the providers know, or park them for a person."""
    here = installation()

    def look_up(channel: str, questions: Sequence[Question]) -> Sequence[Evidence]:
        adapter = here.adapters[Channel(channel)]
        return adapter.look_up(questions) if adapter.can_look_up else []

    return reconcile(here.engine, look_up, now=as_of, patience=here.patience)
