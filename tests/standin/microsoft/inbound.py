"""Activities as Teams sends them to a bot's endpoint, signed as the Bot Connector signs them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from tests.standin.microsoft.login import Login
from tests.standin.provider import Callback
from tests.standin.variables import CLIENT, TENANT


def an_activity(
    kind: str,
    *,
    person: str,
    service_url: str,
    user_id: str = "",
    conversation_id: str = "",
    at: str = "2026-03-02T08:00:00.000Z",
    **more: Any,
) -> dict[str, Any]:
    """An activity of a one-to-one conversation.

    Args:
        kind: its type: ``message``, ``installationUpdate``, ``conversationUpdate``, ``invoke`` …
        person: the Entra object id.
        more: its other fields, e.g. ``action="add"``, ``text=…``, ``membersAdded=[…]``.
    """
    return {
        "type": kind,
        "id": f"f:{person}-{kind}-{at}",
        "timestamp": at,
        "channelId": "msteams",
        "serviceUrl": service_url,
        "from": {"id": user_id or f"29:{person}", "name": "Somebody", "aadObjectId": person},
        "conversation": {
            "conversationType": "personal",
            "id": conversation_id or f"a:{person}",
            "tenantId": TENANT,
        },
        "recipient": {"id": f"28:{CLIENT}", "name": "Learning"},
        "channelData": {"tenant": {"id": TENANT}},
        **more,
    }


def an_installation(person: str, service_url: str, *, is_added: bool = True, **more: Any) -> dict[str, Any]:
    """What Teams says when somebody gets the bot, or removes it."""
    action = "add" if is_added else "remove"
    return an_activity("installationUpdate", person=person, service_url=service_url, action=action, **more)


def signed(
    login: Login,
    url: str,
    activity: Mapping[str, Any] | bytes,
    *,
    claims: Mapping[str, Any] | None = None,
    key: RSAPrivateKey | str | bytes | None = None,
    algorithm: str = "RS256",
    headers: Mapping[str, Any] | None = None,
) -> Callback:
    """A request to our endpoint, with the token the Bot Connector would send along.

    Args:
        activity: the body, or its bytes.
        claims: instead of, or beside, the right ones; None as a value leaves one out.
        key: another than the login service publishes: a forgery.
        headers: of the token, beside the right ones.
    """
    body = activity if isinstance(activity, bytes) else orjson.dumps(activity)
    service_url = "" if isinstance(activity, bytes) else activity.get("serviceUrl", "")
    now = int(time.time())
    said = {
        "iss": "https://api.botframework.com",
        "aud": CLIENT,
        "nbf": now - 300,
        "exp": now + 3600,
        "serviceurl": service_url,
        **(claims or {}),
    }
    token = jwt.encode(
        {name: value for name, value in said.items() if value is not None},
        key if key is not None else login.key,
        algorithm=algorithm,
        headers={"kid": login.key_id, **(headers or {})},
    )
    return Callback(url, {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}, body)
