"""A plan made on the page is the plan that its learner is reminded of, on both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pushpull.learners.tables import cue_plan
from pushpull.ledger.planning import plan
from pushpull.ledger.specs import WaveSpec
from pushpull.ledger.vocabulary import Reason
from tests.ledger.builders import a_wave, drained, planned, reasons_of, rows_of, utc
from tests.web.planning import Visit, at_seven, visit

__all__ = ["at_seven", "visit"]

PLAN: dict[str, Any] = {"cue": "after_lunch", "item": "2", "day": ["0", "3"], "at": "13:20", "remind": "yes"}
EVENING_BEFORE = utc("2026-01-11T16:05")


def reminders() -> WaveSpec:
    """Monday's."""
    return a_wave("habit.cue", campaign="spring", at_cue=True)


def test_a_plan_made_on_the_page_is_reminded_of_at_its_cue(visit: Visit) -> None:
    visit.send("/me/plans", **PLAN)
    [row] = rows_of(visit.engine, planned(visit.engine, reminders(), as_of=EVENING_BEFORE)).values()
    assert row.due_at == utc("2026-01-12T12:20")  # twenty past one in Berlin
    assert row.expires_at - row.due_at == timedelta(minutes=45)
    assert (row.learner_id, row.item_id) == (1, 2)


@pytest.mark.parametrize(
    "changes", [{"day": ["1", "3"]}, {"at": "", "remind": []}, {"remind": []}], ids=["other days", "no time", "no wish"]
)
def test_a_plan_that_asks_for_no_reminder_on_the_day_plans_none(visit: Visit, changes: dict[str, Any]) -> None:
    visit.send("/me/plans", **{**PLAN, **changes})
    assert len(visit.rows(cue_plan)) == 1
    assert plan(visit.engine, reminders(), as_of=EVENING_BEFORE).wave_id is None


@pytest.mark.parametrize("changed", ["later", "ended"])
def test_a_plan_that_is_changed_or_ended_on_the_page_is_not_reminded_of_any_more(visit: Visit, changed: str) -> None:
    visit.send("/me/plans", **PLAN)
    [made] = visit.rows(cue_plan)
    wave_id = planned(visit.engine, reminders(), as_of=EVENING_BEFORE)
    if changed == "ended":
        visit.send(f"/me/plans/{made.id}/end")
    else:
        visit.send(f"/me/plans/{made.id}", **{**PLAN, "at": "16:00"})
    drained(visit.engine, wave_id, now=utc("2026-01-12T12:21"))
    assert reasons_of(visit.engine, wave_id) == {1: Reason.NO_LONGER_IN_SEGMENT}
