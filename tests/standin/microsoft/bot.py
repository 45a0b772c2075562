"""The Bot Connector of Teams: conversations are opened, cards posted into them and changed later."""

from __future__ import annotations

import hashlib
import re
import time
from itertools import count
from typing import Any

import orjson

from tests.standin.microsoft.passes import Gate, refusal
from tests.standin.provider import Provider, Reply, Request, Taken

_ACTIVITIES = re.compile(r"/v3/conversations/(.+)/activities")
_ACTIVITY = re.compile(r"/v3/conversations/(.+)/activities/([^/]+)")
_CARD = "application/vnd.microsoft.card.adaptive"


class BotConnector(Provider):
    """The Bot Connector. A path before ``/v3``, as in regional service addresses, is let be."""

    name = "bot"
    prefix = "/bot"
    contracts = ("botframework_connector_v3.json",)

    def __init__(self) -> None:
        super().__init__()
        self.gate = Gate("bot")
        self._numbers = count(1_700_000_000_000)
        self._begin()

    def _begin(self) -> None:
        self.gate.open()
        #: By user, conversation or channel id: what is answered instead, as status and code.
        self.refusals: dict[str, tuple[int, str]] = {}
        #: What every card shows now, by conversation and activity.
        self.cards: dict[tuple[str, str], dict[str, Any]] = {}
        #: How often each card was changed.
        self.updates: dict[tuple[str, str], int] = {}

    def forget(self) -> None:
        super().forget()
        self._begin()

    def refuse(self, who: str, status: int, code: str) -> None:
        """From now on answer so to whatever is for this user, conversation or channel id."""
        self.refusals[who] = (status, code)

    def conversation_of(self, user_id: str) -> str:
        """The one-to-one conversation with a user: always the same."""
        return f"a:{hashlib.sha256(user_id.encode()).hexdigest()[:40]}"

    def answer(self, request: Request) -> Reply:
        if not self.gate.lets(request):
            return self.unauthorized(request)
        if request.method == "POST" and request.path == "/v3/conversations":
            return self._open(request.json())
        if request.method == "POST" and (found := _ACTIVITIES.fullmatch(request.path)):
            return self._post(found[1], request.json())
        if request.method == "PUT" and (found := _ACTIVITY.fullmatch(request.path)):
            return self._update(found[1], found[2], request.json())
        return refusal(404, "ServiceError")

    def throttled(self, request: Request) -> Reply:
        return refusal(429, "Throttled", "Too many requests.")

    def unauthorized(self, request: Request) -> Reply:
        return Reply(401, {"message": "Authorization has been denied for this request."})

    def broken(self, request: Request, status: int) -> Reply:
        return refusal(status, "ServiceError", "An unexpected error occurred.")

    def _open(self, asked: dict[str, Any]) -> Reply:
        if asked.get("isGroup"):
            return self._post_to_channel(asked)
        members = asked.get("members") or [{}]
        user_id = members[0].get("id", "")
        if not user_id or not asked.get("channelData", {}).get("tenant", {}).get("id"):
            return refusal(400, "BadSyntax", "Incorrect conversation creation parameters")
        refused = self._refused(user_id)
        return refused or Reply(201, {"id": self.conversation_of(user_id)})

    def _post_to_channel(self, asked: dict[str, Any]) -> Reply:
        channel = asked.get("channelData", {}).get("channel", {}).get("id", "")
        if not channel or "activity" not in asked:
            return refusal(400, "BadSyntax", "Incorrect conversation creation parameters")
        if refused := self._refused(channel):
            return refused
        number = str(next(self._numbers))
        conversation = f"{channel};messageid={number}"
        self._keep(conversation, number, asked["activity"], to=channel)
        return Reply(201, {"id": conversation, "activityId": number})

    def _post(self, conversation: str, activity: dict[str, Any]) -> Reply:
        user_id = activity.get("recipient", {}).get("id", "")
        if refused := self._refused(conversation) or self._refused(user_id):
            return refused
        if activity.get("type") != "message" or not _card(activity):
            return refusal(400, "BadArgument", "Unknown attachment type")
        number = str(next(self._numbers))
        person = activity.get("recipient", {}).get("aadObjectId") or user_id or conversation
        self._keep(conversation, number, activity, to=person)
        return Reply(201, {"id": number})

    def _update(self, conversation: str, number: str, activity: dict[str, Any]) -> Reply:
        if refused := self._refused(conversation):
            return refused
        with self.lock:
            if (conversation, number) not in self.cards:
                return refusal(404, "ActivityNotFoundInConversation")
            self.cards[conversation, number] = _card(activity)
            self.updates[conversation, number] = self.updates.get((conversation, number), 0) + 1
        return Reply(200, {"id": number})

    def _keep(self, conversation: str, number: str, activity: dict[str, Any], *, to: str) -> None:
        ours = activity.get("channelData", {}).get("pushpull", {})
        with self.lock:
            self.cards[conversation, number] = _card(activity)
        self.take(
            Taken(
                provider=self.name,
                delivery_id=ours.get("delivery", ""),
                handover_id=ours.get("handover", ""),
                to=to,
                content={"card": orjson.dumps(_card(activity)).decode(), "summary": activity.get("summary", "")},
                provider_id=f"{conversation}|{number}",
                at=time.time(),
            )
        )

    def _refused(self, who: str) -> Reply | None:
        found = self.refusals.get(who)
        return refusal(*found) if found else None


def _card(activity: dict[str, Any]) -> dict[str, Any]:
    for each in activity.get("attachments", []):
        if each.get("contentType") == _CARD and isinstance(each.get("content"), dict):
            return dict(each["content"])
    return {}
