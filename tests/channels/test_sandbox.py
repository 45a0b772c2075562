from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from channels import parcels
from channels.registry import adapters
from channels.sandbox import SandboxChannel
from channels.sink import Sink
from pushpull.learners.vocabulary import Channel, SuppressionReason
from pushpull.ledger.messages import CardBody, EmailBody, OutgoingMessage, SmsBody
from pushpull.ledger.outcomes import Accepted, ChannelStopped, Finding, NotSent, Outcome, Rejected
from pushpull.settings import Settings
from tests.channels.letters import ADDRESSES, BODIES, HANDOVER, a_message, a_question

unicode = st.text(st.characters(exclude_categories=["Cs"]))


def send(adapter: SandboxChannel, *messages: OutgoingMessage) -> list[Outcome]:
    return list(adapter.send(messages, deadline=time.monotonic() + 30))


def finding(adapter: SandboxChannel, delivery: str = "5-0-17", handover: UUID = HANDOVER) -> Finding:
    (evidence,) = adapter.look_up([a_question(handover, delivery)])
    assert (evidence.delivery_id, evidence.handover_id) == (delivery, handover.hex)
    return evidence.finding


def taken(outbox: Path, channel: Channel) -> dict[str, bytes]:
    folder = parcels.parcel_folder(outbox) / channel.value
    return {name: data for path in folder.glob(f"*/*{parcels.SUFFIX}") for name, data in parcels.read(path).messages()}


@pytest.mark.parametrize("channel", Channel)
def test_every_channel_takes_a_message_and_remembers_it(channel: Channel, tmp_path: Path) -> None:
    adapter = adapters(Settings(_env_file=None, outbox_dir=tmp_path))[channel]
    assert adapter.channel is channel
    assert adapter.can_look_up
    assert adapter.send([a_message(channel)], deadline=time.monotonic() + 30) == [Accepted()]
    assert list(taken(tmp_path, channel)) == ["5-0-17"]
    assert adapter.look_up([a_question(HANDOVER, "5-0-17")])[0].finding is Finding.ACCEPTED


def test_sending_a_handover_again_changes_nothing(tmp_path: Path) -> None:
    adapter = SandboxChannel(Channel.EMAIL, tmp_path)
    messages = [a_message(delivery=f"5-0-{n}") for n in range(1, 4)]
    assert send(adapter, *messages) == [Accepted()] * 3
    before = taken(tmp_path, Channel.EMAIL)
    assert send(adapter, *messages) == [Accepted()] * 3
    assert taken(tmp_path, Channel.EMAIL) == before


def test_absent_is_final_even_for_a_slow_writer(tmp_path: Path) -> None:
    adapter = SandboxChannel(Channel.EMAIL, tmp_path)
    assert finding(adapter) is Finding.ABSENT
    assert send(adapter, a_message()) == [NotSent("handover_closed")]
    assert finding(adapter) is Finding.ABSENT
    assert taken(tmp_path, Channel.EMAIL) == {}
    again = uuid4()
    assert send(adapter, a_message(handover=again)) == [Accepted()]
    assert finding(adapter, handover=again) is Finding.ACCEPTED


def test_nothing_is_taken_after_the_deadline(tmp_path: Path) -> None:
    adapter = SandboxChannel(Channel.EMAIL, tmp_path)
    assert adapter.send([a_message()], deadline=time.monotonic() - 1) == [NotSent("deadline_passed")]
    assert taken(tmp_path, Channel.EMAIL) == {}


