from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from sqlalchemy import delete, insert, select

from pushpull.db import reading, writing
from pushpull.importers.tabular import import_people
from pushpull.learners.choices import choices_of
from pushpull.learners.declared import declared, facts_of, why_of
from pushpull.learners.tables import learner, learner_choice, profile_fact
from pushpull.learners.vocabulary import FactKind
from pushpull.ledger.links import Claims, Purpose
from tests.web.conftest import NOW, Place
from tests.web.test_preferences import SHOWN, switches
from web.site import Site
from web.wishes import PARTS, Part
from web.words import FOLDER, LANGUAGES, words_for


def come(place: Place, *, who: int = 1) -> None:
    """Open the page's door as a link does."""
    claims = Claims(Purpose.LANDING, who, "", campaign_id=1, item_id=None, wave_id=None, rotation=0)
    place.client.cookies.set("__Host-pushpull", place.signer.session_token(claims, NOW + timedelta(hours=2)))


def shown(place: Place, path: str = "/me/choices") -> str:
    answer = place.client.get(path)
    assert answer.status_code == 200
    return str(answer.text)


def send(place: Place, part: str, **fields: Any) -> Any:
    token = re.search(r'name="form_token" value="(.*?)"', shown(place))
    assert token
    return place.client.post(f"/me/choices/{part}", data={"form_token": token[1], **fields})


def saved(place: Place, part: str, **fields: Any) -> str:
    """Send a form, follow it back, and read the page."""
    answer = send(place, part, **fields)
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"] == f"/me/choices?saved={part}#{part}"
    return shown(place, answer.headers["location"].partition("#")[0])


def said(place: Place, kind: FactKind) -> tuple[str, ...]:
    with reading(place.engine) as connection:
        return declared(connection, 1, kind)


def row(place: Place) -> tuple[str | None, int | None]:
    with reading(place.engine) as connection:
        found = connection.execute(
            select(learner.c.preferred_language, learner.c.preferred_hour).where(learner.c.id == 1)
        ).one()
    return found.preferred_language, found.preferred_hour


def everything(place: Place) -> list[Any]:
    with reading(place.engine) as connection:
        return [connection.execute(select(table)).all() for table in (learner, profile_fact, learner_choice)]


def english(place: Place) -> None:
    place.change(learner, preferred_language="en")


def test_reading_the_page_changes_nothing(place: Place) -> None:
    come(place)
    before = everything(place)
    for _ in range(2):
        shown(place)
        assert place.client.head("/me/choices").status_code in (200, 405)
        shown(place, "/me/choices?saved=why")
        shown(place, "/me/choices?saved=%3Cscript%3E")
    assert everything(place) == before


def test_without_a_visit_there_is_no_page_and_nothing_is_saved(place: Place) -> None:
    assert place.client.get("/me/choices").status_code == 401
    assert place.client.post("/me/choices/why", data={"why": "because"}).status_code == 401
    come(place)
    assert place.client.post("/me/choices/why", data={"why": "because"}).status_code == 403
    assert said(place, FactKind.WHY) == ()


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_speaks_every_language(place: Place, language: str) -> None:
    place.change(learner, preferred_language=language)
    come(place)
    words = words_for(language, "choices")
    text = unescape(shown(place))
    assert f'<html lang="{language}">' in text
    for part in Part:
        if part not in (Part.HOLDS, Part.FORMATS):
            assert words(part.value) in text
    assert words("privacy_why") in text
    assert words("council_title") not in text


def test_every_word_of_the_page_and_its_neighbours_is_used() -> None:
    templates = FOLDER.parent / "templates"
    names = ("choices.html.j2", "about.html.j2")
    text = "".join(path.read_text() for path in (*(templates / name for name in names), *FOLDER.parent.glob("*.py")))
    made = (
        "field_",
        "source_",
        "became_",
        "because_",
        "class_",
        "age_",
        "shelf_",
        "entries",
        "barrier_",
        "about_minutes",
    )
    for area in ("choices",):
        keys = re.findall(r"^(\w+):$", (FOLDER / f"{area}.yaml").read_text(), re.MULTILINE)
        unused = [key for key in keys if not key.startswith(made) and f'"{key}' not in text and key not in set(Part)]
        assert unused == []


