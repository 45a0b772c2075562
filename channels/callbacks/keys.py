"""What callbacks are verified with. A provider without keys has no endpoint."""

from __future__ import annotations

from dataclasses import dataclass

from channels.accounts import MicrosoftAccount
from channels.callbacks.openid import KeySource
from channels.callbacks.sendgrid import public_key


@dataclass(frozen=True, kw_only=True)
class CallbackKeys:
    """The keys of one installation. Wherever there may be several, two are valid while one is being rotated out.

    Args:
        public_url: where providers reach the web app: what Twilio signs begins with it.
        sendgrid: public keys of the signed event webhook, base64 of DER.
        twilio: auth tokens.
        microsoft: the bot's account; needs ``microsoft_keys``.
        microsoft_keys: where the Bot Connector's signing keys come from.
        slack: signing secrets.

    Raises:
        ValueError: a key of SendGrid's cannot be read, or the bot has no source of keys.
    """

    public_url: str
    sendgrid: tuple[str, ...] = ()
    twilio: tuple[str, ...] = ()
    microsoft: MicrosoftAccount | None = None
    microsoft_keys: KeySource | None = None
    slack: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for key in self.sendgrid:
            public_key(key)
        if (self.microsoft is None) != (self.microsoft_keys is None):
            raise ValueError("the bot's account and the source of Microsoft's keys belong together")

    def __repr__(self) -> str:
        return f"CallbackKeys(public_url={self.public_url!r})"  # tokens never reach a log
