"""The events that the domain itself knows of: from activity, progress and consent, set-based.

``reached`` and ``clicked`` are the ledger's to tell. What is derived here:

========== ============== ==================================================================================
kind       source_id      from
========== ============== ==================================================================================
signed_in  first          the earliest sign that the learner was there, on any of the campaign's items
signed_in  opened:DAY     the first opening of content on that UTC day
learned    first:DAY      the first learning of that UTC day (neither an opening nor a failure)
learned    last:DAY       the last learning of that UTC day
failed_try activity:ID    a session that went wrong: a failing verb, or the end of a session without success
completed  all_items      the completion of the last of the campaign's items
opted_out  consent        the latest word by which no channel is left for the campaign's family
opted_in   consent        the latest yes of somebody who had opted out of it
========== ============== ==================================================================================

Two rows a day, not one per click: a year of clicks stays a small fold. The times of a row move when earlier or later
activity arrives, so the order of imports does not matter. Voided activity is taken back. Whoever's events change is
marked to be folded again (``lifecycle.folded_to`` becomes null).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    String,
    and_,
    cast,
    column,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    table,
    update,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from pushpull.db import UtcDateTime, insert_into
from pushpull.learners.consent import blocked_channels
from pushpull.learners.lists import in_ids
from pushpull.learners.tables import activity, consent, lifecycle, lifecycle_event, progress
from pushpull.learners.verbs import (
    FAILING_VERBS,
    NOT_ACTIVE_VERBS,
    OPENING_VERBS,
    SESSION_ENDING_VERBS,
)
from pushpull.learners.vocabulary import (
    ANY_CHANNEL,
    ANY_FAMILY,
    Channel,
    LearnerState,
    LifecycleKind,
    ProgressStatus,
)

# A campaign belongs to the ledger, a floor above: only these columns of it are known here.
_campaign = table("campaign", column("id"), column("family", String), column("message_class", String))
_campaign_item = table("campaign_item", column("campaign_id"), column("item_id"), column("position"))

_FROM_ACTIVITY = (LifecycleKind.SIGNED_IN, LifecycleKind.LEARNED, LifecycleKind.FAILED_TRY)


class UnknownCampaign(LookupError):
    """There is no campaign with this id.

    Args:
        campaign_id: the id that was given.
    """

    def __init__(self, campaign_id: int) -> None:
        self.campaign_id = campaign_id
        super().__init__(f"no campaign has the id {campaign_id}: load its file first")


class utc_day(FunctionElement[str]):  # noqa: N801  (named as SQL functions are)
    """The UTC date of an instant as text, ``2026-01-31``."""

    type = String()
    inherit_cache = True


@compiles(utc_day, "sqlite")
def _utc_day_on_sqlite(element: utc_day, compiler: SQLCompiler, **kw: Any) -> str:
    return f"substr({compiler.process(element.clauses, **kw)}, 1, 10)"


@compiles(utc_day, "postgresql")
def _utc_day_on_postgresql(element: utc_day, compiler: SQLCompiler, **kw: Any) -> str:
    return f"to_char({compiler.process(element.clauses, **kw)} AT TIME ZONE 'UTC', 'YYYY-MM-DD')"


def derive_events(conn: Connection, campaign_id: int, *, after_activity_id: int = 0) -> int:
    """Bring the campaign's lifecycle events up to date; doing it again changes nothing.

    Args:
        after_activity_id: activity up to this id was derived before; 0 looks at all of it. Activity in the future of
            the campaign's clock is derived too: the fold sees it when its time has come.

    Returns:
        How many events are new or have moved in time, and learners of whom voided activity was taken back.

    Raises:
        UnknownCampaign: there is no such campaign.
    """
    known = conn.execute(
        select(_campaign.c.family, _campaign.c.message_class).where(_campaign.c.id == campaign_id)
    ).first()
    if known is None:
        raise UnknownCampaign(campaign_id)
    family, message_class = known
    items = list(
        conn.execute(select(_campaign_item.c.item_id).where(_campaign_item.c.campaign_id == campaign_id)).scalars()
    )
    changed = 0
    if items:
        changed += _take_back_voided(conn, campaign_id, items)
        newest = conn.execute(select(func.max(activity.c.id))).scalar()
        if newest is not None and newest > after_activity_id:
            changed += _from_activity(conn, campaign_id, items, activity.c.id > after_activity_id)
        changed += _from_progress(conn, campaign_id, items)
    if message_class != "mandatory":  # nobody opts out of an obligation
        changed += _from_consent(conn, campaign_id, family)
    return changed


def _on_items(items: Sequence[int]) -> ColumnElement[bool]:
    return and_(activity.c.item_id.in_(items), activity.c.voided_at.is_(None), activity.c.verb.not_in(NOT_ACTIVE_VERBS))


def _failed() -> ColumnElement[bool]:
    ended_badly = and_(activity.c.success.is_(False), activity.c.verb.in_(SESSION_ENDING_VERBS))
    return or_(activity.c.verb.in_(FAILING_VERBS), ended_badly)


def _from_activity(conn: Connection, campaign_id: int, items: Sequence[int], new: ColumnElement[bool]) -> int:
    here = and_(new, _on_items(items))
    opening = activity.c.verb.in_(OPENING_VERBS)
    learning = and_(activity.c.verb.not_in(OPENING_VERBS), ~_failed())
    day = utc_day(activity.c.occurred_at)
    earliest = func.min(activity.c.occurred_at, type_=UtcDateTime)
    latest = func.max(activity.c.occurred_at, type_=UtcDateTime)
    per_learner, per_day = (activity.c.learner_id,), (activity.c.learner_id, day)

    def told(
        kind: LifecycleKind,
        source_id: ColumnElement[str],
        at: ColumnElement[datetime],
        which: ColumnElement[bool] | None,
        grouping: Sequence[ColumnElement[Any]],
    ) -> Select[Any]:
        statement = select(literal(campaign_id), activity.c.learner_id, literal(kind.value, String), source_id, at)
        return statement.where(here if which is None else and_(here, which)).group_by(*grouping)

    learned, signed_in = LifecycleKind.LEARNED, LifecycleKind.SIGNED_IN
    failure_id = literal("activity:", String) + cast(activity.c.id, String)
    changed = _tell(conn, told(signed_in, literal("first", String), earliest, None, per_learner))
    changed += _tell(conn, told(signed_in, literal("opened:", String) + day, earliest, opening, per_day))
    changed += _tell(conn, told(learned, literal("first:", String) + day, earliest, learning, per_day))
    changed += _tell(conn, told(learned, literal("last:", String) + day, latest, learning, per_day), later=True)
    changed += _tell(
        conn, told(LifecycleKind.FAILED_TRY, failure_id, earliest, _failed(), (activity.c.learner_id, activity.c.id))
    )
    if changed:
        _mark(conn, campaign_id, lifecycle.c.learner_id.in_(select(activity.c.learner_id).where(here)))
    return changed


def _take_back_voided(conn: Connection, campaign_id: int, items: Sequence[int]) -> int:
    """Learners with an event from activity that has been voided since get all of theirs anew, from what is left."""
    told = exists(
        select(literal(1)).where(
            lifecycle_event.c.campaign_id == campaign_id,
            lifecycle_event.c.learner_id == activity.c.learner_id,
            lifecycle_event.c.kind.in_(_FROM_ACTIVITY),
            lifecycle_event.c.occurred_at == activity.c.occurred_at,
        )
    )
    voided = select(activity.c.learner_id).where(activity.c.item_id.in_(items), activity.c.voided_at.is_not(None), told)
    concerned = list(conn.execute(voided.distinct()).scalars())
    changed = 0
    for start in range(0, len(concerned), 5_000):
        people = concerned[start : start + 5_000]
        _mark(conn, campaign_id, in_ids(lifecycle.c.learner_id, people))
        conn.execute(
            delete(lifecycle_event).where(
                lifecycle_event.c.campaign_id == campaign_id,
                in_ids(lifecycle_event.c.learner_id, people),
                lifecycle_event.c.kind.in_(_FROM_ACTIVITY),
            )
        )
        changed += len(people)
        _from_activity(conn, campaign_id, items, in_ids(activity.c.learner_id, people))
    return changed


def _from_progress(conn: Connection, campaign_id: int, items: Sequence[int]) -> int:
    done_at = func.coalesce(progress.c.completed_at, progress.c.last_activity_at, progress.c.assigned_at)
    all_done = (
        select(
            literal(campaign_id),
            progress.c.learner_id,
            literal(LifecycleKind.COMPLETED.value, String),
            literal("all_items", String),
            func.max(done_at, type_=UtcDateTime),
        )
        .where(progress.c.item_id.in_(items), progress.c.status == ProgressStatus.COMPLETED)
        .group_by(progress.c.learner_id)
        .having(func.count(done_at) == len(items))
    )
    changed = _tell(conn, all_done, moves=True)
    if changed:
        told = _event(
            LifecycleKind.COMPLETED,
            or_(lifecycle.c.completed_at.is_(None), lifecycle.c.completed_at != lifecycle_event.c.occurred_at),
        )
        _mark(conn, campaign_id, told)
    return changed


def _from_consent(conn: Connection, campaign_id: int, family: str) -> int:
    """Opted out of the campaign is who has no channel left for its family."""
    anything_said = select(exists().where(consent.c.family.in_([family, ANY_FAMILY])))
    if not conn.execute(anything_said).scalar_one():
        return 0
    blocked = blocked_channels(family, tuple(Channel))
    everywhere = and_(*(blocked.c[f"opted_out_{channel.value}"] for channel in Channel))
    of_family = and_(
        consent.c.learner_id == blocked.c.learner_id,
        consent.c.family.in_([family, ANY_FAMILY]),
        consent.c.channel.in_([ANY_CHANNEL, *Channel]),
    )

    def words(kind: LifecycleKind, granted: bool, *conditions: ColumnElement[bool]) -> Select[Any]:
        return (
            select(
                literal(campaign_id),
                consent.c.learner_id,
                literal(kind.value, String),
                literal("consent", String),
                func.max(consent.c.recorded_at, type_=UtcDateTime),
            )
            .select_from(consent.join(blocked, of_family))
            .where(consent.c.granted.is_(granted), *conditions)
            .group_by(consent.c.learner_id)
        )

    had_opted_out = exists(
        select(literal(1)).where(
            lifecycle_event.c.campaign_id == campaign_id,
            lifecycle_event.c.learner_id == consent.c.learner_id,
            lifecycle_event.c.kind == LifecycleKind.OPTED_OUT,
        )
    )
    changed = _tell(conn, words(LifecycleKind.OPTED_OUT, False, everywhere), later=True)
    changed += _tell(conn, words(LifecycleKind.OPTED_IN, True, ~everywhere, had_opted_out), later=True)
    if changed:
        _mark(
            conn,
            campaign_id,
            _event(LifecycleKind.OPTED_OUT, lifecycle.c.state.not_in([LearnerState.COMPLETED, LearnerState.CHAMPION])),
        )
    return changed


def _tell(conn: Connection, rows: Select[Any], *, later: bool = False, moves: bool = False) -> int:
    """Insert the events; one that is there keeps the earlier time, or the later, or takes the new one."""
    statement = insert_into(conn, lifecycle_event).from_select(
        ["campaign_id", "learner_id", "kind", "source_id", "occurred_at"], rows
    )
    new, old = statement.excluded.occurred_at, lifecycle_event.c.occurred_at
    earlier_or_later = new > old if later else new < old
    takes_new = new != old if moves else earlier_or_later
    upsert = statement.on_conflict_do_update(
        index_elements=list(lifecycle_event.primary_key), set_={"occurred_at": new}, where=takes_new
    )
    return conn.execute(upsert.execution_options(preserve_rowcount=True)).rowcount


def _event(kind: LifecycleKind, condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists(
        select(literal(1))
        .where(
            lifecycle_event.c.campaign_id == lifecycle.c.campaign_id,
            lifecycle_event.c.learner_id == lifecycle.c.learner_id,
            lifecycle_event.c.kind == kind,
            condition,
        )
        .correlate(lifecycle)
    )


def _mark(conn: Connection, campaign_id: int, whom: ColumnElement[bool]) -> None:
    conn.execute(
        update(lifecycle)
        .where(lifecycle.c.campaign_id == campaign_id, lifecycle.c.folded_to.is_not(None), whom)
        .values(folded_to=None)
    )
