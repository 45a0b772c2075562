"""Which sections more people leave from than an ordinary section of their kind, place and item would explain.

The hazard of leaving is a logistic model of discrete time over person-period data (Singer and Willett 2003, chapter
11): the section's place in its item, the learner's step and how many navigation pages they had passed, the kind of the
section and the item. What is expected at a section comes from a model that never saw it, so that a bad section does not
raise what is expected of itself; how little such a model may know is part of the test. The number of leavers is then a
sum of unequal coins, whose tail is computed (Poisson binomial; Y. Hong, "On computing the distribution function for the
Poisson binomial distribution", 2013). A leaving that is shared by several sections never makes that tail too small:
a mean of coins spreads less than the coins.

Over all sections that are compared, Benjamini and Hochberg ("Controlling the false discovery rate", 1995) hold the
share of false alarms; where nothing is wrong anywhere, that is the chance of any alarm at all.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

import numpy as np

from pushpull.insights.dropoff.exposure import Periods
from pushpull.insights.dropoff.tails import tail
from pushpull.insights.dropoff.visits import Flags, Floats, Ints, Visits
from pushpull.insights.small_numbers import FEWEST

#: The share of false alarms among the alarms. Below the 5 % that is promised: what is ordinary is itself a guess.
FALSE_ALARMS = 0.03
#: Learners who must have reached a section before it is compared.
FEWEST_EXPOSED = 20
#: A model needs so many ordinary sections to say what is ordinary.
FEWEST_SECTIONS = 4

#: Sections and leavers beyond which a kind or an item gets a level of its own.
_OWN_LEVEL_SECTIONS, _OWN_LEVEL_LEAVERS = 3, 10.0
#: Sections beyond which the hazard may bend over the item, where it does so by so many times its error: a bend that is
#: not there makes the ends of an item hard to judge.
_BEND_SECTIONS, _BENDS = 10, 2.5
#: Nodes at which the uncertainty of the model is averaged over.
_NODES = 9
#: Groups that steps are put into, where there are more of them.
_GROUPS = 12


@dataclass(frozen=True, slots=True)
class Compared:
    """One section beside what was expected of it.

    Args:
        section: its number.
        exposed, leavers: who reached it and who left there.
        expected: leavers at an ordinary section.
        expected_error: standard error of that.
        p_value: of so many leavers or more.
        q_value: of Benjamini and Hochberg.
    """

    section: int
    exposed: int
    leavers: float
    expected: float
    expected_error: float
    p_value: float
    q_value: float

    @property
    def stands_out(self) -> bool:
        """Whether it is called a hot spot."""
        return self.q_value <= FALSE_ALARMS and self.leavers >= FEWEST and self.leavers > self.expected


def compare(visits: Visits, periods: Periods, *, at_the_end: Flags) -> tuple[Compared, ...]:
    """Compare each section with what an ordinary one would be.

    A first look finds sections that stand far out; in the second they do not count as ordinary for the others.

    Args:
        at_the_end: sections after which there is nothing more, of items whose completion is never recorded; nobody
            can be said to have left there.

    Returns:
        The sections that enough learners reached; none where there are too few to know what is ordinary.
    """
    cells = _cells(periods)
    sizes = np.bincount(cells.section, weights=cells.count, minlength=len(visits.sections))
    compared = np.flatnonzero((sizes >= FEWEST_EXPOSED) & ~at_the_end)
    cells = cells.of(compared)
    if len(compared) <= FEWEST_SECTIONS or cells.events.sum() < FEWEST:
        return ()
    model = _Model(visits, periods, cells)
    found = model.expectations(compared.tolist(), frozenset())
    loud = frozenset(number for number, each in found.items() if each.p_value <= FALSE_ALARMS / len(compared))
    if loud and len(compared) - len(loud) >= FEWEST_SECTIONS:
        found = model.expectations(compared.tolist(), loud)
    if not found:
        return ()
    from scipy.stats import false_discovery_control

    adjusted = false_discovery_control([each.p_value for each in found.values()])
    return tuple(
        Compared(
            section=number,
            exposed=int(sizes[number]),
            leavers=float(cells.events[cells.section == number].sum()),
            expected=each.expected,
            expected_error=each.error,
            p_value=each.p_value,
            q_value=float(q_value),
        )
        for (number, each), q_value in zip(found.items(), adjusted, strict=True)
    )


@dataclass(frozen=True)
class _Cells:
    """Person-periods that the model cannot tell apart, counted; step and wandering as the model takes them."""

    section: Ints
    step: Floats
    wandered: Floats
    count: Floats
    events: Floats

    def of(self, sections: Ints) -> _Cells:
        """Those of some sections."""
        kept = np.isin(self.section, sections)
        return _Cells(self.section[kept], self.step[kept], self.wandered[kept], self.count[kept], self.events[kept])


def _cells(periods: Periods) -> _Cells:
    # One navigation page is passed by everybody: what is beyond it is searching.
    step = _grouped(periods.step.astype(np.float64))
    wandered = _grouped(np.log1p(np.maximum(periods.wandered - 1, 0)))
    rows = np.stack([periods.section.astype(np.float64), step, wandered])
    if not rows.shape[1]:
        return _Cells(periods.section, step, wandered, np.zeros(0), np.zeros(0))
    unique, of = np.unique(rows, axis=1, return_inverse=True)
    count = np.bincount(of.ravel()).astype(np.float64)
    events = np.bincount(of.ravel(), periods.event).astype(np.float64)
    return _Cells(unique[0].astype(np.int64), unique[1], unique[2], count, events)


def _grouped(values: Floats) -> Floats:
    """The values, or, where there are many different ones, the mean of the tenth or so they are in."""
    different = np.unique(values)
    if len(different) <= _GROUPS:
        return values
    edges = np.unique(np.quantile(values, np.linspace(0, 1, _GROUPS + 1)[1:-1]))
    group = np.searchsorted(edges, values, side="right")
    sums, sizes = np.bincount(group, values), np.bincount(group)
    return np.asarray((sums / np.maximum(sizes, 1))[group])


class _Expected(NamedTuple):
    """What an ordinary section would have: leavers, the error of that, and the chance of as many as there were."""

    expected: float
    error: float
    p_value: float


class _Fitted(NamedTuple):
    """A model: what its coefficients stand for, these, and how far they can be trusted."""

    design: Floats
    coefficients: Floats
    covariance: Floats


class _Model:
    """The hazard of leaving an ordinary section.

    Args:
        cells: of the sections that are compared.
    """

    def __init__(self, visits: Visits, periods: Periods, cells: _Cells) -> None:
        self._cells = cells
        place = periods.place[cells.section]
        columns = [np.ones(len(place)), place, cells.step, cells.wandered]
        self._levels: list[Flags] = []
        self._bend = (place - 0.5) ** 2 if len(np.unique(cells.section)) > _BEND_SECTIONS else None
        for names in ([each.item_key for each in visits.sections], [each.kind or "" for each in visits.sections]):
            of_cell = np.array(names)[cells.section]
            self._levels += [of_cell == name for name in sorted(set(of_cell.tolist()))]
        self._always = np.stack(columns, axis=1)

    def expectations(self, sections: list[int], loud: frozenset[int]) -> dict[int, _Expected]:
        """What the other sections lead to expect of each; without those of which they cannot say anything.

        Where no more people left than in the others, or too few to be shown, a model with the section in it will do.

        Args:
            loud: sections that are not ordinary.
        """
        found: dict[int, _Expected] = {}
        of_all = self._fitted(~np.isin(self._cells.section, list(loud)))
        for number in sections:
            own = self._cells.section == number
            rough = None if of_all is None else self._beside(own, of_all)
            events = float(self._cells.events[own].sum())
            if rough is None or (events >= FEWEST and events > rough.expected):
                without = self._fitted(~own & ~np.isin(self._cells.section, list(loud)))
                rough = None if without is None else self._beside(own, without)
            if rough is not None:
                found[number] = rough
        return found

    def _beside(self, own: Flags, fitted: _Fitted) -> _Expected:
        """One section beside a model."""
        design = fitted.design[own]
        linear = design @ fitted.coefficients
        count, events = self._cells.count[own], float(self._cells.events[own].sum())
        chance = _chance(linear)
        weight = count * chance * (1 - chance)
        expected, information = float(count @ chance), float(weight.sum())
        gradient = weight @ design
        error = sqrt(max(float(gradient @ fitted.covariance @ gradient), 0.0))
        spread = error / information if information > 0 else 0.0
        nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
        tails = [tail(count, _chance(linear + node * spread), int(events + 1e-9)) for node in nodes]
        return _Expected(expected, error, float(min(1.0, np.dot(weights / weights.sum(), tails))))

    def _fitted(self, others: Flags) -> _Fitted | None:
        if self._cells.events[others].sum() < FEWEST:
            return None
        design = self._design(others)
        design = design[:, _independent(design[others])]
        if self._bend is not None:
            bent = self._fit(np.column_stack([design, self._bend]), others)
            if bent is not None and bent.coefficients[-1] ** 2 > _BENDS**2 * bent.covariance[-1, -1]:
                return bent
        return self._fit(design, others)

    def _fit(self, design: Floats, others: Flags) -> _Fitted | None:
        found = _fit(design[others], self._cells.events[others], self._cells.count[others])
        return None if found is None else _Fitted(design, *found)

    def _design(self, others: Flags) -> Floats:
        """What the hazard may depend on; levels only where the other sections can fill them."""
        cells = self._cells
        levels = [
            level.astype(np.float64)
            for level in self._levels
            if len(np.unique(cells.section[others & level])) >= _OWN_LEVEL_SECTIONS
            and cells.events[others & level].sum() >= _OWN_LEVEL_LEAVERS
        ]
        return np.column_stack([self._always, *levels])


def _independent(design: Floats) -> Ints:
    """The columns of a design that the earlier ones do not make up, in order."""
    kept: list[int] = []
    basis = np.zeros((design.shape[0], 0))
    for column in range(design.shape[1]):
        vector = design[:, column]
        rest = vector - basis @ (basis.T @ vector)
        if np.linalg.norm(rest) > 1e-6 * max(float(np.linalg.norm(vector)), 1e-12):
            basis = np.column_stack([basis, rest / np.linalg.norm(rest)])
            kept.append(column)
    return np.array(kept, dtype=np.int64)


def _fit(design: Floats, events: Floats, count: Floats) -> tuple[Floats, Floats] | None:
    """Coefficients and their covariance; None where the model cannot be fitted."""
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM

    both = np.stack([events, count - events], axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it did not converge is seen below
        fitted = GLM(both, design, family=Binomial()).fit()
    coefficients, covariance = np.asarray(fitted.params), np.asarray(fitted.cov_params())
    if not (fitted.converged and np.isfinite(coefficients).all() and np.isfinite(covariance).all()):
        return None
    if abs(float(count @ fitted.fittedvalues) - float(events.sum())) > 0.01 * float(events.sum()) + 0.01:
        return None  # a true maximum leads to as many leavers as there were
    return coefficients, covariance


def _chance(linear: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(linear, -30, 30))))
