"""Managers, sponsors and those who look after reviews, from the company's sign-in to their pages and out again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta

import pytest
from playwright.sync_api import Browser
from sqlalchemy import func, select, update

from pushpull.db import reading, writing
from pushpull.learners.tables import learner
from pushpull.ledger.tables import delivery, wave
from pushpull.ledger.vocabulary import DeliveryState
from tests.browser.place import Place, open_place
from tests.browser.walking import Device, walking
from tests.standin.issuer import CLIENT, SECRET, Issuer, Person


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
        _everything_arrived(opened)
        yield opened


def be(issuer: Issuer, email: str, *groups: str) -> None:
    """From now on, this is who signs in."""
    issuer.people[:] = [
        Person(email, {"email": email, "email_verified": True, "name": "Robin", "groups": list(groups)})
    ]


def test_a_manager_sees_their_team_and_no_names(
    a_browser: Browser, company: Place, issuer: Issuer, device: Device
) -> None:
    be(issuer, *_a_manager(company))
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


def _everything_arrived(place: Place) -> None:
    """What was planned is with the learners since Monday of last week: figures are of whole weeks."""
    now = datetime.now(UTC)
    monday = datetime.combine(now.date() - timedelta(days=now.weekday() + 7), time(10), tzinfo=UTC)
    with writing(place.engine) as connection:
        connection.execute(update(wave).values(planned_as_of=monday))
        connection.execute(
            update(delivery)
            .where(delivery.c.channel.is_not(None))
            .values(state=DeliveryState.DELIVERED.value, due_at=monday, settled_at=monday)
        )


def _a_manager(place: Place) -> tuple[str]:
    """The address of whoever has the largest team."""
    with reading(place.engine) as connection:
        boss = connection.execute(
            select(learner.c.manager_external_id)
            .where(learner.c.manager_external_id.is_not(None))
            .group_by(learner.c.manager_external_id)
            .order_by(func.count().desc(), learner.c.manager_external_id)
            .limit(1)
        ).scalar_one()
        return (connection.execute(select(learner.c.email).where(learner.c.external_id == boss)).scalar_one(),)


def _names(place: Place) -> set[str]:
    with reading(place.engine) as connection:
        return set(connection.execute(select(learner.c.family_name)).scalars()) - {None}
