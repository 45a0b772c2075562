"""A campaign's risk: what rule and model were worth on courses that are over, and how many learners are how likely not
to complete this one.

Single learners' risk is computed for whoever helps them, such as a segment of a message that offers a way back. It is
never listed for managers, sponsors or reports: they see how many are in each band, and only five or more (mission P3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection

from pushpull.insights.risk.behaviour import RECENCY, Features, features
from pushpull.insights.risk.history import Course, course_of, past_courses
from pushpull.insights.risk.judges import Judge, boosted_trees, recency_rule
from pushpull.insights.risk.trial import FEWEST_OF_A_KIND, Trial, trial
from pushpull.insights.small_numbers import shown
from pushpull.ledger.campaigns import campaign_id_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Days of a course at which rule and model are tried.
DAYS: Final = (14, 28, 56, 84)

#: From which foretold share of not completing somebody is in a band.
RAISED_SHARE: Final = 0.25
HIGH_SHARE: Final = 0.5
#: Where no course is over nobody can say how likely it is: then it is said by days without activity.
RAISED_DAYS: Final = 7
HIGH_DAYS: Final = 14


class Band(StrEnum):
    """How likely it is that somebody does not complete."""

    LOW = "low"
    RAISED = "raised"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class LearnerRisk:
    """One learner's risk; private.

    Args:
        share: foretold, 0 to 1; None where no course is over from which it could be learned.
    """

    learner_id: int
    band: Band
    share: float | None


@dataclass(frozen=True, slots=True)
class BandCount:
    """How many people are in a band; None where that would speak of too few."""

    band: Band
    people: int | None


@dataclass(frozen=True, slots=True)
class Today:
    """Where the campaign's learners stand.

    Args:
        day: of the campaign.
        people: at risk: they began, and have neither completed nor left; None where they are too few.
        used: who was believed.
        why: in words.
        has_shares: whether bands are of foretold shares; if not, of days without activity.
    """

    day: int
    people: int | None
    bands: tuple[BandCount, ...]
    used: Judge
    why: str
    has_shares: bool


@dataclass(frozen=True, slots=True)
class Risk:
    """What is said of a campaign.

    Args:
        courses: how many campaigns that are over were learned from.
        trials: one per day that at least one of them lasted.
        today: None before the campaign begins, after it, and where nobody is in it.
    """

    campaign_key: str
    as_of: datetime
    courses: int
    trials: tuple[Trial, ...]
    today: Today | None


@dataclass(frozen=True, eq=False)
class _Past:
    """Everybody of the past courses who was at risk at the end of a day."""

    known: Features
    failed: NDArray[np.bool_]
    courses: NDArray[np.int64]


def risk(connection: Connection, campaign_key: str, *, as_of: datetime, days: Sequence[int] = DAYS) -> Risk:
    """What is known about who will not complete.

    Args:
        as_of: aware; nothing later is known, and only campaigns that were over by then are learned from.
        days: at which rule and model are tried.

    Raises:
        UnknownCampaignError: there is no such campaign.
    """
    campaign_id = campaign_id_of(connection, campaign_key)
    past = _past(connection, as_of)
    trials = tuple(tried for day in days if (tried := _tried(past, day)) is not None)
    today = _today(connection, campaign_id, past, as_of)
    return Risk(campaign_key, as_of, len(past), trials, None if today is None else today[0])


def learners_at_risk(connection: Connection, campaign_key: str, *, as_of: datetime) -> tuple[LearnerRisk, ...]:
    """Every learner's own risk, for what is offered to themselves; never to be shown to anybody else.

    Raises:
        UnknownCampaignError: there is no such campaign.
    """
    campaign_id = campaign_id_of(connection, campaign_key)
    today = _today(connection, campaign_id, _past(connection, as_of), as_of)
    return () if today is None else today[1]


def _past(connection: Connection, as_of: datetime) -> list[Course]:
    courses = [course_of(connection, each, as_of=as_of) for each in past_courses(connection, as_of=as_of)]
    return [course for course in courses if course is not None]


def _known(past: Sequence[Course], day: int) -> _Past | None:
    """None where no course lasted until after that day."""
    import numpy as np

    long_enough = [course for course in past if course.last_day > day]
    if not long_enough:
        return None
    tables = [features(course.behaviour, day).of(course.at_risk(day)) for course in long_enough]
    return _Past(
        Features(tables[0].names, np.vstack([table.rows for table in tables])),
        np.concatenate([course.failed[course.at_risk(day)] for course in long_enough]),
        np.concatenate(
            [np.full(len(table.rows), each.campaign_id) for each, table in zip(long_enough, tables, strict=True)]
        ),
    )


def _tried(past: Sequence[Course], day: int) -> Trial | None:
    known = _known(past, day)
    return None if known is None else trial(known.known, known.failed, known.courses, day=day)


def _today(
    connection: Connection, campaign_id: int, past: Sequence[Course], as_of: datetime
) -> tuple[Today, tuple[LearnerRisk, ...]] | None:
    course = course_of(connection, campaign_id, as_of=as_of)
    if course is None:
        return None
    day = course.day_of(as_of)
    if not 0 <= day <= course.last_day or not course.at_risk(day).any():
        return None
    here = course.at_risk(day)
    asked = features(course.behaviour, day).of(here)
    ids = [learner_id for learner_id, is_here in zip(course.learner_ids, here, strict=True) if is_here]
    known = _known(past, day)
    # The rule needs some of either kind, too, before it can say how likely something is.
    if known is None or min(known.failed.sum(), (~known.failed).sum()) < FEWEST_OF_A_KIND:
        used, why = Judge.RULE, "too few learners of courses that are over are known: said by days without activity"
        bands = [_by_days(each) for each in asked[RECENCY]]
        people = tuple(LearnerRisk(who, band, None) for who, band in zip(ids, bands, strict=True))
    else:
        tried = trial(known.known, known.failed, known.courses, day=day)
        used, why = tried.used, tried.why
        judge = boosted_trees if used is Judge.MODEL else recency_rule
        shares = judge(known.known, known.failed)(asked)
        people = tuple(LearnerRisk(who, _by_share(each), float(each)) for who, each in zip(ids, shares, strict=True))
    counts = shown([sum(one.band is band for one in people) for band in Band])
    of_bands = tuple(BandCount(band, count) for band, count in zip(Band, counts, strict=True))
    (everybody,) = shown([len(people)])
    return Today(day, everybody, of_bands, used, why, all(each.share is not None for each in people)), people


def _by_share(share: float) -> Band:
    return Band.HIGH if share >= HIGH_SHARE else Band.RAISED if share >= RAISED_SHARE else Band.LOW


def _by_days(days: float) -> Band:
    return Band.HIGH if days >= HIGH_DAYS else Band.RAISED if days >= RAISED_DAYS else Band.LOW
