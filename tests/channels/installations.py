"""Builders of settings that send for real."""

from __future__ import annotations

import base64
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pushpull.settings import Settings


def a_webhook_key() -> str:
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    return base64.b64encode(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


SECRET = "the-secret-nobody-may-read"
KEY = a_webhook_key()
#: Enough for every channel to send for real.
READY: dict[str, Any] = {
    "base_url": "https://learn.example",
    "link_key": "a link key of the tests alone",
    "sendgrid_api_key": f"SG.{SECRET}",
    "teams_tenant_id": "tenant",
    "teams_client_id": "client",
    "teams_client_secret": SECRET,
    "twilio_account_sid": "AC1",
    "twilio_auth_token": SECRET,
    "twilio_messaging_service_sid": "MG1",
    "slack_bot_token": f"xoxb-{SECRET}",
}


def settings_with(**values: Any) -> Settings:
    return Settings(_env_file=None, **{**READY, **values})
