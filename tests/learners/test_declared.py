from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, insert, select

from pushpull.db import reading, writing
from pushpull.importers.tabular import import_people
from pushpull.learners.consent import UnknownLearner
from pushpull.learners.declared import as_typed, declare, declared, facts_of, why_of, withdraw
from pushpull.learners.tables import learner
from pushpull.learners.vocabulary import FactKind

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
LATER = NOW + timedelta(days=40)


@pytest.fixture
def ada(engine: Engine) -> int:
    """A learner whose language HR knows."""
    with writing(engine) as connection:
        connection.execute(
            insert(learner).values(
                id=1, external_id="p-1", preferred_language="fr", draw=7, active=True, created_at=NOW, updated_at=NOW
            )
        )
    return 1


def say(engine: Engine, kind: FactKind, *values: str, at: datetime = NOW) -> None:
    with writing(engine) as connection:
        declare(connection, 1, kind, values, at=at)


def stands(engine: Engine) -> tuple[str | None, int | None]:
    """The language and the hour that planning reads."""
    with reading(engine) as connection:
        row = connection.execute(select(learner.c.preferred_language, learner.c.preferred_hour)).one()
        return row.preferred_language, row.preferred_hour


def hr_says(engine: Engine, language: str, path: Path) -> None:
    path.write_text(f"external_id,preferred_language\np-1,{language}\n")
    report = import_people(engine, path, now=LATER, peppers=())
    assert report.rejected == 0


def test_a_word_is_kept_exactly_as_it_was_typed(engine: Engine, ada: int) -> None:
    typed = "  So that I can <b>lead</b> & sleep.\n\n\tDon’t ask “why” 🙂 "
    say(engine, FactKind.WHY, as_typed(typed.replace("\n", "\r\n") + "\0\x1b"))
    with reading(engine) as connection:
        assert why_of(connection, ada) == typed


@given(st.text(max_size=400))
def test_only_line_ends_and_control_characters_are_changed(text: str) -> None:
    kept = as_typed(text)
    assert as_typed(kept) == kept
    assert "\r" not in kept
    assert "\0" not in kept
    kept.encode()
    assert len(kept) <= len(text)
    if text.isprintable():
        assert kept == text


def test_a_new_word_takes_the_place_of_the_former_one(engine: Engine, ada: int) -> None:
    say(engine, FactKind.GOAL, "Speak freely", "Read balance sheets")
    say(engine, FactKind.GOAL, "Read balance sheets", "Rest", at=LATER)
    with reading(engine) as connection:
        facts = {each.value: each.recorded_at for each in facts_of(connection, ada)}
    assert facts == {"Read balance sheets": NOW, "Rest": LATER}  # what was said before keeps its age


def test_a_declared_language_survives_imports_and_hr_comes_back_when_it_is_withdrawn(
    engine: Engine, ada: int, tmp_path: Path
) -> None:
    file = tmp_path / "people.csv"
    say(engine, FactKind.LANGUAGE, "de")
    assert stands(engine)[0] == "de"
    hr_says(engine, "es", file)
    assert stands(engine)[0] == "de"
    with writing(engine) as connection:
        withdraw(connection, ada, FactKind.LANGUAGE, at=LATER)
        assert facts_of(connection, ada) == ()
    assert stands(engine)[0] == "es"
    hr_says(engine, "fr", file)
    assert stands(engine)[0] == "fr"


def test_choosing_what_hr_says_and_then_another_language_loses_nothing(
    engine: Engine, ada: int, tmp_path: Path
) -> None:
    say(engine, FactKind.LANGUAGE, "fr")
    say(engine, FactKind.LANGUAGE, "de")
    hr_says(engine, "de", tmp_path / "people.csv")
    say(engine, FactKind.LANGUAGE, "en")
    say(engine, FactKind.LANGUAGE)
    assert stands(engine)[0] == "de"


def test_hr_may_forget_a_language_while_another_one_is_chosen(engine: Engine, ada: int, tmp_path: Path) -> None:
    say(engine, FactKind.LANGUAGE, "de")
    hr_says(engine, "", tmp_path / "people.csv")
    assert stands(engine)[0] == "de"
    say(engine, FactKind.LANGUAGE)
    assert stands(engine)[0] is None


def test_a_chosen_language_does_not_make_an_unchanged_row_a_changed_one(
    engine: Engine, ada: int, tmp_path: Path
) -> None:
    say(engine, FactKind.LANGUAGE, "de")
    file = tmp_path / "people.csv"
    file.write_text("external_id,preferred_language\np-1,es\n")
    report = import_people(engine, file, now=LATER, peppers=())
    assert (report.accepted, report.duplicate) == (0, 1)


def test_a_chosen_hour_stands_until_it_is_withdrawn(engine: Engine, ada: int) -> None:
    with writing(engine) as connection:
        connection.execute(learner.update().values(preferred_hour=11))
    say(engine, FactKind.HOUR, "9")
    assert stands(engine)[1] == 9
    say(engine, FactKind.HOUR, "16")
    assert stands(engine)[1] == 16
    say(engine, FactKind.HOUR)
    assert stands(engine)[1] == 11


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (FactKind.GOAL, ["x" * 201]),
        (FactKind.GOAL, [""]),
        (FactKind.GOAL, list("abcdef")),
        (FactKind.WHY, ["x" * 401]),
        (FactKind.WHY, ["a", "b"]),
        (FactKind.HOUR, ["24"]),
        (FactKind.HOUR, ["noon"]),
    ],
)
def test_what_is_too_long_or_too_much_is_refused_whole(
    engine: Engine, ada: int, kind: FactKind, values: list[str]
) -> None:
    with pytest.raises(ValueError, match=r"has 1 to|at most|0 to 23"):
        say(engine, kind, *values)
    with reading(engine) as connection:
        assert declared(connection, ada, kind) == ()


def test_nobody_speaks_for_somebody_who_is_not_there(engine: Engine) -> None:
    with pytest.raises(UnknownLearner):
        say(engine, FactKind.WHY, "because")
