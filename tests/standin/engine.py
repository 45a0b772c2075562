"""The stand-in itself: a real HTTP server on 127.0.0.1 in which several providers live, each below its prefix.

It speaks HTTP, strikes with the faults of a script, and keeps what was asked. What a request means is decided by the
providers (:mod:`tests.standin.provider`); whether it keeps to its description, by :mod:`tests.standin.contracts`.
"""

from __future__ import annotations

import asyncio
import dataclasses
import http.client
import random
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from threading import Event, Lock, Thread
from typing import Any, TypeVar
from urllib.parse import urlsplit

import trustme

from tests.standin.contracts import Contracts
from tests.standin.faults import Fault, Rule, Script
from tests.standin.http import Gone, ServerConnection
from tests.standin.outbox import control
from tests.standin.plays import PLAYS, Scene, answered, hint
from tests.standin.provider import Callback, Provider, Reply, Request

P = TypeVar("P", bound=Provider)

#: Makes a callback; returns the status it was answered with.
Deliver = Callable[[Callback], int]


@dataclass(frozen=True)
class Exchange:
    """One request and what became of it.

    Args:
        fault: what went wrong with it; None: nothing.
        status: of the provider's answer, whether it reached anybody or not; 0: the provider was not asked.
        at: monotonic seconds at which it had come in.
    """

    provider: str
    request: Request
    fault: Fault | None
    status: int
    at: float


