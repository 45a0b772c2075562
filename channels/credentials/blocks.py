"""The types of blocks: one per provider, each with its account, its official client and a check.

A block holds what identifies and authenticates; addresses and speeds stay ``PUSHPULL_`` variables.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self, TypeVar

import msal
from prefect.blocks.core import Block
from pydantic import Field, HttpUrl, SecretStr
from sendgrid import SendGridAPIClient
from slack_sdk import WebClient
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client as TwilioClient

from channels.accounts import (
    Accounts,
    MicrosoftAccount,
    SendGridAccount,
    SlackAccount,
    TwilioAccount,
    accounts_of,
)
from channels.checking import check
from channels.email.transport import sdk
from channels.wire import Wire
from pushpull.learners.vocabulary import Channel
from pushpull.settings import CREDENTIALS, Settings, settings

#: How long the official clients wait for an answer; by themselves some wait for ever.
_CLIENT_SECONDS = 30
_NO_SECRET = SecretStr("")
_Account = TypeVar("_Account")


class ProviderCredentials(Block, ABC):
    """What all blocks of credentials share: each field is the setting of the same name behind a prefix."""

    _channel: ClassVar[Channel]
    _prefix: ClassVar[str]

    @abstractmethod
    def account(self) -> Any:
        """The account, with the addresses and speeds of this process's settings."""

    @abstractmethod
    def get_client(self) -> Any:
        """The provider's own client, for flows of your own."""

    def check(self, *, seconds: float = 15.0) -> list[str]:
        """Ask the provider whether the credentials work; nothing is sent.

        Args:
            seconds: how long that may take.

        Returns:
            What is wrong, each with what to do about it; empty: they work.
        """
        return check(self._channel, self._accounts(), seconds=seconds)

    def over(self, chosen: Settings) -> Settings:
        """The settings with this block's credentials in place of the variables."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return chosen.model_copy(update={f"{self._prefix}{name}": _or_none(value) for name, value in values.items()})

    @classmethod
    def of(cls, chosen: Settings) -> Self | None:
        """A block with the credentials of the variables; None where those it needs are not set."""
        if not all(getattr(chosen, name) for name in CREDENTIALS[cls._channel]):
            return None
        found = {name: getattr(chosen, f"{cls._prefix}{name}") for name in cls.model_fields}
        return cls(**{name: value for name, value in found.items() if value})

    def _accounts(self) -> Accounts:
        return accounts_of(self.over(settings()))


class SendGridCredentials(ProviderCredentials):
    """Sends e-mails.

    Example:
        ```python
        from channels.credentials import SendGridCredentials

        credentials = SendGridCredentials.load("BLOCK_NAME")
        problems = credentials.check()
        ```
    """

    _block_type_name = "Pushpull SendGrid Credentials"
    _block_type_slug = "pushpull-sendgrid-credentials"
    _description = "An account at SendGrid: what Pushpull sends e-mails with, and checks SendGrid's events with."
    _documentation_url = HttpUrl("https://www.twilio.com/docs/sendgrid/api-reference")
    _channel = Channel.EMAIL
    _prefix = "sendgrid_"

    api_key: SecretStr = Field(
        title="API key",
        description="Begins with SG. and has the scopes that docs/channels.md names.",
    )
    webhook_key: str = Field(
        "",
        title="Webhook verification key",
        description="Public key of the signed event webhook, base64; empty: SendGrid's events are refused.",
    )
    webhook_key_previous: str = Field(
        "",
        title="Former verification key",
        description="Still accepted while the verification key is being rotated out.",
    )

    def account(self) -> SendGridAccount:
        """The account, with the address and speed of this process's settings."""
        return _there(self._accounts().sendgrid)

    def get_client(self) -> SendGridAPIClient:
        """The official client."""
        account = self.account()
        return sdk(account, Wire(account.base_url), seconds=_CLIENT_SECONDS)


