"""What is known of a learner, everything that is kept of them, and erasing it."""

from __future__ import annotations

import json
import re
import time
from datetime import date, timedelta
from html import unescape
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import insert, select

from pushpull.db import reading, writing
from pushpull.importers.tabular import import_people
from pushpull.insights.known import Known, Source
from pushpull.insights.told import Became, Because, Message
from pushpull.learners.declared import declare
from pushpull.learners.tables import learner, profile_fact
from pushpull.learners.vocabulary import FactKind
from pushpull.ledger.erased import peppers_of
from pushpull.ledger.tables import audit, delivery, fetch, letter, pick, rotation, wave
from pushpull.ledger.vocabulary import MessageClass
from pushpull.personal import Shelf
from tests.personal.somebody import everything, holding
from tests.web.conftest import BASE, NOW, Place
from tests.web.test_choices import come, send, shown
from tests.web.test_fresh import mails, sending, text_of  # noqa: F401  # a fixture is used by its name
from web.about import Told, hinted
from web.phrases import phrases_in
from web.site import Site
from web.words import FOLDER, LANGUAGES, words_for

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def link(place: Place, *, who: int = 1, expires: timedelta = HOUR) -> str:
    return place.path(place.signer.account_url(who, NOW + expires))


def a_message(place: Place, number: int, state: str, *, reason: str | None = None) -> None:
    at = NOW - timedelta(days=100 - number)
    with writing(place.engine) as connection:
        connection.execute(
            insert(wave).values(
                id=number, campaign_id=1, key=f"launch.w@{number}", series="launch.w", on_day=date(2026, 3, 2),
                stage="launch", message_key="m", touch="push", message_class="nudge", family="learning",
                scheduled_for=at, expires_at=at, planned_as_of=at, spec={},
            )
        )  # fmt: skip
        connection.execute(insert(rotation).values(wave_id=number, rotation=0, reason="", cohort={}, as_of=at))
        connection.execute(
            insert(delivery).values(
                wave_id=number, rotation=0, learner_id=1, state=state, reason=reason, arm="treated", channel="email",
                due_at=at,
            )
        )  # fmt: skip


def main(text: str) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", text.partition("<main")[2])))


def test_the_page_tells_each_fact_with_its_source_and_its_age(place: Place) -> None:
    place.change(learner, preferred_language="en", updated_at=NOW - 3 * DAY)
    with writing(place.engine) as connection:
        declare(connection, 1, FactKind.WHY, ["to <b>rest</b>"], at=NOW - 90 * DAY)
        connection.execute(
            insert(profile_fact).values(
                learner_id=1, kind="need", value="calm", source="learned", confidence=0.4, recorded_at=NOW - 800 * DAY
            )
        )
    come(place)
    text = shown(place, "/me/about")
    said = main(text)
    assert "Given name Ada from HR, 3 days ago" in said
    assert "E‑mail address a…@example.org from HR, 3 days ago" in said
    assert "Phone …78 from HR" in said
    assert "Your Teams account known, not shown from HR" in said
    assert "Your why to <b>rest</b> you said so, 3 months ago" in said
    assert "What your work asks for calm our guess, from what you did, more than a year ago" in said
    assert "Language English from HR" in said
    for hidden in ("ada@example.org", "29:ada", "12345678", "p-1", "<b>rest"):
        assert hidden not in text


def test_messages_are_told_with_why_they_came_or_did_not(place: Place) -> None:
    place.change(learner, preferred_language="en", timezone="Europe/Berlin")
    a_message(place, 1, "delivered")
    a_message(place, 2, "skipped", reason="capped")
    a_message(place, 3, "skipped", reason="holdout")
    with writing(place.engine) as connection:
        connection.execute(
            insert(pick).values(
                wave_id=1, rotation=0, learner_id=1, position=0, item_id=1, reason_kind="short", reason_value="5",
                score=1.0,
            )
        )  # fmt: skip
    come(place)
    said = main(shown(place, "/me/about"))
    assert "Times are your own (Europe/Berlin)." in said
    assert "Spring Sent · E‑mail · " in said
    assert "It is an offer: you are one of those the campaign is for. Saying no kindly" in said
    assert "You had got enough messages already." in said
    assert "A message Not sent · " in said
    assert "You are in a comparison group for now" in said
    assert said.count("Spring") == 2  # not of which campaign somebody is a comparison


