"""What Slack's answers mean: its error codes as a table, and the outcome of a message from the answer to its request.

Slack says whether it did what was asked in the body, not in the status: a 200 may hold ``"ok": false``. So a 200 whose
body cannot be read is no evidence of anything here, other than with providers whose 2xx means "taken".
Source of the codes: the "Errors" section of each method, https://docs.slack.dev/reference/methods.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from channels.answers import common_outcome, object_in, retry_at
from channels.wire import Answer
from pushpull.learners.vocabulary import SuppressionReason
from pushpull.ledger.outcomes import THROTTLED, Accepted, ChannelStopped, NotSent, Outcome, Rejected, Uncertain

_MIGRATION_PAUSE = timedelta(minutes=10)
_CODE = re.compile(r"[a-z][a-z0-9_]{0,60}")


class Kind(StrEnum):
    """What an error code is about."""

    PERSON = "person"  # this person is not to be reached, for good
    MESSAGE = "message"  # this message, or the place it was to go to
    CHANNEL = "channel"  # our app: nobody can be written to
    SLOW_DOWN = "slow_down"  # all of us are too fast
    LATER = "later"  # the workspace, for now
    UNKNOWN = "unknown"  # Slack says itself that part of it may have been done


@dataclass(frozen=True, slots=True)
class Meaning:
    """What one error code means.

    Args:
        reason: a short code for the ledger; empty: the error code itself.
        advice: what to do about it, where a person has to.
    """

    kind: Kind
    reason: str = ""
    advice: str = ""


def _stops(advice: str) -> Meaning:
    return Meaning(Kind.CHANNEL, advice=advice)


_GONE = Meaning(Kind.PERSON)
_MESSAGE = Meaning(Kind.MESSAGE)
_UNKNOWN = Meaning(Kind.UNKNOWN)
_TOO_FAST = Meaning(Kind.SLOW_DOWN)
_TOKEN = _stops("Enter a valid bot token (PUSHPULL_SLACK_BOT_TOKEN, or the SlackCredentials block).")
_REINSTALL = _stops("Install the app in the workspace again and enter its new bot token.")
_SCOPES = _stops("Give the app the scopes chat:write, im:write, im:history and users:read.email; install it again.")
_ADMIN = _stops("A setting of the workspace forbids it: ask a Slack administrator to allow the app.")
_MIGRATING = Meaning(Kind.LATER, "workspace_migrating")

#: What each code means; a code that is missing is about the one message.
MEANINGS: Mapping[str, Meaning] = {
    "user_not_found": _GONE,
    "users_not_found": _GONE,
    "user_disabled": _GONE,
    "cannot_dm_bot": _GONE,
    "user_not_visible": _MESSAGE,
    "channel_not_found": _MESSAGE,
    "is_archived": _MESSAGE,
    "not_in_channel": _MESSAGE,
    "msg_too_long": Meaning(Kind.MESSAGE, "too_long"),
    "msg_blocks_too_long": Meaning(Kind.MESSAGE, "too_long"),
    "invalid_blocks": _MESSAGE,
    "too_many_attachments": _MESSAGE,
    "no_text": _MESSAGE,
    "invalid_auth": _TOKEN,
    "not_authed": _TOKEN,
    "token_expired": _TOKEN,
    "not_allowed_token_type": _TOKEN,
    "token_revoked": _REINSTALL,
    "account_inactive": _REINSTALL,
    "missing_scope": _SCOPES,
    "no_permission": _SCOPES,
    "ekm_access_denied": _ADMIN,
    "team_access_not_granted": _ADMIN,
    "access_denied": _ADMIN,
    "enterprise_is_restricted": _ADMIN,
    "org_login_required": _ADMIN,
    "restricted_action": _ADMIN,
    "messages_tab_disabled": _stops("Switch the Messages tab of the app on (App Home → Show tabs)."),
    "ratelimited": _TOO_FAST,
    "rate_limited": _TOO_FAST,
    "message_limit_exceeded": _TOO_FAST,
    "team_added_to_org": _MIGRATING,
    "accesslimited": _MIGRATING,
    "fatal_error": _UNKNOWN,
    "internal_error": _UNKNOWN,
    "service_unavailable": _UNKNOWN,
    "request_timeout": _UNKNOWN,
}


def outcome_of(answer: Answer, *, now: datetime) -> Outcome:
    """The outcome of a message from the answer to its request.

    Args:
        now: aware UTC.

    Raises:
        ChannelStopped: Slack refuses our app, not this message.
    """
    common = common_outcome(answer, now=now)
    if common is not None:
        return common
    said = object_in(answer)
    code = said.get("error")
    if isinstance(code, str) and said.get("ok") is False:
        return _meant(code if _CODE.fullmatch(code) else "error", answer, now)
    if answer.is_success:
        return Accepted(_message_id(said)) if said.get("ok") is True else Uncertain("unreadable_answer")
    if answer.status in (401, 403, 404):
        raise _stopped(f"HTTP {answer.status}", "Check the bot token and the address of Slack's API.")
    return Rejected(f"http_{answer.status}")


def message_name(conversation: object, timestamp: object) -> str | None:
    """What a message is called: Slack tells messages apart by their conversation and time."""
    if isinstance(conversation, str) and isinstance(timestamp, str):
        return f"{conversation}:{timestamp}"[:100]
    return None


def _message_id(said: Mapping[str, Any]) -> str | None:
    return message_name(said.get("channel"), said.get("ts"))


def _meant(code: str, answer: Answer, now: datetime) -> Outcome:
    meaning = MEANINGS.get(code, _MESSAGE)
    reason = meaning.reason or (code if code in MEANINGS else f"slack_{code}")
    match meaning.kind:
        case Kind.PERSON:
            return Rejected(reason, SuppressionReason.INVALID_ADDRESS)
        case Kind.MESSAGE:
            return Rejected(reason)
        case Kind.CHANNEL:
            raise _stopped(code, meaning.advice)
        case Kind.SLOW_DOWN:
            return NotSent(THROTTLED, retry_at(answer, now=now))
        case Kind.LATER:
            return NotSent(reason, now + _MIGRATION_PAUSE)
        case Kind.UNKNOWN:
            return Uncertain(code)


def _stopped(what: str, advice: str) -> ChannelStopped:
    return ChannelStopped(f"Slack refuses our app ({what}). {advice} Then resume the channel.")
