"""Learners among themselves: an item's page with what others say of it, rating it, passing it on, public thanks.

Links that were passed on are opened in :mod:`web.shares`. What a rating, a link or thanks come to is decided in
`pushpull`.
"""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pushpull.catalogue.facts import ItemFacts, facts_of
from pushpull.db import reading, writing
from pushpull.learners.asking import asks
from pushpull.learners.choices import choices_of, choose_recognition
from pushpull.learners.recognitions import wall
from pushpull.learners.reviews import (
    LONGEST,
    STARS,
    BadReviewError,
    NotUsedError,
    decline,
    may_review,
    own_review,
    rate,
    said_of,
    used_lately,
    withdraw,
)
from pushpull.learners.shares import make_share, share_of
from pushpull.learners.vocabulary import ReviewState
from pushpull.ledger.vouching import NotAskedError, answer, vouching_of
from web.forms import Fields, one
from web.frame import frame_of
from web.phrases import phrases_in
from web.session import Visitor, form_of, visitor_of
from web.site import now, site_of
from web.words import Words

router = APIRouter()

PAGE: Final = "/me/peers"
AREA: Final = "peers"

#: What a page says after something was done: the value of ``done`` in its address, and the words for it.
_SAID: Final = {
    "saved": "review_saved",
    "held": "review_held",
    "withdrawn": "review_withdrawn",
    "named": "saved",
    "answered": "saved",
    "over": "vouch_over",
}
#: Databases have no larger numbers.
_LARGEST_ID: Final = 2**63 - 1


def peers(request: Request) -> Response:
    """What the learner is asked, what they used, and thanks in public."""
    return _peers_page(request, visitor_of(request))


def item(request: Request) -> Response:
    """An item's page, for a learner."""
    return _item_page(request, visitor_of(request))


async def review(request: Request) -> Response:
    """Keep, change or take back what the learner thinks of an item."""
    visitor, fields = await form_of(request)
    return await run_in_threadpool(_review, request, visitor, fields)


async def share(request: Request) -> Response:
    """Make the learner's link to an item."""
    visitor, _ = await form_of(request)
    return await run_in_threadpool(_share, request, visitor)


async def naming(request: Request) -> Response:
    """Whether the learner may be thanked in public."""
    visitor, fields = await form_of(request)
    return await run_in_threadpool(_naming, request, visitor, fields)


async def vouching(request: Request) -> Response:
    """Whether the learner vouches for a campaign, or stops."""
    visitor, fields = await form_of(request)
    return await run_in_threadpool(_vouching, request, visitor, fields)


router.add_route(PAGE, peers, methods=["GET"])
router.add_route(f"{PAGE}/vouching", vouching, methods=["POST"])
router.add_route(f"{PAGE}/naming", naming, methods=["POST"])
router.add_route("/me/items/{item_id:int}", item, methods=["GET"])
router.add_route("/me/items/{item_id:int}/review", review, methods=["POST"])
router.add_route("/me/items/{item_id:int}/share", share, methods=["POST"])


def about(words: Words, facts: ItemFacts) -> tuple[str, ...]:
    """What kind of thing an item is, in a few words: format, minutes, language; what is not known is left out."""
    known = facts.format.lower()
    language = facts.language.lower().partition("-")[0]
    return tuple(
        filter(
            None,
            (
                words(f"format_{known}") if known in {"video", "article", "course", "quiz"} else facts.format,
                words("minutes", n=max(1, round(facts.minutes))) if facts.minutes else "",
                words(f"in_{language}") if language in {"en", "de", "fr", "es"} else "",
            ),
        )
    )


def halves(stars: float) -> str:
    """Stars in halves as people write them: 4, 4.5."""
    return f"{stars:g}"


def _peers_page(
    request: Request, visitor: Visitor, *, status: int = 200, error: str = "", given: tuple[str, str] = ("", "")
) -> Response:
    site = site_of(request)
    with reading(site.engine) as connection:
        frame = frame_of(request, connection, visitor)
        phrases = phrases_in(frame.words().language, site.settings, zone=frame.zone, now=now())
        return frame.page(
            "peers.html.j2",
            AREA,
            here=PAGE,
            status=status,
            ask=next(iter(asks(connection, visitor.learner_id, now())), None),
            vouchings=vouching_of(connection, visitor.learner_id, now()),
            day=phrases.day,
            used=used_lately(connection, visitor.learner_id),
            wall=wall(connection, now()),
            is_named=choices_of(connection, visitor.learner_id).wants_recognition,
            said=_said(request),
            error=error,
            given_rating=given[0],
            given_words=given[1],
            longest=LONGEST,
        )


