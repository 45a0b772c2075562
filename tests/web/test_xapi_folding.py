"""What becomes of statements: counts, activity, and where learners stand."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from threading import Event
from time import monotonic, sleep
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from flows.sync import sync
from pushpull.db import reading, writing
from pushpull.importers.tables import import_run, quarantine, xapi_statement
from pushpull.importers.xapi import waiting
from pushpull.importers.xapi.waiting import WAITS, forget_unknown, replay_unknown
from pushpull.learners.tables import activity, learner, learner_identity, lifecycle, progress
from tasks.ingest import fold_news
from tasks.installation import Installation, installed
from tests.web.conftest import NOW, Place
from tests.web.sending import (
    ADA,
    Player,
    a_player,
    said,
)
from web.folding import REST, Folding


@pytest.fixture
def player(place: Place) -> Player:
    return a_player(place)


def test_a_day_is_one_run_with_its_counts_and_a_short_quarantine(place: Place, player: Player) -> None:
    player.post([said(1), said(2, actor={"mbox": "mailto:nobody@example.org"})])
    player.post([said(1), said(3)])
    player.post(said(4, object={"objectType": "Agent", **ADA}))
    with reading(place.engine) as connection:
        runs = connection.execute(select(import_run)).all()
        lines = connection.execute(select(quarantine.c.row_number, quarantine.c.reason).order_by(quarantine.c.id)).all()
    assert [(r.kind, r.source, r.rows_in, r.accepted, r.rejected, r.duplicate) for r in runs] == [
        ("xapi", "player", 5, 2, 2, 1)
    ]
    assert [tuple(line) for line in lines] == [(2, "unknown_person"), (5, "object_is_a_person")]


def test_statements_of_somebody_who_becomes_known_later_count_then(place: Place, player: Player) -> None:
    eva, team = {"mbox": "mailto:eva@example.org"}, {"mbox": "mailto:x@example.org"}
    player.post([said(1, actor=eva), said(2), said(3, actor={"objectType": "Group", "member": [team, eva]})])
    with writing(place.engine) as connection:
        assert replay_unknown(connection, now=NOW) == 0
        new = {"external_id": "p-2", "draw": 1, "created_at": NOW, "updated_at": NOW}
        connection.execute(insert(learner).values(id=2, **new))
        connection.execute(insert(learner_identity).values(kind="mbox", value=eva["mbox"], learner_id=2))
        assert replay_unknown(connection, now=NOW) == 2
        connection.execute(update(learner).values(updated_at=NOW))
        assert replay_unknown(connection, now=NOW) == 0
        assert sorted(connection.scalars(select(activity.c.learner_id))) == [1, 2, 2]
        run = connection.execute(select(import_run)).one()
    assert (run.rows_in, run.accepted, run.rejected) == (5, 3, 2)


@pytest.fixture
def folding(place: Place) -> Iterator[Folding]:
    """The app folds as it does when it is served, with its own rests."""
    home = Installation(settings=place.settings, engine=place.engine, links=place.signer, adapters={})
    folding = Folding(fold_news)
    place.client.app.state.folding = folding  # type: ignore[attr-defined]
    with installed(home):
        yield folding
        folding.close()


def test_however_many_wait_all_of_them_count(place: Place, player: Player, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "_PAGE", 2)
    eva = {"mbox": "mailto:eva@example.org"}
    player.post([said(number, actor=eva) for number in range(1, 8)])
    with writing(place.engine) as connection:
        new = {"external_id": "p-2", "draw": 1, "created_at": NOW, "updated_at": NOW}
        connection.execute(insert(learner).values(id=2, **new))
        connection.execute(insert(learner_identity).values(kind="mbox", value=eva["mbox"], learner_id=2))
        assert replay_unknown(connection, now=NOW) == 7


def test_what_nothing_came_of_is_not_kept_for_ever(place: Place, player: Player) -> None:
    player.post([said(1), said(2, actor={"mbox": "mailto:nobody@example.org"})])
    kept = select(xapi_statement.c.statement_id)
    with writing(place.engine) as connection:
        stored = connection.scalars(select(xapi_statement.c.stored_at)).first()
        assert stored is not None
        assert forget_unknown(connection, now=stored + WAITS) == 0
        assert forget_unknown(connection, now=stored + WAITS + timedelta(seconds=1)) == 1
        assert connection.scalars(kept).all() == [said(1)["id"]]


def test_the_nightly_sync_counts_them_too(place: Place, player: Player) -> None:
    eva = {"mbox": "mailto:eva@example.org"}
    player.post([said(1, actor=eva)])
    with writing(place.engine) as connection:
        new = {"external_id": "p-2", "draw": 1, "created_at": NOW, "updated_at": NOW}
        connection.execute(insert(learner).values(id=2, **new))
        connection.execute(insert(learner_identity).values(kind="mbox", value=eva["mbox"], learner_id=2))
    with installed(Installation(settings=place.settings, engine=place.engine, links=place.signer, adapters={})):
        asyncio.run(sync.fn(as_of=NOW.isoformat()))
    with reading(place.engine) as connection:
        assert connection.scalars(select(activity.c.learner_id)).all() == [2]


def shown(place: Place) -> str:
    """What Ada sees on her page."""
    return str(place.client.get(place.landing(item_id=None), follow_redirects=True).text)


def state_of(place: Place) -> str | None:
    """Where Ada stands in the campaign."""
    with reading(place.engine) as connection:
        return connection.scalar(select(lifecycle.c.state))


def status_of(place: Place, *, item_id: int) -> str | None:
    """How far Ada is with an item."""
    with reading(place.engine) as connection:
        return connection.scalar(select(progress.c.status).where(progress.c.item_id == item_id))


@pytest.mark.parametrize("is_first", [True, False])
def test_a_statement_moves_its_learner_and_shows_on_their_page_within_a_minute(
    place: Place, player: Player, folding: Folding, is_first: bool
) -> None:
    if not is_first:  # a fold has just begun, so that the next one waits for its rest
        player.post(said(9, object={"id": "https://courses.example/else"}))
    assert '"/me/start/1"' in shown(place)
    began = monotonic()
    assert player.post(said(verb="completed", timestamp=NOW.isoformat())).status_code == 200
    while state_of(place) != "active" or status_of(place, item_id=1) != "completed":
        assert monotonic() - began < 6 * REST, "half a minute"
        sleep(0.05)
    page = shown(place)
    assert '"/me/start/1"' not in page
    assert "Saying no kindly" in page  # among what is done
    folding.close()
    assert status_of(place, item_id=1) == "completed"
    assert fold_news(NOW) == {"spring": {}}


def test_folds_coalesce_and_the_last_news_is_never_left_out() -> None:
    begun, go, folds = Event(), Event(), []

    def fold(at: Any) -> None:
        folds.append(at)
        begun.set()
        assert go.wait(10)

    folding = Folding(fold, rest=0.0)
    folding.news()
    assert begun.wait(10)
    for _ in range(100):
        folding.news()
    begun.clear()
    go.set()
    assert begun.wait(10)
    folding.close()
    assert len(folds) == 2
