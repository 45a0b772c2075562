"""Managers, sponsors and ops who signed in with the company's own provider: what their browser keeps of it, and forms
that only pages shown to them can send.

How somebody signs in lives in `web.sign_in`. Nothing is kept on the server: the cookie is signed, ends with the working
day, and opens no learner's page, as a learner's cookie opens none of these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from itsdangerous import BadData, URLSafeSerializer
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from pushpull.ledger.seals import hkdf
from pushpull.settings import Settings
from web.forms import Fields, read_form
from web.session import FORM_TOKEN, NotFromHereError, is_from_here
from web.site import Site, now, site_of

#: How long a sign-in holds; groups are asked for again then.
LENGTH: Final = timedelta(hours=8)

#: The pages behind the sign-in, by the key that a sign-in comes back to: never an address from outside.
PAGES: Final[Mapping[str, str]] = {"team": "/team", "sponsor": "/sponsor", "moderation": "/moderation"}

_LONGEST_COOKIE: Final = 4000


class NoSignInError(HTTPException):
    """A page was asked for that is behind the company's sign-in, and this installation has none."""

    def __init__(self) -> None:
        super().__init__(404)


class NeedsSignIn(HTTPException):
    """A page was asked for that is only for people who signed in.

    Args:
        page: the key in :data:`PAGES` of where to come back to.
    """

    def __init__(self, page: str) -> None:
        super().__init__(401)
        self.page = page


@dataclass(frozen=True, slots=True)
class Staff:
    """Somebody of the company, as its provider says who they are.

    Args:
        subject: the provider's own id of them.
        email: as the provider verified it, case-folded; empty when it did not.
        name: to greet them by; may be empty.
        is_sponsor: may see campaigns as a whole.
        is_ops: may moderate what learners write.
        form_token: what their forms carry.
    """

    subject: str
    email: str
    name: str
    is_sponsor: bool
    is_ops: bool
    form_token: str


def staff_of(request: Request) -> Staff:
    """Who is signed in.

    Raises:
        NoSignInError: there is no sign-in here at all.
        NeedsSignIn: nobody is, or no longer.
    """
    site = site_of(request)
    if not site.settings.oidc_issuer:
        raise NoSignInError
    cookie = request.cookies.get(cookie_name(site), "")
    claims = _claims(site.settings, cookie)
    if claims is None:
        raise NeedsSignIn(_page_of(request.url.path))
    return Staff(
        claims["sub"],
        claims["email"],
        claims["name"],
        claims["sponsor"],
        claims["ops"],
        site.signer.form_token(cookie),
    )


async def staff_form_of(request: Request) -> tuple[Staff, Fields]:
    """Who sent a form, and its fields.

    Raises:
        NoSignInError: there is no sign-in here at all.
        NeedsSignIn: nobody is signed in, or no longer.
        NotFromHereError: none of our pages showed the form to them.
    """
    staff, site = staff_of(request), site_of(request)
    fields = await read_form(request)
    given = fields.get(FORM_TOKEN, [""])
    cookie = request.cookies.get(cookie_name(site), "")
    if not is_from_here(request) or len(given) != 1 or not site.signer.is_form_token(cookie, given[0]):
        raise NotFromHereError
    return staff, fields


def cookie_name(site: Site) -> str:
    """Where the site is encrypted, the prefix binds the cookie to this host (RFC 6265bis, section 4.1.3.2)."""
    return "__Host-pushpull-staff" if is_encrypted(site) else "pushpull-staff"


def is_encrypted(site: Site) -> bool:
    """Whether browsers reach the site by https."""
    return site.settings.base_url.startswith("https:")


def let_in(request: Request, response: Response, *, subject: str, email: str, name: str, groups: Sequence[str]) -> None:
    """Let the browser keep who signed in.

    Args:
        email: verified by the provider; else empty.
        groups: that the provider says they are in.
    """
    site = site_of(request)
    settings = site.settings
    claims = {
        "sub": subject[:255],
        "email": email.strip().casefold()[:320],
        "name": name.strip()[:100],
        "sponsor": bool(settings.oidc_sponsor_group) and settings.oidc_sponsor_group in groups,
        "ops": bool(settings.oidc_ops_group) and settings.oidc_ops_group in groups,
        "exp": int((now() + LENGTH).timestamp()),
    }
    response.set_cookie(
        cookie_name(site),
        _serializer(settings).dumps(claims),
        max_age=int(LENGTH.total_seconds()),
        path="/",
        secure=is_encrypted(site),
        httponly=True,
        samesite="lax",  # strict would not come along when the provider sends the browser back
    )


def let_out(request: Request, response: Response) -> None:
    """Let the browser forget."""
    site = site_of(request)
    response.delete_cookie(cookie_name(site), path="/", secure=is_encrypted(site), httponly=True, samesite="lax")


def _page_of(path: str) -> str:
    return next((key for key, page in PAGES.items() if path == page or path.startswith(f"{page}/")), "team")


def _claims(settings: Settings, cookie: str) -> dict[str, Any] | None:
    """What a cookie says; None unless it is ours, of this provider and not over."""
    if not cookie or len(cookie) > _LONGEST_COOKIE:
        return None
    try:
        claims: dict[str, Any] = _serializer(settings).loads(cookie)
    except BadData:
        return None
    return claims if datetime.fromtimestamp(claims["exp"], UTC) > now() else None


def _serializer(settings: Settings) -> URLSafeSerializer:
    """Signs and verifies; the key is of this use and of this provider, and the former link key still verifies."""
    secrets = (settings.link_key_previous, settings.link_key)  # the last one signs
    info = f"v1 staff {settings.oidc_issuer} {settings.oidc_client_id}".encode()
    keys = [
        hkdf(each.get_secret_value().encode(), salt=b"pushpull staff", info=info, length=32) for each in secrets if each
    ]
    return URLSafeSerializer(keys, salt="staff", signer_kwargs={"digest_method": sha256, "key_derivation": "hmac"})
