"""A test of a wave's message: a few named learners get it as they would, marked as a test, outside the ledger's rows.

No delivery is written and nothing is counted; whatever providers report of it is about a wave that does not exist. It
respects what learners want, and the switches of ops.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Row, case, select

from content.render import RenderError
from pushpull.db import reading, writing
from pushpull.learners.consent import blocked_channels
from pushpull.learners.lists import in_texts
from pushpull.learners.tables import learner
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.arms import variant
from pushpull.ledger.campaigns import paused_channels, record
from pushpull.ledger.conversations import conversations_of
from pushpull.ledger.facts import FactReader, UnknownLearnerError, facts_of
from pushpull.ledger.messages import Body, CardBody, EmailBody, OutgoingMessage, SharedEmail, SmsBody, delivery_id
from pushpull.ledger.outcomes import Accepted, ChannelStopped
from pushpull.ledger.reach import unreachable, usable_channel
from pushpull.ledger.specs import WaveSpec
from pushpull.ledger.spread import fitting_language
from pushpull.ledger.switches import Switches, switches
from pushpull.ledger.tables import audit, campaign, wave
from pushpull.ledger.terms import Terms, campaign_items
from pushpull.ledger.vocabulary import MessageClass
from tasks.installation import Installation, installation

#: Waves are numbered from 1: no delivery has this one, so that nothing told about a test is told about a delivery.
_NO_WAVE = 0

_TESTED = "wave tested"
MARK = "[Test]"

#: More than these are no test any more.
MOST_RECIPIENTS = 20


@dataclass(frozen=True)
class Tried:
    """What became of a test.

    Args:
        sent: how many learners it was handed over for.
        problems: in words, one for each learner who got nothing; they name learners by external id.
    """

    sent: int
    problems: tuple[str, ...] = ()

    def sentence(self) -> str:
        """It in words."""
        said = f"A test was sent to {self.sent} of {self.sent + len(self.problems)}."
        return " ".join([said, *(f"{each}." for each in self.problems)])


@dataclass(frozen=True)
class _Addressee:
    external_id: str
    channel: Channel
    message: OutgoingMessage


def send_test(wave_id: int, external_ids: Sequence[str], *, who: str, key: str = "", as_of: datetime) -> Tried:
    """Send named learners a wave's message as a test.

    Args:
        who: who asks for it; kept in the audit log.
        key: asking again with the same one sends nothing to those it was sent to; empty: it is sent every time.
        as_of: the campaign's clock, UTC.
    """
    here, sent, problems = installation(), 0, []
    named = list(dict.fromkeys(each.strip() for each in external_ids if each.strip()))
    for external_id in named[:MOST_RECIPIENTS]:
        why_not = _try(here, wave_id, external_id, who=who, key=key, as_of=as_of)
        sent += not why_not
        if why_not:
            problems.append(f"{external_id}: {why_not}")
    if len(named) > MOST_RECIPIENTS:
        problems.append(f"{len(named) - MOST_RECIPIENTS} more than {MOST_RECIPIENTS} were left out")
    return Tried(sent, tuple(problems))


def _try(here: Installation, wave_id: int, external_id: str, *, who: str, key: str, as_of: datetime) -> str:
    """Send it to one learner; why not, where it could not be."""
    subject = f"{wave_id} {external_id}"
    with reading(here.engine) as connection:
        why_not = _forbidden(switches(connection), external_id)
        if key and _was_sent(connection, subject, key):
            return ""
        written = why_not or _written(connection, here, wave_id, external_id, as_of=as_of)
        if isinstance(written, str):
            return written
        if written.channel.value in paused_channels(connection, now=as_of):
            return f"{written.channel} is paused"
    with writing(here.engine) as connection:  # before the call: what nobody knows the outcome of is not tried again
        record(connection, at=as_of, who=who, what=_TESTED, subject=subject, why=key)
    deadline = time.monotonic() + here.settings.call_deadline_seconds
    try:
        (outcome,) = here.adapters[written.channel].send([written.message], deadline=deadline)
    except ChannelStopped as stopped:
        return f"{written.channel} cannot send: {stopped}"
    return "" if isinstance(outcome, Accepted) else f"{written.channel} did not take it: {outcome.reason}"


def _was_sent(connection: Connection, subject: str, key: str) -> bool:
    sent = select(audit.c.id).where(audit.c.what == _TESTED, audit.c.subject == subject, audit.c.why == key).exists()
    return bool(connection.execute(select(sent)).scalar_one())


def _forbidden(set_to: Switches, external_id: str) -> str:
    if set_to.is_paused:
        return "everything is paused"
    if set_to.guests and external_id not in set_to.guests:
        return "not among the guests of the pilot"
    if set_to.override_recipient and external_id != set_to.override_recipient:
        return "everything goes to one learner's addresses now, who is somebody else"
    return ""


def _written(
    connection: Connection, here: Installation, wave_id: int, external_id: str, *, as_of: datetime
) -> _Addressee | str:
    """The message, addressed and written; why not, where it cannot be."""
    row = connection.execute(
        select(wave.c.spec, wave.c.campaign_id, campaign.c.key)
        .join(campaign, campaign.c.id == wave.c.campaign_id)
        .where(wave.c.id == wave_id)
    ).one()
    spec = WaveSpec.model_validate(row.spec)
    person = _person(connection, spec, external_id)
    if person is None:
        return str(UnknownLearnerError(external_id))
    if not person.active:
        return "has left"
    if person.channel is None:
        return f"cannot be reached: {person.reason}"
    channel = Channel(person.channel)
    rules = Terms(
        spec=spec.model_copy(update={"channels": (channel,)}),
        campaign_id=row.campaign_id,
        item_ids=campaign_items(connection, row.campaign_id),
        as_of=as_of,
    )
    addressed = FactReader(connection, rules, here.links).read_one(connection, person.id, channel)
    if addressed is None or not addressed.to:
        return "has no address"
    facts = addressed.facts
    if spec.item_count:
        _, facts = facts_of(
            connection, rules, here.links, external_id, default_language=spec.languages[0], picks=spec.item_count
        )
    language = fitting_language(person.preferred_language or "", spec.languages)
    renderer = here.renderer(row.key)
    try:
        body = renderer.render(spec.message_key, channel, language, person.variant, facts, trend=spec.trend)
    except RenderError as error:
        return f"it cannot be written: {error.code}"
    reached_by = conversations_of(connection, [addressed.to]) if channel is Channel.TEAMS else {}
    message = OutgoingMessage(
        delivery_id(_NO_WAVE, 0, person.id),
        uuid4().hex,
        channel,
        addressed.to,
        addressed.to_name,
        spec.family,
        marked(body),
        spec.message_class is MessageClass.MANDATORY,
        spec.campaign_key,
        conversation=reached_by.get(addressed.to),
    )
    return _Addressee(external_id, channel, message)


def _person(connection: Connection, spec: WaveSpec, external_id: str) -> Row[Any] | None:
    """Who it is, and over which of the wave's channels they may be written to."""
    blocked = blocked_channels(spec.family, spec.channels)
    channel = usable_channel(spec, blocked)
    reasons = case(*((condition, reason.value) for condition, reason in unreachable(spec, blocked, channel)))
    return connection.execute(
        select(
            learner.c.id,
            learner.c.active,
            learner.c.preferred_language,
            channel.label("channel"),
            variant(spec).label("variant"),
            reasons.label("reason"),
        )
        .select_from(learner.outerjoin(blocked, blocked.c.learner_id == learner.c.id))
        .where(in_texts(learner.c.external_id, [external_id]))
    ).one_or_none()


def marked(body: Body) -> Body:
    """A message that says of itself that it is a test: in its subject, in the line a notification shows, or first."""
    match body:
        case SharedEmail():
            return marked(body.filled())
        case EmailBody():
            return replace(body, subject=f"{MARK} {body.subject}")
        case SmsBody():
            return replace(body, text=f"{MARK} {body.text}")
        case CardBody():
            return CardBody(json=_marked_card(body.json), summary=f"{MARK} {body.summary}")


def _marked_card(text: str) -> str:
    card = json.loads(text)
    if "blocks" in card:  # Slack's; everything else is an Adaptive Card
        first = {"type": "context", "elements": [{"type": "plain_text", "text": MARK, "emoji": False}]}
        return json.dumps({**card, "blocks": [first, *card["blocks"]]}, ensure_ascii=False)
    first = {"type": "TextBlock", "text": MARK, "weight": "Bolder"}
    return json.dumps({**card, "body": [first, *card.get("body", [])]}, ensure_ascii=False)
