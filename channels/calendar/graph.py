"""Calendars by Microsoft Graph: holds, and who is busy when.

A hold names its ``transactionId``, made from our own id: Graph makes one event of it however often it is sent
(learn.microsoft.com/graph/api/resources/event). So a hold whose outcome is unknown may be sent again, and an entry
whose end is unknown may be cancelled again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from urllib.parse import quote, urlencode

import orjson

from channels.accounts import MicrosoftAccount
from channels.answers import common_outcome, object_in, retry_at, unanswered
from channels.calendar.gaps import Busy
from channels.calendar.mailboxes import Mailboxes
from channels.calendar.schedules import SLOT, graph_time, read_schedules
from channels.microsoft import GRAPH_SCOPE, Tokens
from channels.teams.service import Service
from channels.wire import Answer, Failure, Wire
from pushpull.ledger.outcomes import Accepted, ChannelStopped, NotSent, Outcome, Rejected, Uncertain

#: Calendars one getSchedule may be asked about.
MOST_SCHEDULES = 20
#: A mailbox this app may not touch, while it may touch others: an application access policy of Exchange says so.
_POLICY = re.compile(rb"AccessPolicy|RAOP", re.IGNORECASE)
_SEGMENT = re.compile(r"[^\s/\\?#%\x00-\x1f\x7f]{1,500}")
#: How many of a call's people are tried as the one who asks, where Graph does not know somebody.
_TRIES = 3


class CannotTell(Exception):
    """Nobody can tell now whether an entry is in a calendar."""


class Calendar:
    """The calendars of a tenant. Any number of threads may use it.

    Args:
        tokens: of the app, with the permissions Calendars.ReadWrite (holds) and Calendars.ReadBasic (free/busy).
        clock: the present, UTC.
        wire: connections to Graph; None: made from the account.
        monotonic: seconds on a clock that never jumps.
    """

    def __init__(
        self,
        account: MicrosoftAccount,
        tokens: Tokens,
        *,
        clock: Callable[[], datetime],
        wire: Wire | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._service = Service(
            tokens,
            name="Microsoft Graph",
            scope=GRAPH_SCOPE,
            advice="check the app at Entra and an administrator's consent to Calendars.ReadWrite",
        )
        self._wire = wire or Wire(account.graph_url, monotonic=monotonic)
        self._clock = clock
        self._mailboxes = Mailboxes(monotonic=monotonic)

    def hold(
        self,
        user: str,
        *,
        transaction_id: str,
        subject: str,
        body_text: str,
        starts_at: datetime,
        ends_at: datetime,
        deadline: float,
    ) -> Outcome:
        """Put a tentative entry with a reminder, and without guests, into somebody's calendar.

        Args:
            user: Entra object id or user principal name; neither has a slash, a space or a percent sign.
            transaction_id: our own stable id: the same one never makes a second entry, so that an
                :class:`Uncertain` outcome may simply be tried again.
            starts_at, ends_at: aware instants.
            deadline: monotonic seconds by which everything must be over.

        Returns:
            :class:`Accepted`, with the event's id unless an earlier try had made it.

        Raises:
            ChannelStopped: the whole tenant cannot be written to.
        """
        if not _is_a_segment(user):
            return Rejected("invalid_address")
        event = {
            "transactionId": transaction_id,
            "subject": subject,
            "body": {"contentType": "text", "content": body_text},
            "start": graph_time(starts_at),
            "end": graph_time(ends_at),
            "showAs": "tentative",
            "isReminderOn": True,
        }
        try:
            body = orjson.dumps(event)
        except orjson.JSONEncodeError:
            return Rejected("not_unicode")
        path = f"/users/{quote(user, safe='')}/events"
        return self._change(user, "POST", path, body, deadline, self._hold_outcome)

    def cancel(self, user: str, event_id: str, *, deadline: float) -> Outcome:
        """Take an entry out again; one that is gone already is as good. May be repeated.

        Raises:
            ChannelStopped: the whole tenant cannot be written to.
        """
        if not (_is_a_segment(user) and _is_a_segment(event_id)):
            return Rejected("invalid_address")
        path = f"/users/{quote(user, safe='')}/events/{quote(event_id, safe='')}"
        return self._change(user, "DELETE", path, b"", deadline, self._cancel_outcome)

    def find(
        self, user: str, *, transaction_id: str, starts_at: datetime, ends_at: datetime, deadline: float
    ) -> str | None:
        """The event an earlier :meth:`hold` made, which is what :meth:`cancel` needs after an unknown outcome.

        Args:
            starts_at, ends_at: of the hold; it is not found where its owner moved it away.

        Returns:
            Its id; None when it is not there.

        Raises:
            CannotTell: the calendar does not answer, or not in a way that can be understood.
            ChannelStopped: the whole tenant cannot be read.
        """
        if not _is_a_segment(user):
            return None
        query = {
            "startDateTime": graph_time(starts_at)["dateTime"] + "Z",
            "endDateTime": graph_time(ends_at)["dateTime"] + "Z",
            "$select": "id,transactionId",
            "$top": "100",
        }
        path = f"/users/{quote(user, safe='')}/calendarView?{urlencode(query, safe='$,:')}"
        try:
            with self._mailboxes.one(user, deadline):
                answer = self._service.ask(self._wire, "GET", path, b"", deadline=deadline)
        except Failure as failure:
            raise CannotTell(failure.code) from None
        if answer.status == 403 and not _POLICY.search(answer.body):
            raise _missing_role()
        if answer.status == 404:
            return None  # nor is the calendar
        listed = object_in(answer).get("value") if answer.is_success else None
        if not isinstance(listed, list):
            raise CannotTell(_reason(answer))
        for event in listed:
            if isinstance(event, dict) and event.get("transactionId") == transaction_id:
                event_id = event.get("id")
                return event_id if isinstance(event_id, str) else None
        return None

    def busy(
        self, users: Sequence[str], *, starts_at: datetime, ends_at: datetime, deadline: float, through: str = ""
    ) -> dict[str, list[Busy] | None]:
        """When people are busy; None where nobody can tell, which is not the same as free.

        What people are busy with is neither kept nor asked for; private entries are busy times like others.

        Args:
            users: e-mail addresses, each at most once counted.
            starts_at, ends_at: aware instants.
            through: whose calendar is to ask first, as an Entra object id: addresses of people may differ from the
                names they sign in by. Empty: that of whoever is asked about.

        Raises:
            ChannelStopped: the whole tenant cannot be read.
        """
        starts_at = starts_at.replace(microsecond=0)  # as it is written, and as slots are counted from
        found: dict[str, list[Busy] | None] = dict.fromkeys(users)
        asked = [user for user in found if _is_a_segment(user)]
        first = [through] if _is_a_segment(through) else []
        for start in range(0, len(asked), MOST_SCHEDULES):
            some = asked[start : start + MOST_SCHEDULES]
            found.update(self._schedules([*first, *some][:_TRIES], some, starts_at, ends_at, deadline))
        return found

    def _change(
        self,
        user: str,
        method: str,
        path: str,
        body: bytes,
        deadline: float,
        outcome: Callable[[Answer], Outcome],
    ) -> Outcome:
        try:
            with self._mailboxes.one(user, deadline):
                answer = self._service.ask(self._wire, method, path, body, deadline=deadline)
        except Failure as failure:
            return unanswered(failure)
        return outcome(answer)

    def _hold_outcome(self, answer: Answer) -> Outcome:
        if answer.is_success:
            event_id = object_in(answer).get("id")
            return Accepted(event_id if isinstance(event_id, str) else None)
        if answer.status in {400, 409} and _code(answer) == "ErrorDuplicateTransactionId":
            return Accepted()
        return self._refusal(answer)

    def _cancel_outcome(self, answer: Answer) -> Outcome:
        if answer.is_success or (answer.status == 404 and _code(answer) == "ErrorItemNotFound"):
            return Accepted()
        return self._refusal(answer)

    def _refusal(self, answer: Answer) -> NotSent | Rejected | Uncertain:
        now = self._clock()
        if answer.status == 429 and b"MailboxConcurrency" in answer.body:
            return NotSent("mailbox_busy", retry_at=retry_at(answer, now=now))  # others need not wait
        common = common_outcome(answer, now=now)
        if common is not None:
            return common
        if answer.status == 403 and not _POLICY.search(answer.body):
            raise _missing_role()
        return Rejected(_reason(answer))

    def _schedules(
        self, askers: Sequence[str], users: Sequence[str], starts_at: datetime, ends_at: datetime, deadline: float
    ) -> Mapping[str, list[Busy] | None]:
        """One call about at most 20 people. It goes through the calendar of an asker, who must have one."""
        body = orjson.dumps(
            {
                "schedules": list(users),
                "startTime": graph_time(starts_at),
                "endTime": graph_time(ends_at),
                "availabilityViewInterval": SLOT,
            }
        )
        for asker in askers:
            path = f"/users/{quote(asker, safe='')}/calendar/getSchedule"
            try:
                with self._mailboxes.one(asker, deadline):
                    answer = self._service.ask(self._wire, "POST", path, body, deadline=deadline)
            except Failure:
                return {}
            if answer.is_success:
                return read_schedules(object_in(answer).get("value"), users, starts_at)
            is_his_own = answer.status == 404 or (answer.status == 403 and _POLICY.search(answer.body))
            if answer.status == 403 and not is_his_own:
                raise _missing_role()
            if not is_his_own:
                return {}
        return {}


def _is_a_segment(name: str) -> bool:
    """Whether a name can stand in a path and means only itself there."""
    return _SEGMENT.fullmatch(name) is not None and name not in {".", ".."}


def _code(answer: Answer) -> str:
    """Graph's own code of an error; empty where it says none."""
    error = object_in(answer).get("error")
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, str) and re.fullmatch(r"[A-Za-z0-9_.]{1,60}", code) else ""


def _reason(answer: Answer) -> str:
    return _code(answer) or f"http_{answer.status}"


def _missing_role() -> ChannelStopped:
    return ChannelStopped(
        "Microsoft Graph does not let the app use calendars (403): an administrator must consent to the application "
        "permissions Calendars.ReadWrite and Calendars.ReadBasic. Then resume the channel."
    )
