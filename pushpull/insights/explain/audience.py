"""Why a learner has no row in a wave: which of the rules of its audience did not hold.

The rules are asked as of the moment at which the wave was planned. What the database keeps only in its latest state
(a learner's fields and tags, progress) is asked as it is now, and the answer says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Connection, select

from pushpull.insights.explain.record import Told
from pushpull.learners.lifecycle import Lifecycle
from pushpull.learners.segments import Segment, SegmentContext, compile_segment, describe
from pushpull.learners.segments.nodes import AllOf, AnyNode, AnyOf, ByLifecycle, Everyone, Not
from pushpull.learners.tables import learner
from pushpull.ledger.audience import UNKNOWN_RHYTHM_DAYS
from pushpull.ledger.practice import wants
from pushpull.ledger.specs import WaveSpec
from pushpull.ledger.timing import due_days_for, local_day
from pushpull.ledger.vocabulary import ACCEPTED_STATES, CONTACT_STATES, OPEN_STATES

_SENT_OR_OPEN = frozenset(state.value for state in (*CONTACT_STATES, *OPEN_STATES))
_ACCEPTED = frozenset(state.value for state in ACCEPTED_STATES)


@dataclass(frozen=True, slots=True)
class Miss:
    """A rule that kept the learner out.

    Args:
        rule: in words, the same for every wave of a series.
        found: what was found instead; may differ from wave to wave.
    """

    rule: str
    found: str = ""


@dataclass(frozen=True)
class Circumstances:
    """What is known about the learner when a wave is planned.

    Args:
        at: the instant of planning, UTC.
        story: the lifecycle as of then.
        messages: the learner's rows in all waves of the campaign.
        due: due dates of the campaign's items (UTC).
        zone: of the learner, or the campaign's where it is unknown.
    """

    learner_id: int
    at: datetime
    story: Lifecycle
    messages: Sequence[Told]
    due: Sequence[datetime]
    zone: str
    created_at: datetime


def misses(connection: Connection, spec: WaveSpec, found: Circumstances, context: SegmentContext) -> tuple[Miss, ...]:
    """The rules of a wave's audience that the learner did not meet; empty when all of them hold as far as is known."""
    if found.created_at > found.at:
        return (Miss("The learner was not known yet when the wave was planned."),)
    parts = [*_parts(spec.audience.root), *(_parts(spec.target.root) if spec.target else ())]
    truths = _asked(connection, parts, found, context)
    told = [
        Miss(f"It is for “{describe(Segment(part))}”.", _instead(part, found))
        for part in dict.fromkeys(parts)
        if not _holds(part, truths, found)
    ]
    return (
        *told,
        *_habit(connection, spec, found),
        *_champions(spec),
        *_silence(spec, found),
        *_repetition(spec, found),
        *_due_date(spec, found),
    )


def _parts(node: AnyNode) -> list[AnyNode]:
    """What must hold together, part by part."""
    if isinstance(node, AllOf):
        return [each for part in node.all for each in _parts(part)]
    return [node]


def _leaves(node: AnyNode) -> list[AnyNode]:
    match node:
        case AllOf(all=parts):
            return [leaf for part in parts for leaf in _leaves(part)]
        case AnyOf(any=parts):
            return [leaf for part in parts for leaf in _leaves(part)]
        case Not(part=part):
            return _leaves(part)
        case ByLifecycle() | Everyone():
            return []
        case _:
            return [node]


def _asked(
    connection: Connection, parts: Sequence[AnyNode], found: Circumstances, context: SegmentContext
) -> Mapping[AnyNode, bool]:
    """The truth of every leaf that the database knows, in one statement."""
    leaves = list(dict.fromkeys(leaf for part in parts for leaf in _leaves(part)))
    if not leaves:
        return {}
    columns = [compile_segment(Segment(leaf), context).label(f"leaf_{place}") for place, leaf in enumerate(leaves)]
    row = connection.execute(select(*columns).where(learner.c.id == found.learner_id)).one()
    return {leaf: bool(value) for leaf, value in zip(leaves, row, strict=True)}


