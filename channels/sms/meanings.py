"""What Twilio's answers mean: its error codes as a table, and the outcome of a message from the answer to its request.

The same codes come back in status callbacks, where they say what became of a message that had been taken.
Source of the codes: Twilio's error dictionary, https://www.twilio.com/docs/api/errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from channels.answers import common_outcome, object_in, retry_at
from channels.wire import Answer
from pushpull.learners.vocabulary import SuppressionReason
from pushpull.ledger.outcomes import THROTTLED, Accepted, ChannelStopped, NotSent, Outcome, Rejected

#: A full queue or a handset out of reach does not change within minutes.
_QUEUE_PAUSE, _HANDSET_PAUSE = timedelta(minutes=10), timedelta(hours=1)


class Kind(StrEnum):
    """What an error code is about."""

    RECIPIENT = "recipient"  # this number or this message, for good
    CHANNEL = "channel"  # our account or our senders: nobody can be written to
    SLOW_DOWN = "slow_down"  # all of us are too fast
    LATER = "later"  # this number, for now


@dataclass(frozen=True, slots=True)
class Meaning:
    """What one error code means.

    Args:
        reason: a short code for the ledger.
        suppress: why nothing more is sent to the number.
        advice: what to do about it, where a person has to.
        wait: when to try again, where Twilio does not say; None: as all providers are treated.
    """

    kind: Kind
    reason: str
    suppress: SuppressionReason | None = None
    advice: str = ""
    wait: timedelta | None = None


def _bad_number() -> Meaning:
    return Meaning(Kind.RECIPIENT, "invalid_address", SuppressionReason.INVALID_ADDRESS)


def _stops(reason: str, advice: str) -> Meaning:
    return Meaning(Kind.CHANNEL, reason, advice=advice)


_CREDENTIALS = "Check the account SID and the auth token (PUSHPULL_TWILIO_…, or the TwilioCredentials block)."
_REGISTRATION = "Finish the registration of the sender (A2P 10DLC, toll-free or sender id) in Twilio's Trust Hub."
_SENDERS = "Put a sender that may write to these numbers into the messaging service."
_SERVICE = "Check the messaging service (MG…) and that there is a number in its sender pool."
_CALLBACK = "Twilio cannot call the address for delivery reports: set PUSHPULL_BASE_URL to our public https address."
_CONTENT = "Carriers filter our messages: look at their wording and the sender's registration before going on."

#: What each code means; a code that is missing is about the one message.
MEANINGS: Mapping[int, Meaning] = {
    20003: _stops("not_authenticated", _CREDENTIALS),
    20005: _stops("account_not_active", "The account is suspended or closed: see its status in Twilio's console."),
    20404: _stops("no_such_account", _CREDENTIALS),
    20429: Meaning(Kind.SLOW_DOWN, THROTTLED),
    21211: _bad_number(),
    21217: _bad_number(),
    21408: _stops(
        "country_not_allowed", "Allow the recipients' countries under Messaging → Settings → Geo permissions."
    ),
    21606: _stops("sender_not_usable", _SENDERS),
    21609: _stops("callback_refused", _CALLBACK),
    21610: Meaning(Kind.RECIPIENT, "opted_out", SuppressionReason.STOPPED),
    21611: Meaning(Kind.SLOW_DOWN, "queue_full", wait=_QUEUE_PAUSE),
    21614: _bad_number(),
    21617: Meaning(Kind.RECIPIENT, "too_long"),
    21659: _stops("sender_not_ours", _SENDERS),
    21660: _stops("sender_of_another_account", _SENDERS),
    21701: _stops("no_such_service", _SERVICE),
    21703: _stops("no_senders", _SERVICE),
    21704: _stops("no_senders", _SERVICE),
    21705: _stops("no_such_service", _SERVICE),
    30001: Meaning(Kind.SLOW_DOWN, "queue_full", wait=_QUEUE_PAUSE),
    30002: _stops("account_suspended", "The account was suspended while messages waited: see Twilio's console."),
    30003: Meaning(Kind.LATER, "try_later", wait=_HANDSET_PAUSE),
    30005: _bad_number(),
    30006: _bad_number(),
    30007: _stops("filtered_by_carrier", _CONTENT),
    30008: Meaning(Kind.LATER, "try_later", wait=_HANDSET_PAUSE),
    30034: _stops("sender_not_registered", _REGISTRATION),
    30450: _stops("delivery_blocked", _CONTENT),
}


def outcome_of(answer: Answer, *, now: datetime, meanings: Mapping[int, Meaning] = MEANINGS) -> Outcome:
    """The outcome of a message from the answer to its request.

    Args:
        now: aware UTC.
        meanings: the table, where an organisation wants it otherwise.

    Raises:
        ChannelStopped: Twilio refuses the account or its senders, not this message.
    """
    if answer.is_success:
        # Taken, whatever can be read of the rest: its callbacks name it again.
        sid = object_in(answer).get("sid")
        return Accepted(provider_id=sid if isinstance(sid, str) and 0 < len(sid) <= 64 else None)
    common = common_outcome(answer, now=now)
    if common is not None:
        return common
    code = _code(answer)
    meaning = meanings.get(code) if code is not None else None
    if meaning is not None:
        return _meant(meaning, code, answer, now)
    if answer.status in (401, 403, 404):
        # The address of the request holds nothing but our account, so even a 404 is about that.
        raise _stopped(f"HTTP {answer.status}", _CREDENTIALS)
    return Rejected(f"http_{answer.status}" if code is None else f"twilio_{code}")


def _meant(meaning: Meaning, code: int | None, answer: Answer, now: datetime) -> Outcome:
    match meaning.kind:
        case Kind.RECIPIENT:
            return Rejected(meaning.reason, meaning.suppress)
        case Kind.CHANNEL:
            raise _stopped(f"error {code}, {meaning.reason}", meaning.advice)
        case Kind.SLOW_DOWN:
            return NotSent(THROTTLED, now + meaning.wait if meaning.wait else retry_at(answer, now=now))
        case Kind.LATER:
            return NotSent(meaning.reason, now + meaning.wait if meaning.wait else retry_at(answer, now=now))


def _stopped(what: str, advice: str) -> ChannelStopped:
    return ChannelStopped(f"Twilio refuses text messages ({what}). {advice} Then resume the channel.")


def _code(answer: Answer) -> int | None:
    """Twilio's error code: under the same name in the older form of its errors and in RFC 9457's."""
    code = object_in(answer).get("code")
    if isinstance(code, int) and not isinstance(code, bool) and 0 < code < 10**6:
        return code
    return None