def test_switches_are_those_of_the_page_behind_a_message(place: Place) -> None:
    come(place)
    text = saved(place, "messages", action="save", shown=SHOWN, on=["teams/learning", "sms/learning"])
    assert "Gespeichert: Nachrichten." in text
    expected = {"email/learning": False, "teams/learning": True, "sms/learning": True}
    assert switches(text) == expected
    assert switches(place.client.get(place.preferences()).text) == expected
    place.fill_in(place.preferences(), {"action": "stop"})
    assert not any(switches(shown(place)).values())
    saved(place, "messages", action="stop")
    assert place.said() >= {("*", "*", False)}
    assert send(place, "messages", action="?").status_code == 400


def test_a_pause_is_told_with_its_end_and_ended_at_a_word(place: Place) -> None:
    english(place)
    come(place)
    assert "You are on a pause until" not in shown(place)
    asked = datetime.now(UTC)
    text = saved(place, "pause", action="pause", days="3")
    assert "You are on a pause until" in text
    with reading(place.engine) as connection:
        until = choices_of(connection, 1).paused_until
    assert until is not None
    assert timedelta(days=2, hours=23) < until - asked <= timedelta(days=3, minutes=5)
    assert "You are on a pause until" not in saved(place, "pause", action="resume")


@pytest.mark.parametrize("days", ["0", "91", "", "-3", "2.5", "1e1", "x", "9" * 40, "٣", '"><b>'])
def test_a_pause_that_is_none_is_told_beside_its_field(place: Place, days: str) -> None:
    english(place)
    come(place)
    answer = send(place, "pause", action="pause", days=days)
    assert answer.status_code == 422
    text = answer.text
    assert "<title>Please check: Your choices</title>" in text
    assert '<p class="error" id="wrong-pause">Please give a number of days from 1 to 90.</p>' in text
    field = re.search(r'<input[^>]*id="days"[^>]*>', text)
    assert field is not None
    assert 'aria-describedby="days-hint wrong-pause"' in field[0]
    assert 'aria-invalid="true"' in field[0]
    assert "<b>" not in text
    with reading(place.engine) as connection:
        assert choices_of(connection, 1).paused_until is None


def test_an_hour_and_a_language_are_chosen_and_given_back(place: Place) -> None:
    come(place)
    text = saved(place, "hour", hour="9")
    assert '<option value="9" selected>09:00</option>' in text
    text = saved(place, "language", language="es")
    assert "Guardado: Idioma." in unescape(text)
    assert '<option value="es" lang="es" selected>Español</option>' in text
    assert row(place) == ("es", 9)
    saved(place, "hour", hour="")
    text = saved(place, "language", language="")
    assert row(place) == ("de-AT", None)
    assert '<html lang="de">' in text


@pytest.mark.parametrize(
    ("part", "fields"),
    [
        ("hour", {"hour": "24"}),
        ("hour", {"hour": "nine"}),
        ("language", {"language": "tlh"}),
        ("formats", {"format": "smoke-signals"}),
        ("goals", {"goal": "x" * 201}),
        ("goals", {"goal": ["a", "b", "c", "d", "e", "f"]}),
        ("why", {"why": "x" * 401}),
        ("habit", {"rest": list("0123456")}),
        ("habit", {"rest": ["7"]}),
    ],
)
def test_what_cannot_be_saved_is_told_beside_its_field_and_saved_nowhere(
    place: Place, part: str, fields: dict[str, Any]
) -> None:
    with writing(place.engine) as connection:
        connection.exec_driver_sql("UPDATE item SET format = 'video'")
    come(place)
    before = everything(place)
    answer = send(place, part, **fields)
    assert answer.status_code == 422
    assert f'id="wrong-{part}"' in answer.text
    assert 'role="alert"' in answer.text
    assert f"wrong-{part}" in "".join(re.findall(r'aria-describedby="([^"]*)"', answer.text))
    assert everything(place) == before
    for value in fields.values():
        if isinstance(value, str) and len(value) > 9:
            assert value in answer.text or part == "formats"  # what was typed is not lost


