"""What simulated learners decide on their pages: a nudge a day, a reminder at a cue, stars, and whether to vouch.

Who decides what is drawn from the seed and the person, once for ever. So it may be asked as often as one likes, and
each decision is made once. How they learn is decided in :mod:`.acting`. The numbers are invented.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, exists, select

from pushpull.insights.simulate.surroundings import SOURCE
from pushpull.learners.choices import WEEKEND, choose_habit
from pushpull.learners.plans import Plan, add
from pushpull.learners.reviews import may_review, rate
from pushpull.learners.shares import make_share
from pushpull.learners.tables import activity, champion, cue_plan, learner, learner_choice, review
from pushpull.learners.vocabulary import ChampionState, Cue
from pushpull.ledger.vouching import NotAskedError, answer

#: Nobody asks for messages of a habit sooner after they began to learn: a rehearsal sends at each of their hours.
SETTLED: Final = timedelta(days=28)
#: Of those who began so long ago, this share asks for a nudge a day …
NUDGED: Final = 0.08
#: … and this share, of the others, for a reminder at a cue of their own.
REMINDED: Final = 0.03
#: Of those who finished an item, this share gives it stars and passes it on.
SPEAKS_UP: Final = 0.4
#: Of those who are asked to vouch, this share says yes; the others do not answer.
VOUCHES: Final = 0.7
_AFTER_LUNCH: Final = 13 * 60


def choose(connection: Connection, *, seed: int, at: datetime) -> Counter[str]:
    """Let everybody decide what they decide; asked again, nothing changes.

    Args:
        seed: of the people.
        at: aware; what they did up to now counts, once it is folded.

    Returns:
        What was decided, by kind: ``nudged``, ``reminded``, ``rated``, ``vouches``.
    """
    done: Counter[str] = Counter()
    _ask_for_messages(connection, seed, at, done)
    _speak_up(connection, seed, at, done)
    _vouch(connection, seed, at, done)
    return done


def _ask_for_messages(connection: Connection, seed: int, at: datetime, done: Counter[str]) -> None:
    learned = exists().where(
        activity.c.learner_id == learner.c.id, activity.c.source == SOURCE, activity.c.occurred_at <= at - SETTLED
    )
    undecided = (
        ~exists().where(learner_choice.c.learner_id == learner.c.id),
        ~exists().where(cue_plan.c.learner_id == learner.c.id),
    )
    for who, name in connection.execute(
        select(learner.c.id, learner.c.external_id).where(learner.c.active, learned, *undecided).order_by(learner.c.id)
    ).all():
        if _share(seed, "nudged", name) < NUDGED:
            choose_habit(connection, who, is_wanted=True, rest_days=WEEKEND, at=at)
            done["nudged"] += 1
        elif _share(seed, "reminded", name) < REMINDED:
            add(connection, who, Plan(Cue.AFTER_LUNCH, at_minute=_AFTER_LUNCH, reminds=True), at=at)
            done["reminded"] += 1


def _speak_up(connection: Connection, seed: int, at: datetime, done: Counter[str]) -> None:
    finished = (
        select(activity.c.learner_id, learner.c.external_id, activity.c.item_id)
        .join(learner, learner.c.id == activity.c.learner_id)
        .where(activity.c.source == SOURCE, activity.c.verb == "completed", activity.c.occurred_at <= at)
        .where(learner.c.active, activity.c.item_id.is_not(None))
        .where(~exists().where(review.c.learner_id == learner.c.id, review.c.item_id == activity.c.item_id))
        .distinct()
        .order_by(activity.c.learner_id, activity.c.item_id)
    )
    for who, name, item_id in connection.execute(finished).all():
        if _share(seed, "speaks up", name) < SPEAKS_UP and may_review(connection, who, item_id):
            stars = 3 + int(_share(seed, f"stars of {item_id}", name) * 3)
            rate(connection, who, item_id, rating=stars, at=at)
            make_share(connection, who, item_id, at=at)
            done["rated"] += 1


def _vouch(connection: Connection, seed: int, at: datetime, done: Counter[str]) -> None:
    asked = (
        select(champion.c.learner_id, learner.c.external_id, champion.c.campaign_id)
        .join(learner, learner.c.id == champion.c.learner_id)
        .where(champion.c.state == ChampionState.INVITED.value)
        .order_by(champion.c.learner_id)
    )
    for who, name, campaign_id in connection.execute(asked).all():
        if _share(seed, "vouches", name) < VOUCHES:
            try:
                answer(connection, who, campaign_id, is_yes=True, at=at)
            except NotAskedError:
                continue  # their interest is one of their own by now, or the campaign is over
            done["vouches"] += 1


def _share(seed: int, purpose: str, name: str) -> float:
    """One draw between 0 and 1."""
    digest = hashlib.blake2b(f"{seed}|{purpose}|{name}".encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big") / 2**48
