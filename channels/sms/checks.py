"""Whether an account at Twilio works, and what to do where it does not. Nothing is sent."""

from __future__ import annotations

from urllib.parse import urlsplit

from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException

from channels.accounts import TwilioAccount
from channels.sms.client import Wires, twilio_client
from channels.sms.meanings import MEANINGS
from channels.wire import Failure


def check(account: TwilioAccount, *, deadline: float, calls_anywhere: bool = False) -> list[str]:
    """Ask Twilio about the account and its messaging service.

    Args:
        deadline: monotonic seconds (:func:`time.monotonic`) by which the answers must be there.
        calls_anywhere: whoever answers there calls back at any address, as a stand-in does.

    Returns:
        What is wrong, each with what to do about it; empty: text messages can be sent.
    """
    wires = Wires(account.base_url)
    try:
        client = twilio_client(account, wires, deadline=deadline)
        client.messages.page(page_size=1)
        service = client.messaging.v1.services(account.messaging_service_sid).fetch()
        hears_replies = bool(service.inbound_request_url or service.use_inbound_webhook_on_number)
    except Failure as failure:
        return [f"{account.base_url} gives no answer ({failure.code}): check the address and the network."]
    except (TwilioException, ValueError, TypeError, AttributeError) as error:
        return [_explained(error)]
    finally:
        wires.close()
    problems = [] if calls_anywhere else _callback_problems(account.callback_url)
    return [*([] if hears_replies else [_DEAF]), *problems]


_DEAF = (
    "The messaging service passes no replies on, so STOP would not reach us: set its inbound request URL to "
    "https://<our address>/callbacks/twilio/inbound."
)


def _callback_problems(url: str) -> list[str]:
    if not url:
        return ["No callback address is set, so deliveries are never confirmed: set PUSHPULL_BASE_URL."]
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        return [f"Twilio must be able to call us at {url}: it has to be a public https address."]
    if "_" in parts.hostname:
        return [f"Twilio refuses callback addresses with an underscore in the host: {parts.hostname}."]
    return []


def _explained(error: Exception) -> str:
    """What Twilio answered, and what to do; Twilio's own words may quote what was asked for and are left out."""
    # Lists are refused with an exception that keeps the answer instead of saying what was in it.
    status, code = _told(error)
    if status == 404:
        return "Twilio knows no such messaging service: check its SID (MG…) in Messaging → Services."
    if code in MEANINGS and MEANINGS[code].advice:
        return f"Twilio answered error {code} ({MEANINGS[code].reason}). {MEANINGS[code].advice}"
    if status in (401, 403):
        return f"Twilio answered HTTP {status}. {MEANINGS[20003].advice}"
    if status:
        return f"Twilio answered HTTP {status}, error {code}: see https://www.twilio.com/docs/api/errors/{code}."
    return "Twilio gave an answer that could not be read: check the address of its API."


def _told(error: Exception) -> tuple[int, int]:
    """HTTP status and error code, 0 where unknown."""
    if isinstance(error, TwilioRestException | TwilioServiceException):
        return _number(error.status), _number(error.code)
    answer = error.args[1] if len(error.args) > 1 else None
    return _number(getattr(answer, "status_code", 0)), 0


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
