"""Plans and times: made, changed and ended in a browser, and taken into a calendar as a file."""

from __future__ import annotations

from pathlib import Path

from icalendar import Calendar
from playwright.sync_api import Browser

from tests.browser.place import Place
from tests.browser.walking import Device, walking


def test_a_plan_is_tried_made_changed_and_ended(a_browser: Browser, place: Place, device: Device) -> None:
    with walking(a_browser, place, device) as somebody:
        somebody.open(place.landing(who=place.somebody_else()))
        somebody.press("Plans")
        somebody.press("Make a plan") if somebody.named("Make a plan").count() else None
        somebody.tab.locator("button[value=keep]").click()
        somebody.look()
        assert "Not kept yet" in somebody.says()
        somebody.tab.get_by_role("radio", name="After lunch").check()
        somebody.tab.locator("#at").fill("12:45")
        somebody.press("See it as a sentence")
        assert "After lunch, I open" in somebody.says()
        somebody.tab.locator("button[value=keep]").click()
        somebody.look()
        assert "Your plan is kept." in somebody.says()
        somebody.tab.locator("a[href*='edit=']").click()
        somebody.look()
        somebody.tab.get_by_role("radio", name="Between two calls").check()
        somebody.tab.locator("button[value=keep]").click()
        somebody.look()
        assert "Between two calls, I open" in somebody.says()
        somebody.tab.locator("form[action$='/end'] button").click()
        somebody.look()
        assert "That plan has ended" in somebody.says()


def test_a_time_is_taken_as_a_file_that_calendars_read(
    a_browser: Browser, place: Place, device: Device, tmp_path: Path
) -> None:
    with walking(a_browser, place, device) as somebody:
        somebody.open(place.landing(who=place.somebody_else()))
        somebody.open("/me/plans")
        with somebody.tab.expect_download() as coming:
            somebody.tab.locator("button[value=file]").first.click()
        coming.value.save_as(tmp_path / "time.ics")
    (event,) = Calendar.from_ical((tmp_path / "time.ics").read_bytes()).walk("VEVENT")
    assert event.end > event.start
    assert event.start.tzinfo is not None
