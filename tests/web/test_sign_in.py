"""Signing in, against a provider that speaks real HTTP, and against everything a provider can get wrong."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine
from starlette.requests import Request

from pushpull.ledger.links import Purpose
from pushpull.settings import Settings
from tests.standin.issuer import CLIENT, SECRET, SLOW, Fault, Issuer, Person
from tests.web.conftest import Place
from web import provider as openid
from web import sign_in, staff
from web.app import create_app
from web.site import Site
from web.staff import PAGES, Staff, cookie_name, staff_of

BASE = "https://learn.example"
GRACE = Person(
    "u-1", {"email": "Grace@example.org", "email_verified": True, "name": "Grace", "groups": ["sponsors", "x"]}
)
AWAY = {
    Fault.TOKEN_ERROR,
    Fault.TOKEN_SLOW,
    Fault.TOKEN_DRIPPING,
    Fault.DISCOVERY_SLOW,
    Fault.DISCOVERY_ERROR,
    Fault.DISCOVERY_GARBAGE,
    Fault.DISCOVERY_OF_ANOTHER,
    Fault.DISCOVERY_UNENCRYPTED,
    Fault.KEYS_ERROR,
}


@pytest.fixture(scope="module")
def provider() -> Iterator[Issuer]:
    with Issuer(redirect_uri=f"{BASE}/sign-in/callback", people=[GRACE]) as issuer:
        yield issuer


@pytest.fixture
def issuer(provider: Issuer) -> Issuer:
    provider.people, provider.fault, provider.in_userinfo = [GRACE], None, frozenset()
    provider.asked.clear()
    openid._client.cache_clear()
    return provider


@pytest.fixture
def browser(issuer: Issuer, sqlite_engine: Engine) -> Iterator[TestClient]:
    with TestClient(an_app(issuer, sqlite_engine), base_url=BASE, follow_redirects=False) as client:
        yield client


def an_app(issuer: Issuer, engine: Engine, **more: object) -> object:
    return create_app(settings_for(issuer, **more), engine)


def settings_for(issuer: Issuer, **more: object) -> Settings:
    values: dict[str, object] = {
        "base_url": BASE, "link_key": "a secret of the tests alone", "oidc_issuer": issuer.url,
        "oidc_client_id": CLIENT, "oidc_client_secret": SECRET, "oidc_sponsor_group": "sponsors",
        "oidc_ops_group": "ops", **more,
    }  # fmt: skip
    return Settings(_env_file=None, **values)  # type: ignore[arg-type]


def go_to_provider(browser: TestClient, path: str = "/sign-in?to=sponsor") -> str:
    """The address the provider sends the browser back to."""
    sent = browser.get(path)
    assert sent.status_code == 303, sent.text
    came = httpx.get(sent.headers["location"], trust_env=False)
    assert came.status_code == 302, came.text
    return came.headers["location"]


def is_signed_in(browser: TestClient) -> bool:
    return any(cookie.name == "__Host-pushpull-staff" for cookie in browser.cookies.jar)


def test_somebody_signs_in_and_stands_where_they_wanted_to_go(browser: TestClient) -> None:
    assert browser.get("/sponsor").headers["location"] == "/sign-in?to=sponsor"
    back = browser.get(go_to_provider(browser))
    assert (back.status_code, back.headers["location"]) == (303, "/sponsor")
    assert {cookie.name for cookie in browser.cookies.jar} == {"__Host-pushpull-staff"}  # the dance is forgotten


def test_the_dance_is_one_of_code_and_pkce_to_an_address_from_the_settings(browser: TestClient) -> None:
    sent = browser.get("/sign-in?to=team", headers={"host": "evil.example", "x-forwarded-host": "evil.example"})
    asked = parse_qs(urlsplit(sent.headers["location"]).query)
    assert asked["redirect_uri"] == [f"{BASE}/sign-in/callback"]
    assert asked["response_type"] == ["code"]
    assert asked["code_challenge_method"] == ["S256"]
    assert len(asked["state"][0]) >= 20
    assert len(asked["nonce"][0]) >= 20
    kept = sent.headers["set-cookie"]
    assert kept.startswith("__Host-pushpull-dance=")
    assert {"httponly", "secure", "path=/", "samesite=lax", "Max-Age=600"} <= set(kept.split("; "))


@pytest.mark.parametrize("fault", Fault)
def test_whatever_the_provider_gets_wrong_lets_nobody_in(
    browser: TestClient, issuer: Issuer, fault: Fault, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(openid, "_PATIENCE", 0.6)
    if fault is Fault.ANOTHER_SUBJECT:
        issuer.in_userinfo = frozenset({"email"})
    issuer.fault = fault
    began = time.monotonic()
    answer = browser.get("/sign-in?to=team")
    if answer.status_code == 303:
        came = httpx.get(answer.headers["location"], trust_env=False)
        answer = browser.get(came.headers["location"])
    assert answer.status_code == (503 if fault in AWAY else 403)
    assert time.monotonic() - began < SLOW / 2
    assert not is_signed_in(browser)
    assert "<h1>" in answer.text
    assert "script" not in answer.text
    logged = " ".join(
        f"{record.getMessage()} {vars(record)}" for record in caplog.records if record.name.startswith("web")
    )
    assert logged
    assert not any(word in logged.casefold() for word in ("grace", "u-1", "example.org", "nonce=", "eyj"))
    issuer.fault = None  # and it is not held against the provider
    assert browser.get(go_to_provider(browser)).headers["location"] == "/sponsor"


def test_a_provider_that_is_not_there_is_no_error_of_ours(sqlite_engine: Engine) -> None:
    gone = Issuer()
    gone.port = 1
    app = an_app(gone, sqlite_engine)
    answer = TestClient(app, base_url=BASE, follow_redirects=False).get("/sign-in", headers={"accept-language": "de"})
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "30"
    assert "Anmeldung" in answer.text


def test_an_answer_to_another_browser_opens_nothing(browser: TestClient, issuer: Issuer, sqlite_engine: Engine) -> None:
    with TestClient(an_app(issuer, sqlite_engine), base_url=BASE, follow_redirects=False) as attacker:
        theirs = go_to_provider(attacker)
        assert browser.get(theirs).status_code == 403  # no sign-in was begun here
        go_to_provider(browser)
        assert browser.get(theirs).status_code == 403  # or another one was
        assert not is_signed_in(browser)


def test_an_answer_works_once(browser: TestClient) -> None:
    back = go_to_provider(browser)
    assert browser.get(back).status_code == 303
    browser.cookies.clear()
    assert browser.get(back).status_code == 403
    assert not is_signed_in(browser)


def test_no_answer_of_anybody_else_breaks_the_app(browser: TestClient) -> None:
    for query in (
        "",
        "?state=x",
        "?code=x",
        "?code=x&state=y",
        "?error=access_denied",
        "?state=%00&code=%ff",
        "?error=",
    ):
        for method in ("GET", "HEAD"):
            assert browser.request(method, f"/sign-in/callback{query}").status_code == 403
    go_to_provider(browser)
    assert browser.get("/sign-in/callback?code=x&state=y").status_code == 403


@pytest.mark.parametrize(
    "wish",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "\tteam",
        "team/../me",
        "",
        "TEAM",
        "/team",
        "%2F%2Fevil",
        "team&to=//x",
    ],
)
def test_nobody_is_sent_elsewhere(browser: TestClient, wish: str) -> None:
    sent = browser.get("/sign-in", params={"to": wish, "next": wish, "redirect_uri": wish, "return_to": wish})
    came = httpx.get(sent.headers["location"], trust_env=False)
    assert browser.get(came.headers["location"]).headers["location"] in PAGES.values()


def test_what_is_not_in_the_token_is_asked_for(browser: TestClient, issuer: Issuer) -> None:
    browser.get(go_to_provider(browser))
    assert "userinfo" not in issuer.asked
    issuer.in_userinfo = frozenset({"email", "groups", "email_verified"})
    browser.cookies.clear()
    browser.get(go_to_provider(browser))
    assert "userinfo" in issuer.asked
    assert staff_in(browser, issuer).is_sponsor
    assert staff_in(browser, issuer).email == "grace@example.org"


@pytest.mark.parametrize(
    ("verified", "email"),
    [(True, "grace@example.org"), (False, ""), ("false", ""), ("False", ""), ("no", ""), (0, ""), ([], ""), (None, "")],
)
def test_an_address_counts_unless_the_provider_doubts_it(
    browser: TestClient, issuer: Issuer, verified: object, email: str
) -> None:
    issuer.people = [replace(GRACE, claims={**GRACE.claims, "email_verified": verified})]
    browser.get(go_to_provider(browser))
    found = staff_in(browser, issuer)
    assert found.email == (email if verified is not None else "grace@example.org")
    assert (found.is_sponsor, found.is_ops) == (True, False)


@pytest.mark.parametrize("groups", [None, [], "sponsors-not", ["Sponsors"], [["sponsors"]], {"sponsors": 1}, 7])
def test_nobody_is_a_sponsor_but_by_the_group(browser: TestClient, issuer: Issuer, groups: object) -> None:
    issuer.people = [replace(GRACE, claims={**GRACE.claims, "groups": groups})]
    browser.get(go_to_provider(browser))
    assert not staff_in(browser, issuer).is_sponsor


def test_without_a_group_in_the_settings_nobody_is_anything(issuer: Issuer, sqlite_engine: Engine) -> None:
    issuer.people = [replace(GRACE, claims={**GRACE.claims, "groups": ["", "sponsors"]})]
    app = an_app(issuer, sqlite_engine, oidc_sponsor_group="", oidc_ops_group="")
    with TestClient(app, base_url=BASE, follow_redirects=False) as browser:
        browser.get(go_to_provider(browser))
        found = staff_in(browser, issuer)
        assert (found.is_sponsor, found.is_ops) == (False, False)


def test_without_a_provider_the_pages_say_so_and_open_for_nobody(place: Place) -> None:
    for method, path in [
        ("GET", "/sign-in"),
        ("GET", "/sign-in/callback?code=x&state=y"),
        ("GET", "/sign-out"),
        ("POST", "/sign-out"),
        ("GET", "/team"),
        ("GET", "/sponsor"),
        ("GET", "/sponsor/figures.csv"),
        ("GET", "/moderation"),
    ]:
        answer = place.client.request(method, path, headers={"accept-language": "fr"})
        assert answer.status_code == 404
        assert "Il n’y a pas encore de connexion ici" in answer.text
        assert "PUSHPULL_OIDC" in answer.text
        assert "set-cookie" not in answer.headers


def test_a_provider_may_change_its_key(browser: TestClient, issuer: Issuer) -> None:
    browser.get(go_to_provider(browser))
    issuer.rotate()
    browser.cookies.clear()
    assert browser.get(go_to_provider(browser)).headers["location"] == "/sponsor"
    assert issuer.asked.count("keys") == 2
    assert is_signed_in(browser)


def test_what_a_stranger_put_into_the_browser_before_is_worth_nothing(
    browser: TestClient, issuer: Issuer, sqlite_engine: Engine
) -> None:
    """Session fixation: neither a cookie of the attacker's own sign-in, nor one begun and not finished, is kept."""
    with TestClient(an_app(issuer, sqlite_engine), base_url=BASE, follow_redirects=False) as attacker:
        issuer.people = [Person("attacker", {"email": "eve@example.org", "groups": ["ops"]})]
        attacker.get(go_to_provider(attacker))
        planted = next(cookie.value for cookie in attacker.cookies.jar)
        form_token = staff_in(attacker, issuer).form_token
    issuer.people = [GRACE]
    browser.cookies.set("__Host-pushpull-staff", planted, domain="learn.example", path="/")
    assert browser.get(go_to_provider(browser)).status_code == 303
    found = staff_in(browser, issuer)
    assert (found.subject, found.is_ops) == ("u-1", False)
    assert browser.post("/sign-out", data={"form_token": form_token}).status_code == 403


