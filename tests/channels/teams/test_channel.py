"""The Teams channel before the stand-in: what every answer means for a message."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta

import orjson
import pytest

from channels.microsoft import Tokens
from channels.teams import TeamsChannel
from channels.teams.feed import chain_of
from channels.wire import Wire
from pushpull.learners.vocabulary import SuppressionReason
from pushpull.ledger.messages import CardBody, SmsBody
from pushpull.ledger.outcomes import THROTTLED, Accepted, ChannelStopped, NotSent, Rejected, Uncertain
from tests.channels.teams.people import (
    CARD,
    HANDOVER,
    NOW,
    a_channel,
    a_conversation,
    a_message,
    an_account,
    sent,
    taken,
)
from tests.standin.engine import StandIn
from tests.standin.faults import Fault
from tests.standin.microsoft import BotConnector, Graph, Login

#: What becomes of a message whose activity met this fault. What may have been processed is never "not sent".
OF_THE_ACTIVITY = {
    Fault.THROTTLED_SECONDS: NotSent,
    Fault.THROTTLED_DATE: NotSent,
    Fault.THROTTLED_SILENT: NotSent,
    Fault.THROTTLED_GARBAGE: NotSent,
    Fault.THROTTLED_NEGATIVE: NotSent,
    Fault.THROTTLED_WEEK: NotSent,
    Fault.UNAUTHORIZED: Accepted,  # after one exchange of the token
    Fault.BROKEN_UNPROCESSED: Uncertain,
    Fault.BROKEN_PROCESSED: Uncertain,
    Fault.REDIRECT: Uncertain,
    Fault.BROKEN_LATE: Uncertain,
    Fault.HANG_UNPROCESSED: Uncertain,
    Fault.HANG_PROCESSED: Uncertain,
    Fault.HANG_LATE: Uncertain,
    Fault.RESET_BEFORE_BODY: Uncertain,
    Fault.RESET_UNPROCESSED: Uncertain,
    Fault.RESET_PROCESSED: Uncertain,
    Fault.CLOSED_UNPROCESSED: Uncertain,
    Fault.CLOSED_PROCESSED: Uncertain,
    Fault.GARBAGE_STATUS: Uncertain,
    Fault.DRIP_HEADERS: Uncertain,
    Fault.DRIP_BODY: Accepted,
    Fault.TRUNCATED_BODY: Accepted,
    Fault.GARBAGE_BODY: Accepted,
    Fault.HUGE_BODY: Accepted,
    Fault.STALE_CONNECTION: Accepted,
}


def patience(fault: Fault) -> float:
    """Seconds until the deadline: few where a fault lasts until then."""
    return 0.4 if fault.value.startswith(("hang", "drip")) else 5.0


def test_a_card_reaches_the_person_with_our_ids_inside(standin: StandIn) -> None:
    [outcome] = sent(a_channel(standin), a_message(conversation=a_conversation(standin)))
    [message] = standin.provider(BotConnector).taken()
    assert outcome == Accepted(message.provider_id)
    assert (message.delivery_id, message.handover_id) == ("7-0-1", HANDOVER)
    assert message.to == a_message(1).to
    assert orjson.loads(message.content["card"]) == orjson.loads(CARD)
    assert message.content["summary"] == "Your course is waiting"
    assert standin.violations == []


def test_a_conversation_is_opened_once_per_person(standin: StandIn) -> None:
    channel = a_channel(standin)
    person = a_conversation(standin, is_open=False)
    outcomes = [*sent(channel, a_message(1, conversation=person)), *sent(channel, a_message(2, conversation=person))]
    assert all(isinstance(each, Accepted) for each in outcomes)
    opened = [each for each in standin.requests(BotConnector) if each.path == "/v3/conversations"]
    assert len(opened) == 1
    assert opened[0].json()["members"] == [{"id": "29:ada"}]
    assert standin.violations == []


def test_twenty_messages_go_at_once_and_each_has_its_own_outcome(standin: StandIn) -> None:
    bot = standin.provider(BotConnector)
    messages = [a_message(n, conversation=a_conversation(standin, f"p{n}", is_open=n % 2 == 0)) for n in range(20)]
    bot.refuse("29:p7", 403, "ConversationBlockedByUser")
    outcomes = sent(a_channel(standin), *messages)
    assert [type(each) for each in outcomes] == [Rejected if n == 7 else Accepted for n in range(20)]
    assert taken(standin) == {f"7-0-{n}": 1 for n in range(20) if n != 7}
    assert len(standin.requests(Login)) == 2, "one for the addresses, one for the token"
    assert standin.violations == []


def test_who_has_no_conversation_is_notified_in_the_feed(standin: StandIn) -> None:
    long = "Ünïcode " * 40
    [outcome] = sent(a_channel(standin), a_message(body=CardBody(CARD, long)))
    assert outcome == Accepted(f"feed:{chain_of('7-0-1')}")
    [message] = standin.provider(Graph).taken()
    assert (message.delivery_id, message.handover_id, message.to) == ("7-0-1", HANDOVER, a_message(1).to)
    assert len(message.content["summary"]) == 150
    assert standin.violations == []


def test_a_notification_sent_again_takes_the_place_of_the_first(standin: StandIn) -> None:
    channel = a_channel(standin)
    sent(channel, a_message())
    sent(channel, a_message(handover_id="f" * 32))
    assert taken(standin) == {"7-0-1": 1}


def test_chains_differ_and_stay_within_63_bits() -> None:
    chains = {chain_of(f"7-0-{n}") for n in range(10_000)}
    assert len(chains) == 10_000
    assert all(0 < each < 2**63 for each in chains)
    assert chain_of("7-0-1") == chain_of("7-0-1")


def test_without_an_app_nobody_is_reached_in_the_feed_and_nobody_suppressed(standin: StandIn) -> None:
    assert sent(a_channel(standin, teams_app_id=""), a_message()) == [Rejected("not_reachable")]
    assert standin.requests() == []


@pytest.mark.parametrize(
    ("status", "code"),
    [(403, "BotNotInConversationRoster"), (403, "ForbiddenOperationException"), (404, "ConversationNotFound")],
)
@pytest.mark.parametrize("is_open", [True, False])
def test_whom_the_bot_does_not_reach_is_notified_in_the_feed(
    standin: StandIn, status: int, code: str, is_open: bool
) -> None:
    standin.provider(BotConnector).refuse("29:ada", status, code)
    [outcome] = sent(a_channel(standin), a_message(conversation=a_conversation(standin, is_open=is_open)))
    assert isinstance(outcome, Accepted)
    assert [each.delivery_id for each in standin.provider(Graph).taken()] == ["7-0-1"]
    assert standin.provider(BotConnector).taken() == []


def test_whom_neither_reaches_is_rejected_without_suppression(standin: StandIn) -> None:
    standin.provider(BotConnector).refuse("29:ada", 403, "BotNotInConversationRoster")
    message = a_message(conversation=a_conversation(standin))
    assert sent(a_channel(standin, teams_app_id=""), message) == [Rejected("bot_not_installed")]
    standin.provider(Graph).refuse(message.to, 403, "Forbidden", "Ensure that the expected Teams app is installed.")
    assert sent(a_channel(standin), message) == [Rejected("not_reachable")]
    standin.provider(Graph).refuse(message.to, 404, "NotFound", "No such user.")
    assert sent(a_channel(standin), message) == [Rejected("not_reachable")]


@pytest.mark.parametrize("code", ["MessageWritesBlocked", "ConversationBlockedByUser"])
@pytest.mark.parametrize("is_open", [True, False])
def test_who_blocked_the_bot_is_suppressed_and_not_notified_instead(standin: StandIn, code: str, is_open: bool) -> None:
    standin.provider(BotConnector).refuse("29:ada", 403, code)
    outcomes = sent(a_channel(standin), a_message(conversation=a_conversation(standin, is_open=is_open)))
    assert outcomes == [Rejected("blocked", suppress=SuppressionReason.STOPPED)]
    assert taken(standin) == {}


@pytest.mark.parametrize("code", ["NotEnoughPermissions", "InvalidBotApiHost"])
def test_what_is_wrong_for_everybody_stops_the_channel(standin: StandIn, code: str) -> None:
    standin.provider(BotConnector).refuse("29:p1", 403, code)
    messages = [a_message(n, conversation=a_conversation(standin, f"p{n}")) for n in range(3)]
    channel = a_channel(standin)
    with pytest.raises(ChannelStopped, match="then resume") as stopped:
        sent(channel, messages[1])
    assert stopped.value.outcomes == (NotSent("channel_stopped"),)


def test_a_permission_that_graph_misses_stops_the_channel(standin: StandIn) -> None:
    message = a_message()
    standin.provider(Graph).refuse(
        message.to, 403, "Forbidden", "Missing role permissions on the request. API requires 'TeamsActivity.Send'."
    )
    with pytest.raises(ChannelStopped, match=r"TeamsActivity\.Send"):
        sent(a_channel(standin), message)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (400, Rejected("http_400")),
        (405, Rejected("http_405")),
        (409, NotSent("busy_conversation")),
        (412, NotSent("busy_conversation")),
        (413, Rejected("too_large")),
        (408, Uncertain("http_408")),
        (500, Uncertain("http_500")),
        (504, Uncertain("http_504")),
    ],
)
def test_what_each_status_means(standin: StandIn, status: int, outcome: object) -> None:
    person = a_conversation(standin)
    standin.provider(BotConnector).refuse(person.conversation_id, status, "Whatever")
    assert sent(a_channel(standin), a_message(conversation=person)) == [outcome]


@pytest.mark.parametrize("status", [400, 405, 413])
def test_what_each_status_of_the_feed_means(standin: StandIn, status: int) -> None:
    standin.provider(Graph).refuse(a_message().to, status, "Whatever")
    [outcome] = sent(a_channel(standin), a_message())
    assert isinstance(outcome, Rejected)
    assert outcome.suppress is None


@pytest.mark.parametrize("fault", OF_THE_ACTIVITY)
def test_a_fault_at_the_activity(standin: StandIn, fault: Fault) -> None:
    standin.fault(fault, provider=BotConnector, path="/activities$", seconds=0.6, times=1)
    channel = a_channel(standin, has_tokens=True)
    [outcome] = sent(channel, a_message(conversation=a_conversation(standin)), seconds=patience(fault))
    assert type(outcome) is OF_THE_ACTIVITY[fault]
    if isinstance(outcome, NotSent):
        assert taken(standin) == {}
    if isinstance(outcome, Accepted):
        assert taken(standin) == {"7-0-1": 1}


@pytest.mark.parametrize("fault", OF_THE_ACTIVITY)
def test_a_fault_while_the_conversation_is_opened_never_leaves_doubt(standin: StandIn, fault: Fault) -> None:
    standin.fault(fault, provider=BotConnector, path="^/v3/conversations$", seconds=0.6)
    channel = a_channel(standin, has_tokens=True)
    message = a_message(conversation=a_conversation(standin, is_open=False))
    [outcome] = sent(channel, message, seconds=patience(fault))
    if fault is Fault.STALE_CONNECTION and isinstance(outcome, Uncertain):
        return  # closed in the very instant in which the activity left: that doubt is about the activity
    assert isinstance(outcome, NotSent | Accepted)
    if isinstance(outcome, NotSent):
        assert taken(standin) == {}
        [outcome] = sent(channel, message)
    assert isinstance(outcome, Accepted)
    assert taken(standin) == {"7-0-1": 1}


@pytest.mark.parametrize("fault", OF_THE_ACTIVITY)
def test_a_fault_at_a_notification_never_leaves_doubt(standin: StandIn, fault: Fault) -> None:
    standin.fault(fault, provider=Graph, seconds=0.6)
    channel = a_channel(standin, has_tokens=True)
    [outcome] = sent(channel, a_message(), seconds=patience(fault))
    assert isinstance(outcome, NotSent | Accepted)
    if isinstance(outcome, NotSent):
        [outcome] = sent(channel, a_message())
    assert isinstance(outcome, Accepted)
    if fault is Fault.BROKEN_LATE or fault is Fault.HANG_LATE:
        time.sleep(0.7)
    assert taken(standin) == {"7-0-1": 1}


def test_notifications_keep_to_the_feeds_own_rate(standin: StandIn) -> None:
    outcomes = sent(a_channel(standin, has_tokens=True), *(a_message(n) for n in range(6)))
    assert all(isinstance(each, Accepted) for each in outcomes)
    came = [each.at for each in standin.exchanges(Graph)]
    assert came[-1] - came[0] >= 0.9, "five a second"


def test_a_notification_whose_turn_comes_too_late_is_not_sent(standin: StandIn) -> None:
    outcomes = sent(a_channel(standin, has_tokens=True), *(a_message(n) for n in range(6)), seconds=0.5)
    late = outcomes.count(NotSent("deadline_passed"))
    assert late >= 3
    assert len(standin.provider(Graph).taken()) == 6 - late


def test_a_throttle_holds_for_the_rest_of_the_handover(standin: StandIn) -> None:
    standin.fault(Fault.THROTTLED_SECONDS, provider=BotConnector, seconds=17, times=None)
    [outcome] = sent(a_channel(standin), a_message(conversation=a_conversation(standin)))
    assert outcome == NotSent(THROTTLED, retry_at=NOW + timedelta(seconds=17))


def test_a_refused_connection_is_proof(standin: StandIn) -> None:
    person = replace(a_conversation(standin), service_url=standin.refusing_url(BotConnector))
    assert sent(a_channel(standin), a_message(conversation=person)) == [NotSent("connection_refused")]
    channel = a_channel(standin, graph_url=standin.refusing_url(Graph))
    assert sent(channel, a_message()) == [NotSent("connection_refused")]


def test_tls_that_fails_is_proof_and_tls_that_is_trusted_works(standin: StandIn) -> None:
    person = replace(a_conversation(standin), service_url=standin.tls_url(BotConnector))
    message = a_message(conversation=person)
    assert sent(a_channel(standin), message) == [NotSent("tls_failed")]
    assert sent(a_channel(standin, login_url=standin.tls_url(Login)), message) == [NotSent("login_tls_failed")]
    assert sent(a_channel(standin, graph_url=standin.tls_at_plain_url(Graph)), a_message()) == [NotSent("tls_failed")]
    assert taken(standin) == {}
    account = an_account(standin, login_url=standin.tls_url(Login))

    def trusting(url: str) -> Wire:
        return Wire(url, context=standin.trust)

    tokens = Tokens(account, wire=trusting(account.login_url))
    channel = TeamsChannel(account, clock=lambda: NOW, tokens=tokens, wire=trusting)
    assert isinstance(channel.send([message], deadline=time.monotonic() + 5)[0], Accepted)


def test_a_revoked_token_is_exchanged_once_and_the_message_goes_once(standin: StandIn) -> None:
    channel = a_channel(standin)
    sent(channel, a_message(1, conversation=a_conversation(standin)), a_message(2))
    standin.provider(BotConnector).gate.revoke()
    standin.provider(Graph).gate.revoke()
    messages = [a_message(n, conversation=a_conversation(standin, f"p{n}")) for n in range(10, 18)]
    outcomes = sent(channel, *messages, a_message(3))
    assert all(isinstance(each, Accepted) for each in outcomes)
    assert set(taken(standin).values()) == {1}
    assert standin.provider(Login).issued == 4


@pytest.mark.parametrize("provider", [BotConnector, Graph])
def test_a_service_that_refuses_fresh_tokens_stops_the_channel(
    standin: StandIn, provider: type[BotConnector] | type[Graph]
) -> None:
    standin.fault(Fault.UNAUTHORIZED, provider=provider, times=None)
    message = a_message(conversation=a_conversation(standin) if provider is BotConnector else None)
    with pytest.raises(ChannelStopped, match="fresh token"):
        sent(a_channel(standin), message)
    assert standin.provider(Login).issued == 2
    assert taken(standin) == {}


def test_no_token_is_no_message(standin: StandIn) -> None:
    channel = a_channel(standin)
    standin.fault(Fault.RESET_PROCESSED, provider=Login, times=None)
    outcomes = sent(channel, a_message(1, conversation=a_conversation(standin)), a_message(2))
    assert outcomes == [NotSent("login_connection_lost")] * 2


def test_a_deadline_that_has_passed_sends_nothing(standin: StandIn) -> None:
    message = a_message(conversation=a_conversation(standin))
    assert sent(a_channel(standin), message, seconds=-1.0) == [NotSent("deadline_passed")]
    assert standin.requests() == []


@pytest.mark.parametrize(
    "service_url",
    [
        "https://evil.example/",
        "https://127.0.0.1.evil.example/",
        "http://smba.trafficmanager.net/emea/",
        "https://smba.trafficmanager.net@evil.example/",
        "https://evil.example\\.botframework.com/",
        "https://evilbotframework.com/",
        "https://botframework.com.evil.example/",
        "https://smba.trafficmanager.net/?next=https://evil.example",
        "https://smba.trafficmanager.net/#x",
        "https://smba.trafficmanager.net:notaport/",
        "https://smba.trafficmanager.net/\r\nHost: evil.example",
        "ftp://smba.trafficmanager.net/",
        "//smba.trafficmanager.net/",
        "smba.trafficmanager.net",
        "https://[::1/",
        "https://127.0.0.1:1/",
    ],
)
def test_no_token_goes_to_an_address_we_do_not_trust(standin: StandIn, service_url: str) -> None:
    channel = a_channel(standin, service_hosts=("smba.trafficmanager.net", ".botframework.com"))
    person = replace(a_conversation(standin), service_url=service_url)
    assert sent(channel, a_message(conversation=person)) == [Rejected("untrusted_service")]
    assert standin.requests() == []


def test_a_person_without_a_service_address_is_reached_at_the_accounts_own(standin: StandIn) -> None:
    person = replace(a_conversation(standin), service_url="")
    [outcome] = sent(a_channel(standin), a_message(conversation=person))
    assert isinstance(outcome, Accepted)


@pytest.mark.parametrize("text", ["[]", "{", '"card"', '{"a": 1}, {"b": 2}', "{} \ud800"])
def test_a_body_that_is_no_card_is_refused_before_anything_leaves(standin: StandIn, text: str) -> None:
    message = a_message(conversation=a_conversation(standin), body=CardBody(text, "Hello"))
    assert sent(a_channel(standin), message) == [Rejected("invalid_json")]
    assert standin.requests(BotConnector) == []


@pytest.mark.parametrize("is_known", [True, False])
def test_a_text_that_is_not_unicode_is_refused(standin: StandIn, is_known: bool) -> None:
    person = a_conversation(standin) if is_known else None
    message = a_message(conversation=person, body=CardBody(CARD, "\ud800"))
    assert sent(a_channel(standin), message) == [Rejected("not_unicode")]


def test_a_body_of_another_channel_is_refused(standin: StandIn) -> None:
    assert sent(a_channel(standin), a_message(body=SmsBody("Hi"))) == [Rejected("body_of_another_channel")]


@pytest.mark.parametrize("to", ["", "..", "a/b", "a b", "a?b", "x" * 256])
def test_an_address_graph_would_misread_is_invalid(standin: StandIn, to: str) -> None:
    assert sent(a_channel(standin), a_message(to=to)) == [
        Rejected("invalid_address", suppress=SuppressionReason.INVALID_ADDRESS)
    ]


def test_a_conversation_id_is_one_segment_of_the_path(standin: StandIn) -> None:
    person = replace(a_conversation(standin), conversation_id="a:1/../x?y#z%41 ü")
    [outcome] = sent(a_channel(standin), a_message(conversation=person))
    assert isinstance(outcome, Accepted)
    assert outcome.provider_id is not None
    assert outcome.provider_id.startswith("a:1/../x?y#z%41 ü|")


def test_a_provider_id_too_long_to_keep_is_left_out(standin: StandIn) -> None:
    person = replace(a_conversation(standin), conversation_id="a:" + "1" * 300)
    assert sent(a_channel(standin), a_message(conversation=person)) == [Accepted(None)]


def test_nothing_is_known_by_looking_up(standin: StandIn) -> None:
    channel = a_channel(standin)
    assert channel.can_look_up is False
    assert channel.look_up([]) == []
    assert channel.limits.per_second == 25.0
