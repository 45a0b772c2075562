"""The flows as plain functions, on both databases: what they plan, what they send, and what they never send twice."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from channels.parcels import parcel_folder, read
from content.campaign import UnknownWaveError
from content.source import ContentError
from flows.cohort_rerun import cohort_rerun
from flows.dispatch import dispatch
from flows.launch import launch
from flows.onboarding import onboarding
from flows.parameters import NoTimeZoneError
from flows.reengagement import reengagement
from flows.stages import plan_stage
from flows.sync import sync
from pushpull.catalogue.tables import item
from pushpull.db import reading, writing
from pushpull.learners.tables import activity, learner, lifecycle, progress
from pushpull.ledger.campaigns import release_wave
from pushpull.ledger.rotations import CohortKind
from pushpull.ledger.tables import audit, delivery, handover, wave
from pushpull.ledger.vocabulary import DeliveryState, HoldReason, MessageClass, WaveStatus
from tasks.installation import Installation
from tests.flows.conftest import CAMPAIGN, PEOPLE
from tests.ledger.builders import a_campaign, a_wave, planned


def run(flow: Any, at: datetime, **parameters: Any) -> Any:
    return asyncio.run(flow.fn(as_of=at.isoformat(), **parameters))


def count(here: Installation, *conditions: Any) -> int:
    with reading(here.engine) as connection:
        return connection.execute(select(func.count()).select_from(delivery).where(*conditions)).scalar_one()


def messages_in_the_outbox(here: Installation) -> int:
    parcels = (path for path in parcel_folder(here.settings.outbox_dir).rglob("*") if path.is_file())
    return sum(len(list(read(path).messages())) for path in parcels)


def send_all(day: datetime) -> None:
    """Nine o'clock in Berlin, then in New York."""
    for hours in (9, 15):
        run(dispatch, day + timedelta(hours=hours))


ACCEPTED = delivery.c.state == DeliveryState.ACCEPTED


def test_launch_gives_everybody_a_row_and_sends_nothing_yet(company: Installation, launch_day: datetime) -> None:
    plans = run(launch, launch_day, campaign=CAMPAIGN)
    announcement = next(plan for plan in plans if plan.key.startswith("launch.announcement"))
    assert announcement.audience == PEOPLE
    assert announcement.planned + sum(announcement.by_reason.values()) == PEOPLE
    assert count(company) == PEOPLE
    assert count(company, ACCEPTED) == 0


def test_dispatch_sends_in_each_learners_own_morning(company: Installation, launch_day: datetime) -> None:
    run(launch, launch_day, campaign=CAMPAIGN)
    run(dispatch, launch_day + timedelta(hours=9))  # 09:05 in Berlin, 03:05 in New York
    with reading(company.engine) as connection:
        reached = set(
            connection.execute(
                select(learner.c.timezone)
                .join(delivery, delivery.c.learner_id == learner.c.id)
                .where(ACCEPTED)
                .distinct()
            ).scalars()
        )
    assert reached == {"Europe/Berlin"}
    run(dispatch, launch_day + timedelta(hours=15))
    assert count(company, delivery.c.state.in_([DeliveryState.PLANNED, DeliveryState.HELD])) == 0


def test_a_dispatch_for_a_cohort_sends_to_nobody_else(company: Installation, launch_day: datetime) -> None:
    run(launch, launch_day, campaign=CAMPAIGN)
    chosen = ["e0", "e2", "e4", "e6", "e8"]
    run(dispatch, launch_day + timedelta(hours=9), cohort=chosen)
    with reading(company.engine) as connection:
        rows = connection.execute(
            select(learner.c.external_id).join(delivery, delivery.c.learner_id == learner.c.id).where(ACCEPTED)
        ).scalars()
    assert set(rows) <= set(chosen)
    assert 0 < count(company, ACCEPTED) <= len(chosen)


