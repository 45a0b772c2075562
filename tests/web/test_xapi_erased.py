"""Course players go on telling of people who were erased; nothing of it is kept."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from sqlalchemy import insert

from pushpull.db import writing
from pushpull.learners.tables import learner, learner_identity
from pushpull.ledger.erased import peppers_of
from pushpull.personal import erase
from tests.personal.somebody import holding
from tests.web.conftest import NOW, Place
from tests.web.sending import ADA, Player, a_source, activities, kept, known_by_mail, said

ACCOUNT = {"homePage": "https://lms.example", "name": "ada-at-lms"}
SHA1 = hashlib.sha1(b"mailto:ada@example.org").hexdigest()
BO = {"mbox": "mailto:bo@example.org"}


@pytest.fixture
def player(place: Place) -> Player:
    """A course player, after a learner whom it knows was erased."""
    known_by_mail(place)
    with writing(place.engine) as connection:
        account = {"kind": "account", "value": "https://lms.example|ada-at-lms", "learner_id": 1}
        connection.execute(insert(learner_identity).values(**account))
        erase(connection, 1, by="ops", who="ops", why=None, pepper=peppers_of(place.settings)[0], at=NOW)
    return Player(place, a_source(place))


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"actor": {"mbox": "mailto:Ada@Example.org", "name": "Ada"}},
        {"actor": {"mbox_sha1sum": SHA1, "name": "Ada"}},
        {"actor": {"account": ACCOUNT, "name": "Ada"}},
        {"actor": {"objectType": "Group", "member": [BO, ADA]}},
        {"actor": BO, "context": {"instructor": ADA}},
        {"actor": BO, "context": {"team": {"objectType": "Group", "member": [ADA]}}},
        {"actor": BO, "object": {**ADA, "objectType": "Agent"}},
    ],
)
def test_no_statement_that_names_an_erased_person_is_kept(place: Place, player: Player, more: dict[str, Any]) -> None:
    answer = player.post([said(1, **more), said(2, actor=BO)])
    assert answer.status_code == 200
    assert len(answer.json()) == 2  # the player need not send it again
    assert kept(place) == 1
    assert activities(place) == []
    for mine in ("ada@example.org", "ada-at-lms", SHA1):
        assert holding(place.engine, mine) == set()


def test_no_document_of_an_erased_person_is_kept(place: Place, player: Player) -> None:
    where = {
        "activityId": "https://courses.example/1",
        "stateId": "place",
        "agent": '{"mbox":"mailto:ada@example.org"}',
    }
    answer = place.client.put("/xapi/activities/state", params=where, content=b"Ada", headers=player.headers)
    assert answer.status_code == 403
    where["agent"] = '{"mbox":"mailto:bo@example.org"}'
    assert place.client.put("/xapi/activities/state", params=where, content=b"Bo", headers=player.headers).is_success


def test_a_colleague_who_has_the_account_today_is_not_taken_for_the_erased_one(place: Place, player: Player) -> None:
    with writing(place.engine) as connection:
        stamps = {"created_at": NOW, "updated_at": NOW}
        connection.execute(insert(learner).values(id=7, external_id="p-7", draw=7, active=True, **stamps))
        account = {"kind": "account", "value": "https://lms.example|ada-at-lms", "learner_id": 7}
        connection.execute(insert(learner_identity).values(**account))
    assert player.post([said(1, actor={"account": ACCOUNT})]).status_code == 200
    assert kept(place) == 1
