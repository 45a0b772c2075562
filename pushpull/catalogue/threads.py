"""Where people talk about an item: a thread in Teams or Slack, or any place with an https address (mission H9)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from sqlalchemy import Connection, delete, select

from pushpull.catalogue.tables import item, item_thread
from pushpull.db import insert_into, rows_written

_LONGEST: Final = 2000
#: What people call the places whose hosts do not say it.
_NAMES: Final = {
    "teams.microsoft.com": "Teams",
    "teams.cloud.microsoft": "Teams",
    "teams.live.com": "Teams",
    "slack.com": "Slack",
}


class UnknownItemError(LookupError):
    """There is no item with this key.

    Args:
        key: that was given.
    """

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"no item of the catalogue has the key {key}")


class BadThreadError(ValueError):
    """An address that no page may lead to."""


@dataclass(frozen=True, slots=True)
class Thread:
    """A place to talk.

    Args:
        url: https.
        place: what it is called there: Teams, Slack, or the host.
    """

    url: str
    place: str


def set_thread(connection: Connection, key: str, url: str, *, who: str, at: datetime) -> None:
    """Say where an item is talked about; another thread takes its place.

    Args:
        key: the item's.
        url: https, with a host, without a user or password in it.
        who: says so.

    Raises:
        UnknownItemError: no item has this key.
        BadThreadError: no page may lead there.
    """
    checked(url)
    statement = insert_into(connection, item_thread).values(item_id=_id(connection, key), url=url, who=who, set_at=at)
    new = {name: statement.excluded[name] for name in ("url", "who", "set_at")}
    connection.execute(statement.on_conflict_do_update(index_elements=[item_thread.c.item_id], set_=new))


def end_thread(connection: Connection, key: str) -> bool:
    """Lead nowhere any more.

    Returns:
        Whether there was a thread.

    Raises:
        UnknownItemError: no item has this key.
    """
    ended = connection.execute(delete(item_thread).where(item_thread.c.item_id == _id(connection, key)))
    return rows_written(connection, ended) > 0


def thread_of(connection: Connection, item_id: int) -> Thread | None:
    """Where an item is talked about; None where nobody said."""
    url = connection.execute(select(item_thread.c.url).where(item_thread.c.item_id == item_id)).scalar_one_or_none()
    try:
        return None if url is None else Thread(url, _place(checked(url)))
    except BadThreadError:  # somebody wrote it past this module: better no link than that one
        return None


def checked(url: str) -> str:
    """The host of an address that a page may lead to.

    Raises:
        BadThreadError: it is none; the text says why.
    """
    if len(url) > _LONGEST or not url.isascii() or not url.isprintable() or any(sign in url for sign in "\\ \"'<>"):
        raise BadThreadError("the thread's address has characters that no address has, or is too long")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise BadThreadError("the thread's address cannot be read") from None
    if parts.scheme != "https":
        raise BadThreadError("the thread's address must begin with https://")
    if "@" in parts.netloc or not host or "." not in host.strip("."):
        raise BadThreadError("the thread's address needs a host such as teams.microsoft.com, and no user before it")
    return host


def _place(host: str) -> str:
    return next((name for known, name in _NAMES.items() if host == known or host.endswith(f".{known}")), host)


def _id(connection: Connection, key: str) -> int:
    found = connection.execute(select(item.c.id).where(item.c.key == key)).scalar_one_or_none()
    if found is None:
        raise UnknownItemError(key)
    return int(found)
