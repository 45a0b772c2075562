from __future__ import annotations

import html
import re
from datetime import date, timedelta

import pytest
from httpx import Response
from sqlalchemy import insert, select, update

from pushpull.db import reading, writing
from pushpull.learners.tables import champion, learner
from pushpull.ledger.tables import campaign, wave
from tests.web.conftest import NOW, Place
from web.words import LANGUAGES, words_for

GERMAN = words_for("de", "peers")


@pytest.fixture
def asked(place: Place) -> Place:
    """Learner 1 is asked to vouch for the campaign of the place; learner 2 is a colleague."""
    with writing(place.engine) as connection:
        stamps = {"created_at": NOW, "updated_at": NOW}
        connection.execute(insert(learner).values(id=2, external_id="colleague", draw=2, **stamps))
        connection.execute(
            insert(champion).values(campaign_id=1, learner_id=1, score=5, state="invited", invited_at=NOW)
        )
        connection.execute(
            update(learner).where(learner.c.id == 1).values(preferred_language="de", timezone="Europe/Berlin")
        )
    return place


def visit(place: Place, who: int = 1) -> Response:
    place.client.cookies.clear()
    answer: Response = place.client.get(place.landing(who=who))
    return answer


def send(place: Place, **fields: str) -> Response:
    found = re.search(r'name="form_token" value="([^"]+)"', place.client.get("/me/peers").text)
    assert found
    return place.client.post("/me/peers/vouching", data={"form_token": found[1], **fields})


def state(place: Place) -> str:
    with reading(place.engine) as connection:
        return str(connection.execute(select(champion.c.state)).scalar_one())


def shown(place: Place) -> str:
    return html.unescape(place.client.get("/me/peers").text)


def name_of_campaign(place: Place) -> str:
    with reading(place.engine) as connection:
        return str(connection.execute(select(campaign.c.name).where(campaign.c.id == 1)).scalar_one())


def test_a_learner_says_yes_and_stops_again(asked: Place) -> None:
    visit(asked)
    name = name_of_campaign(asked)
    assert GERMAN("vouch_title", campaign=name) in shown(asked)
    done = send(asked, campaign="1", answer="yes")
    assert (done.status_code, done.headers["location"]) == (303, "/me/peers?done=answered")
    assert state(asked) == "accepted"
    assert GERMAN("vouching_title", campaign=name) in shown(asked)
    assert GERMAN("vouch_title", campaign=name) not in shown(asked)
    send(asked, campaign="1", answer="no")
    assert state(asked) == "rotated"
    assert GERMAN("vouching_title", campaign=name) not in shown(asked)


def test_a_no_ends_the_question_and_a_late_answer_is_told_so(asked: Place) -> None:
    visit(asked)
    send(asked, campaign="1", answer="no")
    assert state(asked) == "declined"
    late = send(asked, campaign="1", answer="yes")
    assert late.headers["location"] == "/me/peers?done=over"
    assert GERMAN("vouch_over") in html.unescape(asked.client.get("/me/peers?done=over").text)
    assert state(asked) == "declined"


def test_nobody_answers_for_somebody_else_or_without_the_form(asked: Place) -> None:
    visit(asked, who=2)
    assert GERMAN("vouch_yes") not in shown(asked)
    assert send(asked, campaign="1", answer="yes").headers["location"].endswith("done=over")
    for wrong in ({"campaign": "1"}, {"campaign": "x", "answer": "yes"}, {"campaign": "9" * 30, "answer": "yes"}):
        assert send(asked, **wrong).status_code == 400
    assert asked.client.post("/me/peers/vouching", data={"campaign": "1", "answer": "yes"}).status_code == 403
    assert state(asked) == "invited"


def test_looking_answers_nothing(asked: Place) -> None:
    visit(asked)
    for _ in range(3):
        asked.client.get("/me/peers")
    assert asked.client.get("/me/peers/vouching").status_code == 405
    assert state(asked) == "invited"


def test_an_invitation_leads_to_its_question_and_any_other_message_to_the_learners_page(asked: Place) -> None:
    assert visit(asked).headers["location"] == "/me"
    with writing(asked.engine) as connection:
        number = connection.execute(select(wave.c.id).order_by(wave.c.id)).scalars().first()
        if number is None:
            number = connection.execute(
                insert(wave).values(
                    id=1, campaign_id=1, key="champions.question@2026-01-27", series="champions.question",
                    on_day=date(2026, 1, 27), stage="champions", message_key="m", touch="pull",
                    message_class="nudge", family="f", scheduled_for=NOW, expires_at=NOW + timedelta(days=1), spec={},
                )
            ).inserted_primary_key[0]  # fmt: skip
        connection.execute(update(wave).values(stage="champions"))
    assert visit(asked).headers["location"] == "/me/peers"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_question_is_asked_in_the_learners_language(asked: Place, language: str) -> None:
    with writing(asked.engine) as connection:
        connection.execute(update(learner).where(learner.c.id == 1).values(preferred_language=language))
    visit(asked)
    words = words_for(language, "peers")
    assert words("vouch_yes") in shown(asked)
    send(asked, campaign="1", answer="yes")
    assert words("vouch_stop") in shown(asked)
