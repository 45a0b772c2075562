"""Errors in words: which of them a person can act on, and what they say. Everything else is a mistake in the code."""

from __future__ import annotations

_OURS = {"channels", "cli", "content", "deployments", "flows", "pushpull", "tasks", "web"}


def in_words(error: Exception) -> str | None:
    """What an error says to a person; None when it is a mistake in the code, which needs its traceback.

    Our own errors are written for people. Of others, those are told that speak of this installation: settings, the
    database, files and the network.
    """
    if isinstance(error, AssertionError):
        return None
    if type(error).__module__.split(".", 1)[0] in _OURS:
        return str(error)
    if isinstance(error, OSError):
        return str(error)
    return _settings(error) or _database(error) or _network(error)


def _settings(error: Exception) -> str | None:
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return None
    of_settings = error.title == "Settings"
    problems = []
    for each in error.errors(include_url=False):
        place = ".".join(str(part) for part in each["loc"])
        name = f"{f'PUSHPULL_{place.upper()}' if of_settings else place}: " if place else ""
        problems.append(name + each["msg"].removeprefix("Value error, "))
    return "; ".join(problems) + ("; see .env.example, and run `pushpull doctor`" if of_settings else "")


def _database(error: Exception) -> str | None:
    from sqlalchemy.exc import ArgumentError, DatabaseError, InterfaceError

    if isinstance(error, ArgumentError):
        return "PUSHPULL_DATABASE_URL cannot be read; write sqlite:///path or postgresql://user:password@host/db"
    if isinstance(error, DatabaseError | InterfaceError):
        reason = str(error.orig or error).splitlines()[0]
        return f"the database refuses: {reason}; run `pushpull doctor`"
    return None


def _network(error: Exception) -> str | None:
    from httpx import HTTPError

    return f"no answer over the network: {error}" if isinstance(error, HTTPError) else None
