"""Access logs without tokens: whoever reads a log must not be able to open a learner's page with it.

Queries are left out whole: course players name people in them by their addresses (``agent``), directories look people
up with them (``filter``), and the sign-in's provider hands over its code there.
"""

from __future__ import annotations

import logging
import re

_TOKEN = re.compile(r"(/[lupsat]/)[^\s?/]+")
_QUERY = re.compile(r"(?<=\?).+", re.DOTALL)


class RedactTokens(logging.Filter):
    """Replaces the token in every path that an access log line names, and whatever follows a question mark."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record; it is always kept."""
        if isinstance(record.args, tuple):
            record.args = tuple(_redacted(each) if isinstance(each, str) else each for each in record.args)
        return True


def _redacted(text: str) -> str:
    return _QUERY.sub("…", _TOKEN.sub(r"\1…", text))
