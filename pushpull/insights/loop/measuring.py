"""Measurements: what an applied proposal came to, by the same metric in two weeks before and two weeks after.

A comparison of before and after is no experiment: whatever else happened in those weeks is in it. It says so, and for
what must be known better there are experiments and the holdout. People are counted, not messages or visits, because
several of one person are alike. That the same people are in both counts makes the interval rather too wide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, and_, case, distinct, func, select

from pushpull.db import insert_into, rows_written
from pushpull.insights.loop.answers import ANSWER_DAYS, ON_THEIR_WAY, answers_to, were_sent
from pushpull.insights.loop.finding import Metric, MetricKind
from pushpull.insights.loop.insights import as_insight, select_insights
from pushpull.insights.loop.proposals import Proposal
from pushpull.insights.loop.vocabulary import ProposalState, Said
from pushpull.insights.proportions import Interval, Proportion, difference_interval
from pushpull.insights.small_numbers import FEWEST
from pushpull.insights.tables import insight, measurement, proposal
from pushpull.learners.tables import lifecycle
from pushpull.ledger import timing
from pushpull.ledger.tables import campaign, delivery, delivery_event
from pushpull.ledger.terms import campaign_items
from pushpull.ledger.visits import visits, zones_of
from pushpull.ledger.vocabulary import EventKind

#: How long before and after the change is looked at.
SPAN: Final = timedelta(days=14)
#: How long after that is waited, so that the last messages have had as much time to be answered as those before.
WAIT: Final = timedelta(days=ANSWER_DAYS)

_LESS_IS_BETTER = frozenset({MetricKind.OPTED_OUT})


@dataclass(frozen=True)
class Measured:
    """What a change came to.

    Args:
        at: from when on it could be told, UTC.
        before, after: people who did it, of people who could have; None where fewer than five could.
        difference: after minus before, as a fraction of 1.
        interval: of the difference, 95 %.
        why: where nothing can be told, why.
    """

    proposal_id: int
    at: datetime
    metric: Metric
    said: Said
    before: Proportion | None = None
    after: Proportion | None = None
    difference: float | None = None
    interval: Interval | None = None
    why: str = ""

    def sentence(self) -> str:
        """In words, with what it is not."""
        if self.before is None or self.after is None or self.interval is None:
            return f"{self.said.value}: {self.why}"
        return (
            f"{self.said.value}: {self.metric} {self.before.share:.1%} of {self.before.total} before, "
            f"{self.after.share:.1%} of {self.after.total} after, a difference of {100 * (self.difference or 0):+.1f} "
            f"points (95 % interval {100 * self.interval.low:+.1f} to {100 * self.interval.high:+.1f}); "
            "before and after, no experiment"
        )


def measure(connection: Connection, of: Proposal, metric: Metric) -> Measured:
    """Compare the two weeks before a change with the two weeks after it.

    Source of the interval: Newcombe (1998), see :func:`pushpull.insights.proportions.difference_interval`.

    Raises:
        ValueError: it was not applied.
    """
    if of.applied_at is None:
        raise ValueError(f"proposal {of.id} was not applied")
    until = of.applied_at + SPAN
    at = until + WAIT
    before = counted(connection, of.campaign_id, metric, since=of.applied_at - SPAN, until=of.applied_at)
    after = counted(connection, of.campaign_id, metric, since=of.applied_at, until=until)
    if min(before.total, after.total) < FEWEST:
        why = f"fewer than {FEWEST} people before or after"
        return Measured(of.id, at, metric, Said.CANNOT_TELL, why=why)
    interval = difference_interval(after, before)
    assert interval is not None
    assert before.share is not None
    assert after.share is not None
    if interval.holds(0.0):
        said, why = Said.CANNOT_TELL, "the interval holds zero"
    else:
        is_better = (interval.low > 0) != (metric.kind in _LESS_IS_BETTER)
        said, why = (Said.BETTER if is_better else Said.WORSE), ""
    return Measured(of.id, at, metric, said, before, after, after.share - before.share, interval, why)


def counted(
    connection: Connection, campaign_id: int, metric: Metric, *, since: datetime, until: datetime
) -> Proportion:
    """A metric over a span of time: from ``since`` to before ``until``, UTC."""
    match metric.kind:
        case MetricKind.ANSWERED:
            return answers_to(connection, campaign_id, metric.of, since=since, until=until)
        case MetricKind.CAME_UNASKED:
            return _came_unasked(connection, campaign_id, since=since, until=until)
        case MetricKind.OPTED_OUT:
            return _opted_out(connection, campaign_id, since=since, until=until)


def keep(connection: Connection, measured: Measured) -> bool:
    """Keep a measurement; measuring again adds nothing.

    Returns:
        Whether it is new.
    """
    inserted = connection.execute(
        insert_into(connection, measurement)
        .values(
            proposal_id=measured.proposal_id,
            measured_at=measured.at,
            metric=str(measured.metric)[:64],
            said=measured.said.value,
            figures=_figures(measured),
        )
        .on_conflict_do_nothing()
    )
    return rows_written(connection, inserted) > 0


def to_measure(connection: Connection, *, as_of: datetime, campaign_key: str = "") -> list[tuple[int, Metric]]:
    """Applied proposals whose time has come and that were not measured: their ids, and by what.

    Args:
        campaign_key: of this campaign; empty: of all.
    """
    known = select(measurement.c.proposal_id).where(measurement.c.proposal_id == proposal.c.id).exists()
    statement = (
        select_insights()
        .add_columns(proposal.c.id.label("proposal_id"))
        .join(proposal, proposal.c.insight_id == insight.c.id)
        .where(proposal.c.state == ProposalState.APPLIED.value, proposal.c.applied_at <= as_of - SPAN - WAIT, ~known)
        .order_by(proposal.c.id)
    )
    if campaign_key:
        statement = statement.where(campaign.c.key == campaign_key)
    found = [(int(row.proposal_id), as_insight(row).metric) for row in connection.execute(statement)]
    return [(proposal_id, metric) for proposal_id, metric in found if metric is not None]


def _figures(measured: Measured) -> dict[str, object]:
    def of(proportion: Proportion | None) -> dict[str, int] | None:
        return None if proportion is None else {"count": proportion.count, "of": proportion.total}

    interval = measured.interval
    return {
        "before": of(measured.before),
        "after": of(measured.after),
        "difference": measured.difference,
        "interval": [interval.low, interval.high] if interval else None,
        "days": SPAN.days,
        "why": measured.why,
    }


def _came_unasked(connection: Connection, campaign_id: int, *, since: datetime, until: datetime) -> Proportion:
    """Of the reached learners who visited, those who came without a message at least once."""
    definition = connection.execute(select(campaign.c.definition).where(campaign.c.id == campaign_id)).scalar_one()
    zone = str(definition.get("timezone") or "UTC")
    first, last = timing.local_day(since, zone), timing.local_day(until - timedelta(microseconds=1), zone)
    visit = visits(
        zones_of(connection),
        campaign_id=campaign_id,
        item_ids=campaign_items(connection, campaign_id),
        days=[first + timedelta(days=number) for number in range((last - first).days + 1)],
        timezone=zone,
        as_of=until,
    )
    people = (
        select(visit.c.learner_id, func.max(1 - visit.c.is_caused).label("unasked"))
        .join(
            lifecycle,
            and_(
                lifecycle.c.campaign_id == campaign_id,
                lifecycle.c.learner_id == visit.c.learner_id,
                lifecycle.c.reached_at <= visit.c.at,
            ),
        )
        .where(visit.c.at >= since, visit.c.at < until)
        .group_by(visit.c.learner_id)
        .subquery("person")
    )
    return _proportion(connection.execute(select(func.sum(people.c.unasked), func.count()).select_from(people)).one())


def _opted_out(connection: Connection, campaign_id: int, *, since: datetime, until: datetime) -> Proportion:
    """Of the learners a campaign reached in the time, those who opted out or complained in it."""
    left = select(delivery_event.c.learner_id).where(
        delivery_event.c.campaign_id == campaign_id,
        delivery_event.c.kind.in_([EventKind.OPTED_OUT.value, EventKind.COMPLAINED.value]),
        delivery_event.c.occurred_at >= since,
        delivery_event.c.occurred_at < until,
    )
    has_left = case((delivery.c.learner_id.in_(left), delivery.c.learner_id))
    row = connection.execute(
        select(func.count(distinct(has_left)), func.count(distinct(delivery.c.learner_id)))
        .select_from(ON_THEIR_WAY)
        .where(were_sent(campaign_id, since=since, until=until))
    ).one()
    return _proportion(row)


def _proportion(row: Sequence[Any]) -> Proportion:
    return Proportion(int(row[0] or 0), int(row[1] or 0))
