"""SCIM filters as conditions on learners (RFC 7644, section 3.4.2.2): what directories ask before they send.

They look for one person by a name or a key of theirs, so that ``eq``, ``and`` and ``or`` are all that is spoken here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from scim2_models import EnterpriseUser, InvalidFilterException, ScimFilter, User
from scim2_models.path import CompareOperator, Comparison, FilterNode, LogicalExpr, LogicalOperator, ValuePath
from sqlalchemy import Column, ColumnElement, and_, false, func, or_, true

from pushpull.importers.scim.users import goes_by
from pushpull.learners.tables import learner

_CORE: Final = str(User.__schema__).lower()
_ENTERPRISE: Final = str(EnterpriseUser.__schema__).lower()
#: Deeper and longer filters are nothing that a directory sends.
_MOST_TERMS: Final = 20


def condition_of(raw: str) -> ColumnElement[bool]:
    """The condition that a filter stands for.

    Raises:
        InvalidFilterException: it is no filter, or asks for what is not spoken here.
    """
    if len(raw) > 2000 or raw.count("(") > _MOST_TERMS:
        raise InvalidFilterException(detail="the filter is too long")
    if "\\u0000" in raw:  # a NUL, as JSON spells it: no text here has one, and PostgreSQL would not hear of it
        raise InvalidFilterException(detail="a NUL is part of no value")
    return _condition(ScimFilter(raw).ast)


def _condition(node: FilterNode) -> ColumnElement[bool]:
    if isinstance(node, LogicalExpr):
        joined = and_ if node.op is LogicalOperator.and_ else or_
        if len(node.terms) > _MOST_TERMS:
            raise InvalidFilterException(detail="the filter is too long")
        return joined(*(_condition(term) for term in node.terms))
    if isinstance(node, ValuePath) and node.attr_path.attr.lower() == "emails" and node.sub_attr in {None, "value"}:
        return _address(node.val_filter)
    if isinstance(node, Comparison) and node.op is CompareOperator.eq:
        schema = (node.attr_path.uri or _CORE).lower()
        name = ".".join(each for each in (node.attr_path.attr, node.attr_path.sub_attr) if each).lower()
        if (schema, name) in _SPOKEN:
            return _SPOKEN[schema, name](node.value)
    raise InvalidFilterException(
        detail="spoken here: eq with and, or, on userName, externalId, id, emails, active, displayName, name, title "
        "and department"
    )


def _address(node: FilterNode) -> ColumnElement[bool]:
    """Within ``emails[…]``: there is one address here, and it is the one for work."""
    if isinstance(node, LogicalExpr) and node.op is LogicalOperator.and_:
        return and_(*(_address(term) for term in node.terms))
    if isinstance(node, Comparison) and node.op is CompareOperator.eq:
        name = node.attr_path.attr.lower()
        if name == "value":
            return _by_address(node.value)
        if name in {"type", "primary"}:
            has = true() if str(node.value).lower() in {"work", "true"} else false()
            return and_(has, learner.c.email.is_not(None))
    raise InvalidFilterException(detail="of emails, value, type and primary are compared here, with eq")


def _by_address(value: Any) -> ColumnElement[bool]:
    return learner.c.email == str(value).lower()


def _by_id(value: Any) -> ColumnElement[bool]:
    text = str(value)
    return learner.c.id == int(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else false()


def _by_active(value: Any) -> ColumnElement[bool]:
    word = str(value).lower()
    if word not in {"true", "false"}:
        raise InvalidFilterException(detail="active is true or false")
    return learner.c.active.is_(word == "true")


def _text_in(column: Column[Any]) -> Callable[[Any], ColumnElement[bool]]:
    return lambda value: func.lower(column) == str(value).lower()


_SPOKEN: Final[Mapping[tuple[str, str], Callable[[Any], ColumnElement[bool]]]] = {
    (_CORE, "username"): lambda value: goes_by(str(value)),
    (_CORE, "externalid"): lambda value: learner.c.external_id == str(value),
    (_CORE, "id"): _by_id,
    (_CORE, "emails"): _by_address,
    (_CORE, "emails.value"): _by_address,
    (_CORE, "active"): _by_active,
    (_CORE, "displayname"): _text_in(learner.c.display_name),
    (_CORE, "name.givenname"): _text_in(learner.c.given_name),
    (_CORE, "name.familyname"): _text_in(learner.c.family_name),
    (_CORE, "title"): _text_in(learner.c.title),
    (_ENTERPRISE, "department"): _text_in(learner.c.department),
}
