"""Public thanks on their way into a channel: each is posted once, or not known to be (mission H10).

Teams cannot be asked whether a post arrived and posts again when asked again, so that one is about to be posted is
committed before the call:

========= ============================================================== ==================
state     what it says                                                   what follows
========= ============================================================== ==================
wanted    earned, and nobody carries it                                  posting
posting   a call may be on its way                                       any of those below
posted    the channel has it                                             nothing
refused   it will never be there                                         nothing
uncertain it may be there: its carrier died, or nobody knows             nothing
========= ============================================================== ==================

Proof that nothing was sent leads back to *wanted*. What the thanks are for lives in
:mod:`pushpull.learners.recognitions`; what the card says in `content.thanks`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, select, update

from pushpull.learners.consent import UnknownLearner, lock_learner
from pushpull.learners.recognitions import Thanks, to_post
from pushpull.learners.tables import recognition
from pushpull.learners.vocabulary import Channel, PostState
from pushpull.ledger.campaigns import paused_channels
from pushpull.ledger.outcomes import Accepted, NotSent, Outcome, Rejected
from pushpull.ledger.switches import switches
from pushpull.ledger.tables import campaign
from pushpull.ledger.vocabulary import WaveStatus

#: Older thanks are no news: they stay on the wall.
NEWS_FOR: Final = timedelta(days=7)
#: How long a call may take; a post that is still on its way then has nobody who carries it.
CARRIED_WITHIN: Final = timedelta(minutes=10)
#: Posts of one campaign and run: a channel is read by people.
MOST_AT_ONCE: Final = 10


def may_post(connection: Connection, campaign_id: int, now: datetime) -> bool:
    """Whether anything of the campaign may appear in public now: no pause, no pilot, no rehearsal, and it runs."""
    set_to = switches(connection)
    if set_to.is_paused or set_to.guests or set_to.override_recipient:
        return False
    if Channel.TEAMS.value in paused_channels(connection, now=now):
        return False
    status = connection.execute(select(campaign.c.status).where(campaign.c.id == campaign_id)).scalar_one_or_none()
    return status == WaveStatus.OPEN


def waiting(connection: Connection, campaign_id: int, now: datetime) -> list[int]:
    """Ids of the thanks that are to be posted, the oldest first."""
    new = [each for each in to_post(connection, campaign_id, now) if each.earned_at > now - NEWS_FOR]
    return [each.recognition_id for each in reversed(new)][:MOST_AT_ONCE]


def claim(connection: Connection, recognition_id: int, *, now: datetime) -> Thanks | None:
    """Take thanks to post them now; commit before the call.

    Whoever earned them has the last word: a no that was committed before is seen here.

    Returns:
        None when they are not wanted any more, or somebody else has taken them.
    """
    row = connection.execute(
        select(recognition.c.learner_id, recognition.c.campaign_id).where(recognition.c.id == recognition_id)
    ).one_or_none()
    if row is None:
        return None
    try:
        lock_learner(connection, row.learner_id)
    except UnknownLearner:
        return None
    wanted = {each.recognition_id: each for each in to_post(connection, row.campaign_id, now)}
    thanks = wanted.get(recognition_id)
    if thanks is None or not _move(connection, recognition_id, PostState.WANTED, PostState.POSTING, at=now):
        return None
    return thanks


def settle(connection: Connection, recognition_id: int, outcome: Outcome, *, at: datetime) -> PostState:
    """Keep what became of thanks that were taken."""
    post_id = None
    match outcome:
        case Accepted(provider_id=provider_id):
            state, post_id = PostState.POSTED, provider_id
        case Rejected():
            state = PostState.REFUSED
        case NotSent():
            state = PostState.WANTED
        case _:
            state = PostState.UNCERTAIN
    _move(connection, recognition_id, PostState.POSTING, state, at=at, post_id=post_id)
    return state


def give_up(connection: Connection, *, now: datetime) -> int:
    """End the posts whose carrier died: they may be there.

    Returns:
        How many.
    """
    abandoned = update(recognition).where(
        recognition.c.post_state == PostState.POSTING.value, recognition.c.posted_at <= now - CARRIED_WITHIN
    )
    return connection.execute(abandoned.values(post_state=PostState.UNCERTAIN.value)).rowcount


def _move(
    connection: Connection,
    recognition_id: int,
    before: PostState,
    after: PostState,
    *,
    at: datetime,
    post_id: str | None = None,
) -> bool:
    moved = update(recognition).where(recognition.c.id == recognition_id, recognition.c.post_state == before.value)
    when = None if after is PostState.WANTED else at
    return connection.execute(moved.values(post_state=after.value, posted_at=when, post_id=post_id)).rowcount > 0
