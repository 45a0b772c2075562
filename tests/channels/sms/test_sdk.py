"""Our requests are the SDK's requests, and the SDK speaks over our wires."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from channels.sms.client import Wires, twilio_client
from channels.wire import NobodyKnows, NothingSent
from tests.channels.letters import HANDOVER
from tests.channels.sms.senders import CALLBACK, NUMBER, a_channel, a_text, an_account, sent
from tests.standin.engine import StandIn
from tests.standin.faults import Fault
from tests.standin.provider import Request
from tests.standin.twilio import ACCOUNT_SID, AUTH_TOKEN, SERVICE_SID

_SAME = ("authorization", "content-type", "accept")


def said(request: Request) -> tuple[Any, ...]:
    return request.method, request.path, request.query, request.body, [request.headers.get(name) for name in _SAME]


def create(client: Client, text: str, validity: int | None) -> None:
    client.messages.create(
        to=NUMBER,
        messaging_service_sid=SERVICE_SID,
        body=text,
        status_callback=f"{CALLBACK}/5-0-17/{HANDOVER.hex}",
        smart_encoded=False,
        **({} if validity is None else {"validity_period": validity}),
    )


@pytest.mark.parametrize("validity", [None, 36_000])
@pytest.mark.parametrize("text", ["Hello & goodbye", "Grüße: 50 % +1 ~ € 😀\r\n\t\x00=?#/:@*", " "])
def test_the_sdk_would_send_the_very_same_request(standin: StandIn, text: str, validity: int | None) -> None:
    account = an_account(standin.url("twilio"))
    sent(a_channel(standin), a_text(text=text, valid_for=None if validity is None else timedelta(days=2)))
    create(twilio_client(account, Wires(account.base_url), deadline=time.monotonic() + 5), text, validity)
    # And so would the SDK as it comes, with its own HTTP client.
    stock = Client(ACCOUNT_SID, AUTH_TOKEN, environment={})
    stock.api.base_url = standin.url("twilio")
    create(stock, text, validity)
    ours, over_our_wire, as_it_comes = map(said, standin.requests())
    assert ours == over_our_wire == as_it_comes
    assert not standin.violations


def test_products_answer_under_their_own_hosts_unless_all_of_twilio_is_elsewhere() -> None:
    assert Wires("https://api.twilio.com").to("messaging.twilio.com").base_url == "https://messaging.twilio.com"
    dublin = Wires("https://api.dublin.ie1.twilio.com")
    assert dublin.to("api.twilio.com").base_url == "https://api.dublin.ie1.twilio.com"
    assert dublin.to("messaging.twilio.com").base_url == "https://messaging.dublin.ie1.twilio.com"
    here = Wires("http://127.0.0.1:1/twilio")
    assert here.to("api.twilio.com") is here.to("messaging.twilio.com") is here.api


@pytest.mark.parametrize("host", ["evil.example", "api.twilio.com.evil.example", "", "twilio.com", "a.b.twilio.com"])
def test_credentials_go_nowhere_else(host: str) -> None:
    with pytest.raises(NothingSent, match="foreign_address"):
        Wires("https://api.twilio.com").to(host)


def test_the_environment_does_not_decide_where_credentials_go(
    standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWILIO_REGION", "ie1")
    monkeypatch.setenv("TWILIO_EDGE", "dublin")
    account = an_account(standin.url("twilio"))
    twilio_client(account, Wires(account.base_url), deadline=time.monotonic() + 5).messages.page(page_size=1)
    assert len(standin.requests()) == 1


def test_one_deadline_holds_for_all_requests_of_a_client(standin: StandIn) -> None:
    account = an_account(standin.url("twilio"))
    client = twilio_client(account, Wires(account.base_url), deadline=time.monotonic() + 0.3)
    standin.fault(Fault.HANG_UNPROCESSED, seconds=2)
    with pytest.raises(NobodyKnows, match="read_timeout"):
        client.messages.page(page_size=1)
    with pytest.raises(NothingSent, match="deadline_passed"):
        client.messages.page(page_size=1)


def test_the_headers_of_an_answer_are_kept(standin: StandIn) -> None:
    account = an_account(standin.url("twilio"))
    standin.fault(Fault.THROTTLED_SECONDS, seconds=7)
    client = twilio_client(account, Wires(account.base_url), deadline=time.monotonic() + 5)
    answer = client.request("GET", f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")


def test_the_sdk_names_twilios_error(standin: StandIn) -> None:
    standin.providers["twilio"].errors[NUMBER] = 21610
    account = an_account(standin.url("twilio"))
    with pytest.raises(TwilioRestException) as refused:
        create(twilio_client(account, Wires(account.base_url), deadline=time.monotonic() + 5), "Hello", None)
    assert refused.value.code == 21610
