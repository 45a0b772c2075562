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
    BECAME_CHAMPION = "became_champion"  # said yes to vouching for the campaign
    OPTED_OUT = "opted_out"
    OPTED_IN = "opted_in"


class FactKind(StrEnum):
    """What the profile of a learner is made of."""

    GOAL = "goal"
    ASPIRATION = "aspiration"
    NEED = "need"
    FORMAT = "format"
    BARRIER = "barrier"
    WHY = "why"  # what for, in the learner's own words (mission R9)
    LANGUAGE = "language"  # the one they chose themselves
    HOUR = "hour"  # the local hour they chose themselves
    CHANNEL = "channel"  # over which they respond
    DAYS = "days"  # the weekdays on which they learn, e.g. "mon tue thu"
    SESSION_MINUTES = "session_minutes"  # how long they usually stay
    TOPIC = "topic"  # a tag of what they came back to
    HR_LANGUAGE = "hr_language"  # what HR says, kept beside the learner's own choice until that is withdrawn


class FactSource(StrEnum):
    """Who says so; the earlier one wins (mission R1)."""

    DECLARED = "declared"
    HR = "hr"
    LEARNED = "learned"


class Barrier(StrEnum):
    """What may keep somebody from learning (mission P2)."""

    NO_TIME = "no_time"
    INSULTED = "insulted"  # feels that it is beneath them
    EXPOSURE = "exposure"  # afraid of being seen to fail
    UNAWARE = "unaware"  # does not know that it is there

    @property
    def variant(self) -> str:
        """The name of a message's variant that answers it."""
        return self.value.replace("_", "-")


class Cue(StrEnum):
    """What an if-then plan waits for (mission H3)."""

    BEFORE_EMAIL = "before_email"
    MEETING_ENDS_EARLY = "meeting_ends_early"
    BETWEEN_CALLS = "between_calls"
    AFTER_LUNCH = "after_lunch"
    BEFORE_GOING_HOME = "before_going_home"
    OWN = "own"


class HoldState(StrEnum):
    """What became of a time for learning that was wished for in a calendar."""

    WANTED = "wanted"
    MADE = "made"
    UNCERTAIN = "uncertain"  # may be there; asked for again with the same transaction it is made once
    REFUSED = "refused"
    UNWANTED = "unwanted"  # to be taken out again
    CANCELLED = "cancelled"


class ReviewState(StrEnum):
    """What others see of a review's words."""

    PUBLISHED = "published"
    HELD = "held"  # waits for ops
    HIDDEN = "hidden"


class RecognitionKind(StrEnum):
    """Efforts that are thanked for; none of them compares people."""

    FIRST_WEEK = "first_week"  # two minutes on three days of a week
    CAME_BACK = "came_back"  # began again after a long silence
    HELPED = "helped"  # colleagues started something they shared
    FINISHED = "finished"  # everything the campaign asks for


class PostState(StrEnum):
    """What became of a post in a channel."""

    WANTED = "wanted"
    POSTING = "posting"
    POSTED = "posted"
    UNCERTAIN = "uncertain"  # may be there: never posted a second time
    REFUSED = "refused"


class ChampionState(StrEnum):
    """Where somebody stands who was asked to vouch for a campaign."""

    INVITED = "invited"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    ROTATED = "rotated"
