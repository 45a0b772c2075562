"""The links a campaign leads to: whether they may stand in a message, and whether anything answers there.

An answer that asks for a sign-in is a good answer. What cannot be reached from here is a warning: learners may be on
another network than this machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from urllib.parse import quote, urlsplit

from channels.deliverability.findings import Finding, error, warning
from channels.wire import Failure, Wire

#: Asks for a page, by a deadline in monotonic seconds, and returns the status of the answer.
#: It raises :class:`channels.wire.Failure` when there is none.
Probe = Callable[[str, float], int]

#: Most links that are tried at one time, and how many of them at once.
MOST_LINKS = 50
_AT_ONCE = 8
#: Seconds one link may take, and all together.
_PER_LINK, _ALTOGETHER = 5.0, 20.0

_GONE = {404, 410}
#: Statuses that leave open whether the page is there for somebody who signed in.
_SIGN_IN = {401, 403, 407, 429}
_HEADERS = {"User-Agent": "Pushpull-preflight/1", "Accept": "*/*"}


def check_links(
    links: Mapping[str, str | None], probe: Probe, *, monotonic: Callable[[], float] = time.monotonic
) -> list[Finding]:
    """What is wrong with the links of a campaign's items.

    Args:
        links: the deep link of each item, by the item's key; None where it has none.
        probe: tries one; :func:`ask` does it for real.
    """
    findings: list[Finding] = []
    usable: dict[str, str] = {}
    for key, url in sorted(links.items()):
        if not url:
            findings.append(warning("link-missing", f"item {key!r} has no link: its page can offer nothing to open"))
        elif problem := _why_unusable(url):
            findings.append(error("link-unusable", f"the link of item {key!r} {problem}: correct it in the catalogue"))
        else:
            usable.setdefault(url, key)
    tried = dict(list(usable.items())[:MOST_LINKS])
    if len(usable) > len(tried):
        many = len(usable) - len(tried)
        findings.append(warning("links-not-tried", f"{many} links were not tried: only {MOST_LINKS} are at a time"))
    if not tried:
        return findings
    end = monotonic() + _ALTOGETHER

    def outcome(url: str) -> Finding | None:
        return _try(tried[url], url, probe, min(end, monotonic() + _PER_LINK))

    with ThreadPoolExecutor(min(_AT_ONCE, len(tried)), "links") as pool:
        return findings + [finding for finding in pool.map(outcome, tried) if finding is not None]


def ask(url: str, deadline: float) -> int:
    """Ask for a page by HEAD, and by GET where a server does not know HEAD or may only pretend not to have the page.

    Redirects are not followed: whatever leads somewhere else is there.

    Args:
        url: https.
        deadline: monotonic seconds.

    Raises:
        channels.wire.Failure: there was no answer.
    """
    parts = urlsplit(url)
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~") + (f"?{_query(parts.query)}" if parts.query else "")
    wire = Wire(f"{parts.scheme}://{parts.netloc}")
    try:
        status = wire.request("HEAD", path, headers=_HEADERS, deadline=deadline).status
        if status >= 400 and status not in _SIGN_IN:
            status = wire.request("GET", path, headers=_HEADERS, deadline=deadline).status
        return status
    finally:
        wire.close()


def _query(text: str) -> str:
    return quote(text, safe="/%:@!$&'()*+,;=~?[]")


def _try(key: str, url: str, probe: Probe, deadline: float) -> Finding | None:
    host = urlsplit(url).hostname
    try:
        status = probe(url, deadline)
    except Failure as failure:
        message = f"the link of item {key!r} could not be tried, {host}: {failure.code.replace('_', ' ')}"
        return warning("link-not-reached", message)
    except ValueError:
        return warning("link-not-reached", f"the link of item {key!r} could not be tried, {host}: try it by hand")
    if status in _GONE:
        return error("link-gone", f"the link of item {key!r} leads nowhere, {host} answers {status}: correct it")
    if status >= 400 and status not in _SIGN_IN:
        return warning("link-doubtful", f"the link of item {key!r} may not work, {host} answers {status}: try it")
    return None


def _why_unusable(url: str) -> str | None:
    """Why a link cannot stand in a message, or would not be led to by the learner's own page."""
    if not url.isprintable() or any(character in url for character in "\\ "):
        return "has characters no address has"
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        return "is no address"
    if parts.scheme != "https" or not host:
        return "does not begin with https://"
    if "@" in parts.netloc:
        return "names a user"
    return "leads to the learner's own machine" if _is_nowhere(host) else None


def _is_nowhere(host: str) -> bool:
    """Whether a host is this machine, its link or nothing at all: nobody else can open it, and we do not try it."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or address.is_link_local or address.is_unspecified
