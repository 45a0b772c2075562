"""What a campaign file may say. Each field is documented where it stands; authors read the same in docs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, PrivateAttr, field_validator, model_validator

from content.campaign.when import DayOffset, Span, Weekday, Weeks, When
from content.source import ContentModel
from content.trend import Trend
from pushpull.insights.experiments.plan import ExperimentPlan
from pushpull.learners.segments import EVERYONE, Segment
from pushpull.learners.vocabulary import Channel, LearnerState
from pushpull.ledger.intensity import IntensityRules
from pushpull.ledger.specs import CHAMPIONS_STAGE, HABIT_STAGE, Caps, ChannelsBy, SendWindow, StopThresholds
from pushpull.ledger.vocabulary import MessageClass, Touch

#: The stages, in the order in which a learner meets them.
STAGES = ("launch", "onboarding", "recommendations", "reengagement", HABIT_STAGE, CHAMPIONS_STAGE)

Key = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
ItemKey = Annotated[str, Field(min_length=1, max_length=255)]
VariantName = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=32)]


class QuietHours(ContentModel):
    """Local hours in which nothing is sent, over midnight.

    Args:
        after: the first quiet time in the evening.
        until: the first time in the morning at which messages may be sent.
    """

    after: time = time(18)
    until: time = time(8)


class BudgetCaps(ContentModel):
    """How many messages of all campaigns a learner may get (mission P5)."""

    day: int = Field(1, ge=1)
    week: int = Field(3, ge=1)
    month: int = Field(8, ge=1)


class Budget(ContentModel):
    """What the campaign may take of a learner's attention.

    Args:
        priority: the higher one wins when several campaigns want the same learner on one day.
        caps: most messages per local day, 7 days and 30 days.
        quiet_hours: when nothing is sent, in the learner's zone.
        weekdays: on which something may be sent.
    """

    priority: int = Field(0, ge=-100, le=100)
    caps: BudgetCaps = BudgetCaps()
    quiet_hours: QuietHours = QuietHours()
    weekdays: tuple[Weekday, ...] = (Weekday.MON, Weekday.TUE, Weekday.WED, Weekday.THU, Weekday.FRI)

    @model_validator(mode="after")
    def _is_open_sometime(self) -> Budget:
        if self.quiet_hours.until >= self.quiet_hours.after:
            raise ValueError("quiet_hours leave no time to send: `until` (morning) must be before `after` (evening)")
        if not self.weekdays:
            raise ValueError("weekdays must name at least one day")
        return self

    @property
    def window(self) -> SendWindow:
        """The hours and days that are not quiet."""
        return SendWindow(
            opens=self.quiet_hours.until,
            closes=self.quiet_hours.after,
            weekdays=frozenset(day.number for day in self.weekdays),
        )

    @property
    def limits(self) -> Caps:
        """The caps as the ledger takes them."""
        return Caps(per_day=self.caps.day, per_week=self.caps.week, per_month=self.caps.month)


class Planning(ContentModel):
    """When the waves of a day are planned: whom each reaches is decided then, and whoever must approve it is asked.

    Args:
        at: local time in the campaign's zone; best between 05:00 and 22:00, which daylight saving neither skips nor
            repeats.
        day_before: on the day before: for learners east of the campaign's zone, and to have the evening to approve.
    """

    at: time = time(5, 5)
    day_before: bool = False

    @field_validator("at")
    @classmethod
    def _is_local(cls, value: time) -> time:
        if value.tzinfo is not None:
            raise ValueError("is local time in the campaign's zone: leave the offset out")
        return value


class GoalDue(ContentModel):
    """When a goal is due: so long after the campaign's start, or on a date."""

    after_start: DayOffset | None = None
    on: date | None = None

    @model_validator(mode="after")
    def _is_one_of_them(self) -> GoalDue:
        if (self.after_start is None) == (self.on is None):
            raise ValueError("needs exactly one of `after_start` and `on`")
        return self


class Goal(ContentModel):
    """A dated goal of the timeline, e.g. "open your page by Friday" (mission L2).

    Args:
        title: per language.
        item: the campaign item whose due date this is; none for a goal that is about no item.
    """

    key: Key
    title: dict[str, str] = Field(min_length=1)
    due: GoalDue
    item: ItemKey | None = None

    def due_on(self, start: date) -> date:
        """The day on which it is due, for learners who were there from the start."""
        if self.due.on is not None:
            return self.due.on
        return start + (self.due.after_start.length if self.due.after_start else timedelta())