def test_running_everything_again_sends_nothing_twice(company: Installation, launch_day: datetime) -> None:
    for _ in range(3):
        run(launch, launch_day, campaign=CAMPAIGN)
        send_all(launch_day)
    sent = count(company, ACCEPTED)
    assert sent > 0
    assert messages_in_the_outbox(company) == sent
    assert count(company) == PEOPLE


def test_a_dry_run_leaves_no_trace(company: Installation, launch_day: datetime) -> None:
    plans = run(launch, launch_day, campaign=CAMPAIGN, dry_run=True)
    assert plans[0].audience == PEOPLE
    assert plans[0].wave_id is None
    assert count(company) == 0
    with reading(company.engine) as connection:
        assert connection.execute(select(func.count()).select_from(wave)).scalar_one() == 0
        assert connection.execute(select(func.count()).select_from(progress)).scalar_one() == 0


def test_an_instant_without_its_offset_is_refused(company: Installation) -> None:
    with pytest.raises(NoTimeZoneError, match="offset"):
        asyncio.run(launch.fn(campaign=CAMPAIGN, as_of="2026-01-12T00:05"))


def test_a_late_dispatch_asks_instead_of_sending(company: Installation, launch_day: datetime) -> None:
    run(launch, launch_day, campaign=CAMPAIGN)
    assert run(dispatch, launch_day + timedelta(hours=14)) == []  # five hours after nine in Berlin
    with reading(company.engine) as connection:
        assert connection.execute(select(wave.c.status, wave.c.status_reason)).one() == (WaveStatus.HELD, "misfire")
    assert count(company, ACCEPTED) == 0


def test_a_wave_that_workers_are_busy_with_is_not_held(company: Installation, launch_day: datetime) -> None:
    run(launch, launch_day, campaign=CAMPAIGN)
    with writing(company.engine) as connection:  # half of Berlin is left over by a worker that is still at it
        rest = select(learner.c.id).where(learner.c.external_id.in_([f"e{number}" for number in range(0, 20, 2)]))
        connection.execute(update(delivery).where(delivery.c.learner_id.in_(rest)).values(state="claimed"))
    run(dispatch, launch_day + timedelta(hours=11))
    with writing(company.engine) as connection:
        connection.execute(update(delivery).where(delivery.c.state == "claimed").values(state="planned"))
    run(dispatch, launch_day + timedelta(hours=13))  # four hours after nine, two after the last handover
    with reading(company.engine) as connection:
        assert connection.execute(select(wave.c.status)).scalar_one() == WaveStatus.OPEN
    assert count(company, delivery.c.state == DeliveryState.CLAIMED) == 0


def test_learners_who_join_later_are_reached_by_a_re_run(company: Installation, launch_day: datetime) -> None:
    run(launch, launch_day, campaign=CAMPAIGN)
    send_all(launch_day)
    with writing(company.engine) as connection:
        row = {"external_id": "new", "email": "new@example.org", "timezone": "Europe/Berlin", "draw": 2**30}
        connection.execute(insert(learner).values(**row, created_at=launch_day, updated_at=launch_day))
    later = launch_day + timedelta(days=1, hours=9)
    key = f"launch.announcement@{(launch_day + timedelta(hours=1)).date()}"
    arguments = {"campaign": CAMPAIGN, "wave": key, "reason": "new colleagues"}
    again = run(cohort_rerun, later, cohort=CohortKind.JOINED_SINCE, **arguments)
    assert (again.planned, again.rotation) == (1, 1)
    run(dispatch, later + timedelta(hours=1))
    assert count(company, delivery.c.rotation == 1, ACCEPTED) == 1
    nobody = run(cohort_rerun, later, cohort=CohortKind.JOINED_SINCE, **arguments)
    assert (nobody.planned, nobody.rotation) == (0, None)


