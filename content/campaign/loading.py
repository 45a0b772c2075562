"""Reading a campaign file, with everything it refers to."""

from __future__ import annotations

import hashlib
from difflib import get_close_matches
from pathlib import Path

from content.campaign.model import Campaign, References
from content.campaign.review import Review
from content.message import message_hash
from content.source import ContentError, Problem, parse, read_yaml
from pushpull.settings import settings


def campaign_keys(content_dir: Path) -> tuple[str, ...]:
    """The keys of all campaigns, in alphabetical order."""
    return tuple(sorted(path.stem for path in (content_dir / "campaigns").glob("*.yaml")))


def load_campaign(campaign: str | Path, content_dir: Path | None = None) -> Campaign:
    """A campaign, by its key or by the path of its file.

    Args:
        campaign: e.g. ``two-minutes-a-day`` or ``content/campaigns/two-minutes-a-day.yaml``.
        content_dir: where messages, brands and trends are; the settings' folder where left out.

    Raises:
        ContentError: the file, or something it refers to, cannot be used; lists all problems.
    """
    folder = content_dir or settings().content_dir
    path = campaign if isinstance(campaign, Path) else folder / "campaigns" / f"{campaign}.yaml"
    if not path.is_file():
        near = get_close_matches(path.stem, campaign_keys(folder), n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(campaign_keys(folder)) or 'none'}"
        raise ContentError([Problem(path, 1, "", f"there is no campaign {path.stem!r}; {hint}")])
    source = read_yaml(path)
    loaded = parse(source, Campaign)
    review = Review(loaded, source, folder)
    problems = list(review.problems())
    if problems:
        raise ContentError(problems)
    messages = review.messages
    brand = (folder / "brands" / f"{loaded.brand}.yaml").read_bytes()
    return loaded.referring_to(
        References(
            languages={
                key: tuple(sorted(message.languages, key=lambda each: (each != loaded.language, each)))
                for key, message in messages.items()
            },
            variants={key: message.variants for key, message in messages.items()},
            hashes={key: hashlib.sha256(brand + message_hash(key, folder).encode()).hexdigest() for key in messages},
            trends=review.trends,
        )
    )
