"""An oracle for holdouts and variants: the hash of the ledger in plain Python integers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import count

from pushpull.learners.consent import draw_for

_PRIME = 2**31 - 1


def bucket(draw: int, salt: str, buckets: int) -> int:
    digest = hashlib.sha256(salt.encode()).digest()
    a = int.from_bytes(digest[:8], "big") % (_PRIME - 1) + 1
    b = int.from_bytes(digest[8:16], "big") % _PRIME
    return ((a * draw + b) % _PRIME) % buckets


def is_held_out(external_id: str, salt: str, share: float) -> bool:
    return bucket(draw_for(external_id), salt, 10_000) < round(share * 10_000)


def people_with(*, held: dict[str, bool], share: float) -> Iterator[str]:
    """External ids whose holdouts are as asked, by salt."""
    for number in count(1):
        name = f"person-{number}"
        if all(is_held_out(name, salt, share) is wanted for salt, wanted in held.items()):
            yield name
