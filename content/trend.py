"""Trend files (`trends/*.yaml`): what moves an industry, a company or a culture, and until when (mission R3)."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from pathlib import Path

from pydantic import Field

from content.source import ContentError, ContentModel, Problem, parse, read_yaml
from pushpull.learners.segments import EVERYONE, Segment


class TrendKind(StrEnum):
    """Where a trend comes from."""

    INDUSTRY = "industry"
    COMPANY = "company"
    CULTURAL = "cultural"


class TrendWords(ContentModel):
    """A trend as messages name it.

    Args:
        title: fits into a sentence and a subject line.
        teaser: one or two sentences on why it matters at work.
    """

    title: str = Field(min_length=3, max_length=60)
    teaser: str = Field(min_length=10, max_length=400)


class Trend(ContentModel):
    """A trend.

    Args:
        words: per language.
        tags: catalogue tags of items on it.
        who: whom it affects.
        ends_on: the last local day on which a message may be about it.
    """

    key: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)
    kind: TrendKind
    words: dict[str, TrendWords] = Field(min_length=1)
    tags: tuple[str, ...] = Field(min_length=1)
    who: Segment = EVERYONE
    ends_on: date

    def is_over(self, day: date) -> bool:
        """Whether the trend has ended before the day."""
        return day > self.ends_on


def load_trend(key: str, content_dir: Path) -> Trend:
    """The trend of that key.

    Raises:
        ContentError: there is no such file or it is not a trend.
    """
    folder = content_dir / "trends"
    path = folder / f"{key}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(each.stem for each in folder.glob("*.yaml"))) or "none"
        raise ContentError([Problem(path, 1, "", f"there is no trend {key!r}; known: {known}")])
    source = read_yaml(path)
    trend = parse(source, Trend)
    if trend.key != key:
        raise ContentError([source.problem(("key",), f"is {trend.key!r} but the file is called {path.name}")])
    return trend


def live_trends(content_dir: Path, day: date) -> tuple[Trend, ...]:
    """The trends that have not ended before the day, by key.

    Raises:
        ContentError: one of the files is not a trend.
    """
    trends = (load_trend(path.stem, content_dir) for path in sorted((content_dir / "trends").glob("*.yaml")))
    return tuple(trend for trend in trends if not trend.is_over(day))