@pytest.mark.parametrize("language", LANGUAGES)
def test_there_are_words_for_whatever_may_be_told(place: Place, language: str) -> None:
    words = words_for(language, "choices", "account")
    told = Told(
        words,
        phrases_in(language, place.settings, zone="", now=NOW),
        NOW,
    )
    columns = "given_name family_name display_name title department hired_on email phone timezone"
    others = "manager_external_id teams_id slack_id tag"
    fields = [*columns.split(), *others.split(), *(kind.value for kind in FactKind)]
    for field in fields:
        for source in Source:
            fact = Known(field, "7", source, NOW - DAY)
            assert told.field(fact)
            assert told.value(fact)
            assert told.source(fact)
    for became in Became:
        for because in (None, *Because):
            for kind in MessageClass:
                message = Message(NOW, became, because, "", kind, "email")
                assert told.line(message)
                assert told.why(message) or (became is Became.NOT_SENT and because is None)
    for days in (0, 1, 2, 59, 60, 300, 400, 4000):
        assert told.age(NOW - timedelta(days=days))
    for shelf in Shelf:
        assert words(f"shelf_{shelf.value}")


def test_an_address_is_hinted_at() -> None:
    assert [hinted(each) for each in ("ada@example.org", "+49 151 42", "a@b@c", "")] == [
        "a…@example.org", "…42", "a…@c", "…",
    ]  # fmt: skip


def test_opened_links_are_not_told_where_an_agreement_forbids_to_keep_them(place: Place) -> None:
    place.change(learner, preferred_language="en")
    come(place)
    assert "Links you opened" in shown(place, "/me/about")
    agreed = place.settings.model_copy(update={"works_council": True})
    place.client.app.state.site = Site(agreed, place.engine)  # type: ignore[attr-defined]
    text = shown(place, "/me/about")
    assert "Links you opened" not in text
    assert "Not kept: whether you opened a message" in text


def ask_for_link(place: Place) -> Any:
    token = re.search(r'name="form_token" value="(.*?)"', shown(place, "/me/about"))
    assert token
    return place.client.post("/me/about/letter", data={"form_token": token[1]})


def test_the_way_to_everything_goes_by_a_mail_of_its_own(place: Place) -> None:
    place.change(learner, preferred_language="en")
    come(place)
    assert "/a/" not in shown(place, "/me/about")
    assert place.client.post("/me/about/letter").status_code == 403
    for _ in range(2):
        answer = ask_for_link(place)
        assert (answer.status_code, answer.headers["location"]) == (303, "/me/about?sent=1#data")
    assert "The link is on its way" in shown(place, "/me/about?sent=1")
    with reading(place.engine) as connection:
        assert [tuple(row) for row in connection.execute(select(letter.c.learner_id, letter.c.kind))] == [
            (1, "your_data")
        ]


def test_the_mail_that_was_asked_for_opens_everything(place: Place, sending: TestClient) -> None:  # noqa: F811
    come(place)
    sending.cookies.update(place.client.cookies)
    page = sending.get("/me/about").text
    token = re.search(r'name="form_token" value="(.*?)"', page)
    assert token
    assert sending.post("/me/about/letter", data={"form_token": token[1]}).status_code == 303
    (mail,) = mails(place)
    assert mail["to"].endswith("<ada@example.org>")
    found = re.search(rf"{BASE}(/a/\S+)", text_of(mail))
    assert found is not None
    sending.cookies.clear()
    assert "Ihre Daten" in sending.get(found[1]).text
    assert sending.get(found[1] + "/my-data.json").json()["tables"]["learner"][0]["id"] == 1


def test_who_has_no_address_is_told_whom_to_ask(place: Place) -> None:
    place.change(learner, email=None, preferred_language="en")
    come(place)
    text = shown(place, "/me/about?sent=1")
    assert "Please ask your learning team" in unescape(text)
    assert "on its way" not in text
    assert "<form" not in text


