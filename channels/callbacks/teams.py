"""What the Bot Connector sends our bot: who installed or removed it, and what people answer.

Source: "Authenticate requests from the Bot Connector service to your bot" and "Conversation events in your Teams
bot", Microsoft. The token proves who sends and for which service address; it does not cover the body, which only TLS
protects. So only what is harmless from Microsoft's own mouth is taken from a body, and only for our tenant.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import jwt
from jwt.utils import base64url_decode

from channels.accounts import MicrosoftAccount
from channels.callbacks.fields import an_event, inner, iso_time, parsed_object, short_hash, text
from channels.callbacks.openid import KeySource, KeysUnavailable, SigningKey
from channels.callbacks.verdict import ACCEPTED, SKEW, Refusal, Unreadable, Verdict, refused
from channels.callbacks.words import reply_told, word_of
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.conversations import Reference
from pushpull.ledger.messages import Conversation
from pushpull.ledger.news import Address, BotInstalled, BotRemoved, News, ProviderEvent

ISSUER = "https://api.botframework.com"
CHANNEL_ID = "msteams"

_LONGEST_TOKEN = 8_000
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def verify(body: bytes, *, authorization: str, account: MicrosoftAccount, keys: KeySource, now: datetime) -> Verdict:
    """Whether the Bot Connector made this request, to our bot, about a conversation it may speak for.

    Args:
        authorization: the header; empty where it is missing.
        now: the clock token lifetimes are held against, give or take five minutes.
    """
    if not authorization:
        return refused(Refusal.MISSING)
    try:
        refusal = _refusal(body, authorization, account, keys, now)
    except KeysUnavailable:
        refusal = Refusal.NO_KEYS
    except (jwt.InvalidAudienceError, jwt.InvalidIssuerError):
        refusal = Refusal.STRANGER
    except jwt.DecodeError:
        refusal = Refusal.FORGED
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError, RecursionError):
        refusal = Refusal.MALFORMED
    return refused(refusal) if refusal else ACCEPTED


def _refusal(
    body: bytes, authorization: str, account: MicrosoftAccount, keys: KeySource, now: datetime
) -> Refusal | None:
    scheme, _, token = authorization.partition(" ")
    if scheme != "Bearer" or not _is_exact(token):
        return Refusal.MALFORMED
    header = jwt.get_unverified_header(token)
    # What is plainly not for us is not worth asking Microsoft for its keys.
    unproven = jwt.decode(token, options={"verify_signature": False})
    if (unproven.get("iss"), unproven.get("aud")) != (ISSUER, account.client_id):
        return Refusal.STRANGER
    if not _is_valid_at(unproven, now):
        return Refusal.STALE
    key = keys.find(header["kid"]) if isinstance(header.get("kid"), str) else None
    if key is None:
        return Refusal.FORGED
    claims = _claims(token, key, account.client_id)
    return None if _is_for_us(parsed_object(body), claims, key, account) else Refusal.STRANGER


def _is_exact(token: str) -> bool:
    """Whether the signature is written in the one way there is: its last character has bits that mean nothing."""
    if len(token) > _LONGEST_TOKEN or not token.isascii() or token.count(".") != 2:
        return False
    signature = token.rpartition(".")[2]
    try:
        return urlsafe_b64encode(base64url_decode(signature)).rstrip(b"=").decode() == signature
    except ValueError:
        return False


def _claims(token: str, key: SigningKey, audience: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(
        token,
        key.key,
        algorithms=["RS256"],
        audience=audience,
        issuer=ISSUER,
        # Times are held against the clock we were given, not against this machine's.
        options={"require": ["exp", "iss", "aud"], "verify_exp": False, "verify_nbf": False, "verify_iat": False},
    )
    return claims


def _is_valid_at(claims: Mapping[str, Any], now: datetime) -> bool:
    expires, begins = claims.get("exp"), claims.get("nbf", 0)
    if not isinstance(expires, int | float) or not isinstance(begins, int | float):
        return False
    return begins - SKEW.total_seconds() <= now.timestamp() < expires + SKEW.total_seconds()


def _is_for_us(
    activity: Mapping[str, Any], claims: Mapping[str, Any], key: SigningKey, account: MicrosoftAccount
) -> bool:
    service_url = text(activity, "serviceUrl")
    claimed = claims.get("serviceurl", claims.get("serviceUrl"))
    if not service_url or claimed != service_url or not is_service_url(service_url, account.service_hosts):
        return False
    if text(activity, "channelId") != CHANNEL_ID or CHANNEL_ID not in key.endorsements:
        return False
    tenants = {_tenant(activity), text(inner(activity, "conversation"), "tenantId")} - {""}
    return tenants <= {account.tenant_id}


def is_service_url(url: str, hosts: Sequence[str]) -> bool:
    """Whether tokens may be sent to this address: encrypted, and at a host that is allowed by name or by its ending."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
    except ValueError:
        return False
    if "@" in parts.netloc or not url.isprintable() or "\\" in url:
        return False
    if not any(host.endswith(each) if each.startswith(".") else host == each for each in hosts):
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)


