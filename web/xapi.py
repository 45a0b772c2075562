"""The learning record store that course players speak to: xAPI 1.0.3, part three, whose numbers stand in docstrings,
and what xAPI 2.0 (IEEE 9274.1.1) asks of it.

What lives here is the protocol: versions, the alternate syntax of old players, other origins, status codes. What a
statement is and what it becomes is in :mod:`pushpull.importers.xapi`, the parameters of each resource in
:mod:`web.xapi_resources`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from pushpull.importers.sources import Source, SourceKind
from web.ingest import Call, UnreadableQueryError, challenge, parameters, plain, read_call, sender, tell_news
from web.site import Site, now, site_of
from web.xapi_resources import RESOURCES, about
from web.xapi_wishes import Answering, Wish, WishRefusedError

router = APIRouter()

_VERSIONS = re.compile(r"([12])\.0(\.\d+)?")
#: What is answered to somebody who speaks the first or the second version.
_OURS = {"1": "1.0.3", "2": "2.0.0"}
_METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS")
#: Parameters of the alternate syntax that stand for headers (1.3).
_HEADERS = frozenset(
    {"authorization", "x-experience-api-version", "content-type", "content-length", "if-match", "if-none-match",
     "accept", "accept-language", "x-experience-api-hash"}
)  # fmt: skip
#: A course may run on any origin: what it may do is said by the secret it shows, never by a cookie.
_ORIGINS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": (
        "ETag, Last-Modified, X-Experience-API-Version, X-Experience-API-Consistent-Through, WWW-Authenticate"
    ),
}
_PREFLIGHT = {
    "Access-Control-Allow-Methods": ", ".join(_METHODS),
    "Access-Control-Allow-Headers": (
        "Accept, Accept-Language, Authorization, Content-Type, If-Match, If-None-Match, X-Experience-API-Hash, "
        "X-Experience-API-Version"
    ),
    "Access-Control-Max-Age": "7200",
}


async def serve(request: Request) -> Response:
    """Answer one request for any of the resources."""
    resource = request.path_params["resource"]
    if request.method == "OPTIONS":
        return _dressed(Response(status_code=204, headers=_PREFLIGHT))
    try:
        call = await read_call(request)
    except UnreadableQueryError as error:
        return _dressed(plain(str(error), 400))
    answer = await run_in_threadpool(_answer, site_of(request), resource, call, now())
    if resource == "statements":
        answer.headers.setdefault("X-Experience-API-Consistent-Through", _text(now()))
        if answer.status_code in {200, 204} and call.method not in {"GET", "HEAD"}:
            tell_news(request)
    return _dressed(answer, request.headers.get("x-experience-api-version", ""))


router.add_route("/xapi/{resource:path}", serve, methods=list(_METHODS))


def _answer(site: Site, resource: str, call: Call, at: datetime) -> Response:
    if resource == "about" and call.method in {"GET", "HEAD"}:
        return about()
    try:
        if resource not in RESOURCES:
            raise WishRefusedError(404, "there is no such resource")
        if call.method == "POST" and "method" in call.params:
            call = _meant(call)
        return _answering(resource, call)(Wish(site, _source(site, call), call, at))
    except UnreadableQueryError as error:
        return plain(str(error), 400)
    except WishRefusedError as refused:
        return plain(str(refused), refused.status, refused.headers)


def _answering(resource: str, call: Call) -> Answering:
    methods = RESOURCES[resource]
    method = "GET" if call.method == "HEAD" else call.method
    if method not in methods:
        raise WishRefusedError(405, "not a method of this resource", {"Allow": ", ".join(sorted(methods))})
    return methods[method]


def _source(site: Site, call: Call) -> Source:
    """Who sends, in a version that is spoken here (3.3)."""
    source = sender(site.engine, SourceKind.XAPI, call.headers.get("authorization", ""), bearer=False)
    if source is None:
        raise WishRefusedError(401, "show the name and the secret of a source", challenge(["Basic"]))
    if _VERSIONS.fullmatch(call.headers.get("x-experience-api-version", "")) is None:
        raise WishRefusedError(400, "X-Experience-API-Version must be 1.0, 1.0.x, 2.0 or 2.0.x")
    return source


def _meant(call: Call) -> Call:
    """The request that one in the alternate syntax stands for (1.3): the method in the query and nothing else there,
    everything else in a form."""
    if set(call.params) != {"method"}:
        raise WishRefusedError(400, "the alternate syntax has nothing but the method in its query")
    if call.media_type not in {"application/x-www-form-urlencoded", "text/plain", ""}:
        raise WishRefusedError(400, "the alternate syntax sends a form")
    method = call.params["method"].upper()
    if method not in {"GET", "PUT", "POST", "DELETE"}:
        raise WishRefusedError(400, "not a method of the alternate syntax")
    form = parameters(call.body)
    content = form.pop("content", "")
    named: Mapping[str, str] = {name.lower(): value for name, value in form.items() if name.lower() in _HEADERS}
    headers = {name: value for name, value in call.headers.items() if name not in {"content-type", "content-length"}}
    params = {name: value for name, value in form.items() if name.lower() not in _HEADERS}
    return replace(
        call,
        method=method,
        params=params,
        headers={"content-type": "application/json", **headers, **named},
        body=content.encode(),
    )


def _dressed(answer: Response, version: str = "") -> Response:
    """An answer with what every one of them has (3.3, 1.1)."""
    answer.headers.update(_ORIGINS)
    answer.headers["X-Experience-API-Version"] = _OURS["2" if version.startswith("2.0") else "1"]
    return answer


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
