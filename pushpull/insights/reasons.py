"""The ledger's closed sets in plain words: a sentence for who asks about one person, a label for tables."""

from __future__ import annotations

from collections.abc import Mapping

from pushpull.learners.vocabulary import LearnerState
from pushpull.ledger.specs import WaveSpec
from pushpull.ledger.vocabulary import DeliveryState, EventKind, HoldReason, Reason, WaveStatus

#: Why a delivery waits, was given up or failed: a whole sentence each.
REASON_SENTENCES: Mapping[Reason, str] = {
    Reason.HOLDOUT: "The learner is in this campaign's holdout: nothing is sent, so that the effect can be measured.",
    Reason.GLOBAL_HOLDOUT: "The learner is in the holdout of all campaigns: no nudge is sent, to measure their effect.",
    Reason.INACTIVE: "The learner has left: the record is marked inactive.",
    Reason.COMPLETED: "There was nothing left to ask for: what the message is about is completed.",
    Reason.WITHDRAWN: "The learner withdrew from one of the campaign's items for good.",
    Reason.OPTED_OUT: "The learner opted out of these messages on every channel that could have been used.",
    Reason.SUPPRESSED: "No address may be used: it bounced, complained, was stopped or was blocked by hand.",
    Reason.NO_ADDRESS: "The learner has no address on any of the wave's channels.",
    Reason.NO_CONSENT: "The only address left is on a channel that needs an explicit yes, and the learner gave none.",
    Reason.NO_LONGER_IN_SEGMENT: "When it was about to be sent, the learner was no longer one of those it is for.",
    Reason.NOTHING_TO_RECOMMEND: "No item could be recommended with a true reason, in a language the learner reads.",
    Reason.CAPPED: "The learner had got as many messages as anybody may get in a day, a week or a month.",
    Reason.YIELDED: "A campaign of higher priority wanted the learner's attention on the same day.",
    Reason.QUIET_HOURS: "It was night, evening or a day off where the learner is.",
    Reason.EXPIRED: "By the time it could have been sent, the message was stale.",
    Reason.ACTIVE_AGAIN: "The learner became active after it was planned, so that there was nothing to remind of.",
    Reason.FIRST_STEP_MISSING: "The message follows another one, and that one did not reach the learner early enough.",
    Reason.REROUTED: "The planned channel can no longer be used for the learner, so that it goes over the next one.",
    Reason.CANCELLED: "A person cancelled the wave or its campaign before it was sent.",
    Reason.RENDER_FAILED: "The message could not be written for the learner: the template or its data has a mistake.",
    Reason.NOT_APPROVED: "Whoever approved the wave allowed fewer learners than it was planned for.",
    Reason.DIVERTED: "It was a rehearsal: the message went to somebody who rehearses, not to the learner.",
    Reason.PAUSED_BY_LEARNER: "The learner asked for a pause, and it was not over yet.",
    Reason.RESTING: "It was a rest day of the learner's: on these no nudge is sent.",
    Reason.GOAL_MET: "The learner had done the day's two minutes already: that is the whole goal.",
    Reason.NUDGED_TODAY: "The learner had got a nudge or a reminder on that day already; nobody gets two.",
    Reason.FADING: "The nudge comes rarely by now: the learner learns without it, or did not answer the last ones.",
    Reason.UNANSWERED: "So many nudges were not answered that they stopped, until the learner learns or chooses again.",
    Reason.INTENSITY: "The learner comes by themselves: the campaign pushes less while many do.",
    Reason.PROVIDER_REFUSED: "The provider refused the message or its address for good.",
    Reason.NOT_PROCESSED: "The provider proved that it did not process the message; it is tried again after a pause.",
    Reason.UNKNOWN_OUTCOME: "The connection broke in the middle: the provider may have it or not, and is being asked.",
    Reason.LEASE_EXPIRED: "The worker that had it stopped answering, so that somebody else takes over.",
    Reason.NO_EVIDENCE: "Nobody knows whether the provider sent it, and no evidence came in time: a person decides.",
    Reason.POSSIBLE_DUPLICATE: "It is an obligation, so that it was sent again although the first may have arrived.",
}

