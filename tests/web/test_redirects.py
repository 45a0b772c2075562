"""Five hundred addresses that somebody would like us to lead to, wherever a request can carry one: we lead to none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from sqlalchemy import insert, update

from pushpull.catalogue.tables import item
from pushpull.db import writing
from pushpull.learners.tables import progress, share
from pushpull.ledger.links import Claims, Purpose
from pushpull.settings import Settings
from tests.standin.issuer import CLIENT, SECRET, Issuer, Person
from tests.web.conftest import BASE, NOW, Place
from tests.web.knocking import Answer, Knock, answers
from web.app import create_app
from web.session import FORM_TOKEN
from web.staff import PAGES

EVIL = "evil.example"

#: How open redirects are asked for. After the OWASP cheat sheet on unvalidated redirects, CWE-601, PortSwigger's
#: collection of URL-validation bypasses, and what WHATWG URL parsers make of slashes, tabs and odd letters.
SHAPES = (
    "https://{e}", "http://{e}/", "//{e}", "///{e}", "////{e}", "//{e}/%2e%2e", "/\\{e}", "\\\\{e}", "/\\/{e}",
    "\\/\\/{e}", "/{t}/{e}", "/{n}/{e}", "/{r}{n}/{e}", "{t}//{e}", "{n}//{e}", " //{e}", "{z}//{e}", "https:{e}",
    "https:/{e}", "https:///{e}", "https:\\\\{e}", "hTTps://{e}", "https:{t}//{e}", "ht{t}tps://{e}", "https://{o}@{e}",
    "https://{o}:x@{e}", "//{o}@{e}", "https://{e}#{o}", "https://{e}?{o}", "https://{e}\\@{o}", "https://{e}/{o}",
    "https://{o}.{e}", "https://{e}%2f{o}", "https://{e}%00.{o}", "https://{e}%09.{o}", "https://{o}%40{e}",
    "//{e}:443@{o}", "/{o}@{e}", "javascript:alert(1)//{e}", "JaVaScRiPt:alert('{e}')", "java{t}script:alert('{e}')",
    "javascript://{o}/%0aalert('{e}')", "data:text/html,<script>location='//{e}'</script>", "data:text/html;base64,{e}",
    "vbscript:msgbox('{e}')", "file://{e}/etc/passwd", "ftp://{e}", "blob:https://{e}/1", "view-source:https://{e}",
    "//{w}", "https://{w}", "https://{d}", "https://e{v}vil.example/{e}", "https://[::1].{e}", "https://[{e}]",
    "https://0x7f.1/{e}", "https://2130706433/{e}", "/me{r}{n}Location: https://{e}", "/me%0d%0aLocation:%20//{e}",
    "team{r}{n}Set-Cookie: x={e}", "/me//{e}", "/me/..//{e}", "/..//{e}", "/%2e%2e//{e}", ".{e}", "@{e}", ":{e}",
    "?{e}", "#{e}", "/%5c{e}", "/%2f{e}", "/%252f{e}", "%2f%2f{e}", "%252f%252f{e}", "/;@{e}", "//;@{e}",
    "/%ef%bc%8f{e}", "\u2044\u2044{e}", "\uff0f\uff0f{e}", "/\u3000/{e}", "//\u202e{e}", "https://{o}\uff0f@{e}", "https://{e}\u3002",
    "/sign-in?to=//{e}", "{o}/l/x?next=//{e}", "<meta http-equiv=refresh content='0;//{e}'>", "'\"><a href=//{e}>",
)  # fmt: skip

#: How often what is sent is escaped.
ESCAPES = {
    "as it is": lambda text: text,
    "escaped": lambda text: quote(text, safe=""),
    "escaped twice": lambda text: quote(quote(text, safe=""), safe=""),
    "escaped a little": lambda text: text.replace("/", "%2F").replace(":", "%3a").replace("\\", "%5C"),
    "escaped as UTF-16 was": lambda text: text.replace("/", "%u002f"),
    "with an end": lambda text: f"{text}%00",
    "with a way back": lambda text: f"/me/../{text}",
}

#: What parameters that steer a redirect are called, here and elsewhere.
NAMES = (
    "next", "return", "return_to", "returnTo", "return_url", "redirect", "redirect_uri", "redirect_url", "url", "uri",
    "to", "from", "goto", "target", "dest", "destination", "continue", "back", "callback", "RelayState", "r", "u",
    "done", "edit", "moved", "item", "move", "action", "place", "state", "code", "iss",
)  # fmt: skip


def payloads() -> list[str]:
    """At least five hundred, each once."""
    own = urlsplit(BASE).netloc
    odd = {"e": EVIL, "o": own, "t": "\t", "n": "\n", "r": "\r", "z": "\0", "v": "\u00ad"}
    odd |= {"w": EVIL.replace(".", "\u3002"), "d": "".join(chr(ord(c) + 0xFEE0) if c.isalpha() else c for c in EVIL)}
    made = [escape(shape.format(**odd)) for shape, escape in product(SHAPES, ESCAPES.values())]
    return list(dict.fromkeys(made))


PAYLOADS = payloads()


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer(redirect_uri=f"{BASE}/sign-in/callback", people=[Person("u-1", {})]) as made:
        yield made


def leads_astray(answer: Answer, issuer: Issuer) -> bool:
    """Whether an answer leads anywhere but to our pages, the catalogue's item or the company's sign-in."""
    if any(re.search(r"[\r\n\0]", value) or name in {"refresh", "link"} for name, value in answer.headers):
        return True
    if answer.location is None:
        return False
    ours = re.fullmatch(r"/(?:me|sign-in|team|sponsor|moderation|outbox|l)(?:[/?#][\w=?#&/-]*)?", answer.location)
    is_provider = answer.location.startswith(f"{issuer.url}/") and EVIL not in answer.location
    return not (ours or is_provider or answer.location in ("https://courses.example/1", "https://courses.example/2#3"))


@pytest.fixture
def app(place: Place, issuer: Issuer) -> Any:
    if place.engine.dialect.name != "sqlite":
        pytest.skip("where pages lead is not the database's business")
    with writing(place.engine) as connection:
        connection.execute(insert(share).values(id=1, learner_id=1, item_id=1, made_at=NOW))
    own = {"base_url": BASE, "link_key": "a secret of the tests alone", "outbox_dir": place.settings.outbox_dir}
    provider = {"oidc_issuer": issuer.url, "oidc_client_id": CLIENT, "oidc_client_secret": SECRET}
    # Whose openings these are is not kept: hundreds in a minute would be looked at again with each of them.
    settings = Settings(_env_file=None, works_council=True, **own, **provider)  # type: ignore[arg-type]
    return create_app(settings, place.engine, limits=None)


def visiting(place: Place) -> tuple[dict[str, str], str]:
    """The headers of somebody on a visit, and what their forms carry."""
    session = place.signer.session_token(Claims(Purpose.LANDING, 1, "", campaign_id=1), NOW.replace(year=NOW.year + 1))
    return {"cookie": f"__Host-pushpull={session}"}, place.signer.form_token(session)


def test_there_are_five_hundred_and_all_of_them_name_a_place_that_is_not_ours() -> None:
    assert len(PAYLOADS) >= 500
    assert all(len(payload) > 5 for payload in PAYLOADS)


def test_no_parameter_of_any_request_steers_a_redirect(place: Place, app: Any, issuer: Issuer) -> None:
    headers, token = visiting(place)
    expired = place.landing(expires=NOW.replace(year=NOW.year - 1))
    fresh = place.signer.form_token(expired.removeprefix("/l/"))
    shared = place.path(place.signer.share_url(1))
    knocks = []
    for place_in_list, payload in enumerate(PAYLOADS):
        text = quote(payload, safe="%")
        query = "&".join(f"{name}={text}" for name in NAMES)
        form = {**dict.fromkeys(NAMES, payload), FORM_TOKEN: token}
        queue = {**form, "item": "1", "move": "next"}
        knocks += [
            Knock("GET", "/me/start/1", query, {**headers, "referer": payload, "host": payload}),
            Knock("POST", "/me/queue", query, {**headers, "x-forwarded-host": payload}, queue),
        ]
        if place_in_list % 5:
            continue
        knocks += [
            Knock("GET", "/me/start/2", "", {**headers, "host": payload, "x-forwarded-proto": payload}),
            Knock("POST", shared, query, headers, form),
            Knock("POST", f"{expired}/fresh", query, form={**form, FORM_TOKEN: fresh}),
        ]
    for path in ("/team", "/sponsor", "/moderation", place.landing(), "/outbox", "/sign-in", "/sign-in/callback"):
        knocks += [
            Knock("GET", path, "&".join(f"{name}={quote(payload, safe='%')}" for name in NAMES), {"host": payload})
            for payload in PAYLOADS[::10]
        ]
    found = answers(app, knocks)
    astray = [(k, a) for k, a in zip(knocks, found, strict=True) if leads_astray(a, issuer)]
    assert astray == []
    assert sum(answer.location is not None for answer in found) > 2 * len(PAYLOADS)  # they did lead somewhere


def test_a_sign_in_comes_back_to_one_of_its_own_pages_whatever_was_asked_for() -> None:
    assert [payload for payload in PAYLOADS if payload in PAGES] == []
    assert all(re.fullmatch(r"/[a-z]+", page) for page in PAGES.values())


def test_no_path_leads_anywhere_else(app: Any, place: Place, issuer: Issuer) -> None:
    headers, _ = visiting(place)
    knocks = [
        Knock("GET", f"{before}{quote(payload, safe='%/')}", headers=headers)
        for payload in PAYLOADS
        for before in ("/", "", "/me/start/", "/l/", "/sign-in/")
    ]
    found = answers(app, knocks)
    assert [(k, a) for k, a in zip(knocks, found, strict=True) if leads_astray(a, issuer)] == []
    assert {answer.status for answer in found} <= {401, 404, 405}


def test_what_the_catalogue_says_is_followed_only_where_every_browser_reads_it_alike(app: Any, place: Place) -> None:
    headers, _ = visiting(place)
    for payload in PAYLOADS:
        with writing(place.engine) as connection:
            connection.execute(update(item).where(item.c.id == 2).values(url=payload))
            connection.execute(update(progress).values(place_url=payload))
        (answer,) = answers(app, [Knock("GET", "/me/start/2", headers=headers)])
        if answer.location is not None:  # a plain address that happens to be in the catalogue
            assert re.fullmatch(r"https://[a-z0-9.-]+(?:[/?#][!-\[\]-~]*)?", answer.location, re.IGNORECASE), payload
