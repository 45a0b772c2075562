"""Machines that read people's mail: whatever they open, and however they pose, they change nothing and click nothing.

Each persona gets the links of a message as its gateway, its preview or its crawler would, and does what that kind is
known for. A person who opens the same link is the control: only they are counted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import urljoin, urlsplit
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, delete, func, insert, select, update

from pushpull.db import metadata, reading, writing
from pushpull.learners.tables import fold_cursor, share
from pushpull.ledger.fetches import record_clicks
from pushpull.ledger.links import Claims, Purpose
from pushpull.ledger.tables import delivery, delivery_event, fetch, handover, rotation, wave
from pushpull.ledger.vocabulary import Reader
from tests.web.conftest import BASE, NOW, Place
from web.app import create_app

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
)
#: A browser as it is, down to what it adds by itself.
PERSON = {
    "user-agent": CHROME,
    "accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "accept-language": "de-DE,de;q=0.9,en;q=0.8",
    "sec-fetch-site": "none",
    "sec-fetch-mode": "navigate",
    "sec-fetch-dest": "document",
    "sec-fetch-user": "?1",
}
#: The same without Fetch Metadata, as what poses as a browser mostly is.
POSING = {name: value for name, value in PERSON.items() if not name.startswith("sec-")}
MOST_PAGES = 60
#: How a request is refused that would do something.
REFUSALS = {400, 401, 403, 404, 405, 422}
_FIELD = re.compile(r'<(?:input|button|textarea|select)\b[^>]*\bname="([^"]+)"(?:[^>]*value="([^"]*)")?')
#: What a GET may leave behind: that it came. The cursor is of the fold that looks at it.
LOGS = {fetch.name, fold_cursor.name}


class Reads:
    """A machine with the links of one message.

    Args:
        links: the paths of the message, the learner's page first.
        expired: a link of an older message.
        cookie: of a visit by the same learner.
    """

    def __init__(self, app: Any, links: Sequence[str], expired: str, cookie: str) -> None:
        self._app = app
        self.links, self.expired, self.cookie = links, expired, cookie

    def client(self) -> TestClient:
        """A browser of its own, without a cookie."""
        return TestClient(self._app, base_url=BASE, follow_redirects=False, raise_server_exceptions=True)

    def crawl(self, client: TestClient, starts: Sequence[str], headers: dict[str, str]) -> list[tuple[str, str]]:
        """Open these and everything they lead to on our own site: links, style sheets, images; no form is sent.

        Returns:
            Each page's address and its text.
        """
        waiting, seen, pages = list(starts), set(starts), []
        while waiting and len(pages) < MOST_PAGES:
            address = waiting.pop(0)
            answer = client.get(address, headers=headers)
            assert answer.status_code < 500, address
            pages.append((address, answer.text))
            found = re.findall(r"""(?:href|src|action)=["']([^"']+)""", answer.text)
            for each in (*found, answer.headers.get("location", "")):
                there = urljoin(BASE + address, unescape(each))
                path = there.removeprefix(BASE).partition("#")[0]
                if urlsplit(there).netloc == urlsplit(BASE).netloc and path and path not in seen:
                    seen.add(path)
                    waiting.append(path)
        return pages


def heads_every_link(machine: Reads) -> None:
    """A gateway that asks for the headers alone."""
    for _ in range(2):
        with machine.client() as client:
            for link in (*machine.links, machine.expired, "/me", "/me/start/1"):
                client.head(link, headers=PERSON)


def gets_every_link_at_once(machine: Reads) -> None:
    """A gateway with a real browser's headers that opens all links of a message side by side."""

    def opened(link: str) -> int:
        with machine.client() as client:
            return client.get(link, headers=PERSON).status_code

    with ThreadPoolExecutor(3) as pool:
        assert set(pool.map(opened, machine.links)) <= {200, 303}


def detonates_as_safe_links_does(machine: Reads) -> None:
    """Opens links in a sandbox as the message arrives, follows redirects, and names itself in some requests only."""
    for agent in (f"{CHROME} SafeLinks/1.0", "Mozilla/4.0 (compatible; ms-office; MSOffice 16)", CHROME):
        with machine.client() as client:
            machine.crawl(client, machine.links, {**POSING, "user-agent": agent})


def renders_without_a_window(machine: Reads) -> None:
    """A headless browser with JavaScript, cookies and every header, that loads whatever a page names."""
    with machine.client() as client:
        agent = CHROME.replace("Chrome/", "HeadlessChrome/")
        machine.crawl(client, machine.links[:1], {**PERSON, "user-agent": agent})


def crawls_as_a_perfect_browser(machine: Reads) -> None:
    """Nothing gives it away but that it follows every link of a page, also those nobody sees."""
    with machine.client() as client:
        pages = machine.crawl(client, machine.links[:1], PERSON)
    assert any(address.startswith("/t/") for address, _ in pages)
    with machine.client() as client:
        machine.crawl(client, [machine.expired], PERSON)


def fetches_ahead(machine: Reads) -> None:
    """Browsers and mail apps that load what might be opened next."""
    for name, value in (("sec-purpose", "prefetch;prerender"), ("purpose", "prefetch"), ("x-moz", "prefetch")):
        with machine.client() as client:
            for link in machine.links:
                client.get(link, headers={**PERSON, name: value})


def loads_images_for_a_mail_proxy(machine: Reads) -> None:
    """Takes every address of a message for an image, and keeps what it gets."""
    agent = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
    images = {"accept": "image/avif,image/webp,*/*", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}
    for headers in ({"user-agent": agent}, {**PERSON, **images}):
        with machine.client() as client:
            for link in machine.links:
                client.get(link, headers=headers)


def previews_in_chats(machine: Reads) -> None:
    """Messengers that unfurl a link when it is pasted or passed on."""
    for agent in (
        "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
        "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5",
        "WhatsApp/2.23.20.0",
        "facebookexternalhit/1.1",
    ):
        with machine.client() as client:
            for link in machine.links:
                client.get(link, headers={**PERSON, "user-agent": agent})


def posts_to_whatever_it_meets(machine: Reads) -> None:
    """Sends every form it finds, on a visit of its own, without what the page put into it; and with a guess."""
    with machine.client() as client:
        pages = machine.crawl(client, [*machine.links, machine.expired], {**POSING, "user-agent": "bot/1.0"})
        for address, text in pages:
            for form in re.findall(r"<form\b.*?</form>", text, re.DOTALL):
                action = re.search(r'^<form\b[^>]*\baction="([^"]+)"', form)
                there = urljoin(address, unescape(action[1])) if action else address
                is_for_a_visit = 'name="form_token"' in form
                named = _FIELD.findall(form)
                fields = {name: unescape(value) for name, value in named if name != "form_token"}
                for sent in ({}, {"form_token": "guessed"}, {"form_token": ""}):
                    # What has no token is a mail client's one click (RFC 8058): its one field is what makes it one.
                    given = {**fields, **sent} if is_for_a_visit else sent
                    assert client.post(there, data=given, headers=POSING).status_code in REFUSALS, there


def posts_from_another_site(machine: Reads) -> None:
    """A page elsewhere that sends our forms with the learner's own cookie, as a browser on a visit would."""
    own = {"cookie": f"__Host-pushpull={machine.cookie}"}
    fields = {"item": "1", "move": "next", "action": "save", "rating": "1", "named": "yes", "form_token": "guessed"}
    for evil in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}):
        with machine.client() as client:
            for path in ("/me/queue", "/me/plans", "/me/items/1/review", "/me/items/1/share", "/me/peers/naming"):
                assert client.post(path, data=fields, headers={**PERSON, **own, **evil}).status_code == 403, path


