from __future__ import annotations

import re
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from pushpull.db import reading
from pushpull.insights.explain import explain
from pushpull.insights.funnel import Step, funnel
from pushpull.insights.groups.figures import Rules
from pushpull.insights.report import House, Links, sample_learners, write_explanation, write_report
from pushpull.insights.report.figures import figures, in_weeks
from pushpull.insights.report.gate import Gate
from pushpull.insights.report.markup import Html, document, el, join
from pushpull.insights.report.printed import printed_departments, printed_funnel
from pushpull.learners.tables import learner
from pushpull.ledger.campaigns import campaign_id_of
from pushpull.ledger.results import wave_results
from tests.insights import rehearsal
from tests.insights.conftest import Played
from tests.insights.test_simulate import footprint

VOID = {"meta", "br", "hr"}
HOUSE = House(Rules(b"a secret of the tests"))
GATE = Gate(HOUSE.rules, rehearsal.KEY)


class Page(HTMLParser):
    """A reader that insists on balanced elements and keeps what a page refers to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def page(played: Played, tmp_path: Path) -> str:
    with reading(played.engine) as conn:
        out = write_report(
            conn,
            rehearsal.KEY,
            tmp_path / "deep" / "report.html",
            as_of=played.now,
            house=HOUSE,
            links=Links(outbox="outbox/index.html", explains={"One <path>": "path.html"}),
        )
    return out.read_text(encoding="utf-8")


def test_the_page_needs_nothing_but_itself(page: str) -> None:
    read = Page(page)
    assert "script" not in read.names
    assert {"img", "link", "iframe", "object", "form"}.isdisjoint(read.names)
    assert not re.search(r"https?:|url\(|@import", page)
    assert [link for link in read.links if not link.startswith("#")] == ["outbox/index.html", "path.html"]
    assert "prefers-color-scheme: dark" in page


def test_names_are_escaped(page: str) -> None:
    assert "Two minutes &lt;a&gt; day" in page
    assert "One &lt;path&gt;" in page
    assert "<a> day" not in page


def test_the_numbers_are_the_ledgers(played: Played, page: str) -> None:
    text = Page(page).text.replace("\u202f", "")
    with reading(played.engine) as conn:
        path = funnel(conn, rehearsal.KEY, as_of=played.now)
        results = wave_results(conn, campaign_key=rehearsal.KEY)
        found = figures(conn, campaign_id_of(conn, rehearsal.KEY), as_of=played.now)
    printed = printed_funnel(path, GATE)
    for exact, each in zip(path.steps, printed.steps, strict=True):
        if each.count is not None:
            assert f'data-trace="funnel.{each.step.value}">{each.count}<' in page.replace("\u202f", "")
            assert abs(exact.count - each.count) < 15
    assert sum(series.total("audience") for series in found.series) == sum(result.audience for result in results)
    assert found.skipped.total() == sum(result.skipped.total() for result in results)
    assert sum(day.push + day.pull for day in found.days) == path.messages
    assert sum(series.came_back["clicked"] for series in found.series) >= path[Step.CLICKED].count
    assert all(series.series in text for series in found.series)
    assert "rehearsal with simulated learners" in text


def test_weeks_count_people_once(played: Played) -> None:
    with reading(played.engine) as conn:
        campaign_id = campaign_id_of(conn, rehearsal.KEY)
        days = figures(conn, campaign_id, as_of=played.now).days
        weeks = in_weeks(conn, campaign_id, days, as_of=played.now)
    assert [week.starts.weekday() for week in weeks] == [0] * len(weeks)
    assert sum(week.push + week.pull for week in weeks) == sum(day.push + day.pull for day in days)
    for week in weeks:
        inside = [day.active for day in days if 0 <= (day.starts - week.starts).days < 7]
        assert max(inside) <= week.active <= sum(inside)


def test_the_page_speaks_of_nobody(played: Played, page: str) -> None:
    with reading(played.engine) as conn:
        people = conn.execute(select(learner.c.external_id, learner.c.email, learner.c.family_name)).all()
        found = figures(conn, campaign_id_of(conn, rehearsal.KEY), as_of=played.now)
    for external_id, email, _ in people:
        assert external_id not in page
        assert email is None or email not in page
    printed = printed_departments(found.departments, GATE)
    numbers = [n for each in printed for n in (each.people, each.activated, each.completed)]
    assert None in numbers
    assert all(value is None or (value >= 5 and value % 5 == 0) for value in numbers)


def test_both_databases_see_the_same_behaviour_and_give_the_same_page(
    sqlite_engine: Engine, postgres_engine: Engine, tmp_path: Path
) -> None:
    pages, footprints = [], []
    for engine in (sqlite_engine, postgres_engine):
        rehearsal.prepare(engine, size=30)
        rehearsal.play(engine, days=2)
        now = rehearsal.midnight(rehearsal.START) + timedelta(days=2)
        with reading(engine) as conn:
            out = write_report(conn, rehearsal.KEY, tmp_path / "report.html", as_of=now, house=HOUSE)
            footprints.append(footprint(conn))
        pages.append(out.read_text(encoding="utf-8"))
    assert pages[0] == pages[1]
    assert footprints[0] == footprints[1]
    assert footprints[0]["activity"]


def test_a_campaign_that_has_not_begun_has_a_page_too(engine: Engine, tmp_path: Path) -> None:
    rehearsal.prepare(engine, size=20)
    with reading(engine) as conn:
        out = write_report(
            conn, rehearsal.KEY, tmp_path / "report.html", as_of=rehearsal.midnight(rehearsal.START), house=HOUSE
        )
    text = Page(out.read_text(encoding="utf-8")).text
    assert "No wave has been planned yet." in text
    assert "rehearsal with simulated learners" not in text


def test_a_path_has_a_page(played: Played, tmp_path: Path) -> None:
    with reading(played.engine) as conn:
        found = explain(conn, "lf-0010", rehearsal.KEY, as_of=played.now)
    out = write_explanation(found, tmp_path / "paths" / "lf-0010.html", back_href="../report.html")
    read = Page(out.read_text(encoding="utf-8"))
    assert found.arm_words in read.text
    assert read.names.count("li") >= 3
    assert read.links == ["../report.html"]


@given(st.text(), st.text())
def test_text_never_becomes_markup(text: str, value: str) -> None:
    found = el("p", text, title=value)
    assert found.count("<") == 2
    assert found.count(">") == 2
    assert join(found, el("b", 1)) == f"{found}<b>1</b>"
    assert isinstance(found, Html)


def test_a_document_has_a_language_and_a_title() -> None:
    assert document("A & B", el("p", "x")).startswith('<!doctype html>\n<html lang="en"><head>')
    assert "<title>A &amp; B</title>" in document("A & B")


def test_sample_paths_are_different_people_with_the_story_of_their_label(played: Played) -> None:
    with reading(played.engine) as conn:
        chosen = sample_learners(conn, rehearsal.KEY, as_of=played.now)
        paths = {label: explain(conn, each, rehearsal.KEY, as_of=played.now) for label, each in chosen.items()}
    assert len(set(chosen.values())) == len(chosen) >= 4
    assert paths["Held out"].arm == "holdout"
    assert paths["Completed it"].state == "completed"
    assert paths["Opted out"].state == "opted_out"
