"""A campaign's results on the terminal: every wave, who was sent and who not, what came back, and the funnel."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection

from pushpull.insights.funnel import Funnel, funnel
from pushpull.ledger.results import WaveResult, answers, wave_results

_BAR = 40


def tell_campaign(console: Console, connection: Connection, campaign_key: str, *, as_of: datetime) -> None:
    """Print waves, funnel and comparison."""
    waves = wave_results(connection, campaign_key=campaign_key)
    console.print(_waves(waves, answers(connection, [wave.wave_id for wave in waves])))
    found = funnel(connection, campaign_key, as_of=as_of)
    console.print(_funnel(found))
    console.print(_comparison(found), highlight=False)


def _waves(waves: list[WaveResult], came_back: Mapping[int, Mapping[str, int]]) -> Table:
    table = Table("wave", "touch", "for", "sent", "not sent, and why", "came back", title="Waves", title_justify="left")
    for wave in waves:
        reasons = {**wave.skipped, **{f"waiting: {reason}": count for reason, count in wave.held.items()}}
        table.add_row(
            wave.key,
            wave.touch,
            str(wave.audience),
            f"{wave.accepted} ({_words(wave.by_channel)})" if wave.accepted else "0",
            _words(reasons),
            _words(came_back[wave.wave_id]),
        )
    return table


def _words(counts: Mapping[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda pair: -pair[1])
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in ordered if count)


def _funnel(found: Funnel) -> Table:
    table = Table("step", "learners", "", "lost on the way", title="Funnel", title_justify="left", box=None)
    table.add_row("audience", str(found.audience), "█" * _BAR, "")
    for step in found.steps:
        bar = "█" * round(_BAR * step.count / found.audience) if found.audience else ""
        table.add_row(step.step.replace("_", " "), str(step.count), bar, str(step.dropped))
    return table


def _comparison(found: Funnel) -> str:
    compared = found.comparison
    treated, held = compared.treated, compared.holdout
    words = f"completed: {treated.count} of {treated.total} who got messages, {held.count} of {held.total} held out"
    if compared.interval is None or compared.difference is None:
        return f"{words}: too few to compare"
    low, high = 100 * compared.interval.low, 100 * compared.interval.high
    difference = 100 * compared.difference
    return f"{words}: {difference:+.0f} points, 95 % interval {low:+.0f} to {high:+.0f} → {compared.verdict}"
