"""Pages: how many a second, and how long the slowest wait, for 200 learners at once.

The web app runs as one process, as `pushpull serve` starts it, on the machine that the database and the clients run on
too. In the same run an empty FastAPI route is measured by the same clients: what is left of a page's time is ours.
"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import httptools
from fastapi import FastAPI
from sqlalchemy import select

from benchmarks.figures import Measured
from deployments.ports import free_port
from pushpull.db import open_database, reading
from pushpull.learners.tables import learner
from pushpull.ledger.links import LANDING_LIFETIME, Claims, LinkSigner, Purpose
from pushpull.ledger.tables import campaign
from pushpull.settings import Settings
from web.app import create_app
from web.session import LENGTH

#: Learners who are there at once; each asks again as soon as they were answered.
CLIENTS: Final = 200
#: Seconds that are measured, and seconds before.
_SECONDS, _WARM_UP = 8.0, 2.0
_KEY: Final = "a key of the benchmarks alone"

empty = FastAPI(openapi_url=None)


@empty.get("/")
async def _nothing() -> dict[str, str]:
    return {}


def app() -> FastAPI:
    """The web app, without limits on how often the same address may ask: all clients are on this machine."""
    settings = Settings(_env_file=None, database_url=os.environ["PUSHPULL_DATABASE_URL"], link_key=_KEY)
    return create_app(settings, open_database(settings.database_url), limits=None)


def measure(kind: str, url: str, size: int, runs: int) -> Measured:
    """Requests of one kind for some seconds, several times.

    Args:
        kind: ``empty``, ``my_page`` or ``click``.
        size: learners who take turns.

    Returns:
        Seconds per :data:`CLIENTS` × 1000 requests would say little: ``counts`` has the requests of each run added up,
        ``seconds`` how long each run was, ``more`` the median and the 99th percentile of all answers in milliseconds.
    """
    done = Measured()
    waited: list[float] = []
    with _served("empty" if kind == "empty" else "app", url) as port:
        requests = _requests(kind, url, size, port)
        asyncio.run(_ask(port, requests, _WARM_UP))
        for _ in range(runs):
            began = time.perf_counter()
            each = asyncio.run(_ask(port, requests, _SECONDS))
            done.seconds.append((time.perf_counter() - began) / len(each))
            waited += each
    done.counts["requests"] = len(waited)
    cuts = statistics.quantiles(waited, n=100)
    done.more = {"median": 1000 * cuts[49], "p99": 1000 * cuts[98]}
    return done


def _requests(kind: str, url: str, size: int, port: int) -> Sequence[bytes]:
    """What the clients ask for; every learner asks for their own."""
    if kind == "empty":
        return [_request("/", port)]
    signer = LinkSigner(_KEY, None, f"http://127.0.0.1:{port}")
    now = datetime.now(UTC)
    engine = open_database(url)
    with reading(engine) as connection:
        learners = connection.execute(select(learner.c.id).order_by(learner.c.id).limit(size)).scalars().all()
        campaign_id = connection.execute(select(campaign.c.id)).scalar_one()
    engine.dispose()
    if kind == "click":
        links = (signer.landing_url(each, campaign_id, None, 1, 0, now + LANDING_LIFETIME) for each in learners)
        return [_request(link.partition(str(port))[2], port) for link in links]
    made = (Claims(Purpose.LANDING, each, "", campaign_id=campaign_id, wave_id=1, rotation=0) for each in learners)
    return [_request("/me", port, cookie=signer.session_token(claims, now + LENGTH)) for claims in made]


def _request(path: str, port: int, *, cookie: str = "") -> bytes:
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36",
        "Accept: text/html",
        "Accept-Language: en",
        "Sec-Fetch-Mode: navigate",
        "Sec-Fetch-Dest: document",
    ]
    if cookie:
        lines.append(f"Cookie: pushpull={cookie}")
    return "\r\n".join([*lines, "", ""]).encode()


async def _ask(port: int, requests: Sequence[bytes], seconds: float) -> list[float]:
    """How long each answer took, in seconds.

    Raises:
        RuntimeError: an answer was an error.
    """
    end = time.perf_counter() + seconds
    each = await asyncio.gather(*(_client(port, requests, end, seed) for seed in range(CLIENTS)))
    return [took for some in each for took in some]


async def _client(port: int, requests: Sequence[bytes], end: float, seed: int) -> list[float]:
    choose, waited = random.Random(seed), []
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (asked := time.perf_counter()) < end:
        writer.write(choose.choice(requests))
        answer = _Answer()
        while not answer.is_whole:
            data = await reader.read(65_536)
            if not data:
                raise RuntimeError("the web app hung up")
            answer.take(data)
        waited.append(time.perf_counter() - asked)
        if answer.status >= 400:
            raise RuntimeError(f"the web app answered {answer.status}")
    writer.close()
    return waited


class _Answer:
    """One answer, read by llhttp."""

    def __init__(self) -> None:
        self.is_whole = False
        self._parser = httptools.HttpResponseParser(self)

    def take(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        self.is_whole = True

    @property
    def status(self) -> int:
        return int(self._parser.get_status_code())


@contextmanager
def _served(name: str, url: str) -> Iterator[int]:
    """The port at which an app of this module is served by a process of its own."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", f"benchmarks.pages:{name}", "--port", str(port), "--no-access-log"]
    command += ["--log-level", "error", *(["--factory"] if name == "app" else [])]
    with TemporaryDirectory() as folder, (Path(folder) / "log").open("wb") as log:
        environment = {**os.environ, "PUSHPULL_DATABASE_URL": url}
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            _wait_for(port, process)
            yield port
        finally:
            process.terminate()
            process.wait(20)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up and process.poll() is None:
        try:
            asyncio.run(_connects(port))
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("the web app did not start")


async def _connects(port: int) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()
