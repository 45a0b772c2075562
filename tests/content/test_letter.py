"""The words of letters, in every language, and what is filled into them."""

from __future__ import annotations

import pytest

from content.brand import load_brand
from content.letter import write_letter
from content.locale import load_locale
from pushpull.ledger.messages import EmailBody
from pushpull.ledger.vocabulary import LetterKind
from pushpull.settings import Settings

CONTENT = Settings(_env_file=None).content_dir
LINK = "https://learn.example/l/abc?x=1&y=2"
LANGUAGES = ("en", "de", "fr", "es")


def written(kind: LetterKind = LetterKind.FRESH_LINK, name: str = "Ada", language: str = "en") -> EmailBody:
    brand = load_brand("larkfield", CONTENT)
    return write_letter(kind, link=LINK, given_name=name, language=language, brand=brand)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", list(LetterKind))
def test_every_letter_exists_in_every_language(kind: LetterKind, language: str) -> None:
    letter = written(kind, language=f"{language}-XX")
    assert f'<html lang="{language}">' in letter.html
    assert LINK in letter.text
    assert LINK.replace("&", "&amp;") in letter.html
    assert "Ada" in letter.text
    assert "{" not in letter.text + letter.subject
    assert letter.unsubscribe_url == ""
    assert load_locale(language, CONTENT).language == language


def test_letters_are_different_in_every_language_and_kind() -> None:
    assert len({written(kind, language=each).text for kind in LetterKind for each in LANGUAGES}) == 8


def test_who_has_no_name_is_greeted_all_the_same() -> None:
    assert written(name=" ").text.startswith("Hello,\n")


def test_who_speaks_another_language_gets_english() -> None:
    assert written(language="pt").subject == written(language="").subject == "Your fresh link"


def test_a_name_is_data() -> None:
    letter = written(name="<script>{link}</script>\r\nBcc: x")
    assert "<script" not in letter.html
    assert "{link}" in letter.text
    assert "\nBcc" not in letter.text + letter.subject