class Wave(ContentModel):
    """One wave of a stage, or a series of them.

    Args:
        message: key of the message.
        touch: push or pull; never left out (mission P4).
        segment: narrows the campaign's audience.
        state: narrows it to learners in one of these lifecycle states.
        when: on which days.
        hour: local hour, 0 to 23; without a meaning at a cue, which has a time of its own.
        prefer_learner_hour: the learner's own preferred hour where it is known.
        channels: in order of preference; the first usable one is taken.
        prefer_learner_channel: the channel over which the learner responds first, where it is known and one of these.
        channels_by: ``thompson`` draws by lot which channel is tried first, the more often the better it has done
            (mission D4); the others follow as written.
        items: how many items are recommended.
        trend: key of the trend the message is about.
        variants: names and weights of a split; ``standard`` is the message as written.
        variants_by: ``barrier`` picks the variant that is named after what keeps the learner from learning
            (``no-time``, ``insulted``, ``exposure``, ``unaware``), and the message as written for everybody else.
        once: at most one message of this series per learner.
        once_per_absence: at most one since the learner's last activity.
        after: series (``stage.wave``) of which the learner must have got one.
        min_gap_days: days that must lie between that one and this.
        stop_when_active: activity between planning and sending cancels the message.
        champions: invites learners to vouch for the campaign, until there are so many of them (mission H7).
        expires_after: when a message that could not be sent is stale.
        approval_above: asks a person when more learners than this are addressed; the campaign's where left out.
        second_approval_above: asks a second person when more than this are; the campaign's where left out.
    """

    key: Key
    message: Key
    touch: Touch
    segment: Segment | None = None
    state: tuple[LearnerState, ...] | None = Field(None, min_length=1)
    when: When
    hour: int = Field(9, ge=0, le=23)
    prefer_learner_hour: bool = False
    channels: tuple[Channel, ...] = Field(min_length=1)
    prefer_learner_channel: bool = False
    channels_by: ChannelsBy = ChannelsBy.WRITTEN
    items: int = Field(0, ge=0, le=10)
    trend: Key | None = None
    variants: dict[VariantName, Annotated[int, Field(ge=1, le=1000)]] = Field(default_factory=dict)
    variants_by: Literal["barrier"] | None = None
    once: bool = False
    once_per_absence: bool = False
    after: tuple[str, ...] = ()
    min_gap_days: int = Field(0, ge=0, le=365)
    stop_when_active: bool = False
    champions: int = Field(0, ge=0, le=100)
    expires_after: Span = Span(days=2)
    approval_above: int | None = Field(None, ge=1)
    second_approval_above: int | None = Field(None, ge=1)

    @field_validator("channels")
    @classmethod
    def _no_channel_twice(cls, value: tuple[Channel, ...]) -> tuple[Channel, ...]:
        if len(set(value)) != len(value):
            raise ValueError("names a channel twice")
        return value

    @field_validator("expires_after")
    @classmethod
    def _lives_a_while(cls, value: Span) -> Span:
        if value.length < timedelta(hours=1):
            raise ValueError("must be an hour or more")
        return value

    @model_validator(mode="after")
    def _gap_has_a_beginning(self) -> Wave:
        if self.min_gap_days and not self.after:
            raise ValueError("min_gap_days counts from the waves named in `after`; name one")
        return self

    @model_validator(mode="after")
    def _variants_are_chosen_in_one_way(self) -> Wave:
        if self.variants and self.variants_by:
            raise ValueError("variants are chosen by a split or by `variants_by`; write one of them")
        if self.prefer_learner_channel and len(self.channels) == 1:
            raise ValueError("prefer_learner_channel needs channels to choose from; name two or more")
        if self.channels_by is ChannelsBy.THOMPSON and len(self.channels) == 1:
            raise ValueError("channels_by needs channels to draw from; name two or more")
        if self.channels_by is ChannelsBy.THOMPSON and self.prefer_learner_channel:
            raise ValueError("the first channel is drawn by lot or is the learner's own; write one of them")
        return self

    @model_validator(mode="after")
    def _habit_comes_again(self) -> Wave:
        if self.when.is_habit and (self.once or self.once_per_absence):
            raise ValueError(
                "a daily nudge or a reminder at a cue comes again: leave `once` and `once_per_absence` out"
            )
        if self.when.at_cue and self.prefer_learner_hour:
            raise ValueError("a reminder comes when the learner's own cue does: leave `prefer_learner_hour` out")
        return self


class Mix(ContentModel):
    """The planned mix of a stage's touches, in percent (mission P4)."""

    push: int = Field(ge=0, le=100)
    pull: int = Field(ge=0, le=100)

    @model_validator(mode="after")
    def _is_a_whole(self) -> Mix:
        if self.push + self.pull != 100:
            raise ValueError(f"push and pull must add up to 100, not {self.push + self.pull}")
        return self


