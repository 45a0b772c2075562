"""What learners did in the first days of a course, and the features that are made of it: the only ones there are.

Days are counted from the start of the course; day 0 is the first one, earlier ones are negative. A feature of day ``t``
knows nothing of what happened after it. Where the records come from is not known here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pushpull.insights.risk.protected import refuse_protected

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Whole = NDArray[np.int64]

#: The feature that the rule looks at.
RECENCY: Final = "days_since_last_activity"

_WEEK: Final = 7
#: What was done longer before the start counts as done on this day.
_EARLIEST: Final = -28


@dataclass(frozen=True, eq=False)
class Behaviour:
    """What was recorded of some learners in one course; learners are numbered from 0.

    Args:
        people: how many learners.
        visit_who, visit_day, visit_count: records of activity: whose, on which day, how many.
        section_who, section_day: the first time somebody was in a section: whose, and on which day.
        sections: how many sections there are; 0 where nobody knows.
        task_who, task_due, task_done: dated goals: whose, the day each is due, the day it was done (infinite: not yet).
    """

    people: int
    visit_who: Whole
    visit_day: Whole
    visit_count: Floats
    section_who: Whole
    section_day: Whole
    sections: int
    task_who: Whole
    task_due: Floats
    task_done: Floats


@dataclass(frozen=True, eq=False)
class Features:
    """A table of features: a row per learner, a column per name.

    Raises:
        ProtectedAttributeError: a name is that of a protected attribute.
        ValueError: there is not one name per column.
    """

    names: tuple[str, ...]
    rows: Floats

    def __post_init__(self) -> None:
        refuse_protected(self.names)
        if self.rows.ndim != 2 or self.rows.shape[1] != len(self.names):
            raise ValueError(f"{len(self.names)} names do not fit a table of shape {self.rows.shape}")

    def __getitem__(self, name: str) -> Floats:
        return self.rows[:, self.names.index(name)]

    def of(self, chosen: NDArray[np.bool_]) -> Features:
        """The rows of some learners."""
        return Features(self.names, self.rows[chosen])


def features(behaviour: Behaviour, day: int) -> Features:
    """What is known of each learner at the end of a day.

    ============================== ====================================================================================
    feature                        meaning
    ============================== ====================================================================================
    days_since_last_activity       recency; of who never came: one day more than anybody could have
    active_days, … _of_7, _of_14   days with activity: ever, in the last week, in the last two
    records, records_of_7          how much was recorded, logarithm: ever, in the last week
    trend                          logarithm of the last week's records over those of the week before
    longest_streak                 active days in a row
    longest_silence                days in a row without activity between the first one and now
    sections_reached               share of all sections; unknown where there are none
    sections_reached_of_7          the same, those reached in the last week
    goals_done                     share of the dated goals due by now that are done; unknown while none is due
    goals_on_time                  share of these that were done by their day
    goals_ahead                    goals done that are not due yet
    ============================== ====================================================================================

    Args:
        day: the last day that counts.
    """
    import numpy as np

    people = behaviour.people
    known = behaviour.visit_day <= day
    who, days, counts = behaviour.visit_who[known], behaviour.visit_day[known], behaviour.visit_count[known]
    days = np.maximum(days, _EARLIEST)
    first_day = int(max(_EARLIEST, min(0, behaviour.visit_day.min()))) if len(behaviour.visit_day) else 0
    width = day - first_day + 1
    amount = np.zeros((people, max(width, 1)))
    np.add.at(amount, (who, days - first_day), counts)
    active = amount > 0

    recency = np.where(active.any(axis=1), active[:, ::-1].argmax(axis=1), width)
    last, before = amount[:, -_WEEK:].sum(axis=1), amount[:, -2 * _WEEK : -_WEEK].sum(axis=1)
    streak, silence = _longest(active), _longest(~active & (np.cumsum(active, axis=1) > 0))

    reached = behaviour.section_day <= day
    lately = reached & (behaviour.section_day > day - _WEEK)
    of_sections = behaviour.sections if behaviour.sections > 0 else np.nan
    done, due = behaviour.task_done <= day, behaviour.task_due <= day
    on_time = done & (behaviour.task_done <= behaviour.task_due)
    many_due = _per_learner(behaviour.task_who, due, people)
    of_due = np.where(many_due > 0, many_due, np.nan)
    columns = {
        RECENCY: recency,
        "active_days": active.sum(axis=1),
        "active_days_of_7": active[:, -_WEEK:].sum(axis=1),
        "active_days_of_14": active[:, -2 * _WEEK :].sum(axis=1),
        "records": np.log1p(amount.sum(axis=1)),
        "records_of_7": np.log1p(last),
        "trend": np.log1p(last) - np.log1p(before),
        "longest_streak": streak,
        "longest_silence": silence,
        "sections_reached": _per_learner(behaviour.section_who, reached, people) / of_sections,
        "sections_reached_of_7": _per_learner(behaviour.section_who, lately, people) / of_sections,
        "goals_done": _per_learner(behaviour.task_who, done & due, people) / of_due,
        "goals_on_time": _per_learner(behaviour.task_who, on_time & due, people) / of_due,
        "goals_ahead": _per_learner(behaviour.task_who, done & ~due, people),
    }
    return Features(tuple(columns), np.column_stack([column.astype(np.float64) for column in columns.values()]))


def _per_learner(who: Whole, which: NDArray[np.bool_], people: int) -> Floats:
    import numpy as np

    return np.bincount(who[which], minlength=people).astype(np.float64)


def _longest(days: NDArray[np.bool_]) -> Whole:
    """The longest run of true days, per row."""
    import numpy as np

    running = np.zeros(days.shape[0], dtype=np.int64)
    longest = running.copy()
    for day in range(days.shape[1]):
        running = np.where(days[:, day], running + 1, 0)
        longest = np.maximum(longest, running)
    return longest
