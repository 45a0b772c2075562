"""If-then plans on the learner's page, on both databases."""

from __future__ import annotations

import html
import re
from itertools import product
from typing import Any

import pytest
from sqlalchemy import insert, update

from pushpull.db import writing
from pushpull.learners.plans import MOST_OPEN
from pushpull.learners.tables import cue_plan, learner
from pushpull.learners.vocabulary import Cue
from tests.web.planning import SEVEN, Visit, a_visit, at_seven, visit
from web.words import LANGUAGES

__all__ = ["at_seven", "visit"]

PLAN: dict[str, Any] = {"cue": "before_email", "item": "1", "day": ["0", "1", "2", "3", "4"], "at": "", "step": "keep"}


def test_a_plan_is_read_back_as_its_sentence(visit: Visit) -> None:
    assert "You have no plan yet" in visit.page()
    answer = visit.send("/me/plans", **{**PLAN, "at": "08:45", "remind": "yes"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/me/plans?done=plan")
    page = visit.page("/me/plans?done=plan")
    assert "Before I open my e-mail, I open “Saying no kindly” for two minutes." in page
    assert "Monday – Friday, about 08:45, with a reminder" in page
    assert "Your plan is kept." in page
    [row] = visit.rows(cue_plan)
    assert (row.cue, row.item_id, row.at_minute, row.weekdays, row.reminds) == ("before_email", 1, 525, 31, True)


def test_a_plan_in_own_words_is_escaped_and_about_whatever_is_next(visit: Visit) -> None:
    visit.send("/me/plans", **{**PLAN, "cue": "own", "cue_text": " After <b>tea</b> {x} ", "item": ""})
    text = visit.client.get("/me/plans").text
    assert "After &lt;b&gt;tea&lt;/b&gt; {x}: I open the next thing on my list for two minutes." in text
    assert "<b>" not in text


def test_a_moment_is_chosen_or_told_in_own_words_and_never_guessed(visit: Visit) -> None:
    assert not [each for each in re.findall(r'name="cue"[^>]*', visit.page()) if "checked" in each]
    assert "Choose a moment." in visit.send("/me/plans", **{**PLAN, "cue": ""}).text
    visit.send("/me/plans", **{**PLAN, "cue": "", "cue_text": "After tea"})
    assert "After tea: I open" in visit.page()


def test_a_sentence_can_be_seen_before_it_is_kept(visit: Visit) -> None:
    answer = visit.send("/me/plans", **{**PLAN, "cue": "after_lunch", "step": "preview", "at": "13:00"})
    assert answer.status_code == 200
    assert "After lunch, I open “Saying no kindly” for two minutes." in html.unescape(answer.text)
    assert 'value="13:00"' in answer.text
    assert visit.rows(cue_plan) == []


@pytest.mark.parametrize("item", ["", "2"])
def test_every_cue_makes_a_sentence_in_every_language(visit: Visit, item: str) -> None:
    for language, cue in product(LANGUAGES, Cue):
        with writing(visit.engine) as connection:
            connection.execute(update(learner).values(preferred_language=language))
        fields = {**PLAN, "cue": cue.value, "cue_text": "Tee", "item": item, "step": "preview"}
        text = html.unescape(visit.send("/me/plans", **fields).text)
        [sentence] = re.findall(r'<p class="note">[^<]*<strong>(.+?)</strong>', text)
        assert ("Better breaks" in sentence) == bool(item)
        assert f'lang="{language}"' in text


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"cue": "whenever"}, "Choose a moment.", "error-cue"),
    ({"cue": "own", "cue_text": " "}, "in your own words", "error-cue-text"),
    ({"cue": "own", "cue_text": "x" * 121}, "at most 120 characters", "error-cue-text"),
    ({"cue": "own", "cue_text": "a\x00b"}, "in your own words", "error-cue-text"),
    ({"item": "99"}, "no longer open", "error-item"),
    ({"item": str(2**70)}, "no longer open", "error-item"),
    ({"day": []}, "at least one day", "error-days"),
    ({"day": ["9", "x"]}, "at least one day", "error-days"),
    ({"remind": "yes"}, "needs a time", "error-at"),
    ({"at": "25:00"}, "needs a time", "error-at"),
]


