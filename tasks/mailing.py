"""Letters carried: each is taken, written, and handed to the e-mail channel once.

That it is about to be sent is committed before the call. The step that flows run is :mod:`tasks.letters`; the web app
calls this right after somebody asked, without an orchestrator.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from content.brand import Brand, load_brand
from content.letter import write_letter
from content.source import ContentError
from pushpull.db import reading, writing
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.campaigns import paused_channels
from pushpull.ledger.letters import Letter, Recipient, brands_for, claim, give_up, recipient_of, settle, waiting
from pushpull.ledger.links import LANDING_LIFETIME
from pushpull.ledger.messages import OutgoingMessage, delivery_id
from pushpull.ledger.outcomes import ChannelStopped, NotSent, Outcome, Rejected, Uncertain
from pushpull.ledger.switches import Switches, switches
from pushpull.ledger.vocabulary import LetterKind
from tasks.installation import Installation, installation, log

#: How long the way to one's own data is open.
ACCOUNT_LIFETIME: Final = timedelta(hours=1)
#: No wave has this number: what providers report of a letter is about no delivery.
_NO_WAVE: Final = 0


@dataclass(frozen=True)
class _Written:
    """A letter that can be sent, or why it cannot."""

    message: OutgoingMessage | None
    outcome: Outcome


def carry_letters(now: datetime) -> dict[str, int]:
    """Send what was asked for and is not on its way.

    Nothing is sent while everything or e-mail is paused; what waits too long is given up. A letter whose outcome
    nobody knows is not sent again.

    Args:
        now: the real time, UTC: people wait for these.

    Returns:
        How many letters came to which state.
    """
    here, states = installation(), Counter[str]()
    with writing(here.engine) as connection:
        give_up(connection, now=now)
    with reading(here.engine) as connection:
        if switches(connection).is_paused or Channel.EMAIL.value in paused_channels(connection, now=now):
            return {}
        ids = waiting(connection)
    for letter_id in ids:
        with writing(here.engine) as connection:
            letter = claim(connection, letter_id, at=now)
        if letter is None:
            continue
        outcome = _sent(here, letter, now=now)
        with writing(here.engine) as connection:
            states[settle(connection, letter.id, outcome, at=now).value] += 1
    if states:
        log.info("letters carried", extra={"states": dict(states)})
    return dict(states)


def _sent(here: Installation, letter: Letter, *, now: datetime) -> Outcome:
    written = _written(here, letter, now=now)
    adapter = here.adapters.get(Channel.EMAIL)
    if written.message is None or adapter is None:
        return written.outcome
    deadline = time.monotonic() + here.settings.call_deadline_seconds
    try:
        (outcome,) = adapter.send([written.message], deadline=deadline)
    except ChannelStopped as stopped:
        return next(iter(stopped.outcomes), NotSent("channel_stopped"))
    except Exception as defect:  # noqa: BLE001  # whatever it was, bytes may have left
        return Uncertain(f"defect:{type(defect).__name__}")
    return outcome


def _written(here: Installation, letter: Letter, *, now: datetime) -> _Written:
    with reading(here.engine) as connection:
        to = recipient_of(connection, letter.learner_id)
        set_to = switches(connection)
        keys = brands_for(connection, letter.campaign_id)
    if to is None:
        return _refused("no_such_learner")
    if why_not := to.why_not or _forbidden(set_to, to.external_id):
        return _refused(why_not)
    brand = _brand(here, keys)
    if brand is None:
        return _refused("no_brand")
    return _Written(_addressed(here, letter, to, brand, now=now), NotSent("no_channel"))


def _addressed(here: Installation, letter: Letter, to: Recipient, brand: Brand, *, now: datetime) -> OutgoingMessage:
    link = _link(here, letter, now=now)
    body = write_letter(letter.kind, link=link, given_name=to.given_name, language=to.language, brand=brand)
    return OutgoingMessage(
        delivery_id(_NO_WAVE, 0, letter.learner_id),
        uuid4().hex,
        Channel.EMAIL,
        to.address,
        to.name,
        "",
        body,
        is_mandatory=True,
    )


def _link(here: Installation, letter: Letter, *, now: datetime) -> str:
    if letter.kind is LetterKind.YOUR_DATA:
        return here.links.account_url(letter.learner_id, now + ACCOUNT_LIFETIME)
    campaign_id = letter.campaign_id or 0
    return here.links.landing_url(letter.learner_id, campaign_id, None, _NO_WAVE, 0, now + LANDING_LIFETIME)


def _forbidden(set_to: Switches, external_id: str) -> str:
    if set_to.guests and external_id not in set_to.guests:
        return "not_a_guest"
    if set_to.override_recipient and external_id != set_to.override_recipient:
        return "rehearsal"  # what opens a person's page is never sent to somebody else
    return ""


def _brand(here: Installation, keys: list[str]) -> Brand | None:
    for key in keys:
        try:
            return load_brand(key, here.settings.content_dir)
        except ContentError:
            continue
    return None


def _refused(reason: str) -> _Written:
    return _Written(None, Rejected(reason))
