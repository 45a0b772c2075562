"""Activity-feed notifications by Graph, for people whom the bot does not reach.

A notification names its chain, which is made from the delivery's id: sent again it takes the place of the earlier one
(learn.microsoft.com/graph/api/userteamwork-sendactivitynotification, `chainId`). So an unknown outcome is safe to
repeat, and is reported as not sent. What remains is a person who gets the bot between the two tries: they may see the
notification and the bot's card.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from datetime import datetime
from urllib.parse import quote

import orjson

from channels.accounts import MicrosoftAccount
from channels.answers import common_outcome
from channels.microsoft import GRAPH_SCOPE, Tokens
from channels.teams.service import Service
from channels.teams.turns import Turns
from channels.wire import Answer, Failure, NothingSent, Wire
from pushpull.learners.vocabulary import SuppressionReason
from pushpull.ledger.outcomes import DEADLINE_PASSED, Accepted, ChannelStopped, NotSent, Outcome, Rejected, Uncertain

#: What Teams shows of a notification, in characters.
PREVIEW = 150

#: Notifications per second that Graph takes from one app in one tenant.
PER_SECOND = 5.0

#: How the provider id of a notification begins; one of a card does not.
FEED_PREFIX = "feed:"

_USER = re.compile(r"[^\s/\\?#%\x00-\x1f\x7f]{1,255}")

#: How Graph says that the app lacks a permission, as opposed to the person lacking the app.
_LACKS_ROLE = re.compile(
    rb"missing (?:role|scope|application)|roles? on the request|insufficient privileges|Authorization_RequestDenied",
    re.IGNORECASE,
)


class Feed:
    """The activity feeds of the tenant.

    Args:
        clock: the present, UTC.
        turns: when the next notification may go.
        wire: makes connections to Graph.
    """

    def __init__(
        self,
        account: MicrosoftAccount,
        tokens: Tokens,
        *,
        clock: Callable[[], datetime],
        turns: Turns,
        wire: Callable[[str], Wire] = Wire,
    ) -> None:
        self._app_id, self._clock = account.teams_app_id, clock
        self._service = graph_service(tokens)
        self._turns = turns
        self._wire = wire(account.graph_url)

    @property
    def is_set_up(self) -> bool:
        """Whether there is an app to notify people in the name of."""
        return bool(self._app_id)

    def notify(self, user: str, text: str, *, delivery_id: str, handover_id: str, deadline: float) -> Outcome:
        """Put a notification into one person's feed, or in the place of the one of the same delivery.

        Args:
            user: the Entra object id.
            text: what it says; cut to what Teams shows.

        Raises:
            ChannelStopped: the app may not notify anybody.
        """
        if not _USER.fullmatch(user) or user in {".", ".."}:
            return Rejected("invalid_address", suppress=SuppressionReason.INVALID_ADDRESS)
        try:
            body = self._body(text, delivery_id, handover_id)
        except orjson.JSONEncodeError:
            return Rejected("not_unicode")
        if not self._turns.has_come("feed", deadline=deadline):
            return NotSent(DEADLINE_PASSED)
        path = f"/users/{quote(user, safe='')}/teamwork/sendActivityNotification"
        try:
            answer = self._service.ask(self._wire, "POST", path, body, deadline=deadline)
        except Failure as failure:
            return NotSent(failure.code if isinstance(failure, NothingSent) else f"repeatable_{failure.code}")
        return Accepted(f"{FEED_PREFIX}{chain_of(delivery_id)}") if answer.is_success else self._meaning(answer)

    def _body(self, text: str, delivery_id: str, handover_id: str) -> bytes:
        preview = text if len(text) <= PREVIEW else f"{text[: PREVIEW - 1]}…"
        link = _link(self._app_id, f"{delivery_id}/{handover_id}")
        return orjson.dumps(
            {
                "topic": {"source": "text", "value": preview, "webUrl": link},
                "activityType": "systemDefault",
                "chainId": chain_of(delivery_id),
                "previewText": {"content": preview},
                "teamsAppId": self._app_id,
                "templateParameters": [{"name": "systemDefaultText", "value": preview}],
            }
        )

    def _meaning(self, answer: Answer) -> Outcome:
        common = common_outcome(answer, now=self._clock())
        if common is not None:
            return NotSent(f"repeatable_{common.reason}") if isinstance(common, Uncertain) else common
        match answer.status:
            case 403:
                raise_if_role_is_missing(answer, "TeamsActivity.Send")
                return Rejected("not_reachable")
            case 404:
                return Rejected("not_reachable")
            case 409 | 412 | 423:
                return NotSent("busy_feed")
            case 413:
                return Rejected("too_large")
        return Rejected(f"http_{answer.status}")


def chain_of(delivery_id: str) -> int:
    """The chain of a delivery's notification: the same for ever, below 2^63, never 0."""
    return (int.from_bytes(hashlib.sha256(delivery_id.encode()).digest()[:8]) >> 1) or 1


def graph_service(tokens: Tokens) -> Service:
    """Graph, as our app."""
    return Service(
        tokens,
        name="Microsoft Graph",
        scope=GRAPH_SCOPE,
        advice="check that the app of PUSHPULL_TEAMS_CLIENT_ID is enabled in this tenant",
    )


def raise_if_role_is_missing(answer: Answer, role: str) -> None:
    """Tell a permission the app lacks from one that only concerns a person.

    Args:
        role: the application permission that what was asked needs.

    Raises:
        ChannelStopped: the app lacks it.
    """
    if _LACKS_ROLE.search(answer.body):
        raise ChannelStopped(
            f"Microsoft Graph says the app lacks a permission (403): grant {role} to it at Entra, with an "
            "administrator's consent. Then resume the channel."
        )


def _link(app_id: str, within: str) -> str:
    """Where a click on a notification leads, and what our app gets told then: Teams takes links into itself only."""
    context = quote(orjson.dumps({"subEntityId": within}).decode(), safe="")
    return f"https://teams.microsoft.com/l/entity/{quote(app_id, safe='')}/home?context={context}"
