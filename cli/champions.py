"""`pushpull champions`: who would be asked to vouch for a campaign, and why others are not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cli.common import AsOf, Campaign, here, out, tell

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from pushpull.ledger.specs import WaveSpec
    from tasks.installation import Installation

champions = typer.Typer(no_args_is_help=True, help="Colleagues who vouch for a campaign.")

_SAID = {
    "left": "left the company",
    "outside": "not in the audience",
    "interest": "has an interest of their own in it",
    "moderated": "a review of theirs was hidden, or waits for a person",
    "standing": "is asked or vouches already",
    "asked_lately": "was asked not long ago",
    "paused": "asked for a pause",
    "held_out": "is held out, so that the effect can be measured",
    "withdrew": "withdrew from one of the items",
    "unreachable": "cannot be reached, or opted out",
    "too_few_points": "too few points",
    "no_place": "no place is left",
}


@champions.command("list")
def list_candidates(
    campaign: Campaign,
    as_of: AsOf = "",
    most: Annotated[int, typer.Option("--most", help="How many to list.", min=1)] = 50,
) -> None:
    """Who would be asked now, and why others with points would not. Nothing is written."""
    from flows.parameters import moment
    from pushpull.db import reading
    from pushpull.ledger.campaigns import campaign_id_of
    from pushpull.ledger.champions import candidates
    from pushpull.ledger.terms import Terms, campaign_items

    place = here()
    now = moment(as_of) if as_of else datetime.now(UTC)
    spec = _invitation(place, campaign, now)
    if spec is None:
        tell(f"{campaign} asks nobody: it has no champions stage")
        return
    with reading(place.engine) as connection:
        campaign_id = campaign_id_of(connection, spec.campaign_key)
        rules = Terms(
            spec=spec,
            campaign_id=campaign_id,
            item_ids=campaign_items(connection, campaign_id),
            as_of=now,
            global_holdout=place.settings.global_holdout,
        )
        found = candidates(connection, rules)
        names = _external_ids(connection, [each.learner_id for each in found[:most]])
    table = Table("learner", "department", "points", "asked", "why not")
    for each in found[:most]:
        why_not = _SAID[each.why_not.value] if each.why_not else ""
        asked = "" if each.why_not else "yes"
        table.add_row(escape(names[each.learner_id]), escape(each.department), str(each.points), asked, escape(why_not))
    if found:
        out.print(table)
    asked_now = sum(each.why_not is None for each in found)
    tell(f"{asked_now} of {len(found)} with points would be asked; {spec.champions} places")


def _invitation(place: Installation, key: str, now: datetime) -> WaveSpec | None:
    """The next invitation of a campaign, or its last where none follows."""
    from content.campaign import stage_waves
    from content.campaign.calendar import wave_days
    from pushpull.ledger import timing
    from pushpull.ledger.specs import CHAMPIONS_STAGE

    campaign = place.campaign(key)
    today = timing.local_day(now, campaign.timezone)
    days = {day for stage, wave in campaign.waves() if stage == CHAMPIONS_STAGE for day in wave_days(campaign, wave)}
    if not days:
        return None
    day = min((each for each in days if each >= today), default=max(days))
    return stage_waves(campaign, CHAMPIONS_STAGE, day)[0]


def _external_ids(connection: Connection, ids: list[int]) -> dict[int, str]:
    from sqlalchemy import select

    from pushpull.learners.tables import learner

    rows = connection.execute(select(learner.c.id, learner.c.external_id).where(learner.c.id.in_(ids)))
    return dict(rows.all())
