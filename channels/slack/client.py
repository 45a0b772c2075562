"""The `slack-sdk` client, speaking over our wire: for look-ups, checks and finding people.

Sending does not pass through here: it writes the same requests itself.
"""

from __future__ import annotations

from typing import Any
from urllib.request import Request

from slack_sdk import WebClient

from channels.accounts import SlackAccount
from channels.silence import SILENT
from channels.wire import NobodyKnows, NothingSent, Wire


class WireWebClient(WebClient):
    """The SDK's client with one deadline for all its requests, and no retries.

    Its calls raise :class:`channels.wire.Failure` besides the SDK's own errors, also for an answer that is cut off.

    Args:
        deadline: monotonic seconds by which all requests are over.
    """

    def __init__(self, account: SlackAccount, wire: Wire, *, deadline: float) -> None:
        super().__init__(
            token=account.bot_token.get_secret_value(), base_url=account.base_url, logger=SILENT, retry_handlers=[]
        )
        self._wire, self._deadline = wire, deadline

    def _perform_urllib_http_request_internal(self, url: str, req: Request) -> dict[str, Any]:
        """The one place where the SDK touches the network (slack-sdk 3.47)."""
        if not url.startswith(f"{self._wire.base_url}/"):
            raise NothingSent("foreign_address")
        body = req.data if isinstance(req.data, bytes) else None
        answer = self._wire.request(
            req.get_method(),
            url.removeprefix(self._wire.base_url),
            headers=dict(req.header_items()),
            body=body,
            deadline=self._deadline,
        )
        if not answer.is_whole:
            raise NobodyKnows("cut_answer")
        return {
            "status": answer.status,
            "headers": dict(answer.headers),
            "body": answer.body.decode("utf-8", "replace"),
        }
