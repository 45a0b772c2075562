"""What texts mean, as vectors: a model of static word vectors that ships inside a package.

The vectors and the word list are files of the package ``wordllama`` (MIT licence; vectors distilled from a language
model's input layer, see its model card). They are read from where the package is installed: nothing is downloaded, and
the package's own loader, which could, is not even imported. A text's vector is the mean of the vectors of its words,
made to length 1; its commonest words are left out by the caller.

The model costs about 50 MB of memory and a quarter of a second, once per process. It knows English well, and little
more of other languages than their own spelling: see :data:`STANDS_OUT`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_LOG = logging.getLogger(__name__)

_PACKAGE: Final = "wordllama"
_VECTORS: Final = Path("weights/l2_supercat_256.safetensors")
_WORDS: Final = Path("tokenizers/l2_supercat_tokenizer_config.json")
#: A description's first so many characters say what it is about; longer ones only cost time.
_READ: Final = 1_000
#: Texts at once; bounds the memory beside the result to some megabytes.
_BATCH: Final = 2_000

#: Cosine from which two texts are about the same, where both are English, and in any other language. Measured on the
#: labelled texts of the tests: unrelated English texts are above it in about one of fifty pairs, and so are unrelated
#: texts in German, French or Spanish, which share so many word endings that they all look alike.
STANDS_OUT: Final = {"en": 0.19}
STANDS_OUT_ELSEWHERE: Final = 0.40


class Embeddings:
    """Vectors of texts.

    Args:
        vectors: one row per word piece.
        tokenizer: turns a text into numbers of word pieces.
    """

    def __init__(self, vectors: NDArray[np.float32], tokenizer: Any) -> None:
        self._vectors = vectors
        self._tokenizer = tokenizer

    def of(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """A row of length 1 per text; zeros for a text without words."""
        found = np.zeros((len(texts), self._vectors.shape[1]), dtype=np.float32)
        for start in range(0, len(texts), _BATCH):
            batch = texts[start : start + _BATCH]
            found[start : start + len(batch)] = self._sums(batch)
        lengths = np.linalg.norm(found, axis=1, keepdims=True)
        np.divide(found, lengths, out=found, where=lengths > 0)
        return found

    def _sums(self, texts: Sequence[str]) -> NDArray[np.float32]:
        from scipy.sparse import csr_matrix

        # One after another: many at once would start threads, which do not get along with forked processes.
        pieces = [self._tokenizer.encode(text[:_READ].strip(), add_special_tokens=False).ids for text in texts]
        ends = np.cumsum([0, *(len(each) for each in pieces)])
        columns = np.fromiter((number for each in pieces for number in each), dtype=np.int64, count=int(ends[-1]))
        np.clip(columns, 0, len(self._vectors) - 1, out=columns)
        counts = csr_matrix(
            (np.ones(len(columns), dtype=np.float32), columns, ends), shape=(len(texts), len(self._vectors))
        )
        return np.asarray(counts @ self._vectors, dtype=np.float32)


@cache
def shipped_embeddings() -> Embeddings | None:
    """The model of the installed package, read once; None, and one line in the log, where it cannot be read."""
    try:
        found = find_spec(_PACKAGE)
        folder = Path(next(iter(found.submodule_search_locations or ()))) if found else None
        if folder is None:
            raise FileNotFoundError(f"the package {_PACKAGE} is not installed")
        return read_embeddings(folder)
    except Exception as error:  # noqa: BLE001  # whatever is wrong with the model, words alone still compare
        _LOG.warning("texts are compared by their words alone: no text model (%s)", type(error).__name__)
        return None


def read_embeddings(folder: Path) -> Embeddings:
    """The model from the package's folder.

    Raises:
        Exception: the readers' own, where a file is missing or is not what it should be.
    """
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    vectors = load_file(folder / _VECTORS)["embedding.weight"].astype(np.float32)
    tokenizer = Tokenizer.from_file(str(folder / _WORDS))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return Embeddings(vectors, tokenizer)
