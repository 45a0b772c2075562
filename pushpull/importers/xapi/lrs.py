"""Fetching statements from a learning record store (xAPI 1.0.3, part three, section 2.1)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

import httpx
import orjson

_VERSION = "1.0.3"
_PAGE = 500
_LARGEST_PAGE = 64 * 2**20
_PORTS = {"http": 80, "https": 443}


class LrsError(RuntimeError):
    """The LRS could not be read; nothing was imported. The next try continues where the last good one ended."""


def is_address(source: str) -> bool:
    """Whether a source is the address of an LRS and not a file."""
    return source.startswith(("http://", "https://"))


def cursor_name(url: str) -> str:
    """Under which name it is remembered how far an LRS was read: its address without query and credentials."""
    parts = urlsplit(_statements_url(url))
    return urlunsplit((parts.scheme, parts.netloc.rsplit("@", 1)[-1], parts.path, "", ""))[:255]


def fetch(
    url: str, *, since: datetime | None, auth: tuple[str, str] | None, timeout: float = 60.0
) -> Iterator[list[Any]]:
    """The statements of an LRS, page by page.

    Args:
        url: the LRS's endpoint, or its ``/statements`` resource; a query (e.g. ``verb=``) is kept.
        since: only what was stored after this instant, aware.
        auth: user and password for HTTP basic authentication.
        timeout: longest wait for one answer, in seconds.

    Raises:
        LrsError: it does not answer, refuses, answers no statements, or leads to another host.
    """
    address = _statements_url(url)
    _refuse_open_credentials(address, auth)
    parts = urlsplit(address)
    query = dict(parse_qsl(parts.query, keep_blank_values=True)) | {"ascending": "true", "limit": str(_PAGE)}
    if since is not None:
        query["since"] = since.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    page = urlunsplit(parts._replace(query=urlencode(query)))
    seen: set[str] = set()
    headers = {"X-Experience-API-Version": _VERSION, "Accept": "application/json"}
    with httpx.Client(auth=auth, headers=headers, timeout=timeout, follow_redirects=False) as client:
        while page not in seen:
            seen.add(page)
            answer = _page(client, page)
            yield answer["statements"]
            more = answer.get("more")
            if not more:
                return
            page = next_page(page, str(more))
    raise LrsError(f"{cursor_name(url)} leads round in a circle: a page names an earlier one as the next")


def next_page(page: str, more: str) -> str:
    """Where ``more`` leads: an absolute address, a path, or a path or query relative to the page it came with.

    Raises:
        LrsError: to another host, which must not get our credentials.
    """
    target = urljoin(page, more)
    if _origin(target) != _origin(page):
        raise LrsError(f"the LRS names a next page on another host ({urlsplit(target).netloc}): not followed")
    return target


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)


def _statements_url(url: str) -> str:
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    return urlunsplit(parts._replace(path=path if path.endswith("/statements") else f"{path}/statements", fragment=""))


def _refuse_open_credentials(address: str, auth: tuple[str, str] | None) -> None:
    parts = urlsplit(address)
    if parts.username or parts.password:
        raise LrsError("an address must not hold credentials: give them beside it")
    if auth is None or parts.scheme == "https":
        return
    try:
        is_here = parts.hostname == "localhost" or ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        is_here = False
    if not is_here:
        raise LrsError("credentials are not sent without encryption: use an https:// address")


def _page(client: httpx.Client, page: str) -> dict[str, Any]:
    where = cursor_name(page.split("?", 1)[0])
    try:
        with client.stream("GET", page) as response:
            if response.status_code in {401, 403}:
                raise LrsError(f"{where} refused the credentials (HTTP {response.status_code})")
            if response.status_code != 200:
                raise LrsError(f"{where} answered HTTP {response.status_code} instead of statements")
            content = bytearray()
            for chunk in response.iter_bytes():
                content += chunk
                if len(content) > _LARGEST_PAGE:
                    raise LrsError(f"{where} sent a page over {_LARGEST_PAGE >> 20} MB")
    except httpx.HTTPError as error:
        raise LrsError(f"{where} could not be read: {type(error).__name__}") from error
    try:
        answer = orjson.loads(bytes(content))
    except orjson.JSONDecodeError as error:
        raise LrsError(f"{where} sent something that is no JSON") from error
    if not isinstance(answer, dict) or not isinstance(answer.get("statements"), list):
        raise LrsError(f"{where} sent JSON without a list of statements")
    return answer
