"""The campaign's brand on pages: its name and mark, and its colours as a style sheet of its own."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from content.brand import MINIMUM_CONTRAST, Brand, contrast, load_brand
from content.source import ContentError
from web.site import site_of

router = APIRouter()

#: Paper of the dark theme, as in style.css.
_DARK_PAPER: Final = "#1a2027"
_LIGHT: Final = "#ffffff"


def brand_of(key: str, content_dir: Path) -> Brand | None:
    """The brand of that key; None where there is none that can be read: a page without one is better than no page."""
    try:
        return _loaded(key, content_dir) if key else None
    except ContentError:
        return None


def style_sheet(request: Request) -> Response:
    """The colours of a brand."""
    brand = brand_of(request.path_params["key"], site_of(request).settings.content_dir)
    if brand is None:
        raise HTTPException(404)
    return Response(_css(brand), media_type="text/css", headers={"Cache-Control": "public, max-age=3600"})


router.add_route("/brand/{key}.css", style_sheet, methods=["GET"])


@lru_cache(maxsize=32)
def _loaded(key: str, content_dir: Path) -> Brand:
    return load_brand(key, content_dir)


def _css(brand: Brand) -> str:
    colours = brand.colours
    dark = readable_on(_DARK_PAPER, colours.primary)
    on_dark = max(("#0d1318", _LIGHT), key=lambda ink: contrast(ink, dark))
    return (
        f":root {{ --ink: {colours.text}; --soft: {colours.muted}; --ground: {colours.background}; "
        f"--paper: {colours.surface}; --accent: {colours.primary}; --on-accent: {colours.on_primary}; "
        f"--tint: {mixed(colours.primary, colours.surface, 0.09)}; }}\n"
        "@media (prefers-color-scheme: dark) { :root { --ink: #e7eaee; --soft: #9aa4b2; --ground: #12161b; "
        f"--paper: {_DARK_PAPER}; --accent: {dark}; --on-accent: {on_dark}; "
        f"--tint: {mixed(dark, _DARK_PAPER, 0.15)}; }} }}\n"
    )


def readable_on(paper: str, colour: str) -> str:
    """The colour, as much nearer to white as it takes to be read on dark paper (WCAG 2.2, 1.4.3).

    Args:
        paper, colour: ``#rrggbb``.
    """
    for step in range(21):
        lighter = mixed(_LIGHT, colour, step / 20)
        if contrast(lighter, paper) >= MINIMUM_CONTRAST + 1:  # it stands on tinted paper too
            return lighter
    return _LIGHT


def mixed(one: str, other: str, share: float) -> str:
    """A colour between two: so much of the first, 0 to 1, and the rest of the other."""
    pairs = zip(_channels(one), _channels(other), strict=True)
    return "#" + "".join(f"{round(share * a + (1 - share) * b):02x}" for a, b in pairs)


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
