"""The champions' flow as a plain function: invited once, asked on their page, thanked in the channel once."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, update

import tasks.champions
from channels.posts import FOLDER
from flows.champions import champions
from flows.dispatch import dispatch
from flows.launch import launch
from pushpull.catalogue.tables import item
from pushpull.db import reading, writing
from pushpull.learners.choices import choose_recognition
from pushpull.learners.reviews import rate
from pushpull.learners.tables import champion, learner, progress, recognition
from pushpull.ledger.campaigns import campaign_id_of, pause_campaign
from pushpull.ledger.outcomes import Accepted, NotSent, Outcome
from pushpull.ledger.tables import delivery, wave
from pushpull.ledger.vocabulary import DeliveryState
from pushpull.ledger.vouching import answer
from tasks.installation import Installation, installed
from tests.flows.conftest import CAMPAIGN

CHANNEL = "19:0123456789abcdef@thread.tacv2"


def run(flow: Any, at: datetime, **parameters: Any) -> Any:
    return asyncio.run(flow.fn(as_of=at.isoformat(), **parameters))


def reviewed(here: Installation, *names: str, at: datetime) -> dict[str, int]:
    """Colleagues who finished an item and said what they think of it."""
    with writing(here.engine) as connection:
        what = connection.execute(select(item.c.id).where(item.c.key == "feedback-101")).scalar_one()
        ids = dict(connection.execute(select(learner.c.external_id, learner.c.id)).all())
        for name in names:
            who = ids[name]
            done = {"status": "completed", "completed_at": at}
            mine = (progress.c.learner_id == who) & (progress.c.item_id == what)
            if not connection.execute(update(progress).where(mine).values(done)).rowcount:
                connection.execute(insert(progress).values(learner_id=who, item_id=what, **done))
            rate(connection, who, what, rating=4, words="Short and useful.", at=at)
    return {name: ids[name] for name in names}


def invited(here: Installation) -> dict[int, str]:
    with reading(here.engine) as connection:
        return dict(connection.execute(select(champion.c.learner_id, champion.c.state)).all())


def a_tuesday(launch_day: datetime, *, week: int = 3) -> datetime:
    return launch_day + timedelta(days=7 * (week - 1) + 1)


def treated(here: Installation, launch_day: datetime) -> list[str]:
    """Learners whom the campaign does not hold out, as its first wave shows."""
    run(launch, launch_day, campaign=CAMPAIGN)
    with reading(here.engine) as connection:
        rows = connection.execute(
            select(learner.c.external_id)
            .join(delivery, delivery.c.learner_id == learner.c.id)
            .where(delivery.c.arm == "treated", delivery.c.state == DeliveryState.PLANNED)
            .order_by(learner.c.id)
        )
        return list(rows.scalars())


def test_champions_are_invited_once_and_never_who_owns_an_item(company: Installation, launch_day: datetime) -> None:
    some = treated(company, launch_day)[:4]
    tuesday = a_tuesday(launch_day)
    ids = reviewed(company, *some, at=tuesday - timedelta(days=3))
    with writing(company.engine) as connection:
        owner = update(item).where(item.c.key == "clear-writing").values(owner_external_id=some[0])
        connection.execute(owner)
    (rehearsed,) = run(champions, tuesday, campaign=CAMPAIGN, dry_run=True)
    assert (rehearsed.wave_id, rehearsed.planned, invited(company)) == (None, 3, {})
    for _ in range(2):
        (plan,) = run(champions, tuesday, campaign=CAMPAIGN)
        for hour in (9, 10, 11, 15, 16, 17):
            run(dispatch, tuesday + timedelta(hours=hour, minutes=10))
    assert plan.planned == 3
    asked = {ids[name] for name in some[1:]}
    assert invited(company) == dict.fromkeys(asked, "invited")
    with reading(company.engine) as connection:
        sent = connection.execute(
            select(delivery.c.learner_id)
            .join(wave, wave.c.id == delivery.c.wave_id)
            .where(wave.c.stage == "champions", delivery.c.state == DeliveryState.ACCEPTED)
        ).scalars()
        assert sorted(sent) == sorted(asked)
    assert run(champions, a_tuesday(launch_day, week=4), campaign=CAMPAIGN)[0].audience == 0


def test_who_declines_before_it_leaves_gets_no_invitation(company: Installation, launch_day: datetime) -> None:
    (name,) = treated(company, launch_day)[:1]
    tuesday = a_tuesday(launch_day)
    who = reviewed(company, name, at=tuesday - timedelta(days=3))[name]
    run(champions, tuesday, campaign=CAMPAIGN)
    with writing(company.engine) as connection:
        answer(connection, who, campaign_id_of(connection, CAMPAIGN), is_yes=False, at=tuesday)
    for hour in (9, 10, 11, 15, 16, 17):
        run(dispatch, tuesday + timedelta(hours=hour, minutes=10))
    with reading(company.engine) as connection:
        rows = connection.execute(
            select(delivery.c.state, delivery.c.reason)
            .join(wave, wave.c.id == delivery.c.wave_id)
            .where(wave.c.stage == "champions")
        ).all()
    assert [tuple(row) for row in rows] == [(DeliveryState.SKIPPED, "no_longer_in_segment")]


def thankful(here: Installation, name: str, at: datetime) -> int:
    """Somebody who earned thanks and wants them."""
    with writing(here.engine) as connection:
        who = connection.execute(select(learner.c.id).where(learner.c.external_id == name)).scalar_one()
        connection.execute(
            update(learner).where(learner.c.id == who).values(given_name="Ada *x*", family_name="Example")
        )
        choose_recognition(connection, who, is_wanted=True, at=at)
        number = connection.execute(
            insert(recognition).values(
                learner_id=who, campaign_id=campaign_id_of(connection, CAMPAIGN), kind="finished",
                earned_at=at, post_state="wanted",
            )
        ).inserted_primary_key[0]  # fmt: skip
    return int(number)


def states(here: Installation) -> dict[int, str]:
    with reading(here.engine) as connection:
        return dict(connection.execute(select(recognition.c.id, recognition.c.post_state)).all())


class Wire:
    """Posts as they would reach Teams, with answers to give one after the other; None: the process dies there."""

    def __init__(self, *answers: Outcome | None) -> None:
        self.answers = list(answers)
        self.posted: list[str] = []

    def post(self, channel_id: str, card: Any, *, key: str, deadline: float) -> Outcome:
        assert channel_id == CHANNEL
        given = self.answers.pop(0) if self.answers else Accepted("p")
        if not isinstance(given, NotSent):
            self.posted.append(key)
        if given is None:
            raise KeyboardInterrupt
        return given


@pytest.fixture
def in_public(company: Installation) -> Installation:
    """A company that has a channel for thanks."""
    return replace(company, settings=company.settings.model_copy(update={"recognition_channel": CHANNEL}))


def test_thanks_are_posted_once_and_name_what_was_agreed_to(in_public: Installation, launch_day: datetime) -> None:
    run(launch, launch_day, campaign=CAMPAIGN)
    wednesday = launch_day + timedelta(days=2)
    with installed(in_public):
        number = thankful(in_public, "e0", wednesday)
        for _ in range(3):
            run(champions, wednesday, campaign=CAMPAIGN)
    assert states(in_public) == {number: "posted"}
    (post,) = (in_public.settings.outbox_dir / FOLDER).iterdir()
    card = json.loads(post.read_text())
    said = [each["inlines"][0]["text"] for each in card["body"]]
    assert said == ["Thank you", "Ada *x* E. brought it to the end."]
    assert {each["type"] for each in card["body"]} == {"RichTextBlock"}  # a TextBlock would take a name for markup


def test_a_crash_in_the_middle_of_a_post_never_posts_it_twice(
    in_public: Installation, launch_day: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(launch, launch_day, campaign=CAMPAIGN)
    at = launch_day + timedelta(days=2)
    wire = Wire(NotSent("throttled"), None)
    monkeypatch.setattr(tasks.champions, "posts_of", lambda *args, **more: wire)
    with installed(in_public):
        number = thankful(in_public, "e0", at)
        run(champions, at, campaign=CAMPAIGN)
        assert (states(in_public), wire.posted) == ({number: "wanted"}, [])  # proof that it is not there
        with pytest.raises(KeyboardInterrupt):
            run(champions, at, campaign=CAMPAIGN)
        assert states(in_public) == {number: "posting"}
        run(champions, at + timedelta(minutes=5), campaign=CAMPAIGN)
        assert states(in_public) == {number: "posting"}  # somebody may be at it
        run(champions, at + timedelta(minutes=11), campaign=CAMPAIGN)
    assert states(in_public) == {number: "uncertain"}
    assert len(wire.posted) == 1


def test_nothing_is_posted_of_who_took_it_back_nor_of_a_paused_campaign(
    in_public: Installation, launch_day: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(launch, launch_day, campaign=CAMPAIGN)
    at = launch_day + timedelta(days=2)
    wire = Wire()
    monkeypatch.setattr(tasks.champions, "posts_of", lambda *args, **more: wire)
    with installed(in_public):
        thankful(in_public, "e0", at)
        with writing(in_public.engine) as connection:
            who = connection.execute(select(learner.c.id).where(learner.c.external_id == "e0")).scalar_one()
            choose_recognition(connection, who, is_wanted=False, at=at)
        run(champions, at, campaign=CAMPAIGN)
        with writing(in_public.engine) as connection:
            choose_recognition(connection, who, is_wanted=True, at=at)
            pause_campaign(connection, CAMPAIGN, who="ada", why="a test", at=at)
        run(champions, at, campaign=CAMPAIGN)
    assert wire.posted == []
    assert set(states(in_public).values()) == {"wanted"}
