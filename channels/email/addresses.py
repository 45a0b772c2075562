"""Which e-mail addresses SendGrid is asked to reach, and how they are spelt in its requests.

One bad address makes SendGrid refuse a request of a thousand, so the obviously bad ones are kept out of it.
"""

from __future__ import annotations

import re

_LOCAL = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"{_LOCAL}@{_LABEL}(?:\.{_LABEL})*")
_matches = _ADDRESS.fullmatch

_LONGEST, _LONGEST_LOCAL = 254, 64


def sendable(address: str) -> str | None:
    """The address as it is written in a request: an international domain in its ASCII form.

    Sources: RFC 5321, sections 4.1.2 (dot-string, no quoted local parts) and 4.5.3.1 (lengths); RFC 5890 for domains.

    Returns:
        None where no e-mail can reach it by way of SendGrid.
    """
    if not address.isascii():
        local, _, domain = address.rpartition("@")
        try:
            address = f"{local}@{domain.encode('idna').decode()}"
        except UnicodeError:
            return None
    if len(address) > _LONGEST or address.find("@") > _LONGEST_LOCAL or not _matches(address):
        return None
    return address
