"""From an expired link to the learner's page, by a mail that they asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from sqlalchemy import select

from channels.parcels import parcel_folder, read
from channels.sandbox import SandboxChannel
from pushpull.db import reading
from pushpull.learners.tables import learner
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.links import LinkSigner
from pushpull.ledger.tables import campaign, letter
from tasks.installation import Installation, installed
from tasks.mailing import carry_letters
from tests.web.conftest import BASE, NOW, Place
from web.app import create_app
from web.session import FORM_TOKEN

EXPIRED = NOW - timedelta(days=1)


@pytest.fixture
def sending(place: Place) -> Iterator[TestClient]:
    """The app as a server runs it: it sends letters itself."""
    adapters = {Channel.EMAIL: SandboxChannel(Channel.EMAIL, place.settings.outbox_dir)}
    place.change(campaign, definition={"brand": "larkfield"})
    here = Installation(
        settings=place.settings, engine=place.engine, links=LinkSigner.of(place.settings), adapters=adapters
    )
    app = create_app(place.settings, place.engine, letters=carry_letters)
    with installed(here), TestClient(app, base_url=BASE, follow_redirects=False) as client:
        yield client


def mails(place: Place) -> list[EmailMessage]:
    folder = parcel_folder(place.settings.outbox_dir)
    written = [data for path in folder.rglob("*") if path.is_file() for _, data in read(path).messages()]
    return [message_from_bytes(data, policy=policy.default) for data in written]  # type: ignore[misc]


def letters(place: Place) -> list[str]:
    with reading(place.engine) as connection:
        return list(connection.execute(select(letter.c.state).order_by(letter.c.id)).scalars())


def text_of(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def ask(client: TestClient, place: Place, expired: str, **headers: str) -> Response:
    """Press the button of the page that an expired link shows."""
    token = place.signer.form_token(expired.removeprefix("/l/"))
    return client.post(f"{expired}/fresh", data={FORM_TOKEN: token}, headers=headers)


def test_an_expired_link_leads_to_the_learners_page_by_a_fresh_mail(place: Place, sending: TestClient) -> None:
    expired = place.landing(expires=EXPIRED)
    form = re.search(
        r'<form method="post" action="([^"]+)">\s*<input type="hidden" name="form_token" value="([^"]+)">',
        sending.get(expired).text,
    )
    assert form is not None
    asked = sending.post(form[1], data={FORM_TOKEN: form[2]})
    assert (asked.status_code, asked.headers["location"]) == (303, f"{expired}/fresh")
    assert "unterwegs" in sending.get(asked.headers["location"]).text
    (mail,) = mails(place)
    assert mail["To"] == "Ada <ada@example.org>"
    assert mail["List-Unsubscribe"] is None
    assert "Larkfield" in mail["From"]
    link = re.search(rf"{re.escape(BASE)}(/l/\S+)", text_of(mail))
    assert link is not None
    opened = sending.get(link[1])
    assert (opened.status_code, opened.headers["location"]) == (303, "/me")
    assert sending.get("/me/start/1").status_code == 303
    assert letters(place) == ["sent"]


def test_asking_again_and_again_sends_one_mail_and_looks_the_same(place: Place, sending: TestClient) -> None:
    expired = place.landing(expires=EXPIRED)
    pressed = [ask(sending, place, expired) for _ in range(8)]
    answers = {(answer.status_code, answer.headers["location"]) for answer in pressed}
    assert len(answers) == 1
    assert letters(place) == ["sent"]
    assert len(mails(place)) == 1


def test_the_page_never_tells_whether_there_is_an_address(place: Place, sending: TestClient) -> None:
    expired = place.landing(expires=EXPIRED)
    before = sending.get(f"{expired}/fresh").text
    place.change(learner, email=None)
    assert ask(sending, place, expired).status_code == 303
    assert sending.get(f"{expired}/fresh").text == before
    assert letters(place) == ["refused"]
    assert "ada@" not in before
    assert "Ada" not in before


def test_opening_the_pages_sends_nothing(place: Place, sending: TestClient) -> None:
    path = place.landing(expires=EXPIRED)
    for method in ("GET", "HEAD"):
        for each in (path, f"{path}/fresh"):
            assert sending.request(method, each).status_code == 200
    assert letters(place) == []
    assert mails(place) == []


def test_no_other_site_can_ask(place: Place, sending: TestClient) -> None:
    expired = place.landing(expires=EXPIRED)
    for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}):
        assert ask(sending, place, expired, **headers).status_code == 403
    assert letters(place) == []


def test_a_machine_that_posts_without_having_read_the_page_asks_for_nothing(place: Place, sending: TestClient) -> None:
    expired, other = place.landing(expires=EXPIRED), place.landing(item_id=2, expires=EXPIRED)
    of_another_link = place.signer.form_token(other.removeprefix("/l/"))
    for fields in ({}, {FORM_TOKEN: ""}, {FORM_TOKEN: "guessed"}, {FORM_TOKEN: of_another_link}):
        assert sending.post(f"{expired}/fresh", data=fields).status_code == 403
    assert letters(place) == []


def test_a_forged_link_asks_for_nothing(place: Place, sending: TestClient) -> None:
    good = place.landing(expires=EXPIRED)
    for path in (f"{good[:-1]}x/fresh", good.replace("/l/", "/u/") + "/fresh", place.preferences() + "/fresh"):
        assert sending.post(path).status_code == 404
    assert letters(place) == []


def test_where_the_web_app_sends_nothing_the_letter_waits_for_the_sync(place: Place) -> None:
    assert ask(place.client, place, place.landing(expires=EXPIRED)).status_code == 303
    assert letters(place) == ["asked"]
