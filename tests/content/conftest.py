"""Fixtures about content: the shipped folder, a copy of it to spoil, and a renderer that keeps what it compiled."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from content.campaign import Campaign, load_campaign
from content.render import Renderer
from pushpull.settings import Settings

CONTENT: Path = Settings.model_fields["content_dir"].default
EXAMPLE = "two-minutes-a-day"

Edit = Callable[[str, str, str], Path]


@pytest.fixture(scope="session")
def content_dir() -> Path:
    return CONTENT


@pytest.fixture(scope="session")
def campaign() -> Campaign:
    return load_campaign(EXAMPLE, CONTENT)


@pytest.fixture(scope="session")
def renderer(campaign: Campaign) -> Renderer:
    return Renderer(CONTENT, campaign)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the shipped content that a test may spoil."""
    folder = tmp_path / "content"
    for name in ("campaigns", "brands", "trends", "locale", "wordlists", "templates"):
        shutil.copytree(CONTENT / name, folder / name)
    return folder


@pytest.fixture
def edit(copied: Path) -> Edit:
    """``edit(file, old, new)`` replaces text in a copied file, which must be there, and gives back the file."""

    def replace(file: str, old: str, new: str) -> Path:
        path = copied / file
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{old!r} is not in {file}"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        return path

    return replace


def line_of(path: Path, text: str) -> int:
    """The number of the first line that holds the text."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)
