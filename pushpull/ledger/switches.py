"""Switches: what ops can set for everything at once. A handover looks at them before every request.

The ledger's rows are what counts. Prefect's Variables of the same names are where ops set them; they are copied into
the ledger by `tasks.switches`, and a value that cannot be used closes more than it should rather than less.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, select, text

from pushpull.db import insert_into
from pushpull.learners.lists import in_texts
from pushpull.learners.tables import learner
from pushpull.ledger.campaigns import record
from pushpull.ledger.tables import switch
from pushpull.ledger.vocabulary import SwitchName

#: The most guests of a pilot: with more it is no pilot, and the list would not fit into a Variable.
MOST_GUESTS: Final = 1_000

#: What everything is without a row of its own.
_OFF: Final[Mapping[SwitchName, object]] = {
    SwitchName.PAUSE: False,
    SwitchName.PILOT: [],
    SwitchName.OVERRIDE_RECIPIENT: "",
}


class SwitchError(ValueError):
    """A switch cannot be set to that; the message says what it wants.

    Args:
        what: what is wrong, without external ids.
        ids: whom it is about.
    """

    def __init__(self, what: str, ids: Sequence[str] = ()) -> None:
        super().__init__(f"{what}: {', '.join(ids)}" if ids else what)
        self.what = what


@dataclass(frozen=True, slots=True)
class Switches:
    """How everything is set.

    Args:
        is_paused: nothing is handed over, of any campaign or class.
        guests: external ids; only these learners are sent to. Empty: everybody.
        override_recipient: external id of the learner to whose addresses everything goes; empty: nobody.
        why_paused: in words, where no person paused everything but a switch that cannot be used did.
    """

    is_paused: bool = False
    guests: tuple[str, ...] = ()
    override_recipient: str = ""
    why_paused: str = field(default="", compare=False)

    def sentence(self) -> str:
        """How everything is set, in words; no external ids, for logs and artifacts."""
        parts = []
        if self.is_paused:
            parts.append(f"everything is paused{f' ({self.why_paused})' if self.why_paused else ''}")
        if self.guests:
            many = len(self.guests)
            parts.append(f"pilot: only {many} {'guest is' if many == 1 else 'guests are'} sent to")
        if self.override_recipient:
            parts.append("rehearsal: everything goes to one person's addresses")
        return "; ".join(parts) or "no switch is set"


_NOW = select(switch.c.name, switch.c.value)
#: On PostgreSQL it shares the table, also where that has no row yet; on SQLite nobody else writes anyway.
_HELD = _NOW.with_for_update(read=True, key_share=True)


def switches(connection: Connection) -> Switches:
    """The switches as they are now."""
    return _as_switches(dict(connection.execute(_NOW).all()))


def held_switches(connection: Connection) -> Switches:
    """The switches as they are now and stay until this transaction ends: who sets one waits for it."""
    return _as_switches(dict(connection.execute(_HELD).all()))


def _as_switches(found: Mapping[str, Any]) -> Switches:
    pause = found.get(SwitchName.PAUSE.value, False)
    return Switches(
        is_paused=bool(pause),
        guests=tuple(found.get(SwitchName.PILOT.value, ())),
        override_recipient=str(found.get(SwitchName.OVERRIDE_RECIPIENT.value, "")),
        why_paused=pause if isinstance(pause, str) else "",
    )


def kept_value(connection: Connection, name: SwitchName) -> object:
    """A switch's value as the ledger keeps it, which is JSON."""
    found = connection.execute(select(switch.c.value).where(switch.c.name == name.value)).one_or_none()
    return found.value if found else _OFF[name]


def set_switch(
    connection: Connection, name: SwitchName, value: object, *, who: str, at: datetime, why: str | None = None
) -> bool:
    """Set a switch; no handover begins by its former value after this is committed.

    Args:
        value: pause: whether; pilot: a list of external ids, empty for everybody; override recipient: an external id,
            empty for nobody.
        at: UTC.

    Returns:
        Whether it was set otherwise.

    Raises:
        SwitchError: it is no value for this switch, or names learners who are not known, or not active any more.
    """
    return _write(connection, {name: _usable(connection, name, value)}, who=who, at=at, why=why)


