"""Slack, played: conversations are opened, messages posted and listed, people found, events signed.

The published description is of 2021: it knows forms and GETs with the token as a parameter, where Slack's SDK posts,
JSON among it, with the token in a header. :meth:`Slack.described` says the same request in those older words.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlencode
from uuid import uuid4

import orjson

from tests.standin.provider import Callback, Provider, Reply, Request, Taken

#: The credentials it takes: those of :mod:`tests.standin.variables`.
BOT_TOKEN = "xoxb-stand-in"
SIGNING_SECRET = "stand-in"
TEAM_ID, BOT_ID, BOT_USER_ID, APP_ID = "T0STANDIN", "B0STANDIN", "U0STANDIN", "A0STANDIN"
SCOPES = ("chat:write", "im:write", "im:history", "users:read.email")

_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"
_USER = re.compile(r"[UW][A-Z0-9]+")
_READING = {"conversations.history", "users.lookupByEmail"}
_LONGEST_TEXT, _MOST_BLOCKS = 40_000, 50


@dataclass(frozen=True)
class _Post:
    """A message in a conversation."""

    channel: str
    ts: str
    fields: Mapping[str, Any]


class Slack(Provider):
    """What a test may set; ``forget`` sets it back.

    Attributes:
        errors: by person or place, the error its messages, and its opening, are refused with.
        open_errors: the same for opening a conversation only.
        gone: conversations that are no longer there, by id.
        places: channels the app was invited to.
        people: by e-mail address, the user as Slack describes it.
        scopes: what the app may do.
        keeps_metadata: whether history shows metadata.
        most_per_page: messages one page of history holds at most.
        now: the time messages are posted at.
    """

    name = "slack"
    prefix = "/slack"
    contracts = ("slack_web_v2.json",)

    def __init__(self) -> None:
        super().__init__()
        self._set_up()

    def _set_up(self) -> None:
        self.errors: dict[str, str] = {}
        self.open_errors: dict[str, str] = {}
        self.gone: set[str] = set()
        self.places = {"C0LEARNING"}
        self.people: dict[str, dict[str, Any]] = {}
        self.scopes = SCOPES
        self.keeps_metadata = True
        self.most_per_page = 200
        self.now: Callable[[], datetime] = lambda: datetime.now(UTC)
        self._users: dict[str, str] = {}
        self._posts: list[_Post] = []
        self._own: dict[str, _Post] = {}
        self._count = 0

    def forget(self) -> None:
        super().forget()
        with self.lock:
            self._set_up()

    def answer(self, request: Request) -> Reply:
        if request.bearer != BOT_TOKEN:
            return self.unauthorized(request)
        method = request.path.removeprefix("/api/")
        try:
            asked = _asked(request)
        except ValueError:
            return _refused("invalid_json")
        match method:
            case "auth.test":
                return self._auth_test()
            case "conversations.open":
                return self._open(asked)
            case "chat.postMessage":
                return self._post(asked)
            case "conversations.history":
                return self._history(asked)
            case "users.lookupByEmail":
                return self._lookup_by_email(asked)
        return _refused("unknown_method")

    def described(self, request: Request) -> Request | None:
        method = request.path.removeprefix("/api/")
        if method == "auth.test":
            return None
        try:
            asked = {name: _in_a_form(value) for name, value in _asked(request).items()}
        except ValueError:
            return request
        if method in _READING:
            asked = {name: _BOOLEANS.get(name, {}).get(value, value) for name, value in asked.items()}
            query = {name: [value] for name, value in {"token": request.bearer, **asked}.items()}
            return replace(request, method="GET", query=query, body=b"", headers={})
        headers = {"token": request.bearer, "content-type": _FORM}
        return replace(request, body=urlencode(asked).encode(), headers=headers)

    def throttled(self, request: Request) -> Reply:
        return Reply(429, {"ok": False, "error": "ratelimited"})

    def unauthorized(self, request: Request) -> Reply:
        return _refused("invalid_auth" if request.bearer else "not_authed")

    def broken(self, request: Request, status: int) -> Reply:
        return Reply(status, b"<!DOCTYPE html><title>Server Error | Slack</title>", {"Content-Type": "text/html"})

    def says(self, user: str, text: str, *, as_app: bool = False) -> None:
        """Somebody, or another of the app's doings, writes into the person's conversation with the app."""
        author = {"bot_id": BOT_ID, "user": BOT_USER_ID} if as_app else {"user": user}
        post = self._stamped(_conversation(user), {"type": "message", "text": text, **author})
        with self.lock:
            self._posts.append(post)

    def event(self, url: str, event: Mapping[str, Any], *, at: datetime | None = None) -> None:
        """An event is owed, signed (https://docs.slack.dev/authentication/verifying-requests-from-slack)."""
        moment = int((at or self.now()).timestamp())
        envelope = {
            "token": "not-to-be-used",
            "team_id": TEAM_ID,
            "api_app_id": APP_ID,
            "event": event,
            "type": "event_callback",
            "event_id": f"Ev{uuid4().hex[:10].upper()}",
            "event_time": moment,
            "authorizations": [{"team_id": TEAM_ID, "user_id": BOT_USER_ID, "is_bot": True}],
        }
        self.owe(signed(url, orjson.dumps(envelope), moment))

    def reply(self, user: str, text: str, url: str) -> None:
        """Somebody writes to the app: it stands in the conversation, and the event is owed."""
        self.says(user, text)
        post = self._posts[-1]
        self.event(url, {**post.fields, "ts": post.ts, "channel": post.channel, "channel_type": "im"})

    def _auth_test(self) -> Reply:
        said = {
            "ok": True,
            "url": "https://stand-in.slack.com/",
            "team": "Stand-in",
            "user": "learning",
            "team_id": TEAM_ID,
            "user_id": BOT_USER_ID,
            "bot_id": BOT_ID,
            "is_enterprise_install": False,
        }
        return Reply(200, said, {"x-oauth-scopes": ",".join(self.scopes)})

    def _open(self, asked: Mapping[str, Any]) -> Reply:
        user = str(asked.get("users", ""))
        error = self.open_errors.get(user) or self.errors.get(user)
        if error:
            return _refused(error)
        if not _USER.fullmatch(user):
            return _refused("user_not_found")
        with self.lock:
            is_known = _conversation(user) in self._users
            self._users[_conversation(user)] = user
            self.gone.discard(_conversation(user))
        said: dict[str, Any] = {"ok": True, "channel": {"id": _conversation(user)}}
        return Reply(200, said | ({"no_op": True, "already_open": True} if is_known else {}))

    def _post(self, asked: Mapping[str, Any]) -> Reply:
        place = str(asked.get("channel", ""))
        to = self._users.get(place, place)
        text, blocks = str(asked.get("text") or ""), asked.get("blocks")
        blocks = _parsed(blocks) if isinstance(blocks, str) else blocks
        told = asked.get("metadata") or {}
        told = _parsed(told) if isinstance(told, str) else told
        refused = self._refusal(place, to, text, blocks, told)
        if refused:
            return _refused(refused)
        fields = {
            "type": "message",
            "subtype": None,
            "text": text,
            "user": BOT_USER_ID,
            "bot_id": BOT_ID,
            "app_id": APP_ID,
            "team": TEAM_ID,
            "blocks": blocks or [],
            **({"metadata": told} if told else {}),
        }
        post = self._stamped(place, {name: value for name, value in fields.items() if value is not None})
        payload = told.get("event_payload", {})
        with self.lock:
            self._own[f"{place}:{post.ts}"] = post
        self.take(
            Taken(
                provider=self.name,
                delivery_id=str(payload.get("delivery", "")),
                handover_id=str(payload.get("handover", "")),
                to=to,
                content={"text": text, "card": orjson.dumps(blocks, option=orjson.OPT_INDENT_2).decode()},
                provider_id=f"{place}:{post.ts}",
                at=time.time(),
            )
        )
        return Reply(200, {"ok": True, "channel": place, "ts": post.ts, "message": {**post.fields, "ts": post.ts}})

    def _refusal(self, place: str, to: str, text: str, blocks: Any, told: Any) -> str:
        """The error a message is refused with; empty: none."""
        if to in self.errors:
            return self.errors[to]
        if place in self.gone or (place not in self._users and place not in self.places):
            return "channel_not_found"
        if not text and not blocks:
            return "no_text"
        if len(text) > _LONGEST_TEXT:
            return "msg_too_long"
        if blocks is not None and not _are_blocks(blocks):
            return "invalid_blocks"
        if told and not (isinstance(told, dict) and {"event_type", "event_payload"} == set(told)):
            return "invalid_metadata_format"
        return ""

    def _history(self, asked: Mapping[str, Any]) -> Reply:
        place = str(asked.get("channel", ""))
        if place in self.gone or (place not in self._users and place not in self.places):
            return _refused("channel_not_found")
        own = [self._own[each.provider_id] for each in self.visible()]
        with self.lock:
            posts = [post for post in [*own, *self._posts] if post.channel == place]
        oldest = float(asked.get("oldest") or 0)
        posts = sorted((post for post in posts if float(post.ts) >= oldest), key=lambda post: post.ts, reverse=True)
        shows_metadata = self.keeps_metadata and asked.get("include_all_metadata") in ("1", "true", True)
        start = int(asked.get("cursor") or 0)
        end = start + min(self.most_per_page, int(asked.get("limit") or 100))
        has_more = end < len(posts)
        return Reply(
            200,
            {
                "ok": True,
                "messages": [
                    {name: value for name, value in post.fields.items() if name != "metadata" or shows_metadata}
                    | {"ts": post.ts}
                    for post in posts[start:end]
                ],
                "has_more": has_more,
                "pin_count": 0,
                "response_metadata": {"next_cursor": str(end) if has_more else ""},
            },
        )

    def _lookup_by_email(self, asked: Mapping[str, Any]) -> Reply:
        user = self.people.get(str(asked.get("email", "")))
        return Reply(200, {"ok": True, "user": user}) if user else _refused("users_not_found")

    def _stamped(self, channel: str, fields: Mapping[str, Any]) -> _Post:
        with self.lock:
            self._count += 1
            return _Post(channel, f"{int(self.now().timestamp())}.{self._count:06d}", fields)


#: Flags the description wants as words.
_BOOLEANS = {name: {"1": "true", "0": "false"} for name in ("inclusive", "include_all_metadata")}


def signed(url: str, body: bytes, moment: int, *, secret: str = SIGNING_SECRET) -> Callback:
    """A request of Slack's with its signature, made at ``moment`` (Unix time)."""
    base = f"v0:{moment}:".encode() + body
    return Callback(
        url=url,
        headers={
            "Content-Type": _JSON,
            "X-Slack-Request-Timestamp": str(moment),
            "X-Slack-Signature": "v0=" + hmac.digest(secret.encode(), base, hashlib.sha256).hex(),
            "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
        },
        body=body,
    )


def _conversation(user: str) -> str:
    return f"D{user[1:]}"


def _asked(request: Request) -> dict[str, Any]:
    """The arguments of a method, wherever they stand."""
    if request.method == "POST" and not request.body:
        return {}
    if request.headers.get("content-type", "").startswith(_JSON):
        asked = orjson.loads(request.body)
        if not isinstance(asked, dict):
            raise ValueError("not an object")
        return asked
    given = parse_qs(request.body.decode(), keep_blank_values=True) if request.body else request.query
    return {name: values[-1] for name, values in given.items()}


def _in_a_form(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _parsed(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _are_blocks(blocks: Any) -> bool:
    """Whether Slack would show these blocks: https://docs.slack.dev/reference/block-kit/blocks."""
    return isinstance(blocks, list) and len(blocks) <= _MOST_BLOCKS and all(map(_is_block, blocks))


def _is_block(block: Any) -> bool:
    match block:
        case {"type": "header", "text": {"type": "plain_text", "text": str(text)}}:
            return 1 <= len(text) <= 150
        case {"type": "section", "text": {"type": "plain_text" | "mrkdwn", "text": str(text)}}:
            return 1 <= len(text) <= 3000 and ("accessory" not in block or _is_element(block["accessory"]))
        case {"type": "actions", "elements": [*elements]}:
            return 1 <= len(elements) <= 25 and all(map(_is_element, elements))
        case {"type": "context", "elements": [*elements]}:
            return 1 <= len(elements) <= 10 and all(map(_is_element, elements))
        case {"type": "divider"}:
            return True
        case {"type": "image", "image_url": str(url), "alt_text": str(alt)}:
            return len(url) <= 3000 and 1 <= len(alt) <= 2000
    return False


def _is_element(element: Any) -> bool:
    match element:
        case {"type": "plain_text" | "mrkdwn", "text": str(text)}:
            return len(text) >= 1
        case {"type": "button", "text": {"type": "plain_text", "text": str(text)}, **other}:
            return 1 <= len(text) <= 75 and len(str(other.get("url", ""))) <= 3000
        case {"type": "image", "image_url": str(), "alt_text": str()}:
            return True
    return False


def _refused(error: str) -> Reply:
    return Reply(200, {"ok": False, "error": error})
