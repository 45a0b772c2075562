"""Learners among themselves, in a browser: rating, passing on, taking what was passed on, being thanked or not."""

from __future__ import annotations

from playwright.sync_api import Browser

from tests.browser.place import Place
from tests.browser.walking import Device, walking


def test_somebody_rates_what_they_used(a_browser: Browser, place: Place, device: Device) -> None:
    with walking(a_browser, place, device) as somebody:
        somebody.open(place.landing())
        somebody.open(f"/me/items/{place.started}")
        somebody.tab.get_by_role("radio", name="Very good").check()
        somebody.tab.locator("#words").fill("The example with the late report helped me.")
        somebody.press("Save my opinion")
        assert "Thank you." in somebody.says()
        somebody.press("Take it back")
        assert "It is taken back." in somebody.says()


def test_what_was_not_used_cannot_be_rated(a_browser: Browser, place: Place, device: Device) -> None:
    with walking(a_browser, place, device) as somebody:
        somebody.open(place.landing())
        somebody.open(f"/me/items/{place.untouched}")
        assert somebody.tab.get_by_role("radio").count() == 0


def test_a_link_is_passed_on_and_taken(a_browser: Browser, place: Place, device: Device) -> None:
    with walking(a_browser, place, device) as somebody:
        somebody.open(place.landing())
        somebody.open(f"/me/items/{place.untouched}")
        if somebody.named("Make my link").count():
            somebody.press("Make my link")
        link = somebody.tab.locator("#link").input_value()
    with walking(a_browser, place, device) as stranger:
        stranger.open(link)
        assert "To begin, you need your own way in" in stranger.says()
        stranger.open(place.landing(who=place.somebody_else()))
        stranger.open(link)
        stranger.press("Add to my list")
        assert "colleague" in stranger.says().lower()


def test_nobody_is_named_who_did_not_agree(a_browser: Browser, place: Place, device: Device) -> None:
    with walking(a_browser, place, device) as somebody:
        somebody.open(place.landing(who=place.somebody_else()))
        somebody.press("Colleagues")
        somebody.press("Yes, you may name me")
        assert "You may be thanked by name" in somebody.says()
        somebody.press("Do not name me any more")
        assert "Only if you say yes" in somebody.says()
