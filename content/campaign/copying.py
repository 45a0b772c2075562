"""A campaign file under another key, starting on another day: how authors begin.

Everything else stays as it is written, comments included. Dates in it move along by as many days.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

from ruamel.yaml import YAML

from content.campaign.loading import load_campaign
from content.source import MAX_BYTES

_KEY = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class CannotCopyError(ValueError):
    """The copy cannot be made; the message says why."""


def copy_campaign(source: str, key: str, start: date, content_dir: Path, *, name: str = "") -> Path:
    """Copy a campaign's file.

    Args:
        source: key of a campaign in the content folder.
        key: of the copy: lower-case words with dashes.
        start: its first local day.
        name: as learners read it; the source's where left out. Staff tell campaigns apart by their keys.

    Returns:
        The new file.

    Raises:
        CannotCopyError: the key cannot be used or is taken.
        content.source.ContentError: the source cannot be used.
    """
    if not _KEY.fullmatch(key) or len(key) > 60:
        raise CannotCopyError(f"{key!r} is no key: write lower-case words with dashes, at most 60 characters")
    target = content_dir / "campaigns" / f"{key}.yaml"
    if target.exists():
        raise CannotCopyError(f"there is a campaign {key!r} already: {target}")
    campaign = load_campaign(source, content_dir)
    moved = start - campaign.start
    yaml = YAML()
    yaml.preserve_quotes, yaml.width = True, MAX_BYTES
    yaml.indent(mapping=2, sequence=4, offset=2)
    file = yaml.load(content_dir / "campaigns" / f"{source}.yaml")
    file["key"], file["start"] = key, start
    file["name"] = name or campaign.name
    if "end" in file:
        file["end"] += moved
    for goal in file.get("goals", ()):
        _move(goal["due"], moved)
    written = io.StringIO()
    yaml.dump(file, written)
    # A trailing comment on the first day speaks of the old one, e.g. "a Monday".
    text = re.sub(rf"^(start: {start})[ \t]+#.*$", r"\1", written.getvalue(), flags=re.MULTILINE)
    with target.open("x", encoding="utf-8") as new:
        new.write(text)
    return target


def _move(due: Mapping[str, object], by: timedelta) -> None:
    on = due.get("on")
    if isinstance(on, date):
        due["on"] = on + by  # type: ignore[index]  # what ruamel loads can be changed
