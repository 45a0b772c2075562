"""Simulated learners: people who answer messages, learn, give up, come back, or come by themselves.

They stand in for people in rehearsals: everything they do is written the way real activity and real callbacks are, so
that the flows above cannot tell the difference. They are a model with invented numbers, not a finding about anybody.
"""

from pushpull.insights.simulate.acting import SimulatedLearners
from pushpull.insights.simulate.surroundings import SOURCE
from pushpull.insights.simulate.temperament import ASSUMED, Behaviour, Temperament, temperament_of

__all__ = ["ASSUMED", "SOURCE", "Behaviour", "SimulatedLearners", "Temperament", "temperament_of"]
