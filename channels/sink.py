"""A channel for tests and benchmarks that keeps ids and no messages: it counts what a provider would have received.

The count lives in a file, so it survives the process that is killed while sending, and it is never made smaller: what
was written there did leave.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from channels.base import Limits
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.messages import OutgoingMessage
from pushpull.ledger.outcomes import Accepted, Evidence, Finding, Outcome, Question

#: Decides the outcome of a message before the sink looks at it; None lets it be received and accepted.
Answer = Callable[[OutgoingMessage], Outcome | None]


class Sink:
    """Receives everything on one channel.

    Args:
        channel: which one.
        path: the file of what was received, one line per message: delivery id and handover id.
        answer: see :data:`Answer`; what it answers itself is not received.
        can_look_up: whether it admits to what it received.
    """

    def __init__(
        self, channel: Channel, path: Path, *, answer: Answer | None = None, can_look_up: bool = True, size: int = 1000
    ) -> None:
        self.channel = channel
        self.limits = Limits(batch_size=size)
        self.can_look_up = can_look_up
        self._path = path
        self._answer = answer

    def send(
        self, messages: Sequence[OutgoingMessage], *, deadline: float, not_before: Sequence[float] = ()
    ) -> Sequence[Outcome]:
        """Receive the messages, all of them by one write."""
        outcomes = [(self._answer(message) if self._answer else None) for message in messages]
        lines = [
            f"{message.delivery_id} {message.handover_id}\n"
            for message, outcome in zip(messages, outcomes, strict=True)
            if outcome is None
        ]
        with self._path.open("ab", buffering=0) as file:
            file.write("".join(lines).encode())
        accepted = Accepted()
        return [accepted if outcome is None else outcome for outcome in outcomes]

    def look_up(self, questions: Sequence[Question]) -> Sequence[Evidence]:
        """Whether each delivery was received with its handover."""
        seen = {tuple(line.split()) for line in self._lines()}
        return [
            Evidence(
                delivery_id,
                question.handover_id.hex,
                Finding.ACCEPTED if (delivery_id, question.handover_id.hex) in seen else Finding.ABSENT,
            )
            for question in questions
            for delivery_id in question.addresses
        ]

    def received(self) -> Counter[str]:
        """How often each delivery id was received."""
        return Counter(line.split()[0] for line in self._lines())

    def _lines(self) -> list[str]:
        if not self._path.exists():
            return []
        return self._path.read_text().splitlines()
