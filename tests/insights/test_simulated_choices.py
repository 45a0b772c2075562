"""What simulated learners decide on their pages, so that a rehearsal shows the habit and the champions too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, func, insert, select

from pushpull.db import reading, writing
from pushpull.insights.sample import CORE_ITEMS, make_company
from pushpull.insights.simulate import SOURCE, SimulatedLearners
from pushpull.learners.progress import fold_activity
from pushpull.learners.tables import activity, cue_plan, learner_choice, review, share

NOW = datetime(2026, 1, 14, 8, tzinfo=UTC)


def test_whoever_has_learned_decides_once_whether_to_be_nudged_reminded_or_heard(engine: Engine) -> None:
    people = SimulatedLearners(seed=3)
    with writing(engine) as conn:
        company = make_company(conn, seed=3, size=120, now=NOW - timedelta(days=31))
        assert not people.choose(conn, at=NOW)  # nobody has learned yet
        rows = [
            {
                "learner_id": who,
                "source": SOURCE,
                "source_id": f"{name}|{NOW.isoformat()}|00",
                "verb": "completed",
                "item_id": company.item_ids[CORE_ITEMS[0]],
                "occurred_at": NOW - timedelta(days=30),
                "stored_at": NOW - timedelta(days=30),
            }
            for name, who in company.learner_ids.items()
        ]
        conn.execute(insert(activity), rows)
        fold_activity(conn, after_activity_id=0, as_of=NOW)
        decided = people.choose(conn, at=NOW)
        assert min(decided["nudged"], decided["reminded"], decided["rated"]) > 0
        assert decided["nudged"] + decided["reminded"] < len(company.learner_ids)
        assert not people.choose(conn, at=NOW + timedelta(days=1))
    with reading(engine) as conn:
        tables = (learner_choice, cue_plan, review, share)
        kept = [conn.scalar(select(func.count()).select_from(each)) for each in tables]
    assert kept == [decided["nudged"], decided["reminded"], decided["rated"], decided["rated"]]
