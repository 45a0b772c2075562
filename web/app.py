"""The web app where learners land: pages without scripts, cookies or accounts; a signed link is all it takes.

What lives here is the making of the app. Each kind of page has a module of its own; what a click means is decided in
`pushpull`. This is the edge, so routes may read the clock.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from fastapi import FastAPI
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from channels.callbacks.keys import CallbackKeys
from pushpull.learners.consent import UnknownLearner
from pushpull.migrations import current, is_behind
from pushpull.settings import Settings
from web import (
    about,
    account,
    branding,
    choices,
    compare,
    description,
    fresh,
    hooks,
    landing,
    moderation,
    my_page,
    outbox,
    peers,
    plans,
    preferences,
    reports,
    scim,
    shares,
    sign_in,
    teams,
    unsubscribe,
    xapi,
)
from web import callbacks as callback_routes
from web.access_log import RedactTokens
from web.guard import Guard
from web.limits import LIMITS, Limit, RateLimits
from web.pages import STATIC, not_found, page
from web.session import NotFromHereError, NoVisitError
from web.site import Site, site_of
from web.staff import NeedsSignIn, NoSignInError
from web.staff_frame import not_set_up
from web.words import spoken_in, words_for

_LOG = logging.getLogger(__name__)

_ROUTES = (
    branding,
    landing,
    fresh,
    unsubscribe,
    preferences,
    my_page,
    compare,
    choices,
    about,
    account,
    plans,
    peers,
    shares,
    sign_in,
    teams,
    reports,
    moderation,
    xapi,
    scim,
    hooks,
    callback_routes,
    description,
)


def create_app(
    settings: Settings,
    engine: Engine,
    *,
    callbacks: CallbackKeys | None = None,
    letters: Callable[[datetime], object] | None = None,
    limits: Sequence[Limit] | None = LIMITS,
) -> FastAPI:
    """The app over one installation.

    Args:
        settings: base address, link keys, outbox.
        engine: the ledger's database, migrated.
        callbacks: what providers' callbacks are verified with; None: there is no endpoint for them.
        letters: sends the letters that were asked for until then; None: whatever runs the sync does.
        limits: how often may be asked; None: as often as somebody likes.
    """
    # No redirects to other spellings of a path: they would be made from the request's Host.
    app = FastAPI(title="Pushpull", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.state.site = Site(settings, engine)
    app.state.callbacks = callbacks
    app.state.send_letters = letters
    if limits:
        app.add_middleware(RateLimits, limits=limits)
    app.add_middleware(Guard)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(UnknownLearner, _gone)
    app.add_exception_handler(SQLAlchemyError, _unavailable)
    app.add_route("/healthz", _lives, methods=["GET"])
    app.add_route("/readyz", _ready, methods=["GET"])
    app.mount("/static", StaticFiles(directory=STATIC))
    for each in _ROUTES:
        app.include_router(each.router)
    if settings.channels == "sandbox":
        app.include_router(outbox.router)
    logging.getLogger("uvicorn.access").addFilter(RedactTokens())
    return app


async def _lives(_: Request) -> Response:
    """Whether the app answers. It asks nobody else: a database that is away is no reason to start the app anew."""
    return PlainTextResponse("ok")


def _ready(request: Request) -> Response:
    """Whether pages can be shown: the database answers, and its schema is the one this code was written for.

    A newer schema is fine too: migrations only add, so that this code goes on until it is replaced.
    """
    engine = site_of(request).engine
    try:
        found = current(engine)
    except SQLAlchemyError:
        return PlainTextResponse("no answer from the database", status_code=503)
    if found is None or is_behind(found):
        return PlainTextResponse("the database waits for pushpull upgrade", status_code=503)
    return PlainTextResponse("ok")


async def _refused(request: Request, error: Exception) -> Response:
    """Every page that is not there looks the same, whatever was asked for."""
    assert isinstance(error, HTTPException)
    if isinstance(error, NeedsSignIn):
        return RedirectResponse(f"/sign-in?to={error.page}", status_code=303)
    words = words_for(spoken_in(request.headers.get("accept-language", "")))
    if isinstance(error, NoVisitError):
        title, line = words("no_session_title"), words("no_session")
        return page("message.html.j2", status=401, words=words, title=title, lines=[line])
    if isinstance(error, NoSignInError):
        return not_set_up(request)
    if isinstance(error, NotFromHereError):
        return page("message.html.j2", status=403, words=words, title=words("not_from_here"), lines=[])
    if error.status_code == 404:
        return not_found()
    return page("message.html.j2", status=error.status_code, words=None, title=error.detail, lines=[])


async def _gone(request: Request, _: Exception) -> Response:
    """Somebody was erased while their page was still open: to them it is as if the visit had ended."""
    return await _refused(request, NoVisitError())


async def _unavailable(_: Request, error: Exception) -> Response:
    _LOG.error("database unavailable to the web app", extra={"error": type(error).__name__})
    answer = page(
        "message.html.j2", status=503, words=None, title="Please try again", lines=["We cannot answer right now."]
    )
    answer.headers["Retry-After"] = "30"
    return answer
