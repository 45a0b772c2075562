"""How near texts are to items: by their words and, where the model knows the language, by what they mean.

Words: TF-IDF over title, summary and tags, cosine similarity. Four languages share one vocabulary; their commonest
words are left out, since in a small catalogue rarity alone does not silence them. Meaning: the cosine of
:mod:`pushpull.catalogue.embeddings`, stretched so that the value from which two texts are about the same is
:data:`IS_ABOUT` for both. The larger of the two counts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pushpull.catalogue.embeddings import STANDS_OUT, STANDS_OUT_ELSEWHERE, Embeddings, shipped_embeddings

Matrix = NDArray[np.float32]

#: Similarity from which a text is a reason for an item.
IS_ABOUT: Final = 0.12

#: Cached similarities, in cells: 20 MB of them, once for texts and once for items among themselves.
_CACHE_CELLS = 5_000_000

_COMMON_IN = {
    "en": "the and for with that this from your you are not how what why who can will into over more our their its use "
    "using to of on or is it as at by be my we an in do get learn learning",
    "de": "der die das den dem des ein eine einen einem einer und oder mit von für auf aus bei nach über unter zum zur "
    "wie was ist sind nicht ich sie wir ihr mein dein auch als im am in an zu es lernen",
    "fr": "le la les un une des du de et ou avec pour sur dans par est sont pas que qui ce cette vos votre nos notre "
    "je il elle apprendre",
    "es": "el los las una unos unas y o con para por sobre es son no que como su sus mi tu del al en se lo aprender",
}
_COMMON = frozenset(word for words in _COMMON_IN.values() for word in words.split())
_WORD = re.compile(r"\w+")


class ContentModel:
    """The items' texts, ready to be compared with others.

    Args:
        texts: one per item, in the order in which similarities are given.
        languages: of the texts, BCP 47; None is unknown, and then taken for English where its small words are.
        embeddings: of meaning; None: words alone.
    """

    def __init__(
        self,
        texts: Sequence[str],
        languages: Sequence[str | None] | None = None,
        *,
        embeddings: Embeddings | None = None,
    ) -> None:
        # Late: a worker that only imports this module should not carry a hundred megabytes of scikit-learn.
        from sklearn.feature_extraction.text import TfidfVectorizer, strip_accents_unicode

        self._size = len(texts)
        self._vectorizer = TfidfVectorizer(
            strip_accents="unicode",
            stop_words=sorted({strip_accents_unicode(word) for word in _COMMON}),
            ngram_range=(1, 2),
            sublinear_tf=True,
            dtype=np.float32,
        )
        spaced = [_spaced(text) for text in texts]
        try:
            self._items: Any = self._vectorizer.fit_transform(spaced)
        except ValueError:  # no item has a word in it
            self._items = None
        self._embeddings = embeddings
        self._meanings: NDArray[np.float64] | None = None
        if embeddings is not None and texts:
            self._meanings = embeddings.of([_telling(text) for text in spaced]).astype(np.float64)
            known = languages or [None] * len(texts)
            self._stands_out = np.array(
                [
                    STANDS_OUT.get(_base(language) if language else _looks_like(text), STANDS_OUT_ELSEWHERE)
                    for language, text in zip(known, spaced, strict=True)
                ],
                dtype=np.float32,
            )
        self._known: dict[str, Matrix] = {}
        self._among: dict[int, Matrix] = {}

    @classmethod
    def with_meaning(cls, texts: Sequence[str], languages: Sequence[str | None]) -> ContentModel:
        """With the shipped model of meaning, as far as it can be read."""
        return cls(texts, languages, embeddings=shipped_embeddings())

    def similarity(self, texts: Sequence[str]) -> Matrix:
        """How near each text (row) is to each item (column), 0 to 1."""
        if not texts or not self._size:
            return np.zeros((len(texts), self._size), dtype=np.float32)
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            if (len(self._known) + len(new)) * self._size > _CACHE_CELLS:
                self._known.clear()
                new = list(dict.fromkeys(texts))
            self._known.update(zip(new, self._compare(new), strict=True))
        return np.stack([self._known[text] for text in texts])

    def among(self, columns: Sequence[int]) -> Matrix:
        """How near each of these items (row) is to each item (column), 0 to 1."""
        new = [column for column in dict.fromkeys(columns) if column not in self._among]
        if new:
            if (len(self._among) + len(new)) * self._size > _CACHE_CELLS:
                self._among.clear()
                new = list(dict.fromkeys(columns))
            near = np.zeros((len(new), self._size), dtype=np.float32)
            if self._items is not None:
                near = np.asarray((self._items[new] @ self._items.T).todense(), dtype=np.float32)
            if self._meanings is not None:
                needed = np.maximum(self._stands_out[new][:, np.newaxis], self._stands_out)
                near = np.maximum(near, _stretched(self._meanings[new] @ self._meanings.T, needed))
            self._among.update(zip(new, near, strict=True))
        return np.stack([self._among[column] for column in columns])

    def twins(self, *, threshold: float) -> NDArray[np.int64]:
        """A group number per item: items that say nearly the same, in the same words, share one.

        Args:
            threshold: similarity of words, 0 to 1, from which two items are the same to a reader.
        """
        if self._items is None:
            return np.arange(self._size)
        from scipy.sparse.csgraph import connected_components

        near = self._items @ self._items.T
        near.data = (near.data >= threshold).astype(np.int8)
        near.eliminate_zeros()
        return np.asarray(connected_components(near, directed=False)[1], dtype=np.int64)

    def _compare(self, texts: Sequence[str]) -> Matrix:
        spaced = [_spaced(text) for text in texts]
        near = np.zeros((len(texts), self._size), dtype=np.float32)
        if self._items is not None:
            near = np.asarray((self._vectorizer.transform(spaced) @ self._items.T).todense(), dtype=np.float32)
        if self._embeddings is not None and self._meanings is not None:
            meanings = self._embeddings.of([_telling(text) for text in spaced])
            near = np.maximum(near, _stretched(meanings @ self._meanings.T, self._stands_out))
        return near


def _stretched(cosine: NDArray[np.float64], stands_out: Matrix) -> Matrix:
    """Cosines on the scale of the words' similarity: two straight lines through (0, 0), (what stands out, IS_ABOUT) and
    (1, 1).

    They are rounded: the last digits of a product depend on how many texts were multiplied at once.
    """
    cosine = np.round(cosine, 5)
    below = cosine * (IS_ABOUT / stands_out)
    above = IS_ABOUT + (cosine - stands_out) * ((1 - IS_ABOUT) / (1 - stands_out))
    return np.clip(np.where(cosine < stands_out, below, above), 0, 1).astype(np.float32)


def _spaced(text: str) -> str:
    return text.replace("_", " ")


def _telling(text: str) -> str:
    """The text without its commonest words."""
    words = [word for word in _WORD.findall(text.casefold()) if word not in _COMMON]
    return " ".join(words)


def _looks_like(text: str) -> str:
    """The language whose small words are most frequent in a text; empty where none is."""
    words = _WORD.findall(text.casefold())
    counted = {language: sum(word in known for word in words) for language, known in _SMALL.items()}
    best = max(counted, key=lambda language: counted[language])
    return best if counted[best] and list(counted.values()).count(counted[best]) == 1 else ""


_SMALL = {language: frozenset(words.split()) for language, words in _COMMON_IN.items()}


def _base(language: str) -> str:
    return language.replace("_", "-").split("-")[0].casefold()
