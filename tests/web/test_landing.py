"""Links in messages: the visit they begin, where a learner's page leads on to, and what an expired one shows."""

from __future__ import annotations

from datetime import timedelta
from html import unescape

import pytest
from sqlalchemy import select

from pushpull.catalogue.tables import item
from pushpull.db import reading
from pushpull.learners.tables import learner, progress
from pushpull.ledger.tables import fetch
from tests.web.conftest import BASE, NOW, Place
from web.targets import is_safe_target

BROWSER = {
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "accept": "text/html,application/xhtml+xml,*/*;q=0.8",
    "accept-language": "de",
    "sec-fetch-mode": "navigate",
    "sec-fetch-dest": "document",
    "sec-fetch-site": "none",
}
EXPIRED = NOW - timedelta(days=1)


def kept(place: Place) -> list[tuple[str, str]]:
    """Which kinds of links were opened, and by whom."""
    with reading(place.engine) as connection:
        return [(row.kind, row.reader) for row in connection.execute(select(fetch).order_by(fetch.c.id))]


def arrive(place: Place, **link: object) -> None:
    assert place.client.get(place.landing(**link), headers=BROWSER).status_code == 303  # type: ignore[arg-type]


def test_a_link_begins_a_visit_at_a_clean_address(place: Place) -> None:
    answer = place.client.get(place.landing(), headers=BROWSER)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/me"
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-pushpull=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=lax"} <= {part.strip() for part in cookie.split(";")}
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert kept(place) == [("landing", "human")]


def test_a_head_request_gets_the_same_headers_and_is_no_persons(place: Place) -> None:
    path = place.landing()
    got, headed = (place.client.request(method, path, headers=BROWSER) for method in ("GET", "HEAD"))
    assert headed.status_code == got.status_code
    assert set(headed.headers) == set(got.headers)
    assert kept(place) == [("landing", "human"), ("landing", "scanner")]


def test_a_browser_that_keeps_no_cookies_is_told_so(place: Place) -> None:
    arrive(place)
    place.client.cookies.clear()
    answer = place.client.get("/me/start/1", headers=BROWSER)
    assert answer.status_code == 401
    assert "Cookie" in answer.text
    assert 'lang="de"' in answer.text


def test_the_start_leads_to_the_item(place: Place) -> None:
    arrive(place)
    answer = place.client.get("/me/start/1", headers=BROWSER)
    assert (answer.status_code, answer.headers["location"]) == (303, "https://courses.example/1")
    assert kept(place) == [("landing", "human"), ("start", "human")]


def test_a_learner_who_stopped_somewhere_is_led_there(place: Place) -> None:
    arrive(place)
    assert place.client.get("/me/start/2").headers["location"] == "https://courses.example/2#3"
    with place.engine.begin() as connection:
        connection.execute(progress.update().values(place_url="javascript:alert(1)"))
    assert place.client.get("/me/start/2").headers["location"] == "https://courses.example/2"


def test_what_is_closed_starts_only_for_those_who_began_it(place: Place) -> None:
    arrive(place)
    with place.engine.begin() as connection:
        connection.execute(item.update().values(active=False))
    assert place.client.get("/me/start/1").status_code == 404
    assert place.client.get("/me/start/2").status_code == 303
    with place.engine.begin() as connection:
        connection.execute(item.update().values(active=True, available_until=EXPIRED))
    assert place.client.get("/me/start/1").status_code == 404


@pytest.mark.parametrize("path", ["/me/start/3", "/me/start/0", f"/me/start/{2**63}", f"/me/start/{10**40}"])
def test_there_is_nothing_to_start_that_the_catalogue_does_not_have(place: Place, path: str) -> None:
    arrive(place)
    answer = place.client.get(path)
    assert answer.status_code == 404
    assert answer.text == place.client.get("/nowhere").text
    assert len(kept(place)) == 1


def test_an_item_that_cannot_be_opened_safely_does_not_start(place: Place) -> None:
    arrive(place)
    place.change(item, url="javascript:alert(1)")
    assert place.client.get("/me/start/1").status_code == 404


