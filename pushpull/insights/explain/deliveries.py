"""The learner's rows in waves, told: sent, failed, skipped or waiting, and over which rule."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from pushpull.insights.explain.record import Dossier, PlannedWave, Told
from pushpull.insights.explain.story import Entry, EntryKind
from pushpull.insights.reasons import EVENT_WORDS, HOLD_WORDS, REASON_SENTENCES, STATE_WORDS, WAVE_WORDS, because
from pushpull.ledger.vocabulary import (
    ACCEPTED_STATES,
    OPEN_STATES,
    DeliveryState,
    EventKind,
    Reason,
    WaveStatus,
)

_LANGUAGES = {"de": "German", "en": "English", "es": "Spanish", "fr": "French"}
_CHANNELS = {"email": "e-mail", "teams": "Teams", "slack": "Slack", "sms": "text message"}
_OUTCOMES = {
    "not_sent": "not processed",
    "rejected": "refused",
    "uncertain": "outcome unknown",
    "accepted": "accepted after all",
    "parked": "left to a person",
}
_PICKED = {
    "goal": "for the goal “{}”",
    "need": "for the need “{}”",
    "trend": "because it is about the trend {}",
    "together": "because those who completed “{}” completed it too",
    "colleagues": "because colleagues in {} completed it",
    "popular": "because {} people completed it",
    "short": "because it takes {} minutes",
}
_IN_FLIGHT = (DeliveryState.HANDING_OVER, DeliveryState.UNCERTAIN, DeliveryState.PARKED, DeliveryState.REJECTED)


def delivery_entry(dossier: Dossier, wave: PlannedWave, told: Told, *, as_of: datetime) -> Entry:
    """What became of one row, as of an instant."""
    state = DeliveryState(told.state)
    name = told.wave if not told.rotation else f"{told.wave}, re-run {told.rotation}"
    again = (f"Run again because: {told.rotation_reason}.",) if told.rotation_reason else ()
    sent_at = told.handed_over_at
    if state is DeliveryState.SKIPPED:
        at = told.settled_at or wave.planned_as_of
        when = "when it was about to be sent" if told.settled_at else "when the wave was planned"
        reason = told.reason or Reason.CANCELLED.value
        return Entry(
            at=at,
            kind=EntryKind.SKIPPED,
            title=f"{name}: not sent, decided {when}",
            details=(because(reason, wave.spec), *again),
            wave=told.wave,
            data={**_data(wave, told), "decided": "sending" if told.settled_at else "planning"},
        )
    if (state in ACCEPTED_STATES or state in _IN_FLIGHT) and sent_at is not None and sent_at <= as_of:
        kind = EntryKind.SENT if state in ACCEPTED_STATES else EntryKind.FAILED
        details = (*_form(dossier, wave, told), *_tries(dossier, told), *_recommended(dossier, told))
        why = (REASON_SENTENCES[Reason(told.reason)],) if told.reason and kind is EntryKind.FAILED else ()
        title = f"{name}: {STATE_WORDS[state]}"
        return Entry(sent_at, kind, title, (*details, *why, *again), told.wave, _data(wave, told))
    return _waiting(dossier, wave, told, name=name, again=again)


def _waiting(dossier: Dossier, wave: PlannedWave, told: Told, *, name: str, again: tuple[str, ...]) -> Entry:
    is_open = told.state in OPEN_STATES
    why = (because(told.reason, wave.spec),) if told.reason and is_open else ()
    status = WaveStatus(wave.status)
    if status in (WaveStatus.HELD, WaveStatus.PAUSED):
        asks = HOLD_WORDS.get(wave.status_reason, wave.status_reason)  # type: ignore[call-overload]
        why = (*why, f"The wave is {WAVE_WORDS[status]}: {asks or 'no reason was given'}.")
    if is_open and (stopped := dossier.paused.get(told.channel or "")):
        why = (*why, f"The channel is paused: {stopped}")
    title = f"{name}: {STATE_WORDS[DeliveryState(told.state)] if is_open else 'planned'}"
    details = (*_form(dossier, wave, told), *_tries(dossier, told), *_recommended(dossier, told), *why, *again)
    return Entry(told.due_at or wave.planned_as_of, EntryKind.WAITING, title, details, told.wave, _data(wave, told))


def _form(dossier: Dossier, wave: PlannedWave, told: Told) -> tuple[str, ...]:
    if told.channel is None:
        return ()
    language = _LANGUAGES.get(told.language or "", told.language or "an unknown language")
    # Which words answer a barrier is for the learner's own eyes.
    variant = f", variant “{told.variant}”" if told.variant and not wave.spec.barrier_variants else ""
    said = [f"By {_CHANNELS.get(told.channel, told.channel)}, in {language}{variant}."]
    spec, person = wave.spec, dossier.learner
    if spec.prefer_learner_channel and told.channel == person.preferred_channel:
        said.append("The channel is the one of the learner's profile.")
    if spec.channel_weights:
        total = sum(weight for _, weight in spec.channel_weights)
        chances = (f"{_CHANNELS.get(each, each)} {weight / total:.0%}" for each, weight in spec.channel_weights)
        said.append(f"The channel to try first is drawn by lot: {', '.join(chances)}.")
    if spec.prefer_learner_hour and person.preferred_hour is not None:
        said.append(f"The hour of the learner's profile is {person.preferred_hour}:00.")
    return tuple(said)


def _tries(dossier: Dossier, told: Told) -> tuple[str, ...]:
    """How often it was tried and what came of it; one plain success needs no words."""
    noted = dossier.attempts.get((told.wave_id, told.rotation), ())
    words = [f"{_OUTCOMES.get(row.outcome, row.outcome)} ({row.reason.replace('_', ' ')})" for row in noted]
    if told.state in ACCEPTED_STATES and told.tries > 1:
        words.append("accepted")
    if not words:
        return ()
    times = "once" if told.tries == 1 else f"{told.tries} times"
    return (f"Tried {times}: {', then '.join(words)}.",)


def _recommended(dossier: Dossier, told: Told) -> tuple[str, ...]:
    return tuple(
        f"Recommended “{dossier.titles.get(row.item_id, row.item_id)}” "
        + _PICKED.get(row.reason_kind, row.reason_kind).format(row.reason_value)
        + "."
        for row in dossier.picks.get((told.wave_id, told.rotation), ())
    )


def _data(wave: PlannedWave, told: Told) -> dict[str, Any]:
    return {
        "state": told.state,
        "reason": told.reason,
        "arm": told.arm,
        "channel": told.channel,
        "variant": None if wave.spec.barrier_variants else told.variant,
        "language": told.language,
        "rotation": told.rotation,
        "attempts": told.tries,
        "due_at": told.due_at.isoformat() if told.due_at else None,
        "on": told.on_day.isoformat(),
    }


def came_back(dossier: Dossier) -> Iterator[Entry]:
    """The facts that came back about the learner's messages."""
    names = {wave.id: wave.key for wave in dossier.waves}
    for fact in dossier.facts:
        key = names[fact.wave_id]
        words = EVENT_WORDS[EventKind(fact.kind)]
        yield Entry(fact.occurred_at, EntryKind.CAME_BACK, f"{key}: {words}", wave=key, data={"kind": fact.kind})
