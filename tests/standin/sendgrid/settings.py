"""The settings of a SendGrid account, played: unsubscribe groups and event webhooks."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

from tests.standin.provider import Reply, Request

_WEBHOOKS = "/v3/user/webhooks/event/settings"
_ONE = re.compile(_WEBHOOKS + r"/(signed/)?([^/]+)")


class AccountSettings:
    """Groups and webhooks of one account.

    Args:
        public_key: of signed webhooks.

    Attributes:
        forbidden: paths the key has no scope for.
    """

    def __init__(self, public_key: str) -> None:
        self._public_key = public_key
        self._next_group = 100
        self.groups: list[dict[str, Any]] = []
        self.webhooks: dict[str, dict[str, Any]] = {}
        self.forbidden: set[str] = set()

    @property
    def group_ids(self) -> set[int]:
        """Of the groups there are."""
        return {group["id"] for group in self.groups}

    def add_group(self, name: str) -> int:
        """Make a group, as somebody does in SendGrid's own pages; returns its id."""
        self._next_group += 1
        self.groups.append({"id": self._next_group, "name": name, "description": "", "is_default": False})
        return self._next_group

    def answer(self, request: Request) -> Reply | None:
        """Answer a request; None where it is about something else."""
        match request.method, request.path:
            case "GET", "/v3/asm/groups":
                return Reply(200, [group | {"unsubscribes": 0} for group in self.groups])
            case "POST", "/v3/asm/groups":
                return self._make_group(request.json())
            case "GET", path if path == f"{_WEBHOOKS}/all":
                return Reply(200, {"max_allowed": 5, "webhooks": list(self.webhooks.values())})
            case "POST", path if path == _WEBHOOKS:
                return self._make_webhook(request.json())
        found = _ONE.fullmatch(request.path)
        return self._about(request, is_signing=bool(found[1]), name=found[2]) if found else None

    def _make_group(self, body: Any) -> Reply:
        if not body.get("name") or len(body["name"]) > 30 or not body.get("description"):
            return _error(400, "name or description is missing or too long")
        if any(group["name"] == body["name"] for group in self.groups):
            return _error(400, "name already in use")
        self.add_group(body["name"])
        self.groups[-1]["description"] = body["description"]
        return Reply(201, self.groups[-1])

    def _make_webhook(self, body: Any) -> Reply:
        # SendGrid takes https only; a web app on this machine has no certificate.
        if not body.get("url", "").startswith(("https://", "http://127.0.0.1", "http://localhost")):
            return _error(400, "url is invalid")
        name = str(uuid4())
        self.webhooks[name] = {"id": name, "public_key": "", **body}
        return Reply(201, self.webhooks[name])

    def _about(self, request: Request, *, is_signing: bool, name: str) -> Reply:
        webhook = self.webhooks.get(name)
        if webhook is None:
            return _error(404, "Invalid id provided.")
        if request.method == "PATCH":
            body = request.json()
            webhook |= {"public_key": self._public_key if body["enabled"] else ""} if is_signing else body
        return Reply(200, {"id": name, "public_key": webhook["public_key"]} if is_signing else webhook)


def _error(status: int, message: str) -> Reply:
    return Reply(status, {"errors": [{"message": message, "field": None}]})
