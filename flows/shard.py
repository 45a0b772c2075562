"""Shard: another run helps to drain a large wave, on whatever worker has time.

Dispatch starts as many as are worth it and waits for none. Each drains a range of the wave's rows, then what is left of
the others'; claims in the ledger keep them apart. It can come late, be killed, or be run again: nothing is sent twice.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

from prefect import flow
from pydantic import Field

from flows.parameters import moment
from flows.sending import Sending
from pushpull.ledger.due import DueWave
from pushpull.ledger.results import WaveResult
from tasks.deliver import close_waves
from tasks.publish import one_client
from tasks.report import report_waves
from tasks.switches import read_switches


class Help(NamedTuple):
    """What a helper is asked."""

    wave_id: int
    rotation: int
    part: int
    parts: int


@flow(
    name="shard",
    flow_run_name="help with wave {wave_id}: part {part} of {parts}",
    persist_result=False,
    log_prints=False,
)
async def shard(
    wave_id: Annotated[int, Field(ge=1)],
    rotation: Annotated[int, Field(ge=0)] = 0,
    part: Annotated[int, Field(ge=0)] = 1,
    parts: Annotated[int, Field(ge=2, le=16)] = 2,
    as_of: str = "",
) -> list[WaveResult]:
    """Drain a part of a wave that is due, then help with the rest of it. Obligations that become due go first.

    Args:
        wave_id: Number of the wave in the ledger.
        rotation: Which of its rotations; 0 is the wave as it was planned.
        part: Which part to begin with, from 0; dispatch itself begins with part 0.
        parts: How many runs share the wave.
        as_of: Send what is due at this instant, ISO 8601 with an offset. Empty: now.
    """
    with one_client():
        return _help(Help(wave_id, rotation, part, parts), as_of)


def _help(asked: Help, as_of: str) -> list[WaveResult]:
    now = moment(as_of, live=True)

    def wanted(wave: DueWave) -> bool:
        return wave.name == asked[:2] or (wave.is_mandatory and bool(sending.touched))

    sending = Sending(as_of=as_of, switches=read_switches(), wanted=wanted, part=asked.part, parts=asked.parts)
    sending.in_rounds(sending.due(now), now)
    if not sending.touched:
        return []
    close_waves(moment(as_of, live=True))
    results = report_waves(sorted(sending.touched))
    for failure in sending.broken.values():
        raise failure
    return results
