"""Champions' terms, and public thanks: found, and posted to a channel once each, or not known to be."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime
from functools import partial

from channels.posts import Posts, posts_of
from content.thanks import thanks_card
from pushpull.db import writing
from pushpull.learners.recognitions import earn
from pushpull.learners.vocabulary import PostState
from pushpull.ledger.campaigns import campaign_id_of
from pushpull.ledger.messages import CardBody
from pushpull.ledger.outcomes import ChannelStopped, NotSent, Outcome, Uncertain
from pushpull.ledger.posting import claim, give_up, may_post, settle, waiting
from pushpull.ledger.vouching import Turned, rotate
from tasks.installation import Installation, installation, log
from tasks.step import step


@step("relieve champions", run_name="relieve champions of {campaign_key}")
def rotate_champions(campaign_key: str, now: datetime) -> Turned:
    """End the terms that are over, and invitations that nobody answered.

    Args:
        now: UTC.
    """
    with writing(installation().engine) as connection:
        return rotate(connection, campaign_id_of(connection, campaign_key), now)


@step("give thanks", run_name="give thanks of {campaign_key}")
def give_thanks(campaign_key: str, now: datetime) -> int:
    """Find who earned thanks in public, of those who want them.

    Returns:
        How many are new.
    """
    here = installation()
    with writing(here.engine) as connection:
        campaign_id = campaign_id_of(connection, campaign_key)
        return earn(connection, campaign_id, now, zone=here.settings.timezone)


@step("post thanks", run_name="post thanks of {campaign_key}")
def post_thanks(campaign_key: str, now: datetime) -> dict[str, int]:
    """Post thanks to the organisation's channel, where it has one.

    That one is about to be posted is committed before the call, so that a crash leaves it *uncertain* and never posts
    it twice. Nothing is posted in a pause or a rehearsal, nor of a campaign that does not run.

    Args:
        now: UTC.

    Returns:
        How many came to which state.
    """
    here, states = installation(), Counter[str]()
    channel = here.settings.recognition_channel
    with writing(here.engine) as connection:
        campaign_id = campaign_id_of(connection, campaign_key)
        give_up(connection, now=now)
        if not channel or not may_post(connection, campaign_id, now):
            return {}
        ids = waiting(connection, campaign_id, now)
    if not ids:
        return {}
    posts = posts_of(here.settings, here.accounts, clock=partial(datetime.now, UTC))
    if posts is None:
        return {}
    for number in ids:
        state = _carried(here, posts, campaign_key, number, now=now)
        states[state] += 1
        if state == PostState.WANTED:  # proof that nothing gets through now: the next run goes on
            break
    if states:
        log.info("thanks posted", extra={"campaign": campaign_key, "states": dict(states)})
    return dict(states)


def _carried(here: Installation, posts: Posts, campaign_key: str, number: int, *, now: datetime) -> str:
    with writing(here.engine) as connection:
        thanks = claim(connection, number, now=now)
    if thanks is None:
        return "unwanted"
    outcome = _posted(here, posts, thanks_card(thanks, here.campaign(campaign_key).language), number)
    with writing(here.engine) as connection:
        return settle(connection, number, outcome, at=now).value


def _posted(here: Installation, posts: Posts, card: CardBody, number: int) -> Outcome:
    deadline = time.monotonic() + here.settings.call_deadline_seconds
    try:
        return posts.post(here.settings.recognition_channel, card, key=f"thanks-{number}", deadline=deadline)
    except ChannelStopped as stopped:
        return next(iter(stopped.outcomes), NotSent("channel_stopped"))
    except Exception as defect:  # noqa: BLE001  # whatever it was, bytes may have left
        return Uncertain(f"defect:{type(defect).__name__}")
