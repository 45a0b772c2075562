"""The difference between two randomised groups, plain and adjusted for what was before, with 95 % intervals.

Numbers only: who is in which group is decided elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pushpull.insights.proportions import Z_80_POWER, Interval

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Truths = NDArray[np.bool_]

#: A covariate costs a degree of freedom in each group: one for so many people of the smaller group.
PEOPLE_PER_COVARIATE = 10
#: Of the part of a covariate's variance that the others do not explain; with less it says nothing of its own.
_OWN_PART = 1e-6


@dataclass(frozen=True, slots=True)
class Estimate:
    """A difference, treated minus held out.

    Args:
        error: its standard error.
        freedom: degrees of freedom of the t distribution its intervals are taken from.
    """

    value: float
    error: float
    freedom: float

    def interval(self, half_width_in_errors: float | None = None) -> Interval:
        """Two-sided; of 95 % at a day fixed beforehand, or so many standard errors to either side."""
        from scipy import stats

        width = stats.t.ppf(0.975, self.freedom) if half_width_in_errors is None else half_width_in_errors
        return Interval(self.value - float(width) * self.error, self.value + float(width) * self.error)

    @property
    def detectable(self) -> float:
        """The true difference that would have shown in four cases of five, at the 5 % level, two-sided."""
        from scipy import stats

        return (float(stats.t.ppf(0.975, self.freedom)) + Z_80_POWER) * self.error


def difference(outcome: Numbers, is_treated: Truths, covariates: Numbers | None = None) -> Estimate | None:
    """The difference of the groups' means, adjusted for covariates from before the treatment where there are any.

    In each group the outcome is regressed on the covariates, which are centred at the mean of everybody; the difference
    of the two constants is the effect. That is the fully interacted regression of W. Lin, "Agnostic notes on regression
    adjustments to experimental data: reexamining Freedman's critique", 2013, which never does worse than the plain
    difference in large samples. With one covariate it comes to CUPED (A. Deng, Y. Xu, R. Kohavi, T. Walker, "Improving
    the sensitivity of online controlled experiments by utilizing pre-experiment data", 2013). Standard errors are HC2
    (J. G. MacKinnon, H. White, 1985), which without covariates is Neyman's (C. Samii, P. M. Aronow, "On equivalencies
    between design-based and regression-based variance estimators", 2012); degrees of freedom are Satterthwaite's.

    Args:
        outcome: one number per person.
        covariates: people by covariates, or none. Those that are constant or say what others say are left out, and of
            the rest as many are used, from the first, as the smaller group has tens of people.

    Returns:
        None where a group has fewer than two people, or nothing varies in one of them: then no error can be known.
    """
    import numpy as np

    columns = _usable(covariates, is_treated)
    value, variances, freedoms = 0.0, [], []
    for side, sign in ((is_treated, 1.0), (~is_treated, -1.0)):
        constant, variance, freedom = _constant(outcome[side], columns[side])
        if variance is None or freedom < 1:
            return None
        value += sign * constant
        variances.append(variance)
        freedoms.append(freedom)
    total = sum(variances)
    if not np.isfinite(total) or total <= 0 or min(variances) <= 0:
        return None
    freedom = total**2 / sum(part**2 / each for part, each in zip(variances, freedoms, strict=True))
    return Estimate(float(value), float(np.sqrt(total)), float(freedom))


def residuals(outcomes: Numbers, is_treated: Truths, covariates: Numbers | None = None) -> Numbers:
    """What is left of each column of outcomes in each group when its mean and the covariates are taken out."""
    import numpy as np

    columns = _usable(covariates, is_treated)
    left = np.empty_like(outcomes)
    for side in (is_treated, ~is_treated):
        design = np.column_stack([np.ones(int(side.sum())), columns[side]])
        fitted, *_ = np.linalg.lstsq(design, outcomes[side], rcond=None)
        left[side] = outcomes[side] - design @ fitted
    return left


def explained(outcome: Numbers, is_treated: Truths, covariates: Numbers) -> float:
    """The share of an outcome's variance within the groups that the covariates explain, 0 to 1.

    Adjusted for the number of covariates (H. Theil, 1961), so that noise explains nothing on average.
    """
    import numpy as np

    columns = _usable(covariates, is_treated)
    whole = residuals(outcome[:, None], is_treated)
    left = residuals(outcome[:, None], is_treated, covariates)
    own, used = len(outcome) - 2, 2 * columns.shape[1]
    if not used or own - used < 1 or not np.sum(whole**2) > 0:
        return 0.0
    share = 1 - float(np.sum(left**2) / (own - used)) / float(np.sum(whole**2) / own)
    return min(1.0, max(0.0, share))


def _usable(covariates: Numbers | None, is_treated: Truths) -> Numbers:
    """The covariates centred and scaled, without those that say nothing of their own in one of the groups."""
    import numpy as np

    smaller = int(min(is_treated.sum(), (~is_treated).sum()))
    chosen: list[Numbers] = []
    for column in covariates.T if covariates is not None else ():
        if len(chosen) >= smaller // PEOPLE_PER_COVARIATE:
            break
        centred = column - column.mean()
        spread = float(centred.std())
        if not spread > 0:
            continue
        trial = [*chosen, centred / spread]
        if all(_is_spread(np.column_stack(trial)[side]) for side in (is_treated, ~is_treated)):
            chosen = trial
    return np.column_stack(chosen) if chosen else np.empty((len(is_treated), 0))


def _is_spread(columns: Numbers) -> bool:
    """Whether each column says something of its own, and of more than one person.

    Where a single person differs from all others, their outcome is fitted exactly (leverage 1, D. C. Hoaglin, R. E.
    Welsch, "The hat matrix in regression and ANOVA", 1978), and HC2 divides by zero.
    """
    import numpy as np

    design = np.column_stack([np.ones(len(columns)), columns])
    if np.linalg.matrix_rank(design, tol=_OWN_PART * np.sqrt(len(columns))) < design.shape[1]:
        return False
    basis, _ = np.linalg.qr(design)
    return bool((basis**2).sum(axis=1).max() < 1 - _OWN_PART)


def _constant(outcome: Numbers, columns: Numbers) -> tuple[float, float | None, float]:
    """The constant of a regression, its HC2 variance, and the degrees of freedom left."""
    import numpy as np
    from statsmodels.regression.linear_model import OLS

    freedom = len(outcome) - 1 - columns.shape[1]
    if freedom < 1:
        return 0.0, None, 0.0
    fitted = OLS(outcome, np.column_stack([np.ones(len(outcome)), columns])).fit(cov_type="HC2")
    return float(fitted.params[0]), float(fitted.cov_params()[0, 0]), float(freedom)
