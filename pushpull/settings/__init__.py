"""Settings: every knob of an installation, read from ``PUSHPULL_*`` variables or a ``.env`` file.

Each field's description is its documentation: ``pushpull doctor`` and ``.env.example`` are made from it.
What real channels need to be set is held in :mod:`pushpull.settings.real_channels`.
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from pushpull.settings.real_channels import (
    ADDRESSES,
    CREDENTIALS,
    SANDBOX,
    checked_address,
    checked_channels,
    checked_webhook_key,
    is_this_machine,
    names_in,
    problems,
)

__all__ = ["CREDENTIALS", "SANDBOX", "SANDBOX_KEY", "Settings", "is_this_machine", "names_in", "settings"]

#: Where the repository's own content lives, when no other folder is named.
_CONTENT = Path(__file__).resolve().parent.parent.parent / "content"

#: A key that is public on purpose: enough for the sandbox, refused wherever real messages leave.
SANDBOX_KEY = "sandbox-only-not-a-secret"


class Settings(BaseSettings):
    """What an installation can set.

    Raises:
        pydantic.ValidationError: a value is not usable; the message names the variable's field.
    """

    model_config = SettingsConfigDict(
        env_prefix="PUSHPULL_", env_file=".env", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    database_url: str = Field(
        "sqlite:///var/pushpull.db",
        description="Where the ledger lives: sqlite:///path (the embedded default) or postgresql://user:password@host/db.",
        repr=False,
    )
    content_dir: Path = Field(_CONTENT, description="Folder with campaigns/, brands/, trends/ and templates/.")
    outbox_dir: Path = Field(
        Path("var/outbox"), description="Where the sandbox writes messages instead of sending them."
    )
    channels: str = Field(
        SANDBOX,
        description="'sandbox' (nothing leaves the machine), or those that really send: email, teams, sms, slack.",
    )
    credentials_block: str = Field(
        "",
        description="Name of the Prefect blocks that hold the providers' credentials; empty: the variables below.",
    )
    base_url: str = Field(
        "http://127.0.0.1:8080", description="Public address of the web app; links in messages start with it."
    )
    link_key: SecretStr = Field(
        SecretStr(SANDBOX_KEY),
        description="Secret from which link-signing keys are derived (32 random bytes or more, hex or any text).",
        min_length=16,
    )
    link_key_previous: SecretStr | None = Field(
        None, description="The former link secret, still accepted while it is being rotated out."
    )
    report_url: str = Field(
        "",
        description="Where people who may see them find campaign reports, with {campaign}; linked in the Prefect UI.",
    )
    timezone: str = Field("UTC", description="IANA zone of the organisation: used for learners whose zone is unknown.")
    global_holdout: float = Field(
        0.0,
        description="Share of all learners (0 to 0.5) who get no nudge of any campaign.",
        ge=0,
        le=0.5,
    )
    cap_per_day: int = Field(2, description="Most messages one learner gets on a local day, over all campaigns.", ge=1)
    cap_per_week: int = Field(5, description="Most messages one learner gets in any 7 local days.", ge=1)
    cap_per_month: int = Field(12, description="Most messages one learner gets in any 30 local days.", ge=1)
    mandatory_cap_per_day: int = Field(
        2,
        description="The same for mandatory messages, whose week is 3 and whose month 8 times that.",
        ge=1,
    )
    lease_seconds: float = Field(60.0, description="How long a worker may keep a claimed batch, in seconds.", gt=0)
    call_deadline_seconds: float = Field(
        30.0, description="Longest a provider call may take, in seconds; below the lease.", gt=0
    )
    settle_minutes: float = Field(
        15.0, description="How long evidence may take before its absence counts, in minutes.", gt=0
    )
    park_minutes: float = Field(
        60.0, description="After how many minutes without evidence an uncertain delivery is parked for a person.", gt=0
    )
    batch_size: int = Field(500, description="Deliveries claimed at once by a worker.", ge=1, le=1000)
    shard_runs: int = Field(
        3,
        description="Most runs that help to drain one large wave, on any worker of the pool (PostgreSQL); 0: none.",
        ge=0,
        le=15,
    )
    misfire_grace_minutes: float = Field(
        180.0, description="A wave later than this asks a person instead of sending, in minutes.", gt=0
    )
    cost_email: Decimal = Field(Decimal(0), description="What one e-mail costs; 0: no price is known.", ge=0)
    cost_teams: Decimal = Field(Decimal(0), description="What one Teams message costs; 0: no price is known.", ge=0)
    cost_sms: Decimal = Field(
        Decimal(0), description="What one segment of a text message costs; 0: no price is known.", ge=0
    )
    cost_slack: Decimal = Field(Decimal(0), description="What one Slack message costs; 0: no price is known.", ge=0)
    currency: str = Field("EUR", description="Currency of these prices, e.g. EUR.", pattern=r"^[A-Z]{3}$")

    works_council: bool = Field(
        False,
        description="An agreement with the works council holds: whose click it was is never kept, only how many.",
    )
    fewest_people: int = Field(
        5,
        description="Fewest people that a figure for managers and sponsors speaks of; engagement: twice as many.",
        ge=5,
    )
    erasure_pepper: SecretStr | None = Field(
        None,
        description="Secret under which addresses of erased people stay blocked; never change it. Empty: link_key's.",
        min_length=16,
    )
    oidc_issuer: str = Field(
        "", description="Sign-in of managers, sponsors and ops: issuer of the company's OpenID provider; empty: none."
    )
    oidc_client_id: str = Field("", description="Sign-in: id of our client at the provider.")
    oidc_client_secret: SecretStr | None = Field(None, description="Sign-in: secret of our client at the provider.")
    oidc_groups_claim: str = Field("groups", description="Sign-in: claim that lists the groups a person is in.")
    oidc_sponsor_group: str = Field("", description="Sign-in: group that sees the sponsor's pages; empty: nobody.")
    oidc_ops_group: str = Field("", description="Sign-in: group whose members moderate reviews; empty: nobody.")
    recognition_channel: str = Field(
        "", description="Teams channel for public thanks, 19:…@thread.tacv2; empty: they stay on the wall."
    )

    sendgrid_api_key: SecretStr | None = Field(
        None, description="E-mail: API key with the scopes of docs/channels.md; begins with SG."
    )
    sendgrid_url: str = Field(
        "https://api.sendgrid.com", description="E-mail: SendGrid's API; https://api.eu.sendgrid.com for EU accounts."
    )
    sendgrid_webhook_key: str = Field(
        "", description="E-mail: verification key of the signed event webhook (base64); empty: events are refused."
    )
    sendgrid_webhook_key_previous: str = Field(
        "", description="E-mail: the former verification key, still accepted while it is being rotated out."
    )
    sendgrid_per_second: float = Field(
        0.0, description="E-mail: most messages per second by all workers together; 0: no limit.", ge=0
    )
    sendgrid_dkim_selectors: str = Field(
        "s1,s2", description="E-mail: DKIM selectors whose DNS records the preflight looks for, comma-separated."
    )
    email_plan_ahead_minutes: int = Field(
        0,
        description="E-mail: hand over so many minutes early (16 to 4320) and let SendGrid wait; 0: when it is due.",
        ge=0,
        le=4320,
    )
    teams_tenant_id: str = Field("", description="Teams: id of the organisation's Entra tenant.")
    teams_client_id: str = Field("", description="Teams: id of the app registration, which is the bot's id too.")
    teams_client_secret: SecretStr | None = Field(None, description="Teams: client secret of the app registration.")
    teams_app_id: str = Field(
        "", description="Teams: id of the bot's app in the Teams catalogue; empty: no installing, no activity feed."
    )
    teams_per_second: float = Field(
        25.0, description="Teams: most messages per second by all workers together; 0: no limit.", ge=0
    )
    teams_openid_url: str = Field(
        "https://login.botframework.com/v1/.well-known/openidconfiguration",
        description="Teams: where the Bot Connector publishes the keys its requests are signed with.",
    )
    teams_service_hosts: str = Field(
        "smba.trafficmanager.net,.botframework.com,.infra.gov.teams.microsoft.us",
        description="Teams: hosts (or endings from a dot on) that the bot's tokens may be sent to, comma-separated.",
    )
    login_url: str = Field("https://login.microsoftonline.com", description="Teams: Microsoft's token service.")
    graph_url: str = Field("https://graph.microsoft.com/v1.0", description="Teams: Microsoft Graph.")
    bot_url: str = Field(
        "https://smba.trafficmanager.net/teams",
        description="Teams: the Bot Connector for people whose own service address is not known yet.",
    )
    twilio_account_sid: str = Field("", description="SMS: account SID; begins with AC.")
    twilio_auth_token: SecretStr | None = Field(None, description="SMS: auth token; callbacks are signed with it too.")
    twilio_auth_token_previous: SecretStr | None = Field(
        None, description="SMS: the former auth token, still accepted in callbacks while it is being rotated out."
    )
    twilio_messaging_service_sid: str = Field("", description="SMS: messaging service SID; begins with MG.")
    twilio_url: str = Field("https://api.twilio.com", description="SMS: Twilio's API.")
    twilio_per_second: float = Field(
        1.0, description="SMS: most messages per second by all workers together (a long code: 1); 0: no limit.", ge=0
    )
    slack_bot_token: SecretStr | None = Field(None, description="Slack: bot token of the app; begins with xoxb-.")
    slack_signing_secret: SecretStr | None = Field(
        None, description="Slack: signing secret of the app; empty: events from Slack are refused."
    )
    slack_url: str = Field("https://slack.com/api/", description="Slack: its Web API.")
    slack_per_second: float = Field(
        1.0, description="Slack: most messages per second by all workers together; 0: no limit.", ge=0
    )

    @field_validator("*", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: Any, info: ValidationInfo) -> Any:
        field = cls.model_fields[info.field_name or ""]
        return None if value == "" and field.default is None else value

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"{value!r} is not an IANA time zone such as Europe/Berlin") from error
        return value

    @field_validator("channels")
    @classmethod
    def _channels_exist(cls, value: str) -> str:
        return ",".join(checked_channels(value))

    @field_validator("sendgrid_webhook_key", "sendgrid_webhook_key_previous")
    @classmethod
    def _is_a_public_key(cls, value: str) -> str:
        return checked_webhook_key(value)

    @field_validator("email_plan_ahead_minutes")
    @classmethod
    def _early_enough(cls, value: int) -> int:
        if 0 < value < 16:
            raise ValueError("SendGrid plans no mail less than 15 minutes ahead; write 0, or 16 and more")
        return value

    @field_validator("sendgrid_url", "twilio_url", "slack_url", "login_url", "graph_url", "bot_url", "teams_openid_url")
    @classmethod
    def _secrets_travel_encrypted(cls, value: str) -> str:
        return checked_address(value)

    @field_validator("oidc_issuer")
    @classmethod
    def _sign_in_is_encrypted(cls, value: str) -> str:
        return checked_address(value) if value else ""

    @model_validator(mode="after")
    def _can_really_send(self) -> Settings:
        if found := list(problems(self)):
            raise ValueError("; ".join(found))
        return self

    @property
    def link_key_is_public(self) -> bool:
        """Whether links are signed with the key everybody knows."""
        return self.link_key.get_secret_value() == SANDBOX_KEY

    @property
    def is_sandbox(self) -> bool:
        """Whether nothing leaves the machine."""
        return self.channels == SANDBOX

    @property
    def real_channels(self) -> tuple[str, ...]:
        """The channels that speak to their real provider."""
        return () if self.is_sandbox else names_in(self.channels)

    @property
    def outward_channels(self) -> tuple[str, ...]:
        """Those of them whose messages leave this machine: their provider is not a stand-in on it."""
        return tuple(
            name
            for name in self.real_channels
            if not all(is_this_machine(getattr(self, address)) for address in ADDRESSES[name])
        )


@lru_cache
def settings() -> Settings:
    """The settings of this process, read once."""
    return Settings()
