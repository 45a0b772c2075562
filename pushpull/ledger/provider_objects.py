"""What was made at a provider for us, by our own name: the unsubscribe group of a message family, a webhook."""

from __future__ import annotations

from datetime import datetime
from uuid import uuid4

from sqlalchemy import Connection, delete, select

from pushpull.db import database_now, insert_into, insert_new
from pushpull.ledger.tables import provider_object

#: SendGrid's unsubscribe groups; the key is a message family, the value the group's number.
SENDGRID, ASM_GROUP = "sendgrid", "asm_group"

#: What tells this ledger from others whose runs the same Prefect server has.
_PREFECT, _LEDGER = "prefect", "ledger"


def keep(connection: Connection, provider: str, kind: str, *, key: str, value: str, at: datetime) -> None:
    """Remember what was made; what had the name before is replaced."""
    connection.execute(
        insert_into(connection, provider_object)
        .values(provider=provider, kind=kind, key=key, value=value, made_at=at)
        .on_conflict_do_update(index_elements=["provider", "kind", "key"], set_={"value": value, "made_at": at})
    )


def made(connection: Connection, provider: str, kind: str) -> dict[str, str]:
    """What was made so far, by our own name."""
    rows = connection.execute(
        select(provider_object.c.key, provider_object.c.value)
        .where(provider_object.c.provider == provider, provider_object.c.kind == kind)
        .order_by(provider_object.c.key)
    )
    return {row.key: row.value for row in rows}


def forget(connection: Connection, provider: str, kind: str, *, key: str) -> None:
    """Remember no more what had a name of ours."""
    connection.execute(
        delete(provider_object).where(
            provider_object.c.provider == provider, provider_object.c.kind == kind, provider_object.c.key == key
        )
    )


def unsubscribe_groups(connection: Connection) -> dict[str, int]:
    """SendGrid's unsubscribe groups, by message family."""
    return {family: int(number) for family, number in made(connection, SENDGRID, ASM_GROUP).items()}


def ledger_name(connection: Connection) -> str:
    """A name no other ledger has, given when first asked for: another one numbers its waves from 1, too.

    Args:
        connection: one that writes.
    """
    known = made(connection, _PREFECT, _LEDGER)
    if not known:
        values = {"provider": _PREFECT, "kind": _LEDGER, "key": "name", "value": uuid4().hex[:8]}
        insert_new(connection, provider_object, [{**values, "made_at": database_now(connection)}])
        known = made(connection, _PREFECT, _LEDGER)  # somebody else's, where two asked first
    return known["name"]
