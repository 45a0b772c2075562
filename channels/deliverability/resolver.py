"""Asking the DNS: what a name says, that it does not exist, or that nobody can tell now."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

import dns.exception
import dns.name
import dns.resolver
from dns.rdtypes.ANY.CNAME import CNAME
from dns.rdtypes.ANY.TXT import TXT


class CannotTell(Exception):
    """The DNS gave no answer: a timeout, a refusal, a broken server. It proves nothing about the name.

    Args:
        name: which was asked for.
    """

    def __init__(self, name: str) -> None:
        super().__init__(f"no answer for {name}")
        self.name = name


class Resolver(Protocol):
    """Answers questions about names."""

    def txt(self, name: str) -> Sequence[str]:
        """The texts of a name, each whole; none when there is no such name or no text.

        Raises:
            CannotTell: there was no answer.
        """

    def cname(self, name: str) -> str | None:
        """What a name is an alias of, lower case, without the last dot; None when it is none.

        Raises:
            CannotTell: there was no answer.
        """


class DnsResolver:
    """The resolver of the machine, by dnspython, with little patience.

    Args:
        servers: addresses of name servers; empty: as the machine is configured.
        port: of these servers.
        try_seconds: how long one server may take.
        lifetime_seconds: how long a question may take over all servers and tries.
    """

    def __init__(
        self,
        servers: Sequence[str] = (),
        *,
        port: int = 53,
        try_seconds: float = 1.5,
        lifetime_seconds: float = 4.0,
    ) -> None:
        self._servers, self._port = list(servers), port
        self._try, self._lifetime = try_seconds, lifetime_seconds
        self._resolver: dns.resolver.Resolver | None = None

    def txt(self, name: str) -> Sequence[str]:
        """See :class:`Resolver`."""
        # One text may be cut into strings of 255 octets; they belong together without a space (RFC 7208, section 3.3).
        return [
            b"".join(record.strings).decode("utf-8", "replace")
            for record in self._ask(name, "TXT")
            if isinstance(record, TXT)
        ]

    def cname(self, name: str) -> str | None:
        """See :class:`Resolver`."""
        targets = [record.target.to_text() for record in self._ask(name, "CNAME") if isinstance(record, CNAME)]
        return targets[0].rstrip(".").lower() if targets else None

    def _ask(self, name: str, kind: str) -> Sequence[object]:
        try:
            asked = dns.name.from_text(name)
        except (dns.exception.DNSException, UnicodeError):
            return []  # what is not a name cannot exist
        try:
            return list(self._configured().resolve(asked, kind, lifetime=self._lifetime, search=False))
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except (dns.exception.DNSException, OSError) as failure:
            raise CannotTell(name) from failure

    def _configured(self) -> dns.resolver.Resolver:
        """Made when first needed: reading the machine's configuration can fail, and that is no answer either."""
        if self._resolver is None:
            made = dns.resolver.Resolver(configure=not self._servers)
            if self._servers:
                made.nameservers, made.port = self._servers, self._port
            made.timeout = self._try
            self._resolver = made
        return self._resolver


class Impatient:
    """A resolver for one check: what has not been answered when its time is over, nobody can tell.

    A domain takes some twenty questions, and a DNS that is silent would be waited for at each of them.

    Args:
        seconds: for all questions together; the last one may take longer, as the resolver itself allows.
        monotonic: seconds on a clock that never jumps.
    """

    def __init__(
        self, resolver: Resolver, *, seconds: float = 12.0, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._resolver, self._monotonic = resolver, monotonic
        self._end = monotonic() + seconds

    def txt(self, name: str) -> Sequence[str]:
        """See :class:`Resolver`."""
        self._hurry(name)
        return self._resolver.txt(name)

    def cname(self, name: str) -> str | None:
        """See :class:`Resolver`."""
        self._hurry(name)
        return self._resolver.cname(name)

    def _hurry(self, name: str) -> None:
        if self._monotonic() >= self._end:
            raise CannotTell(name)
