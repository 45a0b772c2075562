"""Where pages may lead: to addresses of the catalogue that are safe to follow, and nowhere else."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

#: A host as the DNS has it; names in other scripts are given in their ASCII form (RFC 5890).
_HOST: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_LONGEST: Final = 4000


def is_safe_target(url: str, base_url: str) -> bool:
    """Whether a page may lead there: https, or this very site; a plain host, no credentials, no control characters.

    What browsers read otherwise than servers do is refused: backslashes, spaces, an authority with escapes or letters
    that only look like others (WHATWG URL, "host parsing").
    """
    if not url or len(url) > _LONGEST or not url.isprintable() or any(character in url for character in "\\ "):
        return False
    try:
        target, own = urlsplit(url), urlsplit(base_url)
        target.port  # noqa: B018  # raises where it is none
    except ValueError:
        return False
    if (target.scheme, target.netloc) == (own.scheme, own.netloc):
        return True
    host = target.netloc.rpartition(":")[0] if target.port is not None else target.netloc.removesuffix(":")
    return target.scheme == "https" and _HOST.fullmatch(host) is not None and url[:8].lower() == "https://"
