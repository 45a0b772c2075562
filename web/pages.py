"""Pages: templates filled with words in the reader's language. Everything a page shows is escaped."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from content.brand import Brand
from web.words import Words

_HERE = Path(__file__).parent
STATIC = _HERE / "static"


@lru_cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def page(
    template: str, *, status: int = 200, words: Words | None, brand: Brand | None = None, **values: Any
) -> Response:
    """A page.

    Args:
        template: its file.
        words: in the reader's language; None where nobody knows who reads.
        brand: whose name and colours it has; None for none.
    """
    text = _environment().get_template(template).render(words=words, brand=brand, **values)
    return HTMLResponse(text, status_code=status)


def not_found() -> Response:
    """The one page for whatever is not there: unknown, forged or gone."""
    return page(
        "message.html.j2",
        status=404,
        words=None,
        title="There is no page here",
        lines=["The link may be incomplete. Open it from the message again, or ask your learning team."],
    )
