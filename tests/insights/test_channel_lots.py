"""Channels by lot: chances follow what was clicked, planning and the re-check agree, a blocked channel gives way."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import Engine, insert

from pushpull.db import reading, writing
from pushpull.insights.experiments.channels import channels_drawn
from pushpull.insights.experiments.lots import FLOOR
from pushpull.insights.explain import explain
from pushpull.learners.consent import opt_out
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.specs import ChannelsBy, WaveSpec
from pushpull.ledger.tables import delivery_event
from pushpull.ledger.vocabulary import MessageClass
from tests.ledger.builders import DAWN, MONDAY, NOON, a_campaign, a_learner, a_wave, drained, learners, planned, rows_of

EMAIL, TEAMS = Channel.EMAIL, Channel.TEAMS
HALVES = ((EMAIL, 500), (TEAMS, 500))


def by_lot(*, weeks: int = 0, **fields: Any) -> WaveSpec:
    on = MONDAY + timedelta(weeks=weeks)
    return a_wave(on=on, channels=(EMAIL, TEAMS), channels_by=ChannelsBy.THOMPSON, **fields)


def click(engine: Engine, wave_id: int, campaign_id: int, who: list[int]) -> None:
    with writing(engine) as connection:
        for each in who:
            connection.execute(
                insert(delivery_event).values(
                    source="test",
                    source_id=f"click:{wave_id}:{each}",
                    wave_id=wave_id,
                    rotation=0,
                    learner_id=each,
                    campaign_id=campaign_id,
                    kind="clicked",
                    occurred_at=NOON + timedelta(hours=2),
                )
            )


def test_learners_come_to_their_channel_in_proportion_to_its_chances(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        learners(connection, 400)
    weights = ((EMAIL, 200), (TEAMS, 800))
    first = rows_of(engine, planned(engine, by_lot(channel_weights=weights)))
    went = Counter(row.channel for row in first.values())
    assert 0.72 < went["teams"] / 400 < 0.88  # names are fixed, and so are their lots; four standard errors are 0.08
    later = by_lot(weeks=1, channel_weights=weights)
    second = rows_of(engine, planned(engine, later, as_of=DAWN + timedelta(weeks=1)))
    assert {who: row.channel for who, row in first.items()} != {who: row.channel for who, row in second.items()}


def test_a_wave_whose_channels_are_tried_as_written_is_left_alone(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
    with reading(engine) as connection:
        assert channels_drawn(connection, a_wave(channels=(EMAIL, TEAMS)), as_of=DAWN) == a_wave(
            channels=(EMAIL, TEAMS)
        )


def test_a_blocked_channel_gives_way_to_the_others_as_written(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        nameless = [a_learner(connection, teams_id=None) for _ in range(15)]
        unwilling = [a_learner(connection) for _ in range(15)]
        for each in unwilling:
            opt_out(connection, each, channel="email", family="safety", source="test", at=DAWN)
    rows = rows_of(engine, planned(engine, by_lot(channel_weights=HALVES)))
    assert {rows[each].channel for each in nameless} == {"email"}
    assert {rows[each].channel for each in unwilling} == {"teams"}


def test_the_drawn_channel_is_the_same_before_sending_and_is_explained(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        a_learner(connection, external_id="ada")
        learners(connection, 30)
    wave_id = planned(engine, by_lot(channel_weights=HALVES))
    before = {who: row.channel for who, row in rows_of(engine, wave_id).items()}
    assert set(before.values()) == {"email", "teams"}
    drained(engine, wave_id, now=NOON + timedelta(minutes=1))  # one round is enough: nobody changes sides
    after = rows_of(engine, wave_id)
    assert {who: (row.state, row.channel) for who, row in after.items()} == {
        who: ("accepted", channel) for who, channel in before.items()
    }
    with reading(engine) as connection:
        told = explain(connection, "ada", "safety", as_of=NOON + timedelta(hours=1)).as_text()
    assert "The channel to try first is drawn by lot: e-mail 50%, Teams 50%." in told


def test_chances_follow_clicks_are_the_same_again_and_keep_the_floor(engine: Engine) -> None:
    with writing(engine) as connection:
        campaign_id = a_campaign(connection)
        learners(connection, 120)
        blocked = learners(connection, 40, teams_id=None)
    now = DAWN + timedelta(weeks=2)
    with reading(engine) as connection:
        start = channels_drawn(connection, by_lot(), as_of=DAWN)
    assert all(450 < weight < 550 for _, weight in start.channel_weights)  # nothing is known yet
    wave_id = planned(engine, start)
    drained(engine, wave_id, now=NOON + timedelta(minutes=1))
    went = {who: row.channel for who, row in rows_of(engine, wave_id).items()}
    on_teams = [who for who, channel in went.items() if channel == "teams"]
    click(engine, wave_id, campaign_id, on_teams[: len(on_teams) // 2])
    with reading(engine) as connection:
        found = channels_drawn(connection, by_lot(weeks=2), as_of=now)
        again = channels_drawn(connection, by_lot(weeks=2), as_of=now)
        early = channels_drawn(connection, by_lot(weeks=2), as_of=DAWN + timedelta(days=3))
    assert found == again
    assert dict(found.channel_weights) == {EMAIL: 1000 * FLOOR, TEAMS: 1000 - 1000 * FLOOR}
    assert all(400 < weight < 600 for _, weight in early.channel_weights)  # no message has had its week
    assert set(blocked).isdisjoint(on_teams)


def test_what_went_over_another_channel_than_the_drawn_one_says_nothing_of_it(engine: Engine) -> None:
    with writing(engine) as connection:
        campaign_id = a_campaign(connection)
        people = learners(connection, 60, teams_id=None)
    # Nearly all are drawn for Teams, where none of them can be reached; e-mail is where they end up, and click.
    wave_id = planned(engine, by_lot(channel_weights=((EMAIL, 1), (TEAMS, 10**6))))
    drained(engine, wave_id, now=NOON + timedelta(minutes=1))
    assert {row.channel for row in rows_of(engine, wave_id).values()} == {"email"}
    click(engine, wave_id, campaign_id, people)
    with reading(engine) as connection:
        found = channels_drawn(connection, by_lot(weeks=2), as_of=DAWN + timedelta(weeks=2))
    assert all(450 < weight < 550 for _, weight in found.channel_weights)


def test_no_lot_for_obligations_nor_beside_the_learners_own_channel() -> None:
    with pytest.raises(ValidationError, match="an obligation comes over no channel"):
        by_lot(message_class=MessageClass.MANDATORY)
    with pytest.raises(ValidationError, match="not both"):
        by_lot(prefer_learner_channel=True)
    with pytest.raises(ValidationError, match="all of them"):
        by_lot(channel_weights=((EMAIL, 1),))
    with pytest.raises(ValidationError, match="have no chances"):
        a_wave(channels=(EMAIL, TEAMS), channel_weights=HALVES)
