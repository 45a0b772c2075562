"""Learners as SCIM users: what a directory sees of them, and what they are found by.

A user's ``id`` is the learner's own, ``externalId`` the key under which HR knows them, and ``userName`` what the
directory calls them; somebody whom no directory has named yet goes by their address, or else by HR's key. So a
directory finds the people whom a file brought in, and links them instead of making them twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scim2_models import Email, EnterpriseUser, Manager, Meta, Name, PhoneNumber, User
from sqlalchemy import ColumnElement, Connection, Row, Select, and_, exists, func, literal, or_, select

from pushpull.learners.tables import learner, learner_identity, learner_tag
from pushpull.ledger.tables import erasure

Person = User[EnterpriseUser]

#: Identities of a learner that only directories use: what they call somebody, and that one of them removed somebody.
USER_NAME = "scim"
REMOVED = "scim_removed"
#: A cost centre is kept as a tag, so that segments can ask for it.
COST_CENTER = "cost-center:"


def read_user(connection: Connection, user_id: str) -> Person | None:
    """The user of an id; None for nobody, and for whoever was removed or erased."""
    if not user_id.isascii() or not user_id.isdecimal() or len(user_id) > 18:
        return None
    row = connection.execute(_visible().where(learner.c.id == int(user_id))).one_or_none()
    return _user(row) if row is not None else None


def list_users(
    connection: Connection, condition: ColumnElement[bool], *, start: int, count: int
) -> tuple[int, Sequence[Person]]:
    """Users in the order of their ids.

    Args:
        condition: which ones.
        start: the first of them, from 1.
        count: how many at most; 0: they are only counted.

    Returns:
        How many there are in all, and those asked for.
    """
    wanted = _visible().where(condition)
    total = int(connection.scalar(select(func.count()).select_from(wanted.order_by(None).subquery())) or 0)
    if not count or start > total:
        return total, ()
    rows = connection.execute(wanted.order_by(learner.c.id).offset(start - 1).limit(count))
    return total, [_user(row) for row in rows]


def goes_by(user_name: str) -> ColumnElement[bool]:
    """Whether a learner's user name is this one, whatever its capitals (RFC 7643, section 4.1.1)."""
    folded = user_name.casefold()
    named = select(learner_identity.c.learner_id).where(
        learner_identity.c.kind == USER_NAME, learner_identity.c.value == folded
    )
    unnamed = ~_has(USER_NAME)
    by_address = and_(learner.c.email == folded, unnamed)
    by_key = and_(learner.c.external_id == user_name, learner.c.email.is_(None), unnamed)
    return or_(learner.c.id.in_(named), by_address, by_key)


def external_id_of(connection: Connection, user_id: str) -> str | None:
    """HR's key of the user of an id."""
    found = read_user(connection, user_id)
    return found.external_id if found is not None else None


def _has(kind: str) -> ColumnElement[bool]:
    return exists(
        select(literal(1)).where(learner_identity.c.learner_id == learner.c.id, learner_identity.c.kind == kind)
    )


def _visible() -> Select[Any]:
    """Learners as directories may see them, each with what is kept of them beside their row."""
    called, boss = learner_identity.alias("called"), learner.alias("boss")
    tag = (
        select(func.min(learner_tag.c.tag))
        .where(learner_tag.c.learner_id == learner.c.id, learner_tag.c.tag.startswith(COST_CENTER))
        .scalar_subquery()
    )
    gone = exists(select(literal(1)).where(erasure.c.learner_id == learner.c.id))
    return (
        select(
            learner,
            func.coalesce(called.c.value, learner.c.email, learner.c.external_id).label("user_name"),
            boss.c.id.label("manager_id"),
            boss.c.display_name.label("manager_name"),
            tag.label("cost_center"),
        )
        .select_from(
            learner.outerjoin(called, and_(called.c.learner_id == learner.c.id, called.c.kind == USER_NAME)).outerjoin(
                boss, boss.c.external_id == learner.c.manager_external_id
            )
        )
        .where(~_has(REMOVED), ~gone)
    )


def _user(row: Row[Any]) -> Person:
    is_named = row.given_name or row.family_name
    user = Person(
        id=str(row.id),
        external_id=row.external_id,
        user_name=row.user_name,
        name=Name(given_name=row.given_name, family_name=row.family_name) if is_named else None,
        display_name=row.display_name,
        title=row.title,
        preferred_language=row.preferred_language,
        timezone=row.timezone,
        active=row.active,
        emails=[Email(value=row.email, type="work", primary=True)] if row.email else None,
        phone_numbers=[PhoneNumber(value=row.phone, type="mobile", primary=True)] if row.phone else None,
        meta=Meta(resource_type="User", created=row.created_at, last_modified=row.updated_at),
    )
    center = row.cost_center.removeprefix(COST_CENTER) if row.cost_center else None
    if row.department or row.manager_external_id or center:
        boss = str(row.manager_id) if row.manager_id is not None else row.manager_external_id
        user[EnterpriseUser] = EnterpriseUser(
            department=row.department,
            cost_center=center,
            manager=Manager(value=boss, display_name=row.manager_name) if boss else None,
        )
    return user
