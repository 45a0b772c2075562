"""What can be asked about a workspace: whether our app works there, and who has an e-mail address. Nothing is sent."""

from __future__ import annotations

from slack_sdk.errors import SlackApiError, SlackClientError

from channels.accounts import SlackAccount
from channels.slack.client import WireWebClient
from channels.slack.meanings import MEANINGS
from channels.wire import Failure, Wire
from pushpull.ledger.outcomes import ChannelStopped

#: What the app must be allowed to do.
SCOPES = ("chat:write", "im:write", "im:history", "users:read.email")

#: What the SDK raises on answers that are not what its documentation says.
_UNREADABLE = (SlackClientError, ValueError, LookupError, TypeError, AttributeError)


class NotAnswered(Exception):
    """Slack could not be asked now. The text holds no personal data."""


def check(account: SlackAccount, *, deadline: float) -> list[str]:
    """Ask Slack about our app.

    Args:
        deadline: monotonic seconds (:func:`time.monotonic`) by which the answer must be there.

    Returns:
        What is wrong, each with what to do about it; empty: messages can be sent.
    """
    wire = Wire(account.base_url)
    try:
        answer = WireWebClient(account, wire, deadline=deadline).auth_test()
        granted = {scope.strip() for scope in str(answer.headers.get("x-oauth-scopes", "")).split(",")}
    except Failure as failure:
        return [f"{account.base_url} gives no answer ({failure.code}): check the address and the network."]
    except SlackApiError as refused:
        return [_explained(refused)]
    except _UNREADABLE:
        return ["Slack gave an answer that could not be read: check the address of its API."]
    finally:
        wire.close()
    missing = [scope for scope in SCOPES if scope not in granted]
    if missing and granted != {""}:  # an answer that lists no scopes says nothing about them
        return [f"The app lacks {', '.join(missing)}: add them under OAuth & Permissions and install the app again."]
    return []


def find_by_email(account: SlackAccount, email: str, *, deadline: float) -> str | None:
    """The Slack id of the person with this address; None: nobody has it, or nobody active.

    Args:
        deadline: monotonic seconds.

    Raises:
        ChannelStopped: Slack refuses our app.
        NotAnswered: Slack could not be asked now.
    """
    wire = Wire(account.base_url)
    try:
        user = WireWebClient(account, wire, deadline=deadline).users_lookupByEmail(email=email)["user"]
        return None if user.get("deleted") else str(user["id"])
    except Failure as failure:
        raise NotAnswered(failure.code) from None
    except SlackApiError as refused:
        code = _code(refused)
        if code == "users_not_found":
            return None
        if code in MEANINGS and MEANINGS[code].advice:
            raise ChannelStopped(_explained(refused)) from None
        raise NotAnswered(code or f"http_{refused.response.status_code}") from None
    except _UNREADABLE:
        raise NotAnswered("unreadable_answer") from None
    finally:
        wire.close()


def _code(refused: SlackApiError) -> str:
    code = refused.response.get("error")
    return code if isinstance(code, str) and code in MEANINGS else ""


def _explained(refused: SlackApiError) -> str:
    code = _code(refused)
    advice = MEANINGS[code].advice if code else ""
    what = code or f"HTTP {refused.response.status_code}"
    return f"Slack answered {what}. {advice or 'Try again later; https://status.slack.com tells how Slack is.'}"
