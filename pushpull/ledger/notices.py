"""What ops are told, and that they are told it once: by whichever worker comes first, whoever caused it.

What there is to tell is always a query over the ledger, so that a stop made by a callback, a command or another worker
is told as well. Telling is the business of whoever asks (`tasks.report`); nothing here is about single people.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, ScalarSelect, String, cast, delete, func, literal, or_, select

from pushpull.db import insert_into, rows_written
from pushpull.ledger.results import wave_results
from pushpull.ledger.tables import audit, campaign, channel_pause, notice, rotation, wave
from pushpull.ledger.vocabulary import WaveStatus
from pushpull.ledger.waiting import Waiting, waiting_for_a_person

#: What ended longer ago is no news: an installation that begins to tell does not tell its whole past.
RECENT = timedelta(days=2)

_STOPPED = (WaveStatus.PAUSED.value, WaveStatus.CANCELLED.value)
#: Told as what they are; a question about them need not be told besides.
_TOLD_OTHERWISE = frozenset({"channel", "campaign"})


class NoticeKind(StrEnum):
    """What there may be to tell."""

    WAVE_HELD = "wave_held"  # a person is asked
    WAVE_STOPPED = "wave_stopped"  # paused or cancelled, or its campaign is
    WAVE_FINISHED = "wave_finished"
    CAMPAIGN_STOPPED = "campaign_stopped"  # by a stop signal
    CHANNEL_STOPPED = "channel_stopped"  # until a person resumes it
    PERSON_NEEDED = "person_needed"  # something new waits


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to tell.

    Args:
        key: names what it is about: a later notice of the same key takes its place.
        fingerprint: what is told about it: the same is not told again.
        about: the thing, e.g. ``wave.7``, ``campaign.two-minutes-a-day``, ``channel.email``, ``ledger``.
        name: what people call it.
        facts: counts, keys and reasons; no names, no addresses, no words of people.
    """

    kind: NoticeKind
    key: str
    fingerprint: str
    about: str
    name: str
    facts: Mapping[str, object] = field(default_factory=dict)


def is_news(connection: Connection, key: str, fingerprint: str, at: datetime) -> bool:
    """Note that something is told, unless the same was told last. Of several workers at once, one gets True.

    Args:
        connection: one that writes; what it notes is lost with its transaction.
        key: what it is about, at most 128 characters.
        fingerprint: what is told about it, at most 64 characters.
        at: when (aware).
    """
    values = {"fingerprint": fingerprint, "told_at": at}
    upsert = insert_into(connection, notice).values(key=key, **values)
    noted = connection.execute(
        # The second worker waits for the first one's row, and then finds its own fingerprint there.
        upsert.on_conflict_do_update(
            index_elements=["key"], set_=values, where=notice.c.fingerprint != upsert.excluded.fingerprint
        )
    )
    return rows_written(connection, noted) > 0


def news(connection: Connection, *, at: datetime) -> list[Notice]:
    """Everything that has not been told yet, noted as told.

    Args:
        connection: one that writes.
        at: the present of whoever tells (aware); what ended more than two days before is left out.
    """
    found = [
        *_held_waves(connection),
        *_stopped_waves(connection, since=at - RECENT),
        *_finished_waves(connection, since=at - RECENT),
        *_stopped_campaigns(connection),
        *_stopped_channels(connection),
    ]
    told = last_told(connection, [each.key for each in found])
    fresh = [
        each
        for each in found
        if told.get(each.key) != each.fingerprint and is_news(connection, each.key, each.fingerprint, at)
    ]
    return [*_with_results(connection, fresh), *_new_questions(connection, at=at)]


def last_told(connection: Connection, keys: Sequence[str]) -> dict[str, str]:
    """What was told last, by key: its fingerprint."""
    rows = connection.execute(select(notice.c.key, notice.c.fingerprint).where(notice.c.key.in_(keys)))
    return dict(rows.all())


def _held_waves(connection: Connection) -> list[Notice]:
    held = wave.c.status == WaveStatus.HELD.value
    goes_on = campaign.c.status != WaveStatus.CANCELLED.value
    return [
        _of_wave(
            NoticeKind.WAVE_HELD,
            row,
            f"{row.status_reason}:{row.wave_said or 0}:{row.rotations}",
            {"reason": row.status_reason},
        )
        for row in _waves(connection, held, wave.c.finished_at.is_(None), goes_on)
    ]


def _stopped_waves(connection: Connection, *, since: datetime) -> list[Notice]:
    """Paused and cancelled ones, and those that were on their way when their campaign stopped."""
    by_itself = wave.c.status.in_(_STOPPED)
    with_campaign = (wave.c.status == WaveStatus.OPEN.value) & (campaign.c.status != WaveStatus.OPEN.value)
    rows = _waves(
        connection,
        or_(by_itself, with_campaign),
        wave.c.planned_at.is_not(None),
        or_(wave.c.finished_at.is_(None), wave.c.finished_at >= since),
    )
    found = []
    for row in rows:
        own = row.status in _STOPPED
        what, said = (row.status, row.wave_said) if own else (f"campaign {row.campaign_status}", row.campaign_said)
        found.append(_of_wave(NoticeKind.WAVE_STOPPED, row, f"{what}:{said or 0}", {"stopped": what}))
    return found


