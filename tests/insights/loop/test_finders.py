"""The finders recover what is planted, and say nothing about noise."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from uuid import uuid4

import pytest
from sqlalchemy import Engine, insert, select, update

from pushpull.db import reading, writing
from pushpull.insights.loop import Found, InsightKind, Look, MetricKind, Setting
from pushpull.insights.loop.finders.pulling import pull_shares
from pushpull.insights.loop.finders.responding import responses
from pushpull.insights.loop.finders.stopping import stop_signals
from pushpull.learners.choices import pause
from pushpull.learners.tables import learner
from pushpull.ledger.specs import StopThresholds
from pushpull.ledger.stopping import stop_signal
from pushpull.ledger.tables import campaign, delivery, delivery_event, handover
from tests.ledger.builders import (
    DAWN,
    NOON,
    a_campaign,
    a_lifecycle,
    a_wave,
    item_ids,
    learners,
    planned,
    was_active,
)

DAY = timedelta(days=1)
LOOK_AT = NOON + 10 * DAY
FILE = {
    "timezone": "Europe/Berlin",
    "budget": {"caps": {"week": 3}},
    "stages": {"launch": {"waves": [{"key": "hello", "hour": 9, "channels": ["email", "teams"], "when": {}}]}},
}


def looked(engine: Engine, campaign_id: int, *, at: datetime = LOOK_AT) -> Look:
    with reading(engine) as connection:
        definition = connection.execute(select(campaign.c.definition)).scalar_one()
    return Look(engine.connect(), campaign_id, "safety", definition, at)


def found(engine: Engine, campaign_id: int, kind: InsightKind) -> list[Found]:
    look = looked(engine, campaign_id)
    with look.connection:
        return [each for each in responses(look) if each.kind is kind]


def sent(engine: Engine, people: dict[str, list[int]], answered: set[int]) -> None:
    """A wave that went out over these channels; so many followed its link."""
    wave_id = planned(engine, a_wave("launch.hello"), as_of=DAWN)
    with writing(engine) as connection:
        for channel, ids in people.items():
            handover_id = uuid4()
            connection.execute(
                insert(handover).values(
                    id=handover_id,
                    wave_id=wave_id,
                    rotation=0,
                    campaign_id=1,
                    channel=channel,
                    first_learner_id=min(ids),
                    last_learner_id=max(ids),
                    size=len(ids),
                    intended_at=NOON,
                    as_of=NOON,
                    deadline_at=NOON,
                    accepted=len(ids),
                )
            )
            connection.execute(
                update(delivery)
                .where(delivery.c.wave_id == wave_id, delivery.c.learner_id.in_(ids))
                .values(state="accepted", channel=channel, handover_id=handover_id)
            )
        for each in sorted(answered):
            connection.execute(
                insert(delivery_event).values(
                    source="test",
                    source_id=str(each),
                    wave_id=wave_id,
                    rotation=0,
                    learner_id=each,
                    campaign_id=1,
                    kind="clicked",
                    occurred_at=NOON + timedelta(hours=3),
                )
            )


def a_company(engine: Engine, size: int) -> tuple[int, list[int]]:
    with writing(engine) as connection:
        return a_campaign(connection, items=("course",), definition=FILE), learners(connection, size)


def test_a_channel_that_is_answered_more_is_proposed_first(engine: Engine) -> None:
    campaign_id, people = a_company(engine, 120)
    sent(engine, {"email": people[:60], "teams": people[60:]}, {*people[:6], *people[60:90]})
    (insight,) = found(engine, campaign_id, InsightKind.CHANNEL_ORDER)
    assert insight.change is not None
    assert insight.change.settings == (Setting("stages.launch.waves.hello.channels", ("teams", "email")),)
    assert "50% over teams and by 10% over email" in insight.headline
    assert "correlation" in insight.headline


def test_channels_that_are_answered_alike_are_left_alone(sqlite_engine: Engine) -> None:
    campaign_id, people = a_company(sqlite_engine, 120)
    draw = Random(1)  # one seed; the interval is one of 99 %, one-sided: 1 in 200 would be flagged
    sent(
        sqlite_engine,
        {"email": people[:60], "teams": people[60:]},
        {each for each in people if draw.random() < 0.3},
    )
    assert found(sqlite_engine, campaign_id, InsightKind.CHANNEL_ORDER) == []
    assert found(sqlite_engine, campaign_id, InsightKind.SILENT_WAVE) == []


def test_a_wave_that_nobody_answers_is_proposed_to_be_taken_out(engine: Engine) -> None:
    campaign_id, people = a_company(engine, 230)
    sent(engine, {"email": people}, set())
    (insight,) = found(engine, campaign_id, InsightKind.SILENT_WAVE)
    assert insight.change is not None
    assert insight.change.settings == (Setting("stages.launch.waves.hello", None),)
    assert "230 learners" in insight.headline


def test_learned_hours_far_from_the_wave_s_are_proposed_to_be_kept_to(engine: Engine) -> None:
    campaign_id, people = a_company(engine, 60)
    with writing(engine) as connection:
        connection.execute(update(learner).where(learner.c.id.in_(people[:40])).values(preferred_hour=15))
        connection.execute(update(learner).where(learner.c.id.in_(people[40:50])).values(preferred_hour=10))
    sent(engine, {"email": people}, set())
    (insight,) = found(engine, campaign_id, InsightKind.SEND_HOUR)
    assert insight.change is not None
    assert insight.change.settings == (Setting("stages.launch.waves.hello.prefer_learner_hour", True),)
    assert insight.evidence["far"] == 40
    assert insight.evidence["hour_known"] == 50


def test_hours_of_few_people_say_nothing(sqlite_engine: Engine) -> None:
    campaign_id, people = a_company(sqlite_engine, 60)
    with writing(sqlite_engine) as connection:
        connection.execute(update(learner).where(learner.c.id.in_(people[:20])).values(preferred_hour=15))
    sent(sqlite_engine, {"email": people}, set())
    assert found(sqlite_engine, campaign_id, InsightKind.SEND_HOUR) == []


@pytest.mark.parametrize(("paused", "is_near", "is_over"), [(4, False, False), (6, True, False), (11, True, True)])
def test_pauses_are_a_stop_signal_near_their_threshold_and_over_it(
    engine: Engine, paused: int, is_near: bool, is_over: bool
) -> None:
    with writing(engine) as connection:
        stop = StopThresholds(after=50, mutes=0.1)
        campaign_id = a_campaign(connection, definition=FILE, stop=stop)
        people = learners(connection, 100)
        connection.execute(  # the builder keeps one lifecycle per learner
            insert(handover).values(
                id=uuid4(),
                wave_id=1,
                rotation=0,
                campaign_id=campaign_id,
                channel="email",
                first_learner_id=people[0],
                last_learner_id=people[-1],
                size=100,
                intended_at=NOON,
                as_of=NOON,
                deadline_at=NOON,
                accepted=100,
            )
        )
        for number, each in enumerate(people[: paused + 10]):
            # Of the others ten paused before the campaign had reached them: that is not about it.
            a_lifecycle(connection, campaign_id, each, reached_at=NOON)
            pause(connection, each, days=7, at=NOON + timedelta(hours=1 if number < paused else -1))
        assert (stop_signal(connection, campaign_id) is not None) is is_over
    look = looked(engine, campaign_id)
    with look.connection:
        insights = list(stop_signals(look))
    assert [each.subject for each in insights] == (["pauses"] if is_near else [])
    for each in insights:
        assert each.change is not None
        assert each.change.settings == (Setting("budget.caps.week", 2),)
        assert each.metric is not None
        assert each.metric.kind is MetricKind.OPTED_OUT


@pytest.mark.parametrize("has_ladder", [False, True])
def test_a_high_pull_share_asks_for_a_ladder_where_there_is_none(engine: Engine, has_ladder: bool) -> None:
    with writing(engine) as connection:
        file = {**FILE, **({"intensity": {"least_visits": 10}} if has_ladder else {})}
        campaign_id = a_campaign(connection, items=("course",), definition=file)
        course = item_ids(connection, campaign_id)[0]
        for each in learners(connection, 30):
            a_lifecycle(connection, campaign_id, each, reached_at=DAWN)
            for day in (2, 4, 9, 11):
                was_active(connection, each, course, at=NOON + day * DAY)
    look = looked(engine, campaign_id, at=NOON + 15 * DAY)
    with look.connection:
        (insight,) = pull_shares(look)
    assert "100% and 100%" in insight.headline
    assert (insight.change is None) is has_ladder
    if insight.change is not None:
        assert insight.change.settings == (Setting("intensity", {"least_visits": 50}),)
