"""Dispatch: send what is due, in every learner's own time, whatever campaign it belongs to.

Runs every few minutes. Obligations first, then by priority; a wave that is hours late, or fails the checks before
sending, is held for a person. It can be killed, run twice or run at once with itself: nothing is sent twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from prefect import flow

from flows.parameters import moment
from pushpull.ledger.drain import DrainResult
from pushpull.ledger.due import DueWave
from pushpull.ledger.results import WaveResult
from pushpull.ledger.terms import Terms
from tasks.callbacks import fold_callbacks
from tasks.deliver import close_waves, drain_shard, find_ahead, find_due, shards_of
from tasks.preflight import cleared
from tasks.reconcile import reap_silent, settle_uncertain
from tasks.report import report_waiting, report_waves


@flow(name="dispatch", persist_result=False, log_prints=False)
async def dispatch(
    as_of: str = "",
    dry_run: bool = False,
    cohort: list[str] = [],  # noqa: B006
) -> list[WaveResult]:
    """Settle what earlier runs left behind, then drain every due wave, shard by shard.

    Args:
        as_of: Send what is due at this instant, ISO 8601 with an offset, e.g. 2026-01-12T09:00+01:00. Empty:
            now, even when the run was scheduled earlier.
        dry_run: Only say which waves are due; nothing is sent.
        cohort: External ids of learners, to send only what is due to them. Empty: everybody.
    """
    now = moment(as_of, live=True)
    if not dry_run:
        fold_callbacks(now)
        reap_silent()
        settle_uncertain(now)
    due = find_due(now, hold_late=not dry_run and not cohort)
    if dry_run:
        return report_waves(sorted({wave.wave_id for wave in due}))
    due = cleared(due, now)
    broken: dict[int, Exception] = {}
    for wave in cleared(find_ahead(now), now):
        _drained(wave, wave.rules, cohort, broken, is_ahead=True)
    touched: set[int] = set()
    has_more = True
    while has_more:  # drains end after a while, so that what is more important by then goes first
        touched |= {wave.wave_id for wave in due}
        drained = []
        for wave in due:  # those before it may have taken a while, and nobody is written to at night
            rules = replace(wave.rules, as_of=moment(as_of, live=True))
            drained += _drained(wave, rules, cohort, broken)
        has_more = any(result.has_more for result in drained)
        if has_more:
            now = moment(as_of, live=True)
            due = cleared(find_due(now, hold_late=not cohort), now)
    if touched:
        close_waves(now)
    report_waiting()
    results = report_waves(sorted(touched))
    if broken:  # the run fails, so that somebody looks; what could be sent was
        raise next(iter(broken.values()))
    return results


def _drained(
    wave: DueWave, rules: Terms, cohort: Sequence[str], broken: dict[int, Exception], *, is_ahead: bool = False
) -> list[DrainResult]:
    """Drain a wave's shards. One that fails keeps no other wave waiting, and is not tried again in this run.

    Args:
        rules: the wave's, as of when it is sent.
        broken: why waves failed, by id.
    """
    if wave.wave_id in broken:
        return []
    try:
        return drain_shard.for_each([(shard, rules, is_ahead) for shard in shards_of(wave, cohort)])
    except Exception as error:  # noqa: BLE001  # told at the end of the run
        broken[wave.wave_id] = error
        return []