def comes_back_hours_later(machine: Reads) -> None:
    """A gateway that opens links again after delivery, when it knows more; by then a person might well have."""
    for headers in (
        POSING,
        {**POSING, "accept": "*/*"},
        {"user-agent": CHROME},
        {"user-agent": "python-requests/2.32"},
    ):
        with machine.client() as client:
            for link in machine.links[:2]:
                client.get(link, headers=headers)


def opens_within_seconds(machine: Reads) -> None:
    """A perfect browser, as the message has just left."""
    with machine.client() as client:
        assert client.get(machine.links[0], headers=PERSON).status_code == 303
        client.get("/me", headers=PERSON)
        client.get("/me/start/1", headers=PERSON)


def asks_in_every_way_there_is(machine: Reads) -> None:
    """A security check that tries methods, and bodies that say nothing."""
    with machine.client() as client:
        for link in (*machine.links, machine.expired, f"{machine.expired}/fresh", "/me", "/me/queue", "/t/all"):
            for method in ("OPTIONS", "PUT", "PATCH", "DELETE", "PROPFIND", "TRACE", "POST"):
                assert client.request(method, link, headers=PERSON, content=b"").status_code in REFUSALS


PERSONAS: tuple[Callable[[Reads], None], ...] = (
    heads_every_link,
    gets_every_link_at_once,
    detonates_as_safe_links_does,
    renders_without_a_window,
    crawls_as_a_perfect_browser,
    fetches_ahead,
    loads_images_for_a_mail_proxy,
    previews_in_chats,
    posts_to_whatever_it_meets,
    posts_from_another_site,
    comes_back_hours_later,
    opens_within_seconds,
    asks_in_every_way_there_is,
)


