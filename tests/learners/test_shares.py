from __future__ import annotations

import pytest
from sqlalchemy import Connection, Engine, func, insert, select, update

from pushpull.catalogue.tables import item
from pushpull.db import writing
from pushpull.learners.shares import Came, NoSuchShareError, follow, is_credited, make_share, share_of, shared
from pushpull.learners.tables import activity, learner, queue_place, referral, share
from tests.learners.peers import DAY, NOW, agrees, company, completed, learned


def referrals(connection: Connection) -> list[tuple[int, int, int]]:
    rows = connection.execute(
        select(referral.c.learner_id, referral.c.item_id, referral.c.share_id).order_by(referral.c.learner_id)
    )
    return [tuple(row) for row in rows]


def queue(connection: Connection, who: int) -> list[int]:
    rows = connection.execute(
        select(queue_place.c.item_id).where(queue_place.c.learner_id == who).order_by(queue_place.c.position)
    )
    return list(rows.scalars())


def test_a_learner_has_one_link_per_item(engine: Engine) -> None:
    with writing(engine) as connection:
        company(connection)
        first = make_share(connection, 1, 1, at=NOW)
        assert make_share(connection, 1, 1, at=NOW + DAY) == first
        assert len({first, make_share(connection, 1, 2, at=NOW), make_share(connection, 2, 1, at=NOW)}) == 3
        assert share_of(connection, 1, 1) == first
        assert share_of(connection, 3, 1) is None


def test_the_first_link_counts_and_never_ones_own(engine: Engine) -> None:
    with writing(engine) as connection:
        company(connection)
        one, other = make_share(connection, 1, 1, at=NOW), make_share(connection, 2, 1, at=NOW)
        assert follow(connection, one, 1, at=NOW) is Came.OWN
        assert referrals(connection) == []
        assert follow(connection, one, 3, at=NOW) is Came.QUEUED
        assert follow(connection, other, 3, at=NOW) is Came.QUEUED
        assert follow(connection, other, 1, at=NOW) is Came.QUEUED
        assert referrals(connection) == [(1, 1, other), (3, 1, one)]
        completed(connection, 4, 1, NOW - DAY)
        assert follow(connection, one, 4, at=NOW) is Came.KNOWN
        assert len(referrals(connection)) == 2
        with pytest.raises(NoSuchShareError):
            follow(connection, 999, 3, at=NOW)


def test_what_was_shared_goes_behind_what_the_learner_placed(engine: Engine) -> None:
    with writing(engine) as connection:
        company(connection)
        connection.execute(
            insert(queue_place),
            [
                {"learner_id": 2, "item_id": which, "position": position, "set_at": NOW}
                for position, which in ((4, 3), (9, 2))
            ],
        )
        assert follow(connection, make_share(connection, 1, 1, at=NOW), 2, at=NOW) is Came.QUEUED
        assert queue(connection, 2) == [3, 2, 1]
        assert follow(connection, make_share(connection, 1, 3, at=NOW), 2, at=NOW) is Came.QUEUED
        assert queue(connection, 2) == [3, 2, 1]  # it stays where they put it


def credited(connection: Connection, learner_id: int) -> int:
    """How many colleagues used something after they came to it by the learner's links."""
    used = select(func.count(referral.c.learner_id.distinct())).join(share, share.c.id == referral.c.share_id)
    return int(connection.execute(used.where(share.c.learner_id == learner_id, is_credited())).scalar_one())


def test_credit_comes_with_use_after_the_link(engine: Engine) -> None:
    with writing(engine) as connection:
        company(connection)
        link, second = make_share(connection, 1, 1, at=NOW), make_share(connection, 1, 2, at=NOW)
        for who in (2, 3, 4):
            follow(connection, link, who, at=NOW)
        follow(connection, second, 2, at=NOW)
        learned(connection, 2, 1, NOW - DAY)  # it came late: they had been there before
        learned(connection, 3, 2, NOW + DAY)  # something else
        learned(connection, 4, 1, NOW + DAY, verb="assigned")
        assert credited(connection, 1) == 0
        learned(connection, 2, 1, NOW + DAY)
        learned(connection, 2, 2, NOW + DAY)
        assert credited(connection, 1) == 1  # a colleague counts once
        completed(connection, 3, 1, NOW + DAY)
        assert credited(connection, 1) == 2
        connection.execute(update(activity).values(voided_at=NOW))
        assert credited(connection, 1) == 1
        assert credited(connection, 2) == 0
        connection.execute(insert(referral).values(learner_id=1, item_id=1, share_id=link, came_at=NOW))
        completed(connection, 1, 1, NOW + DAY)
        assert credited(connection, 1) == 1  # nobody is their own colleague


def test_a_link_names_only_who_wants_to_be_named(engine: Engine) -> None:
    with writing(engine) as connection:
        company(connection)
        link = make_share(connection, 1, 1, at=NOW)

        def by() -> str:
            found = shared(connection, link, now=NOW)
            assert found is not None
            assert found.facts.title == "Item 1"
            return found.by

        assert by() == ""
        agrees(connection, 1)
        assert by() == "Given1"
        agrees(connection, 1, is_wanted=False)
        assert by() == ""
        agrees(connection, 1)
        connection.execute(update(learner).where(learner.c.id == 1).values(active=False))
        assert by() == ""


def test_a_link_to_something_closed_shows_nothing(engine: Engine) -> None:
    with writing(engine) as connection:
        company(connection)
        link = make_share(connection, 1, 1, at=NOW)
        for closed in ({"active": False}, {"url": None}, {"available_until": NOW}, {"available_from": NOW + DAY}):
            connection.execute(
                update(item).values({"active": True, "url": "https://x.example", "available_until": None, **closed})
            )
            assert shared(connection, link, now=NOW) is None
            with pytest.raises(NoSuchShareError):
                follow(connection, link, 2, at=NOW)
