"""Forms as they come in: urlencoded or multipart, from browsers and from mail providers that are not careful.

Only short text fields exist here; files are not read. Source: RFC 7578 and RFC 8058, whose printed example names a
boundary that its body does not use, so the boundary is taken from the body itself.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from urllib.parse import parse_qsl

from starlette.requests import Request

_MOST_FIELDS = 2000
_NAME = re.compile(rb'content-disposition:[^\r\n]*;\s*name="?([^";\r\n]*)"?', re.IGNORECASE)

Fields = dict[str, list[str]]


async def read_form(request: Request) -> Fields:
    """The fields of a form; empty where the body is none, whatever it is."""
    body = await request.body()
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return _gathered(_multipart(body))
    if kind == "application/x-www-form-urlencoded":
        try:
            pairs = parse_qsl(body.decode("latin-1"), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
        except ValueError:
            return {}
        return _gathered(pairs)
    return {}


def one(fields: Fields, name: str) -> str:
    """The first value of a field; empty where there is none."""
    return (fields.get(name) or [""])[0]


def _gathered(pairs: Sequence[tuple[str, str]]) -> Fields:
    fields: Fields = defaultdict(list)
    for name, value in pairs:
        fields[name].append(value)
    return dict(fields)


def _multipart(body: bytes) -> list[tuple[str, str]]:
    delimiter = body.lstrip().split(b"\n", 1)[0].rstrip()
    if not delimiter.startswith(b"--") or len(delimiter) > 100:
        return []
    pairs = []
    for part in body.split(delimiter, _MOST_FIELDS)[1:]:
        head, separator, value = part.replace(b"\r\n", b"\n").partition(b"\n\n")
        name = _NAME.search(head)
        if separator and name and b"filename" not in head.lower():
            pairs.append((name[1].decode(errors="replace"), value.removesuffix(b"\n").decode(errors="replace")))
    return pairs
