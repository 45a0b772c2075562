"""Words of consent that were said elsewhere: on paper, in the HR system, in a former tool.

A word is about a channel and a family of messages, and has its own time: the latest stands, whatever the order in which
words are imported (:mod:`pushpull.learners.consent`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path

from sqlalchemy import Connection, Engine, select

from pushpull.db import reading, writing
from pushpull.importers.fields import boolean, instant
from pushpull.importers.reading import NumberedRow, SourceError, read_csv
from pushpull.importers.refusals import Refusal, Refused
from pushpull.importers.runs import ImportReport, OnProgress
from pushpull.learners.consent import opt_in, opt_out
from pushpull.learners.lists import in_ids, in_texts
from pushpull.learners.tables import consent, learner
from pushpull.learners.vocabulary import ANY_CHANNEL, ANY_FAMILY, Channel

#: Columns a file must have, and may have.
NEEDED = ("external_id", "channel", "granted", "recorded_at")
OPTIONAL = ("family", "source")

_AT_ONCE = 500
_FIRST_ROWS = 5
_LONGEST = {"family": 64, "source": 64}
_CHANNELS = {channel.value for channel in Channel} | {ANY_CHANNEL}


@dataclass(frozen=True, slots=True)
class _Word:
    row: int
    external_id: str
    channel: str
    family: str
    granted: bool
    source: str
    at: datetime


def import_consents(
    engine: Engine, path: Path, *, now: datetime, dry_run: bool = False, on_progress: OnProgress | None = None
) -> ImportReport:
    """Import words of consent from a CSV file with the columns of :data:`NEEDED` and :data:`OPTIONAL`.

    Args:
        path: ``granted`` is yes or no; ``recorded_at`` is when it was said; ``channel`` and ``family`` may be ``*``.
        now: UTC; what was said later than that is refused.
        dry_run: read and check everything, write nothing.
        on_progress: called after each batch with the rows done and about how many there are.

    Returns:
        The report; its ``new`` are words about something nobody had spoken of.

    Raises:
        SourceError: the file cannot be read, or lacks a column.
    """
    rows = read_csv(path)
    names = [name.casefold() for name in rows.header]
    missing = [name for name in NEEDED if name not in names]
    if missing:
        raise SourceError(f"{rows.name} has no column {', '.join(missing)}; needed are {', '.join(NEEDED)}")
    report = ImportReport(kind="consents", file_name=rows.name, dry_run=dry_run)
    numbered = iter(rows.rows)
    while batch := list(islice(numbered, _AT_ONCE)):
        words = [word for row in batch if (word := _read(row, names, report, now=now)) is not None]
        if dry_run:
            with reading(engine) as connection:
                _say(connection, words, report)
        else:
            with writing(engine) as connection:
                _say(connection, words, report)
        if on_progress:
            on_progress(report.rows_in, rows.total)
    return report


def _read(row: NumberedRow, names: Sequence[str], report: ImportReport, *, now: datetime) -> _Word | None:
    number, cells = row
    report.rows_in += 1
    try:
        if isinstance(cells, Refused):
            raise cells
        said = {name: cell.strip() for name, cell in zip(names, cells, strict=True)}
        for name in NEEDED:
            if not said[name]:
                raise Refused(Refusal.MISSING, field=name)
        for name, longest in _LONGEST.items():
            if len(said.get(name, "")) > longest:
                raise Refused(Refusal.TOO_LONG, field=name)
        channel, at = said["channel"].casefold(), instant(said["recorded_at"])
        if channel not in _CHANNELS:
            raise Refused(Refusal.UNKNOWN_VALUE, field="channel")
        if at > now:
            raise Refused(Refusal.OUT_OF_RANGE, "in the future", field="recorded_at")
        return _Word(
            row=number,
            external_id=said["external_id"],
            channel=channel,
            family=said.get("family") or ANY_FAMILY,
            granted=boolean(said["granted"]),
            source=said.get("source") or "import",
            at=at,
        )
    except Refused as refused:
        _refuse(report, number, refused.reason)
        return None


def _refuse(report: ImportReport, row: int, reason: Refusal) -> None:
    report.rejected += 1
    report.reasons[reason.value] += 1
    first = report.first_rows.setdefault(reason.value, [])
    if len(first) < _FIRST_ROWS:
        first.append(row)


def _say(connection: Connection, words: Sequence[_Word], report: ImportReport) -> None:
    """Record the words of people there are, and count them."""
    people = dict(
        connection.execute(
            select(learner.c.external_id, learner.c.id).where(
                in_texts(learner.c.external_id, [word.external_id for word in words])
            )
        ).all()
    )
    spoken = {
        (row.learner_id, row.channel, row.family): (row.recorded_at, row.granted)
        for row in connection.execute(select(consent).where(in_ids(consent.c.learner_id, list(people.values()))))
    }
    # Ascending, as everybody locks learners.
    for word in sorted(words, key=lambda each: (people.get(each.external_id, 0), each.row)):
        learner_id = people.get(word.external_id)
        if learner_id is None:
            _refuse(report, word.row, Refusal.UNKNOWN_PERSON)
            continue
        scope = (learner_id, word.channel, word.family)
        before = spoken.get(scope)
        if before is not None and not _is_newer(word, *before):
            report.duplicate += 1
            continue
        spoken[scope] = (word.at, word.granted)
        report.accepted += 1
        report.new += before is None
        if not report.dry_run:
            say = opt_in if word.granted else opt_out
            say(connection, learner_id, channel=word.channel, family=word.family, source=word.source, at=word.at)


def _is_newer(word: _Word, at: datetime, granted: bool) -> bool:
    """Whether a word changes what stands: it was said later, or is a no said at the same instant as a yes."""
    return word.at > at or (word.at == at and granted and not word.granted)
