"""What every page is looked at for would be found."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Route

from tests.browser.place import Place
from tests.browser.walking import PHONE, walking

_GOOD = "<!doctype html><html lang=en><title>A page</title><main><h1>A page</h1>{}</main>"


@pytest.mark.parametrize(
    ("what", "complaint"),
    [
        ("<p style='color: red'>A style of its own.</p>", "Content Security Policy"),
        ("<script>document.title = 'mine'</script>", "Content Security Policy"),
        ("<img src='https://elsewhere.example/pixel.png' alt=''>", "Content Security Policy"),
        ("<form action='/me'><input name=a></form>", "label: "),
        ("<h1>Another</h1>", "several"),
        (f"<p>{'wide' * 200}</p>", "wider"),
    ],
)
def test_what_is_wrong_with_a_page_is_found(a_browser: Browser, place: Place, what: str, complaint: str) -> None:
    def answer(route: Route) -> None:
        given = route.fetch()
        route.fulfill(response=given, body=_GOOD.format(what), content_type="text/html")

    with walking(a_browser, place, PHONE) as somebody:
        somebody.tab.route("**/unsubscribed", answer)
        with pytest.raises(AssertionError, match=complaint):
            somebody.open("/unsubscribed")
