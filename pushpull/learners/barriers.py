"""What may keep somebody from learning: a hypothesis, declared or inferred by rule (mission P2).

Four barriers, each with another answer: who has *no time* needs two minutes, who feels *insulted* by basics needs a way
past them, who is afraid of *exposure* needs to be unobserved, who is *unaware* needs to hear that it exists. They are
the situational, dispositional and informational barriers of K. P. Cross, "Adults as Learners" (Jossey-Bass 1981);
staying away for fear of failing in view of others is what A. Edmondson calls a lack of psychological safety
("Psychological safety and learning behavior in work teams", Administrative Science Quarterly 44(2), 1999).

The rules are ours. They are stated so that they can be disputed, and tried in this order; the first that holds is the
hypothesis. All of it is about the last 180 days:

========== ==========================================================================================================
barrier    when
========== ==========================================================================================================
insulted   finished two items or more in half their length or less with 90 % or better, and began something for
           beginners (level "beginner", "basic", "introductory" …) without finishing it
exposure   two failed tries or more, or three openings of quizzes or more, on items that were never finished, and no
           quiz finished at all
no_time    begun something and finished nothing, in four visits or more of which three in four were shorter than ten
           minutes, or all were outside Monday to Friday, 8 to 18 in their zone
unaware    messages worth three of today reached them, they followed no link, and did nothing at all
========== ==========================================================================================================

The confidence is n/(n + 2) for n observations in favour. A hypothesis picks the words of a message and nothing else. It
is for the learner's own eyes: no manager, sponsor or report sees whose it is, or how many have it.

What the rules look at is read in :mod:`pushpull.learners.signature.behaviour`.
"""

from __future__ import annotations

from dataclasses import dataclass

from pushpull.learners.vocabulary import Barrier


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What the rules look at.

    Args:
        reached: messages, decayed by age.
        answered: those of them whose link was followed.
        begun, finished: items.
        failed_tries, quiz_openings: on items that were not finished.
        finished_quizzes: items.
        easy_finishes: items finished fast and well.
        left_basics: items for beginners that were begun and not finished.
        visits: how many.
        short_visits: of less than ten minutes, as far as known.
        visits_at_work: from Monday to Friday, 8 to 18 in their zone; where it is unknown, all.
    """

    reached: float = 0.0
    answered: float = 0.0
    begun: int = 0
    finished: int = 0
    failed_tries: int = 0
    quiz_openings: int = 0
    finished_quizzes: int = 0
    easy_finishes: int = 0
    left_basics: int = 0
    visits: int = 0
    short_visits: int = 0
    visits_at_work: int = 0


def hypothesis_of(seen: Behaviour) -> tuple[Barrier, float] | None:
    """The barrier that behaviour speaks for, with the confidence in it, 0 to 1; None where no rule holds."""
    if seen.easy_finishes >= 2 and seen.left_basics >= 1:
        return Barrier.INSULTED, _confidence(seen.easy_finishes + seen.left_basics)
    if not seen.finished_quizzes and (seen.failed_tries >= 2 or seen.quiz_openings >= 3):
        return Barrier.EXPOSURE, _confidence(seen.failed_tries + seen.quiz_openings)
    if seen.begun and not seen.finished and seen.visits >= 4:
        if seen.short_visits >= 0.75 * seen.visits:
            return Barrier.NO_TIME, _confidence(seen.short_visits)
        if not seen.visits_at_work:
            return Barrier.NO_TIME, _confidence(seen.visits)
    if seen.reached >= 3 and not seen.answered and not seen.visits and not seen.begun:
        return Barrier.UNAWARE, _confidence(seen.reached)
    return None


def _confidence(observations: float) -> float:
    return round(observations / (observations + 2), 3)
