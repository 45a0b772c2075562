"""What planning is told: a wave as data.

A campaign file is turned into these (by `content`), stored with the wave, and read again at the re-check before
sending, so that what was approved is what is checked.
"""

from __future__ import annotations

from datetime import date, time, timedelta
from enum import StrEnum
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pushpull.learners.segments import Segment
from pushpull.learners.vocabulary import Barrier, Channel
from pushpull.ledger.vocabulary import MessageClass, Touch

#: The stage of daily nudges and of reminders at a cue: a learner gets at most one message of it on a local day.
HABIT_STAGE: Final = "habit"
#: The variant that is the message as written.
STANDARD_VARIANT: Final = "standard"
#: The stage that asks a few learners to vouch for the campaign.
CHAMPIONS_STAGE: Final = "champions"
#: A reminder at a cue is worth nothing once the cue is over.
CUE_LIFETIME: Final = timedelta(minutes=45)


class SendWindow(BaseModel):
    """The local hours in which a message may reach a learner; everything else is quiet.

    Args:
        opens: first allowed local time.
        closes: first local time that is quiet again; must be later than ``opens``.
        weekdays: allowed days, Monday is 0.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    opens: time = time(8)
    closes: time = time(20)
    weekdays: frozenset[int] = frozenset({0, 1, 2, 3, 4})

    @model_validator(mode="after")
    def _is_open_sometime(self) -> SendWindow:
        if self.opens >= self.closes:
            raise ValueError(f"the send window opens at {self.opens} and closes at {self.closes}: it is never open")
        if not self.weekdays or not self.weekdays <= set(range(7)):
            raise ValueError("weekdays must name at least one day, 0 (Monday) to 6 (Sunday)")
        return self


class Caps(BaseModel):
    """How many messages one learner may get over all campaigns and channels, in local days (mission P5).

    Args:
        per_day: on one local day.
        per_week: in any 7 local days.
        per_month: in any 30 local days.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    per_day: int = Field(1, ge=1)
    per_week: int = Field(3, ge=1)
    per_month: int = Field(8, ge=1)


