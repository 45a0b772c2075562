"""Our requests are the SDK's requests, and the SDK speaks over our wire."""

from __future__ import annotations

import logging
import time

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from channels.slack.client import WireWebClient
from channels.slack.lookup import metadata
from channels.wire import NobodyKnows, NothingSent, Wire
from tests.channels.letters import HANDOVER
from tests.channels.slack.senders import ADA, BLOCKS, a_channel, a_direct_message, address, an_account, sent
from tests.standin.engine import StandIn
from tests.standin.faults import Fault
from tests.standin.provider import Request
from tests.standin.slack import BOT_TOKEN


def a_client(standin: StandIn, seconds: float = 5.0) -> WireWebClient:
    account = an_account(address(standin))
    return WireWebClient(account, Wire(account.base_url), deadline=time.monotonic() + seconds)


def said(request: Request) -> tuple[object, ...]:
    kind = request.headers["content-type"]
    content = request.json() if "json" in kind else request.form()
    return request.method, request.path, request.headers["authorization"], kind, content


def test_the_sdk_would_send_the_very_same_requests(standin: StandIn) -> None:
    sent(a_channel(standin), a_direct_message())
    # Over our wire, and as the SDK comes with its own HTTP client.
    for client in (a_client(standin), WebClient(BOT_TOKEN, base_url=address(standin), retry_handlers=[])):
        conversation = client.conversations_open(users=ADA)["channel"]["id"]
        client.chat_postMessage(
            channel=conversation,
            text="Two minutes",
            blocks=BLOCKS,
            unfurl_links=False,
            unfurl_media=False,
            metadata=dict(metadata("5-0-17", HANDOVER.hex)),
        )
    requests = [said(request) for request in standin.requests()]
    assert requests[:2] == requests[2:4] == requests[4:]
    assert not standin.violations


def test_one_deadline_holds_for_all_requests_of_a_client(standin: StandIn) -> None:
    client = a_client(standin, 0.3)
    standin.fault(Fault.HANG_UNPROCESSED, seconds=2)
    with pytest.raises(NobodyKnows, match="read_timeout"):
        client.auth_test()
    with pytest.raises(NothingSent, match="deadline_passed"):
        client.auth_test()


@pytest.mark.parametrize("fault", [Fault.THROTTLED_SECONDS, Fault.BROKEN_UNPROCESSED, Fault.REDIRECT])
def test_nothing_is_repeated_and_no_redirect_followed(standin: StandIn, fault: Fault) -> None:
    standin.fault(fault, seconds=7)
    with pytest.raises(SlackApiError) as refused:
        a_client(standin).auth_test()
    assert len(standin.requests()) == 1
    if fault is Fault.THROTTLED_SECONDS:
        assert (refused.value.response.status_code, refused.value.response.headers["retry-after"]) == (429, "7")


def test_credentials_go_nowhere_else(standin: StandIn) -> None:
    account = an_account("https://slack.com/api/")
    client = WireWebClient(account, Wire(address(standin)), deadline=time.monotonic() + 5)
    with pytest.raises(NothingSent, match="foreign_address"):
        client.auth_test()
    assert not standin.requests()


def test_an_answer_that_cannot_be_read_is_not_logged(standin: StandIn, caplog: pytest.LogCaptureFixture) -> None:
    standin.fault(Fault.GARBAGE_BODY)
    with caplog.at_level(logging.DEBUG), pytest.raises(SlackApiError):
        a_client(standin).auth_test()
    assert not [record for record in caplog.records if "slack" in record.name]
