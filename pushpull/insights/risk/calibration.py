"""Whether foretold shares come true: of those who are given 30 %, three in ten.

A score is made a share by a logistic curve (J. Platt, "Probabilistic outputs for support vector machines", 1999), which
needs fewer people than isotonic regression (A. Niculescu-Mizil & R. Caruana, "Predicting good probabilities with
supervised learning", ICML 2005: isotonic from about a thousand on). It is fitted where shares are made
(:mod:`pushpull.insights.risk.judges`); here they are checked.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi, sqrt
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: People are put into so many bins of equal size, by what was foretold.
BINS: Final = 5


@dataclass(frozen=True, slots=True)
class Calibration:
    """How far foretold shares are off.

    Args:
        error: expected calibration error: the mean over people of how far their bin's mean is off.
        by_chance: what it would be on average if every share were right: so few people never come out even.
        brier: mean square of foretold minus happened; lower is better.
    """

    error: float
    by_chance: float
    brier: float


def calibration(
    shares: NDArray[np.float64],
    happened: NDArray[np.bool_],
    *,
    by: NDArray[np.float64] | None = None,
    bins: int = BINS,
) -> Calibration:
    """Compare what was foretold with what happened.

    Equals always go into one bin, so there may be fewer bins than asked for.

    Sources: M. P. Naeini, G. F. Cooper & M. Hauskrecht, "Obtaining well calibrated probabilities using Bayesian
    binning", AAAI 2015; C. Guo, G. Pleiss, Y. Sun & K. Q. Weinberger, "On calibration of modern neural networks", ICML
    2017 (bins of equal width there, of equal size here: among few people most bins of equal width are nearly empty);
    G. W. Brier, "Verification of forecasts expressed in terms of probability", 1950.

    Args:
        shares: foretold, 0 to 1; at least one.
        by: what people are put into bins by; None: the shares. Where shares were made in several cuts from one score,
            it is to be that score: people who are equal by it differ in their shares only by whom each cut learned
            from, that is by what became of themselves, and bins made of that would find errors where there are none.
        bins: how many, at most.
    """
    import numpy as np

    # Equals have equal ranks, the middle of theirs, so that none of them is in another bin.
    order = shares if by is None else by
    ordered = np.sort(order)
    middle = (np.searchsorted(ordered, order, "left") + np.searchsorted(ordered, order, "right") - 1) / 2
    of_bin = (middle * bins / len(shares)).astype(np.int64)
    many = np.bincount(of_bin, minlength=bins)
    off = np.abs(np.bincount(of_bin, shares - happened, minlength=bins))
    # A sum of independent outcomes is nearly normal, whose mean distance from its centre is √(2 / π) of its spread.
    spread = np.sqrt(np.bincount(of_bin, shares * (1 - shares), minlength=bins))
    return Calibration(
        error=float(off.sum() / many.sum()),
        by_chance=float(sqrt(2 / pi) * spread.sum() / many.sum()),
        brier=float(np.mean((shares - happened) ** 2)),
    )
