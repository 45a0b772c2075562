"""How well a score tells two groups apart: the area under the ROC curve, and whether one score does better.

Sources: E. R. DeLong, D. M. DeLong & D. L. Clarke-Pearson, "Comparing the areas under two or more correlated receiver
operating characteristic curves: a nonparametric approach", Biometrics 44, 1988, 837-845; computed by midranks as in X.
Sun & W. Xu, "Fast implementation of DeLong's algorithm", IEEE Signal Processing Letters 21, 2014, 1389-1393.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING

from pushpull.insights.proportions import Z_95

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Duel:
    """Two scores of the same people.

    Args:
        first, second: area under the curve of each, 0 to 1; 0.5 is chance.
        low, high: 95 % interval of ``second − first``.
    """

    first: float
    second: float
    low: float
    high: float

    @property
    def difference(self) -> float:
        """``second − first``."""
        return self.second - self.first

    @property
    def second_wins(self) -> bool:
        """Whether the whole interval lies above zero."""
        return self.low > 0


def duel(first: NDArray[np.float64], second: NDArray[np.float64], happened: NDArray[np.bool_]) -> Duel | None:
    """Compare two scores by DeLong's method.

    Args:
        first, second: the higher, the likelier.
        happened: what they foretell.

    Returns:
        None where fewer than two people are on a side: nothing can be said of the spread then.
    """
    import numpy as np
    from scipy.stats import rankdata

    yes, no = int(happened.sum()), int((~happened).sum())
    if min(yes, no) < 2:
        return None
    areas, of_yes, of_no = [], [], []
    for score in (first, second):
        among_all = rankdata(score)
        among_yes, among_no = rankdata(score[happened]), rankdata(score[~happened])
        areas.append((among_all[happened].sum() - yes * (yes + 1) / 2) / (yes * no))
        of_yes.append((among_all[happened] - among_yes) / no)
        of_no.append(1 - (among_all[~happened] - among_no) / yes)
    spread = np.cov(of_yes) / yes + np.cov(of_no) / no
    half = Z_95 * sqrt(max(0.0, float(spread[0, 0] + spread[1, 1] - 2 * spread[0, 1])))
    difference = float(areas[1] - areas[0])
    return Duel(float(areas[0]), float(areas[1]), difference - half, difference + half)
