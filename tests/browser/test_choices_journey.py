"""What learners choose, what is known of them, and taking it along or erasing it, as people do it in a browser."""

from __future__ import annotations

import json
from pathlib import Path

from playwright.sync_api import Browser
from sqlalchemy import select

from pushpull.db import reading
from pushpull.learners.consent import blocked_channels
from pushpull.learners.tables import learner
from pushpull.learners.vocabulary import Channel
from tests.browser.place import Place
from tests.browser.walking import Device, Walker, walking


def save(somebody: Walker, part: str) -> None:
    """Press the button of one part of the page."""
    somebody.tab.locator(f"#{part} button[type=submit]").first.click()
    somebody.look()
    assert "Saved" in somebody.says()


def test_choices_are_made_and_kept(a_browser: Browser, place: Place, device: Device) -> None:
    with walking(a_browser, place, device) as somebody:
        somebody.open(place.landing(who=place.somebody_else()))
        somebody.press("Choices")
        somebody.tab.locator("#messages input[type=checkbox]").first.uncheck()
        save(somebody, "messages")
        somebody.tab.locator("#hour-choice").select_option("15")
        save(somebody, "hour")
        somebody.tab.locator("#goal-0").fill("say no kindly")
        save(somebody, "goals")
        somebody.tab.locator("#why-words").fill("So that I sleep better")
        save(somebody, "why")
        assert somebody.tab.locator("#hour-choice").input_value() == "15"
        assert not somebody.tab.locator("#messages input[type=checkbox]").first.is_checked()
        somebody.open("/me")
        assert "So that I sleep better" in somebody.says()


def test_a_pause_is_taken_refused_and_ended(a_browser: Browser, place: Place, device: Device) -> None:
    with walking(a_browser, place, device) as somebody:
        somebody.open(place.landing(who=place.somebody_else()))
        somebody.open("/me/choices")
        somebody.tab.locator("#days").fill("4000")
        somebody.press("Pause")
        assert "Not saved yet" in somebody.says()
        assert somebody.tab.locator("#days").get_attribute("aria-invalid") == "true"
        somebody.tab.locator("#days").fill("3")
        somebody.press("Pause")
        assert "You are on a pause until" in somebody.says()
        somebody.open("/me")
        assert "You are taking a break until" in somebody.says()
        somebody.open("/me/choices")
        somebody.press("Resume now")
        assert "You are on a pause until" not in somebody.says()


def test_the_language_changes_at_once(a_browser: Browser, place: Place, device: Device) -> None:
    with walking(a_browser, place, device) as somebody:
        somebody.open(place.landing(who=place.somebody_else()))
        for language in ("de", "fr", "es"):
            somebody.open("/me/choices")
            somebody.tab.locator("#language-choice").select_option(language)
            somebody.tab.locator("#language button[type=submit]").click()
            somebody.look()
            assert somebody.tab.locator("html").get_attribute("lang") == language
            for page in ("/me", "/me/about", "/me/plans", "/me/peers", f"/me/items/{place.started}"):
                somebody.open(page)


def test_all_data_is_read_taken_along_and_erased(
    a_browser: Browser, place: Place, device: Device, tmp_path: Path
) -> None:
    who = place.somebody_else()
    with walking(a_browser, place, device) as somebody:
        somebody.open(place.landing(who=who))
        somebody.open("/me/choices")
        somebody.tab.locator("a[href='/me/about']").first.click()
        somebody.look()
        somebody.press("Send me a link to my data")
        assert "on its way" in somebody.says()
        somebody.open(place.link_in_mail("/a/"))
        with somebody.tab.expect_download() as coming:
            somebody.tab.get_by_role("link", name="Download everything").click()
        coming.value.save_as(tmp_path / "mine.json")
        assert _address(place, who) in json.dumps(json.loads((tmp_path / "mine.json").read_text(encoding="utf-8")))
        somebody.press("Read it here")
        somebody.press("Back to your data")
        somebody.press("Erase my data …")
        somebody.tab.get_by_role("textbox").fill("perhaps")
        somebody.press("Erase now")
        assert "Nothing is erased yet" in somebody.says()
        somebody.tab.get_by_role("textbox").fill("erase")
        somebody.press("Erase now")
        assert somebody.heading() == "Your data is erased"
        assert somebody.open("/me").status == 401
    assert _address(place, who) is None


def test_one_press_ends_the_messages(a_browser: Browser, place: Place, device: Device) -> None:
    who = place.somebody_else()
    with walking(a_browser, place, device) as somebody:
        somebody.open(place.signer.unsubscribe_url(who, Channel.EMAIL, "learning"))
        assert not _is_blocked(place, who)
        somebody.tab.get_by_role("button").click()
        somebody.look()
    assert _is_blocked(place, who)


def _is_blocked(place: Place, who: int) -> bool:
    with reading(place.engine) as connection:
        blocked = blocked_channels("learning", [Channel.EMAIL])
        return bool(connection.execute(select(blocked.c.opted_out_email).where(blocked.c.learner_id == who)).scalar())


def _address(place: Place, who: int) -> str | None:
    with reading(place.engine) as connection:
        return connection.execute(select(learner.c.email).where(learner.c.id == who)).scalar()
