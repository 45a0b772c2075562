"""Champions: colleagues who are asked to vouch for a campaign (mission H7), and why others are not.

Whoever has points enough (:mod:`pushpull.learners.deeds`) is looked at, in three steps:

1. Nobody is asked who has an interest of their own in it (:mod:`pushpull.ledger.vested`), whose words ops hid or have
   yet to look at, who was asked for any campaign within :data:`REST`, or who gets no such message anyway: paused, held
   out, opted out, without an address, gone.
2. There are a few places; who was asked and has not answered, or accepted, has one.
3. The free places go to those whose department has the fewest champions, then to those whose best item has the fewest,
   then to those with the most points, then by lot. People follow people like themselves, so champions who are alike
   add little (M. McPherson, L. Smith-Lovin & J. Cook, "Birds of a Feather: Homophily in Social Networks", Annual
   Review of Sociology 27, 2001, 415-444). The numbers are ours.

They are invited by a wave like any other message; planning it notes them down in the same transaction. What they answer
and when their term ends lives in :mod:`pushpull.ledger.vouching`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    case,
    exists,
    false,
    func,
    literal,
    null,
    or_,
    select,
)

from pushpull.db import insert_into, one_after_another
from pushpull.learners.consent import blocked_channels
from pushpull.learners.deeds import points
from pushpull.learners.segments import compile_segment
from pushpull.learners.tables import champion, learner, learner_choice, progress, review
from pushpull.learners.vocabulary import ChampionState, ReviewState
from pushpull.ledger.arms import arm, shuffled
from pushpull.ledger.reach import usable_channel
from pushpull.ledger.tables import delivery
from pushpull.ledger.terms import Terms
from pushpull.ledger.vested import has_interest
from pushpull.ledger.vocabulary import Arm, DeliveryState

#: Points over all items of the campaign from which somebody is looked at: one item finished and reviewed in words, say.
FEWEST_POINTS: Final = 5
#: Nobody is asked again sooner, whatever they answered and for whichever campaign.
REST: Final = timedelta(days=180)

_STANDING: Final = (ChampionState.INVITED.value, ChampionState.ACCEPTED.value)


class WhyNot(StrEnum):
    """Why somebody with points is not asked; the first that holds."""

    LEFT = "left"
    OUTSIDE = "outside"
    INTEREST = "interest"
    MODERATED = "moderated"
    STANDING = "standing"
    ASKED_LATELY = "asked_lately"
    PAUSED = "paused"
    HELD_OUT = "held_out"
    WITHDREW = "withdrew"
    UNREACHABLE = "unreachable"
    TOO_FEW_POINTS = "too_few_points"
    NO_PLACE = "no_place"  # others were before them


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody who did something for the campaign.

    Args:
        department: empty when unknown.
        by_item: their points, by item id.
        lot: decides between equals; the same whenever it is drawn.
        why_not: None for those who are asked.
    """

    learner_id: int
    department: str
    by_item: Mapping[int, int]
    lot: int
    why_not: WhyNot | None

    @property
    def points(self) -> int:
        """Over all items."""
        return sum(self.by_item.values())

    @property
    def best_item(self) -> int:
        """The item they have the most points for; they vouch for that one first."""
        return min(self.by_item, key=lambda item_id: (-self.by_item[item_id], item_id), default=0)


def candidates(connection: Connection, rules: Terms) -> tuple[Candidate, ...]:
    """Everybody who has points, the ones with the most first, with the reason of those who are not asked."""
    spec = rules.spec
    deeds = points(rules.item_ids, rules.as_of)
    blocked = blocked_channels(spec.family, spec.channels)
    rows = connection.execute(
        select(
            learner.c.id,
            func.coalesce(learner.c.department, "").label("department"),
            deeds.c.item_id,
            deeds.c.points,
            shuffled(f"champions:{spec.campaign_key}").label("lot"),
            _why_not(rules, blocked).label("why_not"),
        )
        .select_from(
            deeds.join(learner, learner.c.id == deeds.c.learner_id).outerjoin(
                blocked, blocked.c.learner_id == learner.c.id
            )
        )
        .order_by(learner.c.id, deeds.c.item_id)
    ).all()
    by_item: defaultdict[int, dict[int, int]] = defaultdict(dict)
    for row in rows:
        by_item[row.id][row.item_id] = int(row.points)
    known = {row.id: row for row in rows}
    found = [
        Candidate(row.id, row.department, by_item[row.id], row.lot, WhyNot(row.why_not) if row.why_not else None)
        for row in known.values()
    ]
    return choose(found, places=spec.champions)


def choose(found: Sequence[Candidate], *, places: int) -> tuple[Candidate, ...]:
    """Give the free places away.

    Args:
        found: with the reasons that speak against single people.
        places: how many champions there are to be at a time.

    Returns:
        The same people, the ones with the most points first; those who are asked have no reason.
    """
    few = {each.learner_id for each in found if each.why_not is None and each.points < FEWEST_POINTS}
    standing = [each for each in found if each.why_not is WhyNot.STANDING]
    departments = Counter(each.department for each in standing)
    items = Counter(each.best_item for each in standing)
    free = [each for each in found if each.why_not is None and each.learner_id not in few]
    chosen: set[int] = set()
    while free and len(standing) + len(chosen) < places:
        best = min(
            free,
            key=lambda one: (departments[one.department], items[one.best_item], -one.points, one.lot, one.learner_id),
        )
        free.remove(best)
        chosen.add(best.learner_id)
        departments[best.department] += 1
        items[best.best_item] += 1
    judged = [each if each.why_not or each.learner_id in chosen else _left_out(each, few) for each in found]
    return tuple(sorted(judged, key=lambda one: (-one.points, one.lot, one.learner_id)))


