"""What is finished by the same people: what a learner is likely to finish after what they finished.

How likely: a linear model of each item on all others, in closed form (Steck, "Embarrassingly Shallow Autoencoders for
Sparse Data", WWW 2019), here on centred data, so that without any completion the estimate is the item's own rate:

    G = X'X - n p p' + 75 I,  P = inverse of G,  B_ij = -P_ij / P_jj (0 for i = j)
    rate_j = p_j + sum_i (x_i - p_i) B_ij

with X who (n learners) completed what, p the share of them who completed each item, and x what one learner completed.

Because of what: pairs of items whose completions are correlated (Sarwar, Karypis, Konstan, Riedl, "Item-Based
Collaborative Filtering Recommendation Algorithms", WWW 2001), shrunk where few did both (Bell, Koren, ICDM 2007):

    r(i, j) = both / (both + 10) x (both - expected) / sqrt(n_i (1 - n_i / n) n_j (1 - n_j / n))
    expected = n_i n_j / n

A pair counts from five people on who finished both (security: k = 5), and from a correlation, not shrunk, on that
chance alone rarely makes (2 / sqrt(n), and 0.05).

Below :data:`FEWEST_COMPLETIONS` completions by :data:`FEWEST_LEARNERS` learners of :data:`FEWEST_ITEMS` items all of it
is off: so little data tells nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from pushpull.catalogue.similarity import Matrix
from pushpull.catalogue.tables import item
from pushpull.learners.tables import learner, progress
from pushpull.learners.vocabulary import ProgressStatus

FEWEST_COMPLETIONS: Final = 200
FEWEST_LEARNERS: Final = 50
FEWEST_ITEMS: Final = 10

#: People who finished both, at least.
_BOTH_AT_LEAST = 5
_SHRINKAGE = 10.0
_LEAST = 0.05
_STANDARD_ERRORS = 2.0
#: Added to the diagonal: how much is needed to be believed, in completions.
_RIDGE = 75.0
#: Items in the linear model: the most completed ones; it takes the square of it in memory, 50 MB while it is made.
_MOST_ITEMS = 1_500
#: Items that one item speaks for, at most.
_NEIGHBOURS = 50
#: Completions that are looked at, about: above, a sample of learners stands for all. Some 50 MB while reading.
_MOST_COMPLETIONS = 500_000
#: Cells of pairs that are looked at together; bounds the memory to some tens of megabytes.
_CELLS = 4_000_000
#: Learners' draws are uniform below it.
_DRAWS = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Completions:
    """Who completed what: pairs of learner and item ids, each pair once."""

    learners: NDArray[np.int64]
    items: NDArray[np.int64]


def is_completed(as_of: datetime) -> ColumnElement[bool]:
    """Whether a row of ``progress`` says completed until ``as_of`` (aware)."""
    return and_(
        progress.c.status == ProgressStatus.COMPLETED,
        or_(progress.c.completed_at.is_(None), progress.c.completed_at <= as_of),
    )


def read_completions(connection: Connection, *, as_of: datetime, most: int = _MOST_COMPLETIONS) -> Completions:
    """Completions until ``as_of`` (aware), of all learners or of a sample that does not change from day to day."""
    counted = connection.execute(select(func.count()).select_from(progress).where(is_completed(as_of))).scalar_one()
    asked = select(progress.c.learner_id, progress.c.item_id).where(is_completed(as_of))
    if counted > most:
        share = int(_DRAWS * most / counted)
        asked = asked.join(learner, learner.c.id == progress.c.learner_id).where(learner.c.draw < share)
    asked = asked.join(item, item.c.id == progress.c.item_id).where(item.c.active.is_(True), item.c.part_of.is_(None))
    parts = [
        np.array([tuple(row) for row in part], dtype=np.int64)
        for part in connection.execute(asked.execution_options(yield_per=50_000)).partitions()
    ]
    pairs = np.concatenate([np.empty((0, 2), dtype=np.int64), *parts])
    return Completions(pairs[:, 0], pairs[:, 1])


class Together:
    """Which items speak for which.

    Args:
        speaks: a row per item: how much its completion speaks for each other one, 0 to 1; sparse.
        rates: share of learners who completed each item.
        modelled: the columns of the linear model.
        weights: of the linear model: what the completion of one (row) adds to the rate of another (column).
        people: learners it was learned from.
    """

    def __init__(
        self,
        speaks: Any,
        rates: NDArray[np.float64],
        modelled: NDArray[np.int64],
        weights: NDArray[np.float32],
        people: int,
    ) -> None:
        self._speaks = speaks.tocsr()
        self._by_column = speaks.tocsc()
        self._for: dict[int, dict[int, float]] = {}
        self._modelled = modelled
        self._place = np.full(len(rates), -1, dtype=np.int64)
        self._place[modelled] = np.arange(len(modelled))
        self._weights = weights
        self._people = people
        self._rates = rates[modelled].astype(np.float32)
        self._without = (rates[modelled] - rates[modelled] @ weights).astype(np.float32)
        self._scale = np.float32(1 / np.log1p(max(1.0, people * float(rates.max(initial=0)))))

    @classmethod
    def learn(cls, completions: Completions, column_of: Mapping[int, int]) -> Together | None:
        """From completions of the items that are on offer; None where there are too few.

        Args:
            column_of: by item id; completions of other items are left out.
        """
        from scipy.sparse import csr_matrix, vstack

        kept = np.isin(completions.items, np.fromiter(column_of, dtype=np.int64, count=len(column_of)))
        people, rows = np.unique(completions.learners[kept], return_inverse=True)
        columns = np.array([column_of[each] for each in completions.items[kept].tolist()], dtype=np.int64)
        if len(columns) < FEWEST_COMPLETIONS or len(people) < FEWEST_LEARNERS or len(np.unique(columns)) < FEWEST_ITEMS:
            return None
        size, n = len(column_of), len(people)
        did = csr_matrix((np.ones(len(rows), dtype=np.float32), (rows, columns)), shape=(n, size))
        did.data[:] = 1.0  # a pair that came twice counts once
        counts = np.asarray(did.sum(axis=0), dtype=np.float64).ravel()
        spread = np.sqrt(counts * (1 - counts / n))
        transposed = did.T.tocsr()
        step = max(1, _CELLS // size)
        blocks = []
        for start in range(0, size, step):
            both = (transposed[start : start + step] @ did).tocoo()
            i, j, together = both.row + start, both.col, both.data.astype(np.float64)
            known = (i != j) & (together >= _BOTH_AT_LEAST) & (spread[i] > 0) & (spread[j] > 0)
            i, j, together = i[known], j[known], together[known]
            near = (together - counts[i] * counts[j] / n) / (spread[i] * spread[j])
            counts_enough = near >= max(_LEAST, _STANDARD_ERRORS / np.sqrt(n))
            i, j, near, together = (each[counts_enough] for each in (i, j, near, together))
            near = np.round(near * together / (together + _SHRINKAGE), 6)
            blocks.append(_nearest(csr_matrix, i - start, j, near, (min(step, size - start), size)))
        modelled = np.sort(np.argsort(-counts, kind="stable")[:_MOST_ITEMS])
        return cls(vstack(blocks), counts / n, modelled, _linear(did[:, modelled], counts[modelled] / n), n)

    def supported(self, rows: NDArray[np.int64], columns: NDArray[np.int64], learners: int) -> Any:
        """For which items (column) a completion of a learner (row) speaks: as a sparse matrix.

        Args:
            rows, columns: of the completions.
            learners: how many rows there are.
        """
        return (_ones(rows, columns, (learners, self._speaks.shape[0])) @ self._speaks).tocoo()

    def add_popularity(self, value: Matrix, rows: NDArray[np.int64], columns: NDArray[np.int64], weight: float) -> None:
        """Make popularity in general, as it is in ``value``, that among people who finished what the learner did.

        Popularity is log(1 + people) over its largest value in general; where it differs, the difference is added.

        Args:
            value: of learners (row) and items (column); changed in place.
            rows, columns: of the learners' completions.
            weight: of popularity in ``value``.
        """
        place = self._place[columns]
        own = _ones(rows[place >= 0], place[place >= 0], (len(value), len(self._modelled)))
        rates = np.asarray(own @ self._weights, dtype=np.float32)
        rates += self._without
        np.clip(rates, 0, 1, out=rates)
        rates *= np.float32(self._people)
        np.log1p(rates, out=rates)
        rates -= np.log1p(self._rates * np.float32(self._people))
        rates *= np.float32(weight) * self._scale
        has_own = np.unique(rows)
        if len(self._modelled) == value.shape[1]:
            value[has_own] += rates[has_own]
        else:
            value[has_own[:, np.newaxis], self._modelled] += rates[has_own]

    def because(self, own: Sequence[int], column: int) -> int | None:
        """Which of the learner's own completions speaks most for an item; None where none does."""
        if column not in self._for:
            first, end = self._by_column.indptr[column : column + 2]
            listed = self._by_column.indices[first:end].tolist()
            self._for[column] = dict(zip(listed, self._by_column.data[first:end].tolist(), strict=True))
        speaking = self._for[column]
        return max((each for each in own if each in speaking), key=lambda each: (speaking[each], -each), default=None)


def _nearest(
    make: Any, i: NDArray[np.int64], j: NDArray[np.int64], near: NDArray[np.float64], shape: tuple[int, int]
) -> Any:
    """The nearest neighbours of each row; equal ones fall to the older item."""
    order = np.lexsort((j, -near, i))
    i, j, near = i[order], j[order], near[order]
    first = np.searchsorted(i, i)
    kept = np.arange(len(i)) - first < _NEIGHBOURS
    return make((near[kept].astype(np.float32), (i[kept], j[kept])), shape=shape)


def _ones(rows: NDArray[np.int64], columns: NDArray[np.int64], shape: tuple[int, int]) -> Any:
    from scipy.sparse import csr_matrix

    return csr_matrix((np.ones(len(rows), dtype=np.float32), (rows, columns)), shape=shape)


def _linear(did: Any, rates: NDArray[np.float64]) -> NDArray[np.float32]:
    """The weights of the linear model; see the module."""
    gram = np.asarray((did.T @ did).todense(), dtype=np.float64)
    gram -= did.shape[0] * np.outer(rates, rates)
    gram[np.diag_indices_from(gram)] += _RIDGE
    inverse = np.linalg.inv(gram)
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    return np.round(weights, 6).astype(np.float32)
