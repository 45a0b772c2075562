"""The exact numbers behind a campaign report that are not in the funnel: facts, series of waves, reasons, days,
departments. They leave this package through the gate (:mod:`.gate`), and only so."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, distinct, exists, func, select

from pushpull.insights.simulate import SOURCE
from pushpull.learners.lifecycle.events import utc_day
from pushpull.learners.tables import activity, learner, lifecycle_event
from pushpull.learners.vocabulary import LifecycleKind
from pushpull.ledger.results import WaveResult, wave_results
from pushpull.ledger.tables import campaign, campaign_item, delivery, delivery_event, handover, wave
from pushpull.ledger.vocabulary import ACCEPTED_STATES, Arm, EventKind, Touch

_ACCEPTED = tuple(state.value for state in ACCEPTED_STATES)


@dataclass(frozen=True)
class WaveFigures:
    """One wave: its result, and how many learners each kind of fact came back from."""

    on: date
    result: WaveResult
    came_back: Counter[str]


@dataclass(frozen=True)
class SeriesFigures:
    """All occurrences of a wave, in order, and their sums."""

    series: str
    stage: str
    touch: str
    message_key: str
    waves: Sequence[WaveFigures]

    def total(self, name: str) -> int:
        """The sum of ``audience``, ``accepted`` or ``open``."""
        return sum(getattr(each.result, name) for each in self.waves)

    @property
    def skipped(self) -> Counter[str]:
        """Rows by reason."""
        return sum((each.result.skipped for each in self.waves), Counter[str]())

    @property
    def came_back(self) -> Counter[str]:
        """Facts by kind."""
        return sum((each.came_back for each in self.waves), Counter[str]())

    @property
    def channels(self) -> Counter[str]:
        """Accepted messages by channel."""
        return sum((each.result.by_channel for each in self.waves), Counter[str]())


@dataclass(frozen=True, slots=True)
class Day:
    """One UTC day, or the week that begins with it: messages accepted by touch, learners who were there."""

    starts: date
    push: int
    pull: int
    active: int


@dataclass(frozen=True, slots=True)
class Department:
    """One department's learners on the treated side."""

    name: str
    people: int
    activated: int
    completed: int


@dataclass(frozen=True)
class Figures:
    """Everything beside the funnel.

    Args:
        campaign: its row in the ledger.
        is_rehearsal: some of the activity is simulated.
    """

    campaign: Any
    is_rehearsal: bool
    series: Sequence[SeriesFigures]
    days: Sequence[Day]
    departments: Sequence[Department]
    skipped: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)


def figures(connection: Connection, campaign_id: int, *, as_of: datetime) -> Figures:
    """Count; what happened after ``as_of`` (aware) is left out, but rows of waves are taken as they stand."""
    found = connection.execute(select(campaign).where(campaign.c.id == campaign_id)).one()
    listed = _waves(connection, found.key, campaign_id, as_of=as_of)
    skipped, held = Counter[str](), Counter[str]()
    for each in listed:
        for one in each.waves:
            skipped += one.result.skipped
            held += one.result.held
    simulated = select(activity.c.id).where(
        activity.c.source == SOURCE,
        activity.c.item_id.in_(select(campaign_item.c.item_id).where(campaign_item.c.campaign_id == campaign_id)),
    )
    return Figures(
        campaign=found,
        is_rehearsal=bool(connection.execute(select(exists(simulated))).scalar()),
        series=listed,
        days=_days(connection, campaign_id, as_of=as_of),
        departments=_departments(connection, campaign_id, as_of=as_of),
        skipped=skipped,
        held=held,
    )


def _waves(connection: Connection, key: str, campaign_id: int, *, as_of: datetime) -> list[SeriesFigures]:
    rows = connection.execute(
        select(wave.c.id, wave.c.series, wave.c.on_day)
        .where(wave.c.campaign_id == campaign_id, wave.c.planned_as_of <= as_of)
        .order_by(wave.c.on_day, wave.c.id)
    ).all()
    results = {result.wave_id: result for result in wave_results(connection, campaign_key=key)}
    back: dict[int, Counter[str]] = defaultdict(Counter)
    facts = connection.execute(
        select(delivery_event.c.wave_id, delivery_event.c.kind, func.count(distinct(delivery_event.c.learner_id)))
        .where(delivery_event.c.campaign_id == campaign_id, delivery_event.c.occurred_at <= as_of)
        .group_by(delivery_event.c.wave_id, delivery_event.c.kind)
    )
    for wave_id, kind, people in facts:
        back[wave_id][EventKind(kind).value] = people
    grouped: dict[str, list[WaveFigures]] = {}
    for row in rows:
        grouped.setdefault(row.series, []).append(WaveFigures(row.on_day, results[row.id], back[row.id]))
    return [
        SeriesFigures(series, listed[0].result.stage, listed[0].result.touch, listed[0].result.message_key, listed)
        for series, listed in grouped.items()
    ]


