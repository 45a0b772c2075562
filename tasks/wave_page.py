"""The page of a wave in the Prefect UI: what became of it, what waits, how far its campaign has come; counts only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from pushpull.insights.funnel import Funnel
from pushpull.insights.reasons import HOLD_WORDS, REASON_LABELS, STATE_WORDS, WAVE_WORDS
from pushpull.insights.small_numbers import FEWEST
from pushpull.ledger.results import WaveResult
from pushpull.ledger.vocabulary import DeliveryState, HoldReason, Reason, WaveStatus
from pushpull.ledger.waiting import Waiting
from pushpull.settings import Settings

_RUNBOOK = "What each of these means, and what not to do: docs/runbook.md."


def wave_page(
    result: WaveResult, *, waiting: Sequence[Waiting], funnel: Funnel | None, settings: Settings, as_of: datetime
) -> str:
    """Write the page, as Markdown.

    Args:
        waiting: everything that waits for a person, of whatever wave.
        funnel: of the wave's campaign; None where it is not asked for.
        as_of: what the counts stand for.
    """
    parts = [
        f"# {_cell(result.key)}",
        f"Campaign **{_cell(result.campaign_key)}**, {_cell(result.stage)}, {_cell(result.touch)}. {_status(result)}",
        f"As of {as_of:%Y-%m-%d %H:%M} UTC: {_in_words(result)}.",
        _what_waits(result, waiting),
        "## What became of it",
        _states(result),
        _reasons("Not sent", result.skipped),
        _reasons("Waits", result.held),
        _funnel(funnel),
        _links(result, settings),
    ]
    return "\n\n".join(part for part in parts if part)


def waits_about(result: WaveResult, waiting: Sequence[Waiting]) -> list[Waiting]:
    """What must be answered before this wave goes on."""
    channels = {channel for _, channel in result.cells}
    return [
        each
        for each in waiting
        if (each.kind in ("wave", "parked") and each.what == result.key)
        or (each.kind == "campaign" and each.what == result.campaign_key)
        or (each.kind == "channel" and each.what in channels)
        or each.kind == "switch"
    ]


def _status(result: WaveResult) -> str:
    status = WaveStatus(result.status)
    if status is WaveStatus.HELD and result.status_reason in set(HoldReason):
        return f"It {HOLD_WORDS[HoldReason(result.status_reason)]}."
    if status is WaveStatus.OPEN:
        return "It is finished." if result.is_finished else "It is being sent."
    return f"It is {WAVE_WORDS[status]}."


def _in_words(result: WaveResult) -> str:
    counts = result.counts()
    told = [f"{counts.pop('audience')} learners", *(f"{many} {what}" for what, many in counts.items() if many)]
    return ", ".join(told)


def _what_waits(result: WaveResult, waiting: Sequence[Waiting]) -> str:
    lines = [
        f"- **{each.kind} {_cell(each.what)}**: {_cell(each.why)}. Then: `{each.command}`"
        for each in waits_about(result, waiting)
    ]
    if not lines:
        return ""
    return "\n".join(["## A person is needed", "", *lines, "", f"The deployment `decide` does it too. {_RUNBOOK}"])


def _states(result: WaveResult) -> str:
    """States down, channels across."""
    channels = sorted({channel for _, channel in result.cells})
    rows = []
    for state in DeliveryState:
        counts = [result.cells[state.value, channel] for channel in channels]
        if any(counts):
            rows.append((STATE_WORDS[state], *counts, sum(counts)))
    total = [sum(many for (_, of), many in result.cells.items() if of == channel) for channel in channels]
    head = ("state", *(channel or "no channel" for channel in channels), "all")
    return _table(head, [*rows, ("**all**", *total, result.audience)])


def _reasons(title: str, counts: Counter[str]) -> str:
    if not counts:
        return ""
    rows = [(_label(reason), many) for reason, many in counts.most_common()]
    return f"### {title}\n\n" + _table(("reason", "deliveries"), rows)


def _label(reason: str) -> str:
    return REASON_LABELS[Reason(reason)] if reason in set(Reason) else reason


def _funnel(funnel: Funnel | None) -> str:
    if funnel is None:
        return ""
    # Each step holds those of the next: there is no total from which a hidden number could be had.
    rows = [(each.step.value.replace("_", " "), each.count if each.count >= FEWEST else "·") for each in funnel.steps]
    note = f"Learners in each step and all before it; · stands for fewer than {FEWEST}."
    return f"## The campaign so far\n\n{_table(('step', 'learners'), rows)}\n\n{note}"


def _links(result: WaveResult, settings: Settings) -> str:
    links: dict[str, str] = {}
    if settings.report_url:
        links["Report of the campaign"] = settings.report_url.replace("{campaign}", result.campaign_key)
    elif settings.oidc_sponsor_group:  # the web app has it, for sponsors who sign in
        links["Report of the campaign"] = f"{settings.base_url.rstrip('/')}/sponsor/report/{result.campaign_key}"
    if settings.is_sandbox:
        links["Outbox"] = f"{settings.base_url.rstrip('/')}/outbox/"
    return " · ".join(f"[{text}]({link})" for text, link in links.items())


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, [":--", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    """Text that a table and Markdown leave alone."""
    return text.replace("|", "/").replace("\n", " ")
