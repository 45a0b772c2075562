"""Why a decision about a wave cannot be taken; each says what to do."""

from __future__ import annotations


class ApprovalError(ValueError):
    """A decision that cannot be taken; says why, and what to do."""


class NotAskedError(ApprovalError):
    """The wave asks nobody for approval: it was released, or is held for another reason."""


class WaveOverError(ApprovalError):
    """All its messages were sent or skipped, or are stale by now."""


class OldContentError(ApprovalError):
    """What the person was shown is not what would be sent now."""


class AlreadyApprovedError(ApprovalError):
    """The same person approved the very same before."""


class RejectedError(ApprovalError):
    """The very same was rejected before."""


class BadDecisionError(ApprovalError):
    """No name, no reason, or a cap that is none."""
