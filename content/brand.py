"""Brand files (`brands/*.yaml`): name, mark, colours, sender, tone, sign-off, alike in every channel (mission L3).

How a brand is laid out in a message is in `templates/layouts`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from content.source import ContentError, ContentModel, Problem, parse, read_yaml

#: WCAG 2.2 success criterion 1.4.3 (AA): text against its background.
MINIMUM_CONTRAST = 4.5

Colour = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]
_ADDRESS = re.compile(r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$")


class Mark(ContentModel):
    """The brand's sign: a character or two everywhere, a drawing where drawings show.

    Args:
        text: one to three characters.
        path: data of an SVG path, drawn in a box of 24 by 24.
    """

    text: str = Field(min_length=1, max_length=3)
    path: str | None = Field(None, max_length=4000, pattern=r"^[MmLlHhVvCcSsQqTtAaZz0-9eE+.,\s-]+$")


class Colours(ContentModel):
    """The palette. Text is read on ``background`` and ``surface``, the button's words on ``primary``."""

    primary: Colour
    on_primary: Colour = "#ffffff"
    text: Colour = "#1f2430"
    muted: Colour = "#545b6b"
    background: Colour = "#f4f5f7"
    surface: Colour = "#ffffff"

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The (text, background) pairs that layouts put on top of one another."""
        return (
            ("on_primary", "primary"),
            ("text", "surface"),
            ("text", "background"),
            ("muted", "surface"),
            ("muted", "background"),
            ("primary", "surface"),
        )


class Sender(ContentModel):
    """From whom an e-mail comes and where answers go."""

    name: str = Field(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f<>\"]+$")
    address: str = Field(max_length=254)
    reply_to: str | None = Field(None, max_length=254)

    @field_validator("address", "reply_to")
    @classmethod
    def _is_an_address(cls, value: str | None) -> str | None:
        if value is not None and not _ADDRESS.match(value):
            raise ValueError(f"{value!r} is not an e-mail address such as learning@example.com")
        return value


class Tone(ContentModel):
    """How the brand talks.

    Args:
        voice: for authors; nothing is computed from it.
        avoid: words per language that this brand does not use.
    """

    voice: str = ""
    avoid: dict[str, tuple[str, ...]] = Field(default_factory=dict)


class Brand(ContentModel):
    """A brand kit.

    Args:
        sign_off: the closing line per language.
        footer: the postal line or the legal name under every e-mail, per language.
        foreign: other names that must not appear in messages; the names of other brand files are added.
    """

    key: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)
    name: str = Field(min_length=1, max_length=60)
    mark: Mark
    colours: Colours
    sender: Sender
    tone: Tone = Tone()
    sign_off: dict[str, str] = Field(min_length=1)
    footer: dict[str, str] = Field(min_length=1)
    foreign: tuple[str, ...] = ()


def load_brand(key: str, content_dir: Path) -> Brand:
    """The brand of that key.

    Raises:
        ContentError: there is no such file or it is not a brand.
    """
    folder = content_dir / "brands"
    path = folder / f"{key}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(each.stem for each in folder.glob("*.yaml"))) or "none"
        raise ContentError([Problem(path, 1, "", f"there is no brand {key!r}; known: {known}")])
    source = read_yaml(path)
    brand = parse(source, Brand)
    if brand.key != key:
        raise ContentError([source.problem(("key",), f"is {brand.key!r} but the file is called {path.name}")])
    return brand


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours, 1 to 21 (WCAG 2.2, definition of contrast ratio).

    Args:
        one, other: ``#rrggbb``.
    """
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    """Relative luminance, 0 (black) to 1 (white), by WCAG 2.2."""
    red, green, blue = (_linear(int(colour[at : at + 2], 16) / 255) for at in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else float(((channel + 0.055) / 1.055) ** 2.4)
