"""The closed sets that speak of learners, used by every floor above."""

from __future__ import annotations

from enum import StrEnum


class Channel(StrEnum):
    """How a learner is reached."""

    EMAIL = "email"
    TEAMS = "teams"
    SLACK = "slack"
    SMS = "sms"


#: Stands for "every channel" in a consent or a suppression.
ANY_CHANNEL = "*"
#: Stands for "every family of messages" in a consent or a suppression.
ANY_FAMILY = "*"


class SuppressionReason(StrEnum):
    """Why nothing is sent to an address, whatever the learner consented to."""

    BOUNCED = "bounced"
    COMPLAINED = "complained"
    INVALID_ADDRESS = "invalid_address"
    STOPPED = "stopped"
    BY_HAND = "by_hand"


class ProgressStatus(StrEnum):
    """Where a learner stands with one item."""

    ASSIGNED = "assigned"
    STARTED = "started"
    COMPLETED = "completed"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"


class LearnerState(StrEnum):
    """The lifecycle of one learner in one campaign (mission P6)."""

    UNAWARE = "unaware"
    AWARE = "aware"
    ACTIVATED = "activated"
    ACTIVE = "active"
    HABITUAL = "habitual"
    DORMANT = "dormant"
    COMPLETED = "completed"
    CHAMPION = "champion"
    OPTED_OUT = "opted_out"


class LifecycleKind(StrEnum):
    """The events a lifecycle is folded from."""

    REACHED = "reached"  # a message of the campaign was accepted or delivered
    CLICKED = "clicked"  # a person followed a link
    SIGNED_IN = "signed_in"  # opened the content for the first time
    LEARNED = "learned"  # learning activity on one of the campaign's items
    FAILED_TRY = "failed_try"  # a session that went wrong
    COMPLETED = "completed"  # all of the campaign's items are completed
    INVITED_AS_CHAMPION = "invited_as_champion"
    OPTED_OUT = "opted_out"
    OPTED_IN = "opted_in"
