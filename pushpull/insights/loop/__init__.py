"""The loop (mission D6): insight → proposal → approval → change of the campaign's file → measurement, each linked.

`finding` holds what a finder returns, `finders` the finders. `insights`, `proposals` and `measuring` keep the links;
`chain` reads them in both directions. Files and approvals are for the floors above.
"""

from pushpull.insights.loop.chain import Chain, Measurement, Tried, chain_to, chains_of, origin_of
from pushpull.insights.loop.finding import Change, Found, Metric, MetricKind, Setting, Value
from pushpull.insights.loop.insights import Insight, insights_of
from pushpull.insights.loop.looking import Finder, Look
from pushpull.insights.loop.proposals import Proposal, ProposalError, proposals
from pushpull.insights.loop.vocabulary import InsightKind, ProposalState, Said

__all__ = [
    "Chain",
    "Change",
    "Finder",
    "Found",
    "Insight",
    "InsightKind",
    "Look",
    "Measurement",
    "Metric",
    "MetricKind",
    "Proposal",
    "ProposalError",
    "ProposalState",
    "Said",
    "Setting",
    "Tried",
    "Value",
    "chain_to",
    "chains_of",
    "insights_of",
    "origin_of",
    "proposals",
]
