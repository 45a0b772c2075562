from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, delete, insert, select, update

from pushpull.db import reading, writing
from pushpull.learners.consent import opt_in, opt_out
from pushpull.learners.lifecycle import Rules, derive_events, refold
from pushpull.learners.lifecycle.events import UnknownCampaign
from pushpull.learners.progress import fold_activity
from pushpull.learners.tables import activity, lifecycle, lifecycle_event, progress
from pushpull.learners.vocabulary import LearnerState as S
from pushpull.learners.vocabulary import LifecycleKind as K
from tests.learners.population import START, a_campaign, a_learner, an_activity, an_item

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
RULES = Rules()
LATER = START + 5 * DAY


def row_of(engine: Engine, learner_id: int) -> dict[str, Any]:
    with reading(engine) as conn:
        found = conn.execute(select(lifecycle).where(lifecycle.c.learner_id == learner_id)).mappings().first()
    return dict(found) if found else {}


def reach(conn: Connection, campaign_id: int, learner_id: int, at: datetime = START) -> None:
    conn.execute(
        insert(lifecycle_event).values(
            campaign_id=campaign_id, learner_id=learner_id, kind=K.REACHED, source_id="delivery:1-0", occurred_at=at
        )
    )


def test_activity_moves_a_learner_and_doing_it_again_moves_nobody(engine: Engine) -> None:
    with writing(engine) as conn:
        ada, course = a_learner(conn), an_item(conn)
        campaign = a_campaign(conn, [course])
        reach(conn, campaign, ada)
        assert refold(conn, campaign, as_of=START, rules=RULES) == {(S.UNAWARE, S.AWARE): 1}
        an_activity(conn, ada, "launched", START + HOUR, item_id=course)
        assert derive_events(conn, campaign) == 2
        assert refold(conn, campaign, as_of=LATER, rules=RULES) == {(S.AWARE, S.ACTIVATED): 1}
        an_activity(conn, ada, "progressed", START + 2 * HOUR, item_id=course)
        an_activity(conn, ada, "progressed", START + 3 * HOUR, item_id=course)
        derive_events(conn, campaign)
        assert refold(conn, campaign, as_of=LATER, rules=RULES) == {(S.ACTIVATED, S.ACTIVE): 1}
        assert derive_events(conn, campaign) == 0
        assert refold(conn, campaign, as_of=LATER, rules=RULES) == {}
    row = row_of(engine, ada)
    assert (row["activated_at"], row["last_active_at"], row["active_days"]) == (START + HOUR, START + 3 * HOUR, 1)


def test_an_earlier_opening_that_is_imported_later_wins(engine: Engine) -> None:
    with writing(engine) as conn:
        ada, course = a_learner(conn), an_item(conn)
        campaign = a_campaign(conn, [course])
        last = an_activity(conn, ada, "progressed", START + DAY, item_id=course)
        derive_events(conn, campaign)
        refold(conn, campaign, as_of=LATER, rules=RULES)
        an_activity(conn, ada, "launched", START, item_id=course)
        derive_events(conn, campaign, after_activity_id=last)
        refold(conn, campaign, as_of=LATER, rules=RULES)
    assert row_of(engine, ada)["activated_at"] == START


def test_voided_activity_is_taken_back(engine: Engine) -> None:
    with writing(engine) as conn:
        ada, course = a_learner(conn), an_item(conn)
        campaign = a_campaign(conn, [course])
        last = an_activity(conn, ada, "progressed", START, item_id=course)
        derive_events(conn, campaign)
        refold(conn, campaign, as_of=LATER, rules=RULES)
        conn.execute(update(activity).values(voided_at=LATER))
        assert derive_events(conn, campaign, after_activity_id=last) == 1
        assert refold(conn, campaign, as_of=LATER, rules=RULES) == {(S.ACTIVE, S.UNAWARE): 1}
        assert derive_events(conn, campaign, after_activity_id=last) == 0
    assert row_of(engine, ada) == {}


def test_activity_on_other_items_is_no_event_of_the_campaign(engine: Engine) -> None:
    with writing(engine) as conn:
        ada, course, other = a_learner(conn), an_item(conn), an_item(conn, "other")
        campaign = a_campaign(conn, [course])
        an_activity(conn, ada, "progressed", START, item_id=other)
        an_activity(conn, ada, "progressed", START)
        an_activity(conn, ada, "registered", START, item_id=course)
        assert derive_events(conn, campaign) == 0


def test_a_session_that_went_wrong_is_a_failed_try_and_a_wrong_answer_is_not(engine: Engine) -> None:
    with writing(engine) as conn:
        ada, course = a_learner(conn), an_item(conn)
        campaign = a_campaign(conn, [course])
        an_activity(conn, ada, "answered", START, item_id=course, success=False)
        an_activity(conn, ada, "failed", START + HOUR, item_id=course)
        an_activity(conn, ada, "terminated", START + HOUR, item_id=course, success=False)
        an_activity(conn, ada, "terminated", START + HOUR, item_id=course)
        derive_events(conn, campaign)
        refold(conn, campaign, as_of=LATER, rules=RULES)
    assert row_of(engine, ada)["failed_tries"] == 2


