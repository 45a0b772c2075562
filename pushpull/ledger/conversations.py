"""How a bot reaches each person: references learned from the activities Teams sends us, kept per address.

Activities arrive late, twice and out of order; what the latest of them says holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, case, select

from pushpull.db import insert_into
from pushpull.learners.lists import in_texts
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.messages import Conversation
from pushpull.ledger.tables import conversation

#: Rows per statement, well below the databases' limits on bound values.
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Reference:
    """What one activity said about how to reach a person.

    Args:
        address: the person's address on the channel: for Teams the Entra object id, in any case.
        at: when the activity happened, UTC.
    """

    address: str
    conversation: Conversation
    at: datetime


def learn(connection: Connection, references: Sequence[Reference], *, channel: Channel = Channel.TEAMS) -> None:
    """Keep references whose bot is installed; older ones than those known change nothing."""
    latest = {_key(each.address): each for each in sorted(references, key=lambda each: each.at)}
    rows = [
        {
            "channel": channel.value,
            "address": address,
            "service_url": each.conversation.service_url,
            "user_id": each.conversation.user_id,
            "conversation_id": each.conversation.conversation_id,
            "tenant_id": each.conversation.tenant_id,
            "is_installed": True,
            "recorded_at": each.at,
        }
        for address, each in latest.items()
    ]
    statement = insert_into(connection, conversation)
    new = statement.excluded
    # An activity that names no conversation does not unlearn the one it was learned from before.
    says_none = and_(new.conversation_id == "", new.user_id == conversation.c.user_id)
    statement = statement.on_conflict_do_update(
        index_elements=["channel", "address"],
        set_={
            "service_url": new.service_url,
            "user_id": new.user_id,
            "conversation_id": case((says_none, conversation.c.conversation_id), else_=new.conversation_id),
            "tenant_id": new.tenant_id,
            "is_installed": True,
            "recorded_at": new.recorded_at,
        },
        where=conversation.c.recorded_at <= new.recorded_at,
    )
    for start in range(0, len(rows), _AT_ONCE):
        connection.execute(statement.values(rows[start : start + _AT_ONCE]))


def forget(connection: Connection, address: str, *, at: datetime, channel: Channel = Channel.TEAMS) -> None:
    """The person removed the bot: it reaches nobody there until it is installed again.

    Kept as a row, so that an older activity arriving later does not bring the reference back.
    """
    statement = insert_into(connection, conversation).values(
        channel=channel.value,
        address=_key(address),
        service_url="",
        user_id="",
        conversation_id="",
        tenant_id="",
        is_installed=False,
        recorded_at=at,
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["channel", "address"],
            set_={"is_installed": False, "recorded_at": at},
            where=conversation.c.recorded_at <= at,
        )
    )


def conversations_of(
    connection: Connection, addresses: Iterable[str], *, channel: Channel = Channel.TEAMS
) -> dict[str, Conversation]:
    """The references of those who have one and have the bot, by address as it was asked for."""
    asked: dict[str, list[str]] = {}
    for address in addresses:
        asked.setdefault(_key(address), []).append(address)
    if not asked:
        return {}
    known = select(
        conversation.c.address,
        conversation.c.service_url,
        conversation.c.user_id,
        conversation.c.conversation_id,
        conversation.c.tenant_id,
    ).where(
        conversation.c.channel == channel.value,
        conversation.c.is_installed,
        in_texts(conversation.c.address, asked),
    )
    return {
        address: Conversation(row.service_url, row.user_id, row.conversation_id, row.tenant_id)
        for row in connection.execute(known)
        for address in asked[row.address]
    }


def _key(address: str) -> str:
    """An address as it is kept: Entra writes object ids in small letters, people do not always."""
    return address.strip().lower()
