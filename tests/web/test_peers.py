from __future__ import annotations

import html
import re
from datetime import timedelta

import pytest
from httpx import Response
from sqlalchemy import Table, func, insert, select, update

from pushpull.catalogue.tables import item, item_thread
from pushpull.db import reading, writing
from pushpull.learners.asking import spell_of
from pushpull.learners.reviews import rate
from pushpull.learners.tables import (
    learner,
    learner_choice,
    progress,
    queue_place,
    recognition,
    referral,
    review,
    review_ask,
    share,
)
from tests.web.conftest import NOW, Place
from web.shares import AREA
from web.words import words_for

GERMAN = words_for("de", AREA)


def visit(place: Place, who: int = 1) -> None:
    place.client.cookies.clear()
    assert place.client.get(place.landing(who=who)).status_code == 303


def send(place: Place, page: str, to: str, **fields: str) -> Response:
    """Send a form of a page as a browser does."""
    found = re.search(r'name="form_token" value="([^"]+)"', place.client.get(page).text)
    assert found, page
    return place.client.post(to, data={"form_token": found[1], **fields})


def count(place: Place, table: Table) -> int:
    with reading(place.engine) as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def colleagues(place: Place, *, people: int = 6) -> None:
    """Learners 2 and on, who have used item 1."""
    stamps = {"created_at": NOW, "updated_at": NOW}
    with writing(place.engine) as connection:
        for n in range(2, 2 + people):
            connection.execute(
                insert(learner).values(
                    id=n, external_id=f"p-{n}", given_name=f"Grace{n}", family_name="Hopper", department="Compilers",
                    preferred_language="en", draw=n, active=True, **stamps,
                )
            )  # fmt: skip
            connection.execute(
                insert(progress).values(learner_id=n, item_id=1, status="completed", started_at=NOW, completed_at=NOW)
            )


def test_an_items_page_says_what_it_is_and_how_to_begin(place: Place) -> None:
    assert place.client.get("/me/items/1").status_code == 401
    place.change(item, format="video", language="en", summary="How to say <b>no</b>")
    visit(place)
    text = place.client.get("/me/items/1").text
    assert "Saying no kindly" in text
    assert "How to say &lt;b&gt;no&lt;/b&gt;" in text
    assert "Video · 5 Min. · auf Englisch" in text
    assert 'href="/me/start/1"' in text
    assert "https://courses.example" not in text
    assert GERMAN("too_few_ratings") in text
    assert GERMAN("rate_later") in text
    assert 'name="rating"' not in text
    assert text.count("<h1") == 1


@pytest.mark.parametrize("path", ["/me/items/99", "/me/items/0", f"/me/items/{10**30}", "/me/items/x"])
def test_what_is_no_item_is_not_there(place: Place, path: str) -> None:
    visit(place)
    assert place.client.get(path).status_code == 404


def test_what_is_closed_is_shown_to_who_used_it(place: Place) -> None:
    with writing(place.engine) as connection:
        connection.execute(update(item).values(active=False))
    visit(place)
    assert place.client.get("/me/items/1").status_code == 404
    text = place.client.get("/me/items/2").text
    assert GERMAN("closed_item") in text
    assert "/me/start/" not in text
    assert GERMAN("make_link") not in text


def test_who_used_an_item_rates_it_changes_their_mind_and_takes_it_back(place: Place) -> None:
    visit(place)
    page, to = "/me/items/2", "/me/items/2/review"
    saved = send(place, page, to, rating="4", words="Kurz & klar", action="save")
    assert (saved.status_code, saved.headers["location"]) == (303, "/me/items/2?done=saved")
    text = place.client.get(saved.headers["location"]).text
    assert GERMAN("review_saved") in text
    assert "Kurz &amp; klar</textarea>" in text
    assert re.search(r'value="4" required checked', text)
    held = send(place, page, to, rating="5", words="siehe www.example.org", action="save")
    assert held.headers["location"] == "/me/items/2?done=held"
    assert GERMAN("review_waits") in place.client.get(page).text
    gone = send(place, page, to, action="withdraw")
    assert gone.headers["location"] == "/me/items/2?done=withdrawn"
    assert count(place, review) == 0
    assert " checked" not in place.client.get(page).text


