"""Every fault, as the wire tells it: proof that nothing was sent, an answer, or that nobody knows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from channels.answers import common_outcome
from channels.wire import ANSWER_CAP, Answer, NobodyKnows, NothingSent, Wire
from pushpull.ledger.outcomes import NotSent, Uncertain
from tests.standin.echo import Echo
from tests.standin.engine import StandIn
from tests.standin.faults import Fault

#: What each fault looks like from our side: a code of NobodyKnows, or a status.
SEEN: dict[Fault, str | int] = {
    **{fault: 429 for fault in Fault if fault.is_throttle},
    Fault.UNAUTHORIZED: 401,
    Fault.BROKEN_UNPROCESSED: 503,
    Fault.BROKEN_PROCESSED: 503,
    Fault.BROKEN_LATE: 503,
    Fault.REDIRECT: 307,
    Fault.HANG_UNPROCESSED: "read_timeout",
    Fault.HANG_PROCESSED: "read_timeout",
    Fault.HANG_LATE: "read_timeout",
    Fault.RESET_BEFORE_BODY: "connection_lost",
    Fault.RESET_UNPROCESSED: "connection_lost",
    Fault.RESET_PROCESSED: "connection_lost",
    Fault.CLOSED_UNPROCESSED: "connection_lost",
    Fault.CLOSED_PROCESSED: "connection_lost",
    Fault.GARBAGE_STATUS: "garbled_answer",
    Fault.DRIP_HEADERS: "read_timeout",
    Fault.DRIP_BODY: 202,
    Fault.TRUNCATED_BODY: 202,
    Fault.GARBAGE_BODY: 202,
    Fault.HUGE_BODY: 202,
    Fault.STALE_CONNECTION: 202,
}

#: Those whose answer has a status and less body than it should.
IN_PIECES = {Fault.DRIP_BODY, Fault.TRUNCATED_BODY, Fault.HUGE_BODY}


@pytest.fixture(scope="module")
def server() -> Iterator[StandIn]:
    with StandIn([Echo]) as running:
        yield running


@pytest.fixture
def echo(server: StandIn) -> StandIn:
    server.forget()
    return server


@pytest.fixture
def wire(echo: StandIn) -> Iterator[Wire]:
    made = Wire(echo.url(Echo))
    yield made
    made.close()


def _asked(wire: Wire, *, seconds: float = 5.0, body: bytes = b'{"a": 1}') -> Answer:
    return wire.request("POST", "/messages", headers={}, body=body, deadline=time.monotonic() + seconds)


def _seen(wire: Wire, *, seconds: float) -> str | int:
    try:
        return _asked(wire, seconds=seconds).status
    except NobodyKnows as failure:
        return failure.code


@pytest.mark.parametrize("is_kept", [False, True], ids=["new-connection", "kept-connection"])
@pytest.mark.parametrize("fault", Fault)
def test_a_fault_is_seen_for_what_it_is(echo: StandIn, wire: Wire, fault: Fault, is_kept: bool) -> None:
    if is_kept:
        _asked(wire)
        echo.provider(Echo).forget()
    echo.fault(fault, seconds=0.1 if fault in {Fault.BROKEN_LATE, Fault.HANG_LATE} else 20)
    began = time.monotonic()
    assert _seen(wire, seconds=0.3 if SEEN[fault] == "read_timeout" or fault is Fault.DRIP_BODY else 5) == (
        # A hang that is over when the late request is processed ends in a closed connection.
        SEEN[fault] if fault is not Fault.HANG_LATE else "connection_lost"
    )
    assert time.monotonic() - began < 2
    if fault in {Fault.BROKEN_LATE, Fault.HANG_LATE, Fault.STALE_CONNECTION}:
        time.sleep(0.25)  # until it is processed, or the end of the connection has come through
    assert len(echo.provider(Echo).taken()) == fault.is_processed
    assert _asked(wire).is_success, "the next request has a sound connection and its own answer"


def test_every_fault_has_its_line_in_the_table() -> None:
    assert set(SEEN) == set(Fault)


@pytest.mark.parametrize("fault", sorted(IN_PIECES))
def test_an_answer_in_pieces_keeps_its_status(echo: StandIn, wire: Wire, fault: Fault) -> None:
    echo.fault(fault)
    answer = _asked(wire, seconds=0.5)
    assert (answer.status, answer.is_whole) == (202, False)
    assert len(answer.body) <= ANSWER_CAP


def test_a_drip_ends_at_the_deadline(echo: StandIn, wire: Wire) -> None:
    for fault in (Fault.DRIP_HEADERS, Fault.DRIP_BODY):
        echo.fault(fault)
        began = time.monotonic()
        _seen(wire, seconds=0.4)
        assert 0.35 < time.monotonic() - began < 0.8


def test_a_redirect_is_not_followed(echo: StandIn, wire: Wire) -> None:
    echo.fault(Fault.REDIRECT)
    assert _asked(wire).status == 307
    assert [request.path for request in echo.requests(Echo)] == ["/messages"]


def test_what_never_left_is_proven(echo: StandIn) -> None:
    for url, code in (
        (echo.refusing_url(Echo), "connection_refused"),
        (echo.tls_url(Echo), "tls_failed"),
        (echo.tls_at_plain_url(Echo), "tls_failed"),
        ("http://nobody.invalid", "name_not_found"),
        (f"http://{'a' * 64}.invalid", "name_not_found"),
    ):
        with pytest.raises(NothingSent) as failure:
            _asked(Wire(url))
        assert failure.value.code == code
    assert echo.requests(Echo) == []


def test_a_trusted_certificate_is_spoken_to(echo: StandIn) -> None:
    wire = Wire(echo.tls_url(Echo), context=echo.trust)
    for _ in range(3):
        assert _asked(wire, body=b"x" * 100_000).is_success
    wire.close()


def test_a_connection_that_goes_stale_behind_our_back_is_noticed(echo: StandIn, wire: Wire) -> None:
    for _ in range(5):
        echo.fault(Fault.STALE_CONNECTION)
        assert _asked(wire).is_success
        time.sleep(0.05)
    assert len(echo.provider(Echo).taken()) == 5


@pytest.mark.parametrize("size", [0, 1, 70_000, 12_000_000])
def test_a_body_of_any_size_arrives_whole(echo: StandIn, wire: Wire, size: int) -> None:
    assert _asked(wire, body=b"x" * size).is_success
    assert len(echo.requests(Echo)[-1].body) == size


THROTTLES = {
    Fault.THROTTLED_SECONDS: timedelta(seconds=90),
    Fault.THROTTLED_DATE: timedelta(seconds=90),
    Fault.THROTTLED_RESET: timedelta(seconds=90),
    Fault.THROTTLED_SILENT: timedelta(minutes=1),
    Fault.THROTTLED_GARBAGE: timedelta(minutes=1),
    Fault.THROTTLED_NEGATIVE: timedelta(minutes=1),
    Fault.THROTTLED_WEEK: timedelta(hours=1),
}


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault.is_throttle])
def test_a_throttle_says_when_to_come_back_and_is_not_believed_blindly(echo: StandIn, wire: Wire, fault: Fault) -> None:
    echo.fault(fault, seconds=90)
    now = datetime.now(UTC)
    outcome = common_outcome(_asked(wire), now=now)
    assert isinstance(outcome, NotSent)
    assert outcome.retry_at is not None
    assert abs(outcome.retry_at - now - THROTTLES[fault]) < timedelta(seconds=2)


@pytest.mark.parametrize("fault", [Fault.BROKEN_UNPROCESSED, Fault.BROKEN_PROCESSED, Fault.REDIRECT])
def test_an_answer_that_proves_nothing_is_uncertain(echo: StandIn, wire: Wire, fault: Fault) -> None:
    echo.fault(fault)
    assert isinstance(common_outcome(_asked(wire), now=datetime.now(UTC)), Uncertain)
