"""Explain: one learner's whole path through a campaign, past and future, rule by rule (mission X5).

What is told is what the ledger, the lifecycle's events, the activity and the consents hold; nothing here is stored.
"""

from pushpull.insights.explain.path import UnknownLearnerError, explain
from pushpull.insights.explain.story import Entry, EntryKind, Explanation

__all__ = ["Entry", "EntryKind", "Explanation", "UnknownLearnerError", "explain"]