def _holds(node: AnyNode, truths: Mapping[AnyNode, bool], found: Circumstances) -> bool:
    match node:
        case AllOf(all=parts):
            return all(_holds(part, truths, found) for part in parts)
        case AnyOf(any=parts):
            return any(_holds(part, truths, found) for part in parts)
        case Not(part=part):
            return not _holds(part, truths, found)
        case ByLifecycle(lifecycle=states):
            return found.story.state in states
        case Everyone():
            return True
        case _:
            return truths[node]


def _instead(node: AnyNode, found: Circumstances) -> str:
    if isinstance(node, ByLifecycle):
        return f"The learner was {found.story.state.replace('_', ' ')} then."
    return ""


def _habit(connection: Connection, spec: WaveSpec, found: Circumstances) -> list[Miss]:
    """What a learner decided on their page, as it is now."""
    if not spec.is_habit or connection.execute(select(wants(spec)).where(learner.c.id == found.learner_id)).scalar():
        return []
    if spec.at_cue:
        return [Miss("It is for learners who have a plan with a reminder on that weekday.")]
    but = ", and have no reminder at a cue of their own on that day" if spec.cues_first else ""
    return [Miss(f"It is for learners who asked for a daily nudge{but}.")]


def _champions(spec: WaveSpec) -> list[Miss]:
    """Who was before whom is not kept: `pushpull champions list` says how it stands now."""
    if not spec.champions:
        return []
    return [
        Miss(
            f"It asks at most {spec.champions} learners to vouch, who finished something, did something for others "
            "and have no interest of their own in it; the learner was not one of them."
        )
    ]


def _silence(spec: WaveSpec, found: Circumstances) -> list[Miss]:
    if spec.inactive_days is None and spec.inactive_rhythm is None:
        return []
    wanted = spec.inactive_days or (UNKNOWN_RHYTHM_DAYS if spec.inactive_rhythm is not None else 0.0)
    rule = f"It is for learners who have been silent for at least {wanted:g} days"
    if spec.inactive_rhythm is not None:
        rule += f" and for {spec.inactive_rhythm:g} times their own usual gap"
        wanted = max(wanted, (found.story.rhythm_days or 0.0) * spec.inactive_rhythm)
    last = found.story.last_active_at
    if last is None:
        return [Miss(f"{rule}.", "The learner had never been active, so that there was no silence.")]
    if last + timedelta(days=wanted) <= found.at:
        return []
    silent = (found.at - last) / timedelta(days=1)
    return [Miss(f"{rule}.", f"It was {silent:.1f} days; {wanted:.1f} were needed.")]


def _repetition(spec: WaveSpec, found: Circumstances) -> list[Miss]:
    told: list[Miss] = []
    own = [each for each in found.messages if each.series == spec.series and each.wave != spec.key]
    sent = [each for each in own if each.on_day <= spec.on and each.state in _SENT_OR_OPEN]
    if spec.once and sent:
        told.append(Miss("The series is sent at most once to a learner.", _on(sent[-1])))
    if not spec.once_per_absence:
        return told
    last = found.story.last_active_at
    again = [each for each in sent if _since(each, last)]
    if again:
        told.append(Miss("The series is sent at most once per absence.", _on(again[-1])))
    if spec.after:
        latest = spec.on - timedelta(days=spec.min_gap_days)
        first = [
            each
            for each in found.messages
            if each.series in spec.after and each.on_day <= latest and each.state in _ACCEPTED and _since(each, last)
        ]
        if not first:
            gap = f", at least {spec.min_gap_days} days before," if spec.min_gap_days else ""
            told.append(Miss(f"It follows {' or '.join(spec.after)}{gap} in the same absence; that was not sent."))
    return told


def _since(message: Told, last: datetime | None) -> bool:
    return last is None or (message.due_at is not None and message.due_at > last)


def _on(message: Told) -> str:
    return f"It was sent on {message.on_day:%d %b %Y}."


def _due_date(spec: WaveSpec, found: Circumstances) -> list[Miss]:
    if spec.due_offset is None:
        return []
    days = due_days_for(spec.on, spec.due_offset)
    own: list[date] = sorted({local_day(each, found.zone) for each in found.due})
    if any(day in days for day in own):
        return []
    count, side = abs(spec.due_offset), "before" if spec.due_offset < 0 else "after"
    listed = ", ".join(f"{day:%d %b}" for day in own) or "none"
    return [Miss(f"It is sent {count} working days {side} a learner's own due date.", f"Due dates: {listed}.")]
