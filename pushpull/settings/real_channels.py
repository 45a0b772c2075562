"""What must be set before a real channel may send, and how it is told when it is not. Nothing here repeats a value."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydantic import SecretStr

if TYPE_CHECKING:
    from pushpull.settings import Settings

#: What PUSHPULL_CHANNELS says while nothing leaves the machine.
SANDBOX = "sandbox"
#: The channels with a real provider, and the settings without which it cannot be spoken to.
CREDENTIALS: Mapping[str, Sequence[str]] = {
    "email": ("sendgrid_api_key",),
    "teams": ("teams_tenant_id", "teams_client_id", "teams_client_secret"),
    "sms": ("twilio_account_sid", "twilio_auth_token", "twilio_messaging_service_sid"),
    "slack": ("slack_bot_token",),
}
#: The settings that say where a channel's messages are sent.
ADDRESSES: Mapping[str, Sequence[str]] = {
    "email": ("sendgrid_url",),
    "teams": ("bot_url", "graph_url"),
    "sms": ("twilio_url",),
    "slack": ("slack_url",),
}
#: What the values of some settings begin with, to find those that were mistaken for each other.
_BEGINNINGS: Mapping[str, str] = {
    "sendgrid_api_key": "SG.",
    "twilio_account_sid": "AC",
    "twilio_messaging_service_sid": "MG",
    "slack_bot_token": "xoxb-",
}
#: A public key on the curve P-256 as SubjectPublicKeyInfo (RFC 5480): so many bytes.
_P256_BYTES = 91


def is_this_machine(url: str) -> bool:
    """Whether an address is of this machine alone, as a stand-in's is."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def names_in(text: str) -> tuple[str, ...]:
    """The names of a comma-separated setting."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def checked_channels(text: str) -> tuple[str, ...]:
    """The channels that a setting lists, each a known one and named once.

    Raises:
        ValueError: it cannot be meant so.
    """
    named = names_in(text.lower())
    unknown = [name for name in named if name != SANDBOX and name not in CREDENTIALS]
    if unknown or not named:
        offer = f"write {SANDBOX}, or one or more of {', '.join(CREDENTIALS)}, with commas between"
        raise ValueError(f"{', '.join(map(repr, unknown)) or 'nothing'} is no channel; {offer}")
    if SANDBOX in named and len(named) > 1:
        raise ValueError(f"{SANDBOX} stands alone: a channel that is not listed sends nothing anyway")
    if len(set(named)) < len(named):
        raise ValueError("a channel is named twice")
    return named


def checked_webhook_key(text: str) -> str:
    """A verification key of SendGrid's as it stands on its settings page; empty: none.

    Raises:
        ValueError: it is none.
    """
    try:
        size = len(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        size = -1
    if text and size != _P256_BYTES:
        raise ValueError(
            "this is not the verification key of a signed event webhook; copy it from SendGrid's "
            "Settings → Mail Settings → Event Webhook → Signature Verification"
        )
    return text


def checked_address(url: str) -> str:
    """An address that credentials may be sent to.

    Raises:
        ValueError: it is none, or they would be readable on the way.
    """
    parts = urlsplit(url)
    if not parts.hostname or parts.scheme not in {"http", "https"}:
        raise ValueError("this is not an address such as https://api.example.com")
    if parts.scheme == "http" and not is_this_machine(url):
        raise ValueError("credentials would travel unencrypted; write https://")
    return url


def problems(chosen: Settings) -> Iterator[str]:
    """What keeps the listed channels from sending, in words that never repeat a secret."""
    if chosen.is_sandbox:
        return
    for channel in chosen.real_channels:
        missing = [] if chosen.credentials_block else [n for n in CREDENTIALS[channel] if not _text(chosen, n)]
        if missing:
            names = ", ".join(f"PUSHPULL_{name.upper()}" for name in missing)
            yield f"the channel {channel} needs {names} (or PUSHPULL_CREDENTIALS_BLOCK); see docs/channels.md"
        for name in CREDENTIALS[channel]:
            beginning, text = _BEGINNINGS.get(name, ""), _text(chosen, name)
            if text and not text.startswith(beginning):
                yield f"PUSHPULL_{name.upper()} must begin with {beginning}: is it another one's value?"
    real = chosen.outward_channels
    if not real:
        return  # a rehearsal against a stand-in
    if is_this_machine(chosen.base_url):
        yield f"PUSHPULL_BASE_URL is of this machine alone: nobody who gets a message by {real[0]} can open its links"
        return
    if chosen.link_key_is_public:
        yield "PUSHPULL_LINK_KEY is still the public one, with which anybody can sign links; set 32 random bytes"
    if not chosen.base_url.startswith("https://"):
        yield "PUSHPULL_BASE_URL must begin with https:// once real messages carry its links"


def _text(chosen: Settings, name: str) -> str:
    value = getattr(chosen, name)
    return value.get_secret_value() if isinstance(value, SecretStr) else value or ""
