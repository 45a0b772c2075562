"""Approval of large waves: what a person is asked, what persons decided, and whether that still holds.

A rotation that reaches more learners than its wave's ``approval_threshold`` is held until a person approves it, above
``second_approval_threshold`` until two do. What they approve is frozen by a hash. Who asks them is `tasks.approve`.
"""

from pushpull.ledger.approvals.deciding import Decided, approve, ask_again, give_up_stale, reject, settle
from pushpull.ledger.approvals.errors import (
    AlreadyApprovedError,
    ApprovalError,
    BadDecisionError,
    NotAskedError,
    OldContentError,
    RejectedError,
    WaveOverError,
)
from pushpull.ledger.approvals.question import Question, approvers_needed, question, waves_that_ask
from pushpull.ledger.approvals.standing import HELD_AGAIN, Agreed, agreed, ask_if_large, has_begun, hold_again, reaches

__all__ = [
    "HELD_AGAIN",
    "Agreed",
    "AlreadyApprovedError",
    "ApprovalError",
    "BadDecisionError",
    "Decided",
    "NotAskedError",
    "OldContentError",
    "Question",
    "RejectedError",
    "WaveOverError",
    "agreed",
    "approve",
    "approvers_needed",
    "ask_again",
    "ask_if_large",
    "give_up_stale",
    "has_begun",
    "hold_again",
    "question",
    "reaches",
    "reject",
    "settle",
    "waves_that_ask",
]
