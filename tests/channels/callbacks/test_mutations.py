"""Ten thousand good callbacks, each with one thing changed: not one is taken."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

import pytest

from channels.callbacks import sendgrid, slack, twilio
from tests.channels.callbacks.signing import (
    Call,
    a_message,
    a_token,
    an_activity,
    callback_keys,
    from_sendgrid,
    from_slack,
    from_teams,
    from_twilio,
)

NOW = datetime(2026, 1, 12, 12, tzinfo=UTC)
SIGNED = {
    "sendgrid": (sendgrid.SIGNATURE, sendgrid.TIMESTAMP),
    "twilio": (twilio.SIGNATURE,),
    "slack": (slack.SIGNATURE, slack.TIMESTAMP),
    "teams": ("authorization",),
}


def good_calls(at: datetime, number: int) -> list[Call]:
    """Two of each provider's that differ in everything."""
    event = {"email": f"p{number}@example.org", "event": "delivered", "delivery": f"1-0-{number}", "sg_event_id": "e"}
    status = {"MessageSid": f"SM{number}", "MessageStatus": "delivered", "To": "+4915112345678"}
    inbound = {"MessageSid": f"SM{number}", "Body": "STOP", "From": "+4915112345678", "Empty": ""}
    earlier = at - timedelta(seconds=number)
    return [
        from_sendgrid([{**event, "timestamp": int(at.timestamp())}], at=earlier),
        from_twilio(status, path=f"/callbacks/twilio/1-0-{number}/{'ab' * 16}"),
        from_twilio(inbound),
        from_teams(an_activity(at=at, text="hello", id=f"a{number}"), at=earlier),
        from_slack(a_message("hello", at=at, user=f"U{number}"), at=earlier),
    ]


def flipped(data: bytes, draw: random.Random) -> bytes:
    at, bit = draw.randrange(len(data)), 1 << draw.randrange(8)
    return data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]


def mutate_body(call: Call, draw: random.Random) -> Call:
    """Bit flips, cuts, repetitions. Only a token proves that an activity is Teams': there, what the token is about."""
    if call.provider == "teams":
        old, new = draw.choice(
            [
                (b"msteams", b"msteamz"),
                (b"smba.", b"evil."),
                (b"tenant-1", b"tenant-2"),
                (b"{", b"["),
                (b"emea", b"amer"),
            ]
        )
        return replace(call, body=call.body.replace(old, new))
    kind = draw.randrange(4)
    if kind == 0:
        return replace(call, body=call.body[: draw.randrange(len(call.body))])
    if kind == 1:
        return replace(call, body=call.body + draw.choice([b"&x=1", b" ", b"\n", b"[]"]))
    return replace(call, body=flipped(call.body, draw))


def mutate_header(call: Call, draw: random.Random) -> Call:
    name = draw.choice(SIGNED[call.provider])
    value = call.headers[name]
    kind = draw.randrange(5)
    if kind == 0:
        return call.with_header(name, "")
    if kind == 1:
        return call.with_header(name, value[:-1])
    if kind == 2:
        return call.with_header(name, value + draw.choice(["=", " ", "A", "\u0660"]))
    return call.with_header(name, flipped(value.encode(), draw).decode("latin-1"))


def mutate_path(call: Call, draw: random.Random) -> Call:
    """Only Twilio signs the address."""
    if call.provider != "twilio":
        return mutate_header(call, draw)
    at = draw.randrange(1, len(call.path))
    return replace(call, path=call.path[:at] + draw.choice("0123456789abcdef%?&#") + call.path[at:])


def mutate_swap(call: Call, draw: random.Random, other: Call) -> Call:
    if call.provider == "teams":
        token = a_token(at=NOW, key="somebody else's")
        return call.with_header("authorization", f"Bearer {token}")
    name = draw.choice(SIGNED[call.provider])
    return call.with_header(name, other.headers[name])


def mutations(number: int, *, seed: int, at: datetime) -> list[tuple[Call, Call]]:
    """Pairs of a good call and one with something changed."""
    draw = random.Random(seed)
    pool = [good_calls(at, each) for each in range(8)]
    found: list[tuple[Call, Call]] = []
    ways: list[Callable[[Call, random.Random], Call]] = [
        mutate_body,
        mutate_body,
        mutate_header,
        mutate_header,
        mutate_path,
    ]
    while len(found) < number:
        one, other = draw.sample(pool, 2)
        place = draw.randrange(len(one))
        call = one[place]
        way = draw.choice([*ways, None])
        changed = mutate_swap(call, draw, other[place]) if way is None else way(call, draw)
        if not is_same(call, changed):
            found.append((call, changed))
    return found


def is_same(call: Call, changed: Call) -> bool:
    """Whether nothing was changed: a form may spell one value in several ways."""
    if (call.path, dict(call.headers)) != (changed.path, dict(changed.headers)):
        return False
    if call.provider != "twilio":
        return call.body == changed.body
    try:
        said = set(parse_qsl(changed.body.decode(), keep_blank_values=True, errors="strict"))
    except ValueError:
        return False
    return said == set(parse_qsl(call.body.decode(), keep_blank_values=True))


def test_good_calls_are_taken() -> None:
    for number in range(8):
        for call in good_calls(NOW, number):
            assert call.verdict(NOW).is_accepted, call.provider


@pytest.mark.parametrize("seed", [1, 2])
def test_ten_thousand_changed_callbacks_are_all_refused(seed: int) -> None:
    keys, by_provider = callback_keys(), Counter[str]()
    for _, changed in mutations(5_000, seed=seed, at=NOW):
        assert not changed.verdict(NOW, keys).is_accepted, changed
        by_provider[changed.provider] += 1
    assert set(by_provider) == set(SIGNED)
    assert min(by_provider.values()) > 500
