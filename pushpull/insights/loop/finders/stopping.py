"""Stop signals as insights: what comes back says that a campaign asks too much of people, or soon will."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from sqlalchemy import select

from pushpull.insights.loop.finding import Change, Found, Metric, MetricKind, Setting
from pushpull.insights.loop.looking import Look
from pushpull.insights.loop.vocabulary import InsightKind
from pushpull.ledger.specs import StopThresholds
from pushpull.ledger.stopping import figures
from pushpull.ledger.tables import campaign
from pushpull.ledger.vocabulary import WaveStatus

#: From this part of a threshold on it is worth a word.
NEAR: Final = 0.5
_DEFAULT_WEEKLY = 3


def stop_signals(look: Look) -> Iterator[Found]:
    """Whether opt-outs, pauses, complaints or failures come near their threshold, or stopped the campaign."""
    thresholds = StopThresholds.model_validate(look.definition.get("stop") or {})
    came = figures(look.connection, look.campaign_id)
    status = look.connection.execute(select(campaign.c.status).where(campaign.c.id == look.campaign_id)).scalar_one()
    if came.accepted < thresholds.after:
        return
    for name, count, limit, is_of_people in (
        ("opt-outs", came.opt_outs, thresholds.opt_outs, True),
        ("pauses", came.mutes, thresholds.mutes, True),
        ("complaints", came.complaints, thresholds.complaints, True),
        ("failures", came.failures, thresholds.failures, False),
    ):
        share = count / came.accepted
        if share < NEAR * limit:
            continue
        over = "over" if share > limit else f"at {share / limit:.0%} of"
        stopped = " The campaign stopped itself." if status == WaveStatus.HELD.value else ""
        change = _fewer(look.definition) if is_of_people else None
        yield Found(
            InsightKind.STOP_SIGNAL,
            name,
            f"{count} {name} for {came.accepted} accepted messages ({share:.2%}): {over} the threshold of {limit:.2%}."
            + stopped,
            {"count": count, "accepted": came.accepted, "threshold": limit, "is_held": status == WaveStatus.HELD.value},
            change,
            Metric(MetricKind.OPTED_OUT) if change else None,
        )


def _fewer(definition: Mapping[str, object]) -> Change | None:
    budget = definition.get("budget")
    caps = budget.get("caps") if isinstance(budget, Mapping) else None
    weekly = caps.get("week", _DEFAULT_WEEKLY) if isinstance(caps, Mapping) else _DEFAULT_WEEKLY
    if weekly <= 1:
        return None
    setting = Setting("budget.caps.week", weekly - 1)
    return Change((setting,), f"Send nobody more than {weekly - 1} messages a week instead of {weekly}.")