def test_mistakes_are_told_next_to_the_field_and_nothing_is_lost(place: Place) -> None:
    visit(place)
    page, to = "/me/items/2", "/me/items/2/review"
    for rating in ("", "0", "6", "x", "４"):
        wrong = send(place, page, to, rating=rating, words="kurz", action="save")
        assert wrong.status_code == 422
        assert 'aria-describedby="rating-error"' in wrong.text
        assert GERMAN("stars_missing") in wrong.text
        assert "kurz</textarea>" in wrong.text
    long = send(place, page, to, rating="3", words="ü" * 501, action="save")
    assert long.status_code == 422
    assert 'aria-describedby="words-hint words-error"' in long.text
    assert re.search(r'value="3" required checked', long.text)
    assert count(place, review) == 0


def test_nobody_rates_what_they_did_not_use_and_no_other_site_rates_for_them(place: Place) -> None:
    visit(place)
    assert send(place, "/me/items/2", "/me/items/1/review", rating="5", action="save").status_code == 404
    assert place.client.post("/me/items/2/review", data={"rating": "5", "action": "save"}).status_code == 403
    assert place.client.post("/me/items/2/share").status_code == 403
    assert place.client.post("/me/peers/naming", data={"named": "yes"}).status_code == 403
    place.client.cookies.clear()
    assert place.client.post("/me/items/2/review", data={"rating": "5"}).status_code == 401
    assert [count(place, table) for table in (review, share, learner_choice, review_ask)] == [0, 0, 0, 0]


def test_looking_changes_nothing(place: Place) -> None:
    colleagues(place)
    visit(place)
    tables = (review, review_ask, share, referral, queue_place, learner_choice, recognition, progress)
    with writing(place.engine) as connection:
        connection.execute(insert(share).values(id=9, learner_id=2, item_id=1, made_at=NOW))
        before = [connection.execute(select(table)).all() for table in tables]
    token = place.path(place.signer.share_url(9))
    for path in ("/me/peers", "/me/items/1", "/me/items/2", token):
        for method in ("GET", "HEAD"):
            place.client.request(method, path)
    place.client.cookies.clear()
    assert place.client.get(token).status_code == 200
    with reading(place.engine) as connection:
        assert [connection.execute(select(table)).all() for table in tables] == before


def test_averages_need_five_raters_and_words_name_nobody(place: Place) -> None:
    colleagues(place)
    visit(place)
    for n in range(2, 7):
        assert GERMAN("too_few_ratings") in place.client.get("/me/items/1").text
        with writing(place.engine) as connection:
            rate(connection, n, 1, rating=5, words=f"words of {n}", language="en", at=NOW)
    text = html.unescape(place.client.get("/me/items/1").text)
    assert f"{GERMAN('stars_of', stars='4.5')} · {GERMAN('raters', n=5)}" in text
    assert text.count('<blockquote lang="en">words of') == 5
    assert "Grace" not in text
    assert "Hopper" not in text
    assert "Compilers" not in text


def test_a_thread_is_a_plain_link_that_names_its_place(place: Place) -> None:
    visit(place)
    with writing(place.engine) as connection:
        connection.execute(
            insert(item_thread).values(item_id=1, url="https://firm.slack.com/a?b=1&c=2", who="ops", set_at=NOW)
        )
    text = place.client.get("/me/items/1").text
    assert 'href="https://firm.slack.com/a?b=1&amp;c=2" rel="noreferrer">Gespräch in Slack öffnen' in text


def test_a_link_is_made_once_and_shown_for_copying(place: Place) -> None:
    visit(place)
    made = send(place, "/me/items/1", "/me/items/1/share")
    assert (made.status_code, made.headers["location"]) == (303, "/me/items/1#share")
    with reading(place.engine) as connection:
        share_id = connection.execute(select(share.c.id)).scalar_one()
    text = place.client.get("/me/items/1").text
    assert f'readonly value="{place.signer.share_url(share_id)}"' in text
    assert GERMAN("make_link") not in text
    assert send(place, "/me/peers", "/me/items/99/share").status_code == 404
    assert count(place, share) == 1


def shared_by(place: Place, who: int, item_id: int = 1) -> str:
    with writing(place.engine) as connection:
        connection.execute(insert(share).values(id=50 + who, learner_id=who, item_id=item_id, made_at=NOW))
    return place.path(place.signer.share_url(50 + who))


def test_a_stranger_sees_what_it_is_and_neither_who_nor_where(place: Place) -> None:
    colleagues(place)
    path = shared_by(place, 2)
    answer = place.client.get(path, headers={"accept-language": "fr"})
    french = words_for("fr", AREA)
    text = html.unescape(answer.text)
    assert answer.status_code == 200
    assert "Saying no kindly" in text
    assert french("somebody_shared") in text
    assert french("how_to_get_in") in text
    for never in ("Grace", "courses.example", "<form", "/me/"):
        assert never not in text
    assert "set-cookie" not in answer.headers
    assert place.client.post(path).status_code == 401


