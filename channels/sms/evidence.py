"""Which delivery a text message carried, told from our own link in its text.

Twilio keeps no id of ours in a message, so the signed link in the text is all that names its delivery.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

from pushpull.ledger.links import LinkError, LinkSigner, Purpose
from pushpull.ledger.messages import delivery_id

#: The delivery a text belongs to; None: it holds no link of ours.
DeliveryOf = Callable[[str], str | None]

_TOKEN = re.compile(rf"/{Purpose.LANDING}/([A-Za-z0-9_-]{{20,512}})")

#: An old link is as good a witness as a fresh one: read them as of a time when none had expired.
_BEFORE_ALL = datetime(1970, 1, 1, tzinfo=UTC)


def by_links(signer: LinkSigner) -> DeliveryOf:
    """Reads deliveries off the links this installation signed."""

    def delivery_of(text: str) -> str | None:
        for token in _TOKEN.findall(text):
            try:
                claims = signer.read(token, Purpose.LANDING, _BEFORE_ALL)
            except LinkError:
                continue
            if claims.wave_id is not None and claims.rotation is not None:
                return delivery_id(claims.wave_id, claims.rotation, claims.learner_id)
        return None

    return delivery_of
