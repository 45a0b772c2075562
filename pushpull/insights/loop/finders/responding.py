"""How waves are answered, as insights: another channel first, the learner's own hour, a wave nobody answers.

Learners who get a message over another channel are other people: that one is answered more is a correlation. A change
is proposed to a person, and measured afterwards. Intervals of 99 % are asked for, because many waves are looked at.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import case, distinct, func, select

from pushpull.insights.loop.answers import Answers, answers_by_channel
from pushpull.insights.loop.finding import Change, Found, Metric, MetricKind, Setting
from pushpull.insights.loop.looking import Look
from pushpull.insights.loop.vocabulary import InsightKind
from pushpull.insights.proportions import Proportion, difference_interval
from pushpull.learners.tables import learner
from pushpull.ledger.tables import delivery, wave

#: How far back is looked, in days.
LOOK_BACK: Final = timedelta(days=42)
#: Fewer people per channel say nothing.
FEWEST_PER_CHANNEL: Final = 30
#: Fewer people are no reason to take a wave out.
FEWEST_FOR_SILENCE: Final = 100
#: Answered by fewer than this, and surely so, a wave is silent.
SILENT_BELOW: Final = 0.03
#: The learned hours of so large a part of a wave's learners must be known, and so many of these differ.
HOURS_KNOWN, HOURS_DIFFER = 0.3, 0.5
#: Hours that make a difference.
_FAR_HOURS: Final = 2
_Z_99: Final = 2.5758293035489004


def responses(look: Look) -> Iterator[Found]:
    """What the answers of the last six weeks say about the waves of the campaign."""
    waves = waves_of(look.definition)
    by_series: dict[str, list[Answers]] = defaultdict(list)
    for each in answers_by_channel(
        look.connection, look.campaign_id, since=look.as_of - LOOK_BACK, until=look.as_of - timedelta(days=3)
    ):
        if each.series in waves:
            by_series[each.series].append(each)
    for series, answers in by_series.items():
        yield from _channel_order(series, waves[series], answers)
        yield from _silence(series, answers)
    yield from _hours(look, waves)


def waves_of(definition: Mapping[str, object]) -> dict[str, Mapping[str, Any]]:
    """The waves of a campaign's file, by series."""
    stages = definition.get("stages")
    found: dict[str, Mapping[str, Any]] = {}
    for stage, body in (stages if isinstance(stages, Mapping) else {}).items():
        for each in (body or {}).get("waves") or ():
            found[f"{stage}.{each['key']}"] = each
    return found


def place_of(series: str) -> str:
    """A wave's place in the campaign's file."""
    stage, _, key = series.partition(".")
    return f"stages.{stage}.waves.{key}"


def _channel_order(series: str, wave_: Mapping[str, Any], answers: Sequence[Answers]) -> Iterator[Found]:
    """A later channel that is answered more than the first."""
    order = [str(each) for each in wave_.get("channels") or ()]
    people = {each.channel: each.people for each in answers if each.people.total >= FEWEST_PER_CHANNEL}
    first = people.get(order[0]) if order else None
    if first is None or first.share is None:
        return
    better = []
    for channel in order[1:]:
        other = people.get(channel)
        interval = difference_interval(other, first, z=_Z_99) if other else None
        if other and other.share is not None and interval and interval.low > 0:
            better.append((other.share, channel, interval))
    if not better:
        return
    share, channel, interval = max(better)
    new_order = (channel, *(each for each in order if each != channel))
    yield Found(
        InsightKind.CHANNEL_ORDER,
        series,
        f"{series} is answered by {share:.0%} over {channel} and by {first.share:.0%} over {order[0]}, which it tries "
        "first. They are other people: a correlation.",
        {
            "channels": {name: {"answered": each.count, "reached": each.total} for name, each in people.items()},
            "difference_low": interval.low,
            "difference_high": interval.high,
        },
        Change((Setting(f"{place_of(series)}.channels", new_order),), f"Try {channel} first for {series}."),
        Metric(MetricKind.ANSWERED, series),
    )


def _silence(series: str, answers: Sequence[Answers]) -> Iterator[Found]:
    """A wave that hardly anybody answers."""
    people = Proportion(sum(each.people.count for each in answers), sum(each.people.total for each in answers))
    interval = people.interval(_Z_99)
    if people.total < FEWEST_FOR_SILENCE or interval.high >= SILENT_BELOW:
        return
    yield Found(
        InsightKind.SILENT_WAVE,
        series,
        f"{series} is answered by fewer than {SILENT_BELOW:.0%} of the {people.total} learners it reached: it takes "
        "attention and gives nothing that can be seen.",
        {"reached": people.total, "at_most": interval.high},
        Change((Setting(place_of(series), None),), f"Take {series} out."),
        Metric(MetricKind.OPTED_OUT),
    )


def _hours(look: Look, waves: Mapping[str, Mapping[str, Any]]) -> Iterator[Found]:
    """Waves at one hour for all, where learners' own hours are known and are others."""
    fixed = {
        series: int(each.get("hour", 9))
        for series, each in waves.items()
        if not each.get("prefer_learner_hour") and not (each.get("when") or {}).get("at_cue")
    }
    if not fixed:
        return
    hour = case(fixed, value=wave.c.series)
    apart = func.abs(learner.c.preferred_hour - hour)
    is_far = (apart >= _FAR_HOURS) & (apart <= 24 - _FAR_HOURS)  # 23 and 0 are neighbours
    rows = look.connection.execute(
        select(
            wave.c.series,
            func.count(distinct(delivery.c.learner_id)).label("people"),
            func.count(distinct(case((learner.c.preferred_hour.is_not(None), delivery.c.learner_id)))).label("known"),
            func.count(distinct(case((is_far, delivery.c.learner_id)))).label("far"),
        )
        .join(wave, wave.c.id == delivery.c.wave_id)
        .join(learner, learner.c.id == delivery.c.learner_id)
        .where(
            wave.c.campaign_id == look.campaign_id,
            wave.c.series.in_(list(fixed)),
            wave.c.planned_as_of >= look.as_of - LOOK_BACK,
            wave.c.planned_as_of <= look.as_of,
            delivery.c.reason.is_(None),
        )
        .group_by(wave.c.series)
        .order_by(wave.c.series)
    )
    for row in rows:
        if row.known < max(FEWEST_PER_CHANNEL, HOURS_KNOWN * row.people) or row.far < HOURS_DIFFER * row.known:
            continue
        yield Found(
            InsightKind.SEND_HOUR,
            row.series,
            f"{row.series} comes at {fixed[row.series]}:00; of the {row.known} learners whose own hour is known "
            f"{row.far / row.known:.0%} respond two hours away from it, or more.",
            {"reached": row.people, "hour_known": row.known, "far": row.far, "hour": fixed[row.series]},
            Change(
                (Setting(f"{place_of(row.series)}.prefer_learner_hour", True),),
                f"Send {row.series} at each learner's own hour where it is known.",
            ),
            Metric(MetricKind.ANSWERED, row.series),
        )
