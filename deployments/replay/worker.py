"""The worker that gets killed: it runs the real dispatch flow, and falls silent in the middle of a wave.

It stops between the sandbox having taken a handover and the ledger hearing of it, the worst moment there is, says so,
and waits for its end. Run as ``python -m deployments.replay.worker``, configured by ``PUSHPULL_*`` variables; who
starts and kills it is :mod:`deployments.replay.killing`.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from channels.base import ChannelAdapter, Limits
from deployments.replay.killing import SILENT
from flows.dispatch import dispatch
from pushpull.ledger.messages import OutgoingMessage
from pushpull.ledger.outcomes import Evidence, Outcome, Question
from pushpull.settings import Settings
from tasks.installation import assemble, installed


class FallsSilent:
    """A channel that takes so many handovers, and never answers the last of them.

    Args:
        inner: the channel that takes them.
        after: handovers until it falls silent.
    """

    def __init__(self, inner: ChannelAdapter, *, after: int) -> None:
        self._inner, self._left = inner, after
        self.channel = inner.channel
        self.limits: Limits = inner.limits
        self.can_look_up = inner.can_look_up

    def send(
        self, messages: Sequence[OutgoingMessage], *, deadline: float, not_before: Sequence[float] = ()
    ) -> Sequence[Outcome]:
        """Hand over; the last time, stay here."""
        outcomes = self._inner.send(messages, deadline=deadline, not_before=not_before)
        self._left -= 1
        if self._left == 0:
            print(SILENT, flush=True)
            time.sleep(600)
        return outcomes

    def look_up(self, questions: Sequence[Question]) -> Sequence[Evidence]:
        """What the inner channel knows."""
        return self._inner.look_up(questions)


def main() -> None:
    """Dispatch until silent."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--as-of", type=datetime.fromisoformat, required=True)
    arguments.add_argument("--after", type=int, required=True)
    given = arguments.parse_args()
    here = assemble(Settings(channels="sandbox"), clock=lambda: given.as_of)
    silent = {channel: FallsSilent(adapter, after=given.after) for channel, adapter in here.adapters.items()}
    with installed(replace(here, adapters=silent)):
        asyncio.run(dispatch.fn(as_of=given.as_of.isoformat()))


if __name__ == "__main__":
    main()
