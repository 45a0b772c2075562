"""Who was erased, as keyed hashes that name nobody: enough to let them stay erased, and to write to them no more.

Every address of an erased person is kept as ``HMAC-SHA256(pepper, kind + normalised address)`` (RFC 2104). A bare hash
would not do: telephone numbers and names of colleagues are few enough to be tried out. Whoever takes people in asks
here first. Erasing itself lives in :mod:`pushpull.personal`.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, delete, exists, select

from pushpull.db import insert_new
from pushpull.learners.lists import in_texts
from pushpull.learners.tables import learner_identity
from pushpull.ledger.seals import hkdf
from pushpull.ledger.tables import erased_address, erasure
from pushpull.settings import Settings

#: The columns of a learner that lead to a person, and what each is called in a digest.
ADDRESSES: Final[Mapping[str, str]] = {
    "external_id": "person",
    "email": "email",
    "phone": "sms",
    "teams_id": "teams",
    "slack_id": "slack",
}

#: What a statement names somebody by: kind and value, as in ``learner_identity``.
Identity = tuple[str, str]


def peppers_of(settings: Settings) -> tuple[bytes, ...]:
    """The keys of the digests: the one they are made with first, then those they may have been made with before.

    Without a pepper of its own an installation's is derived from its link secret, and from the former one while that
    is being rotated out: set ``erasure_pepper`` before it is gone.
    """
    own = [settings.erasure_pepper] if settings.erasure_pepper else []
    secrets = [*own, settings.link_key, *([settings.link_key_previous] if settings.link_key_previous else [])]
    return tuple(
        hkdf(secret.get_secret_value().encode(), salt=b"pushpull erasure", info=b"v1 address", length=32)
        for secret in secrets
    )


def digest(pepper: bytes, column: str, value: str) -> str:
    """The digest of one address; spellings of the same address have the same one.

    Args:
        column: one of :data:`ADDRESSES`.
    """
    return hmac.digest(pepper, f"{ADDRESSES[column]}\0{_normal(column, value)}".encode(), "sha256").hex()


def digests(pepper: bytes, person: Mapping[str, object]) -> dict[str, str]:
    """The digests of all addresses of a person, by column."""
    given = ((column, person.get(column)) for column in ADDRESSES)
    return {column: digest(pepper, column, str(value)) for column, value in given if value}


def has_any(connection: Connection) -> bool:
    """Whether anybody was erased: if not, nobody needs to be asked about."""
    return bool(connection.scalar(select(exists(select(erased_address.c.digest)))))


def erased_columns(
    connection: Connection, people: Iterable[Mapping[str, object]], peppers: Collection[bytes]
) -> list[str | None]:
    """By which of their addresses people are known as erased; None for those who are not, in the order of the people.

    Args:
        people: rows with any of the columns of :data:`ADDRESSES`.
        peppers: see :func:`peppers_of`.
    """
    theirs = [[(column, each) for key in peppers for column, each in digests(key, person).items()] for person in people]
    wanted = sorted({each for some in theirs for _, each in some})
    found = set(
        connection.execute(
            select(erased_address.c.digest).where(in_texts(erased_address.c.digest, wanted))
        ).scalars()
    )  # fmt: skip
    return [next((column for column, each in some if each in found), None) for some in theirs]


def remember(connection: Connection, person: Mapping[str, object], pepper: bytes, *, at: datetime) -> int:
    """Keep the digests of a person's addresses; those that are known stay as they are.

    Returns:
        How many were new.
    """
    rows = [{"digest": each, "recorded_at": at} for each in sorted(set(digests(pepper, person).values()))]
    return insert_new(connection, erased_address, rows)


def remember_identities(connection: Connection, identities: Iterable[Identity], pepper: bytes, *, at: datetime) -> None:
    """Keep the digests of what statements name a person by.

    Args:
        identities: as ``learner_identity`` keeps them, and those that follow from an address.
    """
    rows = [{"digest": _identity_digest(pepper, each), "recorded_at": at} for each in sorted({*identities})]
    insert_new(connection, erased_address, rows)


def erased_identities(
    connection: Connection, identities: Iterable[Identity], peppers: Collection[bytes]
) -> set[Identity]:
    """Which identities are of people who were erased. One that somebody has today is theirs: they were readmitted, or
    an account was given to a colleague.

    Args:
        identities: kind and value, as ``learner_identity`` keeps them.
        peppers: see :func:`peppers_of`.
    """
    named = {*identities}
    if not named or not has_any(connection):
        return set()
    by_digest = {_identity_digest(pepper, each): each for pepper in peppers for each in named}
    wanted = in_texts(erased_address.c.digest, sorted(by_digest))
    found = {by_digest[each] for each in connection.execute(select(erased_address.c.digest).where(wanted)).scalars()}
    if not found:
        return set()
    theirs = connection.execute(
        select(learner_identity.c.kind, learner_identity.c.value).where(
            in_texts(learner_identity.c.value, sorted({value for _, value in found}))
        )
    )
    return found - {(kind, value) for kind, value in theirs}


def readmit(connection: Connection, person: Mapping[str, object], peppers: Collection[bytes]) -> int:
    """Let somebody be taken in again, by the addresses they have now.

    Returns:
        How many of them were known as erased.
    """
    theirs = sorted({each for key in peppers for each in digests(key, person).values()})
    gone = connection.execute(delete(erased_address).where(in_texts(erased_address.c.digest, theirs)))
    return gone.rowcount


def is_erased(connection: Connection, learner_id: int) -> bool:
    """Whether nothing but a tombstone is left of a learner."""
    return bool(connection.scalar(select(exists(select(erasure.c.id).where(erasure.c.learner_id == learner_id)))))


def _identity_digest(pepper: bytes, identity: Identity) -> str:
    kind, value = identity
    return hmac.digest(pepper, f"identity {kind}\0{value}".encode(errors="replace"), "sha256").hex()


def _normal(column: str, value: str) -> str:
    text = value.strip()
    if column == "phone":
        return re.sub(r"[^\d+]", "", text)
    return text if column == "external_id" else text.casefold()
