"""Messages written from one template, many in a request, and what is done when SendGrid refuses the whole of it.

A refusal proves that nothing of the request was processed. Whoever it names is taken out and the others are sent again;
where it names nobody, three messages are tried alone, and unless all three fail alike, halves find the culprit. All of
that within the handover's deadline: what was not tried by then was not sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import NamedTuple

from channels.answers import common_outcome
from channels.email.refusals import read_refusal, refuses_everybody, stopping
from channels.email.requests import MOST_RECIPIENTS, Personalization, request
from channels.wire import Answer
from pushpull.ledger.outcomes import (
    CHANNEL_STOPPED,
    DEADLINE_PASSED,
    THROTTLED,
    Accepted,
    ChannelStopped,
    NotSent,
    Outcome,
    Rejected,
)

#: With more recipients than that, three are tried alone before a refusal that names nobody is looked into by halves.
_FEW = 8

_LONGEST_ID = 200


class Entry(NamedTuple):
    """A message in a batch.

    Args:
        place: in the handover.
        address: in its sendable form.
        part: its personalization.
        slot: monotonic seconds before which it may not leave.
    """

    place: int
    address: str
    part: Personalization
    slot: float


@dataclass(slots=True)
class Batch:
    """Messages that share everything but their recipients.

    Args:
        envelope: what they share; or why none of them can be sent.
        subject_tags: places in the subject, whose values may not break out of its line.
    """

    envelope: bytes | Rejected
    subject_tags: Sequence[str] = ()
    entries: list[Entry] = field(default_factory=list)


class SharedSending:
    """The batches of one handover under way.

    Args:
        post: makes a mail/send request by the deadline; an outcome where there is no answer.
        outcomes: of the handover's messages, filled here.
    """

    def __init__(
        self,
        post: Callable[[bytes, float], Answer | Outcome],
        outcomes: list[Outcome | None],
        *,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        sleep: Callable[[float], None],
        deadline: float,
    ) -> None:
        self._post, self._outcomes = post, outcomes
        self._clock, self._monotonic, self._sleep, self._deadline = clock, monotonic, sleep, deadline
        #: What everything that was not tried yet becomes, once SendGrid asked everybody to wait.
        self.rest: Outcome | None = None

    def send(self, batch: Batch) -> None:
        """Send a batch, in as few requests as SendGrid's rules and the slots allow.

        Raises:
            ChannelStopped: none of these messages can be sent; the outcomes hold what became of those before.
        """
        if isinstance(batch.envelope, Rejected):
            return
        for slot, entries in _by_second(batch.entries):
            for together in _without_repetition(entries):
                if self.rest is None and slot < self._deadline:
                    self._wait(slot)
                    self._through(together, batch.envelope)
                else:
                    self._settle(together, self.rest or NotSent(DEADLINE_PASSED))

    def _wait(self, slot: float) -> None:
        seconds = slot - self._monotonic()
        if slot and seconds > 0:
            self._sleep(seconds)

    def _through(self, entries: Sequence[Entry], envelope: bytes) -> None:
        """Send these, and whatever is left of them after a refusal, until each has an outcome."""
        pending = [entries]
        was_probed = False
        while pending:
            entries = pending.pop()
            if self.rest is not None:
                self._settle(entries, self.rest)
                continue
            answer = self._post(request([entry.part for entry in entries], envelope), self._deadline)
            outcome = self._of_all(answer, len(entries))
            if outcome is not None:
                self._settle(entries, outcome)
                continue
            assert isinstance(answer, Answer)
            if answer.status == 413:
                pending += _halves(entries)
                continue
            refusal = read_refusal(answer, len(entries))
            if refusal.stop is not None:
                raise ChannelStopped(refusal.stop)
            for position, refused in refusal.recipients.items():
                self._settle([entries[position]], refused)
            if refusal.recipients:
                others = [entry for position, entry in enumerate(entries) if position not in refusal.recipients]
                pending += [others] if others else []
            elif len(entries) > _FEW and not was_probed:
                was_probed = True
                pending += _halves(self._probed(entries, envelope))
            else:
                pending += _halves(entries)

    def _of_all(self, answer: Answer | Outcome, count: int) -> Outcome | None:
        """The outcome of every message of a request; None where it has to be made again, differently.

        Raises:
            ChannelStopped: no e-mail can be sent.
        """
        if not isinstance(answer, Answer):
            return answer
        if answer.is_success:
            return accepted(answer)
        if (reason := stopping(answer)) is not None:
            raise ChannelStopped(reason)
        outcome = common_outcome(answer, now=self._clock())
        if isinstance(outcome, NotSent) and outcome.reason == THROTTLED:
            self.rest = outcome
        if outcome is not None or count > 1:
            return outcome or (None if answer.status == 413 else read_refusal(answer, count).everybody)
        return of_one(answer)

    def _probed(self, entries: Sequence[Entry], envelope: bytes) -> Sequence[Entry]:
        """Try the first, the middle and the last message alone; returns the others.

        Raises:
            ChannelStopped: all three were refused without a reason: the fault is in what they share.
        """
        probes = [entries[0], entries[len(entries) // 2], entries[-1]]
        for probe in probes:
            if self.rest is None:
                answer = self._post(request([probe.part], envelope), self._deadline)
                self._settle([probe], self._of_all(answer, 1) or _REFUSED)  # at once: the next may stop the channel
            else:
                self._settle([probe], self.rest)
        if all(self._outcomes[probe.place] == _REFUSED for probe in probes):
            self._settle(probes, NotSent(CHANNEL_STOPPED))
            raise ChannelStopped(refuses_everybody())
        return [entry for entry in entries if entry not in probes]

    def _settle(self, entries: Sequence[Entry], outcome: Outcome) -> None:
        for entry in entries:
            self._outcomes[entry.place] = outcome


_REFUSED = Rejected("refused")


def accepted(answer: Answer) -> Accepted:
    """The outcome of a request that was taken: one value for all its messages."""
    name = answer.headers.get("x-message-id", "")[:_LONGEST_ID]
    return Accepted(request_id=name or None)


def of_one(answer: Answer) -> Outcome:
    """What a 400 or 413 says about the only message of its request.

    Raises:
        ChannelStopped: no message can be sent like this.
    """
    if answer.status == 413:
        return Rejected("too_large")
    refusal = read_refusal(answer, 1)
    if refusal.stop is not None:
        raise ChannelStopped(refusal.stop)
    return refusal.everybody or refusal.recipients.get(0) or _REFUSED


def _halves(entries: Sequence[Entry]) -> list[Sequence[Entry]]:
    middle = len(entries) // 2
    return [half for half in (entries[middle:], entries[:middle]) if half]


def _by_second(entries: Sequence[Entry]) -> Iterator[tuple[float, Sequence[Entry]]]:
    """Entries whose slots lie within one second, and the last of these: no second gets more than its share."""
    ordered = sorted(entries, key=attrgetter("slot"))
    start = 0
    for position in range(1, len(ordered) + 1):
        if position == len(ordered) or ordered[position].slot - ordered[start].slot >= 1.0:
            yield ordered[position - 1].slot, ordered[start:position]
            start = position


def _without_repetition(entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    """Requests in which no address stands twice, as SendGrid demands; people may share a mailbox."""
    left = list(entries)
    while left:
        seen: set[str] = set()
        together: list[Entry] = []
        later: list[Entry] = []
        for entry in left:
            address = entry.address.lower()
            if address in seen or len(together) >= MOST_RECIPIENTS:
                later.append(entry)
            else:
                seen.add(address)
                together.append(entry)
        yield together
        left = later
