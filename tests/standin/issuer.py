"""An OpenID provider for tests: discovery, authorisation, token, keys and user info over real HTTP on this machine.

Strict where a provider must be: it knows its one client, its one address to come back to, codes that work once, and
PKCE. Broken on purpose where a test says so. Alone it runs by ``python -m tests.standin.issuer``, and then shows a page
on which one chooses whom to be.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import StrEnum
from html import escape
from typing import Any, Self
from urllib.parse import parse_qsl, quote, urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

CLIENT, SECRET = "pushpull", "a secret between two stand-ins"
#: How long a slow answer takes, in seconds.
SLOW = 3.0


class Fault(StrEnum):
    """What a provider, or somebody in its place, may get wrong."""

    WRONG_NONCE = "wrong nonce"
    NO_NONCE = "no nonce"
    WRONG_AUDIENCE = "wrong audience"
    WRONG_AUDIENCE_FOR_US = "wrong audience, said to be for us"
    WRONG_ISSUER = "wrong issuer"
    EXPIRED = "expired"
    NO_EXPIRY = "no expiry"
    UNSIGNED = "alg none"
    SIGNED_WITH_THE_PUBLIC_KEY = "HS256 with the public key"
    UNKNOWN_KEY = "key unknown"
    NO_ID_TOKEN = "no id token"
    GARBAGE = "garbage"
    DENIED = "denied"
    WRONG_STATE = "state of another sign-in"
    ANOTHER_SUBJECT = "user info of somebody else"
    TOKEN_ERROR = "500 at the token endpoint"
    TOKEN_SLOW = "slow at the token endpoint"
    TOKEN_DRIPPING = "a byte now and then at the token endpoint"
    DISCOVERY_ERROR = "500 at discovery"
    DISCOVERY_SLOW = "slow at discovery"
    DISCOVERY_GARBAGE = "garbage at discovery"
    DISCOVERY_OF_ANOTHER = "discovery of another issuer"
    DISCOVERY_UNENCRYPTED = "an endpoint elsewhere, not encrypted"
    KEYS_ERROR = "500 at the keys"


@dataclass(frozen=True)
class Person:
    """Somebody who can sign in; ``claims`` as the provider gives them."""

    subject: str
    claims: dict[str, Any] = field(default_factory=dict)


@dataclass
class Issuer:
    """A provider on a free port; use it as a context manager.

    Args:
        redirect_uri: the one address it sends browsers back to; empty: any.
        people: who can sign in; the first does, unless ``chosen`` names another, or ``asks``.
        asks: it shows a page to choose on.
        in_userinfo: claims that are left out of the id token.
    """

    redirect_uri: str = ""
    people: list[Person] = field(default_factory=list)
    chosen: str = ""
    asks: bool = False
    fault: Fault | None = None
    in_userinfo: frozenset[str] = frozenset()
    port: int = 0
    asked: list[str] = field(default_factory=list)
    _codes: dict[str, tuple[Person, dict[str, str]]] = field(default_factory=dict)
    _tokens: dict[str, Person] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._name = f"one {secrets.token_hex(4)}"  # each start has a key of its own, and says so as real ones do
        self._key = RSAKey.generate_key(2048, {"kid": self._name})
        self._other_key = RSAKey.generate_key(2048, {"kid": "two"})
        routes = [
            Route("/.well-known/openid-configuration", self._discovery),
            Route("/authorize", self._authorize),
            Route("/token", self._token, methods=["POST"]),
            Route("/keys", self._keys),
            Route("/userinfo", self._userinfo),
        ]
        config = uvicorn.Config(Starlette(routes=routes), host="127.0.0.1", port=self.port, log_level="error")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        for _ in range(500):
            if self._server.started:
                break
            time.sleep(0.01)
        self.port = self._server.servers[0].sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(5)

    def rotate(self) -> None:
        """Sign with a new key from now on, and forget the old one."""
        self._name = f"rotated {self._name}"
        self._key = RSAKey.generate_key(2048, {"kid": self._name})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def _discovery(self, _: Request) -> Response:
        self.asked.append("discovery")
        if self.fault is Fault.DISCOVERY_SLOW:
            await asyncio.sleep(SLOW)
        if self.fault is Fault.DISCOVERY_ERROR:
            return Response(status_code=500)
        if self.fault is Fault.DISCOVERY_GARBAGE:
            return Response("<html>sorry</html>")
        of = "https://id.other.example" if self.fault is Fault.DISCOVERY_OF_ANOTHER else self.url
        token_at = "http://id.example/token" if self.fault is Fault.DISCOVERY_UNENCRYPTED else f"{self.url}/token"
        return JSONResponse(
            {
                "issuer": of,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": token_at,
                "jwks_uri": f"{self.url}/keys",
                "userinfo_endpoint": f"{self.url}/userinfo",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "code_challenge_methods_supported": ["S256"],
                # A provider that offers too much must not get us to take it.
                "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
            }
        )

    async def _authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        expected = {"client_id": CLIENT, "response_type": "code", "code_challenge_method": "S256"}
        wrong = [name for name, value in expected.items() if asked.get(name) != value]
        wrong += [name for name in ("state", "nonce", "code_challenge", "redirect_uri") if not asked.get(name)]
        if self.redirect_uri and asked.get("redirect_uri") != self.redirect_uri:
            wrong.append("redirect_uri")
        if "openid" not in asked.get("scope", "").split():
            wrong.append("scope")
        if wrong:
            return Response(f"invalid request: {', '.join(wrong)}", status_code=400)
        if self.fault is Fault.DENIED:
            return self._back(asked, error="access_denied", error_description="<script>no</script>")
        subject = asked.pop("as", "") or self.chosen
        if self.asks and not subject:
            choices = "".join(
                f'<li><a href="/authorize?{escape(urlencode({**asked, "as": each.subject}))}">'
                f"{escape(str(each.claims.get('name', each.subject)))}</a></li>"
                for each in self.people
            )
            return HTMLResponse(f"<!doctype html><title>Sign in</title><h1>Who are you?</h1><ul>{choices}</ul>")
        person = next(each for each in self.people if subject in ("", each.subject))
        code = secrets.token_urlsafe(16)
        self._codes[code] = (person, asked)
        return self._back(asked, code=code)

    def _back(self, asked: dict[str, str], **values: str) -> Response:
        query = urlencode({**values, "state": "x" if self.fault is Fault.WRONG_STATE else asked["state"]})
        return RedirectResponse(f"{asked['redirect_uri']}?{query}", status_code=302)

    async def _token(self, request: Request) -> Response:
        if self.fault is Fault.TOKEN_ERROR:
            return Response(status_code=500)
        if self.fault is Fault.TOKEN_SLOW:
            await asyncio.sleep(SLOW)
        if self.fault is Fault.TOKEN_DRIPPING:
            return StreamingResponse(_drops(), media_type="application/json")
        form = dict(parse_qsl((await request.body()).decode()))
        pairs = (f"{CLIENT}:{SECRET}", f"{CLIENT}:{quote(SECRET)}")  # RFC 6749 has it encoded, many clients do not
        known = {f"Basic {base64.b64encode(pair.encode()).decode()}" for pair in pairs}
        if request.headers.get("authorization") not in known:
            return JSONResponse({"error": "invalid_client"}, status_code=401)
        person, asked = self._codes.pop(str(form.get("code")), (None, {}))
        verifier = hashlib.sha256(str(form.get("code_verifier")).encode()).digest()
        challenge = base64.urlsafe_b64encode(verifier).rstrip(b"=").decode()
        if (
            person is None
            or challenge != asked["code_challenge"]
            or form.get("redirect_uri") != asked["redirect_uri"]
            or form.get("grant_type") != "authorization_code"
        ):
            return JSONResponse({"error": "invalid_grant"}, status_code=400)
        access = secrets.token_urlsafe(16)
        self._tokens[access] = person
        answer = {"access_token": access, "token_type": "Bearer", "expires_in": 300}
        if self.fault is not Fault.NO_ID_TOKEN:
            answer["id_token"] = "a.b.c" if self.fault is Fault.GARBAGE else self._signed(person, asked["nonce"])
        return JSONResponse(answer)

    def _signed(self, person: Person, nonce: str) -> str:
        now = int(time.time())
        claims: dict[str, Any] = {
            **{name: value for name, value in person.claims.items() if name not in self.in_userinfo},
            "iss": self.url, "sub": person.subject, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": nonce,
        }  # fmt: skip
        match self.fault:
            case Fault.WRONG_NONCE:
                claims["nonce"] = "of another sign-in"
            case Fault.NO_NONCE:
                del claims["nonce"]
            case Fault.WRONG_AUDIENCE:
                claims["aud"] = "another client"
            case Fault.WRONG_AUDIENCE_FOR_US:
                claims |= {"aud": "another client", "azp": CLIENT}
            case Fault.WRONG_ISSUER:
                claims["iss"] = "https://id.other.example"
            case Fault.EXPIRED:
                claims |= {"iat": now - 7200, "exp": now - 3600}
            case Fault.NO_EXPIRY:
                del claims["exp"]
        if self.fault is Fault.UNSIGNED:
            return _forged("none", self._name, claims, None)
        if self.fault is Fault.SIGNED_WITH_THE_PUBLIC_KEY:
            return _forged("HS256", self._name, claims, self._key.as_pem(private=False))
        if self.fault is Fault.UNKNOWN_KEY:
            return jwt.encode({"alg": "RS256", "kid": "two"}, claims, self._other_key)
        return jwt.encode({"alg": "RS256", "kid": self._name}, claims, self._key)

    async def _keys(self, _: Request) -> Response:
        self.asked.append("keys")
        if self.fault is Fault.KEYS_ERROR:
            return Response(status_code=500)
        return JSONResponse({"keys": [self._key.as_dict(private=False) | {"use": "sig", "alg": "RS256"}]})

    async def _userinfo(self, request: Request) -> Response:
        self.asked.append("userinfo")
        person = self._tokens.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        if person is None:
            return Response(status_code=401)
        subject = "somebody else" if self.fault is Fault.ANOTHER_SUBJECT else person.subject
        return JSONResponse({**person.claims, "sub": subject})


async def _drops() -> AsyncIterator[bytes]:
    """Never silent for long, so that no limit on silence ends it."""
    for _ in range(int(SLOW / 0.1)):
        yield b" "
        await asyncio.sleep(0.1)


def _forged(alg: str, kid: str, claims: dict[str, Any], secret: bytes | None) -> str:
    """A token as no library would make it."""
    parts = [json.dumps(part).encode() for part in ({"alg": alg, "kid": kid}, claims)]
    signed = ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
    tag = hmac.digest(secret, signed.encode(), "sha256") if secret else b""
    return f"{signed}.{base64.urlsafe_b64encode(tag).rstrip(b'=').decode()}"


def main() -> None:
    """Run until interrupted, on port 8093."""
    people = [
        # who leads a department of the company that `pushpull import sample` makes
        Person("boss", {"name": "Tracy (manager)", "email": "tracy.hall@example.org"}),
        Person("sponsor", {"name": "Joan (sponsor)", "email": "joan@example.org", "groups": ["sponsors"]}),
        Person("ops", {"name": "Mary (ops)", "email": "mary@example.org", "groups": ["ops"]}),
    ]
    with Issuer(people=people, asks=True, port=8093) as issuer:
        print(
            f"PUSHPULL_OIDC_ISSUER={issuer.url} PUSHPULL_OIDC_CLIENT_ID={CLIENT} PUSHPULL_OIDC_CLIENT_SECRET={SECRET!r}"
        )
        print("PUSHPULL_OIDC_SPONSOR_GROUP=sponsors PUSHPULL_OIDC_OPS_GROUP=ops")
        threading.Event().wait()


if __name__ == "__main__":
    main()
