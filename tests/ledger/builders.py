"""Small builders of campaigns, waves and the people they are for, and a courier that counts what it carried."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from typing import Any

from sqlalchemy import Connection, Engine, Row, insert, select

from pushpull.catalogue.tables import item
from pushpull.db import metadata, reading, writing
from pushpull.learners.consent import draw_for
from pushpull.learners.segments import EVERYONE
from pushpull.learners.tables import activity, learner, lifecycle, progress
from pushpull.learners.vocabulary import Channel, LearnerState, ProgressStatus
from pushpull.ledger import approvals, campaigns, due
from pushpull.ledger.approvals import Decided, Question
from pushpull.ledger.budget import OrganisationCaps
from pushpull.ledger.claims import Batch
from pushpull.ledger.drain import DrainOptions, DrainResult, Step, drain
from pushpull.ledger.handovers import Handover
from pushpull.ledger.messages import delivery_id
from pushpull.ledger.outcomes import Accepted, Outcome
from pushpull.ledger.planning import PlanResult, plan
from pushpull.ledger.shards import Shard
from pushpull.ledger.specs import CampaignSpec, Caps, SendWindow, StopThresholds, WaveSpec
from pushpull.ledger.tables import campaign_item, delivery, handover, wave
from pushpull.ledger.terms import Terms, campaign_items
from pushpull.ledger.vocabulary import MessageClass, Touch

MONDAY = date(2026, 1, 12)
#: When waves of that Monday are planned: before nine o'clock in every zone the tests use.
DAWN = datetime(2026, 1, 12, 1, tzinfo=UTC)
#: When they are sent: office hours from London to Kolkata.
NOON = datetime(2026, 1, 12, 12, tzinfo=UTC)

PLENTY = Caps(per_day=1000, per_week=1000, per_month=1000)
NO_CAPS = OrganisationCaps(nudge=PLENTY, mandatory=PLENTY)
ALWAYS = SendWindow(opens=time(0), closes=time(23, 59, 59), weekdays=frozenset(range(7)))

_serial = count(1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def a_learner(connection: Connection, *, zone: str | None = "Europe/Berlin", **fields: Any) -> int:
    """A learner who can be reached by e-mail and on Teams."""
    name = str(fields.pop("external_id", None) or f"learner-{next(_serial)}")
    values = {
        "external_id": name,
        "email": f"{name}@example.org",
        "teams_id": f"29:{name}",
        "preferred_language": "en",
        "timezone": zone,
        "draw": draw_for(name),
        "created_at": DAWN,
        "updated_at": DAWN,
        **fields,
    }
    return int(connection.execute(insert(learner).values(values)).inserted_primary_key[0])


def learners(connection: Connection, number: int, **fields: Any) -> list[int]:
    return [a_learner(connection, **fields) for _ in range(number)]


def an_item(connection: Connection, key: str | None = None) -> int:
    key = key or f"item-{next(_serial)}"
    values = {"key": key, "title": key.title(), "created_at": DAWN, "updated_at": DAWN}
    return int(connection.execute(insert(item).values(values)).inserted_primary_key[0])


def a_campaign(connection: Connection, key: str = "safety", *, items: Sequence[str] = (), **fields: Any) -> int:
    """A registered campaign; its items are made where the catalogue lacks them."""
    known = set(connection.execute(select(item.c.key)).scalars())
    for each in items:
        if each not in known:
            an_item(connection, each)
    values: dict[str, Any] = {
        "name": key.title(),
        "family": key,
        "message_class": MessageClass.NUDGE,
        "starts_on": MONDAY,
        "ends_on": MONDAY + timedelta(weeks=6),
        "stop": StopThresholds(after=1_000_000),
        **fields,
    }
    return campaigns.register(connection, CampaignSpec(key=key, item_keys=tuple(items), **values), now=DAWN)


def a_wave(name: str = "launch.hello", *, campaign: str = "safety", on: date = MONDAY, **fields: Any) -> WaveSpec:
    """A nudge by e-mail to everybody at nine, without limits of its own."""
    values: dict[str, Any] = {
        "stage": name.split(".", maxsplit=1)[0],
        "message_key": name,
        "touch": Touch.PUSH,
        "message_class": MessageClass.NUDGE,
        "family": campaign,
        "audience": EVERYONE,
        "timezone": "Europe/Berlin",
        "channels": (Channel.EMAIL,),
        "languages": ("en",),
        "caps": PLENTY,
        **fields,
    }
    return WaveSpec(campaign_key=campaign, key=f"{name}@{on}", series=name, on=on, **values)


def has_completed(connection: Connection, learner_id: int, item_id: int, *, at: datetime = DAWN) -> None:
    _progress(connection, learner_id, item_id, status=ProgressStatus.COMPLETED.value, completed_at=at)


def has_withdrawn(connection: Connection, learner_id: int, item_id: int, *, at: datetime = DAWN) -> None:
    _progress(connection, learner_id, item_id, status=ProgressStatus.WITHDRAWN.value, withdrawn_at=at)


def is_assigned(connection: Connection, learner_id: int, item_id: int, *, due_at: datetime | None = None) -> None:
    _progress(connection, learner_id, item_id, status=ProgressStatus.ASSIGNED.value, due_at=due_at)


def _progress(connection: Connection, learner_id: int, item_id: int, **values: Any) -> None:
    connection.execute(progress.delete().where(progress.c.learner_id == learner_id, progress.c.item_id == item_id))
    connection.execute(insert(progress).values(learner_id=learner_id, item_id=item_id, **values))


def was_active(connection: Connection, learner_id: int, item_id: int | None, *, at: datetime) -> None:
    connection.execute(
        insert(activity).values(
            learner_id=learner_id,
            item_id=item_id,
            source="test",
            source_id=f"activity-{next(_serial)}",
            verb="progressed",
            occurred_at=at,
            stored_at=at,
        )
    )


def a_lifecycle(connection: Connection, campaign_id: int, learner_id: int, **fields: Any) -> None:
    values = {"state": LearnerState.ACTIVE.value, "since": DAWN, "active_days": 1, "failed_tries": 0, **fields}
    connection.execute(lifecycle.delete().where(lifecycle.c.learner_id == learner_id))
    connection.execute(insert(lifecycle).values(campaign_id=campaign_id, learner_id=learner_id, **values))


def planned(engine: Engine, spec: WaveSpec, *, as_of: datetime = DAWN, **options: Any) -> int:
    """Plan a wave that somebody belongs to; its id."""
    result = plan(engine, spec, as_of=as_of, **options)
    assert result.wave_id is not None, f"nobody belongs to {spec.key}"
    return result.wave_id


#: The digest of some content, for what is decided about waves that have none.
CONTENT = "c0" * 16


def asked(connection: Connection, wave_id: int, *, content: str = CONTENT, at: datetime = NOON) -> Question:
    """What a wave that is held for approval asks."""
    return approvals.question(connection, wave_id, content, at=at)


def approved(
    connection: Connection,
    wave_id: int,
    *,
    who: str = "Ada",
    cap: int | None = None,
    content: str = CONTENT,
    at: datetime = NOON,
) -> Decided:
    """Somebody approves a wave as it is."""
    shown = asked(connection, wave_id, content=content, at=at).content_hash
    return approvals.approve(connection, wave_id, who=who, why="looks fine", content_hash=shown, cap=cap, at=at)


def rows_of(engine: Engine, wave_id: int, *, rotation: int = 0) -> dict[int, Row[Any]]:
    """The delivery rows of a wave, by learner id."""
    mine = (delivery.c.wave_id == wave_id) & (delivery.c.rotation == rotation)
    with reading(engine) as connection:
        return {row.learner_id: row for row in connection.execute(select(delivery).where(mine))}


def reasons_of(engine: Engine, wave_id: int) -> dict[int, str | None]:
    """Why each learner of a wave gets nothing; None for those who do."""
    return {learner_id: row.reason for learner_id, row in rows_of(engine, wave_id).items()}


def states_of(engine: Engine, wave_id: int) -> dict[int, tuple[str, str | None]]:
    """State and reason of each learner's row."""
    return {learner_id: (row.state, row.reason) for learner_id, row in rows_of(engine, wave_id).items()}