def test_opening_the_link_changes_nothing_but_that_it_was_opened(place: Place) -> None:
    def all_but_openings() -> list[tuple[str, str, str]]:
        return [each for each in everything(place.engine) if each[0] != "fetch"]

    before = all_but_openings()
    for path in ("", "/read", "/erase", "/my-data.json"):
        assert place.client.get(link(place) + path).status_code == 200
    assert all_but_openings() == before
    with reading(place.engine) as connection:
        assert connection.execute(select(fetch.c.kind, fetch.c.learner_id)).all() == [("account", 1)]


def test_everything_can_be_taken_along(place: Place) -> None:
    come(place)
    send(place, "why", why="to rest & breathe")
    answer = place.client.get(link(place) + "/my-data.json")
    assert answer.headers["content-type"] == "application/json"
    assert re.fullmatch(r'attachment; filename="my-data-\d{4}-\d\d-\d\d\.json"', answer.headers["content-disposition"])
    assert answer.headers["cache-control"] == "no-store"
    tables = json.loads(answer.text)["tables"]
    assert tables["learner"][0]["email"] == "ada@example.org"
    assert [row["value"] for row in tables["profile_fact"]] == ["to rest & breathe"]
    read = unescape(place.client.get(link(place) + "/read").text)
    for text in ("ada@example.org", "to rest & breathe", "Wer Sie sind"):
        assert text in read
    rows = sum(len(each) for each in tables.values())
    assert f"{rows} Einträge" in place.client.get(link(place)).text.replace(f"{rows + 1} ", f"{rows} ")


def test_an_old_link_and_one_of_another_kind_open_nothing(place: Place) -> None:
    place.change(learner, preferred_language="en")
    old = link(place, expires=-HOUR)
    answer = place.client.get(old)
    assert answer.status_code == 410
    assert "This link is no longer open" in answer.text
    for path in ("/read", "/erase", "/my-data.json"):
        assert place.client.get(old + path).status_code == 404
    assert place.fill_in(f"{old}/erase", {"word": "erase"}).status_code == 404
    for other in (place.landing(), place.preferences(), place.unsubscribe()):
        token = other.rpartition("/")[2]
        assert place.client.get(f"/a/{token}").status_code == 404
        assert place.client.post(f"/a/{token}/erase", data={"word": "erase"}).status_code == 404
    assert place.client.get(link(place, who=99)).status_code == 404
    with reading(place.engine) as connection:
        assert connection.scalar(select(learner.c.email)) == "ada@example.org"


@pytest.mark.parametrize("word", ["", "yes", "erase everything", "ERAS", "löschung", '"><b>'])
def test_nothing_is_erased_without_the_word(place: Place, word: str) -> None:
    answer = place.fill_in(f"{link(place)}/erase", {"word": word})
    assert answer.status_code == 422
    assert 'aria-describedby="wrong"' in answer.text
    assert "Noch ist nichts gelöscht" in answer.text
    assert "<b>" not in answer.text
    with reading(place.engine) as connection:
        assert connection.scalar(select(learner.c.email)) == "ada@example.org"


def test_a_form_of_another_site_erases_nothing(place: Place) -> None:
    path = f"{link(place)}/erase"
    assert place.fill_in(path, {"word": "löschen"}, origin="https://evil.example").status_code == 403
    assert place.client.post(path, data={"word": "löschen"}).status_code == 403
    assert place.fill_in(path, {"word": "löschen", "form_token": "guessed"}).status_code == 403
    with reading(place.engine) as connection:
        assert connection.scalar(select(learner.c.email)) == "ada@example.org"


