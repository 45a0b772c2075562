"""Rule and model side by side, on people neither has seen, and which of them is believed.

The rule is the one to beat: it needs no past, and anybody can follow it (mission O3). The model is used only where its
area under the curve is surely larger and its shares come true.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from pushpull.insights.risk.behaviour import RECENCY, Features
from pushpull.insights.risk.calibration import Calibration, calibration
from pushpull.insights.risk.curves import Duel, duel
from pushpull.insights.risk.judges import Judge, boosted_trees, recency_rule
from pushpull.insights.risk.protected import refuse_protected
from pushpull.insights.small_numbers import FEWEST

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: A model whose shares are further off than this is not used.
WORST_CALIBRATION: Final = 0.05
#: With fewer of either kind, finished or not, nothing is compared.
FEWEST_OF_A_KIND: Final = 25

_FOLDS: Final = 5
_REPEATS: Final = 2


class HeldOut(StrEnum):
    """Whom the judges have not seen when they are tried."""

    COURSES = "held-out courses"
    LEARNERS = "held-out learners of one course"


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of one day.

    Args:
        day: the last day that was known.
        people: who could still fail to finish then; None where those who did, or who did not, are fewer than five.
        failed: how many of them did not; None with ``people``.
        areas: rule first, model second; None where too few are known.
        rule, model: how far their shares are off.
        used: who is believed.
        why: in words.
    """

    day: int
    people: int | None
    failed: int | None
    held_out: HeldOut
    areas: Duel | None
    rule: Calibration | None
    model: Calibration | None
    used: Judge
    why: str

    @property
    def calibration(self) -> Calibration | None:
        """Of the one that is used."""
        return self.rule if self.used is Judge.RULE else self.model


def trial(
    known: Features,
    failed: NDArray[np.bool_],
    courses: NDArray[np.int64],
    *,
    day: int,
    seed: int = 0,
) -> Trial:
    """Let both foretell what is known already, each learner by judges who learned from others.

    With several courses each is foretold from the others; with one, each fifth of its learners from the other four,
    :data:`_REPEATS` times over.

    Args:
        known: at the end of the day, of those who had neither finished nor left.
        failed: whether they did not finish.
        courses: which course each of them was in.
        day: the one that ``known`` is of.
        seed: of the cuts.

    Raises:
        ProtectedAttributeError: a feature's name is that of a protected attribute.
    """
    import numpy as np

    refuse_protected(known.names)
    people, lost = len(failed), int(failed.sum())
    is_few = min(lost, people - lost) < FEWEST
    people_told, lost_told = (None, None) if is_few else (people, lost)
    several = len(np.unique(courses)) > 1
    held_out = HeldOut.COURSES if several else HeldOut.LEARNERS
    if min(lost, people - lost) < FEWEST_OF_A_KIND:
        why = f"too few are known: a model needs {FEWEST_OF_A_KIND} who finished and as many who did not"
        return Trial(day, people_told, lost_told, held_out, None, None, None, Judge.RULE, why)
    by_rule, by_model = np.zeros(people), np.zeros(people)
    times = np.zeros(people)
    for seen, rest in _cuts(failed, courses, several=several, seed=seed):
        if min(failed[seen].sum(), (~failed[seen]).sum()) < _FOLDS:
            continue
        by_rule[rest] += recency_rule(known.of(seen), failed[seen])(known.of(rest))
        by_model[rest] += boosted_trees(known.of(seen), failed[seen])(known.of(rest))
        times[rest] += 1
    judged = times > 0
    if min(failed[judged].sum(), (~failed[judged]).sum()) < FEWEST_OF_A_KIND:
        why = "too few are known of other courses to learn from"
        return Trial(day, people_told, lost_told, held_out, None, None, None, Judge.RULE, why)
    happened = failed[judged]
    shares_of_rule, shares_of_model = by_rule[judged] / times[judged], by_model[judged] / times[judged]
    # The rule itself is how long somebody was away; its shares are made in each cut anew.
    away = known[RECENCY][judged]
    areas = duel(away, shares_of_model, happened)
    assert areas is not None
    of_rule, of_model = calibration(shares_of_rule, happened, by=away), calibration(shares_of_model, happened)
    used, why = _verdict(areas, of_model)
    return Trial(day, people_told, lost_told, held_out, areas, of_rule, of_model, used, why)


def _cuts(
    failed: NDArray[np.bool_], courses: NDArray[np.int64], *, several: bool, seed: int
) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Who is learned from, and who is foretold."""
    import numpy as np
    from sklearn.model_selection import StratifiedKFold

    if several:
        for course in np.unique(courses):
            yield courses != course, courses == course
        return
    for repeat in range(_REPEATS):
        for _, rest in StratifiedKFold(_FOLDS, shuffle=True, random_state=seed + repeat).split(failed, failed):
            foretold = np.zeros(len(failed), dtype=np.bool_)
            foretold[rest] = True
            yield ~foretold, foretold


def _verdict(areas: Duel, of_model: Calibration) -> tuple[Judge, str]:
    gain = f"{areas.difference:+.3f}, 95 % interval {areas.low:+.3f} to {areas.high:+.3f}"
    if not areas.second_wins:
        return Judge.RULE, f"the model does not surely tell them apart better than the rule (AUC {gain})"
    if of_model.error > WORST_CALIBRATION:
        return Judge.RULE, f"the model tells them apart better (AUC {gain}), but its shares are off by too much"
    return Judge.MODEL, f"the model surely tells them apart better than the rule (AUC {gain})"
