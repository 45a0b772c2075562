"""Sending waves in rounds, as dispatch and its helpers do: the most important first, and nobody waits for long.

Waves that compete have turns that grow from a minute to half an hour: a provider that takes a message a second is busy
for a day with a large wave, and a run must not fill the Prefect server with task runs over it. A turn ends early when
something else becomes due; then turns are short again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from flows.parameters import moment, run_key
from pushpull.ledger.drain import DrainResult
from pushpull.ledger.due import DueWave
from pushpull.ledger.switches import Switches
from tasks.deliver import Turn, drain_shard, find_due, shards_of, start_helpers
from tasks.preflight import cleared
from tasks.publish import in_a_run
from tasks.switches import read_switches

_FIRST_TURN, _LONGEST_TURN = timedelta(minutes=1), timedelta(minutes=30)

#: A wave with no other beside it is looked at afresh so often.
_ALONE = timedelta(hours=4)

#: A dispatch begins no turn after so long: the next one is due then, and asks, tells and settles, too. Were it longer
#: than the ten minutes between two of them, those that wait for their turn would become ever more.
_LONGEST_RUN = timedelta(minutes=9)


@dataclass(kw_only=True)
class Sending:
    """What one run sends.

    Args:
        as_of: the run's parameter: a fixed instant, or empty for a clock that runs.
        cohort: external ids; only what is due to these learners. Empty: everybody.
        switches: how everything is set; looked at anew before every round.
        wanted: which of the due waves this run is about.
        part, parts: which of how many runs this is, where it helps another one; obligations alone interrupt it.
        touched: ids of the waves that had a turn.
        broken: why waves failed, by id. One that fails keeps no other waiting, and is not tried again in this run.
    """

    as_of: str
    cohort: Sequence[str] = ()
    switches: Switches
    wanted: Callable[[DueWave], bool] = lambda _wave: True
    part: int = 0
    parts: int = 1
    touched: set[int] = field(default_factory=set)
    broken: dict[int, Exception] = field(default_factory=dict)
    _helped: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    _calls: int = 0

    @property
    def only(self) -> list[str] | None:
        """To whom this run may send: external ids; None: everybody. Of a cohort, only the guests of a pilot."""
        guests = self.switches.guests
        if not guests:
            return list(self.cohort) or None
        return [each for each in guests if each in set(self.cohort)] if self.cohort else list(guests)

    def due(self, now: datetime) -> list[DueWave]:
        """What may be sent now, the most important first."""
        found = find_due(now, hold_late=self.only is None and self.parts == 1)
        return cleared([wave for wave in found if self.wanted(wave)], now)

    def ahead(self, waves: Sequence[DueWave]) -> None:
        """Give a provider what it is to keep until it is due."""
        for wave in waves:
            self._drain(wave, wave.rules.as_of, Turn(switches=self.switches), is_ahead=True)

    def in_rounds(self, due: Sequence[DueWave], now: datetime) -> None:
        """Send until nothing is due that could be sent, or the next dispatch is to go on with it.

        Args:
            due: what was found at ``now``.
        """
        length = _FIRST_TURN
        began = now
        while due and not self.switches.is_paused and (left := self._left(now - began)) > timedelta():
            self.touched |= {wave.wave_id for wave in due}
            own = _ALONE if len(due) == 1 else length
            turn = Turn(
                length=max(_FIRST_TURN, min(own, left / len(due))),
                since=None if self.as_of else now,
                obligations_only=self.parts > 1,
                switches=self.switches,
            )
            drained: list[DrainResult] = []
            for wave in due:  # those before it may have taken a while, and nobody is written to at night
                drained += self._drain(wave, moment(self.as_of, live=True), replace(turn, due=wave.due))
            if not any(result.has_more for result in drained):
                return
            gave_way = any(result.gave_way for result in drained)
            length = _FIRST_TURN if gave_way else min(2 * length, _LONGEST_TURN)
            self.switches = read_switches()
            now = moment(self.as_of, live=True)
            due = self.due(now)

    def _left(self, lasted: timedelta) -> timedelta:
        """How long this run may go on; one that has helpers, or helps, stays to the end."""
        is_followed = in_a_run() and self.parts == 1 and not self.as_of
        has_helpers = any(runs > 1 for _, runs in self._helped.values())
        return _LONGEST_RUN - lasted if is_followed and not has_helpers else timedelta.max

    def _drain(self, wave: DueWave, as_of: datetime, turn: Turn, *, is_ahead: bool = False) -> list[DrainResult]:
        if wave.wave_id in self.broken:
            return []
        rules = replace(wave.rules, as_of=as_of)
        try:
            parts = self.parts if self.parts > 1 or is_ahead or self.only is not None else self._helpers(wave)
            mine = shards_of(wave, only=self.only, part=self.part, parts=parts)
            return drain_shard.for_each([(first, rules, is_ahead, turn, tuple(others)) for first, *others in mine])
        except Exception as error:  # noqa: BLE001  # told at the end of the run
            self.broken[wave.wave_id] = error
            return []

    def _helpers(self, wave: DueWave) -> int:
        """Runs that drain a wave, this one among them; more are started only where more has become due since."""
        due, runs = self._helped.get(wave.name, (0, 1))
        if wave.due > due:
            runs = start_helpers(wave, key=run_key(f"call-{self._calls}") or "")
            self._helped[wave.name], self._calls = (wave.due, runs), self._calls + 1
        return runs
