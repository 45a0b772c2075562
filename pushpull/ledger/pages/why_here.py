"""Why a learner is on their page: the reason of the message they came by, and what the page needs to know of them.

Only what is known for sure is a reason: an audience with conditions beside the one that can be named is called a part
of it, and where nothing is known nothing is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Connection,
    Integer,
    Row,
    Select,
    and_,
    bindparam,
    func,
    or_,
    select,
)

from pushpull.catalogue.tables import item
from pushpull.learners.habit import WEEKEND
from pushpull.learners.segments import SegmentError, parse_segment
from pushpull.learners.segments.nodes import AllOf, AnyNode, ByField, Everyone
from pushpull.learners.tables import activity, learner, learner_choice, lifecycle, profile_fact, progress
from pushpull.learners.verbs import NOT_ACTIVE_VERBS
from pushpull.learners.vocabulary import FactKind, ProgressStatus
from pushpull.ledger.tables import campaign, campaign_item, pick, wave

_WHO: BindParameter[int] = bindparam("who", type_=BigInteger)
_CAMPAIGN: BindParameter[int] = bindparam("campaign", type_=BigInteger)
_WAVE: BindParameter[int] = bindparam("wave", type_=BigInteger)
_ROTATION: BindParameter[int] = bindparam("rotation", type_=Integer)
_ABOUT: BindParameter[int] = bindparam("about", type_=BigInteger)

_BEGUN = [each.value for each in (ProgressStatus.STARTED, ProgressStatus.FAILED, ProgressStatus.COMPLETED)]


class Why(StrEnum):
    """What a learner is here for."""

    DUE = "due"  # an item has a date, and the message reminded of it
    PICKED = "picked"  # the message recommended an item
    STOPPED = "stopped"  # the message led back to where the learner stopped
    EVERYBODY = "everybody"  # everybody takes part
    DEPARTMENT = "department"  # everybody of the department takes part
    SOME_OF_DEPARTMENT = "some_of_department"
    TITLE = "title"  # everybody with the learner's job title takes part
    SOME_OF_TITLE = "some_of_title"
    JOINED = "joined"  # everybody who is new takes part
    INCLUDED = "included"  # the campaign is for the learner among others
    UNKNOWN = "unknown"  # no message is known


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a learner is here.

    Args:
        campaign: its name; empty where no message is known.
        item: title of the item it is about; empty for none.
        value: the department or the job title.
        due_at: the item's date.
        pick_kind, pick_value: of the pick, as :class:`pushpull.catalogue.recommend.Pick` has them.
    """

    why: Why
    campaign: str = ""
    item: str = ""
    value: str = ""
    due_at: datetime | None = None
    pick_kind: str = ""
    pick_value: str | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """What a learner's page knows of them before it shows anything.

    Args:
        own_words: what they learn for, in their own words; empty when they did not say.
        campaign_since: start of the campaign they came by; None for no campaign, or one without a start.
        has_begun: they were active on what the campaign is about; where there is no campaign, at all.
        rest_days: a bit for each weekday, Monday is bit 0.
        paused_until: the end of the pause they chose; None for none.
    """

    reason: Reason
    own_words: str
    campaign_since: datetime | None
    has_begun: bool
    rest_days: int
    paused_until: datetime | None


def story_of(
    connection: Connection,
    learner_id: int,
    *,
    campaign_id: int | None,
    wave_id: int | None,
    rotation: int | None,
    item_id: int | None,
) -> Story | None:
    """Read it, in one statement.

    Args:
        campaign_id, wave_id, rotation, item_id: of the message they came by, as its link says.

    Returns:
        None when nobody has this id.
    """
    given = {
        "who": learner_id,
        "campaign": campaign_id,
        "wave": wave_id,
        "rotation": rotation or 0,
        "about": item_id,
    }
    row = connection.execute(_story(is_in_campaign=campaign_id is not None), given).one_or_none()
    if row is None:
        return None
    return Story(
        _reason(row),
        row.own_words or "",
        row.starts_at,
        bool(row.has_begun),
        WEEKEND if row.rest_days is None else row.rest_days,
        row.paused_until,
    )


