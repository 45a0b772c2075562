"""Asking Slack what became of direct messages whose outcome nobody knows.

Every message carries its delivery in its metadata, and the history of a person's conversation with our app shows it.
What this proves:

- a message since the handover was intended that names the delivery: Slack took it;
- the whole history since then, and every message of an app in it names another delivery: Slack does not know it. That
  is proof only after the settle window, for a request that was cut off may still be on its way; the ledger waits for
  that, not this module;
- a message of an app without metadata (ours, if metadata were withheld from us): nothing, for it may be the one;
- an answer that is cut, late, refused or too long: nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from slack_sdk.errors import SlackApiError, SlackClientError

from channels.accounts import SlackAccount
from channels.slack.client import WireWebClient
from channels.slack.meanings import message_name
from channels.wire import Failure, Wire
from pushpull.ledger.outcomes import Evidence, Finding, Question

#: The type of our metadata.
EVENT_TYPE = "pushpull_delivery"

#: How far Slack's clock and the database's may be apart.
SKEW = timedelta(minutes=2)

_PAGE_SIZE, _MOST_PAGES = 200, 5
_REQUEST_SECONDS, _ALL_SECONDS = 15.0, 60.0

#: What the SDK raises on answers that are not what its documentation says.
_UNREADABLE = (Failure, SlackClientError, ValueError, LookupError, TypeError, AttributeError)


class _AskedTooOften(Exception):
    """Slack wants no further questions now."""


@dataclass(frozen=True, slots=True)
class _Posted:
    """A message in a conversation.

    Args:
        at: Unix time.
        delivery_id: None without our metadata.
    """

    name: str | None
    at: float
    delivery_id: str | None


def metadata(delivery_id: str, handover_id: str) -> Mapping[str, Any]:
    """What travels inside a message, unseen: https://docs.slack.dev/messaging/message-metadata."""
    return {"event_type": EVENT_TYPE, "event_payload": {"delivery": delivery_id, "handover": handover_id}}


def look_up(
    account: SlackAccount,
    wire: Wire,
    questions: Sequence[Question],
    *,
    monotonic: Callable[[], float] = time.monotonic,
) -> list[Evidence]:
    """What Slack knows about the deliveries of these handovers, in at most a minute; each person is looked at once.

    Returns:
        Evidence where there is any. Deliveries whose Slack id may have changed are left out.
    """
    give_up_at = monotonic() + _ALL_SECONDS
    found: list[Evidence] = []
    for user, asked in _by_person(questions).items():
        client = WireWebClient(account, wire, deadline=min(give_up_at, monotonic() + _REQUEST_SECONDS))
        since = min(question.intended_at for question, _ in asked) - SKEW
        try:
            posted = _posts_to(user, client, since)
        except _AskedTooOften:
            return found
        if posted is not None:
            for question, delivery_id in asked:
                found.extend(_finding(question, delivery_id, posted))
    return found


def _by_person(questions: Iterable[Question]) -> Mapping[str, list[tuple[Question, str]]]:
    by_person: dict[str, list[tuple[Question, str]]] = {}
    for question in questions:
        for delivery_id, user in question.addresses.items():
            if user:
                by_person.setdefault(user, []).append((question, delivery_id))
    return by_person


def _posts_to(user: str, client: WireWebClient, since: datetime) -> Sequence[_Posted] | None:
    """Everything apps have written to a person since then; None where that cannot be known now."""
    posted: list[_Posted] = []
    try:
        conversation = client.conversations_open(users=user)["channel"]["id"]
        cursor = None
        for _ in range(_MOST_PAGES):
            page = client.conversations_history(
                channel=conversation,
                oldest=f"{since.timestamp():.6f}",
                inclusive=True,
                include_all_metadata=True,
                limit=_PAGE_SIZE,
                cursor=cursor,
            )
            posted += [_read(conversation, message) for message in page["messages"] if _is_of_an_app(message)]
            cursor = (page.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                # More to come without a way to get at it is not the whole history.
                return None if page.get("has_more") else posted
    except SlackApiError as refused:
        if refused.response.status_code == 429 or refused.response.get("error") == "ratelimited":
            raise _AskedTooOften from None
        return None
    except _UNREADABLE:
        return None
    return None


def _is_of_an_app(message: Mapping[str, Any]) -> bool:
    return bool(message.get("bot_id") or message.get("app_id") or message.get("subtype") == "bot_message")


def _read(conversation: str, message: Mapping[str, Any]) -> _Posted:
    told = message.get("metadata") or {}
    payload = told.get("event_payload") or {}
    delivery_id = payload.get("delivery") if told.get("event_type") == EVENT_TYPE else None
    timestamp = message["ts"]
    return _Posted(message_name(conversation, timestamp), float(timestamp), delivery_id)


def _finding(question: Question, delivery_id: str, posted: Iterable[_Posted]) -> Iterable[Evidence]:
    since = (question.intended_at - SKEW).timestamp()
    recent = [each for each in posted if each.at >= since]
    ours = [each for each in recent if each.delivery_id == delivery_id]
    handover_id = question.handover_id.hex
    if ours:
        yield Evidence(delivery_id, handover_id, Finding.ACCEPTED, ours[-1].name)
    elif all(each.delivery_id is not None for each in recent):
        yield Evidence(delivery_id, handover_id, Finding.ABSENT)
