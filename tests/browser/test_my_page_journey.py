"""From a message to the next two minutes: a learner's own page on a phone and a desktop, with and without scripts."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from playwright.sync_api import Browser

from tests.browser.place import Place
from tests.browser.walking import PHONE, Device, walking


def test_a_click_leads_to_the_next_two_minutes_in_two_presses(a_browser: Browser, place: Place, device: Device) -> None:
    with walking(a_browser, place, device) as somebody:
        somebody.open(place.landing(item_id=place.started))
        assert somebody.path() == "/me"
        assert "You are here because" in somebody.says()
        assert somebody.tab.get_by_text("Next", exact=True).count() == 1
        somebody.tab.get_by_role("link", name=re.compile("Carry on")).click()
        assert somebody.heading().startswith("https://learning.larkfield.example/")


def test_the_queue_is_put_into_another_order_and_stays_so(a_browser: Browser, place: Place, device: Device) -> None:
    with walking(a_browser, place, device) as somebody:
        somebody.open(place.landing())
        before = somebody.tab.locator("ol.rows > li .what a").all_inner_texts()
        somebody.tab.get_by_role("button", name=f"Make this next: {before[-1]}").click()
        somebody.look()
        assert f"“{before[-1]}” is next now." in somebody.says()
        assert before[-1] in somebody.tab.locator("#next-title").inner_text()
        somebody.open("/me")
        assert before[-1] in somebody.tab.locator("#next-title").inner_text()


def test_keys_alone_are_enough(a_browser: Browser, place: Place) -> None:
    with walking(a_browser, place, PHONE) as somebody:
        somebody.open(place.landing())
        keyboard = somebody.tab.keyboard
        keyboard.press("Tab")
        assert somebody.tab.evaluate("document.activeElement.textContent") == "Skip to content"
        keyboard.press("Enter")
        keyboard.press("Tab")
        assert "/me/start/" in somebody.tab.evaluate("document.activeElement.href")
        keyboard.press("Enter")
        somebody.tab.get_by_role("heading", name="https://learning.larkfield.example/").wait_for()


def test_the_way_about_is_one_line_of_a_phone_in_every_language_and_can_be_touched(
    a_browser: Browser, place: Place
) -> None:
    try:
        for language, where in (("de", "/me"), ("de", "/me/choices"), ("fr", "/me/peers"), ("es", "/me")):
            place.speak(language)
            with walking(a_browser, place, Device("phone", 360, 740)) as somebody:
                somebody.open(place.landing())
                somebody.open(where)
                boxes = [link.bounding_box() for link in somebody.tab.locator("nav a").all()]
                assert len({box["y"] for box in boxes if box}) == 1, language
                assert min(box["height"] for box in boxes if box) >= 44
    finally:
        place.speak("en")


def test_every_language_fits_a_small_phone(a_browser: Browser, place: Place) -> None:
    small = Device("small phone", 320, 640)  # also a desktop at 400 % (WCAG 2.2, 1.4.10)
    try:
        for language in ("de", "fr", "es", "en"):
            place.speak(language)
            with walking(a_browser, place, small) as somebody:
                somebody.open(place.landing())
                assert somebody.tab.locator("html").get_attribute("lang") == language
    finally:
        place.speak("en")


def test_an_expired_link_leads_to_the_page_by_a_fresh_mail(a_browser: Browser, place: Place, device: Device) -> None:
    who = place.somebody_else()
    with walking(a_browser, place, device) as somebody:
        somebody.open(place.landing(who=who, expires=datetime.now(UTC) - timedelta(days=1)))
        assert "too old" in somebody.heading()
        somebody.press("Send me a fresh link")
        assert somebody.heading() == "Look into your inbox"
        somebody.open(place.link_in_mail("/l/"))
        assert somebody.path() == "/me"


def test_who_opens_a_page_without_a_link_is_told_how_to_get_in(
    a_browser: Browser, place: Place, device: Device
) -> None:
    with walking(a_browser, place, device) as somebody:
        assert somebody.open("/me").status == 401
        assert "link" in somebody.says()


def test_a_person_is_known_as_a_person_and_a_headless_browser_as_none(a_browser: Browser, place: Place) -> None:
    who, whom = place.somebody_else(), place.somebody_else()
    with walking(a_browser, place, PHONE) as somebody:
        somebody.open(place.landing(who=who))
    tab = a_browser.new_page()
    tab.goto(place.landing(who=whom))
    tab.close()
    assert place.readers_of(who) == {"human"}
    assert "human" not in place.readers_of(whom)
