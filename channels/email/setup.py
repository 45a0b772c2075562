"""Making an account ready, and finding out what is missing: unsubscribe groups, the signed event webhook, the key.

Functions over SendGrid's own client that return values. Showing them, and keeping the group ids, is not done here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from python_http_client.exceptions import HTTPError

from channels.wire import Failure

#: Where SendGrid's events go, below our public address.
CALLBACK_PATH = "/callbacks/sendgrid"

_NAME, _DESCRIPTION = 30, 100  # letters a group may have

#: The events that move deliveries and consent. Opens and clicks are ours.
_EVENTS = {
    "processed": True,
    "dropped": True,
    "delivered": True,
    "deferred": True,
    "bounce": True,
    "spam_report": True,
    "unsubscribe": True,
    "group_unsubscribe": True,
    "group_resubscribe": True,
    "open": False,
    "click": False,
}


class SetUpFailed(Exception):
    """SendGrid refused, or did not answer; what was made before stays, and setting up again goes on from there.

    Args:
        message: what to do about it.
    """


@dataclass(frozen=True, slots=True)
class Webhook:
    """The event webhook.

    Args:
        public_key: what its callbacks are verified with, base64 of DER.
        was_made: by this call.
    """

    webhook_id: str
    url: str
    public_key: str
    was_made: bool


@dataclass(frozen=True, slots=True)
class SetUp:
    """An account that is ready.

    Args:
        groups: unsubscribe group ids, by message family.
        made: the families whose group was made by this call.
        webhook: None where no public address is known.
    """

    groups: Mapping[str, int]
    made: tuple[str, ...]
    webhook: Webhook | None = None


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something an account lacks.

    Args:
        code: short, for tests and reports.
        advice: what is wrong and what to do.
    """

    code: str
    advice: str


def set_up(client: Any, families: Collection[str], public_url: str = "") -> SetUp:
    """Make one unsubscribe group per message family, and point the signed event webhook at us. Repeating it is safe.

    Args:
        client: ``SendGridAPIClient.client``.
        families: of all campaigns; mandatory mail has a family, and so a group, of its own.
        public_url: ``https://…`` where the web app is reached; empty: leave the webhook alone.

    Raises:
        SetUpFailed: SendGrid refused something.
    """
    try:
        groups, made = _groups(client, families)
        webhook = _webhook(client, public_url.rstrip("/") + CALLBACK_PATH) if public_url else None
    except (HTTPError, Failure) as error:
        raise SetUpFailed(_advice(error)) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise SetUpFailed("SendGrid's answer cannot be read. Look at PUSHPULL_SENDGRID_URL, and try again.") from None
    return SetUp(groups, made, webhook)


def check(client: Any, families: Collection[str], known: Mapping[str, int]) -> list[Trouble]:
    """What keeps an account from sending these families' mail; empty: nothing was found.

    Nothing is sent and nothing changed, but for one batch id that nobody uses.

    Args:
        client: ``SendGridAPIClient.client``.
        known: group ids by family, as they are kept here.
    """
    troubles: list[Trouble] = []
    try:
        there = {int(group["id"]) for group in client.asm.groups.get().to_dict}
    except HTTPError as error:
        if error.status_code == 401:
            return [Trouble("key_refused", _advice(error))]
        troubles.append(_missing("groups_unreadable", "asm.groups", "read the unsubscribe groups", error))
        there = set(known.values())
    except Failure as error:
        return [Trouble("unreachable", _advice(error))]
    except (ValueError, KeyError, TypeError):
        return [Trouble("not_sendgrid", "What answers is not SendGrid. Look at PUSHPULL_SENDGRID_URL.")]
    for family in sorted(families):
        if family not in known:
            troubles.append(
                Trouble("group_unknown", f"No unsubscribe group for {family}: run `pushpull setup sendgrid`.")
            )
        elif known[family] not in there:
            advice = f"The unsubscribe group of {family} is gone from SendGrid: run `pushpull setup sendgrid`."
            troubles.append(Trouble("group_gone", advice))
    return troubles + _missing_scopes(client)


