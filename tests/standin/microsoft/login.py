"""login.microsoftonline.com: the tenant's addresses, and tokens for secrets. And login.botframework.com: the keys that
the Bot Connector signs its activities with.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from tests.standin.microsoft.passes import AUDIENCES, a_pass
from tests.standin.provider import Provider, Reply, Request
from tests.standin.variables import CLIENT, TENANT

SECRET = "stand-in"

_TENANT = re.compile(r"/([^/]+)/(v2\.0/\.well-known/openid-configuration|oauth2/v2\.0/token)")


class Login(Provider):
    """The login service.

    Attributes:
        secret: the client secret it takes; another one: as if it had been changed.
        lifetime: of the tokens it gives, in seconds.
        key_id: of the key activities are signed with.
    """

    name = "login"
    prefix = "/login"

    def __init__(self) -> None:
        super().__init__()
        self._begin()

    def _begin(self) -> None:
        self.secret = SECRET
        self.lifetime = 3599.0
        self.key_id = "stand-in-1"
        self.error: tuple[int, str, int] | None = None
        self.issued = 0

    def forget(self) -> None:
        super().forget()
        self._begin()

    def refuse(self, status: int, error: str, code: int) -> None:
        """From now on give this error instead of tokens, e.g. ``(400, "unauthorized_client", 700016)``."""
        self.error = (status, error, code)

    @cached_property
    def key(self) -> RSAPrivateKey:
        """What activities are signed with; nobody else has it."""
        return generate_private_key(65537, 2048)

    def answer(self, request: Request) -> Reply:
        if request.path == "/v1/.well-known/openidconfiguration":
            return self._openid(request)
        if request.path == "/v1/.well-known/keys":
            return Reply(200, {"keys": [self._public_key()]})
        found = _TENANT.fullmatch(request.path)
        if found is None:
            return Reply(404)
        tenant, what = found.groups()
        if tenant != TENANT:
            return _error(400, "invalid_tenant", 90002)
        return self._token(request) if what.endswith("token") else self._addresses(tenant)

    def throttled(self, request: Request) -> Reply:
        return _error(429, "temporarily_unavailable", 90055)

    def unauthorized(self, request: Request) -> Reply:
        return _error(401, "invalid_client", 7000215)

    def broken(self, request: Request, status: int) -> Reply:
        return Reply(status, b"<html>Our services aren't available right now</html>")

    def _addresses(self, tenant: str) -> Reply:
        base = f"https://login.microsoftonline.com/{tenant}"
        return Reply(
            200,
            {
                "token_endpoint": f"{base}/oauth2/v2.0/token",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "issuer": f"{base}/v2.0",
                "jwks_uri": f"{base}/discovery/v2.0/keys",
            },
        )

    def _token(self, request: Request) -> Reply:
        form = request.form()
        if self.error is not None:
            return _error(*self.error)
        if form.get("grant_type") != "client_credentials":
            return _error(400, "unsupported_grant_type", 70003)
        if form.get("client_id") != CLIENT:
            return _error(400, "unauthorized_client", 700016)
        if form.get("client_secret") != self.secret:
            return _error(401, "invalid_client", 7000215)
        audience = AUDIENCES.get(form.get("scope", ""))
        if audience is None:
            return _error(400, "invalid_scope", 70011)
        with self.lock:
            self.issued += 1
        token = a_pass(audience, seconds=self.lifetime)
        seconds = int(self.lifetime)
        return Reply(200, {"token_type": "Bearer", "expires_in": seconds, "access_token": token})

    def _openid(self, request: Request) -> Reply:
        base = f"http://{request.headers['host']}{self.prefix}/v1/.well-known"
        return Reply(
            200,
            {
                "issuer": "https://api.botframework.com",
                "jwks_uri": f"{base}/keys",
                "id_token_signing_alg_values_supported": ["RS256"],
            },
        )

    def _public_key(self) -> dict[str, Any]:
        key: dict[str, Any] = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {**key, "use": "sig", "kid": self.key_id, "endorsements": ["msteams"]}


def _error(status: int, error: str, code: int) -> Reply:
    said = {
        "error": error,
        "error_description": f"AADSTS{code}: A sentence with the name of the app and the tenant in it.",
        "error_codes": [code],
        "correlation_id": "c0ffee00-0000-4000-8000-000000000000",
    }
    return Reply(status, said)
