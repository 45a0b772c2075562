"""Holding requests to their provider's own description: the OpenAPI files beside the checkout.

Where the files are absent nothing is checked. Checks run in a thread of their own; the answer does not wait for them.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import orjson
from openapi_core import Config, OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.templating.paths.exceptions import PathNotFound
from werkzeug.datastructures import Headers, ImmutableMultiDict

from tests.standin.provider import Provider, Request

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "contracts"

_HOST = "http://stand.in"


class Contracts:
    """Checks requests in the background and keeps what was wrong with them."""

    def __init__(self) -> None:
        self._checking = ThreadPoolExecutor(1, "contracts")
        self._pending: set[Future[None]] = set()
        self._found: list[str] = []
        self._lock = Lock()

    def check(self, provider: Provider, request: Request) -> None:
        """Check a request, later."""
        files = tuple(name for name in provider.contracts if (FOLDER / name).is_file())
        if not files:
            return
        future = self._checking.submit(self._check, provider.name, files, request)
        with self._lock:
            self._pending.add(future)
        future.add_done_callback(self._done)

    def violations(self) -> list[str]:
        """What was wrong, of all requests that came in so far."""
        with self._lock:
            pending = set(self._pending)
        wait(pending)
        with self._lock:
            return list(self._found)

    def forget(self) -> None:
        """Forget what was wrong."""
        self.violations()
        with self._lock:
            self._found.clear()

    def close(self) -> None:
        """Stop checking."""
        self._checking.shutdown(wait=True, cancel_futures=True)

    def _done(self, future: Future[None]) -> None:
        with self._lock:
            self._pending.discard(future)

    def _check(self, provider: str, files: tuple[str, ...], request: Request) -> None:
        try:
            wrong = violations_of(files, request)
        except Exception as error:  # noqa: BLE001  # a check that fails is no check that passed
            wrong = [f"the check itself failed: {error!r}"]
        with self._lock:
            self._found += [f"{provider}: {request.method} {request.path}: {each}" for each in wrong]


def violations_of(files: tuple[str, ...], request: Request) -> list[str]:
    """How a request breaks the description in these files; it is enough that one of them knows its path."""
    asked = _Asked(request)
    for name in files:
        errors = list(_description(name).iter_request_errors(asked))
        if not any(isinstance(error, PathNotFound) for error in errors):
            return [_told(error) for error in errors]
    return [f"no such path in {', '.join(files)}"]


@cache
def _description(name: str) -> OpenAPI:
    """A description, read once per process, at a host of our own with and without the path of its servers."""
    spec = orjson.loads((FOLDER / name).read_bytes())
    spec["servers"] = _servers(spec)
    for path in spec["paths"].values():
        path.pop("servers", None)
        for operation in path.values():
            if isinstance(operation, dict):
                operation.pop("servers", None)
                operation.pop("security", None)
    spec.pop("security", None)
    return OpenAPI.from_dict(spec, config=Config(spec_validator_cls=None))


def _servers(spec: dict[str, Any]) -> list[dict[str, str]]:
    paths = {urlsplit(server.get("url", "")).path.rstrip("/") for server in spec.get("servers", [])}
    return [{"url": _HOST + path} for path in sorted({*paths, ""}, key=len, reverse=True)]


class _Asked:
    """A request as openapi-core wants to see it."""

    def __init__(self, request: Request) -> None:
        self.host_url = _HOST
        self.path = request.path
        self.method = request.method.lower()
        self.body = request.body or None
        self.content_type = request.headers.get("content-type", "").split(";")[0].strip() or "application/octet-stream"
        self.parameters = RequestParameters(
            query=ImmutableMultiDict({name: list(values) for name, values in request.query.items()}),
            header=Headers(dict(request.headers)),
            cookie=ImmutableMultiDict(),
            path={},
        )


def _told(error: BaseException) -> str:
    """An error with its causes, which hold what is really wrong."""
    parts = [str(error) or type(error).__name__]
    for each in getattr(error.__cause__, "schema_errors", None) or ():
        where = "/".join(str(step) for step in each.absolute_path)
        parts.append(f"{where or 'body'}: {each.message[:200]}")
    if error.__cause__ is not None and len(parts) == 1:
        parts.append(str(error.__cause__)[:300])
    return ": ".join(parts)
