"""Up to which id activity is complete: nothing with a lower one can still appear.

Ids are given out before a transaction ends, so a transaction that ends late shows lower ids than are seen already. A
cursor that had passed them would leave that activity out for ever.
"""

from __future__ import annotations

from sqlalchemy import Connection, func, select, text

from pushpull.learners.tables import activity

#: Whoever has written to ``activity`` keeps this lock until the end of the transaction; all others may come and go.
_WRITERS = text(
    "SELECT virtualtransaction FROM pg_locks WHERE locktype = 'relation' AND relation = 'activity'::regclass "
    "AND mode = 'RowExclusiveLock' AND pid <> pg_backend_pid()"
)
_PAUSE = 0.05
_PAUSES = 20


def settled_activity(connection: Connection) -> int | None:
    """The highest id below which no activity is missing that may still come, 0 without any.

    On PostgreSQL it waits up to a second for those who write at this moment; requests are done by then, long imports
    are not. On SQLite nobody else writes during a transaction that does.

    Args:
        connection: a transaction that reads what others have committed meanwhile (``READ COMMITTED``).

    Returns:
        None when somebody is still writing.
    """
    highest = int(connection.scalar(select(func.max(activity.c.id))) or 0)
    if connection.dialect.name != "postgresql":
        return highest
    # Only those who hold the lock now can have lower ids than the one that was just read.
    writers = set(connection.scalars(_WRITERS))
    for _ in range(_PAUSES):
        if not writers:
            return highest
        connection.execute(select(func.pg_sleep(_PAUSE)))
        writers &= set(connection.scalars(_WRITERS))
    return None if writers else highest
