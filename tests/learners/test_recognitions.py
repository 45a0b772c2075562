from __future__ import annotations

import random
from itertools import pairwise

import pytest
from sqlalchemy import Connection, Engine, insert, select, update

from pushpull.db import reading, writing
from pushpull.learners.recognitions import MOST_ON_THE_WALL, earn, hide, to_post, wall
from pushpull.learners.shares import follow, make_share
from pushpull.learners.tables import learner, learner_choice, lifecycle, recognition
from pushpull.learners.vocabulary import PostState, RecognitionKind
from pushpull.ledger.tables import campaign, campaign_item
from tests.learners.peers import DAY, NOW, agrees, company, learned

HOUR = DAY / 24


def earned(connection: Connection) -> list[tuple[int, str, int | None]]:
    rows = connection.execute(
        select(recognition.c.learner_id, recognition.c.kind, recognition.c.amount).order_by(
            recognition.c.learner_id, recognition.c.id
        )
    )
    return [tuple(row) for row in rows]


def finish(connection: Connection, who: int, at: object, campaign_id: int = 1) -> None:
    connection.execute(
        insert(lifecycle).values(
            campaign_id=campaign_id, learner_id=who, state="completed", since=at, completed_at=at, active_days=1,
            failed_tries=0,
        )
    )  # fmt: skip


def test_everything_finished_is_thanked_for_once(engine: Engine) -> None:
    with writing(engine) as connection:
        company(connection)
        agrees(connection, 1, 2, 3)
        finish(connection, 1, NOW - DAY)
        finish(connection, 2, NOW - 20 * DAY)  # before anybody looked
        finish(connection, 3, NOW + DAY)  # not yet
        finish(connection, 4, NOW - DAY)  # did not agree
        assert earn(connection, 1, NOW) == 1
        assert earn(connection, 1, NOW) == 0
        assert earn(connection, 1, NOW + 7 * DAY) == 1
        assert earned(connection) == [(1, "finished", None), (3, "finished", None)]
        assert connection.execute(select(recognition.c.post_state).distinct()).scalar_one() == PostState.WANTED


def test_three_days_of_one_local_week_are_a_first_week(engine: Engine) -> None:
    monday = NOW - 2 * DAY
    with writing(engine) as connection:
        company(connection)
        agrees(connection, *range(1, 9))
        for n in range(3):
            learned(connection, 1, 1, monday + n * DAY)
            learned(connection, 2, 1, monday + n * DAY, minutes=1.9)  # too little
            learned(connection, 3, 1, monday + n * DAY, minutes=None)  # how long is not known
            learned(connection, 4, 1, monday + n * HOUR)  # one day
            learned(connection, 5, 1, monday + (n - 2) * DAY)  # two weeks have a share in it
            learned(connection, 6, 1, monday + (n - 7) * DAY)  # last week
        for n in range(4):
            learned(connection, 8, 1, monday + n * DAY, minutes=1)
            learned(connection, 8, 2, monday + n * DAY, minutes=1)
        assert earn(connection, 1, NOW) == 4
        assert earned(connection) == [
            (1, "first_week", 3),
            (3, "first_week", 3),
            (6, "first_week", 3),
            (8, "first_week", 3),  # of four days one is to come
        ]


def test_days_are_the_learners_own(engine: Engine) -> None:
    with writing(engine) as connection:
        company(connection)
        agrees(connection, 1, 2, 3)
        connection.execute(update(learner).where(learner.c.id == 1).values(timezone="America/Los_Angeles"))
        connection.execute(update(learner).where(learner.c.id == 2).values(timezone="Asia/Tokyo"))
        # 16:30 and 17:30 in Los Angeles are one day there, and two in Greenwich.
        monday = NOW.replace(day=16, hour=23, minute=30)
        for who in (1, 2, 3):
            learned(connection, who, 1, monday)
            learned(connection, who, 1, monday + HOUR)
            learned(connection, who, 1, monday + 24.5 * HOUR)
        assert earn(connection, 1, NOW + DAY) == 1
        assert earned(connection) == [(3, "first_week", 3)]
        assert earn(connection, 1, NOW + DAY, zone="Asia/Tokyo") == 0


def test_coming_back_after_a_silence(engine: Engine) -> None:
    with writing(engine) as connection:
        company(connection)
        agrees(connection, *range(1, 9))
        for who, days in ((1, (17, 3)), (2, (16.9, 3)), (3, (3,)), (4, (60, 40)), (5, (60, 13, 2)), (6, (20, 15, 1))):
            for back in days:
                learned(connection, who, 1, NOW - back * DAY)
        learned(connection, 7, 1, NOW - 30 * DAY)
        learned(connection, 7, 1, NOW - DAY, verb="waived")  # a system said so
        assert earn(connection, 1, NOW) == 3
        assert earned(connection) == [(1, "came_back", None), (5, "came_back", None), (6, "came_back", None)]


