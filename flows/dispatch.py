"""Dispatch: send what is due, in every learner's own time, whatever campaign it belongs to.

Runs every few minutes. Obligations first, then by priority; a wave that is hours late, or fails the checks before
sending, is held for a person. It can be killed, run twice or run at once with itself: nothing is sent twice.
"""

from __future__ import annotations

from collections.abc import Sequence

from prefect import flow

from flows.parameters import moment
from flows.sending import Sending
from pushpull.ledger.due import DueWave
from pushpull.ledger.results import WaveResult
from tasks.approve import ask_for_approvals
from tasks.callbacks import fold_callbacks
from tasks.deliver import close_waves, find_ahead, find_due
from tasks.installation import log
from tasks.preflight import cleared
from tasks.publish import name_run, one_client
from tasks.reconcile import reap_silent, settle_uncertain
from tasks.report import report_changes, report_waiting, report_waves
from tasks.switches import read_switches


@flow(name="dispatch", flow_run_name="dispatch: nothing due yet", persist_result=False, log_prints=False)
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
    with one_client():
        return _send_due(as_of, dry_run=dry_run, cohort=cohort)


def _send_due(as_of: str, *, dry_run: bool, cohort: Sequence[str]) -> list[WaveResult]:
    now = moment(as_of, live=True)
    if not dry_run:
        fold_callbacks(now)
        reap_silent()
        settle_uncertain(now)
        ask_for_approvals(now)
    sending = Sending(as_of=as_of, cohort=cohort, switches=read_switches())
    due = find_due(now, hold_late=not dry_run and sending.only is None)
    if dry_run:
        return report_waves(sorted({wave.wave_id for wave in due}))
    if sending.switches.is_paused:
        log.warning("everything is paused: %d waves are due, and nothing is sent", len({wave.wave_id for wave in due}))
        name_run("everything is paused")
    else:
        if due:
            name_run(f"send {in_words(due)}")
        sending.ahead(cleared(find_ahead(now), now))
        sending.in_rounds(cleared(due, now), now)
    if sending.touched:
        close_waves(now)
    report_waiting()
    report_changes(now)
    results = report_waves(sorted(sending.touched))
    for failure in sending.broken.values():  # the run fails, so that somebody looks; what could be sent was
        raise failure
    return results


def in_words(waves: Sequence[DueWave]) -> str:
    """Which waves, e.g. ``two-minutes-a-day: launch.announcement@2026-01-12 + 2 more``."""
    keys = list(dict.fromkeys((wave.rules.spec.campaign_key, wave.rules.spec.key) for wave in waves))
    campaign, key = keys[0]
    return f"{campaign}: {key}" + (f" + {len(keys) - 1} more" if len(keys) > 1 else "")