class StandIn:
    """A server with providers in it. Use it as a context manager, or :meth:`start` and :meth:`stop` it.

    Args:
        providers: their classes, or instances.
        port: to listen on; 0: any that is free.
        is_checking: whether requests are held to their descriptions; it takes time, though not the answer's.
    """

    def __init__(
        self, providers: Iterable[type[Provider] | Provider], *, port: int = 0, is_checking: bool = True
    ) -> None:
        made = [each() if isinstance(each, type) else each for each in providers]
        self.providers = {provider.name: provider for provider in made}
        self.script = Script()
        self._contracts = Contracts() if is_checking else None
        self._exchanges: list[Exchange] = []
        self._defects: list[str] = []
        self._lock = Lock()
        self._age = 0
        self._asked_port = port
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: Thread | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = socket.socket()
        self.port = self.tls_port = 0

    def start(self) -> StandIn:
        """Listen, in a thread."""
        ready = Event()
        failure: list[BaseException] = []

        def live() -> None:
            try:
                asyncio.run(self._serve(ready))
            except BaseException as error:  # noqa: BLE001  # told to whoever waits
                failure.append(error)
            finally:
                ready.set()

        self._closed.bind(("127.0.0.1", 0))  # never listened on: whoever connects is refused
        self._thread = Thread(target=live, name="stand-in", daemon=True)
        self._thread.start()
        ready.wait()
        if failure:
            raise failure[0]
        return self

    def stop(self) -> None:
        """Stop listening, and break off what is open."""
        if self._loop is not None and self._thread is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(10)
        self._closed.close()
        if self._contracts is not None:
            self._contracts.close()

    def __enter__(self) -> StandIn:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # Where it is.

    def url(self, provider: str | type[Provider]) -> str:
        """The base address of a provider."""
        return f"http://127.0.0.1:{self.port}{self.provider(provider).prefix}"

    def tls_url(self, provider: str | type[Provider]) -> str:
        """The same over TLS, with a certificate nobody trusts but :attr:`trust`."""
        return f"https://127.0.0.1:{self.tls_port}{self.provider(provider).prefix}"

    def tls_at_plain_url(self, provider: str | type[Provider]) -> str:
        """An address that promises TLS where plain HTTP is spoken."""
        return self.url(provider).replace("http:", "https:")

    def refusing_url(self, provider: str | type[Provider]) -> str:
        """An address at which connections are refused."""
        return f"http://127.0.0.1:{self._closed.getsockname()[1]}{self.provider(provider).prefix}"

    @cached_property
    def _authority(self) -> trustme.CA:
        return trustme.CA()

    @cached_property
    def trust(self) -> ssl.SSLContext:
        """Trusts the certificate of :meth:`tls_url`, and nothing else."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._authority.configure_trust(context)
        return context

    # What it knows.

    def provider(self, which: str | type[P]) -> Any:
        """One of the providers, by name or class."""
        if isinstance(which, str):
            return self.providers[which]
        return next(each for each in self.providers.values() if isinstance(each, which))

    def exchanges(self, provider: str | type[Provider] = "") -> list[Exchange]:
        """What was asked so far, in order, with what became of it; of all providers or of one."""
        name = provider if isinstance(provider, str) else self.provider(provider).name
        with self._lock:
            return [each for each in self._exchanges if not name or each.provider == name]

    def requests(self, provider: str | type[Provider] = "") -> list[Request]:
        """The requests that came in so far, in order."""
        return [each.request for each in self.exchanges(provider)]

    @property
    def violations(self) -> list[str]:
        """How requests broke their provider's description, and what failed in the providers themselves."""
        found = self._contracts.violations() if self._contracts else []
        with self._lock:
            return [*self._defects, *found]

    # What it is told.

    def fault(
        self,
        *faults: Fault,
        times: int | None = 1,
        provider: str | type[Provider] = "",
        method: str = "",
        path: str = "",
        share: float = 1.0,
        seed: int = 0,
        seconds: float = 30.0,
        status: int = 503,
        size: int = 6_000_000,
    ) -> None:
        """Let something go wrong with the next ``times`` requests that match; see :class:`Rule`."""
        name = provider if isinstance(provider, str) else self.provider(provider).name
        self.script.add(Rule(faults, times, name, method, path, share, seed, seconds, status, size))

    def forget(self) -> None:
        """Forget every request, fault and message: as good as new, at the same port."""
        self.script.clear()
        if self._contracts is not None:
            self._contracts.forget()
        with self._lock:
            self._age += 1
            self._exchanges.clear()
            self._defects.clear()
        for provider in self.providers.values():
            provider.forget()

    def deliver_callbacks(
        self, to: str | Deliver = "", *, provider: str = "", copies: int = 1, shuffled_by: int | None = None
    ) -> list[int]:
        """Make the callbacks that are owed.

        Args:
            to: the address our web app listens at, in place of the public one in each callback's address; or what
                makes a callback, e.g. around a test client. Empty: as each callback says.
            copies: how often each is made.
            shuffled_by: a seed: out of order; None: in order.

        Returns:
            The statuses they were answered with.
        """
        owed = [
            callback
            for name, each in self.providers.items()
            if not provider or name == provider
            for callback in each.owed()
        ] * copies
        if shuffled_by is not None:
            random.Random(shuffled_by).shuffle(owed)
        make: Deliver = to if callable(to) else lambda callback: _posted(callback, to)
        return [make(callback) for callback in owed]

    # How it works.

    async def _serve(self, ready: Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert("127.0.0.1", "localhost").configure_cert(tls)
        plain = await asyncio.start_server(self._accept, "127.0.0.1", self._asked_port, backlog=512, limit=2**20)
        secure = await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=64, ssl=tls)
        self.port = plain.sockets[0].getsockname()[1]
        self.tls_port = secure.sockets[0].getsockname()[1]
        ready.set()
        await self._stopping.wait()
        plain.close()
        secure.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        connection = ServerConnection(reader, writer)
        try:
            while await self._exchange(connection):
                pass
        except Gone:
            pass
        except asyncio.CancelledError:
            connection.reset()
        finally:
            self._tasks.discard(task)
            await connection.close()

    async def _exchange(self, connection: ServerConnection) -> bool:
        """One request; returns whether another may follow."""
        head = await connection.head()
        provider = next((each for each in self.providers.values() if _is_below(head.path, each.prefix)), None)
        if provider is None:
            whole = dataclasses.replace(head, body=await connection.body())
            reply = await asyncio.to_thread(control, self, whole)  # callbacks may come back to us
            return await answered(Scene(connection, Fault.STALE_CONNECTION, Rule(()), reply))
        head = dataclasses.replace(head, path=head.path[len(provider.prefix) :] or "/")
        fault, rule = self.script.next(provider.name, head) or (None, Rule(()))
        if fault is Fault.RESET_BEFORE_BODY:
            self._note(Exchange(provider.name, head, fault, 0, time.monotonic()))
            connection.reset()
            return False
        request = dataclasses.replace(head, body=await connection.body())
        arrived = time.monotonic()
        described = provider.described(request)
        if self._contracts is not None and described is not None:
            self._contracts.check(provider, described)
        reply = self._reply(provider, request, fault, rule)
        self._note(Exchange(provider.name, request, fault, reply.status, arrived))
        play = PLAYS.get(fault, answered) if fault else answered
        return await play(Scene(connection, fault or Fault.STALE_CONNECTION, rule, reply))

    def _reply(self, provider: Provider, request: Request, fault: Fault | None, rule: Rule) -> Reply:
        """What the provider answers, and whether it does anything, under a fault."""
        if fault is None:
            return self._asked(provider, request)
        if fault.is_throttle:
            reply = provider.throttled(request)
            return dataclasses.replace(reply, headers={**reply.headers, **hint(fault, rule)})
        match fault:
            case Fault.UNAUTHORIZED:
                return provider.unauthorized(request)
            case Fault.REDIRECT:
                status = rule.status if 300 <= rule.status < 400 else 307
                return Reply(status, None, {"Location": f"http://127.0.0.1:{self.port}{provider.prefix}/elsewhere"})
            case Fault.BROKEN_PROCESSED:
                self._asked(provider, request)
                return provider.broken(request, rule.status)
            case Fault.BROKEN_LATE | Fault.HANG_LATE:
                assert self._loop is not None
                self._loop.call_later(rule.seconds, self._asked_late, provider, request, self._age)
                return provider.broken(request, rule.status)
        if fault.is_processed:
            return self._asked(provider, request)
        return provider.broken(request, rule.status)

    def _asked(self, provider: Provider, request: Request) -> Reply:
        try:
            return provider.answer(request)
        except Exception as error:  # noqa: BLE001  # a provider of ours has a defect: the test must see it
            with self._lock:
                self._defects.append(f"{provider.name}: {request.method} {request.path}: defect {error!r}")
            return Reply(500, {"message": f"defect in the stand-in: {error!r}"})

    def _asked_late(self, provider: Provider, request: Request, age: int) -> None:
        if age == self._age:  # what was on its way when everything was forgotten is forgotten too
            self._asked(provider, request)

    def _note(self, exchange: Exchange) -> None:
        with self._lock:
            self._exchanges.append(exchange)


def _is_below(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(prefix + "/")


def _posted(callback: Callback, to: str) -> int:
    """Make a callback over HTTP, at another host than its address says where told so."""
    parts = urlsplit(callback.url)
    host = urlsplit(to or callback.url)
    connection = http.client.HTTPConnection(host.hostname or "", host.port or 80, timeout=10)
    try:
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        headers = {"Host": parts.netloc, **callback.headers}
        connection.request("POST", target, callback.body, headers)
        return connection.getresponse().status
    finally:
        connection.close()
