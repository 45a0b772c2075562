"""The two that foretell: a rule, days since the last activity, and a model, gradient boosting over all features.

Both learn from learners whose course is over and answer with shares. Which of them is believed is decided elsewhere
(:mod:`pushpull.insights.risk.trial`).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from pushpull.insights.risk.behaviour import RECENCY, Features

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

#: Foretells shares for a table of features.
Foretells = Callable[[Features], "Floats"]

#: A few shallow trees: among some hundred learners more would learn them by heart.
_TREES: Final = {
    "max_iter": 50,
    "learning_rate": 0.06,
    "max_depth": 2,
    "min_samples_leaf": 20,
    "l2_regularization": 5.0,
    "early_stopping": False,
    "random_state": 0,
}
#: Parts into which those learned from are cut, so that the curve is fitted to scores of people the trees did not see.
_PARTS: Final = 3
_NEARLY: Final = 1e-4


class Judge(StrEnum):
    """Who foretells."""

    RULE = "recency rule"
    MODEL = "gradient boosting"


def recency_rule(known: Features, failed: Flags) -> Foretells:
    """The rule: the longer somebody was away, the less likely they finish; its curve is fitted to what happened.

    Args:
        known: of learners whose course is over.
        failed: whether they did not finish; some did, and some did not.
    """

    def score(asked: Features) -> Floats:
        import numpy as np

        return np.log1p(asked[RECENCY])  # a day more weighs the less, the longer it lasts already

    curve = _curve(score(known), failed)
    return lambda asked: curve(score(asked))


def boosted_trees(known: Features, failed: Flags) -> Foretells:
    """The model: J. H. Friedman, "Greedy function approximation: a gradient boosting machine", 2001, as scikit-learn's
    ``HistGradientBoostingClassifier``, and a logistic curve over its scores.

    Args:
        known: of learners whose course is over.
        failed: whether they did not finish; at least :data:`_PARTS` of either kind.
    """
    import numpy as np
    from sklearn.model_selection import StratifiedKFold
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    told = [place for place, column in enumerate(known.rows.T) if len(np.unique(column[~np.isnan(column)])) > 1]
    if not told:
        return recency_rule(known, failed)
    rows = known.rows[:, told]
    unseen = np.zeros(len(failed))
    with threadpool_limits(1):  # threads cost more than they bring among so few people
        for seen, rest in StratifiedKFold(_PARTS, shuffle=True, random_state=1).split(rows, failed):
            unseen[rest] = _score(_trees(rows[seen], failed[seen]), rows[rest])
        trees = _trees(rows, failed)
    curve = _curve(unseen, failed)

    def foretold(asked: Features) -> Floats:
        with threadpool_limits(1):
            return curve(_score(trees, asked.rows[:, told]))

    return foretold


def _trees(rows: Floats, failed: Flags) -> Any:
    import numpy as np
    from sklearn.ensemble import HistGradientBoostingClassifier

    # A column of nothing but unknowns has no bins, which scikit-learn does not expect.
    rows = np.where(np.isnan(rows).all(axis=0), 0.0, rows)
    return HistGradientBoostingClassifier(**_TREES).fit(rows, failed)


def _score(trees: Any, rows: Floats) -> Floats:
    import numpy as np

    shares = np.clip(trees.predict_proba(rows)[:, 1], _NEARLY, 1 - _NEARLY)
    logits: Floats = np.log(shares / (1 - shares))
    return logits


def _curve(scores: Floats, failed: Flags) -> Callable[[Floats], Floats]:
    """A logistic curve that makes shares of scores; it never falls, so that it leaves the order as it is."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(C=1e3, solver="newton-cholesky").fit(scores[:, None], failed)
    slope, base = max(0.0, float(fitted.coef_[0, 0])), float(fitted.intercept_[0])
    if slope == 0.0:  # the score tells nothing: everybody gets the share of all
        share = float(failed.mean())
        return lambda asked: np.full(len(asked), share)
    return lambda asked: 1 / (1 + np.exp(-(base + slope * asked)))
