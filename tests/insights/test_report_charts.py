"""Charts: text that can be read and selected, nothing from elsewhere, colours that the style sheet decides, the same
picture every time, and their numbers as a table."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta

import pytest

from pushpull.insights.groups.figures import Rules
from pushpull.insights.proportions import Interval
from pushpull.insights.report.chart_catalogue import Spread, spread_chart
from pushpull.insights.report.chart_days import Launch, Period, days_chart
from pushpull.insights.report.chart_effect import Estimate, effect_chart, verdict_chart
from pushpull.insights.report.chart_forecast import Expected, forecast_chart
from pushpull.insights.report.chart_paths import Path, paths_chart
from pushpull.insights.report.chart_pull import Week, pull_chart
from pushpull.insights.report.chart_sections import Section, sections_chart
from pushpull.insights.report.drawing import Ink
from pushpull.insights.report.gate import Effect, Gate
from pushpull.insights.report.gathered import spread_of, weeks_of
from pushpull.insights.report.markup import Html, document, el, policy_of
from tests.insights.test_report import Page

DAY = date(2026, 1, 12)
EFFECT = Effect(5, -2, 12)


def _days() -> Html:
    periods = [Period(DAY + timedelta(n), 250 if n == 0 else None, 5 * n or None, 20) for n in range(30)]
    launches = [Launch(DAY + timedelta(n), f"<wave> {n}") for n in (0, 1, 15, 29)]
    return days_chart(periods, launches, is_weekly=False)


CHARTS: dict[str, Callable[[], Html]] = {
    "days": _days,
    "weeks": lambda: days_chart([Period(DAY, 5, 10, None)], [], is_weekly=True),
    "effect": lambda: effect_chart(
        [Estimate("Plain <b>", "words", EFFECT), Estimate("B", "c", Effect(3, 1, 5))], outcome="x"
    ),
    "verdict": lambda: verdict_chart(Estimate("Effect", "words", Effect(-5, -9, -1))),
    "sections": lambda: sections_chart(
        [Section(f"Section {n} <i>" * 4, 0.1 + n / 50, 0.1, 0.05, 0.2 + n / 40, n == 3, "Cut it") for n in range(20)]
    ),
    "paths": lambda: paths_chart([Path("came <to> it", 40, 2.4, 1.5, 3.9), Path("wrote", None, 0.7, 0.02, 90.0)]),
    "spread": lambda: spread_chart(Spread([(n / 10, (n / 10) ** 3) for n in range(11)], 0.5, 0.488)),
    "pull": lambda: pull_chart(
        [Week(DAY + timedelta(7 * n), None if n == 1 else 0.3, 0.2, 0.4, "full", n % 3) for n in range(4)]
    ),
    "forecast": lambda: forecast_chart(
        [Expected("All", 1200, 1100, 1300, 1250), Expected("Clicked", 0, 0, 0, None), Expected("C", 60, 40, 80, 200)]
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def drawn() -> dict[str, Html]:
    return {name: draw() for name, draw in CHARTS.items()}


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_needs_nothing_but_the_page(drawn: dict[str, Html], name: str) -> None:
    read = Page(drawn[name])  # balanced, no event handlers
    assert not re.search(r"https?:|url\(|xmlns|<style|<script|<metadata| id=| style=|#[0-9a-f]{6}", drawn[name])
    assert read.names.count("svg") == 2  # wide, and for a telephone
    assert read.links == []
    assert not re.search(r"\bnan\b", drawn[name], re.IGNORECASE)


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_says_what_it_shows_and_has_its_numbers_as_text(drawn: dict[str, Html], name: str) -> None:
    page = drawn[name]
    assert page.count('role="img"') == page.count("<title>") == page.count("<desc>") == 2
    assert "<text" in page
    assert "<details" in page
    assert "<table>" in page
    assert "<b>" not in page
    assert "<i>" not in page


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_is_drawn_alike_every_time(drawn: dict[str, Html], name: str) -> None:
    assert CHARTS[name]() == drawn[name]


def test_the_style_sheet_knows_every_role_of_colour(drawn: dict[str, Html]) -> None:
    page = document("Charts", el("main", *drawn.values()))
    sheet = page.partition("<style>")[2].partition("</style>")[0]
    used = set(re.findall(r"(?:fill|stroke)-(?:none|" + "|".join(ink.name.lower() for ink in Ink) + r")\b", page))
    assert {"fill-push", "stroke-pull", "fill-warn"} <= used
    assert all(f".{role} " in sheet for role in used)
    for theme in ("prefers-color-scheme: dark", "@media print"):
        assert theme in sheet
    assert len(page.encode()) < 400_000


def test_labels_of_waves_do_not_run_into_each_other(drawn: dict[str, Html]) -> None:
    wide = drawn["days"].partition("</svg>")[0]
    assert "&lt;wave&gt; 0" in wide
    assert "&lt;wave&gt; 1<" not in wide  # the day after: there is no room
    assert "&lt;wave&gt; 29" in wide


def test_style_attributes_become_rules_that_the_policy_knows() -> None:
    page = document(
        "Bars", el("p", "a", style="width:3%"), el("p", 'style="x"', style="width:3%"), el("b", style="a:b")
    )
    assert " style=" not in page
    assert page.count('<p data-s="0"') == 2
    assert '[data-s="0"]{width:3%}[data-s="1"]{a:b}' in page
    assert "style=&quot;x&quot;" in page
    assert re.fullmatch(
        r"default-src 'none'; style-src 'sha256-[A-Za-z0-9+/]+=*'; base-uri 'none'; form-action 'none'", policy_of(page)
    )


def test_nothing_sent_yet_says_so() -> None:
    assert "Nothing has been sent yet." in days_chart([], [], is_weekly=False)


def test_use_is_spread_as_the_counts_let_through_have_it() -> None:
    from pushpull.catalogue.audit.findings import Usage, Utilisation

    gate = Gate(Rules(b"a secret of the tests"), "spring")
    usage = tuple(Usage(f"i{n}", f"Item {n}", 500 if n < 2 else None) for n in range(10))
    found = spread_of(Utilisation(10, 900, usage, 0, None, None), gate)
    assert isinstance(found, Spread)
    assert found.curve[0] == (0.0, 0.0)
    assert found.curve[-1] == (1.0, 1.0)
    assert found.top_share > 0.9
    assert 0.7 < found.gini < 0.9
    assert isinstance(spread_of(Utilisation(2, 9, usage[:2], 0, None, None), gate), str)
    assert isinstance(spread_of(Utilisation(0, 0, (), 0, None, None), gate), str)


def test_a_pull_share_needs_two_whole_weeks() -> None:
    from pushpull.insights.pull import PullWeek

    gate = Gate(Rules(b"a secret of the tests"), "spring")
    weeks = [PullWeek(DAY + timedelta(7 * n), n < 3, 60, 200, 100) for n in range(4)]
    found = weeks_of(weeks, gate)
    assert not isinstance(found, str)
    assert len(found) == 3
    assert all(each.share is not None and abs(each.share - 0.5) < 0.1 for each in found)
    assert all(each.low < (each.share or 0) < each.high for each in found)
    assert isinstance(weeks_of(weeks[:1], gate), str)
    assert isinstance(weeks_of([], gate), str)
    assert isinstance(weeks_of(weeks, Gate(Rules(b"a secret", works_council=True), "spring")), str)


def test_sections_are_drawn_where_enough_people_left_and_flagged_ones_are_named() -> None:
    from datetime import UTC, datetime

    from pushpull.insights.dropoff import DropOff, HotSpot, Remedy, SectionFigures
    from pushpull.insights.report.gathered import sections_of

    gate = Gate(Rules(b"a secret of the tests"), "spring")
    bad, good, few = (
        SectionFigures("item", "Item", key, title, "page", 0.5, 200, leavers, 30.0, interval)
        for key, title, leavers, interval in (
            ("a", "The long one", 90.0, Interval(0.38, 0.52)),
            ("b", "The short one", 30.0, Interval(0.1, 0.2)),
            ("c", "Hardly anybody", None, None),
        )
    )
    spot = HotSpot(bad, 60.0, Interval(45, 75), 0.001, 0.003, Remedy.SPLIT, "split it")
    at = datetime(2026, 3, 1, tzinfo=UTC)
    found = sections_of(DropOff("spring", at, 300, (spot,), (bad, good, few), ()), gate)
    assert not isinstance(found, str)
    assert [(each.title, each.is_flagged, each.proposal) for each in found] == [
        ("The long one", True, "split it"), ("The short one", False, ""),
    ]  # fmt: skip
    assert abs(found[0].left - 0.45) < 0.06
    assert abs(found[0].expected - 0.15) < 1e-9
    page = sections_chart(found)
    assert "More people leave than expected from The long one." in page
    assert sections_of(DropOff("spring", at, 0, (), (), (), "nobody was there"), gate) == "nobody was there"
    assert sections_of(DropOff("spring", at, 9, (), (few,), ()), gate) == "No section was left by 5 people or more."
    assert "Too few people" in str(sections_of(DropOff("spring", at, 9, (), (), ()), gate))
