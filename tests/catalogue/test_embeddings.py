"""What texts mean: measured on labelled texts, offline, and words alone where there is no model."""

from __future__ import annotations

import logging
import socket
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pushpull.catalogue import embeddings
from pushpull.catalogue.embeddings import Embeddings, shipped_embeddings
from pushpull.catalogue.similarity import IS_ABOUT, ContentModel
from tests.catalogue.labelled import TOPICS

LANGUAGES = [language for language, topics in TOPICS.items() for _ in topics]
TEXTS = [f"{topic.title}. {topic.summary}." for topics in TOPICS.values() for topic in topics]


@pytest.fixture
def nothing_read() -> Iterator[None]:
    """As in a process that has not read the model yet."""
    shipped_embeddings.cache_clear()
    yield
    shipped_embeddings.cache_clear()


def shares(model: ContentModel, language: str, wish: str) -> tuple[float, float, float]:
    """Of a language's wishes: found by what they are about, nearest to it, and of other pairs: taken for a match."""
    first = LANGUAGES.index(language)
    own = slice(first, first + len(TOPICS[language]))
    near = model.similarity([getattr(topic, wish) for topic in TOPICS[language]])[:, own]
    others = ~np.eye(len(near), dtype=bool)
    is_nearest = near.argmax(axis=1) == np.arange(len(near))
    return (
        float((np.diag(near) >= IS_ABOUT).mean()),
        float(is_nearest.mean()),
        float((near[others] >= IS_ABOUT).mean()),
    )


@pytest.mark.parametrize("language", list(TOPICS))
def test_the_same_words_are_found_in_every_language_and_hardly_anything_else_is(language: str) -> None:
    for model in (ContentModel.with_meaning(TEXTS, LANGUAGES), ContentModel(TEXTS)):
        found, nearest, wrong = shares(model, language, "same_words")
        assert (found, nearest) == (1, 1)
        assert wrong <= 0.03
        assert shares(model, language, "other_words")[2] <= 0.04


def test_english_is_understood_in_other_words_too() -> None:
    assert shares(ContentModel(TEXTS), "en", "other_words")[0] == 0
    found, nearest, _ = shares(ContentModel.with_meaning(TEXTS, LANGUAGES), "en", "other_words")
    assert found >= 0.8
    assert nearest == 1
    found, nearest, wrong = shares(ContentModel.with_meaning(TEXTS, [None] * len(TEXTS)), "en", "other_words")
    assert found >= 0.7  # told from its small words that it is English
    assert wrong <= 0.03


@pytest.mark.usefixtures("nothing_read")
def test_the_model_is_read_without_network_and_changes_nothing_around_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the network was asked for")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    loggers = (list(logging.root.handlers), logging.root.level)
    model = shipped_embeddings()
    assert model is not None
    assert model.of(["feedback", "", "  "]).shape == (3, 256)
    assert (list(logging.root.handlers), logging.root.level) == loggers
    assert "wordllama" not in sys.modules  # its loader could download


def test_vectors_have_length_one_and_no_text_is_too_long_or_too_odd() -> None:
    model = shipped_embeddings()
    assert model is not None
    texts = ["a", "word " * 100_000, "\x00\ud7ff 🙂 日本語", "", " \n"]
    found = model.of(texts)
    assert np.isfinite(found).all()
    assert np.linalg.norm(found, axis=1).tolist() == pytest.approx([1, 1, 1, 0, 0], abs=1e-5)
    assert np.array_equal(model.of(texts * 900)[-5:], found)  # in several batches as in one


@pytest.mark.usefixtures("nothing_read")
@pytest.mark.parametrize("lacks", ["package", "files", "sense"])
def test_without_the_model_words_alone_compare_and_the_log_says_so_once(
    lacks: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if lacks == "sense":
        (tmp_path / "weights").mkdir()
        (tmp_path / "weights" / "l2_supercat_256.safetensors").write_bytes(b"not a model")
    spec = ModuleSpec("wordllama", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(embeddings, "find_spec", lambda _: None if lacks == "package" else spec)
    with caplog.at_level(logging.WARNING):
        model = ContentModel.with_meaning(TEXTS, LANGUAGES)
        ContentModel.with_meaning(TEXTS, LANGUAGES)
    assert [record.name for record in caplog.records] == ["pushpull.catalogue.embeddings"]
    assert shares(model, "en", "same_words")[:2] == (1, 1)
    assert shares(model, "en", "other_words")[0] == 0


def test_similarities_are_between_0_and_1_and_the_same_in_any_company() -> None:
    model, again = (ContentModel.with_meaning(TEXTS, LANGUAGES) for _ in range(2))
    wishes = [topic.other_words for topics in TOPICS.values() for topic in topics]
    together = model.similarity(wishes)
    assert together.min() >= 0
    assert together.max() <= 1
    alone = np.concatenate([again.similarity([each]) for each in reversed(wishes)])[::-1]
    assert np.array_equal(together, alone)
    assert np.allclose(np.diag(model.among(range(len(TEXTS)))), 1, atol=1e-5)
    assert np.array_equal(model.among([3, 5]), np.concatenate([again.among([3]), again.among([5])]))


def test_a_model_of_other_words_is_no_crash() -> None:
    model = shipped_embeddings()
    assert model is not None
    few = Embeddings(model._vectors[:10], model._tokenizer)
    assert np.isfinite(few.of(["numbers of words beyond the table"])).all()