def learn(here: Installation, external_id: str, verb: str, at: datetime) -> None:
    with writing(here.engine) as connection:
        who = connection.execute(select(learner.c.id).where(learner.c.external_id == external_id)).scalar_one()
        what = connection.execute(select(item.c.id).where(item.c.key == "feedback-101")).scalar_one()
        connection.execute(
            insert(activity).values(
                learner_id=who,
                source="test",
                source_id=f"{external_id}:{verb}:{at.isoformat()}",
                verb=verb,
                item_id=what,
                section_key="part-2" if verb == "progressed" else None,
                occurred_at=at,
                stored_at=at,
            )
        )


def sent_to_first(here: Installation, series: str) -> int:
    with reading(here.engine) as connection:
        who = connection.execute(select(learner.c.id).where(learner.c.external_id == "e0")).scalar_one()
        return connection.execute(
            select(func.count())
            .select_from(delivery.join(wave, wave.c.id == delivery.c.wave_id))
            .where(wave.c.series == series, delivery.c.learner_id == who, ACCEPTED)
        ).scalar_one()


def play(here: Installation, launch_day: datetime, days: range, *, stages: tuple[Any, ...]) -> None:
    for number in days:
        morning = launch_day + timedelta(days=number)
        run(sync, morning)
        for stage in stages:
            run(stage, morning, campaign=CAMPAIGN)
        for hour in (8, 9, 10, 11, 12, 14, 15, 16, 17):
            run(dispatch, morning + timedelta(hours=hour, minutes=10))


def test_a_failed_first_session_gets_exactly_one_recovery(company: Installation, launch_day: datetime) -> None:
    play(company, launch_day, range(1), stages=(launch,))
    learn(company, "e0", "launched", launch_day + timedelta(hours=12))
    learn(company, "e0", "failed", launch_day + timedelta(hours=12, minutes=5))
    play(company, launch_day, range(1, 8), stages=(onboarding,))
    assert sent_to_first(company, "onboarding.recovery") == 1


def test_who_stopped_half_way_is_led_back_once_and_never_while_active(
    company: Installation, launch_day: datetime
) -> None:
    play(company, launch_day, range(1), stages=(launch,))
    for number in range(1, 4):
        learn(company, "e0", "progressed", launch_day + timedelta(days=number, hours=12))
        play(company, launch_day, range(number, number + 1), stages=(onboarding,))
    assert sent_to_first(company, "onboarding.resume") == 0
    play(company, launch_day, range(4, 12), stages=(onboarding,))
    assert sent_to_first(company, "onboarding.resume") == 1


def test_nobody_is_reminded_after_completing(company: Installation, launch_day: datetime) -> None:
    play(company, launch_day, range(1), stages=(launch,))
    learn(company, "e0", "completed", launch_day + timedelta(hours=12))
    play(company, launch_day, range(1, 12), stages=(launch,))
    assert sent_to_first(company, "launch.reminder") == 0
    with reading(company.engine) as connection:
        others = connection.execute(
            select(func.count())
            .select_from(delivery.join(wave, wave.c.id == delivery.c.wave_id))
            .where(wave.c.series == "launch.reminder", ACCEPTED)
        ).scalar_one()
    assert others > 0


def test_the_silent_are_asked_back_and_left_alone_when_they_return(company: Installation, launch_day: datetime) -> None:
    play(company, launch_day, range(1), stages=(launch,))
    for name in ("e0", "e4"):
        learn(company, name, "progressed", launch_day + timedelta(hours=12))
    play(company, launch_day, range(13, 18), stages=(reengagement,))
    before = count(company, ACCEPTED)
    with reading(company.engine) as connection:
        asked = connection.execute(
            select(func.count())
            .select_from(delivery.join(wave, wave.c.id == delivery.c.wave_id))
            .where(wave.c.stage == "reengagement", ACCEPTED)
        ).scalar_one()
    assert asked > 0
    for name in ("e0", "e4"):
        learn(company, name, "progressed", launch_day + timedelta(days=18, hours=1))
    play(company, launch_day, range(18, 24), stages=(reengagement,))
    assert count(company, ACCEPTED) == before


