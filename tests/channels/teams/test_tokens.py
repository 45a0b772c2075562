"""Tokens of Entra by msal: one request for any number of threads, renewed ahead, and refusals that can be acted on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import SecretStr

from channels.microsoft import BOT_SCOPE, GRAPH_SCOPE, Tokens, shared_tokens
from channels.wire import NothingSent
from pushpull.ledger.outcomes import ChannelStopped
from tests.channels.teams.people import an_account
from tests.standin.engine import StandIn
from tests.standin.faults import Fault
from tests.standin.microsoft import Login


class Watch:
    """A monotonic clock that can be put forward."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


def soon(seconds: float = 5.0) -> float:
    return time.monotonic() + seconds


def at_once(number: int, call: Callable[[], str]) -> Sequence[str]:
    """The answers of so many threads that ask at the same moment."""
    gate = threading.Barrier(number)

    def ask(_: int) -> str:
        gate.wait()
        return call()

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(ask, range(number)))


def token_requests(standin: StandIn) -> int:
    return sum(request.method == "POST" for request in standin.requests(Login))


def test_a_token_is_asked_for_once_and_kept_per_scope(standin: StandIn) -> None:
    tokens = Tokens(an_account(standin))
    bot, graph = tokens.token(BOT_SCOPE, deadline=soon()), tokens.token(GRAPH_SCOPE, deadline=soon())
    assert bot != graph
    assert [tokens.token(BOT_SCOPE, deadline=soon()) for _ in range(10)] == [bot] * 10
    assert token_requests(standin) == 2


def test_twenty_threads_asking_at_once_make_one_request(standin: StandIn) -> None:
    tokens = Tokens(an_account(standin))
    found = at_once(20, lambda: tokens.token(BOT_SCOPE, deadline=soon()))
    assert len(set(found)) == 1
    assert token_requests(standin) == 1


def test_a_refused_token_is_exchanged_once_for_all_threads_that_saw_it_refused(standin: StandIn) -> None:
    tokens = Tokens(an_account(standin))
    stale = tokens.token(BOT_SCOPE, deadline=soon())
    found = at_once(20, lambda: tokens.refresh(BOT_SCOPE, stale, deadline=soon()))
    assert len(set(found)) == 1
    assert stale not in found
    assert tokens.token(BOT_SCOPE, deadline=soon()) == found[0]
    assert tokens.refresh(BOT_SCOPE, stale, deadline=soon()) == found[0]
    assert token_requests(standin) == 2


def test_a_token_is_renewed_before_it_ends(standin: StandIn) -> None:
    watch = Watch()
    standin.provider(Login).lifetime = 250.0
    tokens = Tokens(an_account(standin), monotonic=watch)
    first = tokens.token(BOT_SCOPE, deadline=watch() + 5)
    watch.ahead = 100.0
    assert tokens.token(BOT_SCOPE, deadline=watch() + 5) == first
    watch.ahead = 130.0
    assert tokens.token(BOT_SCOPE, deadline=watch() + 5) != first


def test_a_token_far_from_its_end_is_not_renewed(standin: StandIn) -> None:
    watch = Watch()
    tokens = Tokens(an_account(standin), monotonic=watch)
    first = tokens.token(BOT_SCOPE, deadline=watch() + 5)
    watch.ahead = 3000.0
    assert tokens.token(BOT_SCOPE, deadline=watch() + 5) == first
    assert token_requests(standin) == 1


def test_while_the_login_service_is_away_a_token_is_used_to_its_end(standin: StandIn) -> None:
    watch = Watch()
    standin.provider(Login).lifetime = 250.0
    tokens = Tokens(an_account(standin), monotonic=watch)
    first = tokens.token(BOT_SCOPE, deadline=watch() + 5)
    standin.fault(Fault.BROKEN_UNPROCESSED, times=None, provider=Login)
    watch.ahead = 130.0
    assert [tokens.token(BOT_SCOPE, deadline=watch() + 5) for _ in range(3)] == [first] * 3
    assert token_requests(standin) == 2, "one try at a time"
    watch.ahead = 260.0
    with pytest.raises(NothingSent):
        tokens.token(BOT_SCOPE, deadline=watch() + 5)


def test_others_go_on_with_the_old_token_while_one_renews_it(standin: StandIn) -> None:
    watch = Watch()
    standin.provider(Login).lifetime = 250.0
    tokens = Tokens(an_account(standin), monotonic=watch)
    first = tokens.token(BOT_SCOPE, deadline=watch() + 5)
    standin.fault(Fault.HANG_UNPROCESSED, provider=Login, seconds=0.5)
    watch.ahead = 130.0
    renewing = threading.Thread(target=lambda: tokens.token(BOT_SCOPE, deadline=watch() + 5))
    renewing.start()
    time.sleep(0.1)
    began = time.monotonic()
    assert tokens.token(BOT_SCOPE, deadline=watch() + 5) == first
    assert time.monotonic() - began < 0.2
    renewing.join()


