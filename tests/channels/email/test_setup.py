"""Making a SendGrid account ready, and saying what it lacks."""

from __future__ import annotations

from typing import Any

import pytest

from channels.email.setup import SetUpFailed, check, group_name, set_up
from channels.email.transport import sdk
from channels.wire import Wire
from tests.channels.email.mailing import an_account, sendgrid
from tests.standin.engine import StandIn
from tests.standin.faults import Fault
from tests.standin.sendgrid import SendGrid

FAMILIES = ("learning", "obligations", "recommendations")


def client(standin: StandIn, base_url: str = "") -> Any:
    account = an_account(standin)
    return sdk(account, Wire(base_url or account.base_url), seconds=2.0).client


def codes(standin: StandIn, known: dict[str, int], base_url: str = "") -> list[str]:
    return [each.code for each in check(client(standin, base_url), FAMILIES, known)]


def test_every_family_gets_a_group_of_its_own(standin: StandIn) -> None:
    made = set_up(client(standin), FAMILIES)
    assert set(made.groups) == set(FAMILIES)
    assert len(set(made.groups.values())) == 3
    assert made.made == FAMILIES
    assert made.webhook is None
    assert [each["name"] for each in sendgrid(standin).settings.groups] == list(FAMILIES)
    assert not standin.violations


def test_setting_up_again_changes_nothing(standin: StandIn) -> None:
    first = set_up(client(standin), FAMILIES, "https://learn.example")
    before = (list(sendgrid(standin).settings.groups), dict(sendgrid(standin).settings.webhooks))
    again = set_up(client(standin), FAMILIES, "https://learn.example/")
    assert again.groups == first.groups
    assert again.made == ()
    assert again.webhook is not None
    assert not again.webhook.was_made
    assert (sendgrid(standin).settings.groups, sendgrid(standin).settings.webhooks) == before


def test_setting_up_goes_on_where_it_was_broken_off(standin: StandIn) -> None:
    standin.fault(Fault.BROKEN_PROCESSED, method="POST", path="asm/groups")
    with pytest.raises(SetUpFailed, match="503"):
        set_up(client(standin), FAMILIES)
    made = set_up(client(standin), FAMILIES)
    assert made.made == FAMILIES[1:]
    assert len(sendgrid(standin).settings.groups) == 3


def test_a_group_somebody_made_by_hand_is_used(standin: StandIn) -> None:
    there = sendgrid(standin).settings.add_group("learning")
    assert set_up(client(standin), FAMILIES).groups["learning"] == there


def test_names_of_groups_are_as_short_as_sendgrid_wants_them() -> None:
    assert group_name("learning") == "learning"
    assert len(group_name("l" * 31)) == 30


def test_the_webhook_is_signed_calls_us_and_reports_what_moves_deliveries(standin: StandIn) -> None:
    webhook = set_up(client(standin), FAMILIES, "https://learn.example").webhook
    assert webhook is not None
    assert webhook.was_made
    assert webhook.public_key == sendgrid(standin).webhook_key
    [kept] = sendgrid(standin).settings.webhooks.values()
    assert kept["url"] == "https://learn.example/callbacks/sendgrid"
    assert kept["enabled"]
    assert {name for name, value in kept.items() if value is False} == {"open", "click"}
    assert not standin.violations


def test_a_webhook_somebody_switched_off_is_switched_on_again(standin: StandIn) -> None:
    set_up(client(standin), FAMILIES, "https://learn.example")
    [kept] = sendgrid(standin).settings.webhooks.values()
    kept |= {"enabled": False, "public_key": ""}
    set_up(client(standin), FAMILIES, "https://learn.example")
    assert kept["enabled"]
    assert kept["public_key"]


def test_what_sendgrid_refuses_for_good_is_told_in_its_own_words(standin: StandIn) -> None:
    with pytest.raises(SetUpFailed, match=r"url is invalid \(400\)"):
        set_up(client(standin), FAMILIES, "http://learn.example")


def test_a_stand_in_calls_a_web_app_on_its_own_machine(standin: StandIn) -> None:
    webhook = set_up(client(standin), FAMILIES, "http://127.0.0.1:8080").webhook
    assert webhook is not None
    assert webhook.was_made


@pytest.mark.parametrize("fault", [Fault.UNAUTHORIZED, Fault.THROTTLED_SECONDS, Fault.GARBAGE_BODY, Fault.HUGE_BODY])
def test_setting_up_says_what_to_do_when_sendgrid_does_not_play_along(standin: StandIn, fault: Fault) -> None:
    standin.fault(fault)
    with pytest.raises(SetUpFailed, match=r"API key|Try again|try again"):
        set_up(client(standin), FAMILIES)


def test_an_account_that_is_ready_has_no_troubles(standin: StandIn) -> None:
    made = set_up(client(standin), FAMILIES)
    assert check(client(standin), FAMILIES, made.groups) == []
    assert not sendgrid(standin).taken()
    assert not standin.violations


def test_groups_that_are_missing_here_or_there_are_named(standin: StandIn) -> None:
    there = sendgrid(standin).settings.add_group("learning")
    troubles = check(client(standin), FAMILIES, {"learning": there, "obligations": 7})
    assert [(each.code, "pushpull setup sendgrid" in each.advice) for each in troubles] == [
        ("group_gone", True),
        ("group_unknown", True),
    ]


def test_a_bad_key_is_the_only_trouble_worth_naming(standin: StandIn) -> None:
    sendgrid(standin).keys = set()
    assert codes(standin, {}) == ["key_refused"]


def test_each_missing_scope_is_named(standin: StandIn) -> None:
    known = dict(set_up(client(standin), FAMILIES).groups)
    settings = sendgrid(standin).settings
    settings.forbidden = {"/v3/mail/batch", "/v3/logs", "/v3/user/scheduled_sends", "/v3/asm/groups"}
    troubles = check(client(standin), FAMILIES, known)
    assert [each.code for each in troubles] == ["groups_unreadable", "no_batches", "no_cancelling", "no_logs"]
    assert all("scope" in each.advice for each in troubles)


def test_an_address_where_sendgrid_is_not_is_said_so(standin: StandIn) -> None:
    assert codes(standin, {}, standin.refusing_url(SendGrid)) == ["unreachable"]
    standin.fault(Fault.GARBAGE_BODY)
    assert codes(standin, {}) == ["not_sendgrid"]
