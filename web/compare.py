"""Up to three things of a learner's queue side by side, with the catalogue's facts of each, so that they can choose."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from pushpull.catalogue.comparison import MOST, compare
from pushpull.db import reading
from pushpull.ledger.pages.queue import queue_of
from web.frame import frame_of
from web.my_page import came_by
from web.peers import AREA as PEERS
from web.peers import halves
from web.phrases import phrases_in
from web.session import visitor_of
from web.site import now, site_of
from web.wishes import OWN_NAMES

router = APIRouter()

PAGE: Final = "/me/compare"
#: Things of the queue that can be chosen from.
OFFERED: Final = 10


def show(request: Request) -> Response:
    """The page: what was asked for as far as it is in the queue, else what is next in it."""
    site, visitor, at = site_of(request), visitor_of(request), now()
    asked = request.query_params.getlist("item")
    with reading(site.engine) as connection:
        frame = frame_of(request, connection, visitor)
        queue = queue_of(connection, visitor.learner_id, came_by(visitor), now=at)
        offered = queue.items[:OFFERED]
        wanted = [each.item_id for each in queue.items if str(each.item_id) in asked]
        chosen = wanted[:MOST] or [each.item_id for each in offered[:MOST]]
        compared = compare(connection, chosen, now=at)
    words = frame.words()
    return frame.page(
        "compare.html.j2",
        PEERS,
        "compare",
        here="/me",
        options=compared.options,
        offered=offered,
        too_many=len(wanted) > MOST,
        most=MOST,
        phrases=phrases_in(words.language, site.settings, zone=frame.zone, now=at),
        language_names=OWN_NAMES,
        halves=halves,
    )


router.add_route(PAGE, show, methods=["GET"])
