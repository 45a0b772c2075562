from __future__ import annotations

from datetime import timedelta
from html import unescape

import pytest

from pushpull.catalogue.tables import item
from pushpull.learners.tables import learner
from tests.web.conftest import BASE, NOW, Place
from web.landing import is_safe_target


def test_a_link_leads_to_its_item_with_one_button(place: Place) -> None:
    answer = place.client.get(place.landing())
    assert answer.status_code == 200
    assert answer.text.count('class="button"') == 1
    assert 'href="https://courses.example/1"' in answer.text
    assert "Saying no kindly" in answer.text
    assert "Los geht’s" in answer.text
    assert 'lang="de"' in answer.text
    assert place.preferences() in answer.text


def test_a_learner_who_stopped_somewhere_is_led_there(place: Place) -> None:
    text = unescape(place.client.get(place.landing(item_id=2)).text)
    assert 'href="https://courses.example/2#3"' in text
    assert "Hier waren Sie: Chapter 3" in text


def test_an_expired_link_leads_to_the_item_but_shows_nothing_of_the_learners_own(place: Place) -> None:
    answer = place.client.get(place.landing(item_id=2, expires=NOW - timedelta(days=1)))
    assert answer.status_code == 200
    assert "schon älter" in answer.text
    assert 'href="https://courses.example/2"' in answer.text
    assert "Chapter 3" not in answer.text
    assert "/p/" not in answer.text


def test_a_link_whose_item_is_gone_leads_to_what_the_campaign_offers_now(place: Place) -> None:
    place.change(item, active=False)
    text = place.client.get(place.landing(item_id=1)).text
    assert "Better breaks" in text
    place.change(item, active=True, available_until=NOW - timedelta(days=1))
    assert "Better breaks" in place.client.get(place.landing(item_id=None)).text


def test_an_item_that_cannot_be_opened_safely_has_no_button(place: Place) -> None:
    place.change(item, url="javascript:alert(1)")
    answer = place.client.get(place.landing())
    assert answer.status_code == 200
    assert "javascript" not in answer.text
    assert 'class="button"' not in answer.text


def test_what_a_page_shows_is_escaped(place: Place) -> None:
    place.change(item, title="<script>alert(1)</script>", url='https://x.example/"><script>')
    place.change(learner, preferred_language='"><script>')
    assert "<script" not in place.client.get(place.landing()).text


@pytest.mark.parametrize(
    ("url", "is_safe"),
    [
        ("https://courses.example/1?x=2#3", True),
        (f"{BASE}/here", True),
        ("http://courses.example/1", False),
        ("//courses.example/1", False),
        ("/relative", False),
        ("javascript:alert(1)", False),
        ("data:text/html,x", False),
        ("https://good.example@evil.example/", False),
        ("https://evil.example\\@good.example/", False),
        ("https:///nowhere", False),
        ("https://[broken", False),
        ("https://x.example/\r\nSet-Cookie: a", False),
        ("", False),
    ],
)
def test_pages_lead_only_to_safe_addresses(url: str, is_safe: bool) -> None:
    assert is_safe_target(url, BASE) is is_safe


def test_the_site_itself_may_be_plain_http_on_this_machine() -> None:
    assert is_safe_target("http://127.0.0.1:8080/item", "http://127.0.0.1:8080")
    assert not is_safe_target("http://127.0.0.1:9090/item", "http://127.0.0.1:8080")
