"""Reports behind the sponsors' sign-in: theirs alone, of whole weeks, with a policy that lets nothing else in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Engine, update

from pushpull.db import writing
from pushpull.learners.tables import lifecycle_event
from tests.web.conftest import NOW
from tests.web.test_teams import Company, an_app, furnish

PAGES = ("/sponsor/report/spring", "/sponsor/report/spring/executive")


@pytest.fixture
def company(engine: Engine) -> Iterator[Company]:
    furnish(engine)
    yield from an_app(engine)


def test_a_sponsor_opens_both_pages(company: Company) -> None:
    company.sign_in("p3", "sponsors")
    sponsors = company.get("/sponsor").text
    for path in PAGES:
        assert f'href="{path}"' in sponsors
        answer = company.get(path)
        assert answer.status_code == 200
        assert "Spring" in answer.text
        assert "Marker-Name" not in answer.text
        assert answer.headers["cache-control"] == "no-store"
        policy = answer.headers["content-security-policy"]
        assert re.match(r"default-src 'none'; style-src 'sha256-[^']+'; base-uri 'none'; ", policy)
        assert policy.endswith("form-action 'none'; frame-ancestors 'none'")
        assert "style=" not in answer.text


def test_only_sponsors_open_them(company: Company) -> None:
    for path in PAGES:
        assert company.get(path).headers["location"].startswith("/sign-in")
    company.sign_in("boss", "ops")
    for path in PAGES:
        answer = company.get(path)
        assert answer.status_code == 403
        assert "Spring" not in answer.text


def test_an_unknown_campaign_is_not_found(company: Company) -> None:
    company.sign_in("p3", "sponsors")
    for path in PAGES:
        assert company.get(path.replace("spring", "nope")).status_code == 404


def test_what_happens_this_week_is_on_no_page_before_it_is_over(company: Company) -> None:
    company.sign_in("p3", "sponsors")
    before = [company.get(path).text for path in PAGES]
    with writing(company.engine) as connection:
        connection.execute(
            update(lifecycle_event)
            .where(lifecycle_event.c.learner_id % 3 == 0)
            .values(occurred_at=NOW - timedelta(minutes=5))
        )
    seen = [company.get(path).text for path in PAGES]
    assert seen != before  # they had completed before; now they have not yet
    with writing(company.engine) as connection:
        connection.execute(update(lifecycle_event).where(lifecycle_event.c.occurred_at > NOW - timedelta(hours=1))
                           .values(occurred_at=NOW - timedelta(minutes=1)))  # fmt: skip
    assert [company.get(path).text for path in PAGES] == seen
