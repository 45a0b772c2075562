"""What Slack's answers mean for a message."""

from __future__ import annotations

from datetime import timedelta

import pytest

from channels.slack.meanings import MEANINGS, Kind, outcome_of
from channels.wire import Answer
from pushpull.learners.vocabulary import SuppressionReason
from pushpull.ledger.outcomes import Accepted, ChannelStopped, NotSent, Outcome, Rejected, Uncertain
from tests.channels.slack.senders import ADA, NOW, a_channel, a_direct_message, sent
from tests.standin.engine import StandIn

GONE = SuppressionReason.INVALID_ADDRESS


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        ("user_not_found", Rejected("user_not_found", GONE)),
        ("user_disabled", Rejected("user_disabled", GONE)),
        ("cannot_dm_bot", Rejected("cannot_dm_bot", GONE)),
        ("channel_not_found", Rejected("channel_not_found")),
        ("is_archived", Rejected("is_archived")),
        ("msg_too_long", Rejected("too_long")),
        ("invalid_blocks", Rejected("invalid_blocks")),
        ("too_many_attachments", Rejected("too_many_attachments")),
        ("some_new_error", Rejected("slack_some_new_error")),
        ("Ada Lovelace!", Rejected("slack_error")),
        ("ratelimited", NotSent("throttled", NOW + timedelta(minutes=1))),
        ("message_limit_exceeded", NotSent("throttled", NOW + timedelta(minutes=1))),
        ("team_added_to_org", NotSent("workspace_migrating", NOW + timedelta(minutes=10))),
        ("fatal_error", Uncertain("fatal_error")),
        ("internal_error", Uncertain("internal_error")),
        ("service_unavailable", Uncertain("service_unavailable")),
        ("request_timeout", Uncertain("request_timeout")),
    ],
)
def test_an_error_has_one_meaning(standin: StandIn, error: str, outcome: Outcome) -> None:
    channel = a_channel(standin)
    sent(channel, a_direct_message("U0EVE"))
    said = b'{"ok":false,"error":"%s"}' % error.encode()
    assert outcome_of(Answer(200, {}, said), now=NOW) == outcome
    if outcome != Rejected("channel_not_found"):
        sent(channel, a_direct_message())  # opens the conversation
        standin.providers["slack"].errors[ADA] = error
        assert sent(channel, a_direct_message()) == [outcome]


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        ("invalid_auth", "bot token"),
        ("not_authed", "bot token"),
        ("token_expired", "bot token"),
        ("token_revoked", "Install the app"),
        ("account_inactive", "Install the app"),
        ("missing_scope", "im:write"),
        ("ekm_access_denied", "administrator"),
        ("team_access_not_granted", "administrator"),
        ("messages_tab_disabled", "Messages tab"),
    ],
)
def test_what_concerns_all_messages_stops_the_channel(standin: StandIn, error: str, advice: str) -> None:
    standin.providers["slack"].errors[ADA] = error
    with pytest.raises(ChannelStopped, match=advice):
        sent(a_channel(standin), a_direct_message())
    assert not standin.providers["slack"].taken()


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(200, {}, b'{"ok":true,"channel":"D1","ts":"1.2"}'), Accepted("D1:1.2")),
        (Answer(200, {}, b'{"ok":true,"channel":"D1","ts":"1.2"}   ', is_whole=False), Accepted("D1:1.2")),
        (Answer(200, {}, b'{"ok":true}'), Accepted()),
        (Answer(200, {}, b'{"ok":true,"channel":7,"ts":{}}'), Accepted()),
        # Slack says "ok" in the body alone: what cannot be read says nothing.
        (Answer(200, {}, b'{"ok":true,"chan', is_whole=False), Uncertain("unreadable_answer")),
        (Answer(200, {}, b""), Uncertain("unreadable_answer")),
        (Answer(200, {}, b"<html>"), Uncertain("unreadable_answer")),
        (Answer(200, {}, b"[true]"), Uncertain("unreadable_answer")),
        (Answer(200, {}, b'{"ok":"true"}'), Uncertain("unreadable_answer")),
        (Answer(200, {}, b'{"ok":false}'), Uncertain("unreadable_answer")),
        (Answer(200, {}, b'{"error":"user_not_found"}'), Uncertain("unreadable_answer")),
        (Answer(429, {"retry-after": "30"}, b""), NotSent("throttled", NOW + timedelta(seconds=30))),
        (Answer(503, {}, b'{"ok":false,"error":"user_not_found"}'), Uncertain("http_503")),
        (Answer(408, {}, b""), Uncertain("http_408")),
        (Answer(302, {}, b""), Uncertain("http_302")),
        (Answer(400, {}, b""), Rejected("http_400")),
        (Answer(413, {}, b'{"ok":false,"error":"msg_too_long"}'), Rejected("too_long")),
    ],
)
def test_an_answer_has_a_meaning_whatever_can_be_read_of_it(answer: Answer, outcome: Outcome) -> None:
    assert outcome_of(answer, now=NOW) == outcome


@pytest.mark.parametrize("status", [401, 403, 404])
def test_an_address_that_refuses_everybody_stops_the_channel(status: int) -> None:
    with pytest.raises(ChannelStopped, match="address of Slack's API"):
        outcome_of(Answer(status, {}, b"<html>"), now=NOW)


def test_whatever_stops_the_channel_says_what_to_do() -> None:
    assert all(meaning.advice for meaning in MEANINGS.values() if meaning.kind is Kind.CHANNEL)
