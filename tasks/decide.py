"""What a person decides in the Prefect UI: the decisions of the command line, as one step.

What each decision does is in the ledger's own modules; here it is found out whether the form says enough for it, and a
paused campaign's schedules are paused with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection

from pushpull.db import writing
from pushpull.learners.vocabulary import Channel
from pushpull.ledger import channels, replies
from pushpull.ledger.campaigns import (
    AwaitsApprovalError,
    cancel_campaign,
    cancel_wave,
    pause_campaign,
    pause_wave,
    record,
    release_wave,
    resume_campaign,
    wave_id_of,
)
from pushpull.ledger.messages import parse_delivery_id
from pushpull.ledger.reconcile import parked, resolve_parked
from pushpull.ledger.vocabulary import SwitchName
from tasks.events import Event, announce
from tasks.installation import installation
from tasks.publish import artifact_key, publish_markdown
from tasks.schedules import end_schedules, pause_schedules, resume_schedules
from tasks.step import step
from tasks.switches import set_everywhere


class Action(StrEnum):
    """What may be decided, as the form offers it."""

    PAUSE_CAMPAIGN = "pause campaign"
    RESUME_CAMPAIGN = "resume campaign"
    CANCEL_CAMPAIGN = "cancel campaign"
    RELEASE_WAVE = "release wave"
    PAUSE_WAVE = "pause wave"
    CANCEL_WAVE = "cancel wave"
    PAUSE_CHANNEL = "pause channel"
    RESUME_CHANNEL = "resume channel"
    PAUSE_EVERYTHING = "pause everything"
    GO_ON = "go on with everything"
    PARKED_RECEIVED = "parked messages of a wave were received"
    PARKED_AGAIN = "send parked messages of a wave again"
    REPLY_STOPS = "a learner's reply means no more messages"
    REPLY_GOES_ON = "a learner's reply means nothing of the kind"


class DecisionError(ValueError):
    """The form does not say enough, or says what does not fit; the message says what to fill in."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What a decision is about; what it is not about is empty.

    Args:
        campaign, wave: keys.
        learner: an external id.
    """

    campaign: str = ""
    wave: str = ""
    channel: str = ""
    learner: str = ""

    def __str__(self) -> str:
        return " ".join(each for each in (self.campaign, self.wave, self.learner, self.channel) if each) or "everything"


@dataclass(frozen=True)
class _Reasons:
    who: str
    why: str
    at: datetime


_Decide = Callable[[Connection, Subject, _Reasons], str]


@step("decide", run_name="{action}")
def decide_about(action: Action, subject: Subject, *, who: str, why: str, at: datetime) -> list[str]:
    """Let a decision take effect, and say what it changed.

    Args:
        who: decides; kept in the audit log.
        why: kept there too.
        at: now, UTC.

    Returns:
        What was changed, in sentences.

    Raises:
        DecisionError: the form is not filled in as this action needs it, or the wave waits for approval.
        ValueError, LookupError: it names what there is not, or what cannot be decided any more.
    """
    require_filled_in(action, subject, who=who, why=why)
    reasons = _Reasons(who.strip(), why.strip(), at)
    if action in _EVERYTHING:
        is_new = set_everywhere(SwitchName.PAUSE, _EVERYTHING[action], who=reasons.who, why=reasons.why, at=at)
        said = [_EVERYTHING_SAID[action] if is_new else "It was so already: nothing was changed."]
    else:
        try:
            with writing(installation().engine) as connection:
                said = [_DECISIONS[action](connection, subject, reasons)]
        except AwaitsApprovalError as error:
            raise DecisionError(
                f"wave {subject.wave!r} waits for approval, which this form does not give: answer its run of the "
                "approval deployment (⋮, Resume), or cancel the wave here"
            ) from error
    if action in _SCHEDULES:
        said.append(_SCHEDULES[action](subject.campaign))
    _tell(action, subject, reasons, said)
    return said


def require_filled_in(action: Action, subject: Subject, *, who: str, why: str) -> None:
    """Make sure that the form says exactly what an action is about.

    Raises:
        DecisionError: it does not.
    """
    needed = _NEEDS[action]
    given = {each.name for each in fields(Subject) if getattr(subject, each.name).strip()}
    people = {name for name, text in {"who": who, "why": why}.items() if not text.strip()}
    missing = [name for name in (*needed, *sorted(people)) if name not in given or name in people]
    if missing:
        raise DecisionError(f'"{action}" needs {_list(missing)}: fill {"them" if len(missing) > 1 else "it"} in')
    surplus = sorted(given - set(needed))
    if surplus:
        about = f"is about {_list(needed)} alone" if needed else "is about everything"
        raise DecisionError(f'"{action}" {about}: leave {_list(surplus)} empty, or choose another action')
    if subject.channel and subject.channel not in set(Channel):
        raise DecisionError(f"there is no channel {subject.channel!r}: {', '.join(Channel)}")


def _list(names: Sequence[str]) -> str:
    return " and ".join(names)


def _pause_campaign(connection: Connection, subject: Subject, by: _Reasons) -> str:
    pause_campaign(connection, subject.campaign, who=by.who, why=by.why, at=by.at)
    return f"Nothing of campaign {subject.campaign} is sent until it is resumed."


def _resume_campaign(connection: Connection, subject: Subject, by: _Reasons) -> str:
    resume_campaign(connection, subject.campaign, who=by.who, why=by.why, at=by.at)
    return f"Campaign {subject.campaign} goes on with the next dispatch."


def _cancel_campaign(connection: Connection, subject: Subject, by: _Reasons) -> str:
    recalled = cancel_campaign(connection, subject.campaign, who=by.who, why=by.why, at=by.at)
    return f"Campaign {subject.campaign} is over for good; {recalled} deliveries were called back."


def _release_wave(connection: Connection, subject: Subject, by: _Reasons) -> str:
    release_wave(connection, _wave(connection, subject), who=by.who, why=by.why, at=by.at)
    return f"Wave {subject.wave} goes on with the next dispatch."


def _pause_wave(connection: Connection, subject: Subject, by: _Reasons) -> str:
    pause_wave(connection, _wave(connection, subject), who=by.who, why=by.why, at=by.at)
    return f"Nothing of wave {subject.wave} is sent until it is released."


def _cancel_wave(connection: Connection, subject: Subject, by: _Reasons) -> str:
    recalled = cancel_wave(connection, _wave(connection, subject), who=by.who, why=by.why, at=by.at)
    return f"Wave {subject.wave} is over for good; {recalled} deliveries were called back."


def _wave(connection: Connection, subject: Subject) -> int:
    return wave_id_of(connection, subject.campaign, subject.wave)


def _pause_channel(connection: Connection, subject: Subject, by: _Reasons) -> str:
    channels.pause(connection, subject.channel, who=by.who, why=by.why, at=by.at)
    return f"Nothing is sent over {subject.channel} until it is resumed."


def _resume_channel(connection: Connection, subject: Subject, by: _Reasons) -> str:
    channels.resume(connection, subject.channel, who=by.who, why=by.why, at=by.at)
    return f"{subject.channel} goes on with the next dispatch."


def _parked_received(connection: Connection, subject: Subject, by: _Reasons) -> str:
    return f"{_resolve(connection, subject, by, was_received=True)} parked messages count as received."


def _parked_again(connection: Connection, subject: Subject, by: _Reasons) -> str:
    return f"{_resolve(connection, subject, by, was_received=False)} parked messages are sent again."


def _resolve(connection: Connection, subject: Subject, by: _Reasons, *, was_received: bool) -> int:
    _wave(connection, subject)
    found = [
        each for each in parked(connection) if (each.campaign_key, each.wave_key) == (subject.campaign, subject.wave)
    ]
    for each in found:
        wave_id, rotation, learner_id = parse_delivery_id(each.delivery_id)
        resolve_parked(
            connection,
            wave_id=wave_id,
            rotation=rotation,
            learner_id=learner_id,
            was_received=was_received,
            who=by.who,
            now=by.at,
        )
    what = "parked messages " + ("received" if was_received else "sent again")
    record(connection, at=by.at, who=by.who, what=what, subject=f"{subject}: {len(found)}", why=by.why)
    return len(found)


def _reply_stops(connection: Connection, subject: Subject, by: _Reasons) -> str:
    _reply(connection, subject, by, meant_stop=True)
    return f"{subject.learner} gets no more messages over {subject.channel}."


def _reply_goes_on(connection: Connection, subject: Subject, by: _Reasons) -> str:
    _reply(connection, subject, by, meant_stop=False)
    return f"{subject.learner} gets messages over {subject.channel} as before."


def _reply(connection: Connection, subject: Subject, by: _Reasons, *, meant_stop: bool) -> None:
    replies.decide(
        connection, subject.learner, subject.channel, meant_stop=meant_stop, who=by.who, why=by.why, at=by.at
    )


_DECISIONS: Final[Mapping[Action, _Decide]] = {
    Action.PAUSE_CAMPAIGN: _pause_campaign,
    Action.RESUME_CAMPAIGN: _resume_campaign,
    Action.CANCEL_CAMPAIGN: _cancel_campaign,
    Action.RELEASE_WAVE: _release_wave,
    Action.PAUSE_WAVE: _pause_wave,
    Action.CANCEL_WAVE: _cancel_wave,
    Action.PAUSE_CHANNEL: _pause_channel,
    Action.RESUME_CHANNEL: _resume_channel,
    Action.PARKED_RECEIVED: _parked_received,
    Action.PARKED_AGAIN: _parked_again,
    Action.REPLY_STOPS: _reply_stops,
    Action.REPLY_GOES_ON: _reply_goes_on,
}
_EVERYTHING: Final[Mapping[Action, bool]] = {Action.PAUSE_EVERYTHING: True, Action.GO_ON: False}
_EVERYTHING_SAID: Final[Mapping[Action, str]] = {
    Action.PAUSE_EVERYTHING: "Nothing is sent, of any campaign, until somebody lets everything go on.",
    Action.GO_ON: "Everything goes on with the next dispatch.",
}
_SCHEDULES: Final[Mapping[Action, Callable[[str], str]]] = {
    Action.PAUSE_CAMPAIGN: pause_schedules,
    Action.RESUME_CAMPAIGN: resume_schedules,
    Action.CANCEL_CAMPAIGN: end_schedules,
}
_NEEDS: Final[Mapping[Action, tuple[str, ...]]] = {
    **dict.fromkeys((Action.PAUSE_CAMPAIGN, Action.RESUME_CAMPAIGN, Action.CANCEL_CAMPAIGN), ("campaign",)),
    **dict.fromkeys((Action.RELEASE_WAVE, Action.PAUSE_WAVE, Action.CANCEL_WAVE), ("campaign", "wave")),
    **dict.fromkeys((Action.PARKED_RECEIVED, Action.PARKED_AGAIN), ("campaign", "wave")),
    **dict.fromkeys((Action.PAUSE_CHANNEL, Action.RESUME_CHANNEL), ("channel",)),
    **dict.fromkeys((Action.REPLY_STOPS, Action.REPLY_GOES_ON), ("learner", "channel")),
    **dict.fromkeys(_EVERYTHING, ()),
}


def _tell(action: Action, subject: Subject, by: _Reasons, said: Sequence[str]) -> None:
    lines = "\n".join(f"- {each}" for each in said)
    publish_markdown(
        key=artifact_key("decision", action.value.split(" ", maxsplit=1)[0], subject.campaign or subject.channel),
        markdown=f"# {action}: {subject}\n\n{lines}\n\nDecided by {by.who}: {by.why}\n",
        description=f"{action}: {subject}",
    )
    about = f"campaign.{subject.campaign}" if subject.campaign else f"channel.{subject.channel}"
    announce(
        Event.DECIDED,
        about=about if subject.campaign or subject.channel else "ledger",
        name=subject.wave or subject.campaign or subject.channel or "everything",
        payload={"action": action.value, "changed": list(said)},
    )
