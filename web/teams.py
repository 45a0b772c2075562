"""What managers and sponsors see: figures of groups, never of a person. What may be said of a group is decided in
:mod:`pushpull.insights.groups`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter
from sqlalchemy import Connection, select
from starlette.requests import Request
from starlette.responses import Response

import content
from content.locale import Locale, load_locale
from content.source import ContentError
from pushpull.catalogue.tables import item
from pushpull.db import reading
from pushpull.insights.groups.figures import NAMED, Week
from pushpull.insights.groups.rules import rules_of
from pushpull.insights.groups.sponsors import Evidence, evidence
from pushpull.insights.groups.teams import CampaignFigures, figures_of, manager_with
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.tables import campaign_item
from pushpull.settings import Settings
from web.figures import Effect, bars, dates, figures_file, money, signed
from web.site import now, site_of
from web.staff import Staff, staff_of
from web.staff_frame import staff_page, staff_words
from web.words import Words

router = APIRouter()

#: The ideas for a slot the team shares, one a week in turn: their words are in the locale.
_SLOTS: Final = 4
_OWN_CONTENT = Path(content.__file__).parent


@dataclass(frozen=True, slots=True)
class Kit:
    """What a manager passes on of one campaign: the address is everybody's, and says of nobody who they are."""

    name: str
    link: str


def team(request: Request) -> Response:
    """A manager's page."""
    staff, site, words = staff_of(request), site_of(request), staff_words(request)
    week, rules = Week.last_before(now(), site.settings.timezone), rules_of(site.settings)
    with reading(site.engine) as connection:
        manager = manager_with(connection, staff.email)
        found = figures_of(connection, manager, week, rules=rules) if manager else []
        kits = _kits(connection, found)
    _, last = dates(week, site.settings.timezone)
    return staff_page(
        request,
        staff,
        "team.html.j2",
        here="team",
        is_manager=manager is not None,
        campaigns=[(each.name, each.shown.people, bars(each.shown, words)) for each in found if each.shown.people],
        too_few=[each.name for each in found if each.shown.people is None],
        kits=kits,
        slot=words(f"slot_{last.isocalendar().week % _SLOTS}"),
        **_about(site.settings, week, words),
    )


def sponsor(request: Request) -> Response:
    """A sponsor's page."""
    staff, site, words = staff_of(request), site_of(request), staff_words(request)
    if not staff.is_sponsor:
        return _not_theirs(request, staff)
    week = Week.last_before(now(), site.settings.timezone)
    return staff_page(
        request,
        staff,
        "sponsor.html.j2",
        here="sponsor",
        campaigns=[
            (
                each,
                bars(each.figures.shown, words),
                Effect.of(each.compared) if each.compared else None,
                _unknown(each, words),
            )
            for each in _evidence(request, week)
        ],
        signed=signed,
        money=lambda amount: money(amount, words),
        currency=site.settings.currency,
        **_about(site.settings, week, words),
    )


def sponsor_file(request: Request) -> Response:
    """The figures of the sponsor's page, for a spreadsheet."""
    staff, settings = staff_of(request), site_of(request).settings
    if not staff.is_sponsor:
        return _not_theirs(request, staff)
    week = Week.last_before(now(), settings.timezone)
    first, last = (day.isoformat() for day in dates(week, settings.timezone))
    return Response(
        figures_file(_evidence(request, week), first=first, last=last, currency=settings.currency),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="campaigns-until-{last}.csv"'},
    )


router.add_route("/team", team, methods=["GET"])
router.add_route("/sponsor", sponsor, methods=["GET"])
router.add_route("/sponsor/figures.csv", sponsor_file, methods=["GET"])


def _not_theirs(request: Request, staff: Staff) -> Response:
    return staff_page(request, staff, "staff_no.html.j2", here="", status=403)


def _evidence(request: Request, week: Week) -> Sequence[Evidence]:
    site = site_of(request)
    prices: dict[Channel, Decimal] = {each: getattr(site.settings, f"cost_{each.value}") for each in Channel}
    with reading(site.engine) as connection:
        return evidence(connection, week, rules=rules_of(site.settings), prices=prices)


def _about(settings: Settings, week: Week, words: Words) -> dict[str, Any]:
    """What both pages say of their figures."""
    locale = _locale(words.language, settings.content_dir)
    first, last = dates(week, settings.timezone)
    return {
        "period": words("period", first=locale.day(first), last=locale.day(last)),
        "fewest": settings.fewest_people,
        "fewest_named": NAMED * settings.fewest_people,
        "works_council": settings.works_council,
    }


def _unknown(of: Evidence, words: Words) -> list[str]:
    """What the figures do not say, plainly."""
    lines = []
    if of.compared is None:
        lines.append(words("unknown_effect"))
    elif not of.is_clear:
        lines.append(words("unknown_chance"))
    if of.total is None:
        lines.append(words("unknown_cost"))
    elif of.has_text_messages:
        lines.append(words("unknown_segments"))
    return [*lines, words("unknown_work"), words("unknown_time")]


def _kits(connection: Connection, found: Sequence[CampaignFigures]) -> list[Kit]:
    listed = {each.campaign_id: each.name for each in found}
    rows = connection.execute(
        select(campaign_item.c.campaign_id, item.c.url)
        .join(item, item.c.id == campaign_item.c.item_id)
        .where(campaign_item.c.campaign_id.in_(list(listed)), item.c.url.startswith("https://"))
        .order_by(campaign_item.c.position, item.c.id)
    )
    first: dict[int, str] = {}
    for row in rows:
        first.setdefault(row.campaign_id, row.url)
    return [Kit(name, first[campaign_id]) for campaign_id, name in listed.items() if campaign_id in first]


@lru_cache(maxsize=16)
def _locale(language: str, content_dir: Path) -> Locale:
    try:
        return load_locale(language, content_dir)
    except ContentError:
        return load_locale(language, _OWN_CONTENT)
