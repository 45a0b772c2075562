"""Sending, looking up and sending again under faults: everybody gets the mail once, and only bad addresses get none."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

import pytest

from channels.wire import Failure
from pushpull.ledger.messages import OutgoingMessage
from pushpull.ledger.outcomes import Accepted, ChannelStopped, Finding, Question, Rejected, Uncertain
from tests.channels.email.mailing import HANDOVER, a_channel, mails, own_bodies, send, sendgrid
from tests.standin.engine import StandIn
from tests.standin.faults import Fault

FAULTS = (
    Fault.BROKEN_PROCESSED,
    Fault.BROKEN_UNPROCESSED,
    Fault.BROKEN_LATE,
    Fault.RESET_BEFORE_BODY,
    Fault.RESET_PROCESSED,
    Fault.RESET_UNPROCESSED,
    Fault.CLOSED_PROCESSED,
    Fault.CLOSED_UNPROCESSED,
    Fault.GARBAGE_BODY,
    Fault.GARBAGE_STATUS,
    Fault.TRUNCATED_BODY,
    Fault.THROTTLED_SECONDS,
    Fault.UNAUTHORIZED,
    Fault.REDIRECT,
    Fault.STALE_CONNECTION,
)
BEGIN = datetime(2026, 3, 2, 9, tzinfo=UTC)


class Campaign:
    """A wave of e-mails, sent until nothing is open: the ledger's protocol in thirty lines."""

    def __init__(self, standin: StandIn, messages: list[OutgoingMessage], *, is_planned: bool) -> None:
        self.now = BEGIN
        self.played = sendgrid(standin)
        self.played.now = lambda: self.now
        self.channel = a_channel(standin, clock=lambda: self.now)
        self.open = {each.delivery_id: each for each in messages}
        self.rejected: set[str] = set()
        self.rounds = 0
        self.send_at = BEGIN + timedelta(hours=60) if is_planned else None

    def run(self) -> None:
        while self.open and self.rounds < 60:
            self.rounds += 1
            handover = uuid5(HANDOVER, str(self.rounds))
            try:
                name = self.channel.reserve(1)[0] if self.send_at else None
            except (Failure, ChannelStopped):
                continue
            doubtful = self._hand_over(handover, name)
            time.sleep(0.06)  # what is accepted late is accepted now
            self.now += timedelta(minutes=20)
            self._settle(doubtful, handover, name)

    def _hand_over(self, handover: UUID, name: str | None) -> dict[str, str]:
        batch = [
            replace(each, handover_id=handover.hex, send_at=self.send_at, request_id=name)
            for each in self.open.values()
        ]
        try:
            outcomes = send(self.channel, batch)
        except ChannelStopped as stopped:
            outcomes = stopped.outcomes
        doubtful = {}
        for message, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Accepted | Rejected | Uncertain):
                del self.open[message.delivery_id]
            if isinstance(outcome, Rejected):
                self.rejected.add(message.delivery_id)
            if isinstance(outcome, Uncertain):
                doubtful[message.delivery_id] = message
        self._kept = doubtful
        return {each.delivery_id: each.to for each in doubtful.values()}

    def _settle(self, doubtful: dict[str, str], handover: UUID, name: str | None) -> None:
        asked_at = self.now
        while doubtful:
            question = Question(
                handover_id=handover,
                wave_id=5,
                addresses=doubtful,
                intended_at=asked_at - timedelta(minutes=20),
                asked_at=asked_at,
                request_id=name,
                send_at=self.send_at,
            )
            for evidence in self.channel.look_up([question]):
                doubtful.pop(evidence.delivery_id)
                if evidence.finding in (Finding.ABSENT, Finding.CANCELLED):
                    self.open[evidence.delivery_id] = self._kept[evidence.delivery_id]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("is_planned", [False, True], ids=["now", "planned"])
@pytest.mark.parametrize("is_shared", [True, False], ids=["shared", "own bodies"])
def test_nobody_gets_it_twice_and_nobody_is_forgotten(
    standin: StandIn, seed: int, is_planned: bool, is_shared: bool
) -> None:
    messages = mails(30) if is_shared else own_bodies(12)
    campaign = Campaign(standin, messages, is_planned=is_planned)
    bad = {messages[1].to, messages[9].to}
    campaign.played.refused_by_name, campaign.played.refused_silently = {messages[1].to}, {messages[9].to}
    share = 0.4 if is_shared or not is_planned else 0.1  # one unknown answer of twelve cancels all that was planned
    standin.fault(*FAULTS, times=None, share=share, seed=seed, seconds=0.03)
    campaign.run()
    standin.script.clear()
    campaign.now = BEGIN + timedelta(hours=72)
    assert not campaign.open
    assert len(campaign.rejected) == len(bad)
    received = Counter(each.to for each in campaign.played.taken())
    assert received == Counter(each.to for each in messages if each.to not in bad)
    assert not standin.violations
