"""What each form of the page of choices takes, and what is wrong with it. The page itself lives in `web.choices`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

from sqlalchemy import Connection

from pushpull.catalogue.facts import formats_offered
from pushpull.learners.choices import (
    MOST_PAUSE_DAYS,
    choose_habit,
    choose_holds,
    choose_recognition,
    pause,
    resume,
)
from pushpull.learners.consent import UnknownLearner
from pushpull.learners.declared import LONGEST, MOST_GOALS, as_typed, declare, declared
from pushpull.learners.vocabulary import FactKind
from web.forms import Fields, one
from web.switches import set_switches
from web.words import LANGUAGES

#: Languages as those who read them call them.
OWN_NAMES: Final[Mapping[str, str]] = {"en": "English", "de": "Deutsch", "fr": "Français", "es": "Español"}
assert set(OWN_NAMES) == set(LANGUAGES)


class Part(StrEnum):
    """The parts of the page, by their address, which is also where each stands on the page."""

    MESSAGES = "messages"
    PAUSE = "pause"
    HOUR = "hour"
    LANGUAGE = "language"
    FORMATS = "formats"
    GOALS = "goals"
    WHY = "why"
    HABIT = "habit"
    HOLDS = "holds"
    RECOGNITION = "recognition"


class Mistake(ValueError):  # of the person who filled the form in, no error of ours
    """A form cannot be saved as it is.

    Args:
        key: of the words that say why.
        values: for their braces.
    """

    def __init__(self, key: str, **values: object) -> None:
        self.key = key
        self.values = values
        super().__init__(key)


@dataclass(frozen=True, slots=True)
class Filled:
    """What the forms hold, right or wrong.

    Args:
        days: of a pause.
        hour: local; empty for none.
        rest_days: numbers of weekdays, Monday is 0.
    """

    days: str = "7"
    hour: str = ""
    language: str = ""
    formats: frozenset[str] = frozenset()
    goals: tuple[str, ...] = ()
    why: str = ""
    wants_habit: bool = False
    rest_days: frozenset[str] = frozenset()

    def corrected(self, part: Part, fields: Fields) -> Filled:
        """With what somebody sent in the place of what is kept, for them to correct."""
        match part:
            case Part.PAUSE:
                return replace(self, days=one(fields, "days"))
            case Part.GOALS:
                return replace(self, goals=tuple(_goals(fields)))
            case Part.WHY:
                return replace(self, why=as_typed(one(fields, "why")))
            case Part.HABIT:
                return replace(self, wants_habit="habit" in fields, rest_days=frozenset(fields.get("rest", [])))
            case _:  # nothing was typed
                return self


class Save(Protocol):
    """Saves one part."""

    def __call__(self, connection: Connection, learner_id: int, fields: Fields, /, *, at: datetime) -> None:
        """Save it.

        Raises:
            Mistake: it cannot be saved as it is.
            UnknownLearner: there is no such learner.
        """


def _messages(connection: Connection, learner_id: int, fields: Fields, *, at: datetime) -> None:
    if set_switches(connection, learner_id, fields, at=at) is None:
        raise UnknownLearner(learner_id)


def _pause(connection: Connection, learner_id: int, fields: Fields, *, at: datetime) -> None:
    if one(fields, "action") == "resume":
        resume(connection, learner_id, at=at)
        return
    days = one(fields, "days").strip()
    if not (days.isascii() and days.isdecimal() and len(days) < 4 and 1 <= int(days) <= MOST_PAUSE_DAYS):
        raise Mistake("mistake_days", n=MOST_PAUSE_DAYS)
    pause(connection, learner_id, days=int(days), at=at)


def _hour(connection: Connection, learner_id: int, fields: Fields, *, at: datetime) -> None:
    hour = one(fields, "hour")
    if hour not in {"", *map(str, range(24))}:
        raise Mistake("mistake_hour")
    declare(connection, learner_id, FactKind.HOUR, [hour] if hour else [], at=at)


def _language(connection: Connection, learner_id: int, fields: Fields, *, at: datetime) -> None:
    language = one(fields, "language")
    if language not in {"", *LANGUAGES}:
        raise Mistake("mistake_language")
    declare(connection, learner_id, FactKind.LANGUAGE, [language] if language else [], at=at)


def _formats(connection: Connection, learner_id: int, fields: Fields, *, at: datetime) -> None:
    wanted = fields.get("format", [])
    known = {*formats_offered(connection), *declared(connection, learner_id, FactKind.FORMAT)}
    if not known.issuperset(wanted):
        raise Mistake("mistake_formats")
    declare(connection, learner_id, FactKind.FORMAT, wanted, at=at)


def _set_goals(connection: Connection, learner_id: int, fields: Fields, *, at: datetime) -> None:
    goals = [each for each in _goals(fields) if each]
    longest = LONGEST[FactKind.GOAL]
    if len(goals) > MOST_GOALS or any(len(goal) > longest for goal in goals):
        raise Mistake("mistake_goals", n=longest)
    declare(connection, learner_id, FactKind.GOAL, goals, at=at)


def _why(connection: Connection, learner_id: int, fields: Fields, *, at: datetime) -> None:
    why = as_typed(one(fields, "why"))
    longest = LONGEST[FactKind.WHY]
    if len(why) > longest:
        raise Mistake("mistake_why", n=longest, given=len(why))
    declare(connection, learner_id, FactKind.WHY, [why] if why.strip() else [], at=at)


def _habit(connection: Connection, learner_id: int, fields: Fields, *, at: datetime) -> None:
    rest = set(fields.get("rest", []))
    if not rest < set(map(str, range(7))):
        raise Mistake("mistake_habit")
    choose_habit(connection, learner_id, is_wanted="habit" in fields, rest_days=[int(day) for day in rest], at=at)


def _holds(connection: Connection, learner_id: int, fields: Fields, *, at: datetime) -> None:
    choose_holds(connection, learner_id, is_wanted="holds" in fields, at=at)


def _recognition(connection: Connection, learner_id: int, fields: Fields, *, at: datetime) -> None:
    choose_recognition(connection, learner_id, is_wanted="recognition" in fields, at=at)


PARTS: Final[Mapping[Part, Save]] = {
    Part.MESSAGES: _messages,
    Part.PAUSE: _pause,
    Part.HOUR: _hour,
    Part.LANGUAGE: _language,
    Part.FORMATS: _formats,
    Part.GOALS: _set_goals,
    Part.WHY: _why,
    Part.HABIT: _habit,
    Part.HOLDS: _holds,
    Part.RECOGNITION: _recognition,
}


def _goals(fields: Fields) -> list[str]:
    """Goals as they were typed, each on one line."""
    return [" ".join(as_typed(each).split()) for each in fields.get("goal", [])]
