"""Unsubscribing: one click from a mail client (RFC 8058), or a page that asks once. A GET changes nothing."""

from __future__ import annotations

from fastapi import APIRouter
from sqlalchemy import select
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from pushpull.db import reading, writing
from pushpull.learners.consent import UnknownLearner, tombstone_of
from pushpull.learners.tables import learner
from pushpull.ledger.links import Claims, Purpose
from pushpull.ledger.preferences import unsubscribe
from pushpull.ledger.vocabulary import FetchKind
from web.forms import read_form
from web.openings import keep_opening
from web.pages import page
from web.site import Site, claims_of, now, site_of
from web.words import words_for

router = APIRouter()


def ask(request: Request) -> Response:
    """The page that asks; mail scanners and curious people may open it as often as they like."""
    site = site_of(request)
    claims, _ = claims_of(request, Purpose.UNSUBSCRIBE)
    answer = _page(site, claims, is_done=False)
    with writing(site.engine) as connection:
        keep_opening(request, connection, FetchKind.UNSUBSCRIBE, claims)
    return answer


async def confirm(request: Request) -> Response:
    """The click itself, from a mail client's one-click request or from our page. Repeating it changes nothing."""
    site = site_of(request)
    claims, _ = claims_of(request, Purpose.UNSUBSCRIBE)
    fields = await read_form(request)
    if fields.get("List-Unsubscribe") != ["One-Click"]:
        raise HTTPException(400, "Nothing was changed")
    return await run_in_threadpool(_unsubscribe, site, claims)


router.add_route("/u/{token}", ask, methods=["GET"])
router.add_route("/u/{token}", confirm, methods=["POST"])


def _unsubscribe(site: Site, claims: Claims) -> Response:
    assert claims.channel is not None
    assert claims.family is not None
    try:
        with writing(site.engine) as connection:
            unsubscribe(
                connection,
                claims.learner_id,
                channel=claims.channel,
                family=claims.family,
                token_id=claims.jti,
                at=now(),
            )
    except UnknownLearner:
        raise HTTPException(404) from None
    return _page(site, claims, is_done=True)


def _page(site: Site, claims: Claims, *, is_done: bool) -> Response:
    with reading(site.engine) as connection:
        person = connection.execute(
            select(learner.c.external_id, learner.c.preferred_language).where(learner.c.id == claims.learner_id)
        ).one_or_none()
    if person is None or person.external_id == tombstone_of(claims.learner_id):
        raise HTTPException(404)
    words = words_for(person.preferred_language or "")
    return page(
        "unsubscribe.html.j2",
        words=words,
        is_done=is_done,
        channel=words.channel(claims.channel or ""),
        family=words.family(claims.family or ""),
        # An unsubscribe link opens nothing else, so the page shows no way to the preferences.
    )
