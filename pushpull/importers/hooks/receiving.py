"""Records of a web hook, taken in one request at a time: the same ones again change nothing.

What cannot be taken in is counted and put into the quarantine of the source's day with the reason, and keeps nothing
else of the request from being taken in: a learning system sends a record once or twice, and then gives up.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, or_, select

from pushpull.catalogue.tables import item
from pushpull.db import writing
from pushpull.importers.activity import ActivityWriter
from pushpull.importers.daily import account, run_of_day
from pushpull.importers.fields import Target
from pushpull.importers.hooks.maps import EventMapper, load_map
from pushpull.importers.records import ProgressWriter
from pushpull.importers.refusals import Refused
from pushpull.importers.runs import ImportReport, ImportRun
from pushpull.importers.shapes import Shape
from pushpull.importers.sources import Source
from pushpull.importers.staging import chunks
from pushpull.importers.whose import Whose

_Numbered = list[tuple[int, dict[str, Any]]]
#: Under what several records come in one object: Canvas (IMS Caliper), and what others do.
_ENVELOPES = ("data", "events", "records")


def receive_records(
    engine: Engine, source: Source, sent: Any, *, peppers: Sequence[bytes], now: datetime
) -> ImportReport:
    """Take in the records of one request.

    Args:
        source: who sends; its preset is the map.
        sent: JSON: a record, a list of them, or an object with such a list.
        peppers: under which erased people are known.
        now: the instant of the request, aware; nothing that was done is later.

    Raises:
        PresetError: the map of the source cannot be read any more.
    """
    mapper = EventMapper(load_map(source.preset or ""))
    with writing(engine) as connection:
        run = run_of_day(connection, "records", source.name, preset=source.preset, now=now)
        batches: dict[tuple[str, tuple[str, ...]], tuple[Shape, _Numbered]] = {}
        for number, record in enumerate(_records(sent), start=1):
            run.report.rows_in += 1
            try:
                shape, names, values = mapper.map(record)
            except Refused as refused:
                run.refuse(number, refused)
                continue
            if values.get("occurred_at") is not None:
                values["occurred_at"] = min(values["occurred_at"], now)
            batches.setdefault((shape.name, names), (shape, []))[1].append((number, values))
        for (_, names), (shape, batch) in batches.items():
            _name_items(connection, batch)
            writer = _writer(run, shape, names, source, peppers)
            writer.write(batch)
            writer.finish()
        return account(run)


def _records(sent: Any) -> list[Any]:
    if isinstance(sent, dict):
        for name in _ENVELOPES:
            inside = sent.get(name)
            if isinstance(inside, list) and all(isinstance(each, dict) for each in inside):
                return inside
    return sent if isinstance(sent, list) else [sent]


def _writer(
    run: ImportRun, shape: Shape, names: tuple[str, ...], source: Source, peppers: Sequence[bytes]
) -> ActivityWriter | ProgressWriter:
    whose = Whose(run.connection, shape.learner_by, peppers=peppers)
    said_by = f"hook:{source.name}"
    if shape.writes is Target.ACTIVITY:
        return ActivityWriter(run, names, source=said_by, numbered=False, whose=whose)
    return ProgressWriter(
        run, names, source=said_by, parts=shape.parts, completion_verb=shape.completion_verb, whose=whose
    )


def _name_items(connection: Connection, batch: _Numbered) -> None:
    """Let records name items by their address too: systems that know nothing of our keys know that."""
    named = {values["item_key"] for _, values in batch if values.get("item_key")}
    keys: dict[str, str] = {}
    for some in chunks(sorted(each for each in named if "://" in each)):
        found = connection.execute(
            select(item.c.key, item.c.url, item.c.iri)
            .where(or_(item.c.url.in_(some), item.c.iri.in_(some)))
            .order_by(item.c.id.desc())
        )
        for key, *addresses in found:
            keys.update({address: key for address in addresses if address in named})
    for _, values in batch:
        values.update({"item_key": keys[values["item_key"]]} if values.get("item_key") in keys else {})