def counts_of(result: PlanResult) -> tuple[int, int, dict[str, int]]:
    return result.audience, result.planned, dict(result.by_reason)


def terms_of(engine: Engine, wave_id: int, *, now: datetime, global_holdout: float = 0.0) -> Terms:
    """What a worker is told about a wave."""
    with reading(engine) as connection:
        row = connection.execute(select(wave).where(wave.c.id == wave_id)).one()
        return Terms(
            spec=WaveSpec.model_validate(row.spec),
            campaign_id=row.campaign_id,
            item_ids=campaign_items(connection, row.campaign_id),
            as_of=now,
            global_holdout=global_holdout,
            planned_as_of=row.planned_as_of,
        )


def item_ids(connection: Connection, campaign_id: int) -> list[int]:
    """A campaign's items, in order."""
    return list(
        connection.execute(
            select(campaign_item.c.item_id)
            .where(campaign_item.c.campaign_id == campaign_id)
            .order_by(campaign_item.c.position)
        ).scalars()
    )


Answer = Outcome | BaseException


class PlainCourier:
    """What couriers of tests have in common: no rate, one kind of message, nothing planned ahead."""

    def per_second(self, channel: str) -> float | None:
        return None

    def group_of(self, message: object) -> Hashable:
        return None

    def reserve(self, channel: str, count: int) -> Sequence[str]:
        return [f"request-{position}" for position in range(count)]


