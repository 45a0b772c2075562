"""What the ledger knows of a planned wave before it is sent, as counts: whom, over what, when, and who else writes.

Every function is one set-based statement or two. What is made of the counts is decided beside this module.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, case, func, select

from pushpull.insights.briefing.queue import Due
from pushpull.learners.lists import in_ids
from pushpull.learners.tables import learner, lifecycle
from pushpull.learners.vocabulary import Channel
from pushpull.ledger import timing
from pushpull.ledger.budget import close_to
from pushpull.ledger.specs import Caps, WaveSpec
from pushpull.ledger.tables import campaign, contact, delivery, rotation, wave
from pushpull.ledger.vocabulary import Arm, DeliveryState, WaveStatus

#: Who writes to the same people within so many days of a wave is named.
AROUND_DAYS = 3
#: Of fewer people held out nothing is learned for another campaign.
_FEWEST_HELD_OUT = 20

_WAITING = (DeliveryState.PLANNED.value, DeliveryState.HELD.value, DeliveryState.CLAIMED.value)
_HELD_OUT = (Arm.HOLDOUT.value, Arm.GLOBAL_HOLDOUT.value)


class NotPlannedError(LookupError):
    """There is nothing to brief anybody about."""

    def __init__(self, wave_id: int) -> None:
        super().__init__(f"wave {wave_id} was never planned: `pushpull wave list` shows those that were")


@dataclass(frozen=True)
class Subject:
    """The rotation of a wave that a briefing is about.

    Args:
        cohort: whom a re-run is for; empty for the wave's first planning.
    """

    wave_id: int
    rotation: int
    campaign_id: int
    campaign_key: str
    campaign_name: str
    spec: WaveSpec
    cohort: str


@dataclass(frozen=True, slots=True)
class Planned:
    """So many people who are to get the same message over the same channel; no variant is the empty one."""

    channel: Channel
    language: str
    variant: str
    count: int


@dataclass(frozen=True)
class Counts:
    """The rows of a rotation.

    Args:
        planned: who is to get it, the most first.
        not_sent: who is not, by reason, the most first.
        on_their_way: rows that are being sent or have been already.
        arms: everybody, by arm.
    """

    planned: tuple[Planned, ...]
    not_sent: Mapping[str, int]
    on_their_way: int
    arms: Mapping[str, int]

    @property
    def messages(self) -> int:
        """Messages that are to be sent."""
        return sum(each.count for each in self.planned)

    @property
    def audience(self) -> int:
        """Everybody with a row."""
        return sum(self.arms.values())

    @property
    def treated(self) -> int:
        """People on the treated side, whether or not they get this very message."""
        return self.arms.get(Arm.TREATED.value, 0)

    @property
    def held_out(self) -> int:
        """People on the other side."""
        return self.audience - self.treated


@dataclass(frozen=True, slots=True)
class Baseline:
    """The share that completes without messages, where it has been seen.

    Args:
        campaign_key: of the campaign whose holdout it was seen in.
        people: in that holdout.
    """

    share: float
    campaign_key: str
    people: int


def subject_of(connection: Connection, wave_id: int) -> Subject:
    """What a briefing of a wave is about: its latest rotation.

    Raises:
        NotPlannedError: there is no such wave, or it was not planned.
    """
    row = connection.execute(
        select(
            wave.c.spec,
            wave.c.campaign_id,
            campaign.c.key.label("campaign_key"),
            campaign.c.name.label("campaign_name"),
            rotation.c.rotation,
            rotation.c.cohort,
        )
        .select_from(
            wave.join(campaign, campaign.c.id == wave.c.campaign_id).join(rotation, rotation.c.wave_id == wave.c.id)
        )
        .where(wave.c.id == wave_id, wave.c.planned_at.is_not(None))
        .order_by(rotation.c.rotation.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        raise NotPlannedError(wave_id)
    return Subject(
        wave_id=wave_id,
        rotation=row.rotation,
        campaign_id=row.campaign_id,
        campaign_key=row.campaign_key,
        campaign_name=row.campaign_name,
        spec=WaveSpec.model_validate(row.spec),
        cohort=str(row.cohort.get("kind", "")),
    )


def count_rows(connection: Connection, about: Subject) -> Counts:
    """Count the rows of the rotation by what is to become of them."""
    row = delivery.c
    kinds = (row.state, row.reason, row.arm, row.channel, row.language, row.variant)
    found = connection.execute(select(*kinds, func.count().label("people")).where(_mine(about)).group_by(*kinds)).all()
    planned: dict[tuple[str, str, str], int] = {}
    not_sent: dict[str, int] = {}
    arms: dict[str, int] = {}
    on_their_way = 0
    for each in found:
        arms[each.arm] = arms.get(each.arm, 0) + each.people
        if each.state == DeliveryState.SKIPPED:
            not_sent[each.reason] = not_sent.get(each.reason, 0) + each.people
        elif each.state in _WAITING:
            # How many have which barrier is nobody's business: their words are counted as one.
            variant = "" if about.spec.barrier_variants else each.variant or ""
            kind = (each.channel, each.language or "", variant)
            planned[kind] = planned.get(kind, 0) + each.people
        else:
            on_their_way += each.people
    ordered = sorted(planned.items(), key=lambda each: (-each[1], each[0]))
    return Counts(
        planned=tuple(
            Planned(Channel(channel), language, variant, people) for (channel, language, variant), people in ordered
        ),
        not_sent=dict(sorted(not_sent.items(), key=lambda each: (-each[1], each[0]))),
        on_their_way=on_their_way,
        arms=arms,
    )


def due_by_channel(connection: Connection, about: Subject, *, as_of: datetime) -> dict[Channel, list[Due]]:
    """When messages become due, by channel; what was due before ``as_of`` (UTC) is due then."""
    kinds = (delivery.c.channel, delivery.c.due_at, delivery.c.expires_at, func.coalesce(learner.c.timezone, ""))
    found = connection.execute(
        select(*kinds, func.count())
        .select_from(delivery.join(learner, learner.c.id == delivery.c.learner_id))
        .where(_mine(about), _waits())
        .group_by(*kinds)
    )
    due: dict[Channel, list[Due]] = {}
    for channel, due_at, expires_at, zone, people in found:
        place = zone if timing.known(zone) else about.spec.timezone
        due.setdefault(Channel(channel), []).append(Due(max(due_at, as_of), expires_at, place, people))
    return due


def writing_to_them(connection: Connection, about: Subject) -> dict[str, int]:
    """How many of those who are to get this message get others within three days, by the other waves' campaign."""
    day, around = about.spec.on, timedelta(days=AROUND_DAYS)
    nearby = connection.execute(
        select(wave.c.id, campaign.c.key)
        .join(campaign, campaign.c.id == wave.c.campaign_id)
        .where(
            wave.c.id != about.wave_id,
            wave.c.planned_at.is_not(None),
            wave.c.on_day.between(day - around, day + around),
            wave.c.status != WaveStatus.CANCELLED.value,
            campaign.c.status != WaveStatus.CANCELLED.value,
        )
    ).all()
    if not nearby:
        return {}
    waves_of: dict[str, list[int]] = {}
    for wave_id, key in nearby:
        waves_of.setdefault(key, []).append(wave_id)
    # One pass over the waves, with what is known of each learner side by side: to join them with themselves takes
    # nested loops, and minutes, while the planner knows nothing of tables that were just filled.
    gets_this = _is_true(and_(_mine(about), _waits()))
    others = [_is_true(in_ids(delivery.c.wave_id, ids)).label(f"of_{at}") for at, ids in enumerate(waves_of.values())]
    people = (
        select(delivery.c.learner_id, *others)
        .where(
            in_ids(delivery.c.wave_id, [about.wave_id, *(wave_id for wave_id, _ in nearby)]),
            delivery.c.state != DeliveryState.SKIPPED.value,
        )
        .group_by(delivery.c.learner_id)
        .having(gets_this == 1)
        .subquery("people")
    )
    sums = [func.coalesce(func.sum(people.c[each.name]), 0) for each in others]
    counts = zip(waves_of, connection.execute(select(*sums)).one(), strict=True)
    return dict(sorted(((key, int(count)) for key, count in counts if count), key=lambda each: (-each[1], each[0])))


