"""Planning takes the learner's own channel and the words for their barrier, and asks again before sending."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import ValidationError
from sqlalchemy import Connection, Engine, insert, update

from pushpull.db import reading, writing
from pushpull.insights.explain import explain
from pushpull.learners.consent import opt_in, opt_out
from pushpull.learners.tables import learner, profile_fact
from pushpull.learners.vocabulary import Barrier, Channel
from tests.ledger.builders import DAWN, NOON, a_campaign, a_learner, a_wave, drained, planned, rows_of

BOTH = (Channel.EMAIL, Channel.TEAMS)


def a_fact(connection: Connection, who: int, value: str, source: str) -> None:
    connection.execute(
        insert(profile_fact).values(
            learner_id=who, kind="barrier", value=value, source=source, confidence=0.7, recorded_at=DAWN
        )
    )


def test_the_channel_over_which_a_learner_responds_comes_first_where_it_can_be_used(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        first, second = a_learner(connection), a_learner(connection, preferred_channel="teams")
        elsewhere = a_learner(connection, preferred_channel="slack")
        nameless = a_learner(connection, preferred_channel="teams", teams_id=None)
        unwilling = a_learner(connection, preferred_channel="teams")
        opt_out(connection, unwilling, channel="teams", family="safety", source="test", at=DAWN)
        only_there = a_learner(connection, preferred_channel="email", email=None)
    rows = rows_of(engine, planned(engine, a_wave(channels=BOTH, prefer_learner_channel=True)))
    found = {who: row.channel for who, row in rows.items()}
    assert found == {
        first: "email",
        second: "teams",
        elsewhere: "email",
        nameless: "email",
        unwilling: "email",
        only_there: "teams",
    }


def test_a_private_phone_still_needs_a_yes(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        silent, agreed = (
            a_learner(connection, preferred_channel="sms", phone=f"+1555000000{n}", zone="Europe/Berlin")
            for n in (1, 2)
        )
        opt_in(connection, agreed, channel="sms", family="safety", source="test", at=DAWN)
    spec = a_wave(channels=(Channel.EMAIL, Channel.SMS), prefer_learner_channel=True)
    rows = rows_of(engine, planned(engine, spec))
    assert {who: row.channel for who, row in rows.items()} == {silent: "email", agreed: "sms"}


def test_without_the_waves_word_the_order_is_the_one_written(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        someone = a_learner(connection, preferred_channel="teams")
    assert rows_of(engine, planned(engine, a_wave(channels=BOTH)))[someone].channel == "email"


def test_who_changed_their_channel_since_is_sent_to_over_the_new_one(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        moved, stayed = a_learner(connection, preferred_channel="teams"), a_learner(connection)
    wave_id = planned(engine, a_wave(channels=BOTH, prefer_learner_channel=True))
    with writing(engine) as connection:
        connection.execute(update(learner).where(learner.c.id == moved).values(preferred_channel=None))
        connection.execute(update(learner).where(learner.c.id == stayed).values(preferred_channel="teams"))
    for _ in range(2):  # the first round puts them to the channel they want now
        drained(engine, wave_id, now=NOON + timedelta(minutes=1))
    rows = rows_of(engine, wave_id)
    assert {who: (row.state, row.channel) for who, row in rows.items()} == {
        moved: ("accepted", "email"),
        stayed: ("accepted", "teams"),
    }


def test_a_barrier_picks_the_words_and_what_was_declared_picks_first(engine: Engine) -> None:
    names = tuple(each.variant for each in Barrier if each is not Barrier.UNAWARE)
    with writing(engine) as connection:
        a_campaign(connection)
        nothing, hurried, both, said, other = (a_learner(connection) for _ in range(5))
        a_fact(connection, hurried, "no_time", "learned")
        a_fact(connection, both, "exposure", "learned")
        a_fact(connection, both, "insulted", "hr")
        a_fact(connection, said, "exposure", "declared")
        a_fact(connection, said, "insulted", "hr")
        a_fact(connection, other, "unaware", "learned")
    rows = rows_of(engine, planned(engine, a_wave(barrier_variants=names)))
    assert {who: row.variant for who, row in rows.items()} == {
        nothing: "standard",
        hurried: "no-time",
        both: "insulted",
        said: "exposure",
        other: "standard",  # the wave has no words for it
    }
    assert planned(engine, a_wave(barrier_variants=names)) is not None


def test_words_for_barriers_and_a_split_exclude_each_other() -> None:
    with pytest.raises(ValidationError, match="not by both"):
        a_wave(barrier_variants=("no-time",), variants=(("standard", 1), ("question", 1)))
    with pytest.raises(ValidationError, match="no barrier is called lazy"):
        a_wave(barrier_variants=("lazy",))
    assert a_wave(barrier_variants=("no-time",)).variant_names == ("standard", "no-time")
    assert a_wave().variant_names == ()


def test_an_explanation_says_what_came_from_the_profile_and_keeps_the_barrier_to_itself(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        who = a_learner(connection, external_id="ada", preferred_channel="teams", preferred_hour=14)
        a_fact(connection, who, "exposure", "learned")
    wishes = {"prefer_learner_channel": True, "prefer_learner_hour": True, "barrier_variants": ("exposure",)}
    wave_id = planned(engine, a_wave(channels=BOTH, **wishes))
    assert rows_of(engine, wave_id)[who].variant == "exposure"
    with reading(engine) as connection:
        told = explain(connection, "ada", "safety", as_of=DAWN + timedelta(hours=1))
    text = told.as_text()
    assert "The channel is the one of the learner's profile." in text
    assert "The hour of the learner's profile is 14:00." in text
    assert "exposure" not in text
    assert "exposure" not in str(told.as_data())
