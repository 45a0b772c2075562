"""The `twilio` SDK, speaking over our wires: for look-ups, checks and setup.

Sending does not pass through here: the SDK's objects allow about a thousand messages a second.
"""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Callable
from urllib.parse import urlencode, urlsplit

from twilio.http import HttpClient
from twilio.http.response import Response
from twilio.rest import Client

from channels.accounts import TwilioAccount
from channels.silence import SILENT
from channels.wire import NobodyKnows, NothingSent, Wire

_ENDING = ".twilio.com"


class Wires:
    """The hosts of one account: Twilio answers for each of its products under another name.

    Args:
        base_url: where the products ``api`` answers; elsewhere than at Twilio, all products answer there.
    """

    def __init__(self, base_url: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.api = Wire(base_url, monotonic=monotonic)
        self._monotonic = monotonic
        host = urlsplit(base_url).hostname or ""
        self._place = host.removeprefix("api") if host.startswith("api.") and host.endswith(_ENDING) else None
        self._others: dict[str, Wire] = {}

    def to(self, host: str) -> Wire:
        """The wire to the host an SDK's address names.

        Raises:
            NothingSent: it is none of Twilio's; our credentials go nowhere else.
        """
        product = host.removesuffix(_ENDING)
        if product == host or "." in product:
            raise NothingSent("foreign_address")
        if product == "api" or self._place is None:
            return self.api
        if product not in self._others:
            self._others[product] = Wire(f"https://{product}{self._place}", monotonic=self._monotonic)
        return self._others[product]

    def close(self) -> None:
        """Close what is kept open."""
        for wire in (self.api, *self._others.values()):
            wire.close()


class WireHttpClient(HttpClient):  # type: ignore[misc]  # the SDK is not typed
    """How the SDK makes its requests: through :class:`Wires`, with one deadline for all of them.

    Its ``request`` raises :class:`channels.wire.Failure`, also where an answer did not come whole.
    """

    def __init__(self, wires: Wires, *, deadline: float) -> None:
        super().__init__(SILENT, is_async=False)
        self._wires, self._deadline = wires, deadline

    def request(
        self,
        method: str,
        uri: str,
        params: dict[str, object] | None = None,
        data: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # the deadline bounds every request
        allow_redirects: bool = False,  # none is ever followed
    ) -> Response:
        """Make one request of the SDK's."""
        parts = urlsplit(uri)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        if params:
            path += ("&" if parts.query else "?") + urlencode(params, doseq=True)
        sent = dict(headers or {})
        if auth:
            sent["Authorization"] = basic(*auth)
        answer = self._wires.to(parts.hostname or "").request(
            method,
            path,
            headers=sent,
            body=urlencode(data, doseq=True).encode() if data else None,
            deadline=self._deadline,
        )
        if not answer.is_whole:
            raise NobodyKnows("cut_answer")
        return Response(answer.status, answer.body.decode("utf-8", "replace"), answer.headers)


def basic(username: str, password: str) -> str:
    """The value of an Authorization header (RFC 7617)."""
    return "Basic " + b64encode(f"{username}:{password}".encode()).decode()


def twilio_client(account: TwilioAccount, wires: Wires, *, deadline: float) -> Client:
    """The SDK's client for one piece of work.

    Args:
        deadline: monotonic seconds by which all its requests are over.
    """
    client = Client(
        account.account_sid,
        account.auth_token.get_secret_value(),
        http_client=WireHttpClient(wires, deadline=deadline),
    )
    # The process's environment (TWILIO_EDGE, TWILIO_REGION) does not decide where credentials go.
    client.edge = client.region = None
    return client