class TeamsCredentials(ProviderCredentials):
    """Sends Teams messages.

    Example:
        ```python
        from channels.credentials import TeamsCredentials

        credentials = TeamsCredentials.load("BLOCK_NAME")
        problems = credentials.check()
        ```
    """

    _block_type_name = "Pushpull Teams Credentials"
    _block_type_slug = "pushpull-teams-credentials"
    _description = "An app registration in Entra that is also a Teams bot: what Pushpull sends Teams messages with."
    _documentation_url = HttpUrl("https://learn.microsoft.com/microsoftteams/platform/bots/what-are-bots")
    _channel = Channel.TEAMS
    _prefix = "teams_"

    tenant_id: str = Field(title="Tenant", description="Id of the organisation's Entra tenant, or one of its domains.")
    client_id: str = Field(title="Client id", description="Application id of the app registration, and of the bot.")
    client_secret: SecretStr = Field(
        title="Client secret", description="A secret's value (not its id) of the app registration."
    )
    app_id: str = Field(
        "",
        title="Teams app id",
        description="Id of the bot's app in the organisation's Teams catalogue; empty: it is installed for nobody.",
    )

    def account(self) -> MicrosoftAccount:
        """The account, with the addresses and speed of this process's settings."""
        return _there(self._accounts().microsoft)

    def get_client(self) -> msal.ConfidentialClientApplication:
        """The official client for tokens; making it asks the login service for its addresses."""
        return msal.ConfidentialClientApplication(
            self.client_id,
            client_credential=self.client_secret.get_secret_value(),
            authority=f"{settings().login_url}/{self.tenant_id}",
            timeout=_CLIENT_SECONDS,
        )


class TwilioCredentials(ProviderCredentials):
    """Sends text messages.

    Example:
        ```python
        from channels.credentials import TwilioCredentials

        credentials = TwilioCredentials.load("BLOCK_NAME")
        problems = credentials.check()
        ```
    """

    _block_type_name = "Pushpull Twilio Credentials"
    _block_type_slug = "pushpull-twilio-credentials"
    _description = "An account at Twilio: what Pushpull sends text messages with, and checks Twilio's callbacks with."
    _documentation_url = HttpUrl("https://www.twilio.com/docs/messaging")
    _channel = Channel.SMS
    _prefix = "twilio_"

    account_sid: str = Field(title="Account SID", description="Begins with AC.")
    auth_token: SecretStr = Field(
        title="Auth token", description="Of the account; Twilio signs its callbacks with it too."
    )
    auth_token_previous: SecretStr = Field(
        _NO_SECRET,
        title="Former auth token",
        description="Still accepted in callbacks while the auth token is being rotated out.",
    )
    messaging_service_sid: str = Field(title="Messaging service SID", description="Begins with MG.")

    def account(self) -> TwilioAccount:
        """The account, with the addresses and speed of this process's settings."""
        return _there(self._accounts().twilio)

    def get_client(self) -> TwilioClient:
        """The official client."""
        return TwilioClient(
            self.account_sid,
            self.auth_token.get_secret_value(),
            http_client=TwilioHttpClient(timeout=_CLIENT_SECONDS),
        )


class SlackCredentials(ProviderCredentials):
    """Sends Slack messages.

    Example:
        ```python
        from channels.credentials import SlackCredentials

        credentials = SlackCredentials.load("BLOCK_NAME")
        problems = credentials.check()
        ```
    """

    _block_type_name = "Pushpull Slack Credentials"
    _block_type_slug = "pushpull-slack-credentials"
    _description = (
        "An app in a Slack workspace: what Pushpull sends Slack messages with, and checks Slack's events with."
    )
    _documentation_url = HttpUrl("https://docs.slack.dev/authentication/tokens")
    _channel = Channel.SLACK
    _prefix = "slack_"

    bot_token: SecretStr = Field(title="Bot token", description="Begins with xoxb-.")
    signing_secret: SecretStr = Field(
        _NO_SECRET,
        title="Signing secret",
        description="Of the app's basic information; empty: Slack's events are refused.",
    )

    def account(self) -> SlackAccount:
        """The account, with the address and speed of this process's settings."""
        return _there(self._accounts().slack)

    def get_client(self) -> WebClient:
        """The official client."""
        return WebClient(self.bot_token.get_secret_value(), base_url=settings().slack_url, timeout=_CLIENT_SECONDS)


#: Every type of block, by its channel.
BLOCKS: Mapping[Channel, type[ProviderCredentials]] = {
    block._channel: block for block in (SendGridCredentials, TeamsCredentials, TwilioCredentials, SlackCredentials)
}


def _or_none(value: object) -> object:
    return None if isinstance(value, SecretStr) and not value.get_secret_value() else value


def _there(account: _Account | None) -> _Account:
    assert account is not None, "a block has all an account needs"
    return account
