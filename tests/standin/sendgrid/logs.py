"""SendGrid's logs: what a query of POST /v3/logs finds, and what is known about one message."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tests.standin.sendgrid.mail import Mail, Refused

_CONDITION = re.compile(
    r"""sg_message_id_created_at\ (?P<sign>[<>]=?)\ TIMESTAMP\ "(?P<at>[^"]+)"
      |categories\ IN\ \('(?P<category>[^']+)'\)
      |to_email\ =\ '(?P<to>[^']+)'""",
    re.VERBOSE,
)


def page(logged: Sequence[Mail], query: str, limit: int) -> dict[str, Any]:
    """What a query finds.

    Raises:
        Refused: it is not of the language, as far as that is played.
    """
    conditions = list(_CONDITION.finditer(query))
    if " AND ".join(found[0] for found in conditions) != query:
        raise Refused("invalid query", "query")
    found = [mail for mail in logged if all(_meets(mail, each) for each in conditions)]
    return {"messages": [_summary(mail) for mail in found[:limit]]}


def details(logged: Sequence[Mail], name: str) -> dict[str, Any]:
    """Everything about one message.

    Raises:
        Refused: there is none of this name.
    """
    for mail in logged:
        if mail.name == name:
            more = {"custom_args": mail.custom_args, "events": [], "api_key_id": "", "client_ip": "127.0.0.1"}
            return _summary(mail) | more
    raise Refused("message not found", status=404)


def _summary(mail: Mail) -> dict[str, Any]:
    return {
        "from_email": mail.sender,
        "sg_message_id": mail.name,
        "subject": mail.content["subject"],
        "to_email": mail.to,
        "status": "delivered",
        "sg_message_id_created_at": mail.created_at.isoformat(),
    }


def _meets(mail: Mail, condition: re.Match[str]) -> bool:
    if condition["category"]:
        return condition["category"] in mail.categories
    if condition["to"]:
        return condition["to"] == mail.to
    at = datetime.fromisoformat(condition["at"])
    return {
        ">": mail.created_at > at,
        ">=": mail.created_at >= at,
        "<": mail.created_at < at,
        "<=": mail.created_at <= at,
    }[condition["sign"]]