def test_what_is_wrong_is_said_at_its_field_and_nothing_is_lost(visit: Visit) -> None:
    for changes, said, points_at in WRONG:
        answer = visit.send("/me/plans", **{**PLAN, "cue_text": "After tea", **changes})
        assert answer.status_code == 422
        assert said in html.unescape(answer.text)
        assert f'aria-describedby="{points_at}"' in answer.text
        assert answer.text.count(f'id="{points_at}"') == 1
    assert visit.rows(cue_plan) == []


def test_a_plan_is_changed_in_its_own_form_and_ended(visit: Visit) -> None:
    visit.send("/me/plans", **{**PLAN, "at": "08:45"})
    [row] = visit.rows(cue_plan)
    form = visit.page(f"/me/plans?edit={row.id}")
    assert "Change this plan" in form
    assert 'value="08:45"' in form
    assert visit.send(f"/me/plans/{row.id}", **{**PLAN, "cue": "between_calls", "day": "6"}).status_code == 303
    assert "Between two calls" in visit.page()
    assert visit.send(f"/me/plans/{row.id}/end").headers["location"] == "/me/plans?done=ended"
    assert "You have no plan yet" in visit.page()
    assert visit.send(f"/me/plans/{row.id}", **PLAN).status_code == 404
    assert visit.send(f"/me/plans/{row.id}/end").status_code == 303  # twice is as good


def test_five_plans_are_enough(visit: Visit) -> None:
    for number in range(MOST_OPEN):
        visit.send("/me/plans", **{**PLAN, "cue": "own", "cue_text": f"cue {number}"})
    assert "and that is plenty" in visit.page()
    assert 'name="cue"' not in visit.page()
    answer = visit.send("/me/plans", **PLAN)
    assert answer.status_code == 422
    assert "and that is plenty" in answer.text
    assert len(visit.rows(cue_plan)) == MOST_OPEN


def test_nobody_reaches_the_plans_of_another(visit: Visit) -> None:
    visit.send("/me/plans", **PLAN)
    with writing(visit.engine) as connection:
        connection.execute(insert(learner).values(id=2, external_id="p-2", draw=8, created_at=SEVEN, updated_at=SEVEN))
    [row] = visit.rows(cue_plan)
    other = a_visit(visit.client, visit.engine, visit.settings, who=2)
    assert "Saying no kindly” for" not in other.page(f"/me/plans?edit={row.id}")
    assert other.send(f"/me/plans/{row.id}", **{**PLAN, "cue": "after_lunch"}).status_code == 404
    other.send(f"/me/plans/{row.id}/end")
    assert visit.rows(cue_plan) == [row]


def test_a_form_needs_a_visit_and_its_token(visit: Visit) -> None:
    paths = ("", "/1", "/1/end", "/calendar", "/look", "/hold", "/hold/1/cancel", f"/hold/{2**70}/cancel")
    for path in paths:
        assert visit.client.post(f"/me/plans{path}", data={"form_token": "x", **PLAN}).status_code == 403
    visit.client.cookies.clear()
    for path in paths:
        assert visit.client.post(f"/me/plans{path}", data={"form_token": visit.token, **PLAN}).status_code == 401
    assert visit.client.get("/me/plans").status_code == 401


def test_odd_addresses_are_pages_too(visit: Visit) -> None:
    for query in ("edit=x", "edit=99999999999999999999", "edit=-1", "done=<b>", "done=hold"):
        answer = visit.client.get(f"/me/plans?{query}")
        assert answer.status_code == 200
        assert "<b>" not in answer.text
    assert visit.client.head("/me/plans").status_code == 200


def test_ids_that_no_row_can_have_are_not_there(visit: Visit) -> None:
    assert visit.send(f"/me/plans/{2**70}", **PLAN).status_code == 404
    assert visit.send(f"/me/plans/{2**70}/end").status_code == 404
    assert visit.send(f"/me/plans/hold/{2**70}/cancel").status_code == 303
    assert visit.client.get(f"/me/plans/hold/{2**70}.ics").status_code == 404
