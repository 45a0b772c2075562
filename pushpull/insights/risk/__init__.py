"""How likely learners are not to complete a campaign, judged by what they do and never by who they are (mission O3).

- :mod:`~pushpull.insights.risk.protected`: names that no feature may have;
- :mod:`~pushpull.insights.risk.behaviour`: behaviour by day and the features made of it;
- :mod:`~pushpull.insights.risk.history`: the same from the database;
- :mod:`~pushpull.insights.risk.judges`: the rule and the model;
- :mod:`~pushpull.insights.risk.curves`, :mod:`~pushpull.insights.risk.calibration`: how good they are;
- :mod:`~pushpull.insights.risk.trial`: both side by side, and which of them is believed;
- :mod:`~pushpull.insights.risk.assessment`: a campaign's risk.
"""

from pushpull.insights.risk.assessment import Band, BandCount, LearnerRisk, Risk, Today, learners_at_risk, risk
from pushpull.insights.risk.protected import ProtectedAttributeError
from pushpull.insights.risk.trial import Trial

__all__ = [
    "Band",
    "BandCount",
    "LearnerRisk",
    "ProtectedAttributeError",
    "Risk",
    "Today",
    "Trial",
    "learners_at_risk",
    "risk",
]
