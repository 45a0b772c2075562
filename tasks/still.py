"""An installation whose content stands still: for demos and forecasts, which play weeks in a minute.

Elsewhere every task looks whether somebody has changed a file meanwhile; in simulated time nobody has, and looking
would be a tenth of the time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from content.campaign import Campaign, load_campaign
from content.render import Renderer
from tasks.installation import Installation


@dataclass(frozen=True, eq=False)
class StillInstallation(Installation):
    """An installation whose content is what it was when it was first asked for."""

    _files: dict[str, Campaign] = field(default_factory=dict, repr=False)
    _writers: dict[str, Renderer] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, other: Installation) -> Self:
        """The same installation, but for its content."""
        return cls(other.settings, other.engine, other.links, other.adapters, other.accounts)

    def campaign(self, key: str) -> Campaign:
        """The campaign as it was when first asked for.

        Raises:
            content.source.ContentError: it does not exist or cannot be used; names file, line and field.
        """
        if key not in self._files:
            self._files[key] = self._loaded(key)
        return self._files[key]

    def _loaded(self, key: str) -> Campaign:
        return load_campaign(key, self.settings.content_dir)

    def renderer(self, campaign_key: str) -> Renderer:
        """What writes the campaign's messages."""
        if campaign_key not in self._writers:
            self._writers[campaign_key] = Renderer(self.settings.content_dir, self.campaign(campaign_key))
        return self._writers[campaign_key]
