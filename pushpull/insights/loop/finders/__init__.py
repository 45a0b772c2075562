"""The finders: each looks at one kind of result and says what it found. One list, so that nothing is looked at twice.

A finder reads and returns; it stores nothing. Results of other packages come in through small adapters here, which
import them late: most need libraries that a worker should not carry.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pushpull.insights.loop.finders.describing import catalogue, engagement
from pushpull.insights.loop.finders.leaving import leavings
from pushpull.insights.loop.finders.proving import effects, experiments
from pushpull.insights.loop.finders.pulling import pull_shares
from pushpull.insights.loop.finders.responding import responses
from pushpull.insights.loop.finders.stopping import stop_signals
from pushpull.insights.loop.looking import Finder

#: Counts of the ledger: quick.
QUICK: Final[Sequence[Finder]] = (stop_signals, pull_shares, responses)
#: Those that fit models take their time.
THOROUGH: Final[Sequence[Finder]] = (effects, experiments, leavings, engagement, catalogue)