def test_formats_are_those_of_the_catalogue(place: Place) -> None:
    english(place)
    come(place)
    assert "formats-hint" not in shown(place)
    with writing(place.engine) as connection:
        connection.exec_driver_sql("UPDATE item SET format = 'video' WHERE id = 1")
        connection.exec_driver_sql("UPDATE item SET format = 'comic' WHERE id = 2")
    text = saved(place, "formats", format=["video", "comic"])
    assert len(re.findall(r'name="format" value="\w+" checked', text)) == 2
    assert said(place, FactKind.FORMAT) == ("comic", "video")
    saved(place, "formats")
    assert said(place, FactKind.FORMAT) == ()


def test_goals_are_kept_in_the_learners_words(place: Place) -> None:
    come(place)
    text = saved(place, "goals", goal=["  Speak <freely> ", "", "Rest", "Rest", ""])
    assert said(place, FactKind.GOAL) == ("Rest", "Speak <freely>")
    assert 'value="Speak &lt;freely&gt;"' in text
    saved(place, "goals", goal=["", ""])
    assert said(place, FactKind.GOAL) == ()


@pytest.mark.parametrize(
    "why",
    [
        'To lead <b>my</b> team & sleep "well" {{ 7 * 7 }}',
        "\n  first line left empty\r\nthen this  ",
        "für später 🌱 … \u200b\u202e'",
    ],
)
def test_the_why_comes_back_exactly_as_it_was_written(place: Place, why: str) -> None:
    come(place)
    text = saved(place, "why", why=why)
    kept = why.replace("\r\n", "\n")
    with reading(place.engine) as connection:
        assert why_of(connection, 1) == kept
    area = re.search(r"<textarea[^>]*>\n(.*?)</textarea>", text, re.DOTALL)
    assert area is not None
    assert unescape(area[1]) == kept
    assert "<b>my" not in text
    assert kept.strip() in unescape(shown(place, "/me"))
    saved(place, "why", why=" \r\n ")
    with reading(place.engine) as connection:
        assert why_of(connection, 1) is None


def test_habit_calendar_and_thanks_are_each_their_own(place: Place) -> None:
    come(place)
    saved(place, "habit", habit="yes", rest=["4", "5"])
    saved(place, "recognition", recognition="yes")
    saved(place, "holds", holds="yes")
    text = shown(place)
    with reading(place.engine) as connection:
        chosen = choices_of(connection, 1)
    assert (chosen.wants_habit, chosen.rest_days) == (True, {4, 5})
    assert chosen.wants_recognition
    assert chosen.wants_holds
    assert len(re.findall(r'name="rest" value="\d" checked', text)) == 2
    for part in ("habit", "recognition", "holds"):
        saved(place, part)
    with reading(place.engine) as connection:
        chosen = choices_of(connection, 1)
    assert {chosen.wants_habit, chosen.wants_recognition, chosen.wants_holds} == {False}
    assert chosen.rest_days == frozenset()


def test_a_part_that_does_not_exist_is_not_found(place: Place) -> None:
    come(place)
    assert send(place, "salary", amount="9").status_code == 404
    assert set(PARTS) == set(Part)


def test_an_import_overrules_nothing_that_a_learner_chose(place: Place, tmp_path: Any) -> None:
    come(place)
    saved(place, "language", language="fr")
    saved(place, "hour", hour="8")
    saved(place, "goals", goal=["Rest"])
    saved(place, "why", why="sleep")
    saved(place, "pause", action="pause", days="5")
    saved(place, "messages", action="save", shown=SHOWN, on=[])
    with reading(place.engine) as connection:
        before = (choices_of(connection, 1), facts_of(connection, 1))
    words = place.said()
    file = tmp_path / "people.csv"
    file.write_text("external_id,given_name,email,preferred_language,timezone\np-1,Eve,eve@example.org,es,Asia/Tokyo\n")
    import_people(place.engine, file, now=NOW, peppers=())
    with reading(place.engine) as connection:
        after = (choices_of(connection, 1), facts_of(connection, 1))
        name = connection.scalar(select(learner.c.given_name).where(learner.c.id == 1))
    assert name == "Eve"
    assert row(place) == ("fr", 8)
    assert after[0] == before[0]
    assert [each for each in after[1] if each.kind is not FactKind.HR_LANGUAGE] == [
        each for each in before[1] if each.kind is not FactKind.HR_LANGUAGE
    ]
    assert place.said() == words