def test_one_bad_recipient_does_not_sink_the_handover(tmp_path: Path) -> None:
    adapter = SandboxChannel(Channel.EMAIL, tmp_path)
    letter = BODIES[Channel.EMAIL]
    assert isinstance(letter, EmailBody)
    outcomes = send(
        adapter,
        a_message(delivery="5-0-1", to="nobody"),
        a_message(delivery="5-0-2", to_name="Eve\r\nBcc: all@example.org"),
        a_message(delivery="5-0-3"),
        a_message(delivery="5-0-4", body=SmsBody("hello")),
        a_message(delivery="5-0-5", body=replace(letter, text="\ud800")),
        a_message(delivery="5-0-6", body=replace(letter, sender_address="nobody")),
    )
    assert outcomes == [
        Rejected("invalid_address", SuppressionReason.INVALID_ADDRESS),
        Rejected("unsafe_header"),
        Accepted(),
        Rejected("body_of_another_channel"),
        Rejected("not_unicode"),
        Rejected("invalid_address"),
    ]
    assert list(taken(tmp_path, Channel.EMAIL)) == ["5-0-3"]


@pytest.mark.parametrize(
    ("channel", "to", "body", "reason"),
    [
        (Channel.SMS, "0151 123", None, "invalid_address"),
        (Channel.SMS, "+4915112345678\nTo: +1", None, "invalid_address"),
        (Channel.TEAMS, "", None, "invalid_address"),
        (Channel.SLACK, "U1\n", None, "invalid_address"),
        (Channel.TEAMS, None, CardBody("{not json", "x"), "invalid_json"),
        (Channel.SLACK, None, CardBody('{"a":"\ud800"}', "x"), "not_unicode"),
        (Channel.TEAMS, None, CardBody("{}", "\ud800"), "unsafe_header"),
    ],
)
def test_what_a_provider_would_refuse_is_refused(
    channel: Channel, to: str | None, body: CardBody | None, reason: str, tmp_path: Path
) -> None:
    (outcome,) = send(SandboxChannel(channel, tmp_path), a_message(channel, to=to, body=body))
    assert isinstance(outcome, Rejected)
    assert outcome.reason == reason


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(words=unicode, name=unicode)
def test_cards_come_back_to_the_letter(words: str, name: str, tmp_path: Path) -> None:
    handover = uuid4()
    card = orjson.dumps({"type": "AdaptiveCard", "body": [{"type": "TextBlock", "text": words}]}).decode()
    message = a_message(Channel.TEAMS, handover=handover, to_name=name, body=CardBody(card, words))
    adapter = SandboxChannel(Channel.TEAMS, tmp_path)
    assert send(adapter, message) == [Accepted()]
    (path,) = (parcels.parcel_folder(tmp_path) / "teams").glob(f"*/{handover.hex}{parcels.SUFFIX}")
    ((_, data),) = parcels.read(path).messages()
    envelope = orjson.loads(data)
    assert envelope["card"] == orjson.loads(card)
    assert (envelope["to"], envelope["to_name"], envelope["summary"]) == (ADDRESSES[Channel.TEAMS], name, words)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(words=unicode, name=unicode)
def test_text_messages_come_back_to_the_letter(words: str, name: str, tmp_path: Path) -> None:
    handover = uuid4()
    adapter = SandboxChannel(Channel.SMS, tmp_path)
    send(adapter, a_message(Channel.SMS, handover=handover, to_name=name, body=SmsBody(words)))
    (path,) = (parcels.parcel_folder(tmp_path) / "sms").glob(f"*/{handover.hex}{parcels.SUFFIX}")
    ((_, data),) = parcels.read(path).messages()
    head, _, text = data.decode().partition("\n\n")
    assert text == words
    assert head.startswith("To: +4915112345678\n")


def test_an_outbox_that_cannot_be_written_stops_the_channel_and_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "outbox").write_text("a file where a folder should be")
    adapter = SandboxChannel(Channel.EMAIL, tmp_path / "outbox")
    with pytest.raises(ChannelStopped, match="PUSHPULL_OUTBOX_DIR"):
        send(adapter, a_message())
    assert finding(adapter) is Finding.UNKNOWN


def test_messages_of_two_handovers_are_not_one_request(tmp_path: Path) -> None:
    with pytest.raises(ChannelStopped):
        send(SandboxChannel(Channel.EMAIL, tmp_path), a_message(), a_message(handover=uuid4()))


# ---- killed at any point