class Stage(ContentModel):
    """A stage: its planned mix and its waves."""

    mix: Mix
    waves: tuple[Wave, ...] = Field(min_length=1)


class Stages(ContentModel):
    """The stages of a campaign; a campaign may leave some out."""

    launch: Stage | None = None
    onboarding: Stage | None = None
    recommendations: Stage | None = None
    reengagement: Stage | None = None
    habit: Stage | None = None
    champions: Stage | None = None


@dataclass(frozen=True, slots=True)
class References:
    """What a campaign's waves refer to, found when its file was loaded.

    Args:
        languages: in which a message exists, the last resort first, by message key.
        variants: the variants of a message, the standard one first, by message key.
        hashes: SHA-256 over all that a message is made of, by message key.
        trends: by key.
    """

    languages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    variants: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    hashes: Mapping[str, str] = field(default_factory=dict)
    trends: Mapping[str, Trend] = field(default_factory=dict)


class Campaign(ContentModel):
    """A campaign.

    Args:
        family: the message family people can opt out of.
        message_class: ``class`` in the file: mandatory, service or nudge.
        audience: whom the campaign is for.
        vested: whom it never asks to vouch for it, because its praise is in their interest: learning staff, vendors.
            Owners of its items and whoever decides about campaigns are known without it.
        items: keys of the catalogue items whose completion completes the campaign, in order.
        language: the last resort for learners whose language no message speaks.
        timezone: IANA zone of the campaign's dates, and of learners whose zone is unknown.
        start: first local day.
        weeks, end: how long; write one of them.
        holdout: share of the audience, 0 to 0.5, who get nothing, so that the effect can be measured (mission D3).
        approval_above: asks a person when a wave addresses more learners than this.
        second_approval_above: asks a second person when it addresses more than this.
        planning: when its waves are planned.
        stop: shares above which the campaign holds itself (mission D5).
        intensity: push less as more learners come by themselves (mission D9); left out, it is pushed as written.
        experiments: what is tried on the variants of its waves (mission D4).
    """

    key: Key
    name: str = Field(min_length=1, max_length=100)
    brand: Key
    family: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
    message_class: MessageClass = Field(alias="class")
    audience: Segment = EVERYONE
    vested: Segment | None = None
    items: tuple[ItemKey, ...] = Field(min_length=1)
    language: str = Field("en", pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")
    timezone: str = "UTC"
    start: date
    weeks: Weeks | None = None
    end: date | None = None
    holdout: float = Field(0.0, ge=0, le=0.5)
    budget: Budget = Budget()
    goals: tuple[Goal, ...] = ()
    stages: Stages
    approval_above: int | None = Field(None, ge=1)
    second_approval_above: int | None = Field(None, ge=1)
    planning: Planning = Planning()
    stop: StopThresholds = StopThresholds()
    intensity: IntensityRules | None = None
    experiments: tuple[ExperimentPlan, ...] = ()
    _references: References = PrivateAttr(default_factory=References)

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"{value!r} is not an IANA time zone such as Europe/Berlin") from error
        return value

    @model_validator(mode="after")
    def _lasts(self) -> Campaign:
        if (self.weeks is None) == (self.end is None):
            raise ValueError("needs exactly one of `weeks` and `end`")
        if self.end is not None and self.end < self.start:
            raise ValueError(f"ends on {self.end}, before it starts on {self.start}")
        if self.message_class is MessageClass.MANDATORY and self.holdout:
            raise ValueError("a mandatory campaign cannot hold anybody out: set holdout to 0")
        return self

    @property
    def references(self) -> References:
        """What the file refers to, as it was when the file was loaded."""
        return self._references

    def referring_to(self, references: References) -> Campaign:
        """The same campaign with its references resolved."""
        resolved = self.model_copy()
        resolved._references = references
        return resolved

    @property
    def ends_on(self) -> date:
        """The last local day, included."""
        return self.end if self.end is not None else self.start + timedelta(weeks=self.weeks or 0, days=-1)

    def staged(self) -> Iterator[tuple[str, Stage]]:
        """The stages that the campaign has, in order."""
        for name in STAGES:
            stage = getattr(self.stages, name)
            if stage is not None:
                yield name, stage

    def waves(self) -> Iterator[tuple[str, Wave]]:
        """All waves, with the name of their stage."""
        for name, stage in self.staged():
            for wave in stage.waves:
                yield name, wave
