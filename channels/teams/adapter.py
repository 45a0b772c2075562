"""The Teams channel: each message by the bot where it reaches the person, else into their activity feed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

import orjson

from channels.accounts import MicrosoftAccount
from channels.base import Limits
from channels.fanout import FanOut
from channels.microsoft import Tokens, shared_tokens
from channels.teams.bot import CARD_TYPE, Bot, OutOfReach, Posted
from channels.teams.feed import PER_SECOND, Feed
from channels.teams.turns import Turns
from channels.teams.updates import CardOutcome, CardUpdates
from channels.wire import Wire
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.cards import SentCard, card_id
from pushpull.ledger.messages import CardBody, Conversation, OutgoingMessage
from pushpull.ledger.outcomes import Accepted, Evidence, Outcome, Question, Rejected

#: Messages per handover: as many as a second takes, so that the others wait for no more than that.
BATCH_SIZE = 20

#: Requests under way at the same time.
_AT_ONCE = 8


class TeamsChannel:
    """Microsoft Teams.

    Args:
        tokens: of the account; None: those everything in this process shares.
        clock: the present, UTC.
        monotonic, sleep: the clock deadlines are in, and waiting by it.
        wire: makes connections to an address.
        feed_per_second: notifications per second, of this process.
    """

    channel = Channel.TEAMS
    #: Teams cannot be asked what became of a message: what is uncertain stays so until a person decides.
    can_look_up = False

    def __init__(
        self,
        account: MicrosoftAccount,
        *,
        clock: Callable[[], datetime],
        tokens: Tokens | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        wire: Callable[[str], Wire] | None = None,
        feed_per_second: float = PER_SECOND,
    ) -> None:
        tokens = tokens or shared_tokens(account)
        make = wire or partial(Wire, monotonic=monotonic)
        self.limits = Limits(batch_size=BATCH_SIZE, per_second=account.per_second)
        self._bot = Bot(account, tokens, clock=clock, wire=make)
        turns = Turns(1 / feed_per_second, monotonic=monotonic, sleep=sleep)
        self._feed = Feed(account, tokens, clock=clock, turns=turns, wire=make)
        self._updates = CardUpdates(self._bot)
        self._fan_out = FanOut(_AT_ONCE, "teams", monotonic=monotonic, sleep=sleep)

    def send(
        self, messages: Sequence[OutgoingMessage], *, deadline: float, not_before: Sequence[float] = ()
    ) -> Sequence[Outcome]:
        """Hand over the messages of one handover. See :class:`channels.base.ChannelAdapter`.

        A card that was accepted has the provider id ``conversation|activity`` (:func:`pushpull.ledger.cards.card_id`),
        a notification ``feed:chain``.
        """
        return self._fan_out.send(messages, self._one, deadline=deadline, not_before=not_before)

    def look_up(self, questions: Sequence[Question]) -> Sequence[Evidence]:
        """Nothing: there is no way to ask. See :class:`channels.base.ChannelAdapter`."""
        return []

    def close_card(self, card: SentCard, *, deadline: float) -> CardOutcome:
        """Change a card that was sent to "done, thanks". See :class:`channels.teams.updates.CardUpdates`."""
        return self._updates.close_card(card, deadline=deadline)

    def _one(self, message: OutgoingMessage, deadline: float) -> Outcome:
        if not isinstance(message.body, CardBody):
            return Rejected("body_of_another_channel")
        reason = "not_reachable"
        if message.conversation is not None:
            outcome = self._by_bot(message, message.body, message.conversation, deadline)
            if not isinstance(outcome, OutOfReach):
                return outcome
            reason = outcome.reason
        if not self._feed.is_set_up:
            return Rejected(reason)
        return self._feed.notify(
            message.to,
            message.body.summary,
            delivery_id=message.delivery_id,
            handover_id=message.handover_id,
            deadline=deadline,
        )

    def _by_bot(
        self, message: OutgoingMessage, body: CardBody, person: Conversation, deadline: float
    ) -> OutOfReach | Outcome:
        try:
            # Looked through, not rewritten: a text that is no whole object would break out of its place.
            if not isinstance(orjson.loads(body.json), dict):
                return Rejected("invalid_json")
            card, summary = body.json.encode(), orjson.dumps(body.summary)
        except (orjson.JSONDecodeError, UnicodeEncodeError):
            return Rejected("invalid_json")
        except orjson.JSONEncodeError:
            return Rejected("not_unicode")
        outcome = self._bot.send(person, partial(self._activity, message, person, card, summary), deadline=deadline)
        if isinstance(outcome, Posted):
            return Accepted(card_id(outcome.conversation_id, outcome.activity_id))
        return outcome

    def _activity(
        self, message: OutgoingMessage, person: Conversation, card: bytes, summary: bytes, conversation_id: str
    ) -> bytes:
        """The message as an activity. Our ids travel in channelData, which channels keep and people do not see."""
        return orjson.dumps(
            {
                "type": "message",
                "from": {"id": self._bot.id},
                "conversation": {"id": conversation_id},
                "recipient": {"id": person.user_id, "aadObjectId": message.to},
                "summary": orjson.Fragment(summary),
                "attachments": [{"contentType": CARD_TYPE, "content": orjson.Fragment(card)}],
                "channelData": {
                    "notification": {"alert": True},
                    "pushpull": {"delivery": message.delivery_id, "handover": message.handover_id},
                },
            }
        )