def test_a_write_cut_short_at_any_byte_leaves_no_evidence(tmp_path: Path) -> None:
    """What a killed writer leaves lies aside under another name, however much of it there is."""
    whole = SandboxChannel(Channel.EMAIL, tmp_path / "whole")
    send(whole, a_message())
    (path,) = parcels.parcel_folder(tmp_path / "whole").glob("email/*/*")
    data = path.read_bytes()
    for cut in range(0, len(data) + 1, 37):
        outbox = tmp_path / f"cut{cut}"
        aside = parcels.parcel_folder(outbox) / ".aside"
        aside.mkdir(parents=True)
        (aside / f"{HANDOVER.hex}.1.0").write_bytes(data[:cut])
        adapter = SandboxChannel(Channel.EMAIL, outbox)
        assert send(adapter, a_message(delivery="5-0-18")) == [Accepted()]
        assert finding(adapter, "5-0-17") is Finding.ABSENT
        assert finding(adapter, "5-0-18") is Finding.ACCEPTED


def test_a_parcel_damaged_by_a_power_cut_is_no_evidence_either_way(tmp_path: Path) -> None:
    adapter = SandboxChannel(Channel.EMAIL, tmp_path)
    send(adapter, a_message())
    (path,) = parcels.parcel_folder(tmp_path).glob("email/*/*")
    data = path.read_bytes()
    for cut in range(len(data)):
        path.write_bytes(data[:cut])
        assert finding(adapter) is Finding.UNKNOWN


_WRITER = """
import sys, time
from pathlib import Path
from uuid import UUID
from channels.sandbox import SandboxChannel
from channels.parcels import parcel_folder
from pushpull.learners.vocabulary import Channel
from tests.channels.letters import a_message
adapter = SandboxChannel(Channel.EMAIL, Path(sys.argv[1]))
print("ready", flush=True)
for n in range(1, 100_000):
    handover = UUID(int=n)
    outcomes = adapter.send([a_message(delivery=f"5-0-{n * 50 + i}", handover=handover) for i in range(50)],
                            deadline=time.monotonic() + 30)
    assert len(outcomes) == 50
    print(n, flush=True)
"""


@pytest.mark.parametrize("after_ms", [1, 7, 20, 33, 50])
def test_a_writer_killed_at_any_time_leaves_whole_handovers_or_none(after_ms: int, tmp_path: Path) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(_WRITER), str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == "ready\n"
    time.sleep(after_ms / 1000)
    os.kill(writer.pid, signal.SIGKILL)
    answered = [int(line) for line in writer.stdout.read().splitlines() if line]
    writer.wait()
    last = max(answered, default=0)
    adapter = SandboxChannel(Channel.EMAIL, tmp_path)
    for n in range(1, last + 1):
        ids = [f"5-0-{n * 50 + i}" for i in range(50)]
        assert {each.finding for each in adapter.look_up([a_question(UUID(int=n), *ids)])} == {Finding.ACCEPTED}
    ids = [f"5-0-{(last + 1) * 50 + i}" for i in range(50)]
    in_doubt = adapter.look_up([a_question(UUID(int=last + 1), *ids)])
    assert len({each.finding for each in in_doubt}) == 1
    assert {len(parcels.read(path).sizes) for path in parcels.parcel_folder(tmp_path).glob("email/*/*")} <= {0, 50}


# ---- the sink


def test_the_sink_counts_every_arrival(tmp_path: Path) -> None:
    refused = Rejected("no")
    sink = Sink(
        Channel.EMAIL, tmp_path / "sink", answer=lambda message: refused if message.delivery_id == "5-0-2" else None
    )
    messages = [a_message(delivery=f"5-0-{n}") for n in (1, 2, 3)]
    assert sink.send(messages, deadline=0) == [Accepted(), refused, Accepted()]
    sink.send(messages[:1], deadline=0)
    assert sink.received() == {"5-0-1": 2, "5-0-3": 1}
    findings = {each.delivery_id: each.finding for each in sink.look_up([a_question(HANDOVER, "5-0-1", "5-0-2")])}
    assert findings == {"5-0-1": Finding.ACCEPTED, "5-0-2": Finding.ABSENT}
