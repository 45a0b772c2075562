"""How near texts are to items: TF-IDF over title, summary and tags, cosine similarity.

Four languages share one vocabulary; their commonest words are left out, since in a small catalogue rarity alone does
not silence them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]

#: Cached similarities, in cells: 20 MB of them.
_CACHE_CELLS = 5_000_000

_COMMON = """
the and for with that this from your you are not how what why who can will into over more our their its use using
der die das den dem des ein eine einen einem einer und oder mit von für auf aus bei nach über unter zum zur wie was
ist sind nicht ich sie wir ihr mein dein auch als im am in an zu es
le la les un une des du de et ou avec pour sur dans par est sont pas que qui ce cette vos votre nos notre je il elle
el los las una unos unas y o con para por sobre es son no que como su sus mi tu del al en se lo
to of on or is it as at by be my we an in do get learn learning lernen apprendre aprender
"""


class ContentModel:
    """The items' texts, ready to be compared with others.

    Args:
        texts: one per item, in the order in which similarities are given.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        # Late: a worker that only imports this module should not carry a hundred megabytes of scikit-learn.
        from sklearn.feature_extraction.text import TfidfVectorizer, strip_accents_unicode

        self._size = len(texts)
        self._vectorizer = TfidfVectorizer(
            strip_accents="unicode",
            stop_words=sorted({strip_accents_unicode(word) for word in _COMMON.split()}),
            ngram_range=(1, 2),
            sublinear_tf=True,
            dtype=np.float32,
        )
        try:
            self._items: Any = self._vectorizer.fit_transform([_spaced(text) for text in texts])
        except ValueError:  # no item has a word in it
            self._items = None
        self._known: dict[str, Matrix] = {}

    def similarity(self, texts: Sequence[str]) -> Matrix:
        """Cosine similarity, 0 to 1, of each text (row) to each item (column)."""
        if self._items is None or not texts:
            return np.zeros((len(texts), self._size), dtype=np.float32)
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            if (len(self._known) + len(new)) * self._size > _CACHE_CELLS:
                self._known.clear()
                new = list(dict.fromkeys(texts))
            vectors = self._vectorizer.transform([_spaced(text) for text in new])
            near = np.asarray((vectors @ self._items.T).todense(), dtype=np.float32)
            self._known.update(zip(new, near, strict=True))
        return np.stack([self._known[text] for text in texts])

    def twins(self, *, threshold: float) -> NDArray[np.int64]:
        """A group number per item: items that say nearly the same share one.

        Args:
            threshold: similarity, 0 to 1, from which two items are the same to a reader.
        """
        if self._items is None:
            return np.arange(self._size)
        from scipy.sparse.csgraph import connected_components  # type: ignore[import-untyped]

        near = self._items @ self._items.T
        near.data = (near.data >= threshold).astype(np.int8)
        near.eliminate_zeros()
        return np.asarray(connected_components(near, directed=False)[1], dtype=np.int64)


def _spaced(text: str) -> str:
    return text.replace("_", " ")
