from __future__ import annotations

import pytest

from pushpull.learners.wording import Doubt, doubt_about, tidied


@pytest.mark.parametrize(
    ("words", "doubt"),
    [
        ("see https://spam.example/now", Doubt.LINK),
        ("more at www.example.org", Doubt.LINK),
        ("visit cheap-pills.com today", Doubt.LINK),
        ("write to ada@example.org", Doubt.ADDRESS),
        ("ada (at) example dot org", Doubt.ADDRESS),
        ("call +49 151 123 45 67", Doubt.PHONE),
        ("ring (030) 123-4567 please", Doubt.PHONE),
        ("\uff10\uff13\uff10 1234567", Doubt.PHONE),
        ("THIS IS THE WORST OF ALL", Doubt.SHOUTING),
        ("the trainer is an Idiot", Doubt.WORD),
        ("so ein Schwachsinn", Doubt.WORD),
        ("quelle MERDE", Doubt.WORD),
        ("una mierda", Doubt.WORD),
        ("\uff46\uff55\uff43\uff4b", Doubt.WORD),
    ],
)
def test_a_person_looks_at_it_first(words: str, doubt: Doubt) -> None:
    assert doubt_about(tidied(words)) is doubt


@pytest.mark.parametrize(
    "words",
    [
        "Short and clear. I use step 3 every day since 2024.",
        "10 of 10! Helped me in 2 meetings.",
        "GDPR, SQL and the FAQ explained well",
        "con ejemplos claros y en 5 minutos",
        "un peu en retard sur le sujet, mais utile",
        "the dummy data is fickle, e.g. row 7",
        "Dümmer wird man davon nicht; die Scheidung der Begriffe half.",
        "Node.js-like examples, 3.5 stars",
        "",
    ],
)
def test_harmless_words_do_not_wait(words: str) -> None:
    assert doubt_about(tidied(words)) is None


def test_words_are_made_plain() -> None:
    assert tidied(" a\u0301\t\x00b\u202e\u200bc\ud800\n\nd ") == "á bc d"
