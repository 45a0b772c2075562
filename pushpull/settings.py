"""Settings: every knob of an installation, read from ``PUSHPULL_*`` variables or a ``.env`` file.

Each field's description is its documentation: ``pushpull doctor`` and ``.env.example`` are made from it.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

#: Where the repository's own content lives, when no other folder is named.
_CONTENT = Path(__file__).resolve().parent.parent / "content"

#: A key that is public on purpose: enough for the sandbox, refused wherever real messages leave.
SANDBOX_KEY = "sandbox-only-not-a-secret"


class Settings(BaseSettings):
    """What an installation can set.

    Raises:
        pydantic.ValidationError: a value is not usable; the message names the variable's field.
    """

    model_config = SettingsConfigDict(env_prefix="PUSHPULL_", env_file=".env", extra="ignore", frozen=True)

    database_url: str = Field(
        "sqlite:///var/pushpull.db",
        description="Where the ledger lives: sqlite:///path (the embedded default) or postgresql://user:password@host/db.",
    )
    content_dir: Path = Field(_CONTENT, description="Folder with campaigns/, brands/, trends/ and templates/.")
    outbox_dir: Path = Field(
        Path("var/outbox"), description="Where the sandbox writes messages instead of sending them."
    )
    channels: str = Field(
        "sandbox",
        description="Which channel set sends: 'sandbox' (nothing leaves the machine). Real providers follow.",
        pattern="^sandbox$",
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
    misfire_grace_minutes: float = Field(
        180.0, description="A wave later than this asks a person instead of sending, in minutes.", gt=0
    )

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"{value!r} is not an IANA time zone such as Europe/Berlin") from error
        return value

    @property
    def link_key_is_public(self) -> bool:
        """Whether links are signed with the key everybody knows."""
        return self.link_key.get_secret_value() == SANDBOX_KEY


@lru_cache
def settings() -> Settings:
    """The settings of this process, read once."""
    return Settings()
