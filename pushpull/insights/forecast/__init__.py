"""What is to be expected of a campaign before it begins, and afterwards how that compares with what happened.

Here live the numbers: what the people are assumed to be like and where that comes from, what the runs came to together,
and the comparison. Playing the runs is :mod:`flows.forecasting`'s; how simulated learners act is
:mod:`pushpull.insights.simulate`'s.
"""

from pushpull.insights.forecast.learning import learn
from pushpull.insights.forecast.parameters import Parameter, Parameters, assumed

__all__ = ["Parameter", "Parameters", "assumed", "learn"]
