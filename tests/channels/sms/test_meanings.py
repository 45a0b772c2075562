"""What Twilio's error codes mean for a message."""

from __future__ import annotations

from datetime import timedelta

import orjson
import pytest

from channels.sms.meanings import MEANINGS, Kind, Meaning, outcome_of
from channels.wire import Answer
from pushpull.learners.vocabulary import SuppressionReason
from pushpull.ledger.outcomes import Accepted, ChannelStopped, NotSent, Outcome, Rejected, Uncertain
from tests.channels.sms.senders import NOW, NUMBER, a_channel, a_text, sent
from tests.standin.engine import StandIn

INVALID = Rejected("invalid_address", SuppressionReason.INVALID_ADDRESS)


@pytest.mark.parametrize(
    ("code", "status", "outcome"),
    [
        (21610, 400, Rejected("opted_out", SuppressionReason.STOPPED)),
        (21211, 400, INVALID),
        (21614, 400, INVALID),
        (21217, 400, INVALID),
        (30005, 400, INVALID),
        (30006, 400, INVALID),
        (21617, 400, Rejected("too_long")),
        (21612, 400, Rejected("twilio_21612")),
        (99999, 422, Rejected("twilio_99999")),
        (20429, 429, NotSent("throttled", NOW + timedelta(minutes=1))),
        (20429, 400, NotSent("throttled", NOW + timedelta(minutes=1))),
        (14107, 429, NotSent("throttled", NOW + timedelta(minutes=1))),
        (21611, 400, NotSent("throttled", NOW + timedelta(minutes=10))),
        (30001, 400, NotSent("throttled", NOW + timedelta(minutes=10))),
        (30003, 400, NotSent("try_later", NOW + timedelta(hours=1))),
        (30008, 400, NotSent("try_later", NOW + timedelta(hours=1))),
        (20500, 500, Uncertain("http_500")),
        (21610, 500, Uncertain("http_500")),
        (20503, 503, Uncertain("http_503")),
        (20408, 408, Uncertain("http_408")),
    ],
)
def test_an_error_has_one_meaning(standin: StandIn, code: int, status: int, outcome: Outcome) -> None:
    standin.providers["twilio"].errors[NUMBER] = (status, code)
    assert sent(a_channel(standin), a_text()) == [outcome]
    assert not standin.providers["twilio"].taken()


@pytest.mark.parametrize(
    ("code", "status", "advice"),
    [
        (20003, 401, "auth token"),
        (20003, 403, "auth token"),
        (12345, 401, "auth token"),
        (12345, 403, "auth token"),
        (20404, 404, "account SID"),
        (20005, 403, "console"),
        (21408, 400, "Geo permissions"),
        (21606, 400, "sender"),
        (21609, 400, "PUSHPULL_BASE_URL"),
        (21659, 400, "sender"),
        (21660, 400, "sender"),
        (21703, 400, "sender pool"),
        (21705, 400, "messaging service"),
        (30002, 400, "console"),
        (30007, 400, "wording"),
        (30034, 400, "registration"),
        (30450, 400, "wording"),
    ],
)
def test_what_concerns_all_messages_stops_the_channel(standin: StandIn, code: int, status: int, advice: str) -> None:
    standin.providers["twilio"].errors[NUMBER] = (status, code)
    with pytest.raises(ChannelStopped, match=advice):
        sent(a_channel(standin), a_text())
    assert not standin.providers["twilio"].taken()


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(201, {}, b'{"sid":"SM1"}'), Accepted("SM1")),
        (Answer(201, {}, b'{"sid":"SM1"', is_whole=False), Accepted()),
        (Answer(201, {}, b""), Accepted()),
        (Answer(201, {}, b"[1]"), Accepted()),
        (Answer(201, {}, b'{"sid":7}'), Accepted()),
        (Answer(201, {}, b'{"sid":"' + b"x" * 500 + b'"}'), Accepted()),
        (Answer(201, {}, b"\xff\xfe<html>"), Accepted()),
        (Answer(200, {}, b"{}"), Accepted()),
        (Answer(400, {}, b""), Rejected("http_400")),
        (Answer(400, {}, b'{"code":'), Rejected("http_400")),
        (Answer(400, {}, b'{"code":true}'), Rejected("http_400")),
        (Answer(400, {}, b'{"code":"21610"}'), Rejected("http_400")),
        (Answer(400, {}, b'{"code":-1}'), Rejected("http_400")),
        (Answer(413, {}, b"<html>"), Rejected("http_413")),
        (Answer(302, {"location": "https://elsewhere"}, b""), Uncertain("http_302")),
        (Answer(429, {"retry-after": "7"}, b"<html>"), NotSent("throttled", NOW + timedelta(seconds=7))),
    ],
)
def test_an_answer_has_a_meaning_whatever_can_be_read_of_it(answer: Answer, outcome: Outcome) -> None:
    assert outcome_of(answer, now=NOW) == outcome


def test_errors_in_the_newer_form_mean_the_same() -> None:
    problem = {"type": "https://x/21610", "title": "Unsubscribed", "status": 400, "code": 21610, "detail": "+49151"}
    outcome = outcome_of(Answer(400, {}, orjson.dumps(problem)), now=NOW)
    assert outcome == Rejected("opted_out", SuppressionReason.STOPPED)


def test_an_organisation_can_read_a_code_otherwise() -> None:
    otherwise = {**MEANINGS, 21408: Meaning(Kind.RECIPIENT, "country_not_allowed")}
    answer = Answer(400, {}, b'{"code":21408}')
    assert outcome_of(answer, now=NOW, meanings=otherwise) == Rejected("country_not_allowed")


def test_whatever_stops_the_channel_says_what_to_do() -> None:
    assert all(meaning.advice for meaning in MEANINGS.values() if meaning.kind is Kind.CHANNEL)
