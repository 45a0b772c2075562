"""What each provider's events mean to us."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from channels.callbacks import sendgrid, slack, teams, twilio
from channels.callbacks.reading import normalise
from channels.callbacks.verdict import Unreadable
from channels.callbacks.words import word_of
from pushpull.learners.vocabulary import Channel, SuppressionReason
from pushpull.ledger.news import Address, BotInstalled, BotRemoved, ChannelLost, DeliveryName, News, Told, Word
from pushpull.ledger.vocabulary import EventKind
from tests.channels.callbacks.signing import SERVICE_URL, a_message, an_activity

NOW = datetime(2026, 1, 12, 12, tzinfo=UTC)
AN_HOUR_AGO = NOW - timedelta(hours=1)
HANDOVER = UUID("ab" * 16)


def told_by_sendgrid(**fields: Any) -> Told | None:
    event = {
        "email": "ada@example.org",
        "timestamp": int(AN_HOUR_AGO.timestamp()),
        "delivery": "7-1-42",
        "handover": HANDOVER.hex,
        "sg_event_id": "e-1",
        **fields,
    }
    (kept,) = sendgrid.split(json.dumps([event]).encode())
    assert kept.key == "e-1"
    return only(normalise("sendgrid", kept.body, NOW))


def told_by_twilio(status: str, code: str = "", *, delivery: str = "7-1-42") -> Told | None:
    body = f"MessageSid=SM1&MessageStatus={status}&ErrorCode={code}&To=%2B4915112345678".encode()
    (kept,) = twilio.split(body, delivery=delivery, handover=HANDOVER.hex)
    return only(normalise("twilio", kept.body, NOW))


def only(news: Any) -> Told | None:
    assert len(news) <= 1
    assert all(isinstance(each, Told) for each in news)
    return news[0] if news else None


@pytest.mark.parametrize(
    ("fields", "kind", "detail", "suppress", "word"),
    [
        ({"event": "processed"}, EventKind.ACCEPTED, None, None, None),
        ({"event": "delivered"}, EventKind.DELIVERED, None, None, None),
        ({"event": "bounce", "type": "bounce"}, EventKind.BOUNCED, None, None, None),
        ({"event": "bounce", "type": "blocked"}, EventKind.UNDELIVERED, "blocked", None, None),
        (
            {"event": "dropped", "reason": "Bounced Address"},
            EventKind.UNDELIVERED,
            "bounced_address",
            SuppressionReason.BOUNCED,
            None,
        ),
        (
            {"event": "dropped", "reason": "Invalid"},
            EventKind.UNDELIVERED,
            "invalid_address",
            SuppressionReason.INVALID_ADDRESS,
            None,
        ),
        (
            {"event": "dropped", "reason": "Spam Reporting Address"},
            EventKind.UNDELIVERED,
            "spam_reporting_address",
            SuppressionReason.COMPLAINED,
            None,
        ),
        (
            {"event": "dropped", "reason": "Unsubscribed Address"},
            EventKind.UNDELIVERED,
            "unsubscribed_address",
            None,
            Word.OPT_OUT,
        ),
        ({"event": "dropped", "reason": "Invalid SMTPAPI header"}, EventKind.UNDELIVERED, "invalid_header", None, None),
        ({"event": "dropped", "reason": "ada@example.org is odd"}, EventKind.UNDELIVERED, "dropped", None, None),
        ({"event": "spamreport"}, EventKind.COMPLAINED, None, None, None),
        ({"event": "group_unsubscribe"}, EventKind.OPTED_OUT, None, None, None),
        ({"event": "unsubscribe"}, EventKind.OPTED_OUT, None, None, Word.OPT_OUT_ALL),
        ({"event": "group_resubscribe"}, None, None, None, Word.OPT_IN),
        ({"event": "open"}, EventKind.OPENED, None, None, None),
        ({"event": "click", "url": "https://learn.example/"}, EventKind.CLICKED, None, None, None),
    ],
)
def test_every_event_of_sendgrids_has_one_meaning(
    fields: dict[str, Any],
    kind: EventKind | None,
    detail: str | None,
    suppress: SuppressionReason | None,
    word: Word | None,
) -> None:
    told = told_by_sendgrid(**fields)
    assert told
    assert (told.kind, told.detail, told.suppress, told.word) == (kind, detail, suppress, word)
    assert told.about == DeliveryName(7, 1, 42, HANDOVER)
    assert told.at == AN_HOUR_AGO


@pytest.mark.parametrize(
    "fields",
    [
        {"event": "deferred"},
        {"event": "open", "sg_machine_open": True},
        {"event": "account_status_change"},
        {"event": ["delivered"]},
        {"event": "delivered", "delivery": "not ours"},
        {"event": "delivered", "delivery": f"{2**63}-0-1"},
        {"event": "delivered", "delivery": "1-99999-1"},
        {"event": "delivered", "delivery": "9" * 5_000 + "-0-1"},
        {"event": "delivered", "delivery": {"a": 1}},
        {"event": "delivered", "handover": "not a uuid"},
        {"event": "delivered", "delivery": None},  # somebody else's mail
    ],
)
def test_what_means_nothing_to_us_is_kept_and_no_more(fields: dict[str, Any]) -> None:
    assert told_by_sendgrid(**fields) is None


def test_a_late_bounce_without_our_ids_is_about_the_address() -> None:
    told = told_by_sendgrid(event="bounce", type="bounce", delivery=None, email="Ada@Example.org")
    assert told
    assert told.about == Address(Channel.EMAIL, "Ada@Example.org")


def test_the_same_fact_has_one_key_though_its_event_is_told_under_another_id() -> None:
    event = {"event": "delivered", "email": "a@b.c", "delivery": "1-0-1", "timestamp": 1_760_000_000}
    one, other = (
        only(normalise("sendgrid", json.dumps({**event, "sg_event_id": each}), NOW)) for each in ("e-1", "e-2")
    )
    assert one
    assert one == other


@pytest.mark.parametrize("timestamp", [None, "soon", -5, 0, 1e300, 4_102_444_800, [], "nan", "inf"])
def test_an_absurd_time_is_the_time_of_receipt(timestamp: Any) -> None:
    told = told_by_sendgrid(event="delivered", timestamp=timestamp)
    assert told
    assert told.at == NOW


@pytest.mark.parametrize(
    ("status", "code", "kind", "suppress"),
    [
        ("queued", "", EventKind.ACCEPTED, None),
        ("accepted", "", EventKind.ACCEPTED, None),
        ("sending", "", EventKind.ACCEPTED, None),
        ("sent", "", EventKind.ACCEPTED, None),
        ("delivered", "", EventKind.DELIVERED, None),
        ("undelivered", "30003", EventKind.UNDELIVERED, None),
        ("undelivered", "30005", EventKind.UNDELIVERED, SuppressionReason.INVALID_ADDRESS),
        ("failed", "30006", EventKind.UNDELIVERED, SuppressionReason.INVALID_ADDRESS),
        ("failed", "21610", EventKind.UNDELIVERED, SuppressionReason.STOPPED),
        ("delivered", "21610", EventKind.DELIVERED, None),
    ],
)
def test_every_status_of_twilios_has_one_meaning(
    status: str, code: str, kind: EventKind, suppress: SuppressionReason | None
) -> None:
    told = told_by_twilio(status, code)
    assert told
    assert (told.kind, told.suppress) == (kind, suppress)
    assert told.about == DeliveryName(7, 1, 42, HANDOVER)


def test_statuses_and_deliveries_nobody_knows_are_ignored() -> None:
    assert told_by_twilio("scheduled") is None
    assert told_by_twilio("delivered", delivery="nonsense") is None


@pytest.mark.parametrize(
    ("reply", "word"),
    [
        ("STOP", Word.STOP),
        (" Stop. ", Word.STOP),
        *((each, Word.STOP) for each in ["StopAll", "UNSUBSCRIBE", "cancel", "END", "quit", "REVOKE", "OptOut"]),
        ("s\u200btop", Word.STOP),
        ("ＳＴＯＰ", Word.STOP),
        ("start", Word.START),
        ("Unstop!", Word.START),
        ("HELP", None),
        ("", None),
        ("   ", None),
        ("please stop", Word.REFUSAL),
        ("Don’t text me again", Word.REFUSAL),
        ("Bitte nicht mehr schreiben", Word.REFUSAL),
        ("hören Sie bitte auf", Word.REFUSAL),
        ("Keine weiteren SMS bitte", Word.REFUSAL),
        ("Arrêtez s'il vous plaît", Word.REFUSAL),
        ("je ne veux plus de messages", Word.REFUSAL),
        ("no me escriban más", Word.REFUSAL),
        ("quiero darme de baja", Word.REFUSAL),
        ("thanks, done!", Word.REPLY),
        ("Wann ist die Prüfung?", Word.REPLY),
        ("👍", Word.REPLY),
        ("a" * 1_000_000, Word.REPLY),
    ],
)
def test_replies_are_read_with_care(reply: str, word: Word | None) -> None:
    assert word_of(reply) is word


def test_yes_starts_again_in_a_text_message_and_answers_anything_in_a_chat() -> None:
    assert word_of("Yes", yes_starts=True) is Word.START
    assert word_of("Yes") is Word.REPLY


def test_a_reply_by_text_message_is_about_the_senders_number() -> None:
    for fields, word in (
        ("Body=stop", Word.STOP),
        ("Body=alto+ya&OptOutType=STOP", Word.STOP),
        ("Body=yes", Word.START),
        ("Body=nicht+mehr", Word.REFUSAL),
    ):
        (kept,) = twilio.split(f"MessageSid=SM1&From=%2B4915112345678&{fields}".encode())
        told = only(normalise("twilio", kept.body, NOW))
        assert told
        assert (told.about, told.word) == (Address(Channel.SMS, "+4915112345678"), word)
        assert (told.suppress is SuppressionReason.STOPPED) == (word in {Word.STOP, Word.REFUSAL})
    for ignored in ("From=%2B49151&Body=HELP", "From=whatsapp%3A%2B49151&Body=stop", "Body=stop"):
        (kept,) = twilio.split(f"MessageSid=SM1&{ignored}".encode())
        assert normalise("twilio", kept.body, NOW) == ()


def read_teams(kind: str, **fields: Any) -> list[News]:
    (kept,) = teams.split(json.dumps(an_activity(kind, at=AN_HOUR_AGO, **fields)).encode())
    return list(normalise("teams", kept.body, NOW))


def test_installing_the_bot_teaches_how_to_reach_the_person() -> None:
    for activity in (
        read_teams("installationUpdate", action="add"),
        read_teams("conversationUpdate", membersAdded=[{"id": "29:aad-1"}, {"id": "28:bot-1"}]),
        read_teams("message", text=""),
    ):
        (learned,) = activity
        assert isinstance(learned, BotInstalled)
        reference = learned.reference
        assert (reference.address, reference.at) == ("aad-1", AN_HOUR_AGO)
        reached = reference.conversation
        assert (reached.service_url, reached.user_id, reached.conversation_id) == (SERVICE_URL, "29:aad-1", "a:aad-1")


def test_removing_the_bot_is_heard() -> None:
    assert read_teams("installationUpdate", action="remove") == [BotRemoved("aad-1", AN_HOUR_AGO)]
    assert read_teams("conversationUpdate", membersRemoved=[{"id": "28:bot-1"}]) == [BotRemoved("aad-1", AN_HOUR_AGO)]


def test_what_a_person_writes_to_the_bot_is_a_word_of_theirs() -> None:
    learned, told = read_teams("message", text="<b>stop</b>".replace("<b>", "").replace("</b>", ""))
    assert isinstance(learned, BotInstalled)
    assert isinstance(told, Told)
    assert (told.about, told.word) == (Address(Channel.TEAMS, "aad-1"), Word.STOP)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("typing", {}),
        ("conversationUpdate", {"membersAdded": [{"id": "29:somebody"}]}),
        ("message", {"text": "stop", "conversation": {"id": "19:x", "conversationType": "groupChat"}}),
        ("message", {"text": "stop", "from": {"id": "29:x"}}),
        ("message", {"text": "stop", "from": "x"}),
    ],
)
def test_other_activities_are_ignored(kind: str, fields: dict[str, Any]) -> None:
    assert read_teams(kind, **fields) == []


def read_slack(payload: dict[str, Any]) -> list[News]:
    (kept,) = slack.split(json.dumps(payload).encode())
    return list(normalise("slack", kept.body, NOW))


def test_direct_messages_in_slack_are_words_of_their_senders() -> None:
    (told,) = read_slack(a_message("unsubscribe", at=AN_HOUR_AGO))
    assert isinstance(told, Told)
    assert (told.about, told.word, told.at) == (Address(Channel.SLACK, "U1"), Word.STOP, AN_HOUR_AGO)


def test_what_bots_write_and_what_is_said_in_channels_is_ignored() -> None:
    for change in ({"bot_id": "B1"}, {"subtype": "message_changed"}, {"channel_type": "channel"}, {"user": 7}):
        payload = a_message("stop", at=AN_HOUR_AGO)
        payload["event"] |= change
        assert read_slack(payload) == []


def test_a_removed_app_and_a_revoked_token_stop_the_channel() -> None:
    for event, is_lost in (
        ({"type": "app_uninstalled"}, True),
        ({"type": "tokens_revoked", "tokens": {"bot": ["U0"]}}, True),
        ({"type": "tokens_revoked", "tokens": {"oauth": ["U1"], "bot": []}}, False),
    ):
        news = read_slack({"type": "event_callback", "event_id": "Ev1", "event": event})
        assert [isinstance(each, ChannelLost) for each in news] == ([True] if is_lost else [])


def test_slacks_challenge_is_found_where_it_is_one() -> None:
    assert slack.challenge_of(b'{"type":"url_verification","challenge":"abc"}') == "abc"
    for body in (b"", b"[]", b'{"type":"event_callback","challenge":"abc"}', b'{"type":"url_verification"}'):
        assert slack.challenge_of(body) is None


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b"7", b"\xff\xfe", b"[" * 3_000])
def test_bodies_that_are_not_what_they_should_be_are_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        sendgrid.split(body)
    with pytest.raises(Unreadable):
        twilio.split(body)
    if body != b"{}":
        for split in (teams.split, slack.split):
            with pytest.raises(Unreadable):
                split(body)


@pytest.mark.parametrize("provider", ["sendgrid", "twilio", "teams", "slack"])
@pytest.mark.parametrize("value", [7, None, [], "x", {"fields": 7}, {"event": 7}, {"from": []}])
def test_no_event_of_any_shape_raises_anything_but_unreadable(provider: str, value: Any) -> None:
    try:
        assert normalise(provider, json.dumps(value), NOW) == ()
    except Unreadable:
        assert not isinstance(value, dict)


def test_an_event_of_a_provider_nobody_knows_means_nothing() -> None:
    assert normalise("carrier pigeon", "{}", NOW) == ()


DEEP = b"[" * 400 + b"]" * 400


def test_an_event_nested_deeper_than_can_be_kept_does_not_sink_its_batch() -> None:
    opt_out = b'{"event": "unsubscribe", "delivery": "7-1-42", "timestamp": 1768215600, "x": ' + DEEP + b"}"
    kept = sendgrid.split(b"[" + DEEP + b", " + opt_out + b', {"event": "open", "delivery": "7-1-43"}]')
    assert [len(normalise("sendgrid", each.body, NOW)) for each in kept] == [0, 1, 1]


@pytest.mark.parametrize("split", [teams.split, slack.split])
def test_an_event_nested_deeper_than_can_be_kept_is_unreadable(split: Any) -> None:
    with pytest.raises(Unreadable):
        split(b'{"type": "message", "x": ' + DEEP + b"}")
