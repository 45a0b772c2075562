"""Where cards for everybody are posted: a Teams channel, or a folder of the sandbox. Nothing here is for one person."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Protocol

from channels.accounts import Accounts
from pushpull.ledger.messages import CardBody
from pushpull.ledger.outcomes import Accepted, Outcome
from pushpull.settings import Settings

#: Of the sandbox, below its outbox.
FOLDER = "channel-posts"


class Posts(Protocol):
    """What posts a card into a channel."""

    def post(self, channel_id: str, card: CardBody, *, key: str, deadline: float) -> Outcome:
        """Post a card as a conversation of its own.

        Args:
            channel_id: ``19:…@thread.tacv2``.
            key: our own name of the post.
            deadline: monotonic seconds by which everything must be over.
        """


class SandboxPosts:
    """Keeps each post as a file: nothing leaves the machine."""

    def __init__(self, outbox: Path) -> None:
        self._folder = outbox / FOLDER

    def post(self, channel_id: str, card: CardBody, *, key: str, deadline: float) -> Outcome:
        """Write the card; one that is there already is a second post, and gets a file of its own."""
        del channel_id, deadline
        self._folder.mkdir(parents=True, exist_ok=True)
        earlier = len(list(self._folder.glob(f"{key}.*card.json")))
        name = f"{key}.{earlier + 1}.card.json" if earlier else f"{key}.card.json"
        (self._folder / name).write_text(card.json, encoding="utf-8")
        return Accepted(f"sandbox:{name}")


def posts_of(settings: Settings, accounts: Accounts, *, clock: Callable[[], datetime]) -> Posts | None:
    """What posts to the organisation's channel; None where Teams is not in use."""
    if settings.is_sandbox:
        return SandboxPosts(settings.outbox_dir)
    if "teams" not in settings.real_channels or accounts.microsoft is None:
        return None
    from channels.teams.posts import ChannelPosts

    return ChannelPosts(accounts.microsoft, clock=clock)