def test_an_expired_link_offers_a_fresh_one_and_shows_nothing_of_the_learners_own(place: Place) -> None:
    answer = place.client.get(place.landing(item_id=2, expires=EXPIRED), headers=BROWSER)
    text = unescape(answer.text)
    assert answer.status_code == 200
    assert text.count("<button") == text.count("<form") == 1
    assert "Frischen Link schicken" in text
    assert 'href="https://courses.example/2"' in text  # what is open to everybody
    assert "Chapter 3" not in text
    assert "/p/" not in text
    assert "Ada" not in text
    assert "set-cookie" not in answer.headers
    assert kept(place) == [("landing", "human")]


def test_an_expired_link_whose_item_is_gone_leads_to_what_the_campaign_offers_now(place: Place) -> None:
    place.change(item, active=False)
    text = place.client.get(place.landing(item_id=1, expires=EXPIRED)).text
    assert "Better breaks" in text
    place.change(item, active=True, available_until=EXPIRED)
    assert "Better breaks" in place.client.get(place.landing(item_id=None, expires=EXPIRED)).text


def test_an_expired_link_leads_to_no_address_that_is_not_safe(place: Place) -> None:
    place.change(item, url="javascript:alert(1)")
    answer = place.client.get(place.landing(expires=EXPIRED))
    assert answer.status_code == 200
    assert "javascript" not in answer.text


def test_what_a_page_shows_is_escaped(place: Place) -> None:
    place.change(item, title="<script>alert(1)</script>", url='https://x.example/"><script>')
    place.change(learner, preferred_language='"><script>')
    assert "<script" not in place.client.get(place.landing(expires=EXPIRED)).text


def test_what_nobody_sees_is_followed_by_machines_alone(place: Place) -> None:
    path = place.landing(expires=EXPIRED)
    text = place.client.get(path, headers=BROWSER).text
    trap = f'<a class="trap" href="/t/{path.removeprefix("/l/")}" rel="nofollow" tabindex="-1" aria-hidden="true"></a>'
    assert trap in text
    answer = place.client.get(path.replace("/l/", "/t/"), headers=BROWSER)
    assert answer.status_code == 404
    assert kept(place) == [("landing", "scanner"), ("trap", "scanner")]  # the first opening, too, in hindsight


def test_a_trap_on_a_learners_page_is_known_by_the_visit(place: Place) -> None:
    assert place.client.get("/t/all", headers=BROWSER).status_code == 404
    assert kept(place) == []
    arrive(place)
    assert place.client.get("/t/all", headers=BROWSER).status_code == 404
    assert kept(place) == [("landing", "scanner"), ("trap", "scanner")]


@pytest.mark.parametrize(
    ("url", "is_safe"),
    [
        ("https://courses.example/1?x=2#3", True),
        ("https://courses.example:8443/ü", True),
        (f"{BASE}/here", True),
        ("http://courses.example/1", False),
        ("//courses.example/1", False),
        ("/relative", False),
        ("javascript:alert(1)", False),
        ("data:text/html,x", False),
        ("https://good.example@evil.example/", False),
        ("https://evil.example\\@good.example/", False),
        ("https://good.example%2f.evil.example/", False),
        ("https://good.example／evil.example/", False),
        ("https://gооd.example/", False),  # two of the letters are Cyrillic
        ("https:///nowhere", False),
        ("https:/nowhere", False),
        ("https:evil.example", False),
        ("https://[broken", False),
        ("https://good.example:x/", False),
        ("https://x.example/\r\nSet-Cookie: a", False),
        ("https://x.example/\u202egro", False),
        ("https://x.example/" + "a" * 5000, False),
        ("", False),
    ],
)
def test_pages_lead_only_to_safe_addresses(url: str, is_safe: bool) -> None:
    assert is_safe_target(url, BASE) is is_safe


def test_the_site_itself_may_be_plain_http_on_this_machine() -> None:
    assert is_safe_target("http://127.0.0.1:8080/item", "http://127.0.0.1:8080")
    assert not is_safe_target("http://127.0.0.1:9090/item", "http://127.0.0.1:8080")