def test_lifecycles_follow_what_people_do(company: Installation, launch_day: datetime) -> None:
    play(company, launch_day, range(1), stages=(launch,))
    learn(company, "e0", "launched", launch_day + timedelta(hours=13))
    moved = run(sync, launch_day + timedelta(days=1))
    assert sum(moved[CAMPAIGN].values()) > 0
    with reading(company.engine) as connection:
        states = dict(
            connection.execute(
                select(learner.c.external_id, lifecycle.c.state).join(lifecycle, lifecycle.c.learner_id == learner.c.id)
            ).all()
        )
    assert states["e0"] in {"activated", "active"}
    assert set(states.values()) <= {"aware", "activated", "active"}


def test_a_wave_that_cannot_be_sent_keeps_no_other_waiting(company: Installation, launch_day: datetime) -> None:
    on = (launch_day + timedelta(hours=2)).date()
    fields = {"campaign": "whose-files-are-gone", "on": on, "message_class": MessageClass.MANDATORY}
    with writing(company.engine) as connection:
        a_campaign(connection, "whose-files-are-gone", message_class=MessageClass.MANDATORY)
    broken = planned(company.engine, a_wave("launch.reminder", **fields), as_of=launch_day)
    run(launch, launch_day, campaign=CAMPAIGN)
    with pytest.raises(ContentError):
        run(dispatch, launch_day + timedelta(hours=9))
    assert count(company, ACCEPTED, delivery.c.wave_id != broken) > PEOPLE / 3, "all in Berlin who may be sent to"
    assert count(company, delivery.c.wave_id == broken, delivery.c.state == DeliveryState.PLANNED) == PEOPLE


