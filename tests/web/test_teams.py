"""The pages of managers and sponsors: groups and never a person, to those alone whom they are for."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response as Answer
from sqlalchemy import Engine, event, insert, update
from starlette.requests import Request
from starlette.responses import Response

from pushpull.catalogue.tables import item
from pushpull.db import writing
from pushpull.learners.tables import learner, lifecycle_event
from pushpull.ledger.tables import campaign, campaign_item, delivery, wave
from pushpull.settings import Settings
from tests.insights.test_teams import a_campaign, a_company, lived
from tests.web.conftest import BASE, NOW
from web import figures
from web.app import create_app
from web.figures import Bar, Effect, money, share, signed
from web.staff import let_in
from web.words import LANGUAGES, words_for

LONG_AGO = NOW - timedelta(days=40)
PEOPLE = 240


@dataclass
class Company:
    """The app of a company with a sign-in: a boss with 240 people, one campaign for all of them, a manager of four."""

    engine: Engine
    settings: Settings
    client: TestClient

    def sign_in(self, who: str, *groups: str, settings: Settings | None = None) -> None:
        app, answer = self.client.app, Response()
        assert isinstance(app, FastAPI)
        request = Request({"type": "http", "headers": [], "app": app})
        let_in(request, answer, subject=f"u-{who}", email=f"{who}@example.org", name=who, groups=groups)
        name, _, value = answer.headers["set-cookie"].partition(";")[0].partition("=")
        self.client.cookies.clear()
        self.client.cookies.set(name, value, domain="learn.example")

    def get(self, path: str, language: str = "en") -> Answer:
        return self.client.get(path, headers={"accept-language": language})


def an_app(engine: Engine, **more: Any) -> Iterator[Company]:
    values: dict[str, Any] = {
        "base_url": BASE, "link_key": "a secret of the tests alone", "oidc_issuer": "https://id.example",
        "oidc_client_id": "pushpull", "oidc_sponsor_group": "sponsors", "oidc_ops_group": "ops",
        "cost_email": Decimal("0.01"), **more,
    }  # fmt: skip
    settings = Settings(_env_file=None, **values)
    with TestClient(create_app(settings, engine, limits=None), base_url=BASE, follow_redirects=False) as client:
        yield Company(engine, settings, client)


@pytest.fixture
def company(engine: Engine) -> Iterator[Company]:
    furnish(engine)
    yield from an_app(engine)


def furnish(engine: Engine) -> None:
    bosses: dict[str, str | None] = {"boss": None, "small": None}
    bosses |= {f"p{n}": "boss" for n in range(PEOPLE)} | {f"q{n}": "small" for n in range(4)}
    ids = a_company(engine, bosses)
    everybody = [ids[name] for name in bosses if name not in ("boss", "small")]
    a_campaign(engine, everybody)
    done = everybody[:100]
    lived(engine, done, reached_at=LONG_AGO, activated_at=LONG_AGO, completed_at=LONG_AGO)
    with writing(engine) as connection:
        connection.execute(update(wave).values(planned_as_of=LONG_AGO))
        connection.execute(update(delivery).values(channel="email", due_at=LONG_AGO))
        connection.execute(update(delivery).where(delivery.c.learner_id.in_(everybody[160:])).values(arm="holdout"))
        connection.execute(update(learner).where(learner.c.external_id == "p3").values(given_name="Marker-Name"))
        connection.execute(
            insert(item).values(
                id=1, key="i", title="Saying no kindly", url="https://courses.example/1", minutes=2,
                created_at=NOW, updated_at=NOW,
            )
        )  # fmt: skip
        connection.execute(insert(campaign_item).values(campaign_id=1, item_id=1, position=0))
        connection.execute(
            insert(lifecycle_event),
            [
                {"campaign_id": 1, "learner_id": who, "kind": "completed", "source_id": "s", "occurred_at": LONG_AGO}
                for who in done
            ],
        )


def text_of(answer: Answer) -> str:
    plain = html.unescape(re.sub(r"<[^>]+>", " ", answer.text)).replace("\N{NON-BREAKING HYPHEN}", "-")
    return " ".join(plain.split())


def test_a_manager_sees_the_team_and_nobody_in_it(company: Company) -> None:
    company.sign_in("boss")
    answer = company.get("/team")
    assert answer.status_code == 200
    said = text_of(answer)
    for words in ("About 2", "A message arrived", "Completed all of it", "%", "Say thank you", "Make room", "Join in"):
        assert words in said
    assert "I take two minutes for “Spring” today. Who joins me? https://courses.example/1" in said
    for marker in ("Marker-Name", "p3", "q1", "u-boss"):
        assert marker not in answer.text
    assert answer.headers["cache-control"] == "no-store"
    shown = [int(number) for number in re.findall(r"about (\d+)", said, re.IGNORECASE)]
    assert len(shown) >= 3
    assert all(number % 5 == 0 and number >= 5 for number in shown)


def test_a_manager_of_four_is_told_of_no_figure_and_still_how_to_help(company: Company) -> None:
    company.sign_in("small")
    said = text_of(company.get("/team"))
    assert "Not shown, because it would be about fewer than 5 people of your team: Spring" in said
    assert "What you can do" in said
    assert not re.search(r"about \d", said.replace("about fewer than 5", ""))


def test_who_manages_nobody_is_told_so(company: Company) -> None:
    for who in ("p3", "stranger", ""):
        company.sign_in(who, "sponsors")
        answer = company.get("/team")
        assert answer.status_code == 200
        assert "We know of nobody who reports to you" in text_of(answer)
        assert "Spring" not in answer.text


def test_a_team_without_a_campaign_reads_a_kind_word(company: Company) -> None:
    with writing(company.engine) as connection:
        connection.execute(update(wave).values(planned_as_of=NOW + timedelta(days=9)))
    company.sign_in("boss")
    assert "Up to last Sunday no campaign had written to your team." in text_of(company.get("/team"))


def test_a_sponsor_sees_evidence_cost_and_what_is_not_known(company: Company) -> None:
    company.sign_in("p3", "sponsors")
    answer = company.get("/sponsor")
    assert answer.status_code == 200
    said = text_of(answer)
    assert "Yes: more people completed it with messages than without." in said
    assert "E-mail about 2" in said
    assert re.search(r"2\.[3-5]\d EUR", said)
    assert "Whether people work differently since" in said
    assert "<svg" in answer.text
    assert "Marker-Name" not in answer.text
    assert "style=" not in answer.text
    assert "<script" not in answer.text


def test_the_file_says_what_the_page_says_and_no_more(company: Company) -> None:
    with writing(company.engine) as connection:
        connection.execute(update(campaign).values(name='=HYPERLINK("https://evil.example")'))
    company.sign_in("p3", "sponsors")
    said, answer = text_of(company.get("/sponsor")), company.get("/sponsor/figures.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert re.fullmatch(
        r'attachment; filename="campaigns-until-\d{4}-\d\d-\d\d.csv"', answer.headers["content-disposition"]
    )
    (row,) = csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")))
    assert row["name"] == '\'=HYPERLINK("https://evil.example")'
    assert f"About {row['people']} people" in said
    assert f"A message arrived about {row['reached']}" in said
    assert row["active"] == ""  # nobody was there: not shown
    assert f"With messages {row['completed_with_messages_percent']}% completed it" in said
    assert f"The difference is {signed(int(row['difference_points']))} points" in said
    assert f"E-mail about {row['messages']} {row['cost']} EUR" in said
    for name in ("people", "reached", "started", "completed", "messages"):
        assert int(row[name]) % 5 == 0


def test_only_sponsors_see_the_sponsors_page(company: Company) -> None:
    for path in ("/sponsor", "/sponsor/figures.csv"):
        assert company.get(path).headers["location"] == "/sign-in?to=sponsor"
    for groups in ((), ("ops",), ("Sponsors",)):
        company.sign_in("boss", *groups)
        for path in ("/sponsor", "/sponsor/figures.csv"):
            answer = company.get(path)
            assert answer.status_code == 403
            assert "This page is not open to you" in answer.text
            assert "Spring" not in answer.text


def test_the_way_about_shows_what_is_open_to_them(company: Company) -> None:
    def ways(*groups: str) -> list[str]:
        company.sign_in("boss", *groups)
        return re.findall(r'<li><a href="(/[a-z]+)"', company.get("/team").text)

    assert ways() == ["/team"]
    assert ways("sponsors") == ["/team", "/sponsor"]
    assert ways("sponsors", "ops") == ["/team", "/sponsor", "/moderation"]


def test_the_pages_sign_out(company: Company) -> None:
    company.sign_in("boss")
    token = re.search(r'name="form_token" value="([^"]+)"', company.get("/team").text)
    assert token
    assert company.client.post("/sign-out", data={"form_token": token[1]}).headers["location"] == "/sign-out"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_pages_speak_the_browsers_language(company: Company, language: str) -> None:
    company.sign_in("boss", "sponsors")
    words = words_for(language, "staff")
    for path, title in (("/team", "team_title"), ("/sponsor", "sponsor_title")):
        answer = company.get(path, language)
        assert f'<html lang="{language}">' in answer.text
        assert words(title) in html.unescape(answer.text)
        assert answer.text.count("<h1>") == 1


def test_under_an_agreement_how_people_learn_is_not_there_at_all(engine: Engine) -> None:
    furnish(engine)
    for company in an_app(engine, works_council=True):
        company.sign_in("boss", "sponsors")
        for path in ("/team", "/sponsor"):
            said = text_of(company.get(path))
            assert "By agreement with the works council" in said
            assert "Completed all of it" in said
            assert "Opened something" not in said
            assert "Learned in that week" not in said
        (row,) = csv.DictReader(io.StringIO(company.get("/sponsor/figures.csv").content.decode("utf-8-sig")))
        assert (row["started"], row["active"]) == ("", "")


def test_a_company_may_want_larger_groups(engine: Engine) -> None:
    furnish(engine)
    for company in an_app(engine, fewest_people=250):
        company.sign_in("boss", "sponsors")
        assert "fewer than 250 people of your team: Spring" in text_of(company.get("/team"))
        assert "There is nothing to tell yet" in text_of(company.get("/sponsor"))
    with pytest.raises(ValueError, match="fewest_people"):
        Settings(_env_file=None, fewest_people=4)


def test_a_page_takes_a_handful_of_statements(company: Company) -> None:
    statements: list[str] = []
    event.listen(company.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    company.sign_in("boss", "sponsors")
    for path, most in (("/team", 6), ("/sponsor", 5)):
        statements.clear()
        company.get(path)
        assert len([each for each in statements if each.startswith(("SELECT", "WITH"))]) <= most


def test_looking_changes_nothing_and_nothing_else_is_there(company: Company) -> None:
    company.sign_in("boss", "sponsors")
    statements: list[str] = []
    event.listen(company.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    for path in ("/team", "/sponsor", "/sponsor/figures.csv"):
        assert company.client.head(path).status_code == 200
        assert company.client.post(path).status_code == 405
        assert company.client.get(f"{path}/p3").status_code == 404
        assert company.client.get(path, params={"campaign": "1", "week": "2020-01-01", "team": "p3"}).status_code == 200
    assert not [each for each in statements if each.startswith(("INSERT", "UPDATE", "DELETE"))]


def test_a_link_that_is_not_everybodys_is_not_passed_on(company: Company) -> None:
    with writing(company.engine) as connection:
        connection.execute(update(item).values(url="http://courses.example/1"))
    company.sign_in("boss")
    assert "courses.example" not in company.get("/team").text


def test_shares_are_as_coarse_as_the_counts_they_are_of() -> None:
    assert [share(count, 30) for count in (5, 10, 15, 30, None)] == [15, 35, 50, 100, None]
    assert share(5, None) is None
    assert [signed(points) for points in (3, 0, -4)] == ["+3", "0", "−4"]
    assert money(Decimal("1234.005"), words_for("de", "staff")) == "1234,01"
    assert money(Decimal(2), words_for("en", "staff")) == "2.00"
    assert Bar("x", None, None).percent is None


def test_an_effect_stays_on_its_axis() -> None:
    for low, middle, high in ((-100, 0, 100), (-3, 2, 9), (0, 0, 0), (40, 62, 77)):
        reach = max(10, *(abs(each) for each in (low, high)))
        drawn = Effect(50, 50, middle, low, high, reach, "more")
        assert 0 <= drawn.at(low) <= drawn.at(middle) <= drawn.at(high) <= 200
        assert drawn.at(0) == 100


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_a_formula(begin: str) -> None:
    assert figures._harmless(f"{begin}1+1").startswith("'")
    assert figures._harmless("Spring = new") == "Spring = new"
