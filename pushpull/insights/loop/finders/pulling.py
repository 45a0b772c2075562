"""The pull share as an insight: when learners come by themselves, a campaign that does not push less could."""

from __future__ import annotations

from collections.abc import Iterator

from pushpull.insights.loop.finding import Change, Found, Metric, MetricKind, Setting
from pushpull.insights.loop.looking import Look
from pushpull.insights.loop.vocabulary import InsightKind
from pushpull.insights.pull import pull_weeks
from pushpull.ledger.intensity import RUNG_WORDS, WEEKS_RUNNING, IntensityRules, Rung, rules_of


def pull_shares(look: Look) -> Iterator[Found]:
    """What the last two whole weeks say."""
    weeks = [each for each in pull_weeks(look.connection, look.campaign_key, as_of=look.as_of) if each.is_whole]
    latest = weeks[-WEEKS_RUNNING:]
    shares = [each.share for each in latest if each.share is not None]
    if len(shares) < WEEKS_RUNNING:
        return
    asked = rules_of(look.definition)
    rules = asked or IntensityRules()
    if any((each.visits or 0) < rules.least_visits for each in latest):
        return
    rung = latest[-1].rung
    is_high = min(shares) >= rules.eased.up
    if not is_high and rung is Rung.FULL:
        return
    said = " and ".join(f"{share:.0%}" for share in shares)
    change = None
    if asked is None:
        setting = Setting("intensity", {"least_visits": rules.least_visits})
        change = Change((setting,), "Push less while learners come by themselves, and more again when they stop.")
        then = "The campaign's file asks for no intensity ladder, so that all pushes go on."
    else:
        then = f"The campaign pushes at the rung {RUNG_WORDS[rung]}."
    yield Found(
        InsightKind.PULL_SHARE,
        "campaign",
        f"{said} of the visits of the last two weeks were caused by no message. {then}",
        {
            "weeks": [
                {"from": each.begins.isoformat(), "visits": each.visits, "unprompted": each.unprompted}
                for each in latest
            ],
            "rung": RUNG_WORDS[rung],
        },
        change,
        Metric(MetricKind.CAME_UNASKED) if change else None,
    )