def split(body: bytes) -> list[ProviderEvent]:
    """The one activity a request is.

    Raises:
        Unreadable: it is not an object.
    """
    activity = parsed_object(body)
    key = ":".join([text(activity, "type"), text(inner(activity, "conversation"), "id"), text(activity, "id")])
    return [an_event(activity, key=key if text(activity, "id") else None)]


def read(body: str, *, received_at: datetime) -> Sequence[News]:
    """What an activity means; nothing where it means nothing to us.

    Raises:
        Unreadable: it is not an activity.
    """
    activity = parsed_object(body)
    person = inner(activity, "from")
    address = text(person, "aadObjectId").strip()
    conversation = inner(activity, "conversation")
    if not address or len(address) > 255 or not address.isprintable():
        return ()
    if text(conversation, "conversationType") not in {"", "personal"}:
        return ()  # teams and group chats are not how one person is reached
    at = iso_time(activity.get("timestamp"), received_at=received_at)
    if text(activity, "type") == "message":
        return _message(activity, address, at)
    match _is_installed(activity):
        case True:
            return (BotInstalled(_reference(activity, address, at)),)
        case False:
            return (BotRemoved(address, at),)
        case None:
            return ()


def _message(activity: Mapping[str, Any], address: str, at: datetime) -> Sequence[News]:
    installed = BotInstalled(_reference(activity, address, at))
    word = word_of(text(activity, "text"))
    if word is None:
        return (installed,)
    key = f"reply:{short_hash(text(inner(activity, 'conversation'), 'id'), text(activity, 'id'))}"
    return (installed, reply_told(word, Address(Channel.TEAMS, address), key=key, at=at))


def _is_installed(activity: Mapping[str, Any]) -> bool | None:
    """Whether the person has the bot from now on; None where the activity does not say."""
    match text(activity, "type"):
        case "installationUpdate":
            return not text(activity, "action").startswith("remove")
        case "conversationUpdate" if _names_bot(activity, "membersRemoved"):
            return False
        case "conversationUpdate" if _names_bot(activity, "membersAdded"):
            return True
        case _:
            return None


def _reference(activity: Mapping[str, Any], address: str, at: datetime) -> Reference:
    user_id = text(inner(activity, "from"), "id")
    if not user_id or len(user_id) > 255:
        raise Unreadable("names no user")
    conversation = inner(activity, "conversation")
    tenant_id = _tenant(activity) or text(conversation, "tenantId")
    reached = Conversation(text(activity, "serviceUrl"), user_id, text(conversation, "id"), tenant_id[:64])
    return Reference(address, reached, at)


def _tenant(activity: Mapping[str, Any]) -> str:
    return text(inner(inner(activity, "channelData"), "tenant"), "id")


def _names_bot(activity: Mapping[str, Any], name: str) -> bool:
    members, bot = activity.get(name), text(inner(activity, "recipient"), "id")
    return isinstance(members, list) and any(isinstance(each, dict) and each.get("id") == bot for each in members)