def test_what_colleagues_used_is_thanked_for(engine: Engine) -> None:
    with writing(engine) as connection:
        company(connection)
        agrees(connection, 1, 2)
        link = make_share(connection, 1, 1, at=NOW - 5 * DAY)
        make_share(connection, 2, 1, at=NOW - 5 * DAY)
        for who in (3, 4):
            follow(connection, link, who, at=NOW - 4 * DAY)
        assert earn(connection, 1, NOW) == 0
        learned(connection, 3, 1, NOW - DAY)
        assert earn(connection, 1, NOW) == 1
        assert earned(connection) == [(1, "helped", 1)]


def test_nobody_is_thanked_twice_in_seven_days_over_all_campaigns(engine: Engine) -> None:
    with writing(engine) as connection:
        company(connection)
        agrees(connection, 1)
        connection.execute(
            insert(campaign).values(
                id=2, key="autumn", name="Autumn", family="learning", message_class="nudge", priority=0, definition={},
                content_hash="", updated_at=NOW,
            )
        )  # fmt: skip
        connection.execute(insert(campaign_item).values(campaign_id=2, item_id=1))
        for n in range(3):
            learned(connection, 1, 1, NOW - n * DAY)
        learned(connection, 1, 1, NOW - 30 * DAY)
        finish(connection, 1, NOW)
        counts = [earn(connection, 1, NOW + day * DAY) + earn(connection, 2, NOW + day * DAY) for day in range(22)]
        at = list(connection.execute(select(recognition.c.earned_at).order_by(recognition.c.earned_at)).scalars())
        assert all(later - sooner >= 7 * DAY for sooner, later in pairwise(at))
        assert earned(connection)[0] == (1, "finished", None)
        assert counts[:8] == [1, 0, 0, 0, 0, 0, 0, 1]


def test_the_wall_is_short_new_and_without_what_ops_took_down(engine: Engine) -> None:
    with writing(engine) as connection:
        company(connection, people=40)
        agrees(connection, *range(1, 41))
        connection.execute(update(learner).where(learner.c.id == 40).values(family_name=None))
        for n in range(11, 41):
            finish(connection, n, NOW)
            connection.execute(
                insert(recognition).values(
                    learner_id=n, campaign_id=1, kind="finished", earned_at=NOW - (41 - n) * DAY, post_state="wanted"
                )
            )
        shown = wall(connection, NOW)
        assert len(shown) == MOST_ON_THE_WALL
        assert [thanks.name for thanks in shown[:2]] == ["Given40", "Given39 F."]
        assert shown[0].kind is RecognitionKind.FINISHED
        assert hide(connection, shown[0].recognition_id, who="ops")
        assert not hide(connection, shown[0].recognition_id, who="ops")
        assert wall(connection, NOW)[0] == shown[1]
        assert len(to_post(connection, 1, NOW)) == 29
        assert to_post(connection, 2, NOW) == ()
        connection.execute(update(recognition).values(post_state="posted"))
        assert to_post(connection, 1, NOW) == ()
        assert wall(connection, NOW + 90 * DAY) == ()


@pytest.mark.parametrize("seed", range(6))
def test_nobody_earns_or_is_shown_without_their_consent(engine: Engine, seed: int) -> None:
    draw = random.Random(seed)
    with writing(engine) as connection:
        company(connection, people=12)
        for who in range(1, 13):
            finish(connection, who, NOW - draw.random() * 10 * DAY)
            for _ in range(6):
                learned(connection, who, draw.randrange(1, 4), NOW - draw.random() * 40 * DAY)
    had: dict[int, bool] = {}
    known: set[int] = set()
    for day in range(12):
        now = NOW + day * DAY
        with writing(engine) as connection:
            for who in draw.sample(range(1, 13), 4):
                agrees(connection, who, is_wanted=draw.random() < 0.5)
            if draw.random() < 0.5:
                gone = draw.randrange(1, 13)
                connection.execute(update(learner).where(learner.c.id == gone).values(active=draw.random() < 0.5))
            had = dict(
                connection.execute(select(learner_choice.c.learner_id, learner_choice.c.wants_recognition)).all()
            )
            here = set(connection.execute(select(learner.c.id).where(learner.c.active)).scalars())
            earn(connection, 1, now)
        with reading(engine) as connection:
            rows = connection.execute(select(recognition.c.id, recognition.c.learner_id)).all()
            new = [row for row in rows if row.id not in known]
            known.update(row.id for row in rows)
            assert all(had.get(row.learner_id) and row.learner_id in here for row in new)
            owner = dict(map(tuple, rows))
            for each in (*wall(connection, now), *to_post(connection, 1, now)):
                assert had[owner[each.recognition_id]]
                assert owner[each.recognition_id] in here
    assert known
