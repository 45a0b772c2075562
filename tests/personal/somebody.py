"""People with a row in every table that may hold something of a person, each text in it marked as theirs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Date,
    Engine,
    Float,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    Uuid,
    insert,
    select,
)

from pushpull.catalogue.tables import item
from pushpull.db import UtcDateTime, metadata, reading
from pushpull.importers.tables import xapi_statement
from pushpull.learners.tables import learner, learner_identity, share
from pushpull.ledger.tables import (
    audit,
    callback,
    campaign,
    conversation,
    rotation,
    switch,
    wave,
)
from pushpull.personal.places import PLACES

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
LATER = datetime(2026, 3, 9, 9, tzinfo=UTC)

#: Columns with a closed set of values or a technical id: what is in them says nothing of the person.
CLOSED: dict[tuple[str, str], object] = {
    ("progress", "status"): "started",
    ("lifecycle", "state"): "active",
    ("lifecycle_event", "kind"): "learned",
    ("lifecycle_event", "source_id"): "activity:1",
    ("delivery", "state"): "planned",
    ("delivery", "reason"): None,
    ("delivery", "arm"): "treated",
    ("delivery", "channel"): "email",
    ("delivery", "variant"): "a",
    ("delivery", "language"): "en",
    ("delivery", "claimed_by"): None,
    ("pick", "reason_kind"): "goal",
    ("delivery_event", "source"): "callback",
    ("delivery_event", "kind"): "clicked",
    ("attempt", "outcome"): "rejected",
    ("attempt", "reason"): "refused",
    ("contact", "lane"): "nudge",
    ("card_update", "outcome"): "updated",
    ("fetch", "kind"): "landing",
    ("fetch", "reader"): "human",
    ("fetch", "why"): "agent",
    ("erasure", "who"): "ops",
    ("learner", "active"): True,
    ("learner", "timezone"): "Europe/Berlin",
    ("learner", "preferred_language"): "de",
    ("profile_fact", "kind"): "why",
    ("profile_fact", "source"): "declared",
}


def marker(who: int) -> str:
    """What every text of a person holds."""
    return {1: "zqadaqz", 2: "zqboqz"}[who]


def external_id(who: int) -> str:
    return f"{marker(who)}-id"


def email(who: int) -> str:
    return f"{marker(who)}@example.org"


def _value(table: Table, column: Column[Any], who: int) -> object:
    if (table.name, column.name) in CLOSED:
        return CLOSED[table.name, column.name]
    if (table.name, column.name) == ("delivery_event", "source_id"):
        return f"1-1-{who}:event"  # a provider's own id of an event, so that it counts once
    if column.name in {"campaign_id", "item_id", "wave_id", "first_learner_id"}:
        return 1
    match column.type:
        case Boolean():
            return True
        case UtcDateTime():
            return NOW
        case Date():
            return date(2020, 1, 1)
        case Uuid():
            return UUID(int=who)
        case LargeBinary():
            return marker(who).encode()
        case String() | Text():
            text = f"{marker(who)} {table.name}.{column.name}"
            return text[: column.type.length] if column.type.length else text
        case Float():
            return 0.5
        case Integer():
            return who
    return who  # what remains are keys


def row_of(table: Table, whose: str, who: int) -> dict[str, object]:
    """A row of somebody, with something in every column."""
    return {column.name: _value(table, column, who) for column in table.columns} | {whose: who}


def fill(connection: Connection, who: int) -> None:
    """Put somebody into every place."""
    if who == 1:
        _surroundings(connection)
    for place in PLACES:
        if place.table.name == "erasure":
            continue
        values = row_of(place.table, place.whose, who)
        if place.table is learner:
            values |= {
                "external_id": external_id(who),
                "email": email(who),
                "phone": f"+4915112345{who:03}",
                "teams_id": f"{marker(who)}-teams",
                "slack_id": f"{marker(who)}-slack",
                "manager_external_id": external_id(3 - who),
            }
        if place.table is learner_identity:
            values |= {"kind": "mbox", "value": f"mailto:{email(who)}"}
        if place.table.name == "calendar_hold":
            values["plan_id"] = None
        if place.table.name == "referral":
            continue  # the share it points to comes later
        connection.execute(insert(place.table).values(**values))
    if who == 2:
        referral = metadata.tables["referral"]
        shares = dict(connection.execute(select(share.c.learner_id, share.c.id)).all())
        for visitor in (1, 2):
            connection.execute(
                insert(referral).values(learner_id=visitor, item_id=1, share_id=shares[3 - visitor], came_at=NOW)
            )
    _mention(connection, who)


def _surroundings(connection: Connection) -> None:
    stamps = {"created_at": NOW, "updated_at": NOW}
    connection.execute(
        insert(item).values(id=1, key="i-1", title="Rest well", owner_external_id=external_id(1), **stamps)
    )
    connection.execute(
        insert(campaign).values(
            id=1, key="spring", name="Spring", family="learning", message_class="nudge", definition={},
            content_hash="", updated_at=NOW,
        )
    )  # fmt: skip
    connection.execute(
        insert(wave).values(
            id=1, campaign_id=1, key="launch.first@2026-03-02", series="launch.first", on_day=date(2026, 3, 2),
            stage="launch", message_key="first", touch="push", message_class="nudge", family="learning",
            scheduled_for=NOW, expires_at=LATER, spec={},
        )
    )  # fmt: skip
    guests = [external_id(1), external_id(2)]
    connection.execute(insert(switch).values(name="pilot", value=guests, who="ops", set_at=NOW))
    connection.execute(
        insert(rotation).values(
            wave_id=1, rotation=1, reason="again", cohort={"kind": "learners", "external_ids": guests}, as_of=NOW
        )
    )


def _mention(connection: Connection, who: int) -> None:
    """Put somebody into texts and lists."""
    mbox = {"mbox": f"mailto:{email(who).upper()}", "name": marker(who)}
    connection.execute(
        insert(xapi_statement).values(
            statement_id=f"s-{who}", source="player", stored_at=NOW, body={"actor": mbox, "verb": {"id": "x"}}
        )
    )
    connection.execute(
        insert(conversation).values(
            channel="teams", address=f"{marker(who)}-teams", service_url="https://x.example",
            user_id=f"29:{marker(who)}", recorded_at=NOW,
        )
    )  # fmt: skip
    bodies = [f'{{"email":"{email(who)}","text":"hello from {marker(who)}"}}', f'{{"From":"%2B4915112345{who:03}"}}']
    connection.execute(
        insert(callback),
        [
            {"provider": "p", "event_key": f"{who}-{n}", "received_at": NOW, "body": body, "state": state}
            for n, (body, state) in enumerate(zip(bodies, ("new", "folded"), strict=True))
        ],
    )
    lines = [
        ("switch set", f"pilot = ['{external_id(1)}', '{external_id(2)}']", None),
        ("reply meant a stop", f"{external_id(who)} sms", f"wrote from {email(who)}"),
        ("wave tested", f"1 {external_id(who)}", None),
    ]
    connection.execute(
        insert(audit), [{"at": NOW, "who": "ops", "what": w, "subject": s, "why": y} for w, s, y in lines]
    )


def everything(engine: Engine) -> Iterator[tuple[str, str, str]]:
    """Every value of every table as text: table, column, text."""
    with reading(engine) as connection:
        for table in metadata.sorted_tables:
            for row in connection.execute(select(table)).mappings():
                for name, value in row.items():
                    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
                    yield table.name, name, text


def holding(engine: Engine, text: str) -> set[str]:
    """The columns in which a text is found, in any case."""
    return {f"{table}.{name}" for table, name, found in everything(engine) if text.lower() in found.lower()}
