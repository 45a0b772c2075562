"""Who opened a link: a person, a machine that reads mail for them, or nobody can tell.

Pure: what is known of an opening comes in, a class and the rule that gave it come out. Mail gateways, link previews
and prefetching browsers open every link they meet, so a click is believed only where everything speaks for a person:
a browser that says it navigates, for a reader of some language, to a page. What lacks that is *unknown*, never human.

Sources: WHATWG Fetch and W3C Fetch Metadata (``Sec-Fetch-*``), WHATWG HTML "speculative navigation" (``Sec-Purpose``),
RFC 9110 (methods, ``Accept``, ``Accept-Language``); the makers' own pages named at each agent below.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from pushpull.ledger.vocabulary import FetchKind, Reader

#: What opens so many links of one learner within :data:`BURST` reads for them all.
BURST_LINKS: Final = 3
BURST: Final = timedelta(seconds=10)
#: How long before and after it a trap tells about the openings around it.
TRAP_REACH: Final = timedelta(minutes=5)
#: Seconds after its handover in which nobody can have read a message, and in which few will have.
TOO_SOON: Final = 5.0
SOON: Final = 20.0

#: Kinds of links that stand in messages; the rest are on our own pages.
IN_MESSAGES: Final = frozenset({FetchKind.LANDING, FetchKind.UNSUBSCRIBE, FetchKind.PREFERENCES})


@dataclass(frozen=True, slots=True)
class Opening:
    """One request for one of our links, as far as it tells about who made it.

    Args:
        method: of HTTP.
        agent: ``User-Agent``.
        accept, accept_language: of the same names.
        fetch_mode, fetch_dest: ``Sec-Fetch-Mode`` and ``Sec-Fetch-Dest``; empty where the browser sends none.
        purpose: ``Sec-Purpose``, ``Purpose``, ``X-Purpose`` and ``X-Moz`` together.
        seconds_after: since the message left; None where that is unknown.
    """

    method: str = "GET"
    agent: str = ""
    accept: str = ""
    accept_language: str = ""
    fetch_mode: str = ""
    fetch_dest: str = ""
    purpose: str = ""
    seconds_after: float | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """A class, and the rule that gave it."""

    reader: Reader
    why: str


@dataclass(frozen=True, slots=True)
class Seen:
    """An opening that was kept, as second thoughts need it.

    Args:
        token_id: the link's own id; None where it is not kept.
        learner_id: whose link it is; None where that is not kept.
    """

    id: int
    at: datetime
    kind: FetchKind
    reader: Reader
    token_id: str | None
    learner_id: int | None


#: By the rule's name, what an agent says. Sources:
#: safelinks: learn.microsoft.com/defender-office-365/safe-links-about (detonation; "SafeLinks", "ms-office");
#: proofpoint: help.proofpoint.com, URL Defense; mimecast: mimecastsupport.zendesk.com, URL Protect;
#: barracuda: campus.barracuda.com, Link Protection; symantec, trendmicro, cisco: their e-mail gateways' agents;
#: google: developers.google.com/search/docs/crawling-indexing/google-user-triggered-fetchers and
#: support.google.com/a/answer/3299041 (GoogleImageProxy); slack: api.slack.com/robots;
#: microsoft_preview: learn.microsoft.com/microsoftteams/platform/messaging-extensions/how-to/link-unfurling
#: (SkypeUriPreview, Teams preview); whatsapp, facebook: developers.facebook.com/docs/sharing/webmasters/web-crawlers;
#: telegram, discord, linkedin, twitter, apple: the previews of those makers.
_AGENTS: Final[Mapping[str, re.Pattern[str]]] = MappingProxyType(
    {
        name: re.compile(pattern, re.IGNORECASE)
        for name, pattern in {
            "agent_safelinks": r"safelinks|microsoft office existence|ms-office|microsoftpreview",
            "agent_proofpoint": r"proofpoint|urldefense|pfpt",
            "agent_mimecast": r"mimecast",
            "agent_barracuda": r"barracuda",
            "agent_gateway": r"symantec|messagelabs|trendmicro|trend micro|ironport|cisco|sophos|fireeye|fortinet"
            r"|forcepoint|zscaler|netcraft|virustotal|urlscan|phish",
            "agent_google": r"googleimageproxy|googlebot|google-read-aloud|feedfetcher|google-safety|apis-google"
            r"|google-pagerenderer|googleother|gmailimageproxy",
            "agent_slack": r"slackbot|slack-imgproxy",
            "agent_teams": r"skypeuripreview|teamsbot|microsoft-teams|bingpreview|bingbot",
            "agent_preview": r"whatsapp|facebookexternalhit|facebot|telegrambot|discordbot|linkedinbot|twitterbot"
            r"|applebot|viber|embedly|iframely|outlook-ios-preview",
            "agent_headless": r"headless|phantomjs|puppeteer|playwright|selenium|webdriver|electron|lighthouse",
            "agent_tool": r"^(?:curl|wget|python|java|ruby|perl|php|node|axios|okhttp|httpx|libwww|apache-httpclient"
            r"|winhttp|powershell|postman|insomnia|http|got|undici|aiohttp|scrapy)\b"
            r"|\bgo-http-client|python-requests|python-httpx|windowspowershell|\bbot\b|bot/|crawler|spider|scanner|preview|monitor",
        }.items()
    }
)
_AHEAD: Final = re.compile(r"prefetch|prerender|preview", re.IGNORECASE)
_BROWSER: Final = re.compile(r"^Mozilla/5\.0 \(")


def judged(opening: Opening) -> Judgement:
    """Who made a request, by what it says of itself; the first rule that fits.

    ===================== ========= ==================================================================================
    rule                  class     fits
    ===================== ========= ==================================================================================
    method                scanner   HEAD and the like: people's browsers GET
    no_agent              scanner   nobody says who asks
    agent_…               scanner   a known gateway, preview, automated browser or tool says who it is
    prefetch              scanner   a browser fetches ahead, unasked (``Sec-Purpose: prefetch``)
    not_a_navigation      scanner   a script, an image or a frame asks, not a person who follows a link
    too_soon              scanner   the message had left less than :data:`TOO_SOON` seconds before
    soon                  unknown   less than :data:`SOON` seconds before
    no_browser            unknown   the agent is none that a browser has
    no_fetch_metadata     unknown   no ``Sec-Fetch-*``: a browser older than March 2023, or something that plays one
    no_page_wanted        unknown   ``Accept`` does not ask for a page
    no_language           unknown   no ``Accept-Language``: every browser sends one
    navigation            human     what is left
    ===================== ========= ==================================================================================
    """
    fitting = (Judgement(reader, why) for fits, reader, why in _rules(opening) if fits)
    return next(fitting, Judgement(Reader.HUMAN, "navigation"))


def _rules(opening: Opening) -> Iterator[tuple[bool, Reader, str]]:
    """Whether each rule fits, its class and its name."""
    scanner, unknown = Reader.SCANNER, Reader.UNKNOWN
    yield opening.method != "GET", scanner, "method"
    yield not opening.agent.strip(), scanner, "no_agent"
    for name, pattern in _AGENTS.items():
        yield pattern.search(opening.agent) is not None, scanner, name
    yield _AHEAD.search(opening.purpose) is not None, scanner, "prefetch"
    navigates = (opening.fetch_mode or "navigate", opening.fetch_dest or "document") == ("navigate", "document")
    yield not navigates, scanner, "not_a_navigation"
    since = opening.seconds_after
    yield since is not None and 0 <= since < TOO_SOON, scanner, "too_soon"
    yield since is not None and 0 <= since < SOON, unknown, "soon"
    yield _BROWSER.match(opening.agent) is None, unknown, "no_browser"
    yield not (opening.fetch_mode and opening.fetch_dest), unknown, "no_fetch_metadata"
    yield "text/html" not in opening.accept.lower(), unknown, "no_page_wanted"
    yield not opening.accept_language.strip(), unknown, "no_language"


def second_thoughts(openings: Iterable[Seen]) -> dict[int, str]:
    """Openings that only those around them give away, with the rule that does: a scanner's, all of them.

    ``burst``: so many different links of one learner's messages within seconds. ``trap``: near it, the same learner's
    page had a link followed that nobody can see.

    Args:
        openings: of any learners, in any order.

    Returns:
        The rule by the opening's id; those known for a scanner's are left out.
    """
    by_learner: dict[int, list[Seen]] = defaultdict(list)
    for each in openings:
        if each.learner_id is not None:
            by_learner[each.learner_id].append(each)
    found: dict[int, str] = {}
    for theirs in by_learner.values():
        theirs.sort(key=lambda each: each.at)
        trapped = [each.at for each in theirs if each.kind is FetchKind.TRAP]
        hurried = _bursts(theirs)
        for each in theirs:
            if each.reader is Reader.SCANNER:
                continue
            if each.id in hurried:
                found[each.id] = "burst"
            elif any(abs(each.at - at) <= TRAP_REACH for at in trapped):
                found[each.id] = "trap"
    return found


def _bursts(theirs: Sequence[Seen]) -> set[int]:
    """Ids of one learner's openings in a window with too many different links.

    Args:
        theirs: in order of time.
    """
    found: set[int] = set()
    first = 0
    for place, each in enumerate(theirs):
        while each.at - theirs[first].at > BURST:
            first += 1
        window = theirs[first : place + 1]
        links = {(one.kind, one.token_id) for one in window if one.kind in IN_MESSAGES}
        if len(links) >= BURST_LINKS:
            found.update(one.id for one in window)
    return found
