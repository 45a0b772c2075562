"""The loop's closed sets: what is found, what becomes of a proposal, what a measurement says."""

from __future__ import annotations

from enum import StrEnum


class InsightKind(StrEnum):
    """What was found."""

    STOP_SIGNAL = "stop_signal"  # learners opt out, mute or complain, or messages fail: near a threshold or over it
    PULL_SHARE = "pull_share"  # learners come by themselves more, or less, than the campaign is pushed for
    DROP_OFF = "drop_off"  # people stop at a section more than its place explains
    UPLIFT = "uplift"  # what the campaign does, against its holdout
    EXPERIMENT = "experiment"  # an experiment has its verdict
    SEND_HOUR = "send_hour"  # learners respond at another hour
    CHANNEL_ORDER = "channel_order"  # another channel is answered more
    SILENT_WAVE = "silent_wave"  # a wave that hardly anybody answers
    CATALOGUE = "catalogue"  # an item that asks for another text, another split, or an end
    ENGAGEMENT = "engagement"  # a path that goes with more engagement: a correlation


class ProposalState(StrEnum):
    """What became of a proposal."""

    PROPOSED = "proposed"  # a person is asked
    APPROVED = "approved"  # and the file is not changed yet
    APPLIED = "applied"
    REJECTED = "rejected"
    OUTDATED = "outdated"  # the file says so already, or no longer has the place


class Said(StrEnum):
    """What a metric before and after a change comes to."""

    BETTER = "better"
    WORSE = "worse"
    CANNOT_TELL = "cannot tell"