@pytest.mark.parametrize(
    "fault",
    [
        Fault.THROTTLED_SECONDS,
        Fault.BROKEN_UNPROCESSED,
        Fault.BROKEN_PROCESSED,
        Fault.REDIRECT,
        Fault.HANG_UNPROCESSED,
        Fault.RESET_BEFORE_BODY,
        Fault.RESET_PROCESSED,
        Fault.CLOSED_PROCESSED,
        Fault.GARBAGE_STATUS,
        Fault.DRIP_HEADERS,
        Fault.DRIP_BODY,
        Fault.TRUNCATED_BODY,
        Fault.GARBAGE_BODY,
        Fault.HUGE_BODY,
    ],
)
def test_a_token_that_could_not_be_had_is_proof_that_nothing_was_sent_and_had_at_the_next_try(
    standin: StandIn, fault: Fault
) -> None:
    tokens = Tokens(an_account(standin))
    for method in ("GET", "POST"):
        standin.fault(fault, provider=Login, method=method, seconds=3.0)
        with pytest.raises(NothingSent, match="login_"):
            tokens.token(BOT_SCOPE, deadline=soon(0.2))
    assert tokens.token(BOT_SCOPE, deadline=soon())


def test_a_login_service_that_refuses_connections_is_proof_that_nothing_was_sent(standin: StandIn) -> None:
    tokens = Tokens(an_account(standin, login_url=standin.refusing_url(Login)))
    with pytest.raises(NothingSent, match="login_connection_refused"):
        tokens.token(BOT_SCOPE, deadline=soon())


def test_who_waits_for_another_threads_request_waits_no_longer_than_its_own_deadline(standin: StandIn) -> None:
    tokens = Tokens(an_account(standin))
    tokens.token(GRAPH_SCOPE, deadline=soon())
    standin.fault(Fault.HANG_UNPROCESSED, provider=Login, seconds=2.0)

    def ask() -> None:
        with pytest.raises(NothingSent):
            tokens.token(BOT_SCOPE, deadline=soon(0.6))

    leading = threading.Thread(target=ask)
    leading.start()
    time.sleep(0.1)
    with pytest.raises(NothingSent, match="login_deadline_passed"):
        tokens.token(BOT_SCOPE, deadline=soon(0.1))
    leading.join()


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"client_secret": SecretStr("wr0ng-s3cret")}, "AADSTS7000215.*PUSHPULL_TEAMS_CLIENT_SECRET"),
        ({"client_id": "99999999-2222-4333-8444-555555555555"}, "AADSTS700016.*PUSHPULL_TEAMS_CLIENT_ID"),
        ({"tenant_id": "99999999-0b0a-4908-8706-050403020100"}, "AADSTS90002.*PUSHPULL_TEAMS_TENANT_ID"),
        ({"tenant_id": ""}, "PUSHPULL_TEAMS_TENANT_ID"),
    ],
)
def test_a_wrong_account_stops_the_channel_and_says_which_setting(
    standin: StandIn, fields: dict[str, object], told: str
) -> None:
    tokens = Tokens(an_account(standin, **fields))
    with pytest.raises(ChannelStopped, match=told) as stopped:
        tokens.token(BOT_SCOPE, deadline=soon())
    assert "wr0ng" not in str(stopped.value)


def test_twenty_threads_with_a_wrong_secret_make_one_request_and_all_are_told(standin: StandIn) -> None:
    tokens = Tokens(an_account(standin, client_secret=SecretStr("wrong")))
    standin.fault(Fault.DRIP_BODY, provider=Login, method="GET", seconds=0.0)

    def told() -> str:
        try:
            return tokens.token(BOT_SCOPE, deadline=soon())
        except ChannelStopped as stopped:
            return str(stopped)
        except NothingSent:
            return "nothing sent"

    at_once(20, told)
    answers = at_once(20, told)
    assert all("AADSTS7000215" in answer for answer in answers)
    assert token_requests(standin) <= 3


def test_an_error_is_not_replayed_once_it_is_put_right(standin: StandIn) -> None:
    login = standin.provider(Login)
    tokens = Tokens(an_account(standin))
    login.refuse(400, "unauthorized_client", 700016)
    with pytest.raises(ChannelStopped):
        tokens.token(BOT_SCOPE, deadline=soon())
    login.error = None
    assert tokens.token(BOT_SCOPE, deadline=soon())


def test_an_overload_said_with_a_4xx_passes_by_itself(standin: StandIn) -> None:
    tokens = Tokens(an_account(standin))
    standin.provider(Login).refuse(400, "temporarily_unavailable", 90033)
    with pytest.raises(NothingSent, match="login_unavailable"):
        tokens.token(BOT_SCOPE, deadline=soon())


def test_one_account_has_one_token_cache_in_a_process(standin: StandIn) -> None:
    assert shared_tokens(an_account(standin)) is shared_tokens(an_account(standin))
    assert shared_tokens(an_account(standin)) is not shared_tokens(an_account(standin, client_id="another"))
