"""HTTP/1.1 on one accepted connection: requests come off it, answers go onto it, and it can be misused on purpose.

h11 knows the protocol; what is written past it here is what a broken provider would write.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Iterable, Mapping
from contextlib import suppress
from urllib.parse import parse_qs, unquote, urlsplit

import h11

from tests.standin.provider import Request

_READ_AT_ONCE = 262_144
_LINGER_NOT = struct.pack("ii", 1, 0)


class Gone(Exception):
    """The other side closed the connection, or spoke something else than HTTP."""


class ServerConnection:
    """One accepted connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=1_000_000)

    async def head(self) -> Request:
        """The next request, without its body.

        Raises:
            Gone: there is none.
        """
        event = await self._event()
        if not isinstance(event, h11.Request):
            raise Gone
        parts = urlsplit(event.target.decode("latin-1"))
        return Request(
            method=event.method.decode(),
            path=unquote(parts.path),
            query=parse_qs(parts.query, keep_blank_values=True),
            headers={name.decode(): value.decode("latin-1") for name, value in event.headers},
            body=b"",
        )

    async def body(self) -> bytes:
        """The body of the request whose head was read.

        Raises:
            Gone: the connection ended before it was there.
        """
        if self._http.they_are_waiting_for_100_continue:
            self._write(h11.InformationalResponse(status_code=100, headers=[]))
        parts = []
        while not isinstance(event := await self._event(), h11.EndOfMessage):
            if not isinstance(event, h11.Data):
                raise Gone
            parts.append(bytes(event.data))
        return b"".join(parts)

    async def answer(self, status: int, headers: Mapping[str, str], body: bytes) -> bool:
        """Answer as one should; returns whether another request may follow."""
        listed = [(name.lower(), value) for name, value in headers.items() if name.lower() != "content-length"]
        if status != 204:
            listed.append(("content-length", str(len(body))))
        data = self._http.send(h11.Response(status_code=status, headers=listed)) or b""
        if body and status != 204:
            data += self._http.send(h11.Data(data=body)) or b""
        data += self._http.send(h11.EndOfMessage()) or b""
        await self.write(data)
        if self._http.our_state is h11.MUST_CLOSE:
            return False
        self._http.start_next_cycle()
        return True

    async def write(self, data: bytes) -> None:
        """Put bytes onto the connection as they are.

        Raises:
            Gone: the other side does not take them.
        """
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError:
            raise Gone from None

    async def drip(self, data: bytes, *, pause: float, seconds: float) -> None:
        """Put bytes onto the connection one by one, for so many seconds at most."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        for place in range(len(data)):
            if loop.time() >= until:
                return
            await self.write(data[place : place + 1])
            await asyncio.sleep(pause)

    async def outlast(self, seconds: float) -> None:
        """Say nothing until the other side goes away, or the time is over."""
        with suppress(TimeoutError, OSError):
            async with asyncio.timeout(seconds):
                while await self._reader.read(_READ_AT_ONCE):
                    pass

    def reset(self) -> None:
        """Break the connection off: the other side gets a reset instead of an end."""
        raw = self._writer.get_extra_info("socket")
        if raw is not None:
            with suppress(OSError):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        self._writer.transport.abort()

    async def close(self) -> None:
        """End the connection in good order."""
        with suppress(OSError, TimeoutError):
            self._writer.close()
            async with asyncio.timeout(1.0):
                await self._writer.wait_closed()

    def _write(self, event: h11.Event) -> None:
        self._writer.write(self._http.send(event) or b"")

    async def _event(self) -> h11.Event:
        while True:
            try:
                event = self._http.next_event()
                if event is h11.NEED_DATA:
                    self._http.receive_data(await self._reader.read(_READ_AT_ONCE))
            except (OSError, h11.ProtocolError):
                raise Gone from None
            if event is h11.PAUSED:
                raise Gone
            if isinstance(event, h11.Event):
                return event


def raw_answer(status: int, headers: Iterable[tuple[str, str]], body: bytes, *, announced: int | None = None) -> bytes:
    """The bytes of an answer.

    Args:
        announced: what Content-Length says; None: the truth.
    """
    length = len(body) if announced is None else announced
    lines = [f"HTTP/1.1 {status} Answer", *(f"{name}: {value}" for name, value in headers), f"Content-Length: {length}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body
