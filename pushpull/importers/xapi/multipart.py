"""Statements with attachments, as an LRS sends and takes them: ``multipart/mixed`` (xAPI 1.0.3, part three, 1.5.2).

Only the statements are kept; of the attachments no more than their headers is looked at, to see that the message is
whole.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pushpull.importers.json_text import NotJsonError, read_json
from pushpull.importers.reading import SourceError

_END_OF_LINE = rb"(?:\r\n|\r(?!\n)|(?<!\r)\n)"  # never half of a pair


def looks_like_multipart(beginning: bytes) -> bool:
    """Whether a file that begins so is a multipart message: it begins with a boundary."""
    return beginning.startswith(b"--")


def statements_in(message: bytes, *, name: str) -> Any:
    """The JSON of the first part: a statement or a list of them.

    Args:
        message: the whole body; it begins with the boundary.
        name: the file's name, for messages.

    Raises:
        SourceError: it is not a valid message; nothing of it can be trusted.
    """
    boundary = re.split(_END_OF_LINE, message, maxsplit=1)[0].rstrip()
    if not boundary.startswith(b"--") or len(boundary) < 3:
        raise SourceError(f"{name}: a multipart message begins with its boundary")
    *parts, end = re.split(rb"(?:^|" + _END_OF_LINE + rb")" + re.escape(boundary), message)[1:]
    if not end.startswith(b"--"):
        raise SourceError(f"{name}: the multipart message was cut: its last boundary is missing")
    split = [_headers_and_body(part, name) for part in parts]
    if not split or not split[0][0].get("content-type", "").startswith("application/json"):
        raise SourceError(f"{name}: the first part must be application/json")
    try:
        content = read_json(split[0][1])
    except NotJsonError as error:
        raise SourceError(f"{name}: the first part is {error}") from error
    hashes = {_attachment_hash(headers, name) for headers, _ in split[1:]}
    wanted: set[str] = set()
    for statement in content if isinstance(content, list) else [content]:
        attachments = statement.get("attachments", []) if isinstance(statement, dict) else []
        for attachment in attachments if isinstance(attachments, list) else []:
            if isinstance(attachment, dict) and "fileUrl" not in attachment:
                wanted.add(str(attachment.get("sha2", "")).lower())
    if hashes != wanted:
        raise SourceError(f"{name}: the parts are not those that the statements name by their sha2")
    return content


def _headers_and_body(part: bytes, name: str) -> tuple[Mapping[str, str], bytes]:
    head, *rest = re.split(_END_OF_LINE + _END_OF_LINE, part, maxsplit=1)
    if not rest:
        raise SourceError(f"{name}: a part has no empty line after its headers")
    headers = {}
    for line in re.split(_END_OF_LINE, head):
        key, colon, value = line.decode("latin-1").partition(":")
        if colon:
            headers[key.strip().lower()] = value.strip()
    return headers, rest[0]


def _attachment_hash(headers: Mapping[str, str], name: str) -> str:
    if headers.get("content-transfer-encoding", "").lower() != "binary":
        raise SourceError(f"{name}: an attachment must have Content-Transfer-Encoding: binary")
    if "x-experience-api-hash" not in headers:
        raise SourceError(f"{name}: an attachment lacks its X-Experience-API-Hash")
    return headers["x-experience-api-hash"].lower()
