"""What a message is to SendGrid, and which requests it refuses. Its words quote addresses, as the real ones do."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tests.standin.provider import Reply

if TYPE_CHECKING:
    from tests.standin.sendgrid.provider import SendGrid

_ADDRESS = re.compile(r"[^@\s<>\"(),:;]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", re.ASCII)


@dataclass(frozen=True)
class Mail:
    """One message SendGrid took on, whether it is sent already or waits for its time."""

    name: str
    to: str
    sender: str
    content: Mapping[str, str]
    custom_args: Mapping[str, str]
    headers: Mapping[str, str]
    categories: Sequence[str]
    group_id: int | None
    created_at: datetime
    send_at: datetime | None = None
    batch_id: str | None = None


@dataclass
class Refused(Exception):
    """A request is answered with an error."""

    message: str
    field: str | None = None
    status: int = 400

    @property
    def reply(self) -> Reply:
        return Reply(self.status, {"errors": [{"message": self.message, "field": self.field, "help": None}]})


def check(body: Any, rules: SendGrid) -> None:
    """Refuse what SendGrid refuses.

    Raises:
        Refused: the first thing that is wrong.
    """
    if rules.refused_field is not None:
        raise Refused(f"{rules.refused_field} is not right", rules.refused_field or None)
    people = body.get("personalizations") or []
    if not people:
        raise Refused("You must have at least one personalization.", "personalizations")
    if len(people) > 1000:
        raise Refused("The personalization block is limited to 1000 personalizations.", "personalizations")
    if rules.senders is not None and body["from"]["email"] not in rules.senders:
        raise Refused("The from address does not match a verified Sender Identity.", "from", status=403)
    if not body.get("subject"):
        raise Refused("The subject is required.", "subject")
    if not body.get("content") or not all(part.get("value") for part in body["content"]):
        raise Refused("The content value must be a string at least one character in length.", "content.0.value")
    group = body.get("asm", {}).get("group_id")
    if group is not None and group not in rules.settings.group_ids:
        raise Refused("invalid group id", "asm.group_id")
    batch = body.get("batch_id")
    if batch is not None and batch not in rules.batches:
        raise Refused("The batch_id is invalid.", "batch_id")
    if (at := body.get("send_at")) is not None and at > rules.now().timestamp() + 72 * 3600:
        raise Refused("Scheduling more than 72 hours in advance is forbidden.", "send_at")
    seen: set[str] = set()
    for place, each in enumerate(people):
        _check_recipient(f"personalizations.{place}", each, seen, rules.refused_by_name)
    for each in people:
        if each["to"][0]["email"] in rules.refused_silently:
            raise Refused("Bad Request")


def _check_recipient(where: str, each: Any, seen: set[str], refused: set[str]) -> None:
    if len(each["to"]) != 1:
        raise Refused("One recipient each, or people see each other's addresses.", f"{where}.to")
    to = each["to"][0]
    address = to["email"]
    if address in refused or not _ADDRESS.fullmatch(address):
        raise Refused(f"Does not contain a valid address: {address}", f"{where}.to.0.email")
    if address.lower() in seen:
        raise Refused(f"Each unique email address should only be included once: {address}", "personalizations")
    seen.add(address.lower())
    if re.search(r"[;,\r\n]", to.get("name", "")):
        raise Refused("The name has a comma or a semicolon.", f"{where}.to.0.name")
    for part in ("substitutions", "custom_args"):
        values = each.get(part, {})
        if not all(isinstance(value, str) for value in values.values()):
            raise Refused(f"{part} must be strings.", f"{where}.{part}")
        if sum(len(name.encode()) + len(value.encode()) for name, value in values.items()) > 10_000:
            raise Refused(f"{part} may not exceed 10000 bytes.", f"{where}.{part}")


def mail_of(body: Any, each: Any, name: str, at: datetime) -> Mail:
    """The message one recipient of a request gets."""
    content = {"subject": body["subject"]}
    content |= {part["type"].removeprefix("text/").replace("plain", "text"): part["value"] for part in body["content"]}
    for tag, value in each.get("substitutions", {}).items():
        content = {part: text.replace(tag, value) for part, text in content.items()}
    send_at = each.get("send_at", body.get("send_at"))
    return Mail(
        name=name,
        to=each["to"][0]["email"],
        sender=body["from"]["email"],
        content=content,
        custom_args=each.get("custom_args", {}),
        headers=each.get("headers", {}),
        categories=body.get("categories", []),
        group_id=body.get("asm", {}).get("group_id"),
        created_at=at,
        send_at=datetime.fromtimestamp(send_at, UTC) if send_at is not None else None,
        batch_id=body.get("batch_id"),
    )
