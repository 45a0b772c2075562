"""What an adapter must know of the organisation's account at each provider, as the settings say it.

Where credentials are kept in Prefect blocks instead, `channels.credentials` has put them into the settings before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import SecretStr

from pushpull.settings import Settings, names_in

#: Below it Twilio reports what became of a text message: delivery and handover follow.
TWILIO_STATUS_PATH = "/callbacks/twilio"


@dataclass(frozen=True, kw_only=True)
class SendGridAccount:
    """An account at SendGrid.

    Args:
        api_key: with the scopes mail.send, asm.groups, suppression and messages.read.
        base_url: where its API answers; ``https://api.eu.sendgrid.com`` for accounts in the EU.
        webhook_keys: public keys of the signed event webhook, base64 of DER; two while one is being rotated out.
        groups: unsubscribe group ids, by message family.
        per_second: e-mails per second all workers together may hand over; None: no limit of ours.
    """

    api_key: SecretStr
    base_url: str = "https://api.sendgrid.com"
    webhook_keys: tuple[str, ...] = ()
    groups: Mapping[str, int] = field(default_factory=dict)
    per_second: float | None = None


@dataclass(frozen=True, kw_only=True)
class MicrosoftAccount:
    """An app registration in Entra, which is also the Teams bot.

    Args:
        tenant_id: the organisation's tenant.
        client_id: the app's id, which is the bot's id too.
        teams_app_id: the bot's app in the organisation's Teams catalogue, for installing it and for activity feeds;
            empty: neither is done.
        login_url, graph_url, bot_url: where Microsoft's services answer; ``bot_url`` is used for people whose own
            service address is not known yet.
        openid_url: where the Bot Connector publishes the keys its tokens are signed with.
        service_hosts: hosts, or their endings from a dot on, that a service address may name: tokens are sent there.
        per_second: messages per second in the tenant.
    """

    tenant_id: str
    client_id: str
    client_secret: SecretStr
    teams_app_id: str = ""
    login_url: str = "https://login.microsoftonline.com"
    graph_url: str = "https://graph.microsoft.com/v1.0"
    bot_url: str = "https://smba.trafficmanager.net/teams"
    openid_url: str = "https://login.botframework.com/v1/.well-known/openidconfiguration"
    service_hosts: tuple[str, ...] = ("smba.trafficmanager.net", ".botframework.com", ".infra.gov.teams.microsoft.us")
    per_second: float | None = 25.0


@dataclass(frozen=True, kw_only=True)
class TwilioAccount:
    """An account at Twilio.

    Args:
        auth_token: of the account; also what callbacks are signed with.
        auth_token_previous: still accepted in callbacks while it is being rotated out.
        messaging_service_sid: ``MG…``: the senders a text message may come from.
        callback_url: our public address that status callbacks go to; the delivery id is put behind it.
        per_second: text messages per second: one for a long code.
    """

    account_sid: str
    auth_token: SecretStr
    messaging_service_sid: str
    auth_token_previous: SecretStr | None = None
    base_url: str = "https://api.twilio.com"
    callback_url: str = ""
    per_second: float | None = 1.0


@dataclass(frozen=True, kw_only=True)
class SlackAccount:
    """An app in a Slack workspace.

    Args:
        bot_token: ``xoxb-…`` with the scopes chat:write, im:write, im:history and users:read.email.
        signing_secret: what Slack signs its requests with; None: no requests from Slack are accepted.
        per_second: messages per second over all conversations.
    """

    bot_token: SecretStr
    signing_secret: SecretStr | None = None
    base_url: str = "https://slack.com/api/"
    per_second: float | None = 1.0


@dataclass(frozen=True, kw_only=True)
class Accounts:
    """The organisation's accounts; None: there is none."""

    sendgrid: SendGridAccount | None = None
    microsoft: MicrosoftAccount | None = None
    twilio: TwilioAccount | None = None
    slack: SlackAccount | None = None


def accounts_of(chosen: Settings, *, groups: Mapping[str, int] | None = None) -> Accounts:
    """The accounts whose credentials are set, whether or not their channels are listed.

    Args:
        groups: SendGrid's unsubscribe groups, by message family.
    """
    return Accounts(
        sendgrid=_sendgrid(chosen, groups or {}),
        microsoft=_microsoft(chosen),
        twilio=_twilio(chosen),
        slack=_slack(chosen),
    )


def _sendgrid(chosen: Settings, groups: Mapping[str, int]) -> SendGridAccount | None:
    if not chosen.sendgrid_api_key:
        return None
    keys = (chosen.sendgrid_webhook_key, chosen.sendgrid_webhook_key_previous)
    return SendGridAccount(
        api_key=chosen.sendgrid_api_key,
        base_url=chosen.sendgrid_url,
        webhook_keys=tuple(key for key in keys if key),
        groups=dict(groups),
        per_second=chosen.sendgrid_per_second or None,
    )


def _microsoft(chosen: Settings) -> MicrosoftAccount | None:
    if not (chosen.teams_tenant_id and chosen.teams_client_id and chosen.teams_client_secret):
        return None
    return MicrosoftAccount(
        tenant_id=chosen.teams_tenant_id,
        client_id=chosen.teams_client_id,
        client_secret=chosen.teams_client_secret,
        teams_app_id=chosen.teams_app_id,
        login_url=chosen.login_url,
        graph_url=chosen.graph_url,
        bot_url=chosen.bot_url,
        openid_url=chosen.teams_openid_url,
        service_hosts=names_in(chosen.teams_service_hosts),
        per_second=chosen.teams_per_second or None,
    )


def _twilio(chosen: Settings) -> TwilioAccount | None:
    if not (chosen.twilio_account_sid and chosen.twilio_auth_token and chosen.twilio_messaging_service_sid):
        return None
    return TwilioAccount(
        account_sid=chosen.twilio_account_sid,
        auth_token=chosen.twilio_auth_token,
        auth_token_previous=chosen.twilio_auth_token_previous,
        messaging_service_sid=chosen.twilio_messaging_service_sid,
        base_url=chosen.twilio_url,
        callback_url=f"{chosen.base_url.rstrip('/')}{TWILIO_STATUS_PATH}",
        per_second=chosen.twilio_per_second or None,
    )


def _slack(chosen: Settings) -> SlackAccount | None:
    if not chosen.slack_bot_token:
        return None
    return SlackAccount(
        bot_token=chosen.slack_bot_token,
        signing_secret=chosen.slack_signing_secret,
        base_url=chosen.slack_url,
        per_second=chosen.slack_per_second or None,
    )
