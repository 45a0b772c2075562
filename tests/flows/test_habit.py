"""The habit flow with the example campaign: who is nudged and reminded when, and what the messages say."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from sqlalchemy import Engine, insert, select

from channels.parcels import parcel_folder, read
from content.campaign import UnknownWaveError
from flows.dispatch import dispatch
from flows.habit import habit
from pushpull.db import reading, writing
from pushpull.insights.reasons import because
from pushpull.learners.choices import choose_habit, pause
from pushpull.learners.plans import Plan, add, end
from pushpull.learners.tables import activity, learner
from pushpull.learners.vocabulary import Cue
from pushpull.ledger.specs import WaveSpec
from pushpull.ledger.tables import delivery, wave
from pushpull.ledger.vocabulary import DeliveryState, Reason
from tasks.installation import Installation
from tests.flows.conftest import CAMPAIGN

DAY = timedelta(days=1)
#: Nobody of these is held out, and they live in Berlin.
BERLIN = ("e0", "e2", "e4", "e6")


def run(flow: Any, at: datetime, **parameters: Any) -> Any:
    return asyncio.run(flow.fn(as_of=at.isoformat(), **parameters))


def planned_ahead(launch_day: datetime, day: int = 0, **parameters: Any) -> Any:
    """What the schedule does on the day before, at five past five in Berlin."""
    return run(habit, launch_day + (day - 1) * DAY + timedelta(hours=5), campaign=CAMPAIGN, days_ahead=1, **parameters)


@pytest.fixture
def nobody_held_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from content.campaign import calendar

    waves_on = calendar.waves_on
    monkeypatch.setattr(
        calendar,
        "waves_on",
        lambda *given: tuple(each.model_copy(update={"holdout": 0.0}) for each in waves_on(*given)),
    )


pytestmark = [pytest.mark.xdist_group("runs"), pytest.mark.usefixtures("nobody_held_out")]


def ids(here: Installation) -> dict[str, int]:
    with reading(here.engine) as connection:
        return {row.external_id: row.id for row in connection.execute(select(learner.c.external_id, learner.c.id))}


def ask(here: Installation, *who: str, at: datetime, rest: tuple[int, ...] = (5, 6)) -> None:
    known = ids(here)
    with writing(here.engine) as connection:
        for each in who:
            choose_habit(connection, known[each], is_wanted=True, rest_days=rest, at=at)


def learn(here: Installation, who: str, at: datetime, *, minutes: float = 2.0) -> None:
    with writing(here.engine) as connection:
        connection.execute(
            insert(activity).values(
                learner_id=ids(here)[who], source="test", source_id=f"{who} {at}", verb="progressed", minutes=minutes,
                occurred_at=at, stored_at=at,
            )
        )  # fmt: skip


def outcomes(here: Installation, key: str) -> dict[str, tuple[str, str | None]]:
    """State and reason of everybody in a wave, by external id."""
    with reading(here.engine) as connection:
        rows = connection.execute(
            select(learner.c.external_id, delivery.c.state, delivery.c.reason)
            .join(delivery, delivery.c.learner_id == learner.c.id)
            .join(wave, wave.c.id == delivery.c.wave_id)
            .where(wave.c.key == key)
        )
        return {row.external_id: (row.state, row.reason) for row in rows}


def messages(here: Installation) -> list[Any]:
    parcels = (path for path in parcel_folder(here.settings.outbox_dir).rglob("*") if path.is_file())
    return [message for path in parcels for message in read(path).messages()]


SENT = (DeliveryState.ACCEPTED.value, None)


def skipped(reason: Reason) -> tuple[str, str]:
    return DeliveryState.SKIPPED.value, reason.value


def test_who_asked_is_nudged_once_a_day_until_the_two_minutes_are_done(
    company: Installation, launch_day: datetime
) -> None:
    ask(company, *BERLIN, at=launch_day - 2 * DAY)
    ask(company, "e8", at=launch_day - 2 * DAY, rest=(0,))  # Mondays off
    (daily,) = (each for each in planned_ahead(launch_day) if each.key.startswith("habit.daily"))
    assert (daily.audience, daily.planned, daily.by_reason) == (5, 4, {Reason.RESTING.value: 1})
    learn(company, "e0", launch_day + timedelta(hours=8))  # between planning and sending
    with writing(company.engine) as connection:
        pause(connection, ids(company)["e2"], days=3, at=launch_day + timedelta(hours=8, minutes=1))
    for minutes in range(0, 60 * 12, 60):
        run(dispatch, launch_day + timedelta(hours=8, minutes=minutes))
    assert outcomes(company, "habit.daily@2026-01-12") == {
        "e0": skipped(Reason.GOAL_MET),
        "e2": skipped(Reason.PAUSED_BY_LEARNER),
        "e4": SENT,
        "e6": SENT,
        "e8": skipped(Reason.RESTING),
    }
    assert len(messages(company)) == 2


def test_a_plan_reminds_at_its_cue_and_no_nudge_comes_besides(company: Installation, launch_day: datetime) -> None:
    known = ids(company)
    after_lunch = Plan(cue=Cue.AFTER_LUNCH, at_minute=13 * 60 + 10, reminds=True)
    with writing(company.engine) as connection:
        for each in ("e0", "e1", "e2"):
            plan_id = add(connection, known[each], after_lunch, at=launch_day - 3 * DAY)
        end(connection, known["e2"], plan_id, at=launch_day - 2 * DAY)
    ask(company, "e0", "e2", at=launch_day - 2 * DAY)
    planned_ahead(launch_day)
    cue, daily = "habit.cue@2026-01-12", "habit.daily@2026-01-12"
    assert set(outcomes(company, cue)) == {"e0", "e1"}
    assert set(outcomes(company, daily)) == {"e2"}
    berlin = launch_day + timedelta(minutes=-5)  # midnight
    sent_at: dict[str, list[datetime]] = {}
    for minutes in range(7 * 60, 24 * 60, 10):
        now = berlin + timedelta(minutes=minutes)
        run(dispatch, now)
        for who, outcome in outcomes(company, cue).items():
            if outcome == SENT:
                sent_at.setdefault(who, []).append(now)
    assert {who: (times[0] - berlin) for who, times in sent_at.items()} == {
        "e0": timedelta(hours=13, minutes=10),
        "e1": timedelta(hours=19, minutes=10),  # six hours behind
    }
    assert len(messages(company)) == 3


def test_the_last_nudge_says_that_it_is_the_last(company: Installation, launch_day: datetime) -> None:
    ask(company, "e0", at=launch_day - 2 * DAY, rest=())
    with writing(company.engine) as connection:  # whoever reads English, e-mail alone
        connection.execute(learner.update().where(learner.c.external_id == "e0").values(preferred_language="en"))
    days_with_one, told = [], ""
    for day in (0, 1, 2, 3, 7, 8, 9, 15, 16, 22, 29, 30, 36):
        planned_ahead(launch_day, day)
        known = len(messages(company))
        run(dispatch, launch_day + day * DAY + timedelta(hours=9))
        if len(messages(company)) > known:
            days_with_one.append(day)
            assert "final one for now" not in told
            told = " ".join(map(str, messages(company)))
    # Three a week are the campaign's own limit; after five it is one a week, and the eighth is the last.
    assert days_with_one == [0, 1, 2, 7, 8, 15, 22, 29]
    assert "final one for now" in told


def test_a_dry_run_counts_and_a_cohort_is_planned_again_by_hand(company: Installation, launch_day: datetime) -> None:
    ask(company, *BERLIN, at=launch_day - 2 * DAY)
    counted = planned_ahead(launch_day, wave="daily", dry_run=True)
    assert [(each.wave_id, each.planned) for each in counted] == [(None, 4)]
    planned_ahead(launch_day)
    morning = launch_day + timedelta(hours=9)
    run(dispatch, morning)
    again = run(habit, morning, campaign=CAMPAIGN, wave="daily", cohort=["e0", "e1"], dry_run=True)
    assert [each.planned for each in again] == [0]  # e0 has today's nudge; e1 never asked
    assert again[0].by_reason == {Reason.NUDGED_TODAY.value: 1, Reason.NO_LONGER_IN_SEGMENT.value: 1}
    run(habit, morning, campaign=CAMPAIGN, wave="daily", cohort=["e0", "e1"])
    run(dispatch, morning + timedelta(minutes=10))
    assert len(messages(company)) == 4


def test_every_reason_of_the_stage_is_said_in_words(company: Installation, launch_day: datetime) -> None:
    ask(company, "e0", at=launch_day - 2 * DAY, rest=(0,))
    planned_ahead(launch_day)
    with reading(company.engine) as connection:
        spec = WaveSpec.model_validate(connection.execute(select(wave.c.spec)).scalars().first())
    assert "rest day" in because(Reason.RESTING, spec)


def test_an_unknown_wave_is_refused(company: Installation, launch_day: datetime) -> None:
    with pytest.raises(UnknownWaveError, match="daily, cue"):
        run(habit, launch_day, campaign=CAMPAIGN, wave="hourly")


@pytest.mark.prefect
@pytest.mark.usefixtures("prefect")
def test_a_run_says_campaign_stage_and_wave(engine: Engine, company: Installation, launch_day: datetime) -> None:
    if engine.dialect.name != "sqlite":
        pytest.skip("orchestration does not depend on the ledger's database")

    async def name() -> str:
        state = await habit(campaign=CAMPAIGN, wave="daily", as_of=launch_day.isoformat(), return_state=True)
        assert state.is_completed()
        async with get_client() as client:
            return (await client.read_flow_run(state.state_details.flow_run_id)).name

    ask(company, "e0", at=launch_day - 2 * DAY)
    assert asyncio.run(name()) == "two-minutes-a-day: habit daily"
    assert outcomes(company, "habit.daily@2026-01-12") == {"e0": (DeliveryState.PLANNED.value, None)}
