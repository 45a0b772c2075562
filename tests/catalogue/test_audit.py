"""The catalogue audit: each rule finds what it is about, and leaves alone what is well."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, insert, select, update

from pushpull.catalogue.audit import Audit, FindingState, Severity, UnknownFindingError, audit, record, rewrite_queue
from pushpull.catalogue.audit.auditing import examine
from pushpull.catalogue.audit.facts import Catalogue, Item
from pushpull.catalogue.audit.rules import EXPLANATIONS
from pushpull.catalogue.audit.structure import split
from pushpull.catalogue.audit.use import gini, lorenz
from pushpull.catalogue.audit.wording import language_of
from pushpull.catalogue.tables import catalogue_finding, item, item_requirement
from pushpull.db import writing
from pushpull.insights.sample.company import make_company
from pushpull.learners.tables import profile_fact, progress
from pushpull.ledger.dismissing import dismiss_finding
from pushpull.ledger.tables import audit as audit_log
from tests.ledger.builders import learners

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)

#: An item about which there is nothing to say.
GOOD = Item(
    key="hard-calls",
    title="Hard customer calls",
    summary="Stay calm and find the next step with a customer who is angry.",
    language="en",
    minutes=12,
    level="basic",
    format="course",
    tags=("customer-first", "communication"),
    added_at=NOW - timedelta(days=400),
    changed_at=NOW - timedelta(days=200),
    reach=40,
)
OTHERS = (
    replace(
        GOOD,
        key="pivot-tables",
        title="Pivot tables",
        summary="Summarise a long spreadsheet without a single formula.",
        tags=("data",),
        reach=8,
    ),
    replace(
        GOOD,
        key="de-delegieren",
        title="Richtig delegieren",
        summary="Ziele übergeben und Mitarbeitende mit Vertrauen führen.",
        language="de",
        tags=("leadership",),
        reach=7,
    ),
)
EASY = (
    "Stay calm. Ask what is wrong. Say what you can do. Do it, and call back. "
    "Write it down for the next one who has the call."
)
AUTHORITIES = (
    "The organisational implementation of comprehensive confidentiality requirements necessitates appropriate "
    "interdepartmental coordination mechanisms, understanding of responsibilities and documentation of exceptional "
    "circumstances, notwithstanding contractual arrangements with international subsidiaries"
)


def found(*items: Item, inactive: Iterable[str] = (), **wishes: Any) -> set[tuple[str, str]]:
    """What the audit of some items, beside good ones, finds, as item and rule."""
    return {(each.item_key, each.rule) for each in examined(*items, inactive=inactive, **wishes).findings}


def examined(*items: Item, inactive: Iterable[str] = (), **wishes: Any) -> Audit:
    return examine(Catalogue(NOW, (*items, *OTHERS), frozenset(inactive), learners=100, **wishes))


def test_a_good_catalogue_has_no_findings() -> None:
    assert found(GOOD) == set()


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("no-description", {"summary": None}),
        ("no-description", {"summary": " – "}),
        ("no-outcome", {"summary": "Four quick tests of generated text"}),
        ("no-outcome", {"summary": "Calls"}),
        ("no-outcome", {"summary": "Personenbezogene Daten und Geheimnisse", "language": "de"}),
        ("no-outcome", {"summary": "Étapes et risques sur une page", "language": "fr"}),
        ("no-outcome", {"summary": "Hitos y riesgos en una página", "language": "es"}),
        ("no-duration", {"minutes": None}),
        ("no-duration", {"minutes": 0}),
        ("no-level", {"level": " "}),
        ("no-language", {"language": None}),
        ("wrong-language", {"language": "fr"}),
        ("wrong-language", {"summary": "So bleiben Sie ruhig und finden mit dem Kunden den nächsten Schritt."}),
        ("hard-to-read", {"summary": f"Learn {AUTHORITIES}."}),
        ("too-long", {"minutes": 45, "sections": ("Why", "What", "How", "Try it")}),
        ("no-sections", {"minutes": 25}),
        ("stale", {"changed_at": NOW - timedelta(days=1200)}),
        ("never-used", {"reach": 0}),
        ("broken-prerequisite", {"requires": ("listening",)}),
        ("broken-prerequisite", {"requires": ("hard-calls",)}),
    ],
)
def test_a_rule_finds_what_it_is_about_and_nothing_else(rule: str, changes: dict[str, Any]) -> None:
    # What has no sections is not split along them; a text in another language may break two rules about words.
    assert (GOOD.key, rule) in found(replace(GOOD, **changes))
    assert found(replace(GOOD, **changes)) <= {(GOOD.key, rule), (GOOD.key, "no-outcome")}
    assert rule in EXPLANATIONS


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("no-outcome", {"summary": "So gelingt ein Gespräch mit verärgerten Kunden", "language": "de"}),
        ("no-outcome", {"summary": "Rester calme avec un client mécontent", "language": "fr"}),
        ("no-outcome", {"summary": "Mantener la calma con un cliente enfadado", "language": "es"}),
        ("no-outcome", {"summary": "Pidä pää kylmänä vaikeassa puhelussa", "language": "fi"}),  # not known here
        ("wrong-language", {"language": "en-GB"}),
        ("wrong-language", {"title": "SQL", "summary": "SELECT, JOIN, GROUP BY: learn it", "language": "de"}),
        ("hard-to-read", {"summary": EASY}),
        ("too-long", {"minutes": 30, "sections": ("Why", "How")}),
        ("too-long", {"minutes": 300, "has_parts": True}),
        ("no-sections", {"minutes": 25, "sections": ("Why", "How")}),
        ("stale", {"changed_at": NOW - timedelta(days=1000)}),
        ("never-used", {"reach": 0, "added_at": NOW - timedelta(days=30)}),
        ("broken-prerequisite", {"requires": ("pivot-tables",)}),
    ],
)
def test_a_rule_leaves_alone_what_is_well(rule: str, changes: dict[str, Any]) -> None:
    assert (GOOD.key, rule) not in found(replace(GOOD, **changes))


def test_a_long_item_is_split_along_its_sections() -> None:
    long = replace(GOOD, minutes=45, sections=("Why", "What", "How", "Try it", "Look back"))
    assert split(long) == ["Why – What", "How", "Try it – Look back"]
    said = next(each for each in examined(long).findings if each.rule == "too-long")
    assert "split it into 3: Why – What; How; Try it – Look back" in said.words
    assert split(replace(GOOD, minutes=90)) == []


def test_circles_and_withdrawn_requirements_are_told_apart() -> None:
    first = replace(GOOD, key="first", title="First steps", requires=("second",))
    second = replace(GOOD, key="second", title="Second steps", requires=("third", "old"))
    third = replace(GOOD, key="third", title="Third steps", requires=("first",))
    words = {
        each.item_key: each.words
        for each in examined(first, second, third, inactive=["old"]).findings
        if each.rule == "broken-prerequisite"
    }
    assert "first → second → third → first" in words["first"]
    assert "it requires old, which is no longer offered" in words["second"]
    assert set(words) == {"first", "second", "third"}


def test_the_same_words_are_a_duplicate_and_nearly_the_same_a_near_one() -> None:
    same = replace(GOOD, key="hard-calls-2", title="HARD customer  calls")
    near = replace(GOOD, key="hard-calls-3", title="Hard customer calls today")
    rules = found(GOOD, same, near)
    assert {(GOOD.key, "duplicate"), (same.key, "duplicate"), (near.key, "near-duplicate")} <= rules
    translated = replace(GOOD, key="de-hard-calls", language="de")
    assert "duplicate" not in {rule for _, rule in found(GOOD, translated)}
    parts = [replace(GOOD, key=f"part-{number}", part_of="course") for number in range(3)]
    assert not {rule for _, rule in found(*parts)} & {"duplicate", "near-duplicate"}


def test_wishes_that_nobody_serves_are_shown_only_when_five_people_say_them() -> None:
    wishes = {"stay calm on hard calls": 9, "bookbinding with linen": 5, "my divorce": 4}
    unserved = examined(GOOD, wishes=wishes, wishing=18).unserved
    assert [(each.words, each.learners) for each in unserved] == [("bookbinding with linen", 5)]


def test_an_item_is_not_needed_when_enough_people_wish_and_none_for_it() -> None:
    wishes = {"stay calm on hard calls": 9, "data in a spreadsheet, pivot tables": 9, "mitarbeitende führen": 9}
    binding = replace(
        GOOD, key="binding", title="Bookbinding", summary="Learn to bind paper.", tags=("craft",), reach=4
    )
    assert found(GOOD, binding, wishes=wishes, wishing=27) == {("binding", "not-needed")}
    assert found(GOOD, binding, wishes=wishes, wishing=19) == set()
    assert found(GOOD, replace(binding, reach=5), wishes=wishes, wishing=27) == set()


def test_use_is_counted_and_concentration_is_what_the_formula_says() -> None:
    assert gini([5, 5, 5, 5]) == pytest.approx(0)
    assert gini([0, 0, 0, 8]) == pytest.approx(3 / 4)
    assert gini([1, 2, 3, 4]) == pytest.approx(0.25)
    assert gini([0, 0]) is None
    assert gini([]) is None
    points = lorenz([4, 3, 2, 1])
    assert points == ((0, 0), (0.25, 0.1), (0.5, pytest.approx(0.3)), (0.75, pytest.approx(0.6)), (1, 1))
    area = np.trapezoid([use for _, use in points], [share for share, _ in points])
    assert 1 - 2 * area == pytest.approx(gini([1, 2, 3, 4]))
    assert len(lorenz(list(range(5000)))) == 101
    use = examined(replace(GOOD, reach=3), replace(GOOD, key="other", title="Other", reach=0)).utilisation
    assert [each.reach for each in use.usage] == [8, 7, None, 0]
    assert (use.items, use.never_used, use.top_share) == (4, 1, pytest.approx(8 / 18))
    assert examine(Catalogue(NOW, ())).utilisation.gini is None


def test_the_language_of_a_text_is_named_only_where_its_small_words_say_it() -> None:
    assert language_of("This is what you need for the next call") == "en"
    assert language_of("So bleiben Sie mit dem Kunden im Gespräch und nicht allein") == "de"
    assert language_of("Les outils pour une équipe qui doute dans le travail") == "fr"
    assert language_of("Los datos que necesitas para el trabajo con las hojas") == "es"
    assert language_of("Excel Pivot Power Query") is None
    assert language_of("") is None


def test_the_sample_company_is_audited_as_it_is(engine: Engine) -> None:
    with writing(engine) as connection:
        make_company(connection, seed=7, size=60, now=NOW)
        result = audit(connection, as_of=NOW)
        assert audit(connection, as_of=NOW - timedelta(days=1)).utilisation.items == 0
    by_rule: dict[str, set[str]] = {}
    for each in result.findings:
        by_rule.setdefault(each.rule, set()).add(each.item_key)
    assert by_rule["too-long"] == {"customer-journey", "sql-first-steps", "de-fuehren"}
    assert {"ai-and-data", "de-ki-daten", "first-time-lead", "fr-projet"} <= by_rule["no-duration"]
    assert by_rule["no-language"] == {"feedback-101", "focus-time", "clear-writing"}
    assert not by_rule.keys() & {"wrong-language", "duplicate", "near-duplicate", "no-description", "stale"}
    assert result.lorenz[0] == (0, 0)
    assert result.lorenz[-1] == (1, pytest.approx(1))
    assert 0 < (result.utilisation.gini or 0) < 1


def keys_and_states(connection: Any) -> dict[tuple[int, str], str]:
    rows = connection.execute(select(catalogue_finding.c.item_id, catalogue_finding.c.rule, catalogue_finding.c.state))
    return {(row.item_id, row.rule): row.state for row in rows}


def test_findings_are_kept_go_come_back_and_may_be_dismissed(engine: Engine) -> None:
    later, latest = NOW + timedelta(days=7), NOW + timedelta(days=14)
    fields = {"level": "basic", "minutes": 5.0, "created_at": NOW, "updated_at": NOW, "language": "en"}
    with writing(engine) as connection:
        connection.execute(
            insert(item),
            [
                {"id": 1, "key": "a", "title": "Call back", "summary": None, **fields},
                {"id": 2, "key": "b", "title": "Bad tools", "summary": "Old tools", **fields},
            ],
        )
        connection.execute(insert(item_requirement).values(item_id=2, requires_key="gone"))
        people = learners(connection, 6)
        connection.execute(
            insert(progress),
            [{"learner_id": who, "item_id": 2, "status": "started", "started_at": NOW} for who in people],
        )
        connection.execute(
            insert(profile_fact),
            [
                {"learner_id": who, "kind": "need", "value": "Bookbinding ", "source": "hr", "confidence": 1.0,
                 "recorded_at": NOW}
                for who in people
            ],
        )  # fmt: skip
        first = audit(connection, as_of=NOW)
        assert [(each.words, each.learners) for each in first.unserved] == [("bookbinding", 6)]
        kept = record(connection, first, at=NOW)
        assert (kept.opened, kept.stayed, kept.gone, kept.dismissed) == (3, 0, 0, 0)
        queue = rewrite_queue(connection, as_of=NOW)
        assert [(each.item_key, each.reach, each.rules) for each in queue] == [
            ("b", 6, ("broken-prerequisite", "no-outcome")),
            ("a", 0, ("no-description",)),
        ]
        assert queue[0].words[0] == "it requires gone, which the catalogue does not have"

        assert dismiss_finding(connection, "b", "no-outcome", who="ada", why="a list of tools", at=NOW)
        assert not dismiss_finding(connection, "b", "no-outcome", who="ada", why="a list of tools", at=NOW)
        lines = connection.execute(
            select(audit_log.c.who, audit_log.c.what, audit_log.c.subject, audit_log.c.why)
        ).all()
        assert [tuple(line) for line in lines] == [("ada", "finding dismissed", "b no-outcome", "a list of tools")]
        with pytest.raises(UnknownFindingError, match="no audit has found 'stale' about 'b'"):
            dismiss_finding(connection, "b", "stale", who="ada", why="so", at=NOW)

        connection.execute(update(item).where(item.c.id == 1).values(summary="Call back in a day and say why."))
        kept = record(connection, audit(connection, as_of=later), at=later)
        assert (kept.opened, kept.stayed, kept.gone, kept.dismissed) == (0, 1, 1, 1)
        assert keys_and_states(connection) == {
            (1, "no-description"): FindingState.GONE,
            (2, "broken-prerequisite"): FindingState.OPEN,
            (2, "no-outcome"): FindingState.DISMISSED,
        }
        with pytest.raises(UnknownFindingError):
            dismiss_finding(connection, "a", "no-description", who="ada", why="so", at=later)

        connection.execute(update(item).where(item.c.id == 1).values(summary=None))
        assert record(connection, audit(connection, as_of=latest), at=latest).opened == 1
        again = connection.execute(select(catalogue_finding).where(catalogue_finding.c.item_id == 1)).one()
        assert (again.state, again.found_at, again.seen_at) == (FindingState.OPEN, NOW, latest)
        assert again.evidence["words"].startswith("it has no description")


def test_the_queue_weighs_reach_and_severity() -> None:
    assert [each.weight for each in (Severity.NOTE, Severity.WARNING, Severity.ERROR)] == [1, 3, 9]


@pytest.mark.soak
def test_ten_thousand_items_are_examined_in_seconds() -> None:
    from time import perf_counter

    rng = np.random.default_rng(5)
    verbs = ["plan", "write", "check", "present", "lead", "listen", "measure", "build", "share", "explain"]
    stems = ["proj", "cust", "budg", "data", "safe", "team", "clim", "stor", "prod", "chem", "elec", "legal"]
    ends = ["ect", "omer", "et", "ing", "ty", "work", "ate", "ion", "uct", "ical", "ric", "al", "age", "ive"]
    words = [stem + end for stem in stems for end in ends]
    items = tuple(
        replace(
            GOOD,
            key=f"item-{number}",
            title=f"{rng.choice(verbs)} {' '.join(rng.choice(words, 3))}".capitalize(),
            summary=f"{rng.choice(verbs)} the {' '.join(rng.choice(words, 6))} and go on.".capitalize(),
            tags=tuple(rng.choice(words, 2)),
            minutes=float(rng.integers(2, 60)),
            reach=int(rng.pareto(1.0) * 3),
        )
        for number in range(10_000)
    )
    wishes = {f"{rng.choice(verbs)} {' '.join(rng.choice(words, 2))}": int(rng.integers(1, 9)) for _ in range(500)}
    began = perf_counter()
    result = examine(Catalogue(NOW, items, learners=5_000, wishes=wishes, wishing=2_000))
    took = perf_counter() - began
    print(f"10,000 items, 500 wishes: {took:.1f} s, {len(result.findings)} findings")
    assert took < 30
