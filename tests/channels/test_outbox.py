from __future__ import annotations

import re
import time
from dataclasses import replace
from email import message_from_bytes, policy
from html.parser import HTMLParser
from pathlib import Path
from uuid import uuid4

import orjson
import pytest

from channels import parcels
from channels.outbox import PAGE_SIZE, build_outbox
from channels.outbox.cards import pieces
from channels.sandbox import SandboxChannel
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.messages import CardBody, EmailBody, OutgoingMessage, SmsBody
from pushpull.ledger.outcomes import Accepted
from tests.channels.letters import BODIES, a_message

LETTER = BODIES[Channel.EMAIL]
assert isinstance(LETTER, EmailBody)
EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


class Page(HTMLParser):
    """What a browser would make of a page: its elements, links and frames."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, tag: str, attribute: str) -> list[str]:
        return [attrs[attribute] or "" for name, attrs in self.tags if name == tag and attribute in attrs]


def send(outbox: Path, *messages: OutgoingMessage) -> None:
    channel = messages[0].channel
    assert set(SandboxChannel(channel, outbox).send(messages, deadline=time.monotonic() + 30)) == {Accepted()}


def pages(outbox: Path) -> dict[str, Page]:
    return {path.name: Page(path) for path in outbox.glob("*.html")}


def test_an_empty_outbox_says_so(tmp_path: Path) -> None:
    assert "Nothing yet" in Page(build_outbox(tmp_path / "new")).text


def test_every_message_is_a_file_and_can_be_reached_by_links(tmp_path: Path) -> None:
    for channel in Channel:
        handover = uuid4()
        send(tmp_path, *(a_message(channel, delivery=f"5-0-{n}", handover=handover) for n in range(1, PAGE_SIZE + 3)))
    send(tmp_path, a_message(delivery="6-1-1", handover=uuid4()))
    index = build_outbox(tmp_path, wave_names={5: "launch.announcement@2026-01-12"})
    assert "launch.announcement@2026-01-12" in Page(index).text
    seen, waiting = set(), [index]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        assert path.is_file(), path
        if path.suffix == ".html":
            links = (link.partition("#")[0] for link in Page(path).values("a", "href") if not link.startswith("http"))
            waiting += [tmp_path / link for link in links]
    files = {path for path in seen if path.suffix != ".html"}
    assert files == {path for path in (tmp_path / "messages").rglob("*") if path.is_file()}
    assert len(files) == 4 * (PAGE_SIZE + 2) + 1
    for path in files:
        data = path.read_bytes()
        if path.suffix == ".eml":
            assert message_from_bytes(data, policy=policy.default)["Subject"] == LETTER.subject
        elif path.suffix == ".json":
            assert orjson.loads(data)["family"] == "learning"
        else:
            assert data.endswith(b"Two minutes: https://learn.example/l/abc")


def test_nothing_in_a_message_becomes_part_of_the_page(tmp_path: Path) -> None:
    card = {"type": "AdaptiveCard", "body": [{"type": "TextBlock", "text": EVIL}, {"type": EVIL}], "actions": [EVIL]}
    card["actions"] = [{"type": "Action.OpenUrl", "title": EVIL, "url": "javascript:alert(3)"}]
    evil_letter = replace(LETTER, subject=EVIL, html=f"<head></head>{EVIL}", text=EVIL, sender_name=EVIL)
    send(tmp_path, a_message(to_name=EVIL, body=evil_letter))
    send(tmp_path, a_message(Channel.TEAMS, to=EVIL, to_name=EVIL, body=CardBody(orjson.dumps(card).decode(), EVIL)))
    send(tmp_path, a_message(Channel.SMS, to_name=EVIL, body=SmsBody(EVIL)))
    build_outbox(tmp_path, wave_names={5: EVIL})
    for page in pages(tmp_path).values():
        assert {tag for tag, _ in page.tags}.isdisjoint({"script", "img", "object", "embed", "form"})
        assert not [key for _, attrs in page.tags for key in attrs if key.startswith("on")]
        assert all("javascript:" not in link for link in page.values("a", "href"))
        assert "alert(1)" in page.text
    (frame,) = pages(tmp_path)["wave-5-email-1.html"].values("iframe", "srcdoc")
    assert EVIL in frame  # as its reader gets it, where neither scripts nor anything from elsewhere can run or load
    (sandbox,) = pages(tmp_path)["wave-5-email-1.html"].values("iframe", "sandbox")
    assert "allow-scripts" not in sandbox
    assert "allow-same-origin" not in sandbox


def test_the_pages_load_nothing_from_elsewhere(tmp_path: Path) -> None:
    send(tmp_path, a_message())
    send(tmp_path, a_message(Channel.SLACK))
    build_outbox(tmp_path)
    for page in pages(tmp_path).values():
        assert {tag for tag, _ in page.tags}.isdisjoint({"link", "img", "script"})
        (policy_text,) = [attrs["content"] for tag, attrs in page.tags if attrs.get("http-equiv")]
        assert policy_text is not None
        assert policy_text.startswith("default-src 'none';")
        assert not re.search(r"url\(|@import", page.text)


def test_building_again_shows_what_came_since_and_leaves_files_alone(tmp_path: Path) -> None:
    send(tmp_path, a_message(delivery="5-0-1", handover=uuid4()))
    build_outbox(tmp_path)
    (first,) = (tmp_path / "messages").rglob("*.eml")
    stamp = first.stat().st_mtime_ns
    send(tmp_path, a_message(delivery="5-0-2", handover=uuid4()))
    build_outbox(tmp_path)
    assert len(list((tmp_path / "messages").rglob("*.eml"))) == 2
    assert first.stat().st_mtime_ns == stamp


def test_a_message_that_came_twice_is_shown_twice(tmp_path: Path) -> None:
    for _ in range(2):
        send(tmp_path, a_message(handover=uuid4()))
    build_outbox(tmp_path)
    assert len(list((tmp_path / "messages").rglob("*.eml"))) == 2
    assert len([tag for tag, _ in pages(tmp_path)["wave-5-email-1.html"].tags if tag == "iframe"]) == 2


def test_a_damaged_parcel_is_named_and_the_rest_is_shown(tmp_path: Path) -> None:
    send(tmp_path, a_message())
    bad = parcels.parcel_folder(tmp_path) / "email" / "5" / f"{uuid4().hex}{parcels.SUFFIX}"
    bad.write_bytes(b'{"handover"')
    index = build_outbox(tmp_path)
    assert bad.name in Page(index).text
    assert "wave-5-email-1.html" in pages(tmp_path)


@pytest.mark.parametrize(
    "card", [None, 1, "x", [], {}, {"body": 3}, {"blocks": [1, None, {"type": []}]}, {"body": [{}]}]
)
def test_any_json_can_be_shown_as_a_card(card: object) -> None:
    assert isinstance(pieces(card), list)


def test_a_bottomless_card_ends(tmp_path: Path) -> None:
    card: dict[str, object] = {"type": "Container"}
    for _ in range(100):
        card = {"type": "Container", "items": [card]}
    assert len(pieces({"body": [card]})) == 1


def test_a_card_is_read_as_its_reader_sees_it() -> None:
    slack = {
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": "Back at it"}},
            {
                "type": "section",
                "text": {"type": "plain_text", "text": "One"},
                "accessory": {
                    "type": "button",
                    "text": {"type": "plain_text", "text": "Open"},
                    "url": "https://x.example",
                },
            },
        ]
    }
    heading, group = pieces(slack)
    assert (heading.kind, heading.text) == ("heading", "Back at it")
    assert [(part.kind, part.text, part.url) for part in group.parts] == [
        ("text", "One", ""),
        ("button", "Open", "https://x.example"),
    ]
