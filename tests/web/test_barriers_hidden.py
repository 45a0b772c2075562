"""What may keep somebody from learning is for their own eyes: nobody else's page, figure or report tells of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert, select, update

from pushpull.db import reading, writing
from pushpull.insights.briefing.counts import Subject, count_rows
from pushpull.learners.tables import learner, profile_fact
from pushpull.ledger.tables import delivery
from tests.ledger.builders import DAWN, a_campaign, a_learner, a_wave, planned
from tests.web.conftest import NOW
from tests.web.test_teams import Company, an_app, furnish

HERE = Path(__file__).parent.parent.parent
WORDS = ("exposure", "insulted", "unobserved", "unbeobachtet")
#: Whose own eyes these pages are for, and what turns the variant's name away from others.
MAY_SPEAK_OF_IT = {
    "web/about.py",
    "content/preview.py",  # of messages, to invented learners
    "cli/learners.py",  # to leave it out
}


@pytest.fixture
def company(engine: Engine) -> Iterator[Company]:
    """The company of the managers' pages, in which everybody has a barrier and got the words for it."""
    furnish(engine)
    with writing(engine) as connection:
        for who in connection.execute(select(learner.c.id)).scalars().all():
            connection.execute(
                insert(profile_fact).values(
                    learner_id=who, kind="barrier", value="exposure", source="learned", confidence=0.6, recorded_at=NOW
                )
            )
        connection.execute(update(delivery).values(variant="exposure"))
    yield from an_app(engine)


def test_managers_and_sponsors_see_nothing_of_it(company: Company) -> None:
    for who, groups, pages in (
        ("boss", (), ("/team",)),
        ("p3", ("sponsors",), ("/sponsor", "/sponsor/figures.csv")),
    ):
        company.sign_in(who, *groups)
        for page in pages:
            for language in ("en", "de"):
                answer = company.get(page, language)
                assert answer.status_code == 200
                assert not [each for each in WORDS if each in answer.text.lower()], page


def test_whoever_approves_a_wave_is_not_told_how_many_get_which_words(engine: Engine) -> None:
    with writing(engine) as connection:
        campaign_id = a_campaign(connection)
        for value in ("exposure", "insulted", "exposure"):
            connection.execute(
                insert(profile_fact).values(
                    learner_id=a_learner(connection), kind="barrier", value=value, source="learned", confidence=0.6,
                    recorded_at=DAWN,
                )
            )  # fmt: skip
    spec = a_wave(barrier_variants=("insulted", "exposure"))
    wave_id = planned(engine, spec)
    with reading(engine) as connection:
        about = Subject(wave_id, 0, campaign_id, spec.campaign_key, "Safety", spec, "")
        counts = count_rows(connection, about)
        variants = set(connection.execute(select(delivery.c.variant)).scalars())
    assert variants == {"exposure", "insulted"}
    assert [(each.variant, each.count) for each in counts.planned] == [("", 3)]


def test_no_page_of_others_and_no_report_reads_it() -> None:
    reads = ("FactKind.BARRIER", "import Barrier", "Barrier,", "learners.barriers", '"barrier"')
    found = set()
    for folder in ("web", "tasks", "flows", "cli", "pushpull/insights"):
        for path in (HERE / folder).rglob("*.py"):
            if any(each in path.read_text(encoding="utf-8") for each in reads):
                found.add(path.relative_to(HERE).as_posix())
    assert found <= MAY_SPEAK_OF_IT
