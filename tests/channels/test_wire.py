"""One request over a kept connection: what cannot be sent, what may be kept, and whose answer it is.

How it looks when a provider fails is in tests/faults/test_wire_faults.py.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

import pytest

from channels.wire import IDLE_SECONDS, Answer, Failure, NobodyKnows, NothingSent, Wire

OK = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"


class Clock:
    """Monotonic seconds, moved by hand."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


@contextmanager
def answering(*answers: bytes, pause: float = 0.0) -> Iterator[tuple[str, list[int]]]:
    """A server that answers the n-th request on a connection with the n-th of ``answers``, whatever it is.

    Gives its address, and how many requests came over each connection.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    seen: list[int] = []

    def live(connection: socket.socket) -> None:
        place = len(seen)
        seen.append(0)
        with connection, suppress(OSError):
            for answer in answers:
                if not _read_request(connection):
                    return
                seen[place] += 1
                for part in answer.split(b"|"):
                    connection.sendall(part)
                    time.sleep(pause)
            connection.recv(1)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            Thread(target=live, args=(connection,), daemon=True).start()

    Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", seen
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _read_request(connection: socket.socket) -> bool:
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65_536)
        if not more:
            return False
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    while len(body) < length:
        body += connection.recv(65_536)
    return True


def asked(wire: Wire, path: str = "/x", headers: Mapping[str, str] | None = None, *, seconds: float = 2.0) -> Answer:
    return wire.request("POST", path, headers=headers or {}, body=b"{}", deadline=time.monotonic() + seconds)


def test_a_connection_is_kept() -> None:
    with answering(OK, OK, OK) as (url, seen):
        wire = Wire(url)
        for _ in range(3):
            asked(wire)
        assert seen == [3]


def test_a_connection_that_idled_too_long_is_not_used_again() -> None:
    clock = Clock()
    with answering(OK, OK) as (url, seen):
        wire = Wire(url, monotonic=clock)
        asked(wire)
        clock.ahead = IDLE_SECONDS + 1
        wire.request("POST", "/x", headers={}, body=b"", deadline=clock() + 2)
        assert seen == [1, 1]


def test_an_answer_that_comes_behind_an_interim_one_is_nobody_elses() -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n|"
    with answering(early + b"HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n", OK, pause=0.1) as (url, _):
        wire = Wire(url)
        assert asked(wire).status == 103
        assert asked(wire).status == 103, "the next request has a connection of its own"


def test_what_nobody_asked_for_is_nobodys_answer() -> None:
    with answering(OK + b"|HTTP/1.1 200 Twice\r\nContent-Length: 0\r\n\r\n", OK, pause=0.02) as (url, seen):
        wire = Wire(url)
        assert asked(wire).status == 202
        time.sleep(0.1)
        assert asked(wire).status == 202
        assert seen == [1, 1]


@pytest.mark.parametrize(
    ("path", "headers"),
    [("/a b", {}), ("/a\r\nX: y", {}), ("/ä", {}), ("/x", {"X-Name": "a\r\nBcc: b"}), ("/x", {"X": "\u4e2d"})],
)
def test_what_no_request_can_hold_is_not_sent(path: str, headers: dict[str, str]) -> None:
    with answering(OK, OK) as (url, seen):
        wire = Wire(url)
        with pytest.raises(NothingSent) as failure:
            asked(wire, path, headers)
        assert failure.value.code == "unsendable_request"
        assert asked(wire).is_success
        assert sum(seen) == 1


def test_a_deadline_that_has_passed_sends_nothing() -> None:
    with answering(OK, OK) as (url, seen):
        wire = Wire(url)
        for _ in range(2):
            with pytest.raises(NothingSent, match="deadline_passed"):
                asked(wire, seconds=-1)
            asked(wire)
        assert seen == [2] or seen == [1, 1]


def test_a_handshake_nobody_answers_ends_in_time() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    wire = Wire(f"https://127.0.0.1:{listener.getsockname()[1]}")
    began = time.monotonic()
    with pytest.raises(NothingSent, match="connect_timeout"):
        asked(wire, seconds=0.3)
    assert time.monotonic() - began < 1
    listener.close()


def test_a_body_nobody_reads_ends_in_time() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    wire = Wire(f"http://127.0.0.1:{listener.getsockname()[1]}")
    began = time.monotonic()
    with pytest.raises(NobodyKnows, match="read_timeout"):
        wire.request("POST", "/", headers={}, body=b"x" * 20_000_000, deadline=began + 0.3)
    assert time.monotonic() - began < 1
    listener.close()


@pytest.mark.parametrize(
    ("answer", "body", "is_whole"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", b"ok", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok", b"", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b"ok", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -7\r\nConnection: close\r\n\r\n", b"", False),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
    ],
)
def test_bodies_in_every_shape(answer: bytes, body: bytes, is_whole: bool) -> None:
    with answering(answer) as (url, _):
        wire = Wire(url)
        got = asked(wire, seconds=0.3)
        assert (got.status, got.body, got.is_whole) in {(got.status, body, is_whole), (got.status, b"", False)}
        assert got.is_success


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x00" * 100,
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 99999 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 400_000,
    ],
)
def test_an_answer_without_a_sound_head_is_none(answer: bytes) -> None:
    with answering(answer) as (url, _), pytest.raises(NobodyKnows):
        asked(Wire(url), seconds=0.3)


def test_many_threads_get_their_own_answers() -> None:
    wrong: list[str] = []
    listener = socket.create_server(("127.0.0.1", 0))
    Thread(target=_echo_forever, args=(listener,), daemon=True).start()
    wire = Wire(f"http://127.0.0.1:{listener.getsockname()[1]}")

    def work(name: int) -> None:
        for number in range(30):
            path = f"/{name}-{number}"
            if asked(wire, path, seconds=10).body.decode() != path:
                wrong.append(path)

    threads = [Thread(target=work, args=(name,)) for name in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    listener.close()


def _echo_forever(listener: socket.socket) -> None:
    def live(connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as incoming:
            while head := incoming.readline():
                while incoming.readline().strip():
                    pass
                incoming.read(2)
                path = head.split()[1]
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(path), path))

    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        Thread(target=live, args=(connection,), daemon=True).start()


@pytest.mark.parametrize("url", ["ftp://example.org", "example.org", "https://", ""])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    make: Callable[[str], Wire] = Wire
    with pytest.raises(ValueError, match="is not an address"):
        make(url)


def test_a_body_that_comes_late_before_a_connection_is_closed_is_read() -> None:
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\n"
    with answering(head + b"|bo|dy", pause=0.05) as (url, seen):
        wire = Wire(url)
        for _ in range(2):
            answer = asked(wire)
            assert (answer.body, answer.is_whole) == (b"body", True)
        assert seen == [1, 1], "nothing was kept"


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts open files where the system lists them")
@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 9\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\n",
    ],
)
def test_no_connection_stays_open_that_is_not_kept(answer: bytes) -> None:
    with answering(answer) as (url, _):
        wire = Wire(url)
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(20):
            with suppress(Failure):
                asked(wire, seconds=0.02)
        time.sleep(0.1)
        # The other ends, which are this process's too, close a moment later.
        assert len(list(Path("/proc/self/fd").iterdir())) <= before + 4
