"""What every route needs: the settings, the database and the signer of links."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlsplit

from sqlalchemy import Engine
from starlette.exceptions import HTTPException
from starlette.requests import Request

from pushpull.ledger.links import Claims, Fault, LinkError, LinkSigner, Purpose
from pushpull.settings import Settings


@dataclass(frozen=True)
class Site:
    """One installation, as the routes see it."""

    settings: Settings
    engine: Engine
    signer: LinkSigner = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "signer", LinkSigner.of(self.settings))

    @property
    def origin(self) -> str:
        """The site as browsers name it in ``Origin``."""
        own = urlsplit(self.settings.base_url)
        return f"{own.scheme}://{own.netloc}"


def site_of(request: Request) -> Site:
    """The site a request came to."""
    site = request.app.state.site
    assert isinstance(site, Site)
    return site


def now() -> datetime:
    """The clock of the web app; the only one its routes read."""
    return datetime.now(UTC)


def claims_of(request: Request, purpose: Purpose) -> tuple[Claims, bool]:
    """What the token in the path says, and whether it has expired.

    Raises:
        HTTPException: 404, the same for whatever is not a token of ours for this purpose.
    """
    try:
        return site_of(request).signer.read(request.path_params["token"], purpose, now()), False
    except LinkError as error:
        if error.kind is Fault.EXPIRED and error.claims is not None:
            return error.claims, True
        raise HTTPException(404) from None