def follow(connection: Connection, told: Mapping[SwitchName, object], *, who: str, at: datetime) -> list[str]:
    """Set the switches as they are somewhere else, where nobody can be told at once that a value is wrong.

    What cannot be used is taken on the safe side: of a pilot's guests the known ones are sent to, and everything is
    paused where none is known, or where a switch says nothing that makes sense, until it does.

    Args:
        told: values by name; a switch that is not there stays as it is.
        who: for the audit log.
        at: UTC.

    Returns:
        What is wrong with the values, in words, without external ids.
    """
    wanted: dict[SwitchName, object] = {}
    troubles: list[str] = []
    stops: list[str] = []
    for name, value in told.items():
        try:
            wanted[name] = _usable(connection, name, value)
        except SwitchError as error:
            troubles.append(f"{name.value}: {error.what}")
            guests = _guests(value) if name is SwitchName.PILOT else None
            known = sorted(_known(connection, guests)) if guests and len(guests) <= MOST_GUESTS else []
            if known:
                wanted[name] = known
            else:
                stops.append(troubles[-1])
    before = switches(connection)
    if stops and wanted.get(SwitchName.PAUSE) is not True:
        by_a_person = before.is_paused and not before.why_paused and SwitchName.PAUSE not in told
        wanted[SwitchName.PAUSE] = True if by_a_person else stops[0]
    elif before.why_paused:
        wanted.setdefault(SwitchName.PAUSE, False)  # what everything was paused for is mended
    _write(connection, wanted, who=who, at=at, why=None)
    return troubles


def _usable(connection: Connection, name: SwitchName, value: object) -> object:
    """A value as the ledger keeps it.

    Raises:
        SwitchError: it is none.
    """
    match name:
        case SwitchName.PAUSE:
            said = {"true": True, "false": False}.get(value.strip().lower()) if isinstance(value, str) else value
            if not isinstance(said, bool):
                raise SwitchError("it is set to something else than true or false")
            return said
        case SwitchName.PILOT:
            guests = _guests(value)
            if guests is None:
                raise SwitchError("it must be a list of external ids")
            if len(guests) > MOST_GUESTS:
                raise SwitchError(f"a pilot has at most {MOST_GUESTS:,} guests, not {len(guests):,}")
            unknown = sorted(set(guests) - _known(connection, guests))
            if unknown:
                raise SwitchError(f"{len(unknown)} of {len(guests)} guests are not known", unknown)
            return guests
        case SwitchName.OVERRIDE_RECIPIENT:
            if value is None or value == "":
                return ""
            if not isinstance(value, str):
                raise SwitchError("it must be the external id of a learner")
            person = value.strip()
            if person not in _known(connection, [person], active=True):
                raise SwitchError("no active learner has that external id", [person])
            return person


def _guests(value: object) -> list[str] | None:
    """The external ids of a list, each once; None where it is no such list."""
    if value is None or value == "":
        return []
    if not isinstance(value, Sequence) or isinstance(value, str) or not all(isinstance(each, str) for each in value):
        return None
    return sorted({each.strip() for each in value} - {""})


def _known(connection: Connection, external_ids: Sequence[str], *, active: bool = False) -> set[str]:
    if not external_ids:
        return set()
    found = select(learner.c.external_id).where(in_texts(learner.c.external_id, external_ids))
    return set(connection.execute(found.where(learner.c.active) if active else found).scalars())


def _write(
    connection: Connection, wanted: Mapping[SwitchName, object], *, who: str, at: datetime, why: str | None
) -> bool:
    """Set what is set otherwise, after everybody who began by the former values has committed."""
    if not _others(connection, wanted):
        return False
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE switch IN EXCLUSIVE MODE"))
    others = _others(connection, wanted)
    for name, value in others.items():
        values = {"value": value, "who": who, "set_at": at}
        connection.execute(
            insert_into(connection, switch)
            .values(name=name.value, **values)
            .on_conflict_do_update(index_elements=["name"], set_=values)
        )
        record(connection, at=at, who=who, what="switch set", subject=f"{name.value} = {value}", why=why)
    return bool(others)


def _others(connection: Connection, wanted: Mapping[SwitchName, object]) -> dict[SwitchName, object]:
    """What is not set like that."""
    found = dict(connection.execute(select(switch.c.name, switch.c.value)).all())
    return {name: value for name, value in wanted.items() if found.get(name.value, _OFF[name]) != value}
