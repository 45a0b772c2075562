"""A logger that says nothing, for SDKs that would log keys, addresses and bodies."""

from __future__ import annotations

import logging


class _Silent(logging.Logger):
    """Enabled for no level, whatever is configured later."""

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802  # logging's name
        return False


#: Not one of `logging.getLogger`: those are configured anew by whoever starts, Prefect among them, and speak again.
SILENT: logging.Logger = _Silent("channels.silent")