def _missing_scopes(client: Any) -> list[Trouble]:
    """Try what needs a scope of its own."""
    tries: tuple[tuple[str, str, str, Callable[[], object]], ...] = (
        ("no_batches", "mail.batch", "plan mail ahead", client.mail.batch.post),
        ("no_cancelling", "user.scheduled_sends", "cancel planned mail", client.user.scheduled_sends.get),
        ("no_logs", "messages.read", "find unanswered requests", lambda: client.logs.post(request_body={"limit": 1})),
    )
    troubles = []
    for code, scope, purpose, attempt in tries:
        try:
            attempt()
        except HTTPError as error:
            troubles.append(_missing(code, scope, purpose, error))
        except Failure as error:
            return [*troubles, Trouble("unreachable", _advice(error))]
    return troubles


def _missing(code: str, scope: str, purpose: str, error: HTTPError) -> Trouble:
    return Trouble(
        code, f"SendGrid answers {error.status_code} when asked to {purpose}: give the API key the scope {scope}."
    )


def _groups(client: Any, families: Collection[str]) -> tuple[dict[str, int], tuple[str, ...]]:
    there = {group["name"]: int(group["id"]) for group in client.asm.groups.get().to_dict}
    groups: dict[str, int] = {}
    made = []
    for family in sorted(families):
        name = group_name(family)
        if name not in there:
            body = {"name": name, "description": f"Messages of the kind {family}"[:_DESCRIPTION], "is_default": False}
            there[name] = int(client.asm.groups.post(request_body=body).to_dict["id"])
            made.append(family)
        groups[family] = there[name]
    return groups, tuple(made)


def group_name(family: str) -> str:
    """What a family's unsubscribe group is called; recipients may see it on SendGrid's preference page."""
    return family if len(family) <= _NAME else family[: _NAME - 1] + "…"


def _webhook(client: Any, url: str) -> Webhook:
    """Find or make the webhook that calls this address, with its events and its signature switched on."""
    settings = client.user.webhooks.event.settings
    wanted = {"enabled": True, "url": url, "friendly_name": "Pushpull", **_EVENTS}
    there = [each for each in settings.all.get().to_dict["webhooks"] or [] if each["url"] == url]
    if there:
        name = str(there[0]["id"])
        if any(there[0].get(field) != value for field, value in wanted.items()):
            settings._(name).patch(request_body=wanted)
    else:
        name = str(settings.post(request_body=wanted).to_dict["id"])
    key = settings.signed._(name).patch(request_body={"enabled": True}).to_dict["public_key"]
    if not key:
        raise ValueError("signing was not switched on")
    return Webhook(name, url, str(key), was_made=not there)


def _advice(error: HTTPError | Failure) -> str:
    if isinstance(error, Failure):
        return f"SendGrid did not answer ({error.code}). Look at PUSHPULL_SENDGRID_URL and the network, and try again."
    if error.status_code in {401, 403}:
        return (
            "SendGrid does not accept the API key for this. Make a key with the scopes mail.send, mail.batch, "
            "asm.groups, user.scheduled_sends, user.webhooks.event.settings and messages.read, and set it."
        )
    if error.status_code == 429:
        return "SendGrid asks to wait. Try again in a minute."
    if 400 <= error.status_code < 500:
        return f"SendGrid refused {_reason(error)} ({error.status_code}). Correct that, and try again."
    return f"SendGrid answered {error.status_code}. Try again; if it stays so, look at SendGrid's status page."


def _reason(error: HTTPError) -> str:
    """What SendGrid says is wrong; settings of an account name nobody."""
    try:
        return "this: " + "; ".join(str(each["message"]) for each in error.to_dict["errors"])[:200]
    except (ValueError, KeyError, TypeError):
        return "this, and does not say why"