def nominees(connection: Connection, rules: Terms) -> list[int]:
    """Ids of the learners that a wave invites."""
    return [each.learner_id for each in candidates(connection, rules) if each.why_not is None]


def invite_alone(connection: Connection) -> None:
    """Let nobody else invite anybody until this transaction ends.

    Two waves planned at once would each count the places the other fills, and two campaigns ask the same person twice.
    """
    one_after_another(connection, "champions are invited")


def may_be_invited(rules: Terms) -> ColumnElement[bool]:
    """Whether a row of ``learner`` may get an invitation, while it is planned, for whomever. Never null."""
    return ~or_(_speaks_against(rules), _was_asked(rules, but_waits=True))


def is_still_invited(rules: Terms) -> ColumnElement[bool]:
    """Whether an invitation that is about to leave is still wanted: noted, and not answered on the page before."""
    waits = exists().where(
        champion.c.learner_id == learner.c.id,
        champion.c.campaign_id == rules.campaign_id,
        champion.c.state == ChampionState.INVITED.value,
    )
    return and_(waits, ~_speaks_against(rules))


def note_invited(connection: Connection, rules: Terms, *, wave_id: int, rotation_number: int) -> None:
    """Note down whom a wave invites, in the transaction that plans it."""
    deeds = points(rules.item_ids, rules.as_of)
    score = select(func.sum(deeds.c.points)).where(deeds.c.learner_id == delivery.c.learner_id).scalar_subquery()
    invited = select(delivery.c.learner_id, func.coalesce(score, 0).label("score")).where(
        delivery.c.wave_id == wave_id,
        delivery.c.rotation == rotation_number,
        delivery.c.state == DeliveryState.PLANNED.value,
    )
    rows = [
        {
            "campaign_id": rules.campaign_id,
            "learner_id": row.learner_id,
            "score": float(row.score),
            "state": ChampionState.INVITED.value,
            "invited_at": rules.as_of,
            "answered_at": None,
            "ends_at": None,
        }
        for row in connection.execute(invited.order_by(delivery.c.learner_id))
    ]
    for row in rows:
        connection.execute(
            insert_into(connection, champion)
            .values(row)
            .on_conflict_do_update(
                index_elements=list(champion.primary_key),
                set_={name: row[name] for name in ("score", "state", "invited_at", "answered_at", "ends_at")},
                where=champion.c.state != ChampionState.ACCEPTED.value,
            )
        )


def _left_out(each: Candidate, few: set[int]) -> Candidate:
    why = WhyNot.TOO_FEW_POINTS if each.learner_id in few else WhyNot.NO_PLACE
    return Candidate(each.learner_id, each.department, each.by_item, each.lot, why)


def _why_not(rules: Terms, blocked: Any) -> ColumnElement[str | None]:
    spec = rules.spec
    inside = compile_segment(spec.audience, rules.context)
    if spec.target is not None:
        inside = and_(inside, compile_segment(spec.target, rules.context))
    paused = exists().where(learner_choice.c.learner_id == learner.c.id, learner_choice.c.paused_until > rules.as_of)
    withdrew = exists().where(
        progress.c.learner_id == learner.c.id,
        progress.c.item_id.in_(rules.item_ids),
        progress.c.withdrawn_at <= rules.as_of,
    )
    reasons = (
        (learner.c.active.is_(False), WhyNot.LEFT),
        (~inside, WhyNot.OUTSIDE),
        (has_interest(rules.context, spec.vested), WhyNot.INTEREST),
        (_stands(rules), WhyNot.STANDING),
        (_is_moderated(rules), WhyNot.MODERATED),
        (_was_asked(rules), WhyNot.ASKED_LATELY),
        (paused, WhyNot.PAUSED),
        (arm(spec, global_holdout=rules.global_holdout) != Arm.TREATED.value, WhyNot.HELD_OUT),
        (withdrew, WhyNot.WITHDREW),
        (usable_channel(spec, blocked).is_(None), WhyNot.UNREACHABLE),
    )
    return case(*((condition, literal(why.value)) for condition, why in reasons), else_=null())


def _speaks_against(rules: Terms) -> ColumnElement[bool]:
    return or_(has_interest(rules.context, rules.spec.vested), _is_moderated(rules))


def _stands(rules: Terms) -> ColumnElement[bool]:
    return exists().where(
        champion.c.learner_id == learner.c.id,
        champion.c.campaign_id == rules.campaign_id,
        champion.c.state.in_(_STANDING),
    )


def _was_asked(rules: Terms, *, but_waits: bool = False) -> ColumnElement[bool]:
    """Whether somebody was asked lately, or is a champion.

    Args:
        but_waits: an invitation of this campaign that is not answered does not count: it may be sent again.
    """
    waits = and_(champion.c.campaign_id == rules.campaign_id, champion.c.state == ChampionState.INVITED.value)
    return exists().where(
        champion.c.learner_id == learner.c.id,
        or_(champion.c.invited_at > rules.as_of - REST, champion.c.state == ChampionState.ACCEPTED.value),
        ~waits if but_waits else ~false(),
    )


def _is_moderated(rules: Terms) -> ColumnElement[bool]:
    """Whether ops hid something a row of ``learner`` wrote, or have yet to look at it."""
    return exists().where(
        review.c.learner_id == learner.c.id,
        or_(
            review.c.state == ReviewState.HELD.value,
            and_(review.c.state == ReviewState.HIDDEN.value, review.c.decided_at > rules.as_of - REST),
        ),
    )
