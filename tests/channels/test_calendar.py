"""A hold is in a calendar once however often it is sent, and free time is only what is known to be free."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from channels.accounts import MicrosoftAccount
from channels.calendar import Busy, Calendar, CannotTell, Gap, free_gaps
from channels.calendar.schedules import read_schedules
from channels.microsoft import Tokens
from channels.wire import Answer, Wire
from pushpull.ledger.outcomes import THROTTLED, Accepted, ChannelStopped, NotSent, Outcome, Rejected, Uncertain
from tests.standin.engine import StandIn
from tests.standin.faults import Fault
from tests.standin.microsoft import Graph, Login
from tests.standin.variables import CLIENT, TENANT

NINE = datetime(2026, 1, 12, 9, tzinfo=UTC)
TEN = NINE + timedelta(hours=1)
HOLD: dict[str, Any] = {"subject": "Feedback, kindly", "body_text": "Twenty minutes.\nYours.", "ends_at": TEN}
#: What Graph's answers are made of.
KEYS = ("scheduleId", "scheduleItems", "availabilityView", "error", "status", "start", "end", "dateTime", "timeZone")
ADA, BOB = "ada@example.org", "bob@example.org"


def account(standin: StandIn) -> MicrosoftAccount:
    return MicrosoftAccount(
        tenant_id=TENANT,
        client_id=CLIENT,
        client_secret=SecretStr("stand-in"),
        login_url=standin.url(Login),
        graph_url=f"{standin.url(Graph)}/v1.0",
    )


@pytest.fixture
def calendar(standin: StandIn) -> Calendar:
    here = account(standin)
    return Calendar(here, Tokens(here), clock=lambda: NINE)


@pytest.fixture
def graph(standin: StandIn) -> Iterator[Graph]:
    played: Graph = standin.provider(Graph)
    yield played
    assert standin.violations == []


def soon(seconds: float = 5.0) -> float:
    return time.monotonic() + seconds


def hold(calendar: Calendar, user: str = ADA, *, transaction_id: str = "7-0-42", seconds: float = 5.0) -> Outcome:
    return calendar.hold(user, transaction_id=transaction_id, starts_at=NINE, deadline=soon(seconds), **HOLD)


def busy(calendar: Calendar, *users: str) -> dict[str, list[Busy] | None]:
    return calendar.busy(users, starts_at=NINE, ends_at=TEN, deadline=soon())


# --- holds ---


def test_a_hold_is_tentative_and_invites_nobody(calendar: Calendar, graph: Graph) -> None:
    outcome = hold(calendar)
    (event,) = graph.events.values()
    assert outcome == Accepted(event["id"])
    assert event["transactionId"] == "7-0-42"
    assert event["showAs"] == "tentative"
    assert event["isReminderOn"] is True
    assert event["body"] == {"contentType": "text", "content": "Twenty minutes.\nYours."}
    assert event["start"] == {"dateTime": "2026-01-12T09:00:00", "timeZone": "UTC"}
    assert "attendees" not in event


def test_a_hold_is_the_same_instant_in_every_zone(calendar: Calendar, graph: Graph) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    calendar.hold(
        ADA,
        transaction_id="1",
        subject="s",
        body_text="",
        starts_at=datetime(2026, 7, 1, 9, tzinfo=berlin),
        ends_at=datetime(2026, 7, 1, 10, tzinfo=berlin),
        deadline=soon(),
    )
    (event,) = graph.events.values()
    assert event["start"]["dateTime"] == "2026-07-01T07:00:00"
    with pytest.raises(ValueError, match="zone"):
        calendar.busy([ADA], starts_at=datetime(2026, 7, 1), ends_at=TEN, deadline=soon())  # noqa: DTZ001


@pytest.mark.parametrize("status", [400, 409])
def test_a_hold_sent_again_is_there_once(calendar: Calendar, graph: Graph, status: int) -> None:
    graph.duplicate_status = status
    assert isinstance(hold(calendar), Accepted)
    assert hold(calendar) == Accepted()
    assert len(graph.events) == 1


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault.BROKEN_PROCESSED, Uncertain),
        (Fault.BROKEN_UNPROCESSED, Uncertain),
        (Fault.RESET_PROCESSED, Uncertain),
        (Fault.RESET_UNPROCESSED, Uncertain),
        (Fault.RESET_BEFORE_BODY, Uncertain),
        (Fault.CLOSED_PROCESSED, Uncertain),
        (Fault.GARBAGE_STATUS, Uncertain),
        (Fault.REDIRECT, Uncertain),
        (Fault.HANG_PROCESSED, Uncertain),
        (Fault.TRUNCATED_BODY, Accepted),
        (Fault.GARBAGE_BODY, Accepted),
        (Fault.HUGE_BODY, Accepted),
        (Fault.THROTTLED_SECONDS, NotSent),
        (Fault.THROTTLED_GARBAGE, NotSent),
        (Fault.UNAUTHORIZED, Accepted),  # once: a fresh token helps
    ],
)
def test_whatever_goes_wrong_the_next_try_leaves_one_entry(
    calendar: Calendar, graph: Graph, standin: StandIn, fault: Fault, expected: type
) -> None:
    assert isinstance(hold(calendar, transaction_id="warm-up"), Accepted)  # the token is there
    standin.fault(fault, provider=Graph, seconds=3)
    assert isinstance(hold(calendar, seconds=1.0), expected)
    assert isinstance(hold(calendar), Accepted)
    assert sum(event["transactionId"] == "7-0-42" for event in graph.events.values()) == 1


def test_what_never_left_was_not_sent(standin: StandIn, graph: Graph) -> None:
    here = account(standin)
    broken = Calendar(here, Tokens(here), clock=lambda: NINE, wire=Wire(standin.refusing_url(Graph)))
    assert hold(broken) == NotSent("connection_refused")
    assert hold(broken, seconds=-1) in {NotSent("deadline_passed"), NotSent("login_deadline_passed")}
    assert graph.events == {}


@pytest.mark.parametrize(
    ("status", "code", "message", "expected"),
    [
        (404, "ErrorInvalidUser", "", Rejected("ErrorInvalidUser")),
        (404, "MailboxNotEnabledForRESTAPI", "", Rejected("MailboxNotEnabledForRESTAPI")),
        (400, "ErrorInvalidRequest", "", Rejected("ErrorInvalidRequest")),
        (403, "ErrorAccessDenied", "[RAOP] : Blocked by tenant configured AppOnly AccessPolicy settings.", Rejected),
        (429, "ApplicationThrottled", "Application is over its MailboxConcurrency limit.", NotSent("mailbox_busy")),
        (429, "TooManyRequests", "", NotSent(THROTTLED)),
        (400, f"{ADA} is not a code", "", Rejected("http_400")),
    ],
)
def test_a_refusal_is_about_one_person(
    calendar: Calendar, graph: Graph, status: int, code: str, message: str, expected: Outcome | type
) -> None:
    graph.refuse(ADA, status, code, message)
    outcome = hold(calendar)
    if isinstance(expected, type):
        assert isinstance(outcome, expected)
    elif isinstance(expected, NotSent):
        assert isinstance(outcome, NotSent)
        assert outcome.reason == expected.reason
        assert outcome.retry_at is not None
        assert outcome.retry_at > NINE
    else:
        assert outcome == expected
    assert isinstance(hold(calendar, BOB), Accepted)


def test_a_missing_permission_stops_everything(calendar: Calendar, graph: Graph) -> None:
    graph.refuse(ADA, 403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")
    with pytest.raises(ChannelStopped, match=r"Calendars\.ReadWrite"):
        hold(calendar)
    with pytest.raises(ChannelStopped):
        busy(calendar, ADA)


def test_a_revoked_token_is_exchanged_once_and_then_everything_stops(
    calendar: Calendar, graph: Graph, standin: StandIn
) -> None:
    assert isinstance(hold(calendar, BOB), Accepted)
    graph.gate.revoke()
    assert isinstance(hold(calendar), Accepted)
    standin.fault(Fault.UNAUTHORIZED, provider=Graph, times=None)
    with pytest.raises(ChannelStopped, match="fresh token"):
        hold(calendar)


@pytest.mark.parametrize("user", ["", ".", "..", "../admin", "a/b", "a b", "a%2fb", "a?b", "x" * 501])
def test_a_user_that_could_mean_another_path_is_refused(calendar: Calendar, standin: StandIn, user: str) -> None:
    assert hold(calendar, user) == Rejected("invalid_address")
    assert calendar.cancel(ADA, user, deadline=soon()) == Rejected("invalid_address")
    assert busy(calendar, user) == {user: None}
    assert standin.requests(Graph) == []


def test_text_that_is_no_unicode_is_refused(calendar: Calendar) -> None:
    odd = calendar.hold(
        ADA, transaction_id="1", subject="\ud800", body_text="", starts_at=NINE, ends_at=TEN, deadline=soon()
    )
    assert odd == Rejected("not_unicode")


def test_cancelling_may_be_repeated(calendar: Calendar, graph: Graph, standin: StandIn) -> None:
    made = hold(calendar)
    assert isinstance(made, Accepted)
    assert made.provider_id
    standin.fault(Fault.RESET_PROCESSED, provider=Graph, method="DELETE")
    assert isinstance(calendar.cancel(ADA, made.provider_id, deadline=soon()), Uncertain)
    assert graph.events == {}
    assert calendar.cancel(ADA, made.provider_id, deadline=soon()) == Accepted()
    graph.refuse(ADA, 404, "ErrorInvalidUser")
    assert calendar.cancel(ADA, made.provider_id, deadline=soon()) == Rejected("ErrorInvalidUser")


def test_a_hold_nobody_knows_about_can_be_found_and_cancelled(
    calendar: Calendar, graph: Graph, standin: StandIn
) -> None:
    def find(transaction_id: str, user: str = ADA) -> str | None:
        return calendar.find(user, transaction_id=transaction_id, starts_at=NINE, ends_at=TEN, deadline=soon())

    assert find("7-0-42") is None
    standin.fault(Fault.RESET_PROCESSED, provider=Graph)
    assert isinstance(hold(calendar), Uncertain)
    hold(calendar, transaction_id="another")
    event_id = find("7-0-42")
    assert event_id
    assert graph.events[ADA, event_id]["transactionId"] == "7-0-42"
    assert calendar.cancel(ADA, event_id, deadline=soon()) == Accepted()
    assert find("7-0-42") is None
    for fault in (Fault.GARBAGE_BODY, Fault.BROKEN_UNPROCESSED, Fault.RESET_UNPROCESSED):
        standin.fault(fault, provider=Graph)
        with pytest.raises(CannotTell):
            find("another")
    assert find("another")
    graph.refuse(BOB, 404, "ErrorInvalidUser")
    assert find("another", BOB) is None
    assert find("another", "..") is None


# --- free and busy ---


def test_busy_times_are_read_without_what_they_are_about(calendar: Calendar, graph: Graph) -> None:
    graph.busy[ADA] = [
        ("2026-01-12T09:15:00.0000000", "2026-01-12T09:30:00.0000000", "busy"),
        ("2026-01-12T09:30:00.0000000", "2026-01-12T09:45:00.0000000", "workingElsewhere"),
    ]
    found = busy(calendar, ADA, BOB)
    quarter = timedelta(minutes=15)
    assert found[ADA] == [
        Busy(NINE + quarter, NINE + 2 * quarter, "busy"),
        Busy(NINE + 2 * quarter, NINE + 3 * quarter, "workingElsewhere"),
    ]
    assert found[BOB] is not None
    assert free_gaps(found[BOB] or [], Gap(NINE, TEN), 60) == [Gap(NINE, TEN)]
    assert free_gaps(found[ADA] or [], Gap(NINE, TEN), 20) == [Gap(NINE + 2 * quarter, TEN)]


def test_what_nobody_can_tell_is_unknown_and_not_free(calendar: Calendar, graph: Graph, standin: StandIn) -> None:
    graph.refuse(BOB, 404, "ErrorMailRecipientNotFound")
    assert busy(calendar, ADA, BOB) == {ADA: [], BOB: None}
    assert busy(calendar, BOB, ADA) == {BOB: None, ADA: []}  # somebody else asks, then
    assert busy(calendar, BOB) == {BOB: None}
    through = "0b1f1f1e-0000-4000-8000-000000000001"
    assert calendar.busy([ADA], starts_at=NINE, ends_at=TEN, deadline=soon(), through=through) == {ADA: []}
    assert standin.requests(Graph)[-1].path.endswith(f"/users/{through}/calendar/getSchedule")
    graph.refuse(through, 404, "ErrorInvalidUser")
    assert calendar.busy([ADA], starts_at=NINE, ends_at=TEN, deadline=soon(), through=through) == {ADA: []}
    for fault in (Fault.RESET_UNPROCESSED, Fault.BROKEN_UNPROCESSED, Fault.THROTTLED_SECONDS, Fault.GARBAGE_BODY):
        standin.fault(fault, provider=Graph)
        assert busy(calendar, ADA) == {ADA: None}
    assert busy(calendar) == {}


def test_twenty_people_are_asked_about_at_once(calendar: Calendar, graph: Graph, standin: StandIn) -> None:
    people = [f"p{at}@example.org" for at in range(41)]
    graph.busy[people[40]] = [("2026-01-12T09:00:00", "2026-01-12T09:30:00", "oof")]
    found = busy(calendar, *people, people[0])
    assert [len(request.json()["schedules"]) for request in standin.requests(Graph)] == [20, 20, 1]
    assert found[people[40]] == [Busy(NINE, NINE + timedelta(minutes=30), "oof")]
    assert all(found[person] == [] for person in people[:40])


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ({}, None),
        ({"scheduleItems": "garbage"}, None),
        ({"scheduleItems": [{"status": "busy"}]}, None),
        ({"scheduleItems": [{"start": {}, "end": {}}]}, None),
        ({"scheduleItems": []}, []),
        ({"availabilityView": ""}, None),
        ({"availabilityView": "0020", "scheduleItems": []}, [(30, 45, "busy")]),
        ({"availabilityView": "0?00"}, [(15, 30, "unknown")]),
        ({"availabilityView": "0400"}, [(15, 30, "workingElsewhere")]),
        ({"availabilityView": "0000", "error": {"responseCode": "ErrorNoFreeBusyAccess"}}, None),
        (
            {
                "scheduleItems": [
                    {
                        "isPrivate": True,
                        "start": {"dateTime": "2026-01-12T09:05:00.0000000", "timeZone": "UTC"},
                        "end": {"dateTime": "2026-01-12T09:10:00.0000000", "timeZone": "UTC"},
                    }
                ]
            },
            [(5, 10, "None")],
        ),
        (
            {
                "scheduleItems": [
                    {
                        "status": "busy",
                        "start": {"dateTime": "2026-01-12T09:05:00", "timeZone": "W. Europe Standard Time"},
                        "end": {"dateTime": "2026-01-12T09:10:00", "timeZone": "UTC"},
                    }
                ]
            },
            None,
        ),
    ],
)
def test_odd_schedules_are_read_on_the_safe_side(
    standin: StandIn, schedule: dict[str, Any], expected: list[tuple[int, int, str]] | None
) -> None:
    class Odd(Wire):
        def request(self, *_: Any, **__: Any) -> Answer:
            return Answer(200, {}, orjson.dumps({"value": [{"scheduleId": ADA.upper(), **schedule}]}))

    here = account(standin)
    found = busy(Calendar(here, Tokens(here), clock=lambda: NINE, wire=Odd("http://127.0.0.1")), ADA)[ADA]
    minute = timedelta(minutes=1)
    if expected is None:
        assert found is None
    else:
        assert found == [Busy(NINE + begin * minute, NINE + end * minute, status) for begin, end, status in expected]
        assert all(each.blocks for each in found if each.status != "workingElsewhere")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just("9999-12-31T23:59:59-14:00"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_whatever_graph_answers_it_is_a_list_of_busy_times_or_unknown(answered: object) -> None:
    for odd in (
        answered,
        [{"scheduleId": ADA, "scheduleItems": [answered]}],
        [{"scheduleId": ADA, **fields_of(answered)}],
    ):
        found = read_schedules(odd, [ADA], NINE)
        assert list(found) == [ADA]
        assert found[ADA] is None or free_gaps(found[ADA] or [], Gap(NINE, TEN), 1) is not None


def fields_of(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