def _item_page(
    request: Request,
    visitor: Visitor,
    *,
    status: int = 200,
    error: str = "",
    given: tuple[str, str] | None = None,
) -> Response:
    site = site_of(request)
    with reading(site.engine) as connection:
        frame = frame_of(request, connection, visitor)
        facts, has_used = _visible(connection, visitor, _item_id(request))
        mine = own_review(connection, visitor.learner_id, facts.item_id)
        rating, text = given or ((str(mine.rating), mine.words) if mine else ("", ""))
        link = share_of(connection, visitor.learner_id, facts.item_id)
        return frame.page(
            "item.html.j2",
            AREA,
            here="/me",
            status=status,
            facts=facts,
            about=about(frame.words(AREA), facts),
            halves=halves,
            reviews=said_of(connection, facts.item_id, except_of=visitor.learner_id),
            has_used=has_used,
            mine=mine,
            given_rating=rating,
            given_words=text,
            link=site.signer.share_url(link) if link is not None else "",
            said=_said(request),
            error=error,
            longest=LONGEST,
            held=ReviewState.HELD,
            hidden=ReviewState.HIDDEN,
        )


def _review(request: Request, visitor: Visitor, fields: Fields) -> Response:
    item_id = _item_id(request)
    came_from_peers = one(fields, "from") == "peers"
    back = PAGE if came_from_peers else f"/me/items/{item_id}"
    rating, text, action = one(fields, "rating"), one(fields, "words"), one(fields, "action")
    with writing(site_of(request).engine) as connection:
        frame = frame_of(request, connection, visitor)
        try:
            if action == "not_now":
                decline(connection, visitor.learner_id, item_id, at=now())
                return RedirectResponse(back, status_code=303)
            if action == "withdraw":
                withdraw(connection, visitor.learner_id, item_id, at=now())
                return RedirectResponse(f"{back}?done=withdrawn", status_code=303)
            state = rate(
                connection,
                visitor.learner_id,
                item_id,
                rating=int(rating) if rating in set(map(str, STARS)) else 0,
                words=text,
                language=frame.words().language,
                at=now(),
            )
            done = "saved" if state is ReviewState.PUBLISHED else "held"
            return RedirectResponse(f"{back}?done={done}", status_code=303)
        except NotUsedError:
            raise HTTPException(404) from None
        except BadReviewError as refused:
            wrong = refused.field
    shown = _peers_page if came_from_peers else _item_page
    return shown(request, visitor, status=422, error=wrong, given=(rating, text))


def _share(request: Request, visitor: Visitor) -> Response:
    item_id = _item_id(request)
    with writing(site_of(request).engine) as connection:
        frame_of(request, connection, visitor)
        facts, _ = _visible(connection, visitor, item_id)
        if not facts.is_open:
            raise HTTPException(404)
        make_share(connection, visitor.learner_id, item_id, at=now())
    return RedirectResponse(f"/me/items/{item_id}#share", status_code=303)


def _naming(request: Request, visitor: Visitor, fields: Fields) -> Response:
    wish = one(fields, "named")
    if wish not in ("yes", "no"):
        raise HTTPException(400, "Nothing was changed")
    with writing(site_of(request).engine) as connection:
        frame_of(request, connection, visitor)
        choose_recognition(connection, visitor.learner_id, is_wanted=wish == "yes", at=now())
    return RedirectResponse(f"{PAGE}?done=named", status_code=303)


def _vouching(request: Request, visitor: Visitor, fields: Fields) -> Response:
    said, campaign = one(fields, "answer"), one(fields, "campaign")
    if said not in ("yes", "no") or not (campaign.isascii() and campaign.isdigit() and len(campaign) < 18):
        raise HTTPException(400, "Nothing was changed")
    with writing(site_of(request).engine) as connection:
        frame_of(request, connection, visitor)
        try:
            answer(connection, visitor.learner_id, int(campaign), is_yes=said == "yes", at=now())
        except NotAskedError:
            return RedirectResponse(f"{PAGE}?done=over", status_code=303)
    return RedirectResponse(f"{PAGE}?done=answered", status_code=303)


def _visible(connection: Connection, visitor: Visitor, item_id: int) -> tuple[ItemFacts, bool]:
    """An item the learner may look at, and whether they have used it.

    Raises:
        HTTPException: 404, there is none: it can neither be started nor was it ever used.
    """
    facts = facts_of(connection, item_id, now=now())
    has_used = facts is not None and may_review(connection, visitor.learner_id, item_id)
    if facts is None or not (facts.is_open or has_used):
        raise HTTPException(404)
    return facts, has_used


def _item_id(request: Request) -> int:
    item_id = int(request.path_params["item_id"])
    if item_id > _LARGEST_ID:
        raise HTTPException(404)
    return item_id


def _said(request: Request) -> str:
    return _SAID.get(request.query_params.get("done", ""), "")