def test_who_shared_it_is_named_only_when_they_agreed(place: Place) -> None:
    colleagues(place)
    path = shared_by(place, 2)
    with writing(place.engine) as connection:
        connection.execute(insert(learner_choice).values(learner_id=2, wants_recognition=True, updated_at=NOW))
    text = place.client.get(path).text
    assert "Grace2 thinks" in text
    assert "Hopper" not in text


def test_a_visitor_takes_it_into_their_queue_once_and_never_from_themselves(place: Place) -> None:
    colleagues(place)
    first, other, own = shared_by(place, 2), shared_by(place, 3), shared_by(place, 1)
    visit(place)
    assert GERMAN("own_share") in place.client.get(own).text
    assert place.client.get(own).text.count("<form") == 0
    token = re.search(r'name="form_token" value="([^"]+)"', place.client.get(first).text)
    assert token
    assert place.client.post(first).status_code == 403
    fields = {"form_token": token[1]}
    assert place.client.post(own, data=fields).headers["location"] == "/me/items/1"
    assert count(place, referral) == 0
    for path in (first, first, other):
        taken = place.client.post(path, data=fields)
        assert (taken.status_code, taken.headers["location"]) == (303, "/me")
    with reading(place.engine) as connection:
        assert [tuple(row) for row in connection.execute(select(referral.c.learner_id, referral.c.share_id))] == [
            (1, 52)
        ]
        assert connection.execute(select(queue_place.c.learner_id, queue_place.c.item_id)).all() == [(1, 1)]
    known = shared_by(place, 4, item_id=2)
    assert place.client.post(known, data=fields).headers["location"] == "/me/items/2"


def test_what_is_gone_behind_a_link_is_not_there(place: Place) -> None:
    colleagues(place)
    path = shared_by(place, 2)
    place.change(item, active=False)
    assert place.client.get(path).status_code == 404
    assert place.client.get(place.path(place.signer.share_url(999))).status_code == 404
    assert place.client.get(place.landing().replace("/l/", "/s/")).status_code == 404


def test_the_wall_shows_who_agreed_and_the_switch_is_beside_it(place: Place) -> None:
    colleagues(place)
    with writing(place.engine) as connection:
        for n in (2, 3):
            connection.execute(
                insert(recognition).values(
                    learner_id=n, campaign_id=1, kind="came_back", earned_at=NOW, post_state="wanted", amount=3
                )
            )
        connection.execute(insert(learner_choice).values(learner_id=2, wants_recognition=True, updated_at=NOW))
    visit(place)
    text = html.unescape(place.client.get("/me/peers").text)
    assert f"<strong>Grace2 H.</strong> {GERMAN('thanks_came_back')}" in text
    assert "Grace3" not in text
    for wish, words in (("yes", "named_on"), ("no", "named_off")):
        chosen = send(place, "/me/peers", "/me/peers/naming", named=wish)
        assert chosen.headers["location"] == "/me/peers?done=named"
        text = html.unescape(place.client.get("/me/peers?done=named").text)
        assert GERMAN(words) in text
        assert GERMAN("saved") in text
    assert send(place, "/me/peers", "/me/peers/naming", named="perhaps").status_code == 400


def test_the_one_question_is_answered_or_put_off_on_the_page(place: Place) -> None:
    spell = spell_of(NOW, 7)
    with writing(place.engine) as connection:
        for n in range(10, 30):
            connection.execute(
                insert(item).values(
                    id=n, key=f"i-{n}", title=f"Thing {n}", url="https://x.example", created_at=NOW, updated_at=NOW
                )
            )  # fmt: skip
            connection.execute(insert(progress).values(learner_id=1, item_id=n, status="completed", completed_at=spell))
    visit(place)
    assert "/review" not in place.client.get("/me/peers").text  # of this spell: asked about in the next one
    with writing(place.engine) as connection:
        earlier = update(progress).where(progress.c.item_id >= 10)
        connection.execute(earlier.values(completed_at=spell - timedelta(days=1)))
    (to,) = re.findall(r'action="(/me/items/\d+/review)"', place.client.get("/me/peers").text)
    wrong = send(place, "/me/peers", to, **{"from": "peers", "rating": "", "words": "gut", "action": "save"})
    assert wrong.status_code == 422
    assert "gut</textarea>" in wrong.text
    put_off = send(place, "/me/peers", to, **{"from": "peers", "action": "not_now"})
    assert put_off.headers["location"] == "/me/peers"
    assert "/review" not in place.client.get("/me/peers").text
    assert (count(place, review_ask), count(place, review)) == (1, 0)
