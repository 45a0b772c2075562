"""From the page to the planner: what a learner plans and decides there is what a campaign keeps to."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine, update

from pushpull.db import writing
from pushpull.ledger.planning import plan
from pushpull.ledger.specs import WaveSpec
from pushpull.ledger.tables import campaign
from pushpull.ledger.vocabulary import DeliveryState, Reason
from tests.ledger.builders import a_wave, drained, planned, reasons_of, rows_of, states_of, utc
from tests.web.planning import SEVEN, Visit, at_seven, visit

__all__ = ["at_seven", "visit"]

LUNCH = {"cue": "after_lunch", "item": "2", "day": ["0", "1"], "at": "12:40", "step": "keep", "remind": "yes"}
#: A box without its tick is not sent.
QUIET = {name: value for name, value in LUNCH.items() if name != "remind"}


def a_reminder(engine: Engine) -> WaveSpec:
    with writing(engine) as connection:
        connection.execute(update(campaign).values(status="open"))
    return a_wave("habit.cue", campaign="spring", at_cue=True, channels=("email",))


def test_a_plan_kept_on_the_page_reminds_at_its_minute_where_the_learner_is(visit: Visit) -> None:
    visit.send("/me/plans", **LUNCH)
    wave_id = planned(visit.engine, a_reminder(visit.engine), as_of=SEVEN)
    row = rows_of(visit.engine, wave_id)[1]
    assert (row.due_at, row.item_id) == (utc("2026-01-12T11:40"), 2)
    drained(visit.engine, wave_id, now=row.due_at)
    assert states_of(visit.engine, wave_id)[1][0] == DeliveryState.ACCEPTED


@pytest.mark.parametrize("deed", ["end", "later", "quietly", "other_days"])
def test_a_plan_ended_or_changed_on_the_page_reminds_no_longer(visit: Visit, deed: str) -> None:
    visit.send("/me/plans", **LUNCH)
    wave_id = planned(visit.engine, a_reminder(visit.engine), as_of=SEVEN)
    if deed == "end":
        visit.send("/me/plans/1/end")
    else:
        changed = {"later": {"at": "16:00"}, "quietly": {}, "other_days": {"day": ["3"]}}[deed]
        fields = {**(QUIET if deed == "quietly" else LUNCH), **changed}
        assert visit.send("/me/plans/1", **fields).status_code == 303
    drained(visit.engine, wave_id, now=utc("2026-01-12T11:40"))
    assert reasons_of(visit.engine, wave_id) == {1: Reason.NO_LONGER_IN_SEGMENT}


def test_without_a_reminder_nothing_is_planned(visit: Visit) -> None:
    visit.send("/me/plans", **QUIET)
    assert plan(visit.engine, a_reminder(visit.engine), as_of=SEVEN + timedelta(hours=1)).wave_id is None
