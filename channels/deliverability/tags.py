"""Lists of tags as DKIM and DMARC write them: ``v=DKIM1; k=rsa; p=…`` (RFC 6376, section 3.2)."""

from __future__ import annotations


def tags_of(record: str) -> dict[str, str] | None:
    """The tags in order; None when it is no list of tags, or names one twice."""
    tags: dict[str, str] = {}
    for part in record.split(";"):
        if not part.strip():
            continue
        name, equals, value = part.partition("=")
        name = name.strip()
        if not equals or not name or name in tags:
            return None
        tags[name] = value.strip()
    return tags
