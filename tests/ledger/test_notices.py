"""Ops are told of a thing once, whoever caused it and however many workers look."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, insert, select

from pushpull.db import reading, writing
from pushpull.ledger.campaigns import (
    cancel_campaign,
    cancel_wave,
    hold_campaign,
    hold_wave,
    pause_campaign,
    pause_channel,
    pause_wave,
    release_wave,
    resume_campaign,
    resume_channel,
)
from pushpull.ledger.notices import Notice, NoticeKind, is_news, news
from pushpull.ledger.results import close_finished
from pushpull.ledger.tables import notice, rotation
from pushpull.ledger.vocabulary import HoldReason
from pushpull.ledger.waiting import waiting_for_a_person
from tests.ledger.builders import DAWN, NOON, a_campaign, a_wave, drained, learners, planned

BY = {"who": "ada", "why": "Given1 asked for it", "at": NOON}


@pytest.fixture
def wave_id(engine: Engine) -> int:
    """A planned wave for four people."""
    with writing(engine) as connection:
        a_campaign(connection)
        learners(connection, 4)
    return planned(engine, a_wave())


def told(engine: Engine, at: datetime = NOON) -> list[Notice]:
    with writing(engine) as connection:
        return news(connection, at=at)


def kinds(notices: list[Notice]) -> list[NoticeKind]:
    return [each.kind for each in notices]


def test_the_same_is_told_once_and_something_else_again(engine: Engine) -> None:
    with writing(engine) as connection:
        assert is_news(connection, "wave.7.finished", "1", NOON)
        assert not is_news(connection, "wave.7.finished", "1", NOON + timedelta(hours=1))
        assert is_news(connection, "wave.8.finished", "1", NOON)
        assert is_news(connection, "wave.7.finished", "2", NOON)
        assert not is_news(connection, "wave.7.finished", "2", NOON)
        assert connection.execute(select(notice.c.told_at).where(notice.c.key == "wave.7.finished")).scalar() == NOON


def test_of_many_workers_at_once_exactly_one_tells(engine: Engine) -> None:
    many = 6
    start, answers = threading.Barrier(many), list[bool]()

    def look(turn: str) -> None:
        start.wait(30)
        with writing(engine) as connection:
            answers.append(is_news(connection, "channel.email.stopped", turn, NOON))

    for turn in ("first", "second"):  # the first makes the row, the second changes it
        answers.clear()
        workers = [threading.Thread(target=look, args=(turn,)) for _ in range(many)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(60)
        assert sorted(answers) == [False] * (many - 1) + [True]


def test_a_worker_that_is_killed_before_it_could_tell_leaves_it_to_the_next(engine: Engine) -> None:
    def killed() -> None:
        with writing(engine) as connection:
            assert is_news(connection, "wave.7.finished", "1", NOON)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        killed()
    with writing(engine) as connection:
        assert is_news(connection, "wave.7.finished", "1", NOON)


def test_nothing_is_told_while_nothing_happens(engine: Engine, wave_id: int) -> None:
    assert told(engine) == []


def test_a_finished_wave_is_told_with_its_counts_and_a_re_run_of_it_again(engine: Engine, wave_id: int) -> None:
    drained(engine, wave_id)
    with writing(engine) as connection:
        close_finished(connection, now=NOON)
    (finished,) = told(engine)
    assert finished.kind is NoticeKind.WAVE_FINISHED
    assert finished.about == f"wave.{wave_id}"
    assert finished.facts["accepted"] == finished.facts["audience"] == 4
    assert finished.facts["skipped"] == finished.facts["open"] == 0
    assert told(engine) == []
    with writing(engine) as connection:
        again: dict[str, Any] = {"wave_id": wave_id, "rotation": 1, "reason": "again", "cohort": {}, "as_of": NOON}
        connection.execute(insert(rotation).values(again))
    assert kinds(told(engine)) == [NoticeKind.WAVE_FINISHED]


def test_what_finished_long_ago_is_no_news_to_an_installation_that_begins_to_tell(engine: Engine, wave_id: int) -> None:
    drained(engine, wave_id)
    with writing(engine) as connection:
        close_finished(connection, now=NOON)
    assert told(engine, at=NOON + timedelta(days=3)) == []


def test_a_held_wave_is_told_and_asked_about_until_it_asks_something_else(engine: Engine, wave_id: int) -> None:
    with writing(engine) as connection:
        hold_wave(connection, wave_id, HoldReason.MISFIRE, why="late", at=NOON)
    held, question = told(engine)
    assert (held.kind, held.facts["reason"]) == (NoticeKind.WAVE_HELD, "misfire")
    assert question.kind is NoticeKind.PERSON_NEEDED
    assert question.facts["waits"] == question.facts["new"] == question.facts["wave"] == 1
    assert told(engine) == []
    with writing(engine) as connection:
        release_wave(connection, wave_id, **BY)
    assert told(engine) == []  # an answer is no question
    with writing(engine) as connection:
        hold_wave(connection, wave_id, HoldReason.PREFLIGHT, why="preflight: no key", at=NOON)
    assert kinds(told(engine)) == [NoticeKind.WAVE_HELD, NoticeKind.PERSON_NEEDED]


def test_the_same_question_asked_again_after_an_answer_is_news(engine: Engine, wave_id: int) -> None:
    for _ in range(2):
        with writing(engine) as connection:
            hold_wave(connection, wave_id, HoldReason.MISFIRE, why="late", at=NOON)
        assert kinds(told(engine)) == [NoticeKind.WAVE_HELD, NoticeKind.PERSON_NEEDED]
        with writing(engine) as connection:
            release_wave(connection, wave_id, **BY)
        assert told(engine) == []


def test_a_wave_held_when_it_was_planned_is_told(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        learners(connection, 4)
    planned(engine, a_wave(approval_threshold=3))
    held, _question = told(engine)
    assert held.facts["reason"] == "approval"
    assert held.facts["open"] == 4


@pytest.mark.parametrize("stop", [pause_wave, cancel_wave])
def test_a_wave_that_a_person_stopped_is_told_once_without_that_persons_words(
    engine: Engine, wave_id: int, stop: Any
) -> None:
    with writing(engine) as connection:
        stop(connection, wave_id, **BY)
        close_finished(connection, now=NOON)
    (stopped,) = told(engine)
    assert stopped.kind is NoticeKind.WAVE_STOPPED
    assert stopped.facts["stopped"] == ("paused" if stop is pause_wave else "cancelled")
    assert "Given1" not in repr(stopped)
    assert told(engine) == []


def test_a_wave_that_was_paused_again_is_told_again(engine: Engine, wave_id: int) -> None:
    for _ in range(2):
        with writing(engine) as connection:
            pause_wave(connection, wave_id, **BY)
        assert kinds(told(engine)) == [NoticeKind.WAVE_STOPPED]
        with writing(engine) as connection:
            release_wave(connection, wave_id, **BY)


@pytest.mark.parametrize("stop", [pause_campaign, cancel_campaign])
def test_the_waves_of_a_campaign_that_a_person_stopped_are_told(engine: Engine, wave_id: int, stop: Any) -> None:
    with writing(engine) as connection:
        stop(connection, "safety", **BY)
        close_finished(connection, now=NOON)
    (stopped,) = told(engine)
    assert stopped.kind is NoticeKind.WAVE_STOPPED
    assert str(stopped.facts["stopped"]).startswith("campaign ")
    assert "Given1" not in repr(stopped)


def test_a_campaign_stopped_by_what_came_back_is_told_each_time_it_happens(engine: Engine, wave_id: int) -> None:
    for figures in ("opt-outs: 7 for 120", "opt-outs: 9 for 130"):
        with writing(engine) as connection:
            hold_campaign(connection, "safety", why=figures, at=NOON)
            a_campaign(connection)  # its file is read again: that is no second stop
        notices = told(engine)
        assert kinds(notices) == [NoticeKind.WAVE_STOPPED, NoticeKind.CAMPAIGN_STOPPED]
        assert notices[1].facts == {"campaign": "safety", "why": figures}
        assert told(engine) == []
        with writing(engine) as connection:
            resume_campaign(connection, "safety", **BY)
        assert told(engine) == []


def test_pausing_a_campaign_that_stopped_itself_takes_its_question_away_from_nobody(
    engine: Engine, wave_id: int
) -> None:
    with writing(engine) as connection:
        hold_campaign(connection, "safety", why="opt-outs: 7 for 120", at=NOON)
        pause_campaign(connection, "safety", who="stop signal", why="opt-outs: 7 for 120", at=NOON)
        assert [each.kind for each in waiting_for_a_person(connection)] == ["campaign"]
    assert drained(engine, wave_id).accepted == 0
    with writing(engine) as connection:
        resume_campaign(connection, "safety", **BY)
    assert drained(engine, wave_id).accepted == 4


def test_a_channel_is_told_when_it_stops_for_good_and_not_when_it_goes_on_by_itself(engine: Engine) -> None:
    with writing(engine) as connection:
        pause_channel(connection, "sms", reason="throttled", at=NOON, until=NOON + timedelta(minutes=5))
        assert news(connection, at=NOON) == []
        pause_channel(connection, "email", reason="the key was revoked", at=NOON)
    (stopped,) = told(engine)
    assert (stopped.kind, stopped.about) == (NoticeKind.CHANNEL_STOPPED, "channel.email")
    assert told(engine) == []
    with writing(engine) as connection:
        resume_channel(connection, "email")
        pause_channel(connection, "email", reason="the key was revoked", at=NOON + timedelta(minutes=1))
    assert kinds(told(engine)) == [NoticeKind.CHANNEL_STOPPED]


def test_what_is_no_longer_asked_is_forgotten(engine: Engine, wave_id: int) -> None:
    with writing(engine) as connection:
        hold_wave(connection, wave_id, HoldReason.MISFIRE, why="late", at=DAWN)
    told(engine)
    with writing(engine) as connection:
        release_wave(connection, wave_id, **BY)
    told(engine)
    with reading(engine) as connection:
        keys = connection.execute(select(notice.c.key)).scalars().all()
    assert keys == [f"wave.{wave_id}.held"]
