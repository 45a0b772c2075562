"""Puts the path together: who the learner is in the campaign, what happened, and what comes next."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, select

from pushpull.insights.explain.audience import Circumstances, misses
from pushpull.insights.explain.deliveries import came_back, delivery_entry
from pushpull.insights.explain.record import Dossier, UnknownLearnerError, read_dossier
from pushpull.insights.explain.story import Entry, EntryKind, Explanation
from pushpull.insights.reasons import LIFECYCLE_WORDS, WAVE_WORDS, because
from pushpull.learners.lifecycle import Rules, fold
from pushpull.learners.segments import SegmentContext
from pushpull.learners.tables import learner
from pushpull.learners.vocabulary import ANY_CHANNEL, ANY_FAMILY
from pushpull.ledger.audience import membership
from pushpull.ledger.campaigns import campaign_id_of
from pushpull.ledger.eligibility import planned_rows
from pushpull.ledger.specs import WaveSpec
from pushpull.ledger.spread import spread
from pushpull.ledger.terms import Terms
from pushpull.ledger.timing import known, local_day
from pushpull.ledger.vocabulary import Arm, MessageClass, WaveStatus

__all__ = ["UnknownLearnerError", "explain"]

_BUCKETS = 10_000


def explain(
    connection: Connection,
    external_id: str,
    campaign_key: str,
    *,
    as_of: datetime,
    global_holdout: float = 0.0,
    upcoming: Sequence[WaveSpec] = (),
    rules: Rules | None = None,
) -> Explanation:
    """Explain one learner's path through one campaign.

    Args:
        external_id: of the learner.
        as_of: what happened later (aware) is not told; waves are told with the rows they have now.
        global_holdout: share of all learners, 0 to 0.5, who get no nudge; as in the settings.
        upcoming: waves that are not planned yet, to be told as if they were planned now.
        rules: of the lifecycle; the usual ones where left out.

    Raises:
        UnknownCampaignError: there is no such campaign.
        UnknownLearnerError: nobody has this external id.
    """
    campaign_id = campaign_id_of(connection, campaign_key)
    dossier = read_dossier(connection, external_id, campaign_id, as_of=as_of)
    rules = rules or Rules()
    now = fold(dossier.events, as_of=as_of, rules=rules)
    zone, is_known = _zone(dossier)
    waves = {wave.id: wave for wave in dossier.waves}
    told = [delivery_entry(dossier, waves[each.wave_id], each, as_of=as_of) for each in dossier.messages]
    absent = _absences(connection, dossier, zone=zone, rules=rules)
    states = [
        Entry(at, EntryKind.LIFECYCLE, f"Becomes {LIFECYCLE_WORDS[state]}", data={"state": state.value})
        for state, at in now.history
    ]
    past = [
        *states,
        *(each for each in told if each.kind is not EntryKind.WAITING),
        *absent,
        *came_back(dossier),
        *_activity(dossier, zone),
        *_words(dossier),
    ]
    coming = [each for each in told if each.kind is EntryKind.WAITING]
    coming += _upcoming(connection, dossier, upcoming, as_of=as_of, global_holdout=global_holdout, rules=rules)
    arm = _arm(dossier, global_holdout)
    return Explanation(
        learner=external_id,
        campaign_key=campaign_key,
        campaign_name=dossier.campaign.name,
        as_of=as_of,
        zone=zone,
        zone_is_known=is_known,
        arm=arm,
        arm_words=_arm_words(dossier, arm, global_holdout),
        state=now.state.value,
        since=now.since,
        campaign_words=_campaign_words(dossier),
        entries=tuple(sorted((each for each in past if each.at <= as_of), key=_order)),
        next=tuple(sorted(coming, key=_order)),
    )


_ORDER = {kind: place for place, kind in enumerate(EntryKind)}


def _order(entry: Entry) -> tuple[datetime, int]:
    return entry.at, -_ORDER[entry.kind]


def _zone(dossier: Dossier) -> tuple[str, bool]:
    own = dossier.learner.timezone or ""
    if known(own):
        return own, True
    stands_in = dossier.waves[-1].spec.timezone if dossier.waves else "UTC"
    return stands_in, False


# Which side of the experiment


def _holdout(dossier: Dossier) -> float:
    if dossier.waves:
        return dossier.waves[-1].spec.holdout
    return float(dossier.campaign.definition.get("holdout") or 0.0)


def _arm(dossier: Dossier, global_holdout: float) -> str:
    """The arm of the rows, or, without any, the one planning would give."""
    held = [each.arm for each in dossier.messages if each.arm != Arm.TREATED]
    if dossier.messages:
        return held[0] if held else Arm.TREATED.value
    if dossier.campaign.message_class == MessageClass.MANDATORY:
        return Arm.TREATED.value
    if dossier.learner.global_bucket < round(global_holdout * _BUCKETS):
        return Arm.GLOBAL_HOLDOUT.value
    is_held = dossier.learner.bucket < round(_holdout(dossier) * _BUCKETS)
    return Arm.HOLDOUT.value if is_held else Arm.TREATED.value


def _arm_words(dossier: Dossier, arm: str, global_holdout: float) -> str:
    if dossier.campaign.message_class == MessageClass.MANDATORY:
        return "Gets the messages: the campaign is an obligation, and nobody is held out of those."
    first = round(_holdout(dossier) * _BUCKETS)
    of_all = round(global_holdout * _BUCKETS)
    bucket = f"bucket {dossier.learner.bucket} of {_BUCKETS}"
    if arm == Arm.GLOBAL_HOLDOUT:
        number = dossier.learner.global_bucket
        return f"Held out of every campaign: bucket {number} of {_BUCKETS}, of which those below {of_all} get no nudge."
    if arm == Arm.HOLDOUT:
        return f"Held out of this campaign: {bucket}, of which those below {first} get nothing, to measure its effect."
    if not first:
        return "Gets the messages: the campaign holds nobody out."
    return f"Gets the messages: {bucket}; only those below {first} are held out."


def _campaign_words(dossier: Dossier) -> str | None:
    status = WaveStatus(dossier.campaign.status)
    if status is WaveStatus.OPEN:
        return None
    return f"The campaign is {WAVE_WORDS[status]}: {dossier.campaign.status_reason or 'no reason was given'}."


# Waves that the learner has no row in


def _absences(connection: Connection, dossier: Dossier, *, zone: str, rules: Rules) -> Iterator[Entry]:
    present = {each.wave_id for each in dossier.messages}
    for wave in dossier.waves:
        if wave.id in present:
            continue
        found = _circumstances(dossier, at=wave.planned_as_of, zone=zone, rules=rules)
        yield _absence(connection, dossier, wave.spec, found)


def _circumstances(dossier: Dossier, *, at: datetime, zone: str, rules: Rules) -> Circumstances:
    return Circumstances(
        learner_id=dossier.learner.id,
        at=at,
        story=fold(dossier.events, as_of=at, rules=rules),
        messages=dossier.messages,
        due=dossier.due,
        zone=zone,
        created_at=dossier.learner.created_at,
    )


def _absence(connection: Connection, dossier: Dossier, spec: WaveSpec, found: Circumstances) -> Entry:
    context = SegmentContext(campaign_id=dossier.campaign.id, item_ids=dossier.item_ids, as_of=found.at)
    missed = misses(connection, spec, found, context)
    details = tuple(f"{each.rule} {each.found}".rstrip() for each in missed) or (
        "Every rule holds when it is asked today; the learner's record or progress was another then.",
    )
    return Entry(
        at=found.at,
        kind=EntryKind.NOT_IN_AUDIENCE,
        title=f"{spec.key}: not for this learner",
        details=details,
        wave=spec.key,
        data={"rules": [each.rule for each in missed], "on": spec.on.isoformat()},
    )


# What the learner did and said


def _activity(dossier: Dossier, zone: str) -> Iterator[Entry]:
    """One entry per local day and item."""
    sittings: dict[tuple[date, int | None], list[Any]] = defaultdict(list)
    for row in dossier.activity:
        sittings[local_day(row.occurred_at, zone), row.item_id].append(row)
    for (_, item_id), rows in sittings.items():
        title = dossier.titles.get(item_id) if item_id is not None else None
        verbs = [row.verb for row in rows]
        data = {"verbs": verbs, "item": title, "sources": sorted({row.source for row in rows})}
        words = ", ".join(_done(dossier, rows))
        yield Entry(rows[0].occurred_at, EntryKind.ACTIVITY, f"“{title or 'something else'}”: {words}", data=data)


def _done(dossier: Dossier, rows: Sequence[Any]) -> Iterator[str]:
    verbs = {row.verb for row in rows}
    if verbs & {"launched", "initialized", "accessed", "opened"}:
        yield "opened"
    sections = {row.section_key for row in rows if row.verb == "progressed"}
    if sections:
        yield f"read {len(sections)} {'section' if len(sections) == 1 else 'sections'}"
    if verbs & {"failed", "abandoned"}:
        yield "a session went wrong"
    stopped = [row for row in rows if row.verb == "suspended" and row.section_key]
    if stopped and "completed" not in verbs:
        place = dossier.places.get((stopped[-1].item_id, stopped[-1].section_key), stopped[-1].section_key)
        yield f"stopped at “{place}”"
    told = {"launched", "initialized", "accessed", "opened", "progressed", "failed", "abandoned", "suspended"}
    yield from sorted(verbs - told)
    minutes = sum(row.minutes for row in rows if row.minutes is not None)
    if minutes:
        yield f"{minutes:.0f} minutes"


def _words(dossier: Dossier) -> Iterator[Entry]:
    for row in dossier.words:
        said = "Allowed" if row.granted else "Opted out of"
        data = {"channel": row.channel, "family": row.family, "granted": row.granted}
        yield Entry(row.recorded_at, EntryKind.CONSENT, f"{said} {_scope(row)} (said in: {row.source})", data=data)
    for row in dossier.suppressions:
        scope, reason = _scope(row), row.reason.replace("_", " ")
        data = {"channel": row.channel, "family": row.family, "reason": row.reason}
        yield Entry(row.recorded_at, EntryKind.CONSENT, f"Blocked for {scope}: {reason} ({row.source})", data=data)
        if row.lifted_at is not None:
            yield Entry(row.lifted_at, EntryKind.CONSENT, f"No longer blocked for {scope}: {reason}", data=data)


def _scope(row: Any) -> str:
    family = "all messages" if row.family == ANY_FAMILY else f"“{row.family}” messages"
    return f"{family} on {'every channel' if row.channel == ANY_CHANNEL else row.channel}"


# Waves that are still to be planned


def _upcoming(
    connection: Connection,
    dossier: Dossier,
    specs: Iterable[WaveSpec],
    *,
    as_of: datetime,
    global_holdout: float,
    rules: Rules,
) -> Iterator[Entry]:
    planned = {wave.key for wave in dossier.waves}
    for spec in specs:
        if spec.key not in planned:
            terms = Terms(
                spec=spec,
                campaign_id=dossier.campaign.id,
                item_ids=dossier.item_ids,
                as_of=as_of,
                global_holdout=global_holdout,
            )
            yield _as_if_planned(connection, dossier, terms, rules=rules)


def _as_if_planned(connection: Connection, dossier: Dossier, terms: Terms, *, rules: Rules) -> Entry:
    spec = terms.spec
    kinds = spread(
        connection,
        among=select(learner.c.id).where(learner.c.id == dossier.learner.id),
        hours=spec.prefer_learner_hour,
    )
    row = connection.execute(
        planned_rows(connection, terms, kinds).where(learner.c.id == dossier.learner.id, membership(connection, terms))
    ).one_or_none()
    if row is None:
        found = _circumstances(dossier, at=terms.as_of, zone=_zone(dossier)[0], rules=rules)
        return _absence(connection, dossier, spec, found)
    if row.reason is not None:
        details = (because(row.reason, spec),)
        data = {"reason": row.reason}
        return Entry(row.due_at, EntryKind.UPCOMING, f"{spec.key}: would not be sent", details, spec.key, data)
    data = {"channel": row.channel, "variant": None if spec.barrier_variants else row.variant, "language": row.language}
    title = f"{spec.key}: would be sent by {row.channel}, in {row.language}, as things stand"
    return Entry(row.due_at, EntryKind.UPCOMING, title, (), spec.key, data)