def test_a_sign_in_ends_with_the_working_day(browser: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    browser.get(go_to_provider(browser))
    assert browser.get("/team").status_code == 200
    later = staff.now() + staff.LENGTH
    monkeypatch.setattr(staff, "now", lambda: later)
    assert browser.get("/team").headers["location"] == "/sign-in?to=team"


def test_a_sign_in_that_takes_too_long_begins_anew(browser: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    back = go_to_provider(browser)
    today = time.time()
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: today + 601)
    assert browser.get(back).status_code == 403
    assert not is_signed_in(browser)


def test_the_app_starts_without_the_library_and_nobody_is_warned_when_it_comes() -> None:
    script = (
        "import sys, web.app; assert 'authlib' not in sys.modules; import web.provider; assert 'authlib' in sys.modules"
    )
    done = subprocess.run([sys.executable, "-W", "default", "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_signing_out_takes_a_form_of_ours(browser: TestClient, issuer: Issuer) -> None:
    browser.get(go_to_provider(browser))
    token = staff_in(browser, issuer).form_token
    assert browser.post("/sign-out").status_code == 403
    foreign = browser.post("/sign-out", data={"form_token": token}, headers={"origin": "https://evil.example"})
    assert foreign.status_code == 403
    assert is_signed_in(browser)
    done = browser.post("/sign-out", data={"form_token": token})
    assert (done.status_code, done.headers["location"]) == (303, "/sign-out")
    assert not is_signed_in(browser)
    assert browser.get("/sign-out").status_code == 200
    assert browser.get("/team").headers["location"] == "/sign-in?to=team"


def test_a_learners_cookie_opens_no_staff_page_and_the_reverse(
    place: Place, browser: TestClient, issuer: Issuer
) -> None:
    browser.get(go_to_provider(browser))
    theirs = next(cookie.value for cookie in browser.cookies.jar)
    site = Site(place.settings, place.engine)
    claims = site.signer.read(place.landing().removeprefix("/l/"), Purpose.LANDING, sign_in.now())
    visit = site.signer.session_token(claims, claims.expires_at)  # type: ignore[arg-type]
    with TestClient(browser.app, base_url=BASE, follow_redirects=False) as other:
        other.cookies.set("__Host-pushpull-staff", visit)
        assert other.get("/team").status_code == 303
        other.cookies.clear()
        other.cookies.set("__Host-pushpull", visit)
        assert other.get("/team").status_code == 303
        other.cookies.clear()
        other.cookies.set("__Host-pushpull", theirs)
        assert other.get("/me").status_code in (401, 404)


def test_pages_of_learners_set_no_cookie_of_the_sign_in(place: Place) -> None:
    for path in (place.preferences(), place.unsubscribe(), "/healthz", "/static/style.css"):
        assert "dance" not in place.client.get(path).headers.get("set-cookie", "")


def staff_in(browser: TestClient, issuer: Issuer) -> Staff:
    """Who the app takes the browser for."""
    site = Site(settings_for(issuer), browser.app.state.site.engine)
    value = next(cookie.value for cookie in browser.cookies.jar if cookie.name == cookie_name(site))
    headers = [(b"cookie", f"{cookie_name(site)}={value}".encode())]
    return staff_of(Request({"type": "http", "method": "GET", "path": "/team", "headers": headers, "app": browser.app}))
