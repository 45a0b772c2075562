"""Handing messages to Slack: a direct conversation opened where it is not known yet, then one post each.

What the answers mean is in :mod:`channels.slack.meanings`, asking afterwards in :mod:`channels.slack.lookup`. Requests
are written here as the SDK's ``conversations_open`` and ``chat_postMessage`` would write them (a test compares them).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import orjson

from channels.accounts import SlackAccount
from channels.answers import object_in, unanswered
from channels.base import Limits
from channels.fanout import FanOut
from channels.slack.conversations import Conversations
from channels.slack.lookup import look_up, metadata
from channels.slack.meanings import outcome_of
from channels.wire import Answer, Failure, Wire
from pushpull.learners.vocabulary import Channel, SuppressionReason
from pushpull.ledger.messages import CardBody, OutgoingMessage
from pushpull.ledger.outcomes import Accepted, Evidence, NotSent, Outcome, Question, Rejected, Uncertain

_AT_ONCE = 4
_MOST_MESSAGES = 200
#: A handover at the provider's rate takes so many seconds at most: well inside a call's deadline.
_SECONDS_PER_HANDOVER = 10.0

_PERSON = re.compile(r"[UW][A-Z0-9]{2,30}")
_PLACE = re.compile(r"[CGD][A-Z0-9]{2,30}")
_FORM, _JSON = "application/x-www-form-urlencoded", "application/json;charset=utf-8"


class SlackChannel:
    """Direct messages and posts by Slack. See :class:`channels.base.ChannelAdapter`.

    Args:
        clock: the time, aware UTC.
        at_once: how many requests may be under way at the same time.
        monotonic, sleep: the clock of deadlines, and waiting by it.
    """

    channel = Channel.SLACK
    can_look_up = True

    def __init__(
        self,
        account: SlackAccount,
        *,
        clock: Callable[[], datetime],
        at_once: int = _AT_ONCE,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._account, self._clock, self._monotonic = account, clock, monotonic
        self._wire = Wire(account.base_url, monotonic=monotonic)
        self._fan_out = FanOut(at_once, "slack", monotonic=monotonic, sleep=sleep)
        self._conversations = Conversations()
        rate = account.per_second
        most = _MOST_MESSAGES if rate is None else max(1, int(rate * _SECONDS_PER_HANDOVER))
        self.limits = Limits(batch_size=min(_MOST_MESSAGES, most), per_second=rate)
        authorization = f"Bearer {account.bot_token.get_secret_value().strip()}"
        self._headers = {kind: {"Content-Type": kind, "Authorization": authorization} for kind in (_FORM, _JSON)}

    def send(
        self, messages: Sequence[OutgoingMessage], *, deadline: float, not_before: Sequence[float] = ()
    ) -> Sequence[Outcome]:
        """Write to people directly. See :meth:`channels.base.ChannelAdapter.send`.

        Raises:
            ChannelStopped: Slack refuses our app.
        """
        return self._fan_out.send(messages, self._to_person, deadline=deadline, not_before=not_before)

    def post_to_channel(self, place: str, body: CardBody, *, reference: str, deadline: float) -> Outcome:
        """Post where everybody in a channel sees it, for recognition; the app must have been invited there.

        Args:
            place: the channel's id, ``C…``.
            reference: what the post is about, for whoever looks at its metadata; never personal data.
            deadline: monotonic seconds.

        Raises:
            ChannelStopped: Slack refuses our app.
        """
        if not _PLACE.fullmatch(place):
            return Rejected("invalid_channel")
        blocks = _blocks(body)
        if blocks is None:
            return Rejected("invalid_json")
        told = {"event_type": "pushpull_post", "event_payload": {"reference": reference}}
        try:
            return self._post(place, body.summary, blocks, told, deadline)
        except Failure as failure:
            return unanswered(failure)

    def look_up(self, questions: Sequence[Question]) -> Sequence[Evidence]:
        """What Slack knows about these deliveries. See :mod:`channels.slack.lookup`."""
        return look_up(self._account, self._wire, questions, monotonic=self._monotonic)

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._wire.close()

    def _to_person(self, message: OutgoingMessage, deadline: float) -> Outcome:
        if not isinstance(message.body, CardBody):
            return Rejected("body_of_another_channel")
        if not _PERSON.fullmatch(message.to):
            return Rejected("invalid_address", SuppressionReason.INVALID_ADDRESS)
        blocks = _blocks(message.body)
        if blocks is None:
            return Rejected("invalid_json")
        known = self._conversations.of(message.to)
        conversation = known or self._open(message.to, deadline)
        if not isinstance(conversation, str):
            return conversation
        told = metadata(message.delivery_id, message.handover_id)
        outcome = self._post(conversation, message.body.summary, blocks, told, deadline)
        if known and outcome == Rejected("channel_not_found"):
            # Not the person is gone but the conversation as we knew it: the next attempt opens it anew.
            self._conversations.drop(message.to)
            return NotSent("conversation_gone")
        return outcome

    def _open(self, user: str, deadline: float) -> str | Outcome:
        """A person's conversation. Nobody sees it being opened, and it may be opened any number of times.

        Returns:
            Its id; else why the message cannot be sent. Nothing of the message has left by then, whatever became of
            this request.
        """
        try:
            answer = self._call("conversations.open", _FORM, urlencode({"users": user}).encode(), deadline)
        except Failure as failure:
            return NotSent(failure.code)
        outcome = outcome_of(answer, now=self._clock())
        if isinstance(outcome, Uncertain):
            return NotSent(outcome.reason)
        if not isinstance(outcome, Accepted):
            return outcome
        channel = object_in(answer).get("channel")
        conversation = channel.get("id") if isinstance(channel, dict) else None
        if not isinstance(conversation, str) or not _PLACE.fullmatch(conversation):
            return NotSent("unreadable_answer")
        self._conversations.keep(user, conversation)
        return conversation

    def _post(self, place: str, text: str, blocks: list[Any], told: Mapping[str, Any], deadline: float) -> Outcome:
        try:
            body = orjson.dumps(
                {
                    "channel": place,
                    "text": text,
                    "blocks": blocks,
                    # Slack would open every link to show what is behind it: these are personal.
                    "unfurl_links": False,
                    "unfurl_media": False,
                    "metadata": told,
                }
            )
        except orjson.JSONEncodeError:
            return Rejected("not_unicode")
        answer = self._call("chat.postMessage", _JSON, body, deadline)
        return outcome_of(answer, now=self._clock())

    def _call(self, method: str, kind: str, body: bytes, deadline: float) -> Answer:
        return self._wire.request("POST", f"/{method}", headers=self._headers[kind], body=body, deadline=deadline)


def _blocks(body: CardBody) -> list[Any] | None:
    """The blocks of a card; None: that is not what its JSON holds."""
    try:
        card = orjson.loads(body.json)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return None
    blocks = card.get("blocks") if isinstance(card, dict) else None
    return blocks if isinstance(blocks, list) else None
