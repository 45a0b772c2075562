"""Managers, sponsors and those who look after reviews, from the company's sign-in to their pages and out again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser
from sqlalchemy import select

from pushpull.db import reading
from pushpull.learners.tables import learner
from tests.browser.place import Place, open_place
from tests.browser.staff import be, everything_arrived, manager_of_most
from tests.browser.walking import Device, walking
from tests.standin.issuer import CLIENT, SECRET, Issuer


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer() as opened:
        yield opened


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory, issuer: Issuer) -> Iterator[Place]:
    """The company with a sign-in of its own."""
    more = {"oidc_issuer": issuer.url, "oidc_client_id": CLIENT, "oidc_client_secret": SECRET}
    groups = {"oidc_sponsor_group": "sponsors", "oidc_ops_group": "ops"}
    with open_place(tmp_path_factory.mktemp("company"), **more, **groups) as opened:
        everything_arrived(opened)
        yield opened


def test_a_manager_sees_their_team_and_no_names(
    a_browser: Browser, company: Place, issuer: Issuer, device: Device
) -> None:
    be(issuer, *manager_of_most(company))
    with walking(a_browser, company, device) as somebody:
        somebody.open("/team")
        assert somebody.path() == "/team"
        said = somebody.says()
        assert not [name for name in _names(company) if name in said]
        assert somebody.open("/sponsor").status == 403
        somebody.press("Sign out")
        somebody.tab.goto(f"{company.base}/sign-out")


def test_a_sponsor_sees_campaigns_and_takes_the_figures_along(
    a_browser: Browser, company: Place, issuer: Issuer, device: Device
) -> None:
    be(issuer, "robin@board.example", "sponsors")
    with walking(a_browser, company, device) as somebody:
        somebody.open("/sponsor")
        assert "Two minutes a day" in somebody.says()
        with somebody.tab.expect_download() as coming:
            somebody.tab.locator("a[href='/sponsor/figures.csv']").click()
        assert b"Two minutes a day" in coming.value.path().read_bytes()


def test_ops_look_after_reviews(a_browser: Browser, company: Place, issuer: Issuer, device: Device) -> None:
    be(issuer, "robin@ops.example", "ops")
    with walking(a_browser, company, device) as somebody:
        somebody.open("/moderation")
        assert "Waiting for you" in somebody.says()


def _names(place: Place) -> set[str]:
    with reading(place.engine) as connection:
        return set(connection.execute(select(learner.c.family_name)).scalars()) - {None}
