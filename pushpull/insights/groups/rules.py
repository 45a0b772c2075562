"""The rules of figures as an installation has set them, with the secret of its blur."""

from __future__ import annotations

from pushpull.insights.groups.figures import Rules
from pushpull.ledger.seals import hkdf
from pushpull.settings import Settings


def rules_of(settings: Settings) -> Rules:
    """What an installation decided about figures; the blur's secret is derived from the one of its links."""
    secret = settings.link_key.get_secret_value().encode()
    return Rules(
        hkdf(secret, salt=b"pushpull figures", info=b"v1 blur", length=32),
        settings.fewest_people,
        settings.works_council,
    )
