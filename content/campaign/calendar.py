"""From a campaign to its waves: which of them happen on a day, and what planning is told about each.

Whom a wave reaches and at which instant is decided by the ledger; nothing here looks at a learner or at the clock.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date, timedelta

from content.campaign.model import Campaign, Wave
from pushpull.learners.segments import Segment, parse_segment
from pushpull.learners.vocabulary import Barrier
from pushpull.ledger.specs import CampaignSpec, WaveSpec


class UnknownWaveError(ValueError):
    """A stage has no wave of that key."""

    def __init__(self, campaign: str, stage: str, wave: str, known: Sequence[str]) -> None:
        there = ", ".join(known) or "none"
        super().__init__(f"the {stage} stage of campaign {campaign!r} has no wave {wave!r}; it has: {there}")


def series_of(stage: str, wave: Wave) -> str:
    """The name under which all occurrences of a wave are counted together."""
    return f"{stage}.{wave.key}"


def campaign_spec(campaign: Campaign) -> CampaignSpec:
    """The campaign as the ledger keeps it."""
    digest = hashlib.sha256(campaign.model_dump_json(by_alias=True).encode())
    for key, message_hash in sorted(campaign.references.hashes.items()):
        digest.update(f"{key} {message_hash}\n".encode())
    return CampaignSpec(
        key=campaign.key,
        name=campaign.name,
        family=campaign.family,
        message_class=campaign.message_class,
        priority=campaign.budget.priority,
        timezone=campaign.timezone,
        starts_on=campaign.start,
        ends_on=campaign.ends_on,
        item_keys=campaign.items,
        stop=campaign.stop,
        definition=campaign.model_dump(mode="json", by_alias=True),
        content_hash=digest.hexdigest(),
    )


def goal_due_dates(campaign: Campaign) -> dict[str, date]:
    """The day on which each goal is due for learners who were there from the start, by the goal's key."""
    return {goal.key: goal.due_on(campaign.start) for goal in campaign.goals}


def wave_days(campaign: Campaign, wave: Wave) -> tuple[date, ...]:
    """The days on which a wave happens, local in the campaign's zone, in order."""
    length = (campaign.ends_on - campaign.start).days
    days = (campaign.start + timedelta(days=number) for number in range(length + 1))
    return tuple(day for day in days if _happens(campaign, wave, day))


def waves_on(campaign: Campaign, day: date) -> tuple[WaveSpec, ...]:
    """All waves that happen on a day, in the order of the file; none about a trend that is over.

    Args:
        day: local date in the campaign's zone.
    """
    return tuple(_spec(campaign, stage, wave, day) for stage, wave in campaign.waves() if _happens(campaign, wave, day))


def stage_waves(campaign: Campaign, stage: str, day: date, wave: str = "") -> tuple[WaveSpec, ...]:
    """The waves of one stage that happen on a day.

    Args:
        wave: key of one wave of the stage, to leave the others out; empty: all.

    Raises:
        UnknownWaveError: the stage has no such wave.
    """
    known = [each.key for name, each in campaign.waves() if name == stage]
    if wave and wave not in known:
        raise UnknownWaveError(campaign.key, stage, wave, known)
    found = (spec for spec in waves_on(campaign, day) if spec.stage == stage)
    return tuple(spec for spec in found if not wave or spec.series == f"{stage}.{wave}")


def _happens(campaign: Campaign, wave: Wave, day: date) -> bool:
    when = wave.when
    if not campaign.start <= day <= campaign.ends_on:
        return False
    if wave.trend is not None and campaign.references.trends[wave.trend].is_over(day):
        return False
    if when.after_start is not None:
        return day == campaign.start + when.after_start.length
    week = (day - campaign.start).days // 7 + 1
    first, last = when.from_week or 1, when.until_week or week
    if not first <= week <= last or day.weekday() not in campaign.budget.window.weekdays:
        return False
    if when.weekly is None:
        return True
    return day.weekday() in {each.number for each in when.weekly} and (week - first) % when.every_weeks == 0


def _spec(campaign: Campaign, stage: str, wave: Wave, day: date) -> WaveSpec:
    series = series_of(stage, wave)
    experiment = next((each for each in campaign.experiments if each.wave == series), None)
    return WaveSpec(
        campaign_key=campaign.key,
        key=f"{series}@{day.isoformat()}",
        series=series,
        stage=stage,
        message_key=wave.message,
        touch=wave.touch,
        message_class=campaign.message_class,
        family=campaign.family,
        priority=campaign.budget.priority,
        audience=campaign.audience,
        target=_target(campaign, wave),
        on=day,
        hour=wave.hour,
        prefer_learner_hour=wave.prefer_learner_hour,
        timezone=campaign.timezone,
        channels=wave.channels,
        prefer_learner_channel=wave.prefer_learner_channel,
        channels_by=wave.channels_by,
        languages=campaign.references.languages[wave.message],
        variants=tuple(wave.variants.items()),
        barrier_variants=_barrier_variants(campaign, wave),
        lot=experiment.lot(day) if experiment else "",
        holdout=campaign.holdout,
        due_offset=wave.when.working_days_from_due,
        inactive_days=wave.when.inactive_days,
        inactive_rhythm=wave.when.inactive_rhythm,
        once=wave.once,
        once_per_absence=wave.once_per_absence,
        after=wave.after,
        min_gap_days=wave.min_gap_days,
        stop_when_active=wave.stop_when_active,
        daily_goal=wave.when.daily_goal,
        at_cue=wave.when.at_cue,
        cues_first=wave.when.daily_goal and _reminds(campaign, day),
        champions=wave.champions,
        vested=campaign.vested if wave.champions else None,
        item_count=wave.items,
        trend=wave.trend,
        trend_tags=campaign.references.trends[wave.trend].tags if wave.trend is not None else (),
        window=campaign.budget.window,
        caps=campaign.budget.limits,
        expires_after=wave.expires_after.length,
        approval_threshold=wave.approval_above or campaign.approval_above,
        second_approval_threshold=wave.second_approval_above or campaign.second_approval_above,
        content_hash=campaign.references.hashes[wave.message],
    )


def _barrier_variants(campaign: Campaign, wave: Wave) -> tuple[str, ...]:
    """The variants of the wave's message that answer a barrier, where it asks for them."""
    if wave.variants_by is None:
        return ()
    there = campaign.references.variants[wave.message]
    return tuple(each.variant for each in Barrier if each.variant in there)


def _reminds(campaign: Campaign, day: date) -> bool:
    """Whether learners are reminded at their own cues on a day, for whom a nudge besides would be one too many."""
    return any(wave.when.at_cue and _happens(campaign, wave, day) for _, wave in campaign.waves())


def _target(campaign: Campaign, wave: Wave) -> Segment | None:
    """The learners of the audience that the wave is for; None when it is for all of them."""
    parts: list[object] = []
    if wave.state is not None:
        parts.append({"lifecycle": [state.value for state in wave.state]})
    if wave.segment is not None:
        parts.append(wave.segment.model_dump(mode="json"))
    if wave.trend is not None:
        affected = campaign.references.trends[wave.trend].who.model_dump(mode="json")
        if affected != {"everyone": True}:
            parts.append(affected)
    if not parts:
        return None
    return parse_segment(parts[0] if len(parts) == 1 else {"all": parts})