@cache
def _story(*, is_in_campaign: bool) -> Select[Any]:
    """The statement. It is built once: that takes longer than to answer it."""
    own_words = (
        select(profile_fact.c.value)
        .where(profile_fact.c.learner_id == _WHO, profile_fact.c.kind == FactKind.WHY.value)
        .order_by(profile_fact.c.recorded_at.desc(), profile_fact.c.value)
        .limit(1)
        .scalar_subquery()
    )
    return (
        select(
            learner.c.department,
            learner.c.title,
            campaign.c.name,
            campaign.c.starts_at,
            campaign.c.definition["audience"].label("audience"),
            wave.c.spec,
            item.c.title.label("item"),
            func.coalesce(progress.c.due_at, item.c.due_at).label("due_at"),
            progress.c.status,
            pick.c.reason_kind,
            pick.c.reason_value,
            learner_choice.c.rest_days,
            learner_choice.c.paused_until,
            own_words.label("own_words"),
            _has_begun(is_in_campaign=is_in_campaign).label("has_begun"),
        )
        .select_from(learner)
        .outerjoin(campaign, campaign.c.id == _CAMPAIGN)
        .outerjoin(wave, and_(wave.c.id == _WAVE, wave.c.campaign_id == campaign.c.id))
        .outerjoin(item, item.c.id == _ABOUT)
        .outerjoin(progress, and_(progress.c.learner_id == learner.c.id, progress.c.item_id == item.c.id))
        .outerjoin(
            pick,
            and_(
                pick.c.wave_id == wave.c.id,
                pick.c.rotation == _ROTATION,
                pick.c.learner_id == learner.c.id,
                pick.c.item_id == item.c.id,
            ),
        )
        .outerjoin(learner_choice, learner_choice.c.learner_id == learner.c.id)
        .where(learner.c.id == _WHO)
        .limit(1)
    )


def _has_begun(*, is_in_campaign: bool) -> ColumnElement[bool]:
    """Whether the learner has ever been at it: by what was folded, and by what came in since."""
    was_active = select(activity.c.id).where(
        activity.c.learner_id == _WHO, activity.c.voided_at.is_(None), activity.c.verb.not_in(NOT_ACTIVE_VERBS)
    )
    stands = select(progress.c.item_id).where(progress.c.learner_id == _WHO, progress.c.status.in_(_BEGUN))
    if not is_in_campaign:
        return or_(was_active.exists(), stands.exists())
    items = select(campaign_item.c.item_id).where(campaign_item.c.campaign_id == _CAMPAIGN)
    was_activated = select(lifecycle.c.learner_id).where(
        lifecycle.c.campaign_id == _CAMPAIGN,
        lifecycle.c.learner_id == _WHO,
        lifecycle.c.activated_at.is_not(None),
    )
    return or_(
        was_activated.exists(),
        was_active.where(activity.c.item_id.in_(items)).exists(),
        stands.where(progress.c.item_id.in_(items)).exists(),
    )


def _reason(row: Row[*tuple[Any, ...]]) -> Reason:
    if row.name is None:
        return Reason(Why.UNKNOWN)
    spec: Mapping[str, Any] = row.spec or {}
    title = row.item or ""
    if row.status == ProgressStatus.COMPLETED:
        return _by_audience(row)  # what the message was about is done
    if row.due_at is not None and spec.get("due_offset") is not None:
        return Reason(Why.DUE, row.name, title, due_at=row.due_at)
    if row.reason_kind:
        return Reason(Why.PICKED, row.name, title, pick_kind=row.reason_kind, pick_value=row.reason_value)
    is_about_silence = spec.get("inactive_days") is not None or spec.get("inactive_rhythm") is not None
    if is_about_silence and row.status == ProgressStatus.STARTED:
        return Reason(Why.STOPPED, row.name, title)
    return _by_audience(row)


def _by_audience(row: Row[*tuple[Any, ...]]) -> Reason:
    try:
        parts = _conditions(parse_segment(row.audience).root)
    except SegmentError:
        return Reason(Why.INCLUDED, row.name)
    if not parts:
        return Reason(Why.EVERYBODY, row.name)
    named = (
        ("department", Why.DEPARTMENT, Why.SOME_OF_DEPARTMENT, row.department),
        ("title", Why.TITLE, Why.SOME_OF_TITLE, row.title),
    )
    for column, all_of_them, some_of_them, own in named:
        if own and any(_names(part, column, own) for part in parts):
            return Reason(all_of_them if len(parts) == 1 else some_of_them, row.name, value=own)
    if len(parts) == 1 and isinstance(parts[0], ByField) and parts[0].known.column == "hired_on" and parts[0].after:
        return Reason(Why.JOINED, row.name)
    return Reason(Why.INCLUDED, row.name)


def _conditions(node: AnyNode) -> list[AnyNode]:
    """What all members of an audience have in common; that somebody is still there goes without saying."""
    if isinstance(node, AllOf):
        return [each for part in node.all for each in _conditions(part)]
    is_there = isinstance(node, ByField) and node.known.column == "active" and node.is_ is True
    return [] if isinstance(node, Everyone) or is_there else [node]


def _names(node: AnyNode, column: str, own: str) -> bool:
    """Whether a condition asks for what the learner has, by its name."""
    if not isinstance(node, ByField) or node.known.column != column:
        return False
    return node.is_ == own or own in (node.in_ or ()) or (node.prefix is not None and own.startswith(node.prefix))