def test_the_campaign_is_completed_with_the_last_of_its_items(engine: Engine) -> None:
    with writing(engine) as conn:
        ada, first, second = a_learner(conn), an_item(conn, "first"), an_item(conn, "second")
        campaign = a_campaign(conn, [first, second])
        an_activity(conn, ada, "completed", START + HOUR, item_id=second)
        last = fold_activity(conn, after_activity_id=0, as_of=LATER)
        derive_events(conn, campaign)
        refold(conn, campaign, as_of=LATER, rules=RULES)
        assert row_of_conn(conn, ada)["state"] == "active"
        an_activity(conn, ada, "waived", START, item_id=first)
        fold_activity(conn, after_activity_id=last, as_of=LATER)
        derive_events(conn, campaign, after_activity_id=last)
        assert refold(conn, campaign, as_of=LATER, rules=RULES) == {(S.ACTIVE, S.COMPLETED): 1}
    assert row_of(engine, ada)["completed_at"] == START + HOUR


def row_of_conn(conn: Connection, learner_id: int) -> dict[str, Any]:
    return dict(conn.execute(select(lifecycle).where(lifecycle.c.learner_id == learner_id)).mappings().one())


def test_opting_out_of_everything_shows_and_one_channel_left_does_not(engine: Engine) -> None:
    with writing(engine) as conn:
        ada, grace, course = a_learner(conn), a_learner(conn, "grace"), an_item(conn)
        campaign = a_campaign(conn, [course])
        for person in (ada, grace):
            reach(conn, campaign, person)
        refold(conn, campaign, as_of=START, rules=RULES)
        opt_out(conn, ada, channel="*", family="safety", source="page", at=START + HOUR)
        opt_out(conn, grace, channel="email", family="*", source="page", at=START + HOUR)
        assert derive_events(conn, campaign) == 1
        assert refold(conn, campaign, as_of=LATER, rules=RULES) == {(S.AWARE, S.OPTED_OUT): 1}
        opt_in(conn, ada, channel="email", family="safety", source="page", at=START + 2 * HOUR)
        assert derive_events(conn, campaign) == 1
        assert refold(conn, campaign, as_of=LATER, rules=RULES) == {(S.OPTED_OUT, S.AWARE): 1}
        assert derive_events(conn, campaign) == 0


def test_nobody_opts_out_of_an_obligation(engine: Engine) -> None:
    with writing(engine) as conn:
        ada, course = a_learner(conn), an_item(conn)
        campaign = a_campaign(conn, [course], message_class="mandatory")
        opt_out(conn, ada, channel="*", family="*", source="page", at=START)
        assert derive_events(conn, campaign) == 0


def test_silence_makes_dormant_without_any_new_event(engine: Engine) -> None:
    with writing(engine) as conn:
        ada, course = a_learner(conn), an_item(conn)
        campaign = a_campaign(conn, [course])
        an_activity(conn, ada, "progressed", START, item_id=course)
        derive_events(conn, campaign)
        refold(conn, campaign, as_of=START, rules=RULES)
        assert refold(conn, campaign, as_of=START + 13 * DAY, rules=RULES) == {}
        assert refold(conn, campaign, as_of=START + 14 * DAY, rules=RULES) == {(S.ACTIVE, S.DORMANT): 1}


def test_a_campaign_that_is_not_there_is_named(engine: Engine) -> None:
    with writing(engine) as conn, pytest.raises(UnknownCampaign, match="4711"):
        derive_events(conn, 4711)


@dataclass(frozen=True)
class Record:
    learner: int
    verb: str
    hours: int
    voided: bool


steps = st.lists(
    st.lists(
        st.builds(
            Record,
            learner=st.integers(0, 2),
            verb=st.sampled_from(["launched", "progressed", "completed", "failed", "registered"]),
            hours=st.integers(0, 24 * 30),
            voided=st.sampled_from([False, False, False, True]),
        ),
        max_size=5,
    ),
    min_size=1,
    max_size=4,
)
COLUMNS = [column for column in lifecycle.c if column.name != "folded_to"]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps, st.lists(st.integers(0, 50), min_size=4, max_size=4))
def test_step_by_step_gives_the_rows_that_everything_at_once_gives(
    engine: Engine, arriving: list[list[Record]], days: list[int]
) -> None:
    with writing(engine) as conn:
        for table in (lifecycle, lifecycle_event, progress, activity):
            conn.execute(delete(table))
        names = {row[1]: row[0] for row in conn.exec_driver_sql("SELECT id, external_id FROM learner").all()}
        people = [names.get(name) or a_learner(conn, name) for name in ("p0", "p1", "p2")]
        made = conn.exec_driver_sql("SELECT campaign_id, item_id FROM campaign_item").first()
        if made is None:
            course = an_item(conn)
            campaign = a_campaign(conn, [course])
        else:
            campaign, course = made
        last = derived = 0
        as_of = START
        for batch, day in zip(arriving, sorted(days), strict=False):
            as_of = START + day * DAY
            for record in batch:
                derived_to = an_activity(
                    conn, people[record.learner], record.verb, START + record.hours * HOUR, item_id=course
                )
                if record.voided and record.verb != "completed":  # progress does not take back a completion
                    conn.execute(update(activity).where(activity.c.id == derived_to).values(voided_at=as_of))
            last = fold_activity(conn, after_activity_id=last, as_of=as_of)
            derive_events(conn, campaign, after_activity_id=derived)
            derived = conn.exec_driver_sql("SELECT coalesce(max(id), 0) FROM activity").scalar_one()
            refold(conn, campaign, as_of=as_of, rules=RULES)
        step_by_step = conn.execute(select(*COLUMNS).order_by(lifecycle.c.learner_id)).all()
        conn.execute(delete(lifecycle))
        conn.execute(delete(lifecycle_event))
        derive_events(conn, campaign)
        refold(conn, campaign, as_of=as_of, rules=RULES)
        at_once = conn.execute(select(*COLUMNS).order_by(lifecycle.c.learner_id)).all()
    assert step_by_step == at_once
