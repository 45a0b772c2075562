"""The raw files of the presentation, read without the importers: what the replay's outcome is held against.

Days in the data are counted from the start of the presentation. There is no hour in it: as the `oulad` preset says,
everything stands at noon UTC of its day. Columns about gender, age, disability, region or deprivation are never read.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

MODULE, PRESENTATION = "AAA", "2013J"
COURSE = f"{MODULE}-{PRESENTATION}"
#: The date that stands for the first day of the presentation, a Tuesday: the data has no dates.
DAY_ZERO = date(2013, 10, 1)
TIMEZONE = "Europe/London"
#: What the `oulad` preset is told.
PARAMETERS: Mapping[str, str] = {
    "day_zero": DAY_ZERO.isoformat(),
    "module": MODULE,
    "presentation": PRESENTATION,
    "timezone": TIMEZONE,
}
#: Beside the checkout.
DEFAULT_FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data" / "oulad"

PEOPLE = "studentInfo.csv"
COURSES = "courses.csv"
ASSESSMENTS = "assessments.csv"
SITES = "vle.csv"
REGISTRATIONS = "studentRegistration.csv"
SUBMISSIONS = "studentAssessment.csv"
CLICKS = "studentVle_AAA_2013J.csv.gz"
FILES = (PEOPLE, COURSES, ASSESSMENTS, SITES, REGISTRATIONS, SUBMISSIONS, CLICKS)


class NoDataError(FileNotFoundError):
    """The folder with the real data is not there, or not whole.

    Args:
        folder: where it was looked for.
        missing: the files that are not there.
    """

    def __init__(self, folder: Path, missing: list[str]) -> None:
        super().__init__(
            f"the replay needs the OULAD files in {folder}; missing: {', '.join(missing)}. "
            "Name another folder with --data-dir; `pushpull demo` needs no data."
        )


@dataclass(frozen=True)
class Assessment:
    """One assessment.

    Args:
        day: on which it is due; None where the data has no date.
    """

    id: str
    kind: str
    day: int | None

    @property
    def key(self) -> str:
        """Its key in the catalogue, as the preset makes it."""
        return f"assessment-{self.id}"

    @property
    def title(self) -> str:
        """Its title in the catalogue, as the preset makes it."""
        return f"{self.kind} {self.id}"


@dataclass(frozen=True)
class Dataset:
    """What the raw files say, by the student's id.

    Args:
        length: days of the presentation.
        registered, unregistered: the day; who registered without a day is in neither.
        submitted: the day, by student and assessment.
    """

    folder: Path
    length: int
    assessments: tuple[Assessment, ...]
    registered: Mapping[str, int]
    unregistered: Mapping[str, int]
    submitted: Mapping[tuple[str, str], int]


def read(folder: Path) -> Dataset:
    """Read the presentation.

    Raises:
        NoDataError: a file is not there.
    """
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise NoDataError(folder, missing)
    course = next(_rows(folder / COURSES))
    registrations = list(_rows(folder / REGISTRATIONS))
    assessments = tuple(
        Assessment(row["id_assessment"], row["assessment_type"], _day(row["date"]))
        for row in _rows(folder / ASSESSMENTS)
    )
    known = {each.id for each in assessments}
    return Dataset(
        folder=folder,
        length=int(course["module_presentation_length"]),
        assessments=assessments,
        registered=_days(registrations, "date_registration"),
        unregistered=_days(registrations, "date_unregistration"),
        submitted={
            (row["id_student"], row["id_assessment"]): int(row["date_submitted"])
            for row in _rows(folder / SUBMISSIONS, whole=True)
            if row["id_assessment"] in known
        },
    )


def data_rows(path: Path) -> int:
    """How many rows a file has below its header."""
    return sum(1 for _ in _rows(path, whole=True))


def noon(day: int) -> datetime:
    """The instant at which everything of a day stands."""
    return datetime.combine(DAY_ZERO + timedelta(days=day), time(12), tzinfo=UTC)


def _rows(path: Path, *, whole: bool = False) -> Iterator[dict[str, str]]:
    """Rows of the presentation, or of the whole file."""
    with gzip.open(path, "rt", newline="") if path.suffix == ".gz" else path.open(newline="") as file:
        for row in csv.DictReader(file):
            if whole or (row["code_module"], row["code_presentation"]) == (MODULE, PRESENTATION):
                yield row


def _days(rows: list[dict[str, str]], column: str) -> dict[str, int]:
    found = {row["id_student"]: _day(row[column]) for row in rows}
    return {student: day for student, day in found.items() if day is not None}


def _day(text: str) -> int | None:
    return int(text) if text not in ("", "?") else None