def test_erasing_leaves_nothing_of_the_person_and_no_way_back(place: Place, tmp_path: Any) -> None:
    come(place)
    send(place, "why", why="a word that is mine alone")
    a_message(place, 1, "planned")
    token = re.search(r'name="form_token" value="(.*?)"', shown(place))
    assert token
    landing, preferences, unsubscribing = place.landing(), place.preferences(), place.unsubscribe()
    answer = place.fill_in(f"{link(place)}/erase", {"word": " LÖSCHEN "})
    assert answer.status_code == 303
    assert 'pushpull="";' in answer.headers["set-cookie"]
    done = place.client.get(answer.headers["location"])
    assert "Ihre Daten sind gelöscht" in done.text
    for mine in ("ada", "29:ada", "4915112345678", "a word that is mine alone", "Chapter 3", "p-1"):
        assert holding(place.engine, mine) == set(), mine
    with reading(place.engine) as connection:
        assert connection.execute(select(delivery.c.state, delivery.c.reason)).one() == ("skipped", "inactive")
        line = connection.execute(select(audit.c.what, audit.c.who)).one()
    assert tuple(line) == ("learner erased", "learner")
    before = list(everything(place.engine))
    come(place)  # a page that was still open
    assert place.client.get("/me/choices").status_code == 401
    assert place.client.get("/me/about").status_code == 401
    for path, fields in {
        "/me/choices/why": {"why": "again"},
        "/me/choices/goals": {"goal": "again"},
        "/me/choices/messages": {"action": "stop"},
        "/me/about/letter": {},
        "/me/plans": {"cue": "own", "cue_text": "again", "day": "0", "step": "keep"},
    }.items():
        assert place.client.post(path, data={"form_token": token[1], **fields}).status_code == 401, path
    assert place.client.get("/me/start/2").status_code == 401
    assert place.client.get(landing).status_code == 404
    assert place.client.get(preferences).status_code == 404
    assert place.client.get(unsubscribing).status_code == 404
    assert place.client.post(unsubscribing, data={"List-Unsubscribe": "One-Click"}).status_code == 404
    assert place.fill_in(preferences, {"action": "stop"}).status_code == 404
    assert place.client.get(link(place) + "/my-data.json").status_code == 404
    assert place.fill_in(f"{link(place)}/erase", {"word": "löschen"}).status_code == 404
    assert list(everything(place.engine)) == before
    file = tmp_path / "people.csv"
    file.write_text("external_id,given_name,email\np-1,Ada,\nnew-1,Ada,ada@example.org\n")
    report = import_people(place.engine, file, now=NOW, peppers=peppers_of(place.settings), confirmed=True)
    assert dict(report.reasons) == {"erased": 2}
    assert holding(place.engine, "ada@") == set()


def test_what_is_known_is_told_fast_at_a_company_of_120(place: Place) -> None:
    a_company(place, people=120, waves=40)
    come(place)
    shown(place, "/me/about")
    took = []
    for _ in range(5):
        begun = time.perf_counter()
        shown(place, "/me/about")
        took.append(time.perf_counter() - begun)
    assert min(took) < 0.2


def a_company(place: Place, *, people: int, waves: int) -> None:
    ids = range(2, people + 2)
    with writing(place.engine) as connection:
        connection.execute(
            insert(learner),
            [
                {"id": n, "external_id": f"c-{n}", "draw": n, "active": True, "created_at": NOW, "updated_at": NOW}
                for n in ids
            ],
        )
    for number in range(1, waves + 1):
        a_message(place, number, "delivered")
    with writing(place.engine) as connection:
        connection.execute(
            insert(delivery),
            [
                {"wave_id": w, "rotation": 0, "learner_id": n, "state": "delivered", "arm": "treated", "due_at": NOW}
                for w in range(1, waves + 1)
                for n in ids
            ],
        )


def test_every_word_of_the_pages_is_used() -> None:
    folder = FOLDER.parent / "templates" / "account"
    text = "".join(path.read_text() for path in (*folder.iterdir(), FOLDER.parent / "account.py"))
    keys = re.findall(r"^(\w+):$", (FOLDER / "account.yaml").read_text(), re.MULTILINE)
    assert [key for key in keys if f'"{key}' not in text and not key.startswith(("shelf_", "entries"))] == []


def test_a_trap_that_is_opened_after_erasing_says_of_nobody_that_it_was(place: Place) -> None:
    come(place)
    assert place.fill_in(f"{link(place)}/erase", {"word": "löschen"}).status_code == 303
    come(place)  # a page that was still open
    for path in ("/t/all", "/t/" + place.landing().rpartition("/")[2]):
        assert place.client.get(path).status_code == 404
    with reading(place.engine) as connection:
        kept = connection.execute(select(fetch.c.learner_id, fetch.c.token_id, fetch.c.network)).all()
    assert len(kept) == 2
    assert set(map(tuple, kept)) == {(None, None, "")}
