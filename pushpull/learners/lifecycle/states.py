"""The state machine (mission P6): pure, replayable, the same for any order and repetition of the events.

Days are UTC days here; goals and streaks in the learner's own days live elsewhere.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from pushpull.learners.vocabulary import LearnerState, LifecycleKind

_S = LearnerState

#: The legal transitions; everything else is refused.
TRANSITIONS: Mapping[LearnerState, frozenset[LearnerState]] = {
    _S.UNAWARE: frozenset({_S.AWARE, _S.ACTIVATED, _S.ACTIVE, _S.COMPLETED, _S.OPTED_OUT}),
    _S.AWARE: frozenset({_S.ACTIVATED, _S.ACTIVE, _S.COMPLETED, _S.OPTED_OUT}),
    _S.ACTIVATED: frozenset({_S.ACTIVE, _S.DORMANT, _S.COMPLETED, _S.OPTED_OUT}),
    _S.ACTIVE: frozenset({_S.HABITUAL, _S.DORMANT, _S.COMPLETED, _S.CHAMPION, _S.OPTED_OUT}),
    _S.HABITUAL: frozenset({_S.ACTIVE, _S.DORMANT, _S.COMPLETED, _S.CHAMPION, _S.OPTED_OUT}),
    _S.DORMANT: frozenset({_S.ACTIVE, _S.COMPLETED, _S.OPTED_OUT}),
    _S.OPTED_OUT: frozenset(
        {_S.UNAWARE, _S.AWARE, _S.ACTIVATED, _S.ACTIVE, _S.HABITUAL, _S.DORMANT, _S.COMPLETED},
    ),
    _S.COMPLETED: frozenset({_S.CHAMPION}),
    _S.CHAMPION: frozenset(),
}

_SETTLED = frozenset({_S.COMPLETED, _S.CHAMPION})
_CAN_FALL_SILENT = frozenset({_S.ACTIVATED, _S.ACTIVE, _S.HABITUAL})
_CAN_VOUCH = frozenset({_S.ACTIVE, _S.HABITUAL, _S.COMPLETED})

#: What shows that the learner was there.
_PRESENT = frozenset({LifecycleKind.SIGNED_IN, LifecycleKind.LEARNED, LifecycleKind.FAILED_TRY})

#: The order of events of one instant. A yes and a no said at once mean no.
_RANK = {
    kind: rank
    for rank, kind in enumerate(
        (
            LifecycleKind.REACHED,
            LifecycleKind.CLICKED,
            LifecycleKind.SIGNED_IN,
            LifecycleKind.FAILED_TRY,
            LifecycleKind.LEARNED,
            LifecycleKind.COMPLETED,
            LifecycleKind.BECAME_CHAMPION,
            LifecycleKind.OPTED_IN,
            LifecycleKind.OPTED_OUT,
        )
    )
}


class IllegalTransition(ValueError):
    """A state cannot follow another.

    Args:
        state, to: the two states.
    """

    def __init__(self, state: LearnerState, to: LearnerState) -> None:
        self.state, self.to = state, to
        allowed = ", ".join(sorted(TRANSITIONS[state])) or "nothing"
        super().__init__(f"a learner who is {state} cannot become {to}; {state} leads to {allowed}")


def transition(state: LearnerState, to: LearnerState) -> LearnerState:
    """The new state.

    Raises:
        IllegalTransition: the table does not hold it.
    """
    if to not in TRANSITIONS[state]:
        raise IllegalTransition(state, to)
    return to


class LifecycleEvent(NamedTuple):
    """One event; ``kind`` and ``source_id`` make it one, however often it is told."""

    kind: LifecycleKind
    occurred_at: datetime
    source_id: str


@dataclass(frozen=True, slots=True)
class Rules:
    """The knobs of the machine, in days of 24 hours.

    Args:
        habitual_days: learning on so many different days …
        habitual_window_days: … within so many days makes a habit.
        dormant_days: silence of a learner whose rhythm is unknown.
        dormant_rhythm: silence of so many times the learner's own usual gap, where the rhythm is known …
        dormant_at_least, dormant_at_most: … but neither less nor more than this.
        rhythm_gaps: gaps between active days before they count as a rhythm.
    """

    habitual_days: int = 5
    habitual_window_days: int = 14
    dormant_days: float = 14.0
    dormant_rhythm: float = 3.0
    dormant_at_least: float = 7.0
    dormant_at_most: float = 60.0
    rhythm_gaps: int = 2

    def __post_init__(self) -> None:
        if not 2 <= self.habitual_days <= self.habitual_window_days:
            raise ValueError(
                f"habitual_days is {self.habitual_days}: it must be at least 2 and at most the window "
                f"of {self.habitual_window_days} days"
            )
        if not 0 < self.dormant_at_least <= self.dormant_at_most or self.dormant_days <= 0 or self.dormant_rhythm <= 0:
            raise ValueError("the days after which silence is dormancy must be positive, the least not above the most")

    @property
    def shortest_silence(self) -> timedelta:
        """No learner is dormant before this."""
        return timedelta(days=min(self.dormant_at_least, self.dormant_days))

    def silence(self, rhythm_days: float | None) -> timedelta:
        """How long a learner of this rhythm may be silent before being dormant."""
        if rhythm_days is None:
            return timedelta(days=self.dormant_days)
        days = min(max(self.dormant_rhythm * rhythm_days, self.dormant_at_least), self.dormant_at_most)
        return timedelta(days=days)


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """Where a learner stands at one instant; the fields are those of the ``lifecycle`` table.

    Args:
        since: when the state began; None when there was no event at all.
        rhythm_days: the median gap between the learner's active days; None while it is unknown.
        dormant_after: when silence will be dormancy; None where it cannot.
        history: every state and when it began, without the first, unaware.
    """

    state: LearnerState
    since: datetime | None
    reached_at: datetime | None
    activated_at: datetime | None
    last_active_at: datetime | None
    completed_at: datetime | None
    active_days: int
    failed_tries: int
    rhythm_days: float | None
    dormant_after: datetime | None
    history: tuple[tuple[LearnerState, datetime], ...]


def fold(events: Iterable[LifecycleEvent], *, as_of: datetime, rules: Rules) -> Lifecycle:
    """The state at ``as_of`` that the events give.

    Args:
        events: in any order, repeated or not; where one event is told with several times, the earliest counts.
        as_of: later events are not seen (aware).
        rules: the knobs.
    """
    earliest: dict[tuple[LifecycleKind, str], datetime] = {}
    for kind, at, source_id in events:
        known = earliest.get((kind, source_id))
        if at <= as_of and (known is None or at < known):
            earliest[kind, source_id] = at if at.tzinfo is UTC else at.astimezone(UTC)
    ordered = sorted((at, _RANK[kind], source_id, kind) for (kind, source_id), at in earliest.items())
    story = _Story(rules, rules.shortest_silence)
    for at, _, _, kind in ordered:
        story.hear(kind, at)
    return story.told(as_of)


@dataclass(slots=True)
class _Story:
    """A learner's story while it is being told, event by event in the order of time."""

    rules: Rules
    shortest_silence: timedelta
    beneath: LearnerState = LearnerState.UNAWARE  # the state without regard to opting out
    shown: LearnerState = LearnerState.UNAWARE
    opted_out: bool = False
    first_at: datetime | None = None
    reached_at: datetime | None = None
    activated_at: datetime | None = None
    last_active_at: datetime | None = None
    completed_at: datetime | None = None
    failed_tries: int = 0
    days: list[int] = field(default_factory=list)  # ordinals of days with learning, ascending
    gaps: list[int] = field(default_factory=list)  # days from one of them to the next, ascending
    history: list[tuple[LearnerState, datetime]] = field(default_factory=list)

    def hear(self, kind: LifecycleKind, at: datetime) -> None:
        self.fall_silent(at)
        self.first_at = self.first_at or at
        match kind:
            case LifecycleKind.REACHED:
                self.reached_at = self.reached_at or at
            case LifecycleKind.FAILED_TRY:
                self.failed_tries += 1
            case LifecycleKind.COMPLETED:
                self.completed_at = self.completed_at or at
            case LifecycleKind.OPTED_OUT:
                self.opted_out = True
            case LifecycleKind.OPTED_IN:
                self.opted_out = False
        if kind in _PRESENT:
            self.activated_at = self.activated_at or at
            self.last_active_at = at
        if kind is LifecycleKind.LEARNED:
            self.count_day(at.toordinal())
        self.move(self.next_state(kind, at), at)

    def count_day(self, day: int) -> None:
        if not self.days:
            self.days.append(day)
        elif self.days[-1] != day:
            insort(self.gaps, day - self.days[-1])
            self.days.append(day)

    def next_state(self, kind: LifecycleKind, at: datetime) -> LearnerState:  # noqa: PLR0911  (guards, then the habit)
        state = self.beneath
        if kind is LifecycleKind.BECAME_CHAMPION:
            return _S.CHAMPION if state in _CAN_VOUCH and self.shown is not _S.OPTED_OUT else state
        if state in _SETTLED:
            return state
        if kind is LifecycleKind.COMPLETED:
            return _S.COMPLETED
        if kind in (LifecycleKind.REACHED, LifecycleKind.CLICKED):
            return _S.AWARE if state is _S.UNAWARE else state
        if kind not in _PRESENT:
            return state
        if state is _S.DORMANT:
            return _S.ACTIVE
        if kind is not LifecycleKind.LEARNED:
            return _S.ACTIVATED if state in (_S.UNAWARE, _S.AWARE) else state
        if state not in (_S.ACTIVE, _S.HABITUAL):
            return _S.ACTIVE
        window_starts = at.toordinal() - self.rules.habitual_window_days + 1
        recent = len(self.days) - bisect_left(self.days, window_starts)
        return _S.HABITUAL if recent >= self.rules.habitual_days else _S.ACTIVE

    def move(self, to: LearnerState, at: datetime) -> None:
        if to is not self.beneath:
            self.beneath = transition(self.beneath, to)
        shown = _S.OPTED_OUT if self.opted_out and self.beneath not in _SETTLED else self.beneath
        if shown is not self.shown:
            self.shown = transition(self.shown, shown)
            self.history.append((shown, at))

    def fall_silent(self, now: datetime) -> None:
        """The learner becomes dormant at the instant when the silence became long enough, not when it is noticed."""
        if self.beneath not in _CAN_FALL_SILENT or self.last_active_at is None:
            return
        if now - self.last_active_at < self.shortest_silence:
            return  # the usual case, without asking for the rhythm
        end = self.last_active_at + self.rules.silence(self.rhythm_days())
        if end <= now:
            self.move(_S.DORMANT, end)

    def dormant_after(self) -> datetime | None:
        return None if self.last_active_at is None else self.last_active_at + self.rules.silence(self.rhythm_days())

    def rhythm_days(self) -> float | None:
        """The median gap."""
        if len(self.gaps) < self.rules.rhythm_gaps:
            return None
        middle = len(self.gaps) // 2
        return (self.gaps[middle] + self.gaps[~middle]) / 2

    def told(self, as_of: datetime) -> Lifecycle:
        self.fall_silent(as_of)
        return Lifecycle(
            state=self.shown,
            since=self.history[-1][1] if self.history else self.first_at,
            reached_at=self.reached_at,
            activated_at=self.activated_at,
            last_active_at=self.last_active_at,
            completed_at=self.completed_at,
            active_days=len(self.days),
            failed_tries=self.failed_tries,
            rhythm_days=self.rhythm_days(),
            dormant_after=self.dormant_after() if self.beneath in _CAN_FALL_SILENT else None,
            history=tuple(self.history),
        )
