from __future__ import annotations

import re

from sqlalchemy import insert

from pushpull.db import writing
from pushpull.learners.tables import learner
from pushpull.ledger.tables import campaign
from tests.web.conftest import BASE, NOW, Place

SHOWN = ["email/learning", "teams/learning", "sms/learning"]


def switches(text: str) -> dict[str, bool]:
    found = re.findall(r'type="checkbox" name="on" value="([^"]+)"[^>]*?( checked)?>', text)
    return {value: bool(checked) for value, checked in found}


def test_the_page_shows_a_switch_for_every_channel_the_learner_has(place: Place) -> None:
    text = place.client.get(place.preferences()).text
    assert switches(text) == {"email/learning": True, "teams/learning": True, "sms/learning": False}


def test_obligations_have_no_switch(place: Place) -> None:
    with writing(place.engine) as connection:
        connection.execute(
            insert(campaign).values(
                id=2, key="safety", name="Safety", family="safety", message_class="mandatory", priority=0,
                definition={}, content_hash="", updated_at=NOW,
            )
        )  # fmt: skip
    assert "safety" not in "".join(switches(place.client.get(place.preferences()).text))


def test_only_what_changed_is_said(place: Place) -> None:
    path = place.preferences()
    answer = place.fill_in(path, {"action": "save", "shown": SHOWN, "on": ["teams/learning", "sms/learning"]})
    assert answer.status_code == 200
    assert "Gespeichert." in answer.text
    assert place.said() == {("email", "learning", False), ("sms", "learning", True)}
    expected = {"email/learning": False, "teams/learning": True, "sms/learning": True}
    assert switches(answer.text) == expected
    assert switches(place.client.get(path).text) == expected


def test_everything_can_be_stopped_and_one_thing_taken_up_again(place: Place) -> None:
    path = place.preferences()
    assert not any(switches(place.fill_in(path, {"action": "stop"}).text).values())
    assert place.said() == {("*", "*", False)}
    again = place.fill_in(path, {"action": "save", "shown": SHOWN, "on": ["teams/learning"]})
    assert switches(again.text) == {"email/learning": False, "teams/learning": True, "sms/learning": False}


def test_saving_twice_says_nothing_new(place: Place) -> None:
    for _ in range(2):
        place.fill_in(place.preferences(), {"action": "save", "shown": SHOWN, "on": []})
    assert place.said() == {("email", "learning", False), ("teams", "learning", False)}


def test_switches_that_no_page_showed_are_left_alone(place: Place) -> None:
    strange = ["slack/learning", "email/unheard-of", "fax/learning", "*/*", "email/", "/", ""]
    answer = place.fill_in(place.preferences(), {"action": "save", "shown": strange, "on": []})
    assert answer.status_code == 200
    assert place.said() == set()


def test_a_form_of_another_site_changes_nothing(place: Place) -> None:
    data = {"action": "stop"}
    evil = place.fill_in(place.preferences(), data, origin="https://evil.example")
    assert evil.status_code == 403
    assert place.said() == set()
    for origin in ("null", BASE):
        assert place.fill_in(place.preferences(), data, origin=origin).status_code == 200


def test_a_form_without_the_pages_own_token_changes_nothing(place: Place) -> None:
    path = place.preferences()
    shown = re.findall(r'name="form_token" value="([^"]+)"', place.client.get(path).text)
    assert shown == [place.signer.form_token(path.removeprefix("/p/"))]
    someone_elses = place.signer.form_token(place.preferences(who=2).removeprefix("/p/"))
    for token in ({}, {"form_token": ""}, {"form_token": someone_elses}, {"form_token": [*shown, *shown]}):
        assert place.client.post(path, data={"action": "stop", **token}).status_code == 403
    assert place.said() == set()
    assert place.client.post(path, data={"action": "stop", "form_token": shown}).status_code == 200


def test_a_learner_without_addresses_has_nothing_to_choose(place: Place) -> None:
    place.change(learner, email=None, teams_id=None, phone=None, preferred_language=None)
    text = place.client.get(place.preferences()).text
    assert switches(text) == {}
    assert "no messages to choose from" in text
