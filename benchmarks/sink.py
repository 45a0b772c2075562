"""A provider that answers at once: what posting is measured against, in a process of its own.

Compiled from `sink.c` where there is a C compiler, else asyncio; ``python -m benchmarks.sink`` is the latter, which can
also wait before it answers and tell when what came (``GET /arrivals``).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_JSON = "Content-Type: application/json\r\n"
_ANSWERS = (
    (b"/mail/send", "202 Accepted", "X-Message-Id: sink\r\n", ""),
    (b"/Messages.json", "201 Created", _JSON, '{"sid": "SM00000000000000000000000000000001", "status": "queued"}'),
    (b"/chat.postMessage", "200 OK", _JSON, '{"ok": true, "channel": "D0000000001", "ts": "1700000000.000001"}'),
    (b"/conversations.open", "200 OK", _JSON, '{"ok": true, "channel": {"id": "D0000000001"}}'),
    (b"/conversations", "201 Created", _JSON, '{"id": "a:1", "activityId": "1:1"}'),
)


@dataclass(frozen=True)
class RunningSink:
    """A sink that is being served.

    Args:
        kind: ``C`` or ``Python``.
    """

    url: str
    kind: str


@contextmanager
def sink(*, delay: float = 0.0, is_plain: bool = False) -> Iterator[RunningSink]:
    """Serve one for the length of the block.

    Args:
        delay: seconds before every answer.
        is_plain: the Python one, which keeps a list of arrivals.
    """
    with tempfile.TemporaryDirectory() as folder:
        compiled = None if delay or is_plain else _compiled(Path(folder))
        command = [compiled] if compiled else [sys.executable, "-m", "benchmarks.sink", "--delay", str(delay)]
        process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            yield RunningSink(f"http://127.0.0.1:{int(process.stdout.readline())}", "C" if compiled else "Python")
        finally:
            process.kill()
            process.wait()


def _compiled(folder: Path) -> Path | None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sys.platform != "linux":
        return None
    made = folder / "sink"
    source = Path(__file__).with_suffix(".c")
    done = subprocess.run([compiler, "-O2", "-D_GNU_SOURCE", "-o", made, source], capture_output=True, check=False)
    return made if done.returncode == 0 else None


class _Connection(asyncio.Protocol):
    def __init__(self, delay: float, arrivals: list[float]) -> None:
        self._delay, self._arrivals = delay, arrivals
        self._data = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._data[:end])
            found = head.lower().find(b"content-length:")
            length = int(head[found + 15 :].split(b"\r\n", 1)[0]) if found >= 0 else 0
            if len(self._data) < end + 4 + length:
                return
            del self._data[: end + 4 + length]
            answer = self._answer(head.split(b"\r\n", 1)[0])
            if self._delay:
                asyncio.get_running_loop().call_later(self._delay, self._write, answer)
            else:
                self._write(answer)

    def _answer(self, line: bytes) -> bytes:
        if line.startswith(b"GET /arrivals"):
            body = json.dumps(self._arrivals).encode()
            self._arrivals.clear()
            return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        self._arrivals.append(time.monotonic())
        for path, status, headers, told in _ANSWERS:
            if path in line:
                return f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(told)}\r\n\r\n{told}".encode()
        return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"

    def _write(self, answer: bytes) -> None:
        if isinstance(self._transport, asyncio.WriteTransport) and not self._transport.is_closing():
            self._transport.write(answer)


async def _serve(delay: float) -> None:
    arrivals: list[float] = []
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(delay, arrivals), "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--delay", type=float, default=0.0, help="seconds before every answer")
    asyncio.run(_serve(arguments.parse_args().delay))
