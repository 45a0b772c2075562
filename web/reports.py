"""Reports of campaigns for sponsors, behind their sign-in: as of the end of the last whole week, like their figures.

What is on the pages is decided in :mod:`pushpull.insights.report`; here is who may see them, and as of when.
"""

from __future__ import annotations

from datetime import timedelta

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from pushpull.db import reading
from pushpull.insights.groups.figures import Week
from pushpull.insights.report import Links, executive_page, house_of, report_page
from pushpull.insights.report.evidence import evidence
from pushpull.insights.report.markup import policy_of
from pushpull.ledger.campaigns import UnknownCampaignError
from web.site import now, site_of
from web.staff import staff_of
from web.staff_frame import staff_page

router = APIRouter()


def report(request: Request) -> Response:
    """A campaign's report, with its charts."""
    return _page(request, is_executive=False)


def executive(request: Request) -> Response:
    """The same on one sheet, for those who decide."""
    return _page(request, is_executive=True)


router.add_route("/sponsor/report/{campaign}", report, methods=["GET"])
router.add_route("/sponsor/report/{campaign}/executive", executive, methods=["GET"])


def _page(request: Request, *, is_executive: bool) -> Response:
    """Either page.

    Raises:
        HTTPException: 404, there is no such campaign.
    """
    staff, site, key = staff_of(request), site_of(request), request.path_params["campaign"]
    if not staff.is_sponsor:
        return staff_page(request, staff, "staff_no.html.j2", here="", status=403)
    # Whole weeks alone, the same for everybody: two looks an hour apart would tell of who came in between.
    as_of = Week.last_before(now(), site.settings.timezone).ends - timedelta(microseconds=1)
    house, own = house_of(site.settings), f"/sponsor/report/{key}"
    try:
        with reading(site.engine) as connection:
            if is_executive:
                found = evidence(connection, key, as_of=as_of, house=house)
                page = executive_page(found, report_href=own)
            else:
                links = Links(executive=f"{own}/executive")
                page = report_page(connection, key, as_of=as_of, house=house, links=links)
    except UnknownCampaignError as error:
        raise HTTPException(404) from error
    return HTMLResponse(page, headers={"Content-Security-Policy": f"{policy_of(page)}; frame-ancestors 'none'"})
