"""The switches of messages, as a form sends them: for the page behind a message's own link, and for that of choices."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection
from starlette.exceptions import HTTPException

from pushpull.learners.vocabulary import Channel
from pushpull.ledger.preferences import Preferences, Switch, change_preferences, stop_everything
from web.forms import Fields


def set_switches(connection: Connection, learner_id: int, fields: Fields, *, at: datetime) -> Preferences | None:
    """Do what the form says: leave on what was left on, or stop everything.

    Returns:
        The switches as they are now; None when there is no such learner.

    Raises:
        HTTPException: 400, the form says neither.
    """
    match fields.get("action"):
        case ["stop"]:
            return stop_everything(connection, learner_id, at=at)
        case ["save"]:
            shown, on = (_switches(fields.get(name, [])) for name in ("shown", "on"))
            return change_preferences(connection, learner_id, shown=shown, on=on, at=at)
        case _:
            raise HTTPException(400, "Nothing was changed")


def _switches(values: list[str]) -> set[Switch]:
    """``email/learning`` as a switch; what names no channel is left out."""
    pairs = (value.partition("/") for value in values)
    return {(Channel(channel), family) for channel, _, family in pairs if channel in list(Channel) and family}
