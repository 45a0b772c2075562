"""What a fault means for a message at every provider, and how outcomes are named in the tables of each."""

from __future__ import annotations

from collections.abc import Mapping

from pushpull.ledger.outcomes import Accepted, NotSent, Outcome, Uncertain
from tests.standin.faults import Fault

NOT_SENT, UNCERTAIN, ACCEPTED, STOPPED = "not sent", "uncertain", "accepted", "channel stopped"

#: Every fault before there is a status, and those in which the status says it all.
AT_ANY_PROVIDER: Mapping[Fault, tuple[str, str]] = {
    # 429: nothing of it was processed, and everybody waits.
    Fault.THROTTLED_SECONDS: (NOT_SENT, "throttled"),
    Fault.THROTTLED_DATE: (NOT_SENT, "throttled"),
    Fault.THROTTLED_RESET: (NOT_SENT, "throttled"),
    Fault.THROTTLED_SILENT: (NOT_SENT, "throttled"),
    Fault.THROTTLED_GARBAGE: (NOT_SENT, "throttled"),
    Fault.THROTTLED_NEGATIVE: (NOT_SENT, "throttled"),
    Fault.THROTTLED_WEEK: (NOT_SENT, "throttled"),
    Fault.UNAUTHORIZED: (STOPPED, ""),
    # No answer to the question, whether the provider went on or not.
    Fault.BROKEN_UNPROCESSED: (UNCERTAIN, "http_503"),
    Fault.BROKEN_PROCESSED: (UNCERTAIN, "http_503"),
    Fault.BROKEN_LATE: (UNCERTAIN, "http_503"),
    Fault.REDIRECT: (UNCERTAIN, "http_307"),
    Fault.HANG_UNPROCESSED: (UNCERTAIN, "read_timeout"),
    Fault.HANG_PROCESSED: (UNCERTAIN, "read_timeout"),
    Fault.HANG_LATE: (UNCERTAIN, "read_timeout"),
    Fault.RESET_BEFORE_BODY: (UNCERTAIN, "connection_lost"),
    Fault.RESET_UNPROCESSED: (UNCERTAIN, "connection_lost"),
    Fault.RESET_PROCESSED: (UNCERTAIN, "connection_lost"),
    Fault.CLOSED_UNPROCESSED: (UNCERTAIN, "connection_lost"),
    Fault.CLOSED_PROCESSED: (UNCERTAIN, "connection_lost"),
    Fault.GARBAGE_STATUS: (UNCERTAIN, "garbled_answer"),
    Fault.DRIP_HEADERS: (UNCERTAIN, "read_timeout"),
}

#: Until the deadline, that is.
NEVER_ENDING = {fault for fault in Fault if fault.value.startswith(("hang", "drip"))}


def name_of(outcome: Outcome) -> tuple[str, str]:
    match outcome:
        case Accepted():
            return ACCEPTED, ""
        case NotSent(reason):
            return NOT_SENT, reason
        case Uncertain(reason):
            return UNCERTAIN, reason
    return "rejected", outcome.reason