def _days(connection: Connection, campaign_id: int, *, as_of: datetime) -> list[Day]:
    sent_on = utc_day(handover.c.as_of)
    is_push = case((wave.c.touch == Touch.PUSH.value, 1), else_=0)
    sent = connection.execute(
        select(sent_on.label("day"), func.sum(is_push).label("push"), func.count().label("all"))
        .select_from(
            handover.join(
                delivery,
                and_(
                    delivery.c.wave_id == handover.c.wave_id,
                    delivery.c.rotation == handover.c.rotation,
                    delivery.c.handover_id == handover.c.id,
                ),
            ).join(wave, wave.c.id == handover.c.wave_id)
        )
        .where(handover.c.campaign_id == campaign_id, handover.c.as_of <= as_of, delivery.c.state.in_(_ACCEPTED))
        .group_by(sent_on)
    )
    messages = {date.fromisoformat(row.day): (int(row.push), int(row.all) - int(row.push)) for row in sent}
    there_on = utc_day(lifecycle_event.c.occurred_at)
    there = connection.execute(
        select(there_on, func.count(distinct(lifecycle_event.c.learner_id)))
        .where(*_was_there(campaign_id, until=as_of))
        .group_by(there_on)
    )
    active = {date.fromisoformat(day): people for day, people in there}
    if not messages:
        return []
    first, last = min(messages), max([*messages, *active])
    named = (date.fromordinal(day) for day in range(first.toordinal(), last.toordinal() + 1))
    return [Day(day, *messages.get(day, (0, 0)), active.get(day, 0)) for day in named]


def in_weeks(connection: Connection, campaign_id: int, days: Sequence[Day], *, as_of: datetime) -> list[Day]:
    """The same by week: somebody who was there on three days of it was there once."""
    weeks: dict[date, list[Day]] = defaultdict(list)
    for day in days:
        weeks[day.starts - timedelta(days=day.starts.weekday())].append(day)
    found = []
    for monday, of_week in weeks.items():
        begins = datetime.combine(monday, time(), UTC)
        until = min(as_of, begins + timedelta(weeks=1, microseconds=-1))
        people = connection.execute(
            select(func.count(distinct(lifecycle_event.c.learner_id))).where(
                *_was_there(campaign_id, until=until), lifecycle_event.c.occurred_at >= begins
            )
        ).scalar_one()
        found.append(Day(monday, sum(day.push for day in of_week), sum(day.pull for day in of_week), people))
    return found


def _was_there(campaign_id: int, *, until: datetime) -> tuple[ColumnElement[bool], ...]:
    kinds = (LifecycleKind.SIGNED_IN.value, LifecycleKind.LEARNED.value, LifecycleKind.FAILED_TRY.value)
    event = lifecycle_event.c
    return event.campaign_id == campaign_id, event.kind.in_(kinds), event.occurred_at <= until


def _departments(connection: Connection, campaign_id: int, *, as_of: datetime) -> list[Department]:
    """Treated learners per department."""
    treated = (
        select(delivery.c.learner_id)
        .join(wave, wave.c.id == delivery.c.wave_id)
        .where(
            wave.c.campaign_id == campaign_id,
            wave.c.planned_as_of <= as_of,
            delivery.c.arm == Arm.TREATED.value,
        )
        .distinct()
        .subquery("treated")
    )
    was_there = lifecycle_event.c.kind.in_(
        [LifecycleKind.SIGNED_IN.value, LifecycleKind.LEARNED.value, LifecycleKind.FAILED_TRY.value]
    )
    took = (
        select(
            lifecycle_event.c.learner_id,
            func.max(case((was_there, 1), else_=0)).label("activated"),
            func.max(case((lifecycle_event.c.kind == LifecycleKind.COMPLETED.value, 1), else_=0)).label("completed"),
        )
        .where(lifecycle_event.c.campaign_id == campaign_id, lifecycle_event.c.occurred_at <= as_of)
        .group_by(lifecycle_event.c.learner_id)
        .subquery("took")
    )
    name = func.coalesce(learner.c.department, "unknown")
    rows = connection.execute(
        select(
            name.label("name"),
            func.count().label("people"),
            func.coalesce(func.sum(took.c.activated), 0).label("activated"),
            func.coalesce(func.sum(took.c.completed), 0).label("completed"),
        )
        .select_from(
            treated.join(learner, learner.c.id == treated.c.learner_id).outerjoin(
                took, took.c.learner_id == treated.c.learner_id
            )
        )
        .group_by(name)
        .order_by(func.count().desc(), name)
    ).all()
    return [Department(row.name, int(row.people), int(row.activated), int(row.completed)) for row in rows]