def _finished_waves(connection: Connection, *, since: datetime) -> list[Notice]:
    """Once for each set of rotations: a re-run is told of when it has finished too."""
    is_open = wave.c.status == WaveStatus.OPEN.value
    goes_on = campaign.c.status != WaveStatus.CANCELLED.value
    rows = _waves(connection, is_open, goes_on, wave.c.finished_at >= since)
    return [
        _of_wave(NoticeKind.WAVE_FINISHED, row, str(row.rotations), {"rotation": row.rotations - 1}) for row in rows
    ]


def _of_wave(kind: NoticeKind, row: Any, fingerprint: str, facts: Mapping[str, object]) -> Notice:
    return Notice(
        kind=kind,
        key=f"wave.{row.id}.{kind.value.removeprefix('wave_')}",
        fingerprint=fingerprint,
        about=f"wave.{row.id}",
        name=row.key,
        facts={"campaign": row.campaign_key, "wave": row.key, **facts},
    )


def _waves(connection: Connection, *conditions: ColumnElement[bool]) -> Sequence[Any]:
    """Waves with the last thing that was said about each of them and about its campaign."""
    rotations = select(func.count()).where(rotation.c.wave_id == wave.c.id).correlate(wave).scalar_subquery()
    return connection.execute(
        select(
            wave.c.id,
            wave.c.key,
            wave.c.status,
            wave.c.status_reason,
            campaign.c.key.label("campaign_key"),
            campaign.c.status.label("campaign_status"),
            rotations.label("rotations"),
            _said(literal("wave ") + wave.c.status, cast(wave.c.id, String)).label("wave_said"),
            _said(literal("campaign ") + campaign.c.status, campaign.c.key).label("campaign_said"),
        )
        .join(campaign, campaign.c.id == wave.c.campaign_id)
        .where(*conditions)
        .order_by(wave.c.id)
    ).all()


def _said(what: ColumnElement[str], subject: ColumnElement[str]) -> ScalarSelect[Any]:
    """The number of the last line of the audit log about a decision: each time it is made, it is another."""
    return (
        select(func.max(audit.c.id))
        .where(audit.c.what == what, audit.c.subject == subject)
        .correlate(wave, campaign)
        .scalar_subquery()
    )


def _stopped_campaigns(connection: Connection) -> list[Notice]:
    rows = connection.execute(
        select(
            campaign.c.id,
            campaign.c.key,
            campaign.c.status_reason,
            _said(literal("campaign ") + campaign.c.status, campaign.c.key).label("said"),
        )
        .where(campaign.c.status == WaveStatus.HELD.value)
        .order_by(campaign.c.id)
    )
    return [
        Notice(
            kind=NoticeKind.CAMPAIGN_STOPPED,
            key=f"campaign.{row.id}.stopped",
            fingerprint=str(row.said or 0),
            about=f"campaign.{row.key}",
            name=row.key,
            facts={"campaign": row.key, "why": row.status_reason},  # figures and a threshold: no person wrote it
        )
        for row in rows
    ]


def _stopped_channels(connection: Connection) -> list[Notice]:
    rows = connection.execute(
        select(channel_pause.c.channel, channel_pause.c.paused_at)
        .where(channel_pause.c.until.is_(None))
        .order_by(channel_pause.c.channel)
    )
    return [
        Notice(
            kind=NoticeKind.CHANNEL_STOPPED,
            key=f"channel.{row.channel}.stopped",
            fingerprint=row.paused_at.isoformat(),
            about=f"channel.{row.channel}",
            name=row.channel,
            facts={"channel": row.channel, "since": row.paused_at.isoformat()},
        )
        for row in rows
    ]


def _new_questions(connection: Connection, *, at: datetime) -> list[Notice]:
    """One notice when something waits that did not wait before, or in another way; what is answered is forgotten."""
    waiting = [each for each in waiting_for_a_person(connection) if each.kind not in _TOLD_OTHERWISE]
    asked = {_key_of(each): _digest((each.why,)) for each in waiting}
    connection.execute(
        delete(notice).where(notice.c.key.startswith("waits.", autoescape=True), notice.c.key.not_in(list(asked)))
    )
    known = last_told(connection, list(asked))
    new = [key for key, why in asked.items() if known.get(key) != why and is_news(connection, key, why, at)]
    if not new:
        return []
    kinds = Counter(each.kind for each in waiting)
    first = next(each for each in waiting if _key_of(each) in new)
    facts = {"new": len(new), "waits": len(waiting), **kinds, "first": f"{first.kind} {first.what}"}
    return [Notice(NoticeKind.PERSON_NEEDED, "waits", _digest(new), "ledger", "the ledger", facts)]


def _key_of(each: Waiting) -> str:
    return f"waits.{each.kind}.{_digest((each.what, each.command))}"


def _digest(words: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:32]


def _with_results(connection: Connection, notices: Sequence[Notice]) -> list[Notice]:
    """What became of the waves told of, in numbers."""
    numbers = {int(each.about.removeprefix("wave.")) for each in notices if each.about.startswith("wave.")}
    results = {each.wave_id: each for each in wave_results(connection, wave_ids=sorted(numbers))} if numbers else {}
    return [
        replace(each, facts={**each.facts, **results[int(each.about.removeprefix("wave."))].counts()})
        if each.about.startswith("wave.")
        else each
        for each in notices
    ]
