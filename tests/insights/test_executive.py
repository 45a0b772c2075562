"""The page for those who decide: each number on it can be had from the ledger again, and what is not known is said."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from html import unescape
from math import ceil
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert, text, update

from pushpull.db import reading, writing
from pushpull.insights.groups.figures import Rules
from pushpull.insights.report import House, executive_page, write_executive
from pushpull.insights.report.evidence import Evidence, evidence, money
from pushpull.insights.report.gate import Effect, Gate, signed, words_of
from pushpull.insights.tables import insight, measurement, proposal
from pushpull.insights.uplift import uplift
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.tables import delivery
from pushpull.ledger.vocabulary import Arm
from tests.insights.assigned import BEGINS, DAY, Person, a_campaign, a_wave, assign
from tests.insights.test_report import Page

KEY = "compared"
HOUSE = House(Rules(b"a secret of the tests"), {Channel.EMAIL: Decimal("0.25")}, "EUR")
GATE = Gate(HOUSE.rules, KEY)
END = BEGINS + 57 * DAY


def furnish(engine: Engine, *, raised: bool = True, held_out: int = 150, channel: str = "email") -> int:
    """200 who got a message, and some held out; of the first so many more completed."""
    done = 120 if raised else 80
    treated = [Person(completed=9.0 if n < done else None, before=[-3.5] * (n % 2)) for n in range(200)]
    others = [
        Person(Arm.HOLDOUT, completed=9.0 if n % 5 < 2 else None, before=[-3.5] * (n % 2)) for n in range(held_out)
    ]
    with writing(engine) as conn:
        campaign_id = a_campaign(conn)
        assign(conn, campaign_id, a_wave(conn, campaign_id), [*treated, *others])
        conn.execute(update(delivery).where(delivery.c.state == "accepted").values(channel=channel))
    return campaign_id


def told(engine: Engine, *, days: float = 57, house: House = HOUSE) -> Evidence:
    with reading(engine) as conn:
        return evidence(conn, KEY, as_of=BEGINS + days * DAY, house=house)


def counted(engine: Engine, sql: str) -> int:
    with reading(engine) as conn:
        return int(conn.execute(text(sql)).scalar_one())


def again(engine: Engine) -> dict[str, Callable[[], str]]:
    """Every number of the page by its key, from the ledger's rows and the gate alone."""
    rows = "SELECT count(DISTINCT learner_id) FROM delivery WHERE arm "
    done = (
        "SELECT count(*) FROM delivery d JOIN lifecycle_event e ON e.learner_id = d.learner_id "
        "AND e.kind = 'completed' WHERE d.arm "
    )
    sides = [counted(engine, f"{rows} = '{arm}'") for arm in ("treated", "holdout")]
    shares = [
        counted(engine, f"{done} = '{arm}'") / size for arm, size in zip(("treated", "holdout"), sides, strict=True)
    ]
    with reading(engine) as conn:
        primary = uplift(conn, KEY, as_of=END).primary
    assert primary.difference == pytest.approx(shares[0] - shares[1])
    assert primary.adjusted_difference is not None
    assert primary.adjusted_interval is not None
    low, high = primary.adjusted_interval.low, primary.adjusted_interval.high
    effect = Effect(*(round(100 * each) for each in (primary.adjusted_difference, low, high)))
    messages = counted(engine, "SELECT count(*) FROM delivery WHERE state = 'accepted'")
    cost = Decimal("0.25") * (GATE.people(messages, "messages|email") or 0)
    treated = GATE.people(sides[0], "side|treated") or 0

    def each(points: int) -> str:
        return money((100 * cost / (treated * points)).quantize(Decimal("0.01")), "EUR")

    return {
        "audience": lambda: words_of(GATE.people(counted(engine, f"{rows} <> ''"), "audience")),
        "messages": lambda: words_of(GATE.people(messages, "messages")),
        "funnel.reached": lambda: words_of(
            min(GATE.people(sides[0], f"funnel|{step}") or 0 for step in ("eligible", "reached"))
        ),
        "funnel.started": lambda: words_of(GATE.people(0, "funnel|started")),
        "funnel.completed": lambda: words_of(GATE.people(0, "funnel|completed")),
        "side.treated": lambda: words_of(treated),
        "side.holdout": lambda: words_of(GATE.people(sides[1], "side|holdout")),
        "effect": lambda: signed(effect.points),
        "effect.low": lambda: signed(effect.low),
        "effect.high": lambda: signed(effect.high),
        "detectable": lambda: str(ceil(100 * (primary.detectable or 0))),
        "cost": lambda: money(cost, "EUR"),
        "additional": lambda: words_of(round(treated * effect.points / 500) * 5),
        "cost.each": lambda: each(effect.points),
        "cost.least": lambda: each(effect.high),
        "cost.most": lambda: each(effect.low),
    }


def test_every_number_on_the_page_is_the_ledgers(engine: Engine) -> None:
    furnish(engine)
    found = told(engine)
    recomputed = again(engine)
    assert set(found.numbers) == set(recomputed)
    page = executive_page(found)
    printed = {key: unescape(text_) for key, text_ in re.findall(r'data-trace="([^"]+)">([^<]*)<', page)}
    assert set(printed) == set(recomputed)
    for key, text_ in printed.items():
        assert text_ == recomputed[key](), key


