"""The one place where an installation is put together: settings, database, links, channels.

Everything above gets it from :func:`installation`; rehearsals and tests put another one in its place with
:func:`installed`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Lock

from sqlalchemy import Engine

from channels.accounts import Accounts, accounts_of
from channels.base import ChannelAdapter
from channels.registry import adapters
from content.campaign import Campaign, campaign_spec, load_campaign
from content.render import Renderer
from pushpull.db import open_database, reading
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.budget import OrganisationCaps
from pushpull.ledger.drain import DrainOptions
from pushpull.ledger.links import LinkSigner
from pushpull.ledger.provider_objects import unsubscribe_groups
from pushpull.ledger.reconcile import Patience
from pushpull.ledger.specs import Caps
from pushpull.migrations import upgrade
from pushpull.settings import Settings, settings

_CONTENT_FILES = {".yaml", ".yml", ".j2", ".svg"}

#: Real providers live in the present; whoever wants another time passes a clock of their own.
_present = partial(datetime.now, UTC)

log = logging.getLogger("pushpull")


@dataclass(frozen=True, eq=False)
class Installation:
    """What every task needs.

    Args:
        adapters: one per channel.
        accounts: at the real providers, as far as their credentials are set.
    """

    settings: Settings
    engine: Engine
    links: LinkSigner
    adapters: Mapping[Channel, ChannelAdapter]
    accounts: Accounts = field(default_factory=Accounts)
    _campaigns: dict[str, tuple[int, Campaign]] = field(default_factory=dict, repr=False)
    _renderers: dict[str, Renderer] = field(default_factory=dict, repr=False)

    def campaign(self, key: str) -> Campaign:
        """The campaign of the content folder.

        Raises:
            content.source.ContentError: it does not exist or cannot be used; names file, line and field.
        """
        stamp = _stamp(self.settings.content_dir)
        known = self._campaigns.get(key)
        if known is None or known[0] != stamp:
            known = self._campaigns[key] = (stamp, load_campaign(key, self.settings.content_dir))
        return known[1]

    def renderer(self, campaign_key: str) -> Renderer:
        """What writes the campaign's messages; anew when its content has changed."""
        campaign = self.campaign(campaign_key)
        content_hash = campaign_spec(campaign).content_hash
        if content_hash not in self._renderers:
            self._renderers.clear()
            self._renderers[content_hash] = Renderer(self.settings.content_dir, campaign)
        return self._renderers[content_hash]

    @property
    def caps(self) -> OrganisationCaps:
        """The organisation's frequency caps."""
        own, mandatory = self.settings, self.settings.mandatory_cap_per_day
        return OrganisationCaps(
            nudge=Caps(per_day=own.cap_per_day, per_week=own.cap_per_week, per_month=own.cap_per_month),
            mandatory=Caps(per_day=mandatory, per_week=3 * mandatory, per_month=8 * mandatory),
        )

    def drain_options(self, worker: str) -> DrainOptions:
        """How a worker of this installation drains."""
        own = self.settings
        return DrainOptions(
            worker=worker,
            caps=self.caps,
            lease=timedelta(seconds=own.lease_seconds),
            deadline=timedelta(seconds=own.call_deadline_seconds),
            batch_size=own.batch_size,
        )

    @property
    def patience(self) -> Patience:
        """How long evidence may take."""
        own = self.settings
        return Patience(settle=timedelta(minutes=own.settle_minutes), park=timedelta(minutes=own.park_minutes))


def _stamp(content_dir: Path) -> int:
    """Changes whenever a file of the content folder does; reading a campaign is slow, looking at it is not."""
    stats = (path.stat() for path in content_dir.rglob("*") if path.suffix in _CONTENT_FILES)
    return hash(tuple((found.st_ino, found.st_mtime_ns, found.st_size) for found in stats))


def assemble(chosen: Settings, *, clock: Callable[[], datetime] | None = None) -> Installation:
    """Open the database, bring it up to date, fetch the credentials, and choose the channels.

    Args:
        clock: the present of the channels, for rehearsals in another time than today's.

    Raises:
        channels.credentials.CredentialsMissing: the Prefect blocks that hold them cannot be read.
        channels.registry.NoAccount: a listed channel has no account.
    """
    if chosen.credentials_block:
        from channels.credentials import with_blocks

        chosen = with_blocks(chosen)
    engine = open_database(chosen.database_url)
    upgrade(engine)
    with reading(engine) as connection:
        accounts = accounts_of(chosen, groups=unsubscribe_groups(connection))
    present = clock if chosen.is_sandbox else clock or _present
    links = LinkSigner.of(chosen)
    return Installation(
        settings=chosen,
        engine=engine,
        links=links,
        adapters=adapters(chosen, clock=present, accounts=accounts, links=links),
        accounts=accounts,
    )


_current: Installation | None = None
_lock = Lock()


def installation() -> Installation:
    """The installation of this process, assembled from the settings when first asked for."""
    global _current  # noqa: PLW0603  # one per process, by design
    with _lock:
        if _current is None:
            _current = assemble(settings())
        return _current


@contextmanager
def installed(other: Installation) -> Iterator[Installation]:
    """Put another installation in place for the length of the block."""
    global _current  # noqa: PLW0603
    before, _current = _current, other
    try:
        yield other
    finally:
        _current = before
