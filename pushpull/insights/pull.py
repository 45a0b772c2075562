"""The pull share (mission D9): of all visits to a campaign's items, those that no message caused; week by week.

What a visit is and when a message caused it is said in :mod:`pushpull.ledger.visits`. Only learners whom the campaign
has reached count: those held out are never written to, so that all their visits are unprompted, whatever it does. What
the share makes of the campaign's intensity is in :mod:`pushpull.ledger.intensity`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Connection, and_, distinct, func, select

from pushpull.insights.proportions import Interval, Proportion
from pushpull.insights.small_numbers import FEWEST
from pushpull.learners.tables import lifecycle
from pushpull.ledger import timing
from pushpull.ledger.campaigns import campaign_id_of
from pushpull.ledger.intensity import RUNG_WORDS, Decided, Rung, Week, decide, held, monday_of, note, rules_of
from pushpull.ledger.tables import campaign, intensity
from pushpull.ledger.terms import campaign_items
from pushpull.ledger.visits import visits, zones_of
from pushpull.ledger.vocabulary import WaveStatus

_WEEK = timedelta(weeks=1)


@dataclass(frozen=True, slots=True)
class PullWeek:
    """One week of a campaign.

    Args:
        begins: its Monday, in the campaign's zone.
        is_whole: it was over at the time of the look.
        learners: who visited; None for fewer than five, and then the rest is None too.
        visits: of these, one per learner and local day.
        unprompted: visits that no message caused.
        rung: how hard the campaign pushed in it.
    """

    begins: date
    is_whole: bool
    learners: int | None
    visits: int | None
    unprompted: int | None
    rung: Rung = Rung.FULL

    @property
    def share(self) -> float | None:
        """The pull share, 0 to 1; None where nothing is shown."""
        if self.visits is None or self.unprompted is None or not self.visits:
            return None
        return self.unprompted / self.visits

    @property
    def interval(self) -> Interval | None:
        """Wilson's interval of the share, 95 %; visits of one learner are alike, so that it is rather too narrow."""
        if self.visits is None or self.unprompted is None or not self.visits:
            return None
        return Proportion(self.unprompted, self.visits).interval()

    @property
    def rung_in_words(self) -> str:
        """As people call it."""
        return RUNG_WORDS[self.rung]


def pull_weeks(connection: Connection, campaign_key: str, *, as_of: datetime) -> tuple[PullWeek, ...]:
    """The pull share of every week of a campaign, the first one first; nothing before its start.

    Args:
        as_of: what happened later (aware) is not seen.

    Raises:
        UnknownCampaignError: there is no such campaign.
    """
    campaign_id = campaign_id_of(connection, campaign_key)
    row = connection.execute(
        select(campaign.c.starts_at, campaign.c.ends_at, campaign.c.definition).where(campaign.c.id == campaign_id)
    ).one()
    zone = _zone(row.definition)
    if row.starts_at is None or as_of < row.starts_at:
        return ()
    first, last = monday_of(row.starts_at, zone), monday_of(timing.latest(as_of, row.ends_at), zone)
    counted = _counted(connection, campaign_id, first=first, weeks=(last - first).days // 7 + 1, zone=zone, as_of=as_of)
    rungs = dict(
        connection.execute(
            select(intensity.c.week, intensity.c.rung)
            .where(intensity.c.campaign_id == campaign_id, intensity.c.decided_at <= as_of)
            .order_by(intensity.c.week)
        ).all()
    )
    this_week = monday_of(as_of, zone)
    found, rung = [], Rung.FULL
    for (begins, people), week in counted:
        rung = Rung(rungs.get(begins, rung))
        is_shown = people >= FEWEST
        found.append(
            PullWeek(
                begins,
                begins < this_week,
                people if is_shown else None,
                week.visits if is_shown else None,
                week.unprompted if is_shown else None,
                rung,
            )
        )
    return tuple(found)


def decide_intensity(connection: Connection, campaign_key: str, *, as_of: datetime, dry_run: bool = False) -> bool:
    """Decide this week's rung of a campaign that asks for a ladder; a week that was decided stays as it is.

    Args:
        connection: one that writes.
        as_of: the campaign's clock, UTC.

    Returns:
        Whether something was decided, or would be.

    Raises:
        UnknownCampaignError: there is no such campaign.
    """
    decided = next_decision(connection, campaign_key, as_of=as_of)
    if decided is None:
        return False
    return dry_run or note(connection, campaign_id_of(connection, campaign_key), decided, at=as_of)


def next_decision(connection: Connection, campaign_key: str, *, as_of: datetime) -> Decided | None:
    """What this week's rung is to be; None where the campaign asks for no ladder, does not run, or has decided."""
    campaign_id = campaign_id_of(connection, campaign_key)
    row = connection.execute(
        select(campaign.c.starts_at, campaign.c.ends_at, campaign.c.definition, campaign.c.status).where(
            campaign.c.id == campaign_id
        )
    ).one()
    rules, zone = rules_of(row.definition), _zone(row.definition)
    runs = row.starts_at is not None and row.starts_at <= as_of and (row.ends_at is None or as_of < row.ends_at)
    if rules is None or not runs or row.status == WaveStatus.CANCELLED.value:
        return None
    week = monday_of(as_of, zone)
    known = select(intensity.c.week).where(intensity.c.campaign_id == campaign_id, intensity.c.week >= week)
    if connection.execute(known.limit(1)).first() is not None:
        return None
    first_week = monday_of(row.starts_at, zone)
    counted = _counted(connection, campaign_id, first=week - 2 * _WEEK, weeks=2, zone=zone, as_of=as_of)
    # The week a campaign starts in the middle of is a week; those before it are not.
    weeks = [each for _, each in counted if each.begins >= first_week]
    return decide(rules, held(connection, campaign_id, before=week), weeks, week=week)


def _counted(
    connection: Connection, campaign_id: int, *, first: date, weeks: int, zone: str, as_of: datetime
) -> list[tuple[tuple[date, int], Week]]:
    """For each week its Monday, how many learners visited, and their visits."""
    visit = visits(
        zones_of(connection),
        campaign_id=campaign_id,
        item_ids=campaign_items(connection, campaign_id),
        days=[first + timedelta(days=number) for number in range(7 * weeks)],
        timezone=zone,
        as_of=as_of,
    )
    number = (visit.c.day - first.toordinal()) // 7
    was_reached = and_(
        lifecycle.c.campaign_id == campaign_id,
        lifecycle.c.learner_id == visit.c.learner_id,
        lifecycle.c.reached_at <= visit.c.at,
    )
    rows = connection.execute(
        select(
            number.label("week"),
            func.count(distinct(visit.c.learner_id)),
            func.count(),
            func.sum(1 - visit.c.is_caused),
        )
        .select_from(visit.join(lifecycle, was_reached))
        .group_by(number)
    )
    found = {int(week): (int(people), int(all_), int(own)) for week, people, all_, own in rows}
    result = []
    for place in range(weeks):
        begins = first + place * _WEEK
        people, all_, own = found.get(place, (0, 0, 0))
        result.append(((begins, people), Week(begins, all_, own)))
    return result


def _zone(definition: dict[str, object]) -> str:
    return str(definition.get("timezone") or "UTC")
