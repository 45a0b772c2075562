"""How the most engaged became so, and what works for whom (missions D1 and D2). Correlations, and called so.

- :mod:`~pushpull.insights.engagement.signals`: early signals, and when each learner first gave them;
- :mod:`~pushpull.insights.engagement.cohort`: who is followed, from when to when, and what became of them;
- :mod:`~pushpull.insights.engagement.association`: the statistics: lifts, strata, intervals;
- :mod:`~pushpull.insights.engagement.paths`: signals and paths against later engagement;
- :mod:`~pushpull.insights.engagement.shrinkage`: rates of small groups;
- :mod:`~pushpull.insights.engagement.policy`: what a variant would have done for everybody;
- :mod:`~pushpull.insights.engagement.response`: responses by channel, hour and kind of message.
"""

from pushpull.insights.engagement.association import Lift
from pushpull.insights.engagement.paths import EngagementPaths, PathCount, SignalLift, engagement_paths
from pushpull.insights.engagement.response import Cell, Split, WhatWorks, what_works
from pushpull.insights.engagement.signals import Signal

__all__ = [
    "Cell",
    "EngagementPaths",
    "Lift",
    "PathCount",
    "Signal",
    "SignalLift",
    "Split",
    "WhatWorks",
    "engagement_paths",
    "what_works",
]
