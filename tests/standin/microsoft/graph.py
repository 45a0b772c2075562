"""Microsoft Graph: activity feeds, apps installed for people, calendars."""

from __future__ import annotations

import re
import time
from datetime import datetime
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson

from tests.standin.microsoft.passes import Gate, refusal
from tests.standin.provider import Provider, Reply, Request, Taken
from tests.standin.variables import APP

_USER = re.compile(r"(?:/v1\.0)?/users/([^/]+)/(.+)")


class Graph(Provider):
    """Graph, as far as we use it."""

    name = "graph"
    prefix = "/graph"
    contracts = ("msgraph_v1_trimmed.json",)

    def __init__(self) -> None:
        super().__init__()
        self.gate = Gate("graph")
        self._numbers = count(1)
        self._begin()

    def _begin(self) -> None:
        self.gate.open()
        #: By user id: what is answered instead, as status, code and message.
        self.refusals: dict[str, tuple[int, str, str]] = {}
        #: Who has the app.
        self.installed: set[str] = set()
        #: Where in what was taken each chain of notifications is.
        self._chains: dict[str, int] = {}
        #: Events by user and id, and those that were made already by user and transactionId.
        self.events: dict[tuple[str, str], dict[str, Any]] = {}
        self._transactions: set[tuple[str, str]] = set()
        #: How a second event with the same transactionId is refused: Graph does both.
        self.duplicate_status = 409
        #: By address: busy times as ISO start, end (UTC) and status.
        self.busy: dict[str, list[tuple[str, str, str]]] = {}

    def forget(self) -> None:
        super().forget()
        self._begin()

    def refuse(self, who: str, status: int, code: str, message: str = "") -> None:
        """From now on answer so to whatever is for this user."""
        self.refusals[who] = (status, code, message)

    def answer(self, request: Request) -> Reply:
        if not self.gate.lets(request):
            return self.unauthorized(request)
        found = _USER.fullmatch(request.path)
        if found is None:
            return refusal(404, "ResourceNotFound")
        user, what = found.groups()
        if user in self.refusals:
            return refusal(*self.refusals[user])
        match request.method, what.split("/"):
            case "POST", ["teamwork", "sendActivityNotification"]:
                return self._notify(user, request.json())
            case "POST", ["teamwork", "installedApps"]:
                return self._install(user, request.json())
            case "POST", ["events"]:
                return self._add_event(user, request.json())
            case method, ["events", event]:
                return self._one_event(method, (user, event), request)
            case "GET", ["events"]:
                return Reply(200, {"value": self._events_of(user)})
            case "GET", ["calendarView"]:
                return self._view(user, request)
            case "POST", ["calendar", "getSchedule"]:
                return self._schedule(request.json())
        return refusal(404, "ResourceNotFound")

    def throttled(self, request: Request) -> Reply:
        return refusal(429, "TooManyRequests")

    def unauthorized(self, request: Request) -> Reply:
        return refusal(401, "InvalidAuthenticationToken", "Lifetime validation failed, the token is expired.")

    def broken(self, request: Request, status: int) -> Reply:
        return refusal(status, "InternalServerError")

    def _notify(self, user: str, asked: dict[str, Any]) -> Reply:
        """A notification; one with a chain that is there already takes its place."""
        topic = asked.get("topic") or {}
        chain = asked.get("chainId")
        if topic.get("source") == "text" and not topic.get("webUrl", "").startswith("https://teams.microsoft.com/l/"):
            return refusal(400, "BadRequest", "Topic's webUrl must be a Teams deep link.")
        delivery_id, _, handover_id = _ours(topic.get("webUrl", "")).partition("/")
        message = Taken(
            provider=self.name,
            delivery_id=delivery_id,
            handover_id=handover_id,
            to=user,
            content={"summary": (asked.get("previewText") or {}).get("content", "")},
            provider_id=f"{user}#{chain}" if chain is not None else f"{user}#n{next(self._numbers)}",
            at=time.time(),
        )
        with self.lock:
            earlier = self._chains.get(message.provider_id)
            if earlier is None:
                self._chains[message.provider_id] = len(self._taken)
            else:
                self._taken[earlier] = message
        if earlier is None:
            self.take(message)
        return Reply(204)

    def _install(self, user: str, asked: dict[str, Any]) -> Reply:
        if not asked.get("teamsApp@odata.bind", "").endswith(f"/appCatalogs/teamsApps/{APP}"):
            return refusal(404, "NotFound", "The definition for Teams app was not found.")
        with self.lock:
            if user in self.installed:
                return refusal(409, "Conflict", "The app is already installed for the user.")
            self.installed.add(user)
        return Reply(201)

    def _add_event(self, user: str, asked: dict[str, Any]) -> Reply:
        transaction = asked.get("transactionId")
        with self.lock:
            if transaction and (user, transaction) in self._transactions:
                return refusal(self.duplicate_status, "ErrorDuplicateTransactionId")
            self._transactions.add((user, transaction or ""))
            event_id = f"AAMk{next(self._numbers):08d}"
            event = {**asked, "id": event_id}
            self.events[user, event_id] = event
        self.take(
            Taken(
                provider=self.name,
                delivery_id=transaction or "",
                handover_id="",
                to=user,
                content={"subject": asked.get("subject", ""), "text": orjson.dumps(asked).decode()},
                provider_id=event_id,
                at=time.time(),
            )
        )
        return Reply(201, event)

    def _one_event(self, method: str, key: tuple[str, str], request: Request) -> Reply:
        with self.lock:
            event = self.events.get(key)
            if event is None:
                return refusal(404, "ErrorItemNotFound")
            if method == "DELETE":
                del self.events[key]
                return Reply(204)
            if method == "PATCH":
                event.update(request.json())
            return Reply(200, event) if method in {"GET", "PATCH"} else refusal(405, "BadRequest")

    def _events_of(self, user: str) -> list[dict[str, Any]]:
        with self.lock:
            return [event for (owner, _), event in self.events.items() if owner == user]

    def _view(self, user: str, request: Request) -> Reply:
        """The events that touch a time, by their text: all times of the stand-in are UTC."""
        start, end = request.query["startDateTime"][0], request.query["endDateTime"][0]
        events = [
            event
            for event in self._events_of(user)
            if _instant(event["end"]["dateTime"]) > _instant(start)
            and _instant(event["start"]["dateTime"]) < _instant(end)
        ]
        return Reply(200, {"value": events})

    def _schedule(self, asked: dict[str, Any]) -> Reply:
        start, end = _instant(asked["startTime"]["dateTime"]), _instant(asked["endTime"]["dateTime"])
        step = 60 * int(asked.get("availabilityViewInterval") or 30)
        return Reply(200, {"value": [self._availability(each, start, end, step) for each in asked["schedules"]]})

    def _availability(self, address: str, start: float, end: float, step: int) -> dict[str, Any]:
        if address in self.refusals:
            status, code, message = self.refusals[address]
            return {"scheduleId": address, "error": {"responseCode": code, "message": message or str(status)}}
        touching = [
            each for each in self.busy.get(address, []) if _instant(each[1]) > start and _instant(each[0]) < end
        ]
        view, at = "", start
        while at < end:
            taken = [each[2] for each in touching if _instant(each[1]) > at and _instant(each[0]) < at + step]
            view += max((_DIGITS[each] for each in taken), default="0")
            at += step
        items = [
            {
                "status": status,
                "start": {"dateTime": begins, "timeZone": "UTC"},
                "end": {"dateTime": ends, "timeZone": "UTC"},
            }
            for begins, ends, status in touching
        ]
        return {"scheduleId": address, "availabilityView": view, "scheduleItems": items}


#: What a digit of availabilityView stands for.
_DIGITS = {"free": "0", "tentative": "1", "busy": "2", "oof": "3", "workingElsewhere": "4"}


def _ours(web_url: str) -> str:
    """What travels inside a notification: its link's subEntityId."""
    context = parse_qs(urlsplit(web_url).query).get("context", [""])[0]
    try:
        return str(orjson.loads(context).get("subEntityId", ""))
    except (orjson.JSONDecodeError, AttributeError):
        return ""


def _instant(text: str) -> float:
    """Seconds of a time as Graph writes it, with seven digits behind the point and no offset: UTC."""
    moment = datetime.fromisoformat(
        re.sub(r"(\.\d{6})\d+", r"\1", text.replace("Z", "")).removesuffix("+00:00") + "+00:00"
    )
    return moment.timestamp()
