"""Where providers call: each request is checked as raw bytes, kept, and only then answered.

Whatever is not a provider's own gets one and the same 403. Nothing that comes in leads to a 5xx; when the database or
a provider's keys are away the answer is 503, and the provider comes again. What callbacks mean is decided in
`channels.callbacks`, what they do in :mod:`pushpull.ledger.inbox`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from channels.callbacks import sendgrid, slack, teams, twilio
from channels.callbacks.keys import CallbackKeys
from channels.callbacks.reading import normalise
from channels.callbacks.verdict import Refusal, Unreadable, Verdict
from pushpull.db import writing
from pushpull.ledger.inbox import receive, store_poison
from pushpull.ledger.news import ProviderEvent
from web.site import now, site_of

router = APIRouter()

_LOG = logging.getLogger(__name__)

_RETRY_SECONDS = "60"


async def sendgrid_events(request: Request) -> Response:
    """What became of e-mails."""
    keys, body = _keys(request), await request.body()

    def verify() -> Verdict:
        return sendgrid.verify(
            body,
            signature=request.headers.get(sendgrid.SIGNATURE, ""),
            timestamp=request.headers.get(sendgrid.TIMESTAMP, ""),
            keys=keys.sendgrid,
            now=now(),
        )

    if not keys.sendgrid:
        raise HTTPException(404)
    return await run_in_threadpool(_take, request, "sendgrid", body, verify, sendgrid.split)


async def twilio_status(request: Request) -> Response:
    """What became of a text message."""
    ours = request.path_params
    delivery, handover = ours["delivery_id"], ours["handover"]
    return await _twilio(request, lambda body: twilio.split(body, delivery=delivery, handover=handover))


async def twilio_inbound(request: Request) -> Response:
    """What somebody answered to a text message."""
    return await _twilio(request, twilio.split)


async def _twilio(request: Request, split: Callable[[bytes], list[ProviderEvent]]) -> Response:
    keys, body = _keys(request), await request.body()

    def verify() -> Verdict:
        return twilio.verify(
            body,
            url=_public_url(request, keys.public_url),
            content_type=request.headers.get("content-type", ""),
            signature=request.headers.get(twilio.SIGNATURE, ""),
            tokens=keys.twilio,
        )

    if not keys.twilio:
        raise HTTPException(404)
    return await run_in_threadpool(_take, request, "twilio", body, verify, split)


async def teams_activities(request: Request) -> Response:
    """What happens between people and the bot."""
    keys, body = _keys(request), await request.body()
    account, source = keys.microsoft, keys.microsoft_keys
    if account is None or source is None:
        raise HTTPException(404)

    def verify() -> Verdict:
        authorization = request.headers.get("authorization", "")
        return teams.verify(body, authorization=authorization, account=account, keys=source, now=now())

    return await run_in_threadpool(_take, request, "teams", body, verify, teams.split)


async def slack_events(request: Request) -> Response:
    """What people answer in Slack, and what becomes of the app there."""
    keys, body = _keys(request), await request.body()
    if not keys.slack:
        raise HTTPException(404)

    def verify() -> Verdict:
        return slack.verify(
            body,
            signature=request.headers.get(slack.SIGNATURE, ""),
            timestamp=request.headers.get(slack.TIMESTAMP, ""),
            secrets=keys.slack,
            now=now(),
        )

    def take() -> Response:
        verdict = verify()
        challenge = slack.challenge_of(body) if verdict.is_accepted else None
        if challenge is not None:
            return JSONResponse({"challenge": challenge})
        return _take(request, "slack", body, lambda: verdict, slack.split)

    return await run_in_threadpool(take)


def _take(
    request: Request,
    provider: str,
    body: bytes,
    verify: Callable[[], Verdict],
    split: Callable[[bytes], Sequence[ProviderEvent]],
) -> Response:
    verdict = verify()
    if not verdict.is_accepted:
        # Whoever calls learns nothing; whoever runs this does.
        _LOG.warning("callback refused", extra={"provider": provider, "why": verdict.refusal})
        if verdict.refusal is Refusal.NO_KEYS:
            return Response(status_code=503, headers={"Retry-After": _RETRY_SECONDS})
        return Response(status_code=403)
    engine, received_at = site_of(request).engine, now()
    try:
        events = split(body)
    except Unreadable:
        with writing(engine) as connection:
            store_poison(connection, provider, body, received_at=received_at)
    else:
        receive(engine, provider, events, normalise, received_at=received_at)
    # Text messages are answered by what a body says: none, so that nobody gets one.
    return Response(status_code=204 if provider == "twilio" else 200)


def _keys(request: Request) -> CallbackKeys:
    keys = request.app.state.callbacks
    if keys is None:
        raise HTTPException(404)
    assert isinstance(keys, CallbackKeys)
    return keys


def _public_url(request: Request, base: str) -> str:
    """The address as the provider knows it: from settings and the path's own bytes, never from the Host header."""
    path = bytes(request.scope.get("raw_path") or request.scope["path"].encode()).partition(b"?")[0]
    query = bytes(request.scope.get("query_string", b""))
    return base.rstrip("/") + (path + (b"?" + query if query else b"")).decode("latin-1")


router.add_route("/callbacks/sendgrid", sendgrid_events, methods=["POST"])
router.add_route("/callbacks/twilio/inbound", twilio_inbound, methods=["POST"])
router.add_route("/callbacks/twilio/{delivery_id}/{handover}", twilio_status, methods=["POST"])
router.add_route("/callbacks/teams", teams_activities, methods=["POST"])
router.add_route("/callbacks/slack", slack_events, methods=["POST"])
