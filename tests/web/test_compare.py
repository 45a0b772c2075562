"""Things of the queue side by side: the catalogue's facts, and nothing that is not in the learner's queue."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import insert

from pushpull.catalogue.tables import item, item_requirement, item_tag
from pushpull.db import writing
from pushpull.learners.tables import learner, progress, review
from tests.web.conftest import NOW, Place
from tests.web.my_page import STAMPS, add, add_item, come, shown, speak, text_of


def rows(page: str) -> list[list[str]]:
    """The table, cell by cell."""
    table = page.partition("<table>")[2].partition("</table>")[0]
    found = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall(r"<tr[^>]*>(.*?)</tr>", table)]
    return [[re.sub(r"<[^>]*>", "", cell).strip() for cell in row] for row in found]


def add_to_queue(place: Place, item_id: int, title: str, **values: object) -> None:
    add_item(place, item_id, title, **values)
    add(place, progress, learner_id=1, item_id=item_id, status="assigned", due_at=NOW)


def test_three_stand_side_by_side_with_the_facts_of_the_catalogue(place: Place) -> None:
    speak(place, "en")
    place.change(item, minutes=None, level="basic", format="video", language="fr-CA", rating=4.3)
    add_to_queue(place, 3, "A <b>bold</b> step")
    add(place, item_tag, item_id=1, tag="focus")
    add(place, item_tag, item_id=1, tag="calm")
    add(place, item_requirement, item_id=1, requires_key="i-2")
    with writing(place.engine) as connection:
        people = [{"id": n, "external_id": f"r{n}", "draw": n, **STAMPS} for n in range(2, 7)]
        connection.execute(insert(learner), people)
        stars = {"item_id": 1, "rating": 4, "state": "published", "made_at": NOW, "updated_at": NOW}
        connection.execute(insert(review), [{"learner_id": each["id"], **stars} for each in people])
    come(place)
    answer = place.client.get("/me/compare")
    assert "<b>bold" not in answer.text
    found = {row[0]: row[1:] for row in rows(shown(place, "/me/compare"))}
    order = found["Fact"]
    first = {name: values[order.index("Saying no kindly")] for name, values in found.items()}
    assert first == {
        "Fact": "Saying no kindly",
        "Time": "not known",
        "Level": "basic",
        "Kind": "Video",
        "Language": "Français",
        "Rating": "4.5 of 5 stars, rated by 5 colleagues",
        "For people who care about": "calm, focus",
        "To be finished before": "Better breaks",
        "": "Start",
    }
    assert found["Time"][order.index("Better breaks")] == "5 min"
    assert found["Rating"][order.index("Better breaks")] == "Not enough ratings yet"


def test_what_was_chosen_is_compared_as_far_as_it_is_in_the_queue(place: Place) -> None:
    speak(place, "en")
    for number in range(3, 6):
        add_to_queue(place, number, f"Thing {number}")
    add_item(place, 9, "Somebody else's")
    come(place)
    page = shown(place, "/me/compare?item=5&item=4&item=9&item=x")
    assert sorted(rows(page)[0][1:]) == ["Thing 4", "Thing 5"]
    assert "Somebody else" not in page
    assert page.count("checked") == 2
    crowded = shown(place, "/me/compare?item=5&item=4&item=3&item=2")
    assert len(rows(crowded)[0]) == 4
    assert "At most 3 fit side by side" in crowded


def test_a_headed_table_can_be_reached_from_my_page_and_by_keyboard(place: Place) -> None:
    come(place)
    assert 'href="/me/compare"' in shown(place)
    page = shown(place, "/me/compare")
    assert page.count('<th scope="col"') == 3
    assert page.count('<th scope="row"') == 7
    assert 'role="region" aria-labelledby="compared" tabindex="0"' in page
    assert "<script" not in page


@pytest.mark.parametrize("language", ["de", "fr", "es"])
def test_it_speaks_the_learners_language(place: Place, language: str) -> None:
    speak(place, language)
    come(place)
    said = text_of(shown(place, "/me/compare"))
    assert {"de": "Nebeneinander", "fr": "Côte à côte", "es": "En paralelo"}[language] in said
    assert "not known" not in said


def test_one_thing_is_nothing_to_compare_and_nobody_sees_the_page_without_a_visit(place: Place) -> None:
    assert place.client.get("/me/compare").status_code == 401
    add(place, progress, learner_id=1, item_id=1, status="completed", completed_at=NOW)
    come(place)
    assert "nichts zu vergleichen" in shown(place, "/me/compare")
    assert 'href="/me/compare"' not in shown(place)
