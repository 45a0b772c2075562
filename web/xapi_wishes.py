"""Requests to the learning record store, and what is wrong with them.

A request that is wrong says what is wrong with it, and never repeats what was sent. Numbers in docstrings are those of
xAPI 1.0.3, part three.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Never

from starlette.responses import Response

from pushpull.importers.json_text import NotJsonError, read_json
from pushpull.importers.refusals import Refused
from pushpull.importers.sources import Source
from pushpull.importers.xapi import rules
from pushpull.importers.xapi.statements import check_actor
from web.ingest import Call
from web.site import Site


class WishRefusedError(Exception):
    """A request that is not fulfilled.

    Args:
        status: of the answer.
        reason: what to do about it.
        headers: that the answer needs.
    """

    def __init__(self, status: int, reason: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = dict(headers or {})


@dataclass(frozen=True)
class Wish:
    """A request by a source we know.

    Args:
        at: when it came.
    """

    site: Site
    source: Source
    call: Call
    at: datetime

    @property
    def is_second(self) -> bool:
        """Whether it is spoken in xAPI 2.0 (IEEE 9274.1.1)."""
        return self.call.headers.get("x-experience-api-version", "").startswith("2")

    def only(self, *names: str) -> None:
        """Refuse parameters that the resource does not have (1.4: never ignored)."""
        if unknown := set(self.call.params) - set(names):
            refuse(f"a parameter that this resource does not have, beside {', '.join(names) or 'none'}: {len(unknown)}")

    def wanted(self, name: str) -> str:
        """A parameter that must be there."""
        value = self.call.params.get(name, "")
        if not value:
            refuse(f"the parameter {name} is missing")
        return value

    def checked(self, name: str, check: rules.Check) -> str | None:
        """A parameter that may be there, and must pass then."""
        value = self.call.params.get(name)
        if value is not None:
            check_value(check, value, name)
        return value

    def flag(self, name: str) -> bool:
        """A parameter that says true or false."""
        value = self.call.params.get(name, "false")
        if value not in {"true", "false"}:
            refuse(f"{name} is neither true nor false")
        return value == "true"

    def instant(self, name: str) -> datetime | None:
        """A parameter that is a timestamp."""
        value = self.checked(name, rules.check_instant)
        return rules.read_instant(value) if value is not None else None

    def agent(self) -> Mapping[str, Any] | None:
        """The parameter ``agent``: an agent or an identified group as JSON."""
        raw = self.call.params.get("agent")
        if raw is None:
            return None
        try:
            value = read_json(raw.encode())
        except NotJsonError as error:
            refuse(f"agent: {error}")
        check_value(check_actor, value, "agent")
        found: Mapping[str, Any] = value
        return found

    def needed_agent(self) -> Mapping[str, Any]:
        """The same where it must be there."""
        self.wanted("agent")
        found = self.agent()
        assert found is not None
        return found

    def needed_iri(self, name: str) -> str:
        """An IRI that must be there."""
        value = self.wanted(name)
        check_value(rules.iri, value, name)
        return value


Answering = Callable[[Wish], Response]


def check_value(check: rules.Check, value: Any, name: str) -> None:
    """Refuse a value that breaks a rule."""
    try:
        check(value, name)
    except Refused as refused:
        refuse(f"{refused.field}: {refused.detail}")


def refuse(reason: str) -> Never:
    """Refuse a request that is wrong."""
    raise WishRefusedError(400, reason)


def http_date(instant: datetime) -> str:
    """An instant as HTTP writes it (RFC 9110, section 5.6.7)."""
    return format_datetime(instant.astimezone(UTC), usegmt=True)
