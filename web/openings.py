"""What is kept of a request for one of our links: who made it, as far as can be told, and from which network."""

from __future__ import annotations

from sqlalchemy import Connection
from starlette.requests import Request

from pushpull.ledger.fetches import Followed, record
from pushpull.ledger.links import Claims
from pushpull.ledger.networks import block_of
from pushpull.ledger.readers import Opening
from pushpull.ledger.vocabulary import FetchKind
from web.session import Visitor
from web.site import now, site_of

_LONGEST_HEADER = 1000


def keep_opening(
    request: Request, connection: Connection, kind: FetchKind, of: Claims | Visitor, *, item_id: int | None = None
) -> None:
    """Keep that a link was opened. It is all that a GET leaves behind.

    Args:
        connection: of a transaction that writes.
        of: what the link said, or whose page it was on.
        item_id: what it led to, where that is not what the message was about.
    """
    site = site_of(request)
    record(
        connection,
        _followed(kind, of, item_id),
        _opening_of(request),
        network=site.signer.network_id(block_of(request.client.host if request.client else "")),
        at=now(),
        keeps_person=not site.settings.works_council,
    )


def _followed(kind: FetchKind, of: Claims | Visitor, item_id: int | None) -> Followed:
    return Followed(
        kind,
        of.jti if isinstance(of, Claims) else None,
        of.learner_id or None,
        of.campaign_id,
        of.wave_id,
        of.rotation if of.wave_id else None,
        item_id or of.item_id,
    )


def _opening_of(request: Request) -> Opening:
    def said(*names: str) -> str:
        return ", ".join(request.headers.get(name, "")[:_LONGEST_HEADER] for name in names).strip(", ")

    return Opening(
        method=request.method,
        agent=said("user-agent"),
        accept=said("accept"),
        accept_language=said("accept-language"),
        fetch_mode=said("sec-fetch-mode"),
        fetch_dest=said("sec-fetch-dest"),
        purpose=said("sec-purpose", "purpose", "x-purpose", "x-moz"),
    )
