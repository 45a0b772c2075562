"""Public thanks for effort (mission H10): who earned them, and the wall that shows them.

Only of those who want to be named, when it is earned and whenever it is shown; nothing compares people, and nobody is
thanked more than once in seven days. What is thanked for, looked at over the last :data:`LOOKS_BACK`, each once per
person and campaign:

- ``finished``: everything the campaign asks for;
- ``came_back``: active again after :data:`SILENCE` or more without a sign in this campaign;
- ``helped``: a colleague used something that they shared (see :mod:`pushpull.learners.shares`);
- ``first_week``: the two minutes of :mod:`pushpull.learners.habit` on three local days of one week.

Who takes a thank-you down, with its line in the audit log, lives in :mod:`pushpull.ledger.moderating`; posting them in
a channel is the flows' work.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    CTE,
    ColumnElement,
    Connection,
    Integer,
    Select,
    String,
    and_,
    cast,
    column,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    table,
    union_all,
    update,
)

from pushpull.db import UtcDateTime, days_after, insert_into, rows_written, table_of
from pushpull.learners.habit import TWO_MINUTES, day_of, is_learning, week_of
from pushpull.learners.shares import is_credited
from pushpull.learners.tables import activity, learner, learner_choice, lifecycle, recognition, referral, share
from pushpull.learners.verbs import NOT_ACTIVE_VERBS
from pushpull.learners.vocabulary import PostState, RecognitionKind

LOOKS_BACK: Final = timedelta(days=14)
#: At least so long without a sign in the campaign is an absence.
SILENCE: Final = timedelta(days=14)
#: Nobody is thanked again sooner.
PAUSE: Final = timedelta(days=7)
#: So many days with two minutes make a first week.
DAYS_OF_A_WEEK: Final = 3
#: How long a thank-you stays on the wall.
ON_THE_WALL: Final = timedelta(days=60)
MOST_ON_THE_WALL: Final = 20

#: What is thanked for first where somebody earned several.
_ORDER: Final = (
    RecognitionKind.FINISHED,
    RecognitionKind.CAME_BACK,
    RecognitionKind.HELPED,
    RecognitionKind.FIRST_WEEK,
)

# A campaign belongs to the ledger, a floor above: only these columns of it are known here.
_campaign_item = table("campaign_item", column("campaign_id"), column("item_id"))


@dataclass(frozen=True, slots=True)
class Thanks:
    """A thank-you in public.

    Args:
        kind: for what.
        given_name, family_name: of who earned it; the family name may be empty.
        earned_at: when.
    """

    recognition_id: int
    kind: RecognitionKind
    given_name: str
    family_name: str
    earned_at: datetime

    @property
    def name(self) -> str:
        """The given name, and the first letter of the family name."""
        return f"{self.given_name} {self.family_name[:1]}." if self.family_name else self.given_name


def earn(connection: Connection, campaign_id: int, now: datetime, *, zone: str = "UTC") -> int:
    """Find who earned public thanks in a campaign, and write them down.

    Args:
        now: aware.
        zone: the organisation's, for learners whose zone is unknown.

    Returns:
        How many thanks are new.
    """
    # Two campaigns at once would each thank the same person, and somebody may be saying no just now: both wait here.
    wanting = select(learner_choice.c.learner_id).where(learner_choice.c.wants_recognition)
    if not connection.execute(wanting.order_by(learner_choice.c.learner_id).with_for_update()).all():
        return 0
    zones = connection.execute(select(func.coalesce(learner.c.timezone, "")).distinct().where(_agreed())).scalars()
    days = _days(set(zones), now=now, default=zone)
    efforts = union_all(
        _finished(campaign_id, now),
        _came_back(campaign_id, now),
        _helped(campaign_id),
        _first_week(campaign_id, days, now),
    ).subquery("effort")
    earlier = exists().where(
        recognition.c.learner_id == efforts.c.learner_id,
        or_(
            and_(recognition.c.campaign_id == campaign_id, recognition.c.kind == efforts.c.kind),
            recognition.c.earned_at > now - PAUSE,
        ),
    )
    new = (
        select(
            efforts.c.learner_id,
            efforts.c.kind,
            efforts.c.amount,
            func.row_number().over(partition_by=efforts.c.learner_id, order_by=efforts.c.place).label("nth"),
        )
        .join(learner, learner.c.id == efforts.c.learner_id)
        .where(_agreed(), ~earlier)
        .subquery("new")
    )
    rows = select(
        new.c.learner_id,
        literal(campaign_id),
        new.c.kind,
        new.c.amount,
        literal(now, UtcDateTime()),
        literal(PostState.WANTED.value, String),
    ).where(new.c.nth == 1)
    names = ["learner_id", "campaign_id", "kind", "amount", "earned_at", "post_state"]
    written = connection.execute(insert_into(connection, recognition).from_select(names, rows).on_conflict_do_nothing())
    return rows_written(connection, written)


def wall(connection: Connection, now: datetime, *, limit: int = MOST_ON_THE_WALL) -> tuple[Thanks, ...]:
    """The latest thanks, the newest first: of those who want to be named now, without what ops took down."""
    return _thanks(connection, now, limit=limit)


def to_post(connection: Connection, campaign_id: int, now: datetime, *, limit: int = 100) -> tuple[Thanks, ...]:
    """The thanks of a campaign that are to be posted in a channel: what the wall shows and nobody has posted."""
    wanted = recognition.c.post_state == PostState.WANTED.value
    return _thanks(connection, now, recognition.c.campaign_id == campaign_id, wanted, limit=limit)


def hide(connection: Connection, recognition_id: int, *, who: str) -> bool:
    """Take a thank-you off the wall; what was not posted yet is not.

    Use :func:`pushpull.ledger.moderating.take_down`, which writes the audit log too.

    Returns:
        Whether it was there.
    """
    hidden = update(recognition).where(recognition.c.id == recognition_id, recognition.c.hidden_by.is_(None))
    return connection.execute(hidden.values(hidden_by=who)).rowcount > 0


def _thanks(connection: Connection, now: datetime, *which: ColumnElement[bool], limit: int) -> tuple[Thanks, ...]:
    rows = connection.execute(
        select(
            recognition.c.id,
            recognition.c.kind,
            learner.c.given_name,
            learner.c.family_name,
            recognition.c.earned_at,
        )
        .join(learner, learner.c.id == recognition.c.learner_id)
        .where(
            recognition.c.hidden_by.is_(None),
            recognition.c.earned_at > now - ON_THE_WALL,
            recognition.c.earned_at <= now,
            _agreed(),
            *which,
        )
        .order_by(recognition.c.earned_at.desc(), recognition.c.id.desc())
        .limit(limit)
    )
    return tuple(
        Thanks(row.id, RecognitionKind(row.kind), row.given_name, row.family_name or "", row.earned_at) for row in rows
    )


def _agreed() -> ColumnElement[bool]:
    """Whether a row of ``learner`` may be named: they want it, are still here, and have a name."""
    wants = exists().where(learner_choice.c.learner_id == learner.c.id, learner_choice.c.wants_recognition)
    return and_(wants, learner.c.active, func.coalesce(learner.c.given_name, "") != "")


def _effort(
    kind: RecognitionKind, who: ColumnElement[int], amount: ColumnElement[Any] | None = None
) -> tuple[ColumnElement[Any], ...]:
    return (
        who.label("learner_id"),
        literal(kind.value, String).label("kind"),
        cast(null() if amount is None else amount, Integer).label("amount"),
        literal(_ORDER.index(kind), Integer).label("place"),
    )


def _of_campaign(campaign_id: int, item_id: ColumnElement[int]) -> ColumnElement[bool]:
    return item_id.in_(select(_campaign_item.c.item_id).where(_campaign_item.c.campaign_id == campaign_id))


def _wanting(who: ColumnElement[int]) -> ColumnElement[bool]:
    """Few people want it: what others did need not be looked at."""
    return who.in_(select(learner_choice.c.learner_id).where(learner_choice.c.wants_recognition))


def _finished(campaign_id: int, now: datetime) -> Select[Any]:
    return select(*_effort(RecognitionKind.FINISHED, lifecycle.c.learner_id)).where(
        lifecycle.c.campaign_id == campaign_id,
        lifecycle.c.completed_at > now - LOOKS_BACK,
        lifecycle.c.completed_at <= now,
    )


def _came_back(campaign_id: int, now: datetime) -> Select[Any]:
    was_there = and_(
        _of_campaign(campaign_id, activity.c.item_id),
        _wanting(activity.c.learner_id),
        activity.c.voided_at.is_(None),
        activity.c.verb.not_in(NOT_ACTIVE_VERBS),
        activity.c.occurred_at <= now,
    )
    since = now - LOOKS_BACK  # no longer than the silence: so that there is one return in it at most
    returned = (
        select(activity.c.learner_id, func.min(activity.c.occurred_at, type_=UtcDateTime()).label("at"))
        .where(was_there, activity.c.occurred_at > since)
        .group_by(activity.c.learner_id)
        .subquery("returned")
    )
    left = (
        select(activity.c.learner_id, func.max(activity.c.occurred_at, type_=UtcDateTime()).label("at"))
        .where(was_there, activity.c.occurred_at <= since)
        .group_by(activity.c.learner_id)
        .subquery("left_at")
    )
    return (
        select(*_effort(RecognitionKind.CAME_BACK, returned.c.learner_id))
        .join(left, left.c.learner_id == returned.c.learner_id)
        .where(days_after(left.c.at, literal(SILENCE.days, Integer)) <= returned.c.at)
    )


def _helped(campaign_id: int) -> Select[Any]:
    amount = func.count(referral.c.learner_id.distinct())
    return (
        select(*_effort(RecognitionKind.HELPED, share.c.learner_id, amount))
        .select_from(share.join(referral, referral.c.share_id == share.c.id))
        .where(_of_campaign(campaign_id, share.c.item_id), _wanting(share.c.learner_id), is_credited())
        .group_by(share.c.learner_id)
    )


def _first_week(campaign_id: int, days: CTE, now: datetime) -> Select[Any]:
    met = (
        select(activity.c.learner_id, days.c.week, days.c.starts_at)
        .select_from(
            activity.join(learner, learner.c.id == activity.c.learner_id).join(
                days,
                and_(
                    days.c.zone == func.coalesce(learner.c.timezone, ""),
                    activity.c.occurred_at >= days.c.starts_at,
                    activity.c.occurred_at < days.c.ends_at,
                ),
            )
        )
        .where(
            _of_campaign(campaign_id, activity.c.item_id),
            _wanting(activity.c.learner_id),
            activity.c.occurred_at <= now,
            is_learning(),
        )
        .group_by(activity.c.learner_id, days.c.week, days.c.starts_at)
        .having(or_(func.sum(activity.c.minutes) >= TWO_MINUTES, func.count() > func.count(activity.c.minutes)))
        .subquery("met")
    )
    weeks = (
        select(met.c.learner_id, func.count().label("days"))
        .group_by(met.c.learner_id, met.c.week)
        .having(func.count() >= DAYS_OF_A_WEEK)
        .subquery("weeks")
    )
    most = func.max(weeks.c.days)
    return select(*_effort(RecognitionKind.FIRST_WEEK, weeks.c.learner_id, most)).group_by(weeks.c.learner_id)


def _days(zones: Collection[str], *, now: datetime, default: str) -> CTE:
    """``days(zone, week, starts_at, ends_at)``: the local days of this week and the one before, for each zone."""
    columns = [
        column("zone", String),
        column("week", Integer),
        column("starts_at", UtcDateTime()),
        column("ends_at", UtcDateTime()),
    ]
    rows: list[tuple[str, int, datetime, datetime]] = []
    for zone in sorted({*zones, ""}):
        place = zone or default
        this_monday, at = week_of(now, place)
        for back in range(14):
            start, end = day_of(at - timedelta(hours=1), place)
            rows.append((zone, back // 7, start, end))
            at = start
        assert at <= this_monday
    return table_of("days", columns, rows)
