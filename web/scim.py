"""People as identity providers send them: SCIM 2.0 (RFC 7644) below ``/scim/v2``, for sources of the kind ``scim``.

What lives here is the protocol, and the dialects of two large providers. Entra ID writes ``op`` with a capital,
``"False"`` for false, a manager as bare text, and fills an address that is not there yet; Okta sends changes without
a path. What becomes of a person is in :mod:`pushpull.importers.scim`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

import orjson
from fastapi import APIRouter
from pydantic import ValidationError
from scim2_models import (
    Context,
    EnterpriseUser,
    Error,
    InvalidSyntaxException,
    InvalidValueException,
    PatchOp,
    PreconditionFailedException,
    ResponseParameters,
    SCIMException,
    ScimPolicy,
)
from sqlalchemy import true
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from pushpull.db import reading, writing
from pushpull.importers.json_text import NotJsonError, read_json
from pushpull.importers.scim.filters import condition_of
from pushpull.importers.scim.taking_in import Directory, overlaid
from pushpull.importers.scim.users import Person, list_users, read_user
from pushpull.importers.sources import Source, SourceKind
from pushpull.ledger.erased import peppers_of
from web.ingest import Call, UnreadableQueryError, challenge, json_answer, read_call, sender, tell_news
from web.scim_service import PAGE, config, listed, resource_types, schemas
from web.site import Site, now, site_of

router = APIRouter()

MEDIA_TYPE: Final = "application/scim+json"
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_BODIES: Final = frozenset({MEDIA_TYPE, "application/json", ""})
_ENTERPRISE: Final = str(EnterpriseUser.__schema__).lower()
_MANAGER: Final = f"{_ENTERPRISE}:manager"
#: What providers are forgiven.
_TOLERANT: Final = ScimPolicy(
    unknown=ScimPolicy.Unknown.ignore,
    remove_value_as_filter=ScimPolicy.RemoveValue.apply,
    unmatched_path_filter=ScimPolicy.UnmatchedPathFilter.create,
)


@dataclass(frozen=True)
class _Ask:
    """A request of a directory we know."""

    site: Site
    source: Source
    call: Call
    at: datetime

    @property
    def base(self) -> str:
        """The address of this service."""
        return f"{self.site.settings.base_url.rstrip('/')}/scim/v2"

    def body(self) -> dict[str, Any]:
        """The JSON object that was sent."""
        if self.call.media_type not in _BODIES:
            raise InvalidSyntaxException(detail=f"send {MEDIA_TYPE}")
        try:
            value = read_json(self.call.body)
        except NotJsonError as error:
            raise InvalidSyntaxException(detail=f"the body is {error}") from None
        if not isinstance(value, dict):
            raise InvalidSyntaxException(detail="the body is no JSON object")
        return value

    def number(self, name: str, default: int) -> int:
        """A whole number among the parameters."""
        raw = self.call.params.get(name, str(default))
        if not raw.removeprefix("-").isdecimal() or len(raw) > 9 or not raw.isascii():
            raise InvalidValueException(detail=f"{name} is not a whole number")
        return int(raw)

    def shown(self) -> ResponseParameters[Any]:
        """Which attributes are wanted."""
        names = ("attributes", "excludedAttributes")
        given = {name: value for name, value in self.call.params.items() if name in names}
        return ResponseParameters[Person].model_validate(given)

    def check_version(self, user: Person) -> None:
        """Compare the version that is meant with the one that is there (RFC 7644, section 3.14)."""
        wanted = self.call.headers.get("if-match")
        if wanted is not None and "*" not in wanted and _version(user) not in wanted:
            raise PreconditionFailedException(detail="the user is another version by now")


async def serve(request: Request) -> Response:
    """Answer one request."""
    try:
        call = await read_call(request)
    except UnreadableQueryError as error:
        return _error(Error(status=400, scim_type="invalidValue", detail=str(error)))
    path = tuple(request.path_params["path"].strip("/").split("/"))
    answer = await run_in_threadpool(_answer, site_of(request), path, call, now())
    if answer.status_code < 300 and call.method not in {"GET", "HEAD"}:
        tell_news(request)
    return answer


router.add_route("/scim/v2/{path:path}", serve, methods=list(_METHODS))


def _answer(site: Site, path: tuple[str, ...], call: Call, at: datetime) -> Response:
    source = sender(site.engine, SourceKind.SCIM, call.headers.get("authorization", ""), bearer=True)
    if source is None:
        said = Error(status=401, detail="show the secret of a source as a bearer token, or its name and secret")
        return _error(said, challenge(["Bearer", "Basic"]))
    try:
        with _TOLERANT:
            return _routed(_Ask(site, source, call, at), path)
    except SCIMException as refused:
        return _error(refused.to_error())
    except ValidationError as invalid:
        return _error(Error.from_validation_errors(invalid)[0])


def _routed(ask: _Ask, path: tuple[str, ...]) -> Response:
    method = "GET" if ask.call.method == "HEAD" else ask.call.method
    known: Mapping[str, Callable[..., Response]]
    match path:
        case ("Users",):
            known = {"GET": _list, "POST": _create}
        case ("Users", user_id) if user_id != ".search":
            known = {"GET": _read, "PUT": _replace, "PATCH": _patch, "DELETE": _remove}
            if method in known:
                return known[method](ask, user_id)
        case ("ServiceProviderConfig",):
            known = {"GET": lambda ask: _answered(config(ask.base))}
        case ("ResourceTypes" | "Schemas",) | ("ResourceTypes" | "Schemas", _):
            known = {"GET": lambda ask: _described(ask, path)}
        case ("Me" | "Bulk", *_) | (*_, ".search"):
            return _error(Error(status=501, detail="not spoken here: see ServiceProviderConfig"))
        case _:
            return _error(Error(status=404, detail="there is no such resource"))
    if method in known:
        return known[method](ask)
    return _error(Error(status=405, detail="not a method of this resource"), {"Allow": ", ".join(sorted(known))})


def _described(ask: _Ask, path: tuple[str, ...]) -> Response:
    found = (resource_types if path[0] == "ResourceTypes" else schemas)(ask.base)
    if len(path) == 1:
        return _answered(listed(list(found.values())))
    if path[1] not in found:
        return _error(Error(status=404, detail="there is no such resource"))
    return _answered(found[path[1]])


def _list(ask: _Ask) -> Response:
    start, count = max(1, ask.number("startIndex", 1)), min(PAGE, max(0, ask.number("count", PAGE)))
    shown, raw = ask.shown(), ask.call.params.get("filter", "")
    condition = condition_of(raw) if raw else true()
    with reading(ask.site.engine) as connection:
        total, users = list_users(connection, condition, start=start, count=count)
    return _answered(listed([_dump(ask, user, shown) for user in users], total=total, start=start))


def _read(ask: _Ask, user_id: str) -> Response:
    shown = ask.shown()
    with reading(ask.site.engine) as connection:
        user = read_user(connection, user_id)
    if user is None:
        return _error(Error(status=404, detail="there is no such user"))
    if _version(user) in ask.call.headers.get("if-none-match", ""):
        return Response(status_code=304, headers={"ETag": _version(user)})
    return _one(ask, user, shown)


def _create(ask: _Ask) -> Response:
    shown = ask.shown()
    sent = Person.model_validate(_plain(ask.body()), scim_ctx=Context.RESOURCE_CREATION_REQUEST)
    with writing(ask.site.engine) as connection:
        user = _directory(ask, connection).create(sent)
    return _one(ask, user, shown, status=201)


def _replace(ask: _Ask, user_id: str) -> Response:
    shown = ask.shown()
    sent = Person.model_validate(_plain(ask.body()), scim_ctx=Context.RESOURCE_REPLACEMENT_REQUEST)
    return _changed(ask, user_id, lambda before: overlaid(before, sent), shown)


def _patch(ask: _Ask, user_id: str) -> Response:
    shown, body = ask.shown(), ask.body()
    operations = next((value for name, value in body.items() if name.lower() == "operations"), None)
    if isinstance(operations, list):
        for operation in operations:
            _make_plain(operation)
    patch = PatchOp[Person].model_validate(body, scim_ctx=Context.RESOURCE_PATCH_REQUEST)

    def patched(user: Person) -> Person:
        patch.patch(user)
        return user

    return _changed(ask, user_id, patched, shown)


def _changed(ask: _Ask, user_id: str, change: Callable[[Person], Person], shown: ResponseParameters[Any]) -> Response:
    def checked(before: Person) -> Person:
        ask.check_version(before)
        return change(before)

    with writing(ask.site.engine) as connection:
        user = _directory(ask, connection).change(user_id, checked)
    return _one(ask, user, shown)


def _remove(ask: _Ask, user_id: str) -> Response:
    with writing(ask.site.engine) as connection:
        _directory(ask, connection).remove(user_id, ask.check_version)
    return Response(status_code=204)


def _directory(ask: _Ask, connection: Any) -> Directory:
    return Directory(connection, ask.source.name, peppers_of(ask.site.settings), ask.at)


def _make_plain(operation: Any) -> None:
    """Turn one operation of a dialect into what the standard says."""
    if not isinstance(operation, dict):
        return
    path, value = operation.get("path"), operation.get("value")
    if isinstance(path, str) and path.lower() == _MANAGER and value is not None:
        operation["value"] = _manager(value)
    elif isinstance(value, dict):
        operation["value"] = _plain(value)


def _plain(sent: dict[str, Any]) -> dict[str, Any]:
    """A user whose manager is as the standard says."""
    plain: dict[str, Any] = {}
    for name, value in sent.items():
        if name.lower() == _MANAGER:
            plain[name] = _manager(value)
        elif name.lower() == _ENTERPRISE and isinstance(value, dict):
            plain[name] = {each: _manager(v) if each.lower() == "manager" else v for each, v in value.items()}
        else:
            plain[name] = value
    return plain


def _manager(value: Any) -> Any:
    """A manager as the standard has them, where providers send bare text, or leave out their address."""
    if isinstance(value, str):
        value = {"value": value}
    if not isinstance(value, dict):
        return value
    who = value.get("value")
    return {"$ref": f"../Users/{quote(str(who), safe='')}", **value} if who else None


def _version(user: Person) -> str:
    said = user.model_dump_json(scim_ctx=Context.RESOURCE_QUERY_RESPONSE, exclude={"meta"})
    return f'W/"{hashlib.sha256(said.encode()).hexdigest()[:32]}"'


def _dump(ask: _Ask, user: Person, shown: ResponseParameters[Any]) -> dict[str, Any]:
    version = _version(user)
    if user.meta is not None:
        user.meta.location = f"{ask.base}/Users/{user.id}"
        user.meta.version = version
    said = user.model_dump_json(scim_ctx=Context.RESOURCE_QUERY_RESPONSE, response_parameters=shown)
    answer: dict[str, Any] = orjson.loads(said)
    return answer


def _one(ask: _Ask, user: Person, shown: ResponseParameters[Any], status: int = 200) -> Response:
    version = _version(user)
    headers = {"ETag": version, "Location": f"{ask.base}/Users/{user.id}"}
    return _answered(_dump(ask, user, shown), status, headers)


def _answered(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return json_answer(value, status, media_type=MEDIA_TYPE, headers=headers)


def _error(error: Error, headers: Mapping[str, str] | None = None) -> Response:
    return _answered(error.model_dump(mode="json"), error.status or 400, headers)
