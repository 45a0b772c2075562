"""Text messages: how long they are, and how they are kept to one segment."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from content.sms import GSM7, GSM7_BASIC, GSM7_EXTENSION, fits_one_segment, is_gsm7, measure, shorten, to_gsm7


def test_segments_are_counted_as_in_the_published_vectors(shared: Path) -> None:
    vectors = json.loads((shared / "contracts" / "vectors.json").read_text(encoding="utf-8"))["sms_segments"]
    assert set(map(chr, vectors["gsm7_basic_codepoints"])) == GSM7_BASIC
    assert set(map(chr, vectors["gsm7_extension_codepoints"])) == GSM7_EXTENSION
    assert len(vectors["vectors"]) == 36
    for vector in vectors["vectors"]:
        size = measure(vector["body"])
        assert (size.encoding, size.segments) == (vector["encoding"], vector["segments"]), vector["name"]
        assert fits_one_segment(vector["body"]) is (vector["segments"] == 1), vector["name"]


def test_our_plain_spelling_is_never_longer_than_the_providers_own(shared: Path) -> None:
    vectors = json.loads((shared / "contracts" / "vectors.json").read_text(encoding="utf-8"))["sms_segments"]["vectors"]
    smart = [vector for vector in vectors if "smart_encoding" in vector]
    assert smart
    for vector in smart:
        plain = to_gsm7(vector["body"]) or vector["body"]
        assert measure(plain).segments <= vector["smart_encoding"]["segments"], vector["name"]
        if vector["smart_encoding"]["encoding"] == "GSM-7":
            assert is_gsm7(plain), vector["name"]


@pytest.mark.parametrize(
    ("text", "encoding", "units", "segments"),
    [
        ("a" * 160, "GSM-7", 160, 1),
        ("a" * 161, "GSM-7", 161, 2),
        ("€" * 80, "GSM-7", 160, 1),
        ("€" * 81, "GSM-7", 162, 2),
        ("я" * 70, "UCS-2", 70, 1),
        ("я" * 71, "UCS-2", 71, 2),
        ("😀" * 35, "UCS-2", 70, 1),
        ("😀" * 36, "UCS-2", 72, 2),
        ("", "GSM-7", 0, 1),
    ],
)  # fmt: skip
def test_the_limits_of_one_segment(text: str, encoding: str, units: int, segments: int) -> None:
    size = measure(text)
    assert (size.encoding, size.units, size.segments) == (encoding, units, segments)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_the_quick_answer_is_the_exact_one(text: str) -> None:
    assert fits_one_segment(text) is (measure(text).segments == 1)


@given(st.text(alphabet=[*sorted(GSM7), "я", "😀"], max_size=400))
def test_a_longer_text_never_needs_fewer_segments(text: str) -> None:
    assert measure(text + "a").segments >= measure(text).segments


@pytest.mark.parametrize(
    ("text", "plain"),
    [("François", "Francois"), ("Łukasz", "Lukasz"), ("José", "José"), ("Nuñez", "Nuñez"), ("D’Arc", "D'Arc"),
     ("Ōe", "Oe"), ("Анна", None), ("محمد", None), ("李", None)],
)  # fmt: skip
def test_names_are_spelled_plainly_or_not_at_all(text: str, plain: str | None) -> None:
    assert to_gsm7(text) == plain
    assert plain is None or is_gsm7(plain)


@given(st.text(), st.integers(0, 50))
def test_shortened_text_keeps_to_its_limit(text: str, limit: int) -> None:
    assert len(shorten(text, limit)) <= limit