def test_each_number_has_a_note_that_says_where_it_comes_from(engine: Engine) -> None:
    furnish(engine)
    page = executive_page(told(engine))
    references = re.findall(r'data-trace="[^"]+">[^<]*</span><sup><a href="#(note-\d+)"', page)
    assert len(references) == len(re.findall("data-trace", page)) >= 14
    notes = dict(re.findall(r'<li id="(note-\d+)">(.*?)</li>', page))
    assert set(references) == set(notes)
    assert all("<code>" in note and re.search(r"\[[ab]\]$", note) for note in notes.values())
    assert f"pushpull insights uplift {KEY} --as-of 2026-03-03T00:00Z" in page
    assert f"pushpull report {KEY} --executive --as-of 2026-03-03T00:00Z" in page
    assert "waves 1 to 1 of the ledger (1)" in page


def test_no_number_stands_in_the_answer_without_a_trace(engine: Engine) -> None:
    furnish(engine)
    page = executive_page(told(engine))
    main = page.partition("<main>")[2].partition("</main>")[0]
    without = re.sub(
        r"<svg.*?</svg>|<details.*?</details>|<sup>.*?</sup>|<span data-trace.*?</span>", "", main, flags=re.S
    )
    words = re.sub(r"<[^>]+>", " ", without)
    assert set(re.findall(r"\d+", words)) <= {"95", "1"}  # of the interval; one wave


def test_a_clear_rise_is_said_with_its_cost(engine: Engine) -> None:
    furnish(engine)
    said = Page(executive_page(told(engine))).text
    assert "Yes: more people completed" in said
    assert "Cost of each of them" in said
    assert "What people do differently at work" in said


def test_what_cannot_be_told_is_said_with_what_could_have_been_found(engine: Engine) -> None:
    furnish(engine, raised=False)
    found = told(engine)
    said = Page(executive_page(found)).text
    assert "Cannot tell" in said
    assert "Yes:" not in said
    assert "Whether messages made a difference: the interval includes none at all." in said
    assert re.search(r"Groups like these show a true rise of \d+", said)
    assert found.cost.additional is None
    assert "cost.each" not in found.numbers
    assert "Cannot tell yet" in Page(executive_page(told(engine, days=30))).text


def test_of_few_held_out_no_effect_is_printed(engine: Engine) -> None:
    furnish(engine, held_out=15)
    found = told(engine)
    page = executive_page(found)
    assert "Cannot tell" in page
    assert "fewer than 20 people were held out" in page
    assert {"effect", "cost.each", "additional"}.isdisjoint(found.numbers)


def test_the_verdict_of_a_small_company_is_that_of_the_uplift_and_comes_at_the_end(engine: Engine) -> None:
    furnish(engine, held_out=25)
    page = executive_page(told(engine, days=30))
    assert "Cannot tell yet" in page
    assert "of so few nothing is said before the end" in page
    with reading(engine) as conn:
        final = uplift(conn, KEY, as_of=END)
    found = told(engine)
    assert found.helped.effect is not None
    assert found.helped.effect.is_clear == (final.said != "cannot tell")


def test_a_channel_without_a_price_is_named(engine: Engine) -> None:
    furnish(engine, channel="sms")
    found = told(engine)
    assert found.cost.total is None
    assert "What it cost: no price is set for sms." in executive_page(found)


def test_applied_changes_are_told_with_what_came_of_them(engine: Engine) -> None:
    campaign_id = furnish(engine)
    with writing(engine) as conn:
        for number, said in ((1, "better"), (2, None)):
            conn.execute(
                insert(insight).values(
                    id=number, campaign_id=campaign_id, kind="send_hour", subject=f"s{number}",
                    headline="People answer in the morning", evidence={}, found_at=BEGINS, seen_at=BEGINS,
                )
            )  # fmt: skip
            conn.execute(
                insert(proposal).values(
                    id=number, insight_id=number, change={"settings": [], "why": f"Send <at> nine, {number}"}, diff="",
                    base_hash="", state="applied", made_at=BEGINS, applied_at=BEGINS + number * DAY,
                )
            )  # fmt: skip
            for day, word in ((10, "worse"), (20, said), (90, "worse")):
                if said and word:
                    conn.execute(
                        insert(measurement).values(
                            proposal_id=number, measured_at=BEGINS + day * DAY, metric="answered", said=word, figures={}
                        )
                    )
    found = told(engine)
    assert [(each.number, each.said) for each in found.changes] == [(1, "better"), (2, "")]
    page = executive_page(found)
    assert "Send &lt;at&gt; nine, 1" in page
    assert "answered: better" in page
    assert "not measured yet" in page
    assert executive_page(told(engine, days=1.5)).count("<b>Send") == 1


def test_the_page_needs_nothing_but_itself_and_is_written(engine: Engine, tmp_path: Path) -> None:
    furnish(engine)
    with reading(engine) as conn:
        out = write_executive(
            conn, KEY, tmp_path / "deep" / "sheet.html", as_of=END, house=HOUSE, report_href="report.html"
        )
    page = out.read_text(encoding="utf-8")
    read = Page(page)
    assert "script" not in read.names
    assert not re.search(r"https?:|url\(|@import| style=", page)
    assert [link for link in read.links if not link.startswith("#")] == ["report.html"]
    assert "@page" in page


def test_a_campaign_that_has_not_begun_has_a_page_too(engine: Engine) -> None:
    furnish(engine)
    with reading(engine) as conn:
        found = evidence(conn, KEY, as_of=BEGINS - timedelta(days=1), house=HOUSE)
    said = Page(executive_page(found)).text
    assert "Cannot tell" in said
    assert "no wave yet" in said
    assert "What it cost: nothing was sent." in said


def test_amounts_are_whole_where_they_are_large() -> None:
    assert money(Decimal("1234.567"), "EUR") == "1\u202f235\u00a0EUR"
    assert money(Decimal("0.205"), "EUR") == "0.21\u00a0EUR"
