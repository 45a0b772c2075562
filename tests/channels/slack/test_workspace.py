"""Whether our app works in a workspace, and who is found there."""

from __future__ import annotations

import time
from typing import Any

import pytest
from pydantic import SecretStr

from channels.slack import check, find_by_email
from channels.slack.workspace import NotAnswered
from pushpull.ledger.outcomes import ChannelStopped
from tests.channels.slack.senders import address, an_account
from tests.standin.engine import StandIn
from tests.standin.faults import Fault


def findings(base_url: str, *, seconds: float = 5.0, **other: Any) -> list[str]:
    return check(an_account(base_url, **other), deadline=time.monotonic() + seconds)


def who_is(standin: StandIn, email: str, *, seconds: float = 5.0, **other: Any) -> str | None:
    return find_by_email(an_account(address(standin), **other), email, deadline=time.monotonic() + seconds)


def test_an_app_that_works_has_no_findings(standin: StandIn) -> None:
    assert findings(address(standin)) == []
    assert not standin.providers["slack"].taken()


def test_a_wrong_token_is_found(standin: StandIn) -> None:
    [finding] = findings(address(standin), bot_token=SecretStr("xoxb-wrong"))
    assert "valid bot token" in finding
    assert "xoxb-wrong" not in finding


def test_missing_scopes_are_named(standin: StandIn) -> None:
    standin.providers["slack"].scopes = ("chat:write", "users:read.email")
    [finding] = findings(address(standin))
    assert "im:write, im:history" in finding


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault.HANG_UNPROCESSED, "no answer"),
        (Fault.TRUNCATED_BODY, "no answer"),
        (Fault.GARBAGE_BODY, "Slack answered HTTP 200"),
        (Fault.BROKEN_UNPROCESSED, "HTTP 503"),
        (Fault.THROTTLED_SECONDS, "ratelimited"),
    ],
)
def test_a_provider_that_fails_is_a_finding_too(standin: StandIn, fault: Fault, said: str) -> None:
    standin.fault(fault, seconds=1.0)
    [finding] = findings(address(standin), seconds=0.5)
    assert said in finding


def test_an_address_where_nobody_is(standin: StandIn) -> None:
    [finding] = findings(standin.refusing_url("slack"))
    assert "connection_refused" in finding


def test_people_are_found_by_their_address(standin: StandIn) -> None:
    standin.providers["slack"].people = {
        "ada@example.org": {"id": "U0ADA", "deleted": False},
        "old@example.org": {"id": "U0OLD", "deleted": True},
    }
    assert who_is(standin, "ada@example.org") == "U0ADA"
    assert who_is(standin, "old@example.org") is None
    assert who_is(standin, "nobody@example.org") is None
    assert not standin.violations


def test_not_being_answered_is_not_being_unknown(standin: StandIn) -> None:
    for fault in (Fault.BROKEN_UNPROCESSED, Fault.TRUNCATED_BODY, Fault.GARBAGE_BODY, Fault.THROTTLED_SECONDS):
        standin.fault(fault)
        with pytest.raises(NotAnswered) as unanswered:
            who_is(standin, "ada@example.org")
        assert "ada" not in str(unanswered.value)
    with pytest.raises(ChannelStopped, match="bot token"):
        who_is(standin, "ada@example.org", bot_token=SecretStr("xoxb-wrong"))