def test_whoever_is_gone_has_no_page(place: Place) -> None:
    with writing(place.engine) as connection:
        connection.execute(
            insert(learner).values(id=2, external_id="p-2", draw=7, active=True, created_at=NOW, updated_at=NOW)
        )
    come(place, who=2)
    token = re.search(r'name="form_token" value="(.*?)"', shown(place))
    assert token
    with writing(place.engine) as connection:
        connection.execute(delete(learner).where(learner.c.id == 2))
    assert place.client.get("/me/choices").status_code == 401
    for part in Part:
        fields = {"action": "save", "days": "3", "why": "x", "hour": "9", "language": "en", "goal": "x"}
        answer = place.client.post(f"/me/choices/{part}", data={"form_token": token[1], **fields})
        assert answer.status_code == 401


def test_every_form_element_has_a_label_and_every_id_is_there_once(place: Place) -> None:
    with writing(place.engine) as connection:
        connection.exec_driver_sql("UPDATE item SET format = 'video'")
        connection.execute(insert(learner_choice).values(learner_id=1, wants_holds=True, rest_days=96, updated_at=NOW))
    come(place)
    text = shown(place)
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    labelled = set(re.findall(r'<label for="([^"]+)"', text))
    for tag in re.findall(r"<(?:input|select|textarea)[^>]*>", text):
        if 'type="hidden"' in tag or 'type="checkbox"' in tag:
            continue
        found = re.search(r'id="([^"]+)"', tag)
        assert found is not None
        assert found[1] in labelled
    for described in re.findall(r'aria-describedby="([^"]+)"', text):
        assert set(described.split()) <= set(ids)
    assert len(re.findall(r"<h1", text)) == 1
    assert "<script" not in text
    assert "style=" not in text
    assert text.count("<form ") == text.count('name="form_token"')


def test_under_an_agreement_with_the_works_council_the_page_says_so(place: Place) -> None:
    english(place)
    come(place)
    agreed = place.settings.model_copy(update={"works_council": True})
    place.client.app.state.site = Site(agreed, place.engine)  # type: ignore[attr-defined]
    text = unescape(shown(place))
    assert "Agreed with the works council" in text
    assert "We only count how many did." in text


@pytest.mark.parametrize(
    ("language", "said"),
    [
        (
            "en",
            ("Monday, Thursday", "about 12 minutes", "Microsoft Teams|Teams", "You would rather try things unobserved"),
        ),
        ("de", ("Montag, Donnerstag", "etwa 12 Minuten", "Teams", "Sie probieren lieber unbeobachtet")),
        ("fr", ("lundi, jeudi", "environ 12 minutes", "Teams", "Vous préférez essayer sans témoin")),
        ("es", ("lunes, jueves", "unos 12 minutos", "Teams", "Prefieres probar sin que te miren")),
    ],
)
def test_what_was_learned_reads_well_in_every_language(place: Place, language: str, said: tuple[str, ...]) -> None:
    learned = {"days": "mon thu", "session_minutes": "12", "channel": "teams", "barrier": "exposure", "topic": "sales"}
    with writing(place.engine) as connection:
        connection.execute(learner.update().values(preferred_language=language))
        for kind, value in learned.items():
            connection.execute(
                insert(profile_fact).values(
                    learner_id=1, kind=kind, value=value, source="learned", confidence=0.6, recorded_at=NOW
                )
            )
    come(place)
    text = unescape(shown(place, "/me/about"))
    for each in said:
        assert re.search(each, text), each
    assert "mon thu" not in text
    assert ">exposure<" not in text