class StopThresholds(BaseModel):
    """When a campaign stops by itself (mission D5): shares of accepted messages, once enough were sent.

    Args:
        after: accepted messages before the shares mean anything.
        opt_outs, complaints, failures: shares, 0 to 1, above which the campaign is held.
        mutes: the share of learners who asked for a pause after the campaign had reached them, above which it is held.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    after: int = Field(100, ge=1)
    opt_outs: float = Field(0.02, gt=0, le=1)
    complaints: float = Field(0.001, gt=0, le=1)
    failures: float = Field(0.10, gt=0, le=1)
    mutes: float = Field(0.05, gt=0, le=1)


class ChannelsBy(StrEnum):
    """How the channel that is tried first is found."""

    WRITTEN = "written"  # in the order of the campaign file
    THOMPSON = "thompson"  # by lot for each message, a channel the more often the better it has done


class WaveSpec(BaseModel):
    """One wave: to whom, when, over what, with which limits.

    Args:
        key: unique in the campaign, ``stage.wave@YYYY-MM-DD``.
        series: the key without its occurrence, ``stage.wave``.
        audience: the campaign's audience; every member who is also in ``target`` gets a row.
        target: narrows the audience for this wave; None means all of it.
        on: the local date on which it is sent, in each learner's own zone.
        hour: the local hour, 0 to 23, moved into ``window`` when outside.
        prefer_learner_hour: use the learner's own preferred hour where it is known.
        channels: in order of preference; the first usable one is taken.
        prefer_learner_channel: take the learner's own preferred channel first, where it is one of these and usable.
        channels_by: how the channel that is tried first is found: as written, or drawn by lot, the more often the
            better it has done (mission D4).
        channel_weights: for a lot, the chances the wave was planned with, as whole numbers; empty: as written.
        languages: in which the message exists; the first is the last resort.
        variants: names and weights of the split; empty means one variant.
        barrier_variants: variants that answer a barrier to learning, by the names of
            :attr:`pushpull.learners.vocabulary.Barrier.variant`; who has none of these gets the message as written. No
            split then.
        lot: what the split is drawn by besides the series: an experiment's key; empty: the series alone.
        holdout: share of learners, 0 to 0.5, who get nothing of this campaign.
        due_offset: working days from the learner's own due date (negative: before); only those whose day is ``on``.
        inactive_days: only learners without activity for at least so many days.
        inactive_rhythm: only learners silent for at least so many times their own usual gap.
        once: at most one message of this series per learner.
        once_per_absence: at most one message of this series since the learner's last activity.
        after: series of which at least one must have been accepted for the learner (mission R4).
        min_gap_days: days that must have passed since the last accepted message of ``after``.
        stop_when_active: activity between planning and sending cancels the message (mission O1).
        daily_goal: only learners who asked for a daily nudge, on a day that is none of their rest days, until the
            day's two minutes are done; rarer for those who learn without it (:mod:`pushpull.ledger.habit`, mission H1).
        at_cue: only learners whose own plan says so, at the minute their cue comes, until the day's two minutes are
            done (mission H3).
        cues_first: leave out whom another wave of the day reminds at a cue of their own.
        champions: it invites learners to vouch for the campaign until there are so many; 0: it does not
            (:mod:`pushpull.ledger.champions`, mission H7).
        vested: whom it never invites, because the campaign's praise is in their interest.
        item_count: how many items are recommended in the message.
        trend: key of the trend the message is about.
        trend_tags: what it is about, as the catalogue's items are tagged.
        grace: how late the wave may start before it asks a person.
        expires_after: how long after the learner's own due time the message is stale.
        approval_threshold: more planned learners than this ask a person first.
        second_approval_threshold: more than this ask two persons.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    campaign_key: str
    key: str
    series: str
    stage: str
    message_key: str
    touch: Touch
    message_class: MessageClass
    family: str
    priority: int = 0
    audience: Segment
    target: Segment | None = None
    on: date
    hour: int = Field(9, ge=0, le=23)
    prefer_learner_hour: bool = False
    prefer_learner_channel: bool = False
    channels_by: ChannelsBy = ChannelsBy.WRITTEN
    channel_weights: tuple[tuple[Channel, Annotated[int, Field(ge=1)]], ...] = ()
    timezone: str = "UTC"
    channels: tuple[Channel, ...] = Field(min_length=1)
    languages: tuple[str, ...] = Field(min_length=1)
    variants: tuple[tuple[str, int], ...] = ()
    barrier_variants: tuple[str, ...] = ()
    lot: str = ""
    holdout: float = Field(0.0, ge=0, le=0.5)
    due_offset: int | None = None
    inactive_days: float | None = Field(None, gt=0)
    inactive_rhythm: float | None = Field(None, gt=0)
    once: bool = False
    once_per_absence: bool = False
    after: tuple[str, ...] = ()
    min_gap_days: int = Field(0, ge=0)
    stop_when_active: bool = False
    daily_goal: bool = False
    at_cue: bool = False
    cues_first: bool = False
    champions: int = Field(0, ge=0, le=100)
    vested: Segment | None = None
    item_count: int = Field(0, ge=0, le=10)
    trend: str | None = None
    trend_tags: tuple[str, ...] = ()
    window: SendWindow = SendWindow()
    caps: Caps = Caps()
    grace: timedelta = timedelta(hours=3)
    expires_after: timedelta = timedelta(days=2)
    approval_threshold: int | None = Field(None, ge=1)
    second_approval_threshold: int | None = Field(None, ge=1)
    content_hash: str = ""

    @model_validator(mode="after")
    def _habit_has_its_stage(self) -> WaveSpec:
        if self.daily_goal and self.at_cue:
            raise ValueError("a wave is a daily nudge or a reminder at a cue, not both")
        if self.is_habit and (self.stage != HABIT_STAGE or self.due_offset is not None):
            raise ValueError(
                f"daily nudges and reminders at a cue belong to the {HABIT_STAGE} stage, without due dates"
            )
        return self

    @model_validator(mode="after")
    def _champions_have_their_stage(self) -> WaveSpec:
        if bool(self.champions) != (self.stage == CHAMPIONS_STAGE):
            raise ValueError(f"waves of the {CHAMPIONS_STAGE} stage, and no others, invite champions")
        if self.champions and self.message_class is MessageClass.MANDATORY:
            raise ValueError("nobody is obliged to vouch: champions are invited by no mandatory campaign")
        return self

    @model_validator(mode="after")
    def _barriers_or_a_split(self) -> WaveSpec:
        if self.variants and self.barrier_variants:
            raise ValueError("variants are chosen by a split or by the learner's barrier, not by both")
        unknown = set(self.barrier_variants) - {each.variant for each in Barrier}
        if unknown:
            raise ValueError(f"no barrier is called {', '.join(sorted(unknown))}")
        return self

    @model_validator(mode="after")
    def _channels_come_in_one_way(self) -> WaveSpec:
        if self.channels_by is ChannelsBy.WRITTEN:
            if self.channel_weights:
                raise ValueError("channels that are tried as written have no chances")
            return self
        if self.prefer_learner_channel:
            raise ValueError("the first channel is drawn by lot or is the learner's own, not both")
        if self.message_class is MessageClass.MANDATORY:
            raise ValueError("an obligation comes over no channel that is drawn by lot")
        if self.channel_weights and {channel for channel, _ in self.channel_weights} != set(self.channels):
            raise ValueError("chances are those of the wave's channels, all of them")
        return self

    @property
    def variant_names(self) -> tuple[str, ...]:
        """Every variant that a learner may get; none where there is one message for all."""
        if self.barrier_variants:
            return (STANDARD_VARIANT, *self.barrier_variants)
        return tuple(name for name, _ in self.variants)

    @property
    def is_habit(self) -> bool:
        """Whether it is a daily nudge or a reminder at a cue."""
        return self.daily_goal or self.at_cue


class CampaignSpec(BaseModel):
    """A campaign as the ledger knows it; the file it came from is kept whole in ``definition``.

    Args:
        key: unique, lower case with dashes.
        family: the message family that people can opt out of.
        starts_on, ends_on: local dates in ``timezone``; the last day is included.
        item_keys: the catalogue items whose completion completes the campaign, in order.
        definition: the file, as plain data.
        content_hash: SHA-256 over the file and its messages.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    name: str
    family: str
    message_class: MessageClass
    priority: int = 0
    timezone: str = "UTC"
    starts_on: date
    ends_on: date
    item_keys: tuple[str, ...] = ()
    stop: StopThresholds = StopThresholds()
    definition: dict[str, object] = Field(default_factory=dict)
    content_hash: str = ""
