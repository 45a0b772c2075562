"""The ledger's closed sets: states, reasons, classes."""

from __future__ import annotations

from enum import StrEnum


class MessageClass(StrEnum):
    """What entitles us to send (security: consent)."""

    MANDATORY = "mandatory"  # an obligation: no marketing opt-out, own caps and lane
    SERVICE = "service"
    NUDGE = "nudge"

    @property
    def lane(self) -> str:
        """The attention budget this class draws from."""
        return "mandatory" if self is MessageClass.MANDATORY else "nudge"


class Touch(StrEnum):
    """Which force a message uses (mission P4)."""

    PUSH = "push"
    PULL = "pull"


class Arm(StrEnum):
    """The side of the experiment a learner is on."""

    TREATED = "treated"
    HOLDOUT = "holdout"
    GLOBAL_HOLDOUT = "global_holdout"


class DeliveryState(StrEnum):
    """The state of one delivery row."""

    PLANNED = "planned"
    HELD = "held"
    CLAIMED = "claimed"
    HANDING_OVER = "handing_over"
    UNCERTAIN = "uncertain"
    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    BOUNCED = "bounced"
    REJECTED = "rejected"
    PARKED = "parked"
    SKIPPED = "skipped"


#: Work is still to be done: a wave with one of these is not finished.
OPEN_STATES = (
    DeliveryState.PLANNED,
    DeliveryState.HELD,
    DeliveryState.CLAIMED,
    DeliveryState.HANDING_OVER,
    DeliveryState.UNCERTAIN,
)
#: The provider has it, by positive evidence.
ACCEPTED_STATES = (
    DeliveryState.ACCEPTED,
    DeliveryState.DELIVERED,
    DeliveryState.UNDELIVERED,
    DeliveryState.BOUNCED,
)
#: The learner may have been contacted: these count against the attention budget.
CONTACT_STATES = (*ACCEPTED_STATES, DeliveryState.HANDING_OVER, DeliveryState.UNCERTAIN, DeliveryState.PARKED)


class Reason(StrEnum):
    """Why a delivery is held, skipped or rejected."""

    # at planning or at the re-check before sending
    HOLDOUT = "holdout"
    GLOBAL_HOLDOUT = "global_holdout"
    INACTIVE = "inactive"
    COMPLETED = "completed"
    WITHDRAWN = "withdrawn"
    OPTED_OUT = "opted_out"
    SUPPRESSED = "suppressed"
    NO_ADDRESS = "no_address"
    NO_CONSENT = "no_consent"
    NO_LONGER_IN_SEGMENT = "no_longer_in_segment"
    NOTHING_TO_RECOMMEND = "nothing_to_recommend"
    CAPPED = "capped"
    YIELDED = "yielded"  # a campaign of higher priority wants the same person today
    QUIET_HOURS = "quiet_hours"
    EXPIRED = "expired"
    ACTIVE_AGAIN = "active_again"
    FIRST_STEP_MISSING = "first_step_missing"
    REROUTED = "rerouted"
    CANCELLED = "cancelled"
    RENDER_FAILED = "render_failed"
    NOT_APPROVED = "not_approved"  # over the cap of an approval
    DIVERTED = "diverted"  # a rehearsal sent it to somebody else
    PAUSED_BY_LEARNER = "paused_by_learner"
    RESTING = "resting"  # a rest day of the learner's
    GOAL_MET = "goal_met"  # today's two minutes are done
    NUDGED_TODAY = "nudged_today"  # they had their message of the day
    FADING = "fading"  # nudges come rarely by now: the learner learns without them, or does not answer
    UNANSWERED = "unanswered"  # so many nudges were not answered that they stopped
    INTENSITY = "intensity"  # learners come by themselves: the campaign pushes less
    # after a handover
    PROVIDER_REFUSED = "provider_refused"
    NOT_PROCESSED = "not_processed"
    UNKNOWN_OUTCOME = "unknown_outcome"
    LEASE_EXPIRED = "lease_expired"
    NO_EVIDENCE = "no_evidence"
    POSSIBLE_DUPLICATE = "possible_duplicate"


class WaveStatus(StrEnum):
    """What a person or a rule decided about a wave; whether it is finished is a query."""

    OPEN = "open"
    HELD = "held"  # asks a person: approval, misfire or a stop signal
    PAUSED = "paused"
    CANCELLED = "cancelled"


class HoldReason(StrEnum):
    """What a held wave asks about."""

    APPROVAL = "approval"
    MISFIRE = "misfire"
    PREFLIGHT = "preflight"
    STOP_SIGNAL = "stop_signal"
    REJECTED = "rejected"  # a person said no: it waits until its content is another, or it is cancelled


class Decision(StrEnum):
    """What a person decides about a wave that asks for approval."""

    APPROVED = "approved"
    REJECTED = "rejected"


class SwitchName(StrEnum):
    """What ops can set for everything at once."""

    PAUSE = "pause"  # bool: nothing is handed over
    PILOT = "pilot"  # list of external ids: only these learners are sent to; empty: everybody
    OVERRIDE_RECIPIENT = "override_recipient"  # external id: everything goes to this learner's addresses; "": nobody


class EventKind(StrEnum):
    """Facts that come back about a delivery."""

    ACCEPTED = "accepted"  # the provider says it has the message
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    BOUNCED = "bounced"
    OPENED = "opened"
    CLICKED = "clicked"
    COMPLAINED = "complained"
    OPTED_OUT = "opted_out"
    REPLIED = "replied"


class CallbackState(StrEnum):
    """What became of something a provider told us."""

    NEW = "new"
    FOLDED = "folded"
    ORPHAN = "orphan"  # about a delivery or a person we do not know, yet
    IGNORED = "ignored"  # means nothing to us
    POISON = "poison"  # cannot be understood
    EXPIRED = "expired"  # an orphan nobody claimed for seven days


class FetchKind(StrEnum):
    """Which kind of link was opened."""

    LANDING = "landing"
    START = "start"  # the button that leads to the content
    UNSUBSCRIBE = "unsubscribe"
    PREFERENCES = "preferences"
    SHARE = "share"
    ACCOUNT = "account"
    TRAP = "trap"  # a link nobody can see


class Reader(StrEnum):
    """Who opened a link, as far as can be told."""

    HUMAN = "human"
    SCANNER = "scanner"
    UNKNOWN = "unknown"


class LetterKind(StrEnum):
    """E-mails that people ask for on a page."""

    FRESH_LINK = "fresh_link"
    YOUR_DATA = "your_data"  # the way to export and erase


class LetterState(StrEnum):
    """What became of such an e-mail."""

    ASKED = "asked"
    SENDING = "sending"
    SENT = "sent"
    UNCERTAIN = "uncertain"  # may have left: never sent again by itself
    REFUSED = "refused"
