"""What learners decide, part by part: messages and pauses, hour, language, formats, goals and their why.

Each part is a form of its own; what each takes is read in :mod:`web.wishes`. What is known of a learner, and the way to
their data, live in :mod:`web.about`.
"""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pushpull.catalogue.facts import formats_offered
from pushpull.db import reading, writing
from pushpull.learners.choices import MOST_PAUSE_DAYS, choices_of
from pushpull.learners.declared import LONGEST, MOST_GOALS, declared, why_of
from pushpull.learners.vocabulary import FactKind
from pushpull.ledger.preferences import preferences
from tasks.calendar import calendar_of
from web.forms import Fields
from web.frame import frame_of
from web.phrases import phrases_in
from web.session import NoVisitError, Visitor, form_of, visitor_of
from web.site import now, site_of
from web.wishes import OWN_NAMES, PARTS, Filled, Mistake, Part

router = APIRouter()

PAGE: Final = "/me/choices"
AREA: Final = "choices"


def show(request: Request) -> Response:
    """The page; the part that was just saved is told."""
    saved = request.query_params.get("saved", "")
    return _page(request, visitor_of(request), saved=Part(saved) if saved in list(Part) else None)


async def save(request: Request) -> Response:
    """Save one part, and lead back to it; what is wrong is said beside the field."""
    visitor, fields = await form_of(request)
    part = request.path_params["part"]
    if part not in list(Part):
        raise HTTPException(404)
    return await run_in_threadpool(_save, request, visitor, Part(part), fields)


router.add_route(PAGE, show, methods=["GET"])
router.add_route(f"{PAGE}/{{part}}", save, methods=["POST"])


def _save(request: Request, visitor: Visitor, part: Part, fields: Fields) -> Response:
    try:
        with writing(site_of(request).engine) as connection:
            PARTS[part](connection, visitor.learner_id, fields, at=now())
    except Mistake as mistake:
        return _page(request, visitor, mistake=mistake, part=part, fields=fields)
    return RedirectResponse(f"{PAGE}?saved={part.value}#{part.value}", status_code=303)


def _page(
    request: Request,
    visitor: Visitor,
    *,
    saved: Part | None = None,
    part: Part | None = None,
    mistake: Mistake | None = None,
    fields: Fields | None = None,
) -> Response:
    site, learner_id = site_of(request), visitor.learner_id
    with reading(site.engine) as connection:
        frame = frame_of(request, connection, visitor)
        found = preferences(connection, learner_id)
        if found is None:
            raise NoVisitError
        chosen = choices_of(connection, learner_id)
        said = {kind: declared(connection, learner_id, kind) for kind in (FactKind.HOUR, FactKind.LANGUAGE)}
        filled = Filled(
            hour=next(iter(said[FactKind.HOUR]), ""),
            language=next(iter(said[FactKind.LANGUAGE]), ""),
            formats=frozenset(declared(connection, learner_id, FactKind.FORMAT)),
            goals=declared(connection, learner_id, FactKind.GOAL),
            why=why_of(connection, learner_id) or "",
            wants_habit=chosen.wants_habit,
            rest_days=frozenset(str(day) for day in chosen.rest_days),
        )
        formats = sorted({*formats_offered(connection), *filled.formats})
    words = frame.words(AREA)
    phrases = phrases_in(words.language, site.settings, zone=frame.zone, now=now())
    return frame.page(
        "choices.html.j2",
        AREA,
        here=PAGE,
        status=422 if mistake else 200,
        saved=saved,
        part=part,
        mistake=words(mistake.key, **mistake.values) if mistake else "",
        filled=filled.corrected(part, fields) if part and fields is not None else filled,
        found=found,
        chosen=chosen,
        is_paused=chosen.is_paused(now()),
        phrases=phrases,
        formats=formats,
        own_names=OWN_NAMES,
        most_days=MOST_PAUSE_DAYS,
        most_goals=MOST_GOALS,
        longest={kind.value: length for kind, length in LONGEST.items()},
        has_calendar=calendar_of(site.settings) is not None,
        works_council=site.settings.works_council,
    )
