"""Cards our bot posts to a team's channel, for everybody to see: public recognition."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from functools import partial

import orjson

from channels.accounts import MicrosoftAccount
from channels.answers import object_in, unanswered
from channels.microsoft import Tokens, shared_tokens
from channels.teams.addresses import Untrusted
from channels.teams.bot import CARD_TYPE, Bot, OutOfReach
from channels.teams.turns import Turns
from channels.wire import Failure, Wire
from pushpull.ledger.cards import card_id
from pushpull.ledger.messages import CardBody
from pushpull.ledger.outcomes import DEADLINE_PASSED, Accepted, NotSent, Outcome, Rejected

#: Seconds between two posts to one channel, which Teams wants.
BETWEEN_POSTS = 1.0


class ChannelPosts:
    """Posts to channels of teams that have the bot. Any number of threads may post.

    Args:
        tokens, monotonic, sleep, wire: as for :class:`channels.teams.TeamsChannel`.
        clock: the present, UTC.
    """

    def __init__(
        self,
        account: MicrosoftAccount,
        *,
        clock: Callable[[], datetime],
        tokens: Tokens | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        wire: Callable[[str], Wire] | None = None,
    ) -> None:
        self._account = account
        self._bot = Bot(
            account,
            tokens or shared_tokens(account),
            clock=clock,
            wire=wire or partial(Wire, monotonic=monotonic),
        )
        self._turns = Turns(BETWEEN_POSTS, monotonic=monotonic, sleep=sleep)

    def post(self, channel_id: str, card: CardBody, *, key: str, deadline: float, service_url: str = "") -> Outcome:
        """Post a card as a new conversation of a channel, a second after the one before it at the earliest.

        Teams cannot be asked whether a post arrived, and posts it again when asked again.

        Args:
            channel_id: ``19:…@thread.tacv2``.
            key: our own name of the post, which travels inside it.
            deadline: monotonic seconds by which everything must be over, waiting included.
            service_url: where the Bot Connector of the team answers; empty: at the account's own address.

        Raises:
            ChannelStopped: the bot can post nowhere.
        """
        try:
            wire = self._bot.wire_to(service_url)
            body = self._body(channel_id, card, key)
        except Untrusted:
            return Rejected("untrusted_service")
        except (ValueError, orjson.JSONEncodeError):
            return Rejected("invalid_json")
        if not self._turns.has_come(channel_id, deadline=deadline):
            return NotSent(DEADLINE_PASSED)
        try:
            answer = self._bot.ask(wire, "POST", "/v3/conversations", body, deadline=deadline)
        except Failure as failure:
            return unanswered(failure)
        if answer.is_success:
            found = object_in(answer)
            return Accepted(card_id(str(found.get("id") or ""), str(found.get("activityId") or "")))
        meaning = self._bot.meaning(answer)
        return Rejected(meaning.reason) if isinstance(meaning, OutOfReach) else meaning

    def _body(self, channel_id: str, card: CardBody, key: str) -> bytes:
        content = orjson.loads(card.json)
        if not isinstance(content, dict):
            raise ValueError("a card is an object")
        return orjson.dumps(
            {
                "isGroup": True,
                "bot": {"id": self._bot.id},
                "tenantId": self._account.tenant_id,
                "channelData": {"channel": {"id": channel_id}, "tenant": {"id": self._account.tenant_id}},
                "activity": {
                    "type": "message",
                    "summary": card.summary,
                    "attachments": [{"contentType": CARD_TYPE, "content": content}],
                    "channelData": {"pushpull": {"delivery": key}},
                },
            }
        )
