"""Credentials as Prefect blocks: kept encrypted by the Prefect server, edited in its UI.

Register the types with ``prefect block register -m channels.credentials``; ``pushpull setup blocks`` does so too and
saves the present variables. Importing this package needs no server.
"""

from channels.credentials.blocks import (
    BLOCKS,
    ProviderCredentials,
    SendGridCredentials,
    SlackCredentials,
    TeamsCredentials,
    TwilioCredentials,
)
from channels.credentials.storing import CredentialsMissing, save_blocks, with_blocks

__all__ = [
    "BLOCKS",
    "CredentialsMissing",
    "ProviderCredentials",
    "SendGridCredentials",
    "SlackCredentials",
    "TeamsCredentials",
    "TwilioCredentials",
    "save_blocks",
    "with_blocks",
]
