"""Who is on which side of an experiment: sticky, hashed, computed in SQL.

Holdouts and the variants of a split are functions of the learner's stored draw and a salt. Nothing is kept that could
drift.
"""

from __future__ import annotations

import hashlib

from sqlalchemy import BigInteger, ColumnElement, String, case, literal, select

from pushpull.learners.tables import learner, profile_fact
from pushpull.learners.vocabulary import Barrier, FactKind, FactSource
from pushpull.ledger.specs import STANDARD_VARIANT, WaveSpec
from pushpull.ledger.vocabulary import Arm, MessageClass

#: A Mersenne prime: the field of the hash below.
_PRIME = 2**31 - 1


def share_of(salt: str, buckets: int) -> ColumnElement[int]:
    """A learner's bucket in ``[0, buckets)``, the same for ever for the same salt.

    The draw is hashed by a member of the universal family ``(a·x + b) mod p`` chosen by the salt (Carter and Wegman,
    "Universal classes of hash functions", 1979), so that arms of different campaigns are independent of each other.
    It is integer arithmetic, hence equal on every database.
    """
    return shuffled(salt) % literal(buckets, BigInteger)


def shuffled(salt: str) -> ColumnElement[int]:
    """A learner's place in an order of all learners, the same for ever for the same salt: a number below 2**31."""
    digest = hashlib.sha256(salt.encode()).digest()
    a = int.from_bytes(digest[:8], "big") % (_PRIME - 1) + 1
    b = int.from_bytes(digest[8:16], "big") % _PRIME
    return (learner.c.draw * literal(a, BigInteger) + literal(b, BigInteger)) % literal(_PRIME, BigInteger)


def arm(spec: WaveSpec, *, global_holdout: float) -> ColumnElement[str]:
    """Treated, or held out by the campaign or globally; an obligation knows no holdout."""
    if spec.message_class is MessageClass.MANDATORY:
        return literal(Arm.TREATED.value, String)
    whens = []
    if global_holdout > 0:
        held_globally = share_of("global", 10_000) < round(global_holdout * 10_000)
        whens.append((held_globally, literal(Arm.GLOBAL_HOLDOUT.value)))
    if spec.holdout > 0:
        held = share_of(f"holdout:{spec.campaign_key}", 10_000) < round(spec.holdout * 10_000)
        whens.append((held, literal(Arm.HOLDOUT.value)))
    return case(*whens, else_=literal(Arm.TREATED.value)) if whens else literal(Arm.TREATED.value, String)


def variant(spec: WaveSpec) -> ColumnElement[str | None]:
    """The variant of the split, sticky per series and lot: a learner sees one and the same side every time.

    Or, where a wave has words for barriers, the one that answers the learner's own (mission P2).
    """
    if spec.barrier_variants:
        return _by_barrier(spec)
    if not spec.variants:
        return literal(None, String)
    total = sum(weight for _, weight in spec.variants)
    lot = f":{spec.lot}" if spec.lot else ""
    bucket = share_of(f"variant:{spec.campaign_key}:{spec.series}{lot}", total)
    whens, upto = [], 0
    for name, weight in spec.variants[:-1]:
        upto += weight
        whens.append((bucket < upto, literal(name)))
    last: ColumnElement[str | None] = literal(spec.variants[-1][0], String)
    return case(*whens, else_=last) if whens else last


def _by_barrier(spec: WaveSpec) -> ColumnElement[str | None]:
    """The variant named after the learner's barrier.

    What they declared goes before what others say, and that before what was learned. It is looked up by the key of the
    facts, so that a narrow wave reads those of its own learners alone.
    """
    rank = case({source.value: place for place, source in enumerate(FactSource)}, value=profile_fact.c.source)
    theirs = (
        select(profile_fact.c.value)
        .where(profile_fact.c.learner_id == learner.c.id, profile_fact.c.kind == FactKind.BARRIER.value)
        .order_by(rank, profile_fact.c.value)
        .limit(1)
        .correlate(learner)
        .scalar_subquery()
    )
    answered = {each.value: each.variant for each in Barrier if each.variant in spec.barrier_variants}
    return case(answered, value=theirs, else_=STANDARD_VARIANT)