@pytest.fixture
def machine(place: Place) -> Iterator[Reads]:
    """A message that left two hours ago, and its links."""
    with writing(place.engine) as connection:
        connection.execute(insert(share).values(id=1, learner_id=1, item_id=1, made_at=NOW))
        _deliver(connection, NOW - timedelta(hours=2))
    links = [
        place.landing(item_id=1),
        place.unsubscribe(),
        place.preferences(),
        place.path(place.signer.share_url(1)),
        place.path(place.signer.account_url(1, NOW + timedelta(hours=1))),
    ]
    session = place.signer.session_token(
        Claims(Purpose.LANDING, 1, "", campaign_id=1, item_id=1, wave_id=1, rotation=0), NOW + timedelta(hours=2)
    )
    app = create_app(place.settings, place.engine, limits=None)
    with TestClient(app):
        yield Reads(app, links, place.landing(expires=NOW - timedelta(days=1)), session)


def _deliver(connection: Any, at: datetime) -> None:
    handover_id = uuid4()
    connection.execute(
        insert(wave).values(
            id=1, campaign_id=1, key="launch.x@1", series="launch.x", on_day=at.date(), stage="launch",
            message_key="x", touch="push", message_class="nudge", spec={}, family="learning", scheduled_for=at,
            expires_at=at,
        )
    )  # fmt: skip
    connection.execute(insert(rotation).values(wave_id=1, rotation=0, reason="planned", cohort={}, as_of=at))
    connection.execute(
        insert(handover).values(
            id=handover_id, wave_id=1, rotation=0, campaign_id=1, channel="email", size=1, first_learner_id=1,
            last_learner_id=1, intended_at=at, as_of=at, deadline_at=at,
        )
    )  # fmt: skip
    connection.execute(
        insert(delivery).values(
            wave_id=1, rotation=0, learner_id=1, state="accepted", arm="treated", channel="email",
            handover_id=handover_id,
        )
    )  # fmt: skip


def kept(engine: Engine) -> dict[str, list[str]]:
    """All rows of all tables that are no log."""
    with reading(engine) as connection:
        return {
            table.name: sorted(map(repr, connection.execute(select(table)).all()))
            for table in metadata.sorted_tables
            if table.name not in LOGS
        }


def clicks(engine: Engine) -> int:
    """How many clicks the ledger is told of, when everything that was opened has settled."""
    with writing(engine) as connection:
        told = record_clicks(connection, now=datetime.now(UTC) + timedelta(hours=1))
        found = connection.execute(
            select(func.count()).select_from(delivery_event).where(delivery_event.c.kind == "clicked")
        ).scalar_one()
    assert told == found
    return int(found)


def forget(engine: Engine) -> None:
    """What was opened so far never was, and the message left two hours ago again."""
    with writing(engine) as connection:
        connection.execute(delete(fetch))
        connection.execute(delete(fold_cursor))  # SQLite gives the numbers of deleted rows again
        connection.execute(update(handover).values(intended_at=NOW - timedelta(hours=2)))


def test_no_machine_changes_anything_or_counts_as_a_click(place: Place, machine: Reads) -> None:
    before = kept(place.engine)
    for persona in PERSONAS:
        if persona is opens_within_seconds:
            with writing(place.engine) as connection:
                connection.execute(update(handover).values(intended_at=datetime.now(UTC)))
        persona(machine)
        assert clicks(place.engine) == 0, f"{persona.__name__} clicked"
        forget(place.engine)
        changed = [name for name, rows in kept(place.engine).items() if rows != before[name]]
        assert changed == [], f"{persona.__name__} changed something"


def test_a_person_with_the_same_link_is_one_click_and_changes_nothing_by_reading(place: Place, machine: Reads) -> None:
    before = kept(place.engine)
    with machine.client() as client:
        for _ in range(2):
            assert client.get(machine.links[0], headers=PERSON).status_code == 303
            for page in ("/me", "/me/start/1"):
                assert client.get(page, headers={**PERSON, "sec-fetch-site": "same-origin"}).status_code in (200, 303)
    with reading(place.engine) as connection:
        readers = connection.execute(select(fetch.c.reader)).scalars().all()
    assert set(readers) == {Reader.HUMAN.value}
    assert {name for name, rows in kept(place.engine).items() if rows != before[name]} == set()
    assert clicks(place.engine) == 1


def test_there_are_twelve_of_them_and_each_says_what_it_does() -> None:
    assert len(PERSONAS) >= 12
    assert all(persona.__doc__ for persona in PERSONAS)
