"""What is around every page of a learner: their language, the brand of the campaign they came by, the way about."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from markupsafe import Markup
from sqlalchemy import Connection, Select, bindparam, select
from starlette.requests import Request
from starlette.responses import Response

from content.brand import Brand
from pushpull.learners.consent import tombstone_of
from pushpull.learners.tables import learner
from pushpull.ledger.tables import campaign
from web.branding import brand_of
from web.pages import page
from web.session import FORM_TOKEN, NoVisitError, Visitor
from web.site import Site, site_of
from web.words import Words, words_for

#: The pages in the order of the navigation: the key of their words, and their address.
NAVIGATION = (
    ("nav_my_page", "/me"),
    ("nav_plans", "/me/plans"),
    ("nav_peers", "/me/peers"),
    ("nav_choices", "/me/choices"),
)


@dataclass(frozen=True, slots=True)
class Frame:
    """What surrounds a learner's page.

    Args:
        visitor: whose page it is.
        language: BCP 47; empty when unknown.
        zone: the learner's IANA zone, else the organisation's.
        given_name: empty when unknown.
        campaign: name of the campaign they came by; empty for none.
        brand: its brand, or None.
    """

    visitor: Visitor
    language: str
    zone: str
    given_name: str
    campaign: str
    brand: Brand | None

    def words(self, *areas: str) -> Words:
        """The words of this learner's pages."""
        return words_for(self.language, *areas)

    def form_token(self) -> Markup:
        """The hidden field that every form of this visit carries."""
        return Markup('<input type="hidden" name="{}" value="{}">').format(FORM_TOKEN, self.visitor.form_token)

    def page(self, template: str, *areas: str, here: str, status: int = 200, **values: Any) -> Response:
        """One of the learner's pages.

        Args:
            template: its file; it extends ``visit.html.j2``, and every form in it says ``{{ form_token() }}``,
                which is its hidden token.
            areas: whose words it uses, beside ``core``.
            here: the address in :data:`NAVIGATION` it belongs to.
            values: what it shows; ``frame`` is this.
        """
        words = self.words(*areas)
        return page(
            template,
            status=status,
            words=words,
            brand=self.brand,
            frame=self,
            form_token=self.form_token,
            here=here,
            navigation=NAVIGATION,
            **values,
        )


def frame_of(request: Request, connection: Connection, visitor: Visitor) -> Frame:
    """What surrounds the pages of a visitor.

    Raises:
        NoVisitError: the learner is no longer there, or was erased.
    """
    site: Site = site_of(request)
    given = {"who": visitor.learner_id, "came_by": visitor.campaign_id}
    person = connection.execute(_person(), given).one_or_none()
    if person is None or person.external_id == tombstone_of(visitor.learner_id):
        raise NoVisitError
    return Frame(
        visitor,
        person.preferred_language or "",
        person.timezone or site.settings.timezone,
        person.given_name or "",
        person.name or "",
        brand_of(person.brand or "", site.settings.content_dir),
    )


@cache
def _person() -> Select[Any]:
    """The statement. It is built once, for every page asks."""
    return (
        select(
            learner.c.external_id,
            learner.c.preferred_language,
            learner.c.timezone,
            learner.c.given_name,
            campaign.c.name,
            campaign.c.definition["brand"].as_string().label("brand"),
        )
        .select_from(learner.outerjoin(campaign, campaign.c.id == bindparam("came_by")))
        .where(learner.c.id == bindparam("who"))
    )
