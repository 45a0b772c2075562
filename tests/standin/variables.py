"""The settings that point an installation at a stand-in."""

from __future__ import annotations

from collections.abc import Mapping

from tests.standin.engine import StandIn

#: What the stand-in's providers take for credentials: nobody else's.
TENANT = "0f0e0d0c-0b0a-4908-8706-050403020100"
CLIENT = "11111111-2222-4333-8444-555555555555"
#: The bot's app in the tenant's catalogue.
APP = "22222222-3333-4444-8555-666666666666"


def variables(standin: StandIn) -> Mapping[str, str]:
    """Environment variables by name, for the providers that are there."""
    said: dict[str, str] = {}
    channels = []
    for channel, provider in {"email": "sendgrid", "teams": "bot", "sms": "twilio", "slack": "slack"}.items():
        if any(each.prefix == f"/{provider}" for each in standin.providers.values()):
            channels.append(channel)
            said |= _OF_CHANNEL[channel](f"http://127.0.0.1:{standin.port}")
    key = next((each.webhook_key for each in standin.providers.values() if hasattr(each, "webhook_key")), "")
    if key:
        said["PUSHPULL_SENDGRID_WEBHOOK_KEY"] = key
    return {"PUSHPULL_CHANNELS": ",".join(channels), **said}


def _email(base: str) -> Mapping[str, str]:
    return {"PUSHPULL_SENDGRID_URL": f"{base}/sendgrid", "PUSHPULL_SENDGRID_API_KEY": "SG.stand-in"}


def _teams(base: str) -> Mapping[str, str]:
    return {
        "PUSHPULL_LOGIN_URL": f"{base}/login",
        "PUSHPULL_GRAPH_URL": f"{base}/graph/v1.0",
        "PUSHPULL_BOT_URL": f"{base}/bot",
        "PUSHPULL_TEAMS_SERVICE_HOSTS": "127.0.0.1",
        "PUSHPULL_TEAMS_TENANT_ID": TENANT,
        "PUSHPULL_TEAMS_CLIENT_ID": CLIENT,
        "PUSHPULL_TEAMS_CLIENT_SECRET": "stand-in",
        "PUSHPULL_TEAMS_APP_ID": APP,
        "PUSHPULL_TEAMS_OPENID_URL": f"{base}/login/v1/.well-known/openidconfiguration",
    }


def _sms(base: str) -> Mapping[str, str]:
    return {
        "PUSHPULL_TWILIO_URL": f"{base}/twilio",
        "PUSHPULL_TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
        "PUSHPULL_TWILIO_AUTH_TOKEN": "stand-in",
        "PUSHPULL_TWILIO_MESSAGING_SERVICE_SID": "MG" + "0" * 32,
    }


def _slack(base: str) -> Mapping[str, str]:
    return {
        "PUSHPULL_SLACK_URL": f"{base}/slack/api/",
        "PUSHPULL_SLACK_BOT_TOKEN": "xoxb-stand-in",
        "PUSHPULL_SLACK_SIGNING_SECRET": "stand-in",
    }


_OF_CHANNEL = {"email": _email, "teams": _teams, "sms": _sms, "slack": _slack}
