"""Who may not vouch for a campaign because its praise is in their interest (mission H7), as SQL.

- who made or owns one of its items, or a part of one, and who manages them;
- who decided something about campaigns, waves, channels or reviews: operations and learning staff;
- whom the campaign's file names in ``vested``: vendors, the learning department, whoever else.

It is asked when champions are chosen, again before an invitation leaves, and again when it is answered.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, func, or_, select

from pushpull.catalogue.tables import item
from pushpull.learners.segments import Segment, SegmentContext, compile_segment
from pushpull.learners.tables import learner
from pushpull.ledger.tables import approval, audit


def has_interest(context: SegmentContext, vested: Segment | None) -> ColumnElement[bool]:
    """Whether a row of ``learner`` has an interest of their own in the campaign. Never null.

    Args:
        context: of the campaign.
        vested: whom its file names besides.
    """
    interests = [_owns(context), _manages_owner(context), _decides()]
    if vested is not None:
        interests.append(compile_segment(vested, context))
    return or_(*interests)


def _owners(context: SegmentContext) -> ColumnElement[bool]:
    """Whether a row of ``item`` is of the campaign, or a part of what is, and has an owner."""
    own = item.alias("whole")
    whole = select(own.c.key).where(own.c.id.in_(context.item_ids))
    return and_(
        or_(item.c.id.in_(context.item_ids), item.c.part_of.in_(whole)),
        func.coalesce(item.c.owner_external_id, "") != "",
    )


def _owns(context: SegmentContext) -> ColumnElement[bool]:
    return learner.c.external_id.in_(select(item.c.owner_external_id).where(_owners(context)))


def _manages_owner(context: SegmentContext) -> ColumnElement[bool]:
    owner = learner.alias("owner")
    managers = (
        select(owner.c.manager_external_id)
        .join(item, item.c.owner_external_id == owner.c.external_id)
        .where(_owners(context), func.coalesce(owner.c.manager_external_id, "") != "")
    )
    return learner.c.external_id.in_(managers)


def _decides() -> ColumnElement[bool]:
    """Logs keep names as people gave them: the id or the address of a learner, in any case."""
    who = select(func.lower(audit.c.who)).union(select(func.lower(approval.c.who))).subquery("decided")
    names = select(who.c[0]).where(who.c[0] != "")
    return or_(
        func.lower(learner.c.external_id).in_(names),
        func.lower(func.coalesce(learner.c.email, "")).in_(names),
    )
