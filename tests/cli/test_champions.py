"""`pushpull champions`: who would be asked, and why others are not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, insert, select, update

from pushpull.catalogue.tables import item
from pushpull.db import reading, writing
from pushpull.learners.reviews import rate
from pushpull.learners.tables import champion, learner, progress
from tests.cli.conftest import CAMPAIGN, Command

NOW = datetime(2026, 1, 27, 8, tzinfo=UTC)  # a Tuesday of the third week


def test_who_would_be_asked_is_listed_with_the_reasons_of_the_others(company: Command, ledger: Engine) -> None:
    company("run", "launch", CAMPAIGN, "--as-of", "2026-01-12T00:05+01:00")
    assert "0 of 0 with points" in company("champions", "list", CAMPAIGN, "--as-of", NOW.isoformat()).out
    with writing(ledger) as connection:
        what = connection.execute(select(item.c.id).where(item.c.key == "feedback-101")).scalar_one()
        connection.execute(update(item).where(item.c.id == what).values(owner_external_id="e1"))
        for who in connection.execute(select(learner.c.id).order_by(learner.c.id)).scalars().all():
            done = {"status": "completed", "completed_at": NOW}
            mine = (progress.c.learner_id == who) & (progress.c.item_id == what)
            if not connection.execute(update(progress).where(mine).values(done)).rowcount:
                connection.execute(insert(progress).values(learner_id=who, item_id=what, **done))
            rate(connection, who, what, rating=3, words="Of use to me.", at=NOW)
    said = company("champions", "list", CAMPAIGN, "--as-of", NOW.isoformat()).out
    rows = {cells[1].strip(): cells for line in said.splitlines() if len(cells := line.split("│")) > 4}
    assert "has an interest of their own in it" in rows["e1"][5]
    asked = [name for name, cells in rows.items() if cells[4].strip() == "yes"]
    assert 0 < len(asked) <= 8
    assert "e1" not in asked
    assert f"{len(asked)} of 12 with points would be asked; 8 places" in said
    assert "Given" not in said
    with reading(ledger) as connection:
        assert connection.execute(select(champion)).all() == []


def test_who_was_not_asked_reads_whom_it_asks(company: Command, ledger: Engine) -> None:
    company("run", "launch", CAMPAIGN, "--as-of", "2026-01-12T00:05+01:00")
    with writing(ledger) as connection:
        what = connection.execute(select(item.c.id).where(item.c.key == "feedback-101")).scalar_one()
        people = connection.execute(select(learner.c.id).order_by(learner.c.id)).scalars().all()
        connection.execute(update(learner).values(created_at=NOW - timedelta(days=30)))
        for who in people[2:]:  # e0 and e1 did nothing
            mine = (progress.c.learner_id == who) & (progress.c.item_id == what)
            connection.execute(update(progress).where(mine).values(status="completed", completed_at=NOW))
            rate(connection, who, what, rating=3, words="Of use to me.", at=NOW)
    assert "champions.question@2026-01-27" in company("run", "champions", CAMPAIGN, "--as-of", NOW.isoformat()).out
    tale = company("explain", "e0", "--campaign", CAMPAIGN, "--as-of", NOW.isoformat()).out
    assert "asks at most 8 learners to vouch" in " ".join(tale.split())
