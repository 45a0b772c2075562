"""The evidence: what the sandbox took, read from its own files, held against the raw data and against the ledger.

A message is believed for what it carries (recipient, date, subject, ids), not for what the ledger says of it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.header import decode_header, make_header
from email.parser import BytesHeaderParser
from email.utils import parseaddr, parsedate_to_datetime
from pathlib import Path

from sqlalchemy import Connection, select

from channels import parcels
from deployments.replay.campaign import ANNOUNCEMENT, REMINDERS
from deployments.replay.dataset import Dataset, noon
from deployments.replay.report import Check
from pushpull.learners.tables import learner
from pushpull.ledger.messages import delivery_id, parse_delivery_id
from pushpull.ledger.tables import delivery, wave
from pushpull.ledger.vocabulary import ACCEPTED_STATES, OPEN_STATES, DeliveryState

_STUDENT = re.compile(r"student-(\d+)@")
_EXPLAINED = (DeliveryState.SKIPPED, DeliveryState.HELD, DeliveryState.REJECTED, DeliveryState.PARKED)


@dataclass(frozen=True, slots=True)
class Letter:
    """One message in the outbox.

    Args:
        student: the student's id in the raw data, from the recipient's address.
        sent_at: its Date header: the simulated instant.
    """

    delivery_id: str
    handover: str
    student: str
    sent_at: datetime
    subject: str

    @property
    def wave_id(self) -> int:
        """Which wave it is of."""
        return parse_delivery_id(self.delivery_id)[0]


def parcel_paths(outbox_dir: Path) -> list[Path]:
    """The files of the outbox."""
    return sorted(parcels.parcel_folder(outbox_dir).glob(f"*/*/*{parcels.SUFFIX}"))


def count_letters(outbox_dir: Path) -> int:
    """How many messages were taken so far."""
    return sum(len(parcels.read(path).sizes) for path in parcel_paths(outbox_dir))


def letters(outbox_dir: Path) -> list[Letter]:
    """Every message in the outbox, from its own headers, read by the standard library."""
    parser = BytesHeaderParser()
    found = []
    for path in parcel_paths(outbox_dir):
        for _, message in parcels.read(path).messages():
            headers = parser.parsebytes(message.partition(b"\r\n\r\n")[0])
            student = _STUDENT.match(parseaddr(headers["To"])[1])
            found.append(
                Letter(
                    delivery_id=headers["X-Pushpull-Delivery"],
                    handover=headers["X-Pushpull-Handover"],
                    student=student[1] if student else "",
                    sent_at=parsedate_to_datetime(headers["Date"]),
                    subject=str(make_header(decode_header(headers["Subject"]))),
                )
            )
    return found


def against_the_raw_data(data: Dataset, found: Sequence[Letter], series: Mapping[int, str]) -> list[Check]:
    """Hold messages against registrations, submissions and withdrawals.

    What happens on a day stands at noon UTC, so a reminder on the morning of the day of submission came before it, and
    one in the afternoon came after.

    Args:
        series: the series of each wave, by the wave's id.
    """
    titles = {each.title: each.id for each in data.assessments}
    about = {letter: next((titles[t] for t in titles if t in letter.subject), None) for letter in found}
    reminders = [letter for letter in found if series.get(letter.wave_id) in REMINDERS]
    late = [
        letter
        for letter in found
        if (day := data.submitted.get((letter.student, about[letter] or ""))) is not None and noon(day) < letter.sent_at
    ]
    after_leaving = [
        letter
        for letter in found
        if (day := data.unregistered.get(letter.student)) is not None and noon(day) < letter.sent_at
    ]
    unknown = [letter for letter in found if letter.student not in data.registered]
    too_early = [
        letter
        for letter in found
        if letter.student in data.registered and noon(data.registered[letter.student]) > letter.sent_at
    ]
    return [
        Check("no message twice", _repeats(letter.delivery_id for letter in found), "delivery ids in the outbox"),
        Check(
            "no learner twice in a wave",
            _repeats((letter.student, letter.wave_id) for letter in found),
            "recipient and wave of each message in the outbox",
        ),
        Check("no reminder after completion", len(late), "subject and date against studentAssessment.csv"),
        Check(
            "every reminder names its assessment",
            sum(about[letter] is None for letter in reminders),
            "subjects against assessments.csv",
        ),
        Check("no message after withdrawal", len(after_leaving), "recipient and date against studentRegistration.csv"),
        Check("no message before registration", len(unknown) + len(too_early), "the same"),
    ]


def against_the_ledger(
    connection: Connection,
    data: Dataset,
    found: Sequence[Letter],
    *,
    audiences: Mapping[int, int],
    ended_at: datetime,
) -> list[Check]:
    """Hold the ledger against the outbox, and every wave against its audience.

    Args:
        audiences: how many learners each wave had when it was planned.
        ended_at: when the play ended; what is due later may still be open.
    """
    rows = connection.execute(
        select(
            wave.c.series,
            delivery.c.wave_id,
            delivery.c.rotation,
            delivery.c.learner_id,
            delivery.c.state,
            delivery.c.reason,
            delivery.c.due_at,
            learner.c.external_id,
        ).select_from(
            delivery.join(wave, wave.c.id == delivery.c.wave_id).join(learner, learner.c.id == delivery.c.learner_id)
        )
    ).all()
    accepted = {delivery_id(row.wave_id, row.rotation, row.learner_id) for row in rows if row.state in ACCEPTED_STATES}
    per_wave = Counter(row.wave_id for row in rows)
    waves = {*audiences, *per_wave}
    told = {row.external_id for row in rows if row.series == ANNOUNCEMENT}
    enrolled = {student for student, day in data.registered.items() if noon(day) < noon(0)}
    return [
        Check(
            "accepted in the ledger = taken by the sandbox",
            len(accepted ^ {letter.delivery_id for letter in found}),
            "delivery ids, message by message",
        ),
        Check(
            "every learner of every wave is accounted for",
            sum(abs(audiences.get(each, 0) - per_wave[each]) for each in waves),
            f"{len(waves):,} waves, {len(rows):,} rows: audience when planned = sum of states now",
        ),
        Check(
            "nobody is left out without a reason",
            sum(row.reason is None for row in rows if row.state in _EXPLAINED),
            f"{sum(row.state in _EXPLAINED for row in rows):,} rows that were not sent",
        ),
        Check("everybody enrolled at the start is in the first wave", len(told ^ enrolled), "studentRegistration.csv"),
        Check(
            "nothing due was left lying",
            sum(row.state in OPEN_STATES and (row.due_at is None or row.due_at <= ended_at) for row in rows),
            "open rows at the end",
        ),
    ]


def _repeats(keys: Iterable[object]) -> int:
    return sum(count - 1 for count in Counter(keys).values())
