"""The shares of an experiment's variants compared with the first: numbers only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pushpull.insights.experiments.tally import Shown
from pushpull.insights.proportions import Z_80_POWER, Z_95, Interval
from pushpull.insights.small_numbers import FEWEST
from pushpull.insights.uplift.estimates import Estimate
from pushpull.insights.uplift.sequences import ALPHA, errors_allowed

#: So many successes and so many failures a variant needs before its share is near a normal distribution.
FEWEST_EITHER_WAY = 5


@dataclass(frozen=True, slots=True)
class Compared:
    """A variant against the control, as fractions of 1; parts are None where there is too little.

    Args:
        difference: its share minus the control's.
        interval: 95 %, on a day fixed beforehand.
        p_value: two-sided, corrected for the number of variants (S. Holm, "A simple sequentially rejective multiple
            test procedure", 1979).
        sequential_interval: holds at every look and for all variants together, 95 %.
        detectable: the true difference that would have shown in four cases of five.
    """

    variant: str
    difference: float | None
    interval: Interval | None
    p_value: float | None
    sequential_interval: Interval | None
    detectable: float | None

    def direction(self, *, is_final: bool) -> int:
        """1: better than the control; -1: worse; 0: cannot tell."""
        if is_final:
            if self.p_value is None or self.difference is None or self.p_value > ALPHA:
                return 0
            return 1 if self.difference > 0 else -1
        interval = self.sequential_interval
        if interval is None or interval.holds(0.0):
            return 0
        return 1 if interval.low > 0 else -1


def compared(messages: Sequence[Shown], variants: Sequence[str], *, min_effect: float) -> tuple[Compared, ...]:
    """Every variant but the first, compared with the first.

    Each message is weighted by one over the chance of its variant (D. G. Horvitz, D. J. Thompson, 1952, with the
    weights normalised as by J. Hájek, 1971), so that variants that were sent more often in some weeks than in others
    are compared over the same weeks. Errors are clustered by learner, who may have got several messages (K.-Y. Liang,
    S. L. Zeger, 1986). Looks are honest by the sequences of :mod:`pushpull.insights.uplift.sequences`, whose clock is
    people here, tuned for as many as it takes to see ``min_effect``.
    """
    control, others = variants[0], variants[1:]
    estimates = {variant: _against(messages, control, variant) for variant in others}
    corrected = _holm({variant: _p_value(each) for variant, each in estimates.items() if each is not None})
    found = []
    for variant in others:
        estimate = estimates[variant]
        if estimate is None:
            found.append(Compared(variant, None, None, None, None, None))
            continue
        people = len({each.learner_id for each in messages if each.variant in (control, variant)})
        allowed = errors_allowed(
            estimate, float(people), tuned_for=float(people_for(min_effect)), alpha=ALPHA / len(others)
        )
        found.append(
            Compared(
                variant,
                estimate.value,
                estimate.interval(),
                corrected[variant],
                estimate.interval(allowed),
                estimate.detectable,
            )
        )
    return tuple(found)


def people_for(min_effect: float) -> int:
    """How many people, half on each side, it takes to see a difference of shares in four cases of five, at worst."""
    return round(((Z_95 + Z_80_POWER) / min_effect) ** 2)  # twice 2 · p (1 - p) of it, where p is a half


def _against(messages: Sequence[Shown], control: str, variant: str) -> Estimate | None:
    import numpy as np
    from statsmodels.regression.linear_model import WLS

    both = [each for each in messages if each.variant in (control, variant)]
    sizes = []
    for side in (control, variant):
        successes = [each.succeeded for each in both if each.variant == side]
        if min(sum(successes), len(successes) - sum(successes)) < max(FEWEST, FEWEST_EITHER_WAY):
            return None
        sizes.append(len({each.learner_id for each in both if each.variant == side}))
    if min(sizes) < FEWEST:  # many messages to a few people: errors by learner cannot be known, nor may they be shown
        return None
    outcome = np.array([each.succeeded for each in both], dtype=float)
    is_variant = np.array([each.variant == variant for each in both], dtype=float)
    design = np.column_stack([np.ones(len(both)), is_variant])
    _, learners = np.unique([each.learner_id for each in both], return_inverse=True)
    fitted = WLS(outcome, design, weights=np.array([1 / each.chance for each in both])).fit(
        cov_type="cluster", cov_kwds={"groups": learners}
    )
    error = float(np.sqrt(fitted.cov_params()[1, 1]))
    return Estimate(float(fitted.params[1]), error, float(min(sizes) - 1)) if error > 0 else None


def _p_value(estimate: Estimate) -> float:
    from scipy import stats

    return float(2 * stats.t.sf(abs(estimate.value) / estimate.error, estimate.freedom))


def _holm(p_values: dict[str, float]) -> dict[str, float]:
    corrected: dict[str, float] = {}
    so_far = 0.0
    for at, (variant, p_value) in enumerate(sorted(p_values.items(), key=lambda each: each[1])):
        so_far = max(so_far, min(1.0, (len(p_values) - at) * p_value))
        corrected[variant] = so_far
    return corrected