def _is_true(condition: ColumnElement[bool]) -> ColumnElement[int]:
    """1 for a learner of whom some row fulfils the condition, else 0."""
    return func.max(case((condition, 1), else_=0))


def at_their_cap(connection: Connection, about: Subject, caps: Caps) -> int:
    """How many of those who are to get this message will have used up their attention budget on its day."""
    to_get_it = select(delivery.c.learner_id).where(_mine(about), _waits())
    used_up = close_to(
        caps,
        is_near=contact.c.learner_id.in_(to_get_it),
        first_day=about.spec.on.toordinal(),
        lane=about.spec.message_class.lane,
    )
    return int(connection.execute(select(func.count()).select_from(used_up.subquery())).scalar_one())


def observed_baseline(connection: Connection, about: Subject, *, as_of: datetime) -> Baseline | None:
    """What share completed without messages in the last campaign that has ended; None where it was not to be seen."""
    ended = connection.execute(
        select(campaign.c.id, campaign.c.key)
        .where(campaign.c.id != about.campaign_id, campaign.c.ends_at <= as_of)
        .order_by(campaign.c.ends_at.desc(), campaign.c.id.desc())
        .limit(1)
    ).one_or_none()
    if ended is None:
        return None
    held_out = (
        select(delivery.c.learner_id)
        .select_from(delivery.join(wave, wave.c.id == delivery.c.wave_id))
        .where(wave.c.campaign_id == ended.id, delivery.c.arm.in_(_HELD_OUT))
        .distinct()
        .subquery("held_out")
    )
    state = and_(lifecycle.c.campaign_id == ended.id, lifecycle.c.learner_id == held_out.c.learner_id)
    people, done = connection.execute(
        select(func.count(), func.count(lifecycle.c.completed_at)).select_from(held_out.outerjoin(lifecycle, state))
    ).one()
    return Baseline(done / people, ended.key, people) if people >= _FEWEST_HELD_OUT else None


def _mine(about: Subject) -> ColumnElement[bool]:
    return and_(delivery.c.wave_id == about.wave_id, delivery.c.rotation == about.rotation)


def _waits() -> ColumnElement[bool]:
    return delivery.c.state.in_(_WAITING)
