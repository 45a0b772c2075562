"""A real name server's answers are understood, and what it does not say is not made up."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from channels.deliverability import CannotTell, DnsResolver


@contextmanager
def name_server(answer: Callable[[dns.message.Message], dns.message.Message | None]) -> Iterator[DnsResolver]:
    """A name server on this machine, and a resolver that asks it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))

        def serve() -> None:
            while True:
                try:
                    data, sender = listening.recvfrom(4096)
                except OSError:
                    return
                if not data:
                    return
                reply = answer(dns.message.from_wire(data))
                if reply is not None:
                    listening.sendto(reply.to_wire(), sender)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        port = listening.getsockname()[1]
        yield DnsResolver(["127.0.0.1"], port=port, try_seconds=0.2, lifetime_seconds=0.5)
        listening.sendto(b"", ("127.0.0.1", port))
        thread.join(2)


def answers(query: dns.message.Message) -> dns.message.Message | None:
    (question,) = query.question
    name, kind = question.name.to_text(), dns.rdatatype.to_text(question.rdtype)
    reply = dns.message.make_response(query)
    reply.flags |= dns.flags.RA
    match name, kind:
        case "example.org.", "TXT":
            reply.answer.append(
                dns.rrset.from_text(name, 60, "IN", "TXT", '"v=spf1 include:sendgrid" ".net ~all"', '"x"')
            )
        case "s1._domainkey.example.org.", "CNAME":
            reply.answer.append(dns.rrset.from_text(name, 60, "IN", "CNAME", "S1.DomainKey.u1.wl.sendgrid.net."))
        case "s1._domainkey.example.org.", "TXT":
            target = "s1.domainkey.u1.wl.sendgrid.net."
            reply.answer.append(dns.rrset.from_text(name, 60, "IN", "CNAME", target))
            reply.answer.append(dns.rrset.from_text(target, 60, "IN", "TXT", '"k=rsa; p=abc"'))
        case "silent.example.org.", _:
            return None
        case "broken.example.org.", _:
            reply.set_rcode(dns.rcode.SERVFAIL)
        case "empty.example.org.", _:
            pass
        case _:
            reply.set_rcode(dns.rcode.NXDOMAIN)
    return reply


def test_a_name_server_is_understood() -> None:
    with name_server(answers) as resolver:
        assert sorted(resolver.txt("example.org")) == ["v=spf1 include:sendgrid.net ~all", "x"]
        assert resolver.txt("s1._domainkey.example.org") == ["k=rsa; p=abc"]
        assert resolver.cname("s1._domainkey.example.org") == "s1.domainkey.u1.wl.sendgrid.net"
        assert resolver.cname("example.org") is None
        assert resolver.txt("empty.example.org") == []
        assert resolver.txt("nowhere.example.org") == []
        assert resolver.txt("x" * 70 + ".example.org") == []  # no name can be so long
        for unknown in ("silent.example.org", "broken.example.org"):
            before = time.monotonic()
            with pytest.raises(CannotTell):
                resolver.txt(unknown)
            assert time.monotonic() - before < 3
