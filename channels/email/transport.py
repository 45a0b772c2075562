"""The official client over a wire: kept connections, one deadline per request, no secrets in the debug log.

For everything but the hot path: batch ids, logs, scheduled sends, unsubscribe groups, settings.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from email.message import Message
from urllib.error import HTTPError
from urllib.request import Request

import python_http_client
from python_http_client.exceptions import handle_error
from sendgrid import SendGridAPIClient

from channels.accounts import SendGridAccount
from channels.silence import SILENT
from channels.wire import Answer, NobodyKnows, Wire

#: Seconds one request of the client may take.
REQUEST_SECONDS = 10.0

# At level DEBUG the client logs every request with its Authorization header and its body.
python_http_client.client._logger = SILENT


def sdk(
    account: SendGridAccount,
    wire: Wire,
    *,
    monotonic: Callable[[], float] = time.monotonic,
    seconds: float = REQUEST_SECONDS,
) -> SendGridAPIClient:
    """SendGrid's own client for an account.

    It raises what it always raises (``python_http_client.exceptions``), and :class:`channels.wire.Failure` where no
    answer came.

    Args:
        wire: to the account's ``base_url``.
        seconds: one request may take.
    """
    client = SendGridAPIClient(api_key=account.api_key.get_secret_value(), host=wire.base_url)
    client.client = WireClient(wire, client.client.request_headers, monotonic=monotonic, seconds=seconds)
    return client


class WireClient(python_http_client.Client):  # type: ignore[misc]  # the package is untyped
    """The client of SendGrid's SDK whose requests travel over a :class:`channels.wire.Wire`."""

    def __init__(
        self,
        wire: Wire,
        request_headers: dict[str, str],
        *,
        monotonic: Callable[[], float],
        seconds: float,
        url_path: list[str] | None = None,
    ) -> None:
        super().__init__(
            host=wire.base_url, request_headers=request_headers, version=3, url_path=url_path, timeout=seconds
        )
        self._wire, self._monotonic = wire, monotonic

    def _build_client(self, name: str | None = None) -> WireClient:
        return WireClient(
            self._wire,
            dict(self.request_headers),
            monotonic=self._monotonic,
            seconds=self.timeout,
            url_path=[*self._url_path, name] if name else self._url_path,
        )

    def _make_request(self, opener: object, request: Request, timeout: float | None = None) -> _Response:
        answer = self._wire.request(
            request.get_method(),
            request.full_url.removeprefix(self._wire.base_url),
            headers=dict(request.header_items()),
            body=request.data if isinstance(request.data, bytes) else None,
            deadline=self._monotonic() + (timeout or self.timeout),
        )
        if answer.is_success and not answer.is_whole:
            raise NobodyKnows("answer_cut")  # half a page of logs must not look like a whole one
        if answer.is_success:
            return _Response(answer)
        response = _Response(answer)
        # Without the address: it may hold personal data, and an exception is logged.
        error = HTTPError("", answer.status, f"HTTP {answer.status}", response.info(), io.BytesIO(answer.body))
        raise handle_error(error) from None


class _Response:
    """An answer as the client reads it."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def getcode(self) -> int:
        return self._answer.status

    def read(self) -> bytes:
        return self._answer.body

    def info(self) -> Message:
        headers = Message()
        for name, value in self._answer.headers.items():
            headers[name] = value
        return headers