def test_every_wave_is_judged_by_the_time_it_is_sent_at(
    company: Installation, launch_day: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Passing(datetime):
        """Half an hour passes whenever somebody looks."""

        present = launch_day + timedelta(hours=9)

        @classmethod
        def now(cls, tz: Any = None) -> Any:
            cls.present += timedelta(minutes=30)
            return cls.present

    run(launch, launch_day, campaign=CAMPAIGN)
    with writing(company.engine) as connection:  # everything is due at once: the day was lost, and a person released it
        connection.execute(update(wave).values(released_at=launch_day + timedelta(hours=9)))
        connection.execute(update(delivery).values(due_at=launch_day + timedelta(hours=9)))
    monkeypatch.setattr("flows.parameters.datetime", Passing)
    asyncio.run(dispatch.fn())
    with reading(company.engine) as connection:
        judged = connection.execute(select(handover.c.as_of)).scalars().all()
    assert judged
    assert min(judged) > launch_day + timedelta(hours=9, minutes=30), "not by when the run began"


# One wave, a day ahead, late.


def waves_of(here: Installation) -> dict[str, tuple[str, str | None]]:
    """Status and its reason, by the wave's key."""
    with reading(here.engine) as connection:
        return {
            key: (status, why)
            for key, status, why in connection.execute(select(wave.c.key, wave.c.status, wave.c.status_reason))
        }


def test_a_run_for_one_wave_plans_no_other(company: Installation, launch_day: datetime) -> None:
    (plan,) = run(launch, launch_day, campaign=CAMPAIGN, wave="announcement")
    assert plan.key == f"launch.announcement@{launch_day + timedelta(hours=1):%Y-%m-%d}"
    assert set(waves_of(company)) == {plan.key}
    assert run(launch, launch_day + timedelta(days=1), campaign=CAMPAIGN, wave="announcement") == []


def test_a_wave_that_is_not_there_is_an_error_that_names_those_that_are(
    company: Installation, launch_day: datetime
) -> None:
    with pytest.raises(UnknownWaveError, match=r"launch stage.*no wave 'anouncement'; it has: announcement, reminder"):
        run(launch, launch_day, campaign=CAMPAIGN, wave="anouncement")
    assert waves_of(company) == {}


def test_a_wave_planned_the_day_before_is_that_of_its_day(company: Installation, launch_day: datetime) -> None:
    evening = launch_day - timedelta(hours=8)
    (plan,) = run(launch, evening, campaign=CAMPAIGN, wave="announcement", days_ahead=1)
    assert plan.audience == PEOPLE
    assert waves_of(company) == {plan.key: (WaveStatus.OPEN, None)}
    with reading(company.engine) as connection:
        dated = connection.execute(select(func.count()).select_from(progress).where(progress.c.due_at.is_not(None)))
        assert dated.scalar_one() == 3 * PEOPLE  # its messages name the goals
    (again,) = run(launch, launch_day, campaign=CAMPAIGN, wave="announcement")
    assert again.was_planned_before
    send_all(launch_day)
    assert count(company, ACCEPTED) > 0
    assert messages_in_the_outbox(company) == count(company, ACCEPTED)


def planned_late(here: Installation, day: datetime, by: timedelta) -> str:
    """Status of the announcement after a planning that came late."""
    (plan,) = plan_stage(CAMPAIGN, "launch", day, wave="announcement", late_by=by, dry_run=False, cohort=[])
    assert plan.status == waves_of(here)[plan.key][0]
    return plan.status


def test_a_stage_that_runs_hours_late_asks_instead_of_sending(company: Installation, launch_day: datetime) -> None:
    assert planned_late(company, launch_day, timedelta(hours=4)) == WaveStatus.HELD
    assert set(waves_of(company).values()) == {(WaveStatus.HELD, HoldReason.MISFIRE)}
    with reading(company.engine) as connection:
        (why,) = connection.execute(select(audit.c.why).where(audit.c.what == "wave held")).scalars()
    assert why == f"planned 4:00:00 after its time, {launch_day:%Y-%m-%d %H:%M} UTC"
    send_all(launch_day)
    assert messages_in_the_outbox(company) == 0


def test_a_stage_that_is_late_within_the_grace_sends(company: Installation, launch_day: datetime) -> None:
    assert planned_late(company, launch_day, timedelta(hours=2)) == WaveStatus.OPEN


def test_a_wave_that_was_planned_in_time_is_not_held_by_a_late_run(company: Installation, launch_day: datetime) -> None:
    assert planned_late(company, launch_day, timedelta(0)) == WaveStatus.OPEN
    assert planned_late(company, launch_day, timedelta(hours=9)) == WaveStatus.OPEN


def test_a_late_wave_that_a_person_released_is_not_held_again(company: Installation, launch_day: datetime) -> None:
    planned_late(company, launch_day, timedelta(hours=4))
    with writing(company.engine) as connection:
        (wave_id,) = connection.execute(select(wave.c.id)).scalars()
        release_wave(connection, wave_id, who="ada", why="still welcome", at=launch_day + timedelta(hours=5))
    assert planned_late(company, launch_day, timedelta(hours=6)) == WaveStatus.OPEN


def test_a_planner_that_is_killed_leaves_no_late_wave_that_sends(
    company: Installation, launch_day: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("pushpull.ledger.planning.hold_wave", killed)
        with pytest.raises(KeyboardInterrupt):
            planned_late(company, launch_day, timedelta(hours=4))
    assert waves_of(company) == {}
    assert planned_late(company, launch_day, timedelta(hours=4)) == WaveStatus.HELD


def test_a_back_fill_is_not_late(company: Installation, launch_day: datetime) -> None:
    (plan,) = run(launch, launch_day, campaign=CAMPAIGN, wave="announcement")  # long past, and asked for
    assert plan.status == WaveStatus.OPEN


def test_a_rehearsal_of_a_late_wave_says_that_it_would_be_held(company: Installation, launch_day: datetime) -> None:
    (plan,) = plan_stage(
        CAMPAIGN,
        "launch",
        launch_day,
        wave="announcement",
        late_by=timedelta(hours=4),
        dry_run=True,
        cohort=[],
    )
    assert plan.status == WaveStatus.HELD
    assert waves_of(company) == {}
