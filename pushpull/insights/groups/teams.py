"""The teams of a company, and the figures of one of them in every campaign.

What lives here is the SQL. What may be shown of what it counts is decided in the modules beside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import CTE, Connection, String, and_, case, exists, func, literal, select

from pushpull.insights.groups.blocks import COMPANY, group_of, without_cycles
from pushpull.insights.groups.figures import Measure, Rules, Shown, Tally, Week, shown
from pushpull.learners.tables import learner, lifecycle, lifecycle_event
from pushpull.learners.vocabulary import LifecycleKind
from pushpull.ledger.tables import campaign, delivery, rotation, wave

_WAS_THERE = (LifecycleKind.SIGNED_IN.value, LifecycleKind.LEARNED.value, LifecycleKind.FAILED_TRY.value)


@dataclass(frozen=True, slots=True)
class CampaignFigures:
    """One campaign, as it is shown of one group."""

    campaign_id: int
    campaign_key: str
    name: str
    shown: Shown


def manager_with(connection: Connection, email: str) -> str | None:
    """The id of the manager with this address; None where it is nobody's, of several, or of one whom nobody reports to.

    Args:
        email: as the sign-in's provider verified it.
    """
    if not email:
        return None
    found = connection.execute(
        select(learner.c.external_id).where(func.lower(learner.c.email) == email.lower(), learner.c.active).limit(2)
    ).all()
    if len(found) != 1:
        return None
    own = found[0].external_id
    reports = select(learner.c.id).where(learner.c.manager_external_id == own, learner.c.active).limit(1)
    return str(own) if connection.execute(reports).first() else None


def figures_of(connection: Connection, top: str, week: Week, *, rules: Rules) -> Sequence[CampaignFigures]:
    """The figures of a manager's whole team in every campaign that wrote to any of them, or of the company's.

    Args:
        top: a manager's id, or :data:`COMPANY`.
        week: what is counted: until its end, and who was active in it.

    Returns:
        the campaign that began last first.
    """
    below = _managers_below(top)
    edges = connection.execute(select(below)).all()
    # Where the top is on a circle it is found twice: first, and below somebody.
    above = without_cycles({row.id: COMPANY for row in edges} | {row.id: row.manager for row in edges if row.manager})
    tallies = _tallies(connection, below if top != COMPANY else None, week)
    if not tallies:
        return []
    named = connection.execute(
        select(campaign.c.id, campaign.c.key, campaign.c.name)
        .where(campaign.c.id.in_(list(tallies)))
        .order_by(campaign.c.starts_at.is_(None), campaign.c.starts_at.desc(), campaign.c.name)
    )
    result = []
    for row in named:
        direct = tallies[row.id]
        # Managers who are not learners themselves report to nobody we know.
        known = above | {manager: COMPANY for manager in direct if manager not in above and manager != COMPANY}
        sizes = {manager: tally.people for manager, tally in direct.items()}
        group = Tally.of(direct[manager] for manager in group_of(top, known, sizes, fewest=rules.fewest))
        what = shown(group, campaign=row.key, rules=rules, is_named=top != COMPANY)
        result.append(CampaignFigures(row.id, row.key, row.name, what))
    return result


def _managers_below(top: str) -> CTE:
    """Every manager in a team and their own manager; a circle ends by itself, since nobody is found twice."""
    bosses = select(learner.c.manager_external_id).where(learner.c.manager_external_id.is_not(None))
    edge = (
        select(learner.c.external_id.label("id"), learner.c.manager_external_id.label("manager"))
        .where(learner.c.external_id.in_(bosses))
        .cte("edge")
    )
    if top == COMPANY:
        return edge
    first = select(literal(top, String).label("id"), literal(None, String).label("manager"))
    below = first.cte("below", recursive=True)
    return below.union(select(edge.c.id, edge.c.manager).join(below, edge.c.manager == below.c.id))


def _tallies(connection: Connection, below: CTE | None, week: Week) -> Mapping[int, Mapping[str, Tally]]:
    """Per campaign and manager, the counts of the manager's direct reports who are with the company."""
    boss = func.coalesce(func.nullif(learner.c.manager_external_id, learner.c.external_id), COMPANY).label("boss")
    member = select(learner.c.id, learner.c.draw, boss).where(learner.c.active)
    if below is not None:
        member = member.where(learner.c.manager_external_id.in_(select(below.c.id)))
    person = member.cte("person")
    written_to = (
        select(wave.c.campaign_id, person.c.id, person.c.draw, person.c.boss)
        .select_from(wave)
        .join(rotation, rotation.c.wave_id == wave.c.id)
        .join(person, literal(True))
        .join(
            delivery,
            and_(
                delivery.c.wave_id == wave.c.id,
                delivery.c.rotation == rotation.c.rotation,
                delivery.c.learner_id == person.c.id,
            ),
        )
        .where(wave.c.planned_as_of < week.ends)
        .distinct()
        .cte("written_to")
    )
    event = lifecycle_event.c
    there = exists().where(
        event.campaign_id == written_to.c.campaign_id,
        event.learner_id == written_to.c.id,
        event.kind.in_(_WAS_THERE),
        event.occurred_at >= week.begins,
        event.occurred_at < week.ends,
    )
    of = lifecycle.c
    did = {
        Measure.REACHED: of.reached_at < week.ends,
        Measure.STARTED: of.activated_at < week.ends,
        Measure.ACTIVE: there,
        Measure.COMPLETED: of.completed_at < week.ends,
    }
    statement = (
        select(
            written_to.c.campaign_id,
            written_to.c.boss,
            func.count().label("people"),
            func.sum(written_to.c.draw).label("key"),
            *(func.sum(case((condition, 1), else_=0)).label(measure.value) for measure, condition in did.items()),
        )
        .select_from(
            written_to.outerjoin(
                lifecycle, and_(of.campaign_id == written_to.c.campaign_id, of.learner_id == written_to.c.id)
            )
        )
        .group_by(written_to.c.campaign_id, written_to.c.boss)
    )
    found: dict[int, dict[str, Tally]] = {}
    for row in connection.execute(statement):
        found.setdefault(row.campaign_id, {})[row.boss] = _tally(row)
    return found


def _tally(row: Any) -> Tally:
    counts = {measure: int(getattr(row, measure.value)) for measure in Measure}
    return Tally(int(row.people), int(row.key), counts)
