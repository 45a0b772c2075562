"""Learning systems that tell us what happened, by web hooks of theirs: ``POST /hooks/{source}`` with JSON.

A system shows its secret as HTTP Basic or as a bearer token, or signs the body: ``X-Hub-Signature-256: sha256=…``, HMAC
over the raw bytes as in W3C WebSub, section 7, with the signing key that was shown when the source was added. The
answer comes once all is stored. A replayed request adds nothing, because records are told apart by what they say.
"""

from __future__ import annotations

import logging
import re

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from pushpull.db import reading
from pushpull.importers.hooks.receiving import receive_records
from pushpull.importers.json_text import NotJsonError, read_json
from pushpull.importers.presets import PresetError
from pushpull.importers.sources import Source, SourceKind, signing_source
from pushpull.ledger.erased import peppers_of
from web.ingest import Call, UnreadableQueryError, challenge, json_answer, plain, read_call, sender, tell_news
from web.site import Site, now, site_of

router = APIRouter()

_LOG = logging.getLogger(__name__)
_SIGNATURES = ("x-hub-signature-256", "x-hub-signature")
_SIGNATURE = re.compile(r"sha256=([0-9a-fA-F]{64})")
_NAME = re.compile(r"[a-z0-9._-]{1,64}")


async def hear(request: Request) -> Response:
    """Take in what a learning system tells."""
    try:
        call = await read_call(request)
    except UnreadableQueryError as error:
        return plain(str(error), 400)
    answer = await run_in_threadpool(_answer, site_of(request), request.path_params["source"], call)
    if answer.status_code == 200:
        tell_news(request)
    return answer


router.add_route("/hooks/{source}", hear, methods=["POST"])


def _answer(site: Site, name: str, call: Call) -> Response:
    source = _source(site, name, call)
    if source is None:
        wanted = "show the secret of the source, or sign the body with its signing key"
        return plain(wanted, 401, challenge(["Basic", "Bearer"]))
    try:
        sent = read_json(call.body)
    except NotJsonError as error:
        return plain(f"the body is {error}", 400)
    try:
        report = receive_records(site.engine, source, sent, peppers=peppers_of(site.settings), now=now())
    except PresetError as error:
        _LOG.error("map of a web hook cannot be read", extra={"source": source.name, "error": str(error)})
        return plain("what these records mean cannot be read at the moment", 503, {"Retry-After": "300"})
    return json_answer(
        {
            "received": report.rows_in,
            "new": report.accepted,
            "known": report.duplicate,
            "refused": report.rejected,
            "reasons": dict(report.reasons),
        }
    )


def _source(site: Site, name: str, call: Call) -> Source | None:
    if _NAME.fullmatch(name) is None:
        return None
    signature = next((call.headers[each] for each in _SIGNATURES if each in call.headers), None)
    if signature is not None:
        said = _SIGNATURE.fullmatch(signature.strip())
        with reading(site.engine) as connection:
            # Compared whatever was sent, so that all that is wrong takes as long.
            return signing_source(
                connection, SourceKind.WEBHOOK, name, call.body, said.group(1) if said is not None else ""
            )
    source = sender(site.engine, SourceKind.WEBHOOK, call.headers.get("authorization", ""), bearer=True)
    return source if source is not None and source.name == name else None
