from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from sqlalchemy import insert, select

from pushpull.db import reading, writing
from pushpull.learners.tables import consent
from pushpull.ledger.tables import contact, delivery, delivery_event, handover, wave
from tests.web.conftest import NOW, Place

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


def test_the_rfc_8058_cases_do_what_they_should(place: Place, shared: Path) -> None:
    cases = json.loads((shared / "contracts" / "vectors.json").read_text())["rfc8058_one_click"]["cases"]
    assert len(cases) >= 5
    for n, case in enumerate(cases):
        request, family = case["request"], f"family-{n}"
        headers = {"content-type": request["content_type"]} if "content_type" in request else {}
        answer = place.client.request(
            request["method"], place.unsubscribe(family=family), content=request.get("body", ""), headers=headers
        )
        assert not answer.is_redirect
        assert "set-cookie" not in answer.headers
        assert (("email", family, False) in place.said()) == case["unsubscribes"], case["name"]


def test_a_get_asks_and_the_page_it_shows_unsubscribes(place: Place) -> None:
    path = place.unsubscribe()
    asked = place.client.get(path)
    assert "Abmelden?" in asked.text
    assert '<form method="post">' in asked.text
    assert 'name="List-Unsubscribe" value="One-Click"' in asked.text
    assert place.said() == set()
    done = place.client.post(path, data=ONE_CLICK)
    assert done.status_code == 200
    assert "Sie sind abgemeldet" in done.text
    assert place.said() == {("email", "learning", False)}


def test_unsubscribing_twice_is_one_opt_out(place: Place) -> None:
    for _ in range(2):
        assert place.client.post(place.unsubscribe(), data=ONE_CLICK).status_code == 200
    with reading(place.engine) as connection:
        assert len(connection.execute(select(consent)).all()) == 1


def test_an_unsubscribe_link_opens_nothing_else(place: Place) -> None:
    token = place.unsubscribe().removeprefix("/u/")
    assert place.client.get(f"/p/{token}").status_code == 404
    assert place.client.post(f"/p/{token}", data={"action": "stop"}).status_code == 404
    assert place.client.get(f"/l/{token}").status_code == 404
    assert "/p/" not in place.client.get(f"/u/{token}").text


def test_the_campaign_whose_message_it_was_is_told_once(place: Place) -> None:
    with writing(place.engine) as connection:
        for wave_id, days in ((1, 0), (2, 7), (3, 14)):
            handover_id, at = uuid4(), NOW + timedelta(days=days)
            connection.execute(
                insert(wave).values(
                    id=wave_id, campaign_id=1, key=f"launch.x@{wave_id}", series="launch.x", on_day=at.date(),
                    stage="launch", message_key="x", touch="push", message_class="nudge", spec={},
                    family="learning" if wave_id < 3 else "other", scheduled_for=at, expires_at=at,
                )
            )  # fmt: skip
            connection.execute(
                insert(handover).values(
                    id=handover_id, wave_id=wave_id, rotation=0, campaign_id=1, channel="email", size=1,
                    first_learner_id=1, last_learner_id=1, intended_at=at, as_of=at, deadline_at=at,
                )
            )  # fmt: skip
            connection.execute(
                insert(delivery).values(
                    wave_id=wave_id, rotation=0, learner_id=1, state="accepted", arm="treated", channel="email",
                    handover_id=handover_id,
                )
            )  # fmt: skip
            connection.execute(
                insert(contact).values(
                    learner_id=1, local_day=at.date().toordinal(), handover_id=handover_id, lane="nudge"
                )
            )
    for _ in range(2):
        place.client.post(place.unsubscribe(), data=ONE_CLICK)
    with reading(place.engine) as connection:
        facts = connection.execute(select(delivery_event.c.wave_id, delivery_event.c.kind)).all()
    assert [tuple(fact) for fact in facts] == [(2, "opted_out")]
    assert place.said() == {("email", "learning", False)}
