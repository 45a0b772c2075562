"""The links a campaign leads to: whether they may stand in a message, and whether anything answers there.

An answer that asks for a sign-in is a good answer. What cannot be reached from here is a warning: learners may be on
another network than this machine. Redirects are followed as a browser follows them, for a link is as dead as what it
leads to; but never from the web to this machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from urllib.parse import quote, urljoin, urlsplit

from channels.deliverability.findings import Finding, error, warning
from channels.wire import Answer, Failure, Wire

#: Asks for a page, by a deadline in monotonic seconds, and returns the status of the answer.
#: It raises :class:`channels.wire.Failure` when there is none, and :class:`GoesRound` where none ever comes.
Probe = Callable[[str, float], int]

#: Most links that are tried at one time, and how many of them at once.
MOST_LINKS = 50
_AT_ONCE = 8
#: Seconds one link may take, and all together.
_PER_LINK, _ALTOGETHER = 5.0, 20.0

#: Redirects that browsers follow one after the other (WHATWG Fetch, "HTTP-redirect fetch").
_MOST_HOPS = 20

_GONE = {404, 410}
_REDIRECTS = {301, 302, 303, 307, 308}
#: Statuses that leave open whether the page is there for somebody who signed in.
_SIGN_IN = {401, 403, 407, 429}
_HEADERS = {"User-Agent": "Pushpull-preflight/1", "Accept": "*/*"}


class GoesRound(Exception):
    """Redirects that lead to no page.

    Args:
        is_for_sure: for everybody; else a page may be there for whoever keeps the cookies that were set on the way.
    """

    def __init__(self, *, is_for_sure: bool) -> None:
        super().__init__("redirects without an end")
        self.is_for_sure = is_for_sure


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

    Args:
        url: https.
        deadline: monotonic seconds, for all redirects together.

    Returns:
        The status of the page that redirects lead to in the end; of the last redirect where we do not follow it.

    Raises:
        channels.wire.Failure: there was no answer.
        GoesRound: there are only redirects.
        ValueError: one of them leads to no address.
    """
    been: set[str] = set()
    sets_cookies = False
    while len(been) <= _MOST_HOPS and url not in been:
        been.add(url)
        answer = _asked(url, deadline)
        onward = _onward(url, answer)
        if onward is None:
            return answer.status
        sets_cookies = sets_cookies or "set-cookie" in answer.headers
        url = onward
    raise GoesRound(is_for_sure=not sets_cookies)


def _asked(url: str, deadline: float) -> Answer:
    parts = urlsplit(url)
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~") + (f"?{_query(parts.query)}" if parts.query else "")
    wire = Wire(f"{parts.scheme}://{parts.netloc}")
    try:
        answer = wire.request("HEAD", path, headers=_HEADERS, deadline=deadline)
        if answer.status >= 400 and answer.status not in _SIGN_IN:
            answer = wire.request("GET", path, headers=_HEADERS, deadline=deadline)
        return answer
    finally:
        wire.close()


def _onward(url: str, answer: Answer) -> str | None:
    """Where an answer redirects to, on the same host or on another that anybody may ask; None: nowhere we follow."""
    if answer.status not in _REDIRECTS or not answer.headers.get("location"):
        return None
    onward = urljoin(url, answer.headers["location"]).partition("#")[0]
    here, there = urlsplit(url), urlsplit(onward)
    stays = (here.scheme, here.netloc) == (there.scheme, there.netloc)
    return onward if stays or _why_unusable(onward) is None else None


def _query(text: str) -> str:
    return quote(text, safe="/%:@!$&'()*+,;=~?[]")


def _try(key: str, url: str, probe: Probe, deadline: float) -> Finding | None:
    host = urlsplit(url).hostname
    try:
        status = probe(url, deadline)
    except (Failure, ValueError) as failure:
        why = failure.code.replace("_", " ") if isinstance(failure, Failure) else "try it by hand"
        return warning("link-not-reached", f"the link of item {key!r} could not be tried, {host}: {why}")
    except GoesRound as loop:
        if loop.is_for_sure:
            return error("link-goes-round", f"the link of item {key!r} goes round in circles, {host}: correct it")
        return warning("link-doubtful", f"the link of item {key!r} goes round without cookies, {host}: try it")
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
