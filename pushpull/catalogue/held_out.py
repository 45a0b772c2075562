"""The past cut in two for each learner: what a recommender may know, and what it is then asked to foresee.

Each learner's completions are put in order of time; the last fifth of them, at least one, is held out, and the rest is
known. Who completed fewer than three items on offer gives nothing to hold out. A cut per learner rather than one date
for all keeps everybody's past; Meng et al., "Exploring Data Splitting Strategies for the Evaluation of Recommendation
Models" (RecSys 2020), compare both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from pushpull.catalogue.together import Completions, is_completed
from pushpull.learners.tables import learner, progress

#: Completions on offer of a learner whose latest are held out.
FEWEST_OF_A_LEARNER: Final = 3
#: The share of a learner's completions that is held out.
SHARE: Final = 0.2


@dataclass(frozen=True, slots=True)
class Split:
    """What is known and what is held out.

    Args:
        known: completions a recommender may learn from.
        held_out: item ids by learner id.
        cuts: by learner id, when the first held-out one was completed.
        departments: of all learners in it, by id; None is unknown.
    """

    known: Completions
    held_out: Mapping[int, frozenset[int]]
    cuts: Mapping[int, datetime]
    departments: Mapping[int, str | None]

    @property
    def finishers(self) -> Mapping[tuple[int, str | None], int]:
        """How many people of each department completed each item, as far as is known."""
        return Counter(
            (item_id, self.departments[learner_id])
            for learner_id, item_id in zip(self.known.learners.tolist(), self.known.items.tolist(), strict=True)
        )


def split(connection: Connection, offered: frozenset[int], *, as_of: datetime) -> Split:
    """Cut what was completed until ``as_of`` (aware).

    Args:
        offered: ids of the items that may be foreseen; completions of others and those without a time are known.
    """
    rows = connection.execute(
        select(progress.c.learner_id, progress.c.item_id, progress.c.completed_at, learner.c.department)
        .join(learner, learner.c.id == progress.c.learner_id)
        .where(is_completed(as_of))
        .order_by(progress.c.learner_id, progress.c.completed_at, progress.c.item_id)
    ).all()
    dated: dict[int, list[tuple[datetime, int]]] = {}
    for row in rows:
        if row.item_id in offered and row.completed_at is not None:
            dated.setdefault(row.learner_id, []).append((row.completed_at, row.item_id))
    held: dict[int, frozenset[int]] = {}
    cuts: dict[int, datetime] = {}
    for learner_id, done in dated.items():
        if len(done) >= FEWEST_OF_A_LEARNER:
            latest = sorted(done)[-max(1, round(SHARE * len(done))) :]
            held[learner_id] = frozenset(item_id for _, item_id in latest)
            cuts[learner_id] = latest[0][0]
    known: NDArray[np.int64] = np.array(
        [(row.learner_id, row.item_id) for row in rows if row.item_id not in held.get(row.learner_id, frozenset())],
        dtype=np.int64,
    ).reshape(-1, 2)
    return Split(Completions(known[:, 0], known[:, 1]), held, cuts, {row.learner_id: row.department for row in rows})