class Sink(PlainCourier):
    """A courier that plays the provider: it counts what reached it, per delivery id, and answers as it is told.

    Args:
        answers: the answers to messages of some learners, one after the other; everything else is accepted.
        request_size: messages per request.
        unwritable: learners no message can be written for.
    """

    def __init__(
        self,
        answers: Mapping[int, Sequence[Answer]] | None = None,
        *,
        request_size: int = 100,
        unwritable: Iterable[int] = (),
    ) -> None:
        self.received: Counter[str] = Counter()
        self.received_at: list[tuple[datetime, str]] = []
        self.requests: list[tuple[str, tuple[int, ...]]] = []
        self.clock = DAWN
        self.before_call: Callable[[str, Handover], None] = lambda _channel, _handover: None
        self._answers = {learner_id: list(each) for learner_id, each in (answers or {}).items()}
        self._request_size, self._unwritable = request_size, set(unwritable)

    def request_size(self, channel: str) -> int:
        return self._request_size

    def write(self, connection: Connection, batch: Batch) -> Mapping[int, object]:
        return {
            row.learner_id: delivery_id(batch.wave_id, batch.rotation, row.learner_id)
            for row in batch.rows
            if row.learner_id not in self._unwritable
        }

    def carry(
        self, channel: str, handover: Handover, messages: Sequence[object], *, deadline: float, **_when: object
    ) -> Sequence[Outcome]:
        self.before_call(channel, handover)
        self.requests.append((channel, handover.learner_ids))
        answers = [self._answer(learner_id) for learner_id in handover.learner_ids]
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        for message, answer in zip(messages, answers, strict=True):
            if isinstance(answer, Accepted):
                self.received[str(message)] += 1
                self.received_at.append((self.clock, str(message)))
        return [answer for answer in answers if not isinstance(answer, BaseException)]

    def _answer(self, learner_id: int) -> Answer:
        scripted = self._answers.get(learner_id)
        return scripted.pop(0) if scripted else Accepted()


def drained(
    engine: Engine,
    wave_id: int,
    sink: Sink | None = None,
    *,
    now: datetime = NOON,
    caps: OrganisationCaps = NO_CAPS,
    global_holdout: float = 0.0,
    on_step: Callable[[Step, int], None] = lambda _step, _count: None,
    **options: Any,
) -> DrainResult:
    """Drain one wave once."""
    rules = terms_of(engine, wave_id, now=now, global_holdout=global_holdout)
    courier = sink or Sink()
    courier.clock = now
    working = DrainOptions(worker="test", caps=caps, **options)
    return drain(engine, Shard(wave_id), rules, courier, options=working, on_step=on_step)


def dispatched(
    engine: Engine, sink: Sink, *, now: datetime, caps: OrganisationCaps = NO_CAPS, global_holdout: float = 0.0
) -> list[DrainResult]:
    """Drain whatever is due, in the order it deserves, as a dispatcher does."""
    sink.clock = now
    with reading(engine) as connection:
        waiting = due.due_waves(connection, now=now, global_holdout=global_holdout)
    options = DrainOptions(worker="dispatch", caps=caps)
    return [drain(engine, Shard(each.wave_id, each.rotation), each.rules, sink, options=options) for each in waiting]


def time_passes(engine: Engine, span: timedelta) -> None:
    """Let the database's clock be ahead by ``span``, as far as leases and handovers can tell."""
    with writing(engine) as connection:
        for table, column in ((delivery, delivery.c.lease_until), (handover, handover.c.intended_at)):
            # On SQLite an instant is text and knows no arithmetic: one statement for each instant, the earliest first.
            instants = select(column).where(column.is_not(None)).distinct().order_by(column)
            for instant in connection.execute(instants).scalars().all():
                earlier = {column.name: instant - span}
                connection.execute(table.update().where(column == instant).values(earlier))


def emptied(engine: Engine) -> Engine:
    """The database, without a row in any table."""
    with writing(engine) as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(table.delete())
    return engine
