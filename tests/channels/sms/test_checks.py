"""Whether an account works, and what is said where it does not."""

from __future__ import annotations

import time
from typing import Any

import pytest
from pydantic import SecretStr

from channels.sms import check
from tests.channels.sms.senders import an_account
from tests.standin.engine import StandIn
from tests.standin.faults import Fault


def findings(base_url: str, *, seconds: float = 5.0, **other: Any) -> list[str]:
    return check(an_account(base_url, **other), deadline=time.monotonic() + seconds)


def test_an_account_that_works_has_no_findings(standin: StandIn) -> None:
    assert findings(standin.url("twilio")) == []
    assert not standin.violations
    assert not standin.providers["twilio"].taken()


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"auth_token": SecretStr("wrong")}, "auth token"),
        ({"account_sid": "AC" + "1" * 32}, "auth token"),
        ({"messaging_service_sid": "MG" + "1" * 32}, "no such messaging service"),
        ({"callback_url": ""}, "never confirmed"),
        ({"callback_url": "http://learn.example/callbacks/twilio"}, "public https address"),
        ({"callback_url": "https://my_learn.example/callbacks/twilio"}, "underscore"),
    ],
)
def test_what_is_wrong_with_the_settings_is_said(standin: StandIn, other: dict[str, Any], said: str) -> None:
    [finding] = findings(standin.url("twilio"), **other)
    assert said in finding
    assert "wrong" not in finding


def test_a_service_that_keeps_replies_to_itself_is_found(standin: StandIn) -> None:
    standin.providers["twilio"].passes_replies_on = False
    [finding] = findings(standin.url("twilio"))
    assert "STOP would not reach us" in finding


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault.HANG_UNPROCESSED, "no answer"),
        (Fault.TRUNCATED_BODY, "no answer"),
        (Fault.GARBAGE_BODY, "could not be read"),
        (Fault.BROKEN_UNPROCESSED, "HTTP 503"),
        (Fault.UNAUTHORIZED, "auth token"),
    ],
)
def test_a_provider_that_fails_is_a_finding_too(standin: StandIn, fault: Fault, said: str) -> None:
    standin.fault(fault, seconds=1.0)
    [finding] = findings(standin.url("twilio"), seconds=0.5)
    assert said in finding


def test_an_address_where_nobody_is(standin: StandIn) -> None:
    [finding] = findings(standin.refusing_url("twilio"))
    assert "connection_refused" in finding