#: The same for the rows of a table.
REASON_LABELS: Mapping[Reason, str] = {
    Reason.HOLDOUT: "held out by the campaign",
    Reason.GLOBAL_HOLDOUT: "held out of all campaigns",
    Reason.INACTIVE: "left the company",
    Reason.COMPLETED: "already completed",
    Reason.WITHDRAWN: "withdrew from the course",
    Reason.OPTED_OUT: "opted out",
    Reason.SUPPRESSED: "address blocked",
    Reason.NO_ADDRESS: "no address",
    Reason.NO_CONSENT: "no consent to the only channel",
    Reason.NO_LONGER_IN_SEGMENT: "no longer in the segment",
    Reason.NOTHING_TO_RECOMMEND: "nothing to recommend",
    Reason.CAPPED: "attention budget used up",
    Reason.YIELDED: "gave way to another campaign",
    Reason.QUIET_HOURS: "quiet hours",
    Reason.EXPIRED: "stale",
    Reason.ACTIVE_AGAIN: "active again",
    Reason.FIRST_STEP_MISSING: "first step missing",
    Reason.REROUTED: "other channel",
    Reason.CANCELLED: "cancelled",
    Reason.RENDER_FAILED: "could not be written",
    Reason.NOT_APPROVED: "over the approved number",
    Reason.DIVERTED: "diverted in a rehearsal",
    Reason.PAUSED_BY_LEARNER: "paused by the learner",
    Reason.RESTING: "rest day",
    Reason.GOAL_MET: "two minutes done",
    Reason.NUDGED_TODAY: "nudged that day",
    Reason.FADING: "nudged rarely by now",
    Reason.UNANSWERED: "nudges not answered",
    Reason.INTENSITY: "comes by themselves",
    Reason.PROVIDER_REFUSED: "refused by the provider",
    Reason.NOT_PROCESSED: "not processed, tried again",
    Reason.UNKNOWN_OUTCOME: "outcome unknown",
    Reason.LEASE_EXPIRED: "worker stopped",
    Reason.NO_EVIDENCE: "no evidence",
    Reason.POSSIBLE_DUPLICATE: "possible duplicate",
}

STATE_WORDS: Mapping[DeliveryState, str] = {
    DeliveryState.PLANNED: "planned",
    DeliveryState.HELD: "waiting",
    DeliveryState.CLAIMED: "being prepared",
    DeliveryState.HANDING_OVER: "on its way to the provider",
    DeliveryState.UNCERTAIN: "perhaps sent; the provider is being asked",
    DeliveryState.ACCEPTED: "sent",
    DeliveryState.DELIVERED: "sent and delivered",
    DeliveryState.UNDELIVERED: "sent, but reported as not delivered",
    DeliveryState.BOUNCED: "sent, but it bounced",
    DeliveryState.REJECTED: "refused by the provider",
    DeliveryState.PARKED: "perhaps sent; a person has to decide",
    DeliveryState.SKIPPED: "not sent",
}

EVENT_WORDS: Mapping[EventKind, str] = {
    EventKind.ACCEPTED: "the provider reported that it has it",
    EventKind.DELIVERED: "the provider reported it delivered",
    EventKind.UNDELIVERED: "the provider reported it undelivered",
    EventKind.BOUNCED: "it bounced",
    EventKind.OPENED: "it was opened",
    EventKind.CLICKED: "the link was followed",
    EventKind.COMPLAINED: "it was reported as spam",
    EventKind.OPTED_OUT: "the learner opted out",
    EventKind.REPLIED: "the learner replied",
}

WAVE_WORDS: Mapping[WaveStatus, str] = {
    WaveStatus.OPEN: "open",
    WaveStatus.HELD: "held until a person decides",
    WaveStatus.PAUSED: "paused",
    WaveStatus.CANCELLED: "cancelled",
}

HOLD_WORDS: Mapping[HoldReason, str] = {
    HoldReason.APPROVAL: "asks for approval",
    HoldReason.MISFIRE: "is late and asks whether it is still wanted",
    HoldReason.PREFLIGHT: "failed its preflight and asks a person",
    HoldReason.STOP_SIGNAL: "was stopped by what came back",
    HoldReason.REJECTED: "was rejected by a person",
}

LIFECYCLE_WORDS: Mapping[LearnerState, str] = {
    LearnerState.UNAWARE: "unaware: nothing has reached the learner",
    LearnerState.AWARE: "aware: a message arrived or a link was followed",
    LearnerState.ACTIVATED: "activated: opened the content",
    LearnerState.ACTIVE: "active: learned something",
    LearnerState.HABITUAL: "habitual: learned on several days within a short while",
    LearnerState.DORMANT: "dormant: silent for longer than the learner's own rhythm explains",
    LearnerState.COMPLETED: "completed: all of the campaign's items are done",
    LearnerState.CHAMPION: "champion: said yes to vouching for the campaign",
    LearnerState.OPTED_OUT: "opted out: wants no messages of this campaign",
}


def because(reason: str, spec: WaveSpec) -> str:
    """The sentence of a reason, with what the wave's own rules say about it."""
    known = Reason(reason)
    sentence = REASON_SENTENCES[known]
    channels = ", ".join(channel.value for channel in spec.channels)
    match known:
        case Reason.FIRST_STEP_MISSING:
            gap = f" at least {spec.min_gap_days} days before" if spec.min_gap_days else ""
            return f"{sentence} It needs {' or '.join(spec.after)}{gap}."
        case Reason.CAPPED:
            day, week, month = spec.caps.per_day, spec.caps.per_week, spec.caps.per_month
            return f"{sentence} The campaign allows {day} a day, {week} a week, {month} a month."
        case Reason.NO_ADDRESS | Reason.OPTED_OUT | Reason.SUPPRESSED | Reason.NO_CONSENT:
            return f"{sentence} The wave's channels: {channels}."
        case Reason.QUIET_HOURS:
            return f"{sentence} Messages may arrive from {spec.window.opens:%H:%M} to {spec.window.closes:%H:%M}."
        case _:
            return sentence
