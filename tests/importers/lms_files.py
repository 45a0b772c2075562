"""The sample files that ship with the presets, and a company whose people and catalogue they speak of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from pushpull.importers import presets
from pushpull.importers.runs import ImportReport
from pushpull.importers.tabular import import_catalogue, import_people, import_records
from tests.importers.files import NOW

SAMPLES = Path(presets.__file__).parent / "presets" / "samples"

_MOODLE = {"site": "https://moodle.example.com", "date_order": "dmy", "timezone": "Europe/Berlin"}
_COURSE = {"course": "feedback-basics"}
_COMPLETIONS = {"date_order": "dmy", "timezone": "Europe/Berlin", **_COURSE}
_CANVAS = {"site": "https://canvas.example.com", "date_order": "ymd", **_COURSE}


@dataclass(frozen=True)
class Step:
    """One import of one sample file.

    Args:
        load: which of the three imports.
        new: so many rows of it are new where only what it needs was imported before.
    """

    load: Callable[..., ImportReport]
    preset: str
    file: str
    params: dict[str, str]
    new: int
    filtered: int = 0
    duplicate: int = 0

    def run(self, engine: Engine, *, path: Path | None = None, **more: Any) -> ImportReport:
        """Import the sample, or another file in its place."""
        more.setdefault("now", NOW)
        return self.load(engine, path or self.path, preset=self.preset, params=self.params, **more)

    @property
    def path(self) -> Path:
        return SAMPLES / self.preset / self.file


PEOPLE = Step(import_people, "generic", "people.csv", {}, 6)
CATALOGUE = Step(import_catalogue, "generic", "catalogue.csv", {}, 2)

_MOODLE_USERS = Step(import_people, "moodle-logs", "users.csv", _MOODLE, 0)
_CANVAS_USERS = Step(import_people, "canvas", "users.csv", _CANVAS, 0)
_US = {"date_order": "mdy"}
_ISO = {"date_order": "ymd"}
_EU = {"date_order": "dmy", "timezone": "Europe/Berlin"}

#: What each sample needs before it, and the sample itself.
STEPS: dict[str, tuple[Step, ...]] = {
    "generic sections": (Step(import_catalogue, "generic", "sections.csv", {}, 3),),
    "generic progress": (Step(import_records, "generic", "progress.csv", {}, 3),),
    "generic activity": (Step(import_records, "generic", "activity.csv", {}, 3),),
    "moodle users": (_MOODLE_USERS,),
    "moodle course log": (
        _MOODLE_USERS,
        Step(import_records, "moodle-logs", "course-log.csv", {**_MOODLE, **_COURSE}, 7, filtered=1),
    ),
    "moodle site log": (_MOODLE_USERS, Step(import_records, "moodle-logs", "site-log.csv", _MOODLE, 7)),
    "moodle course completion": (Step(import_records, "moodle-completions", "course-completion.csv", _COMPLETIONS, 3),),
    "moodle course completion by ID number": (
        Step(import_records, "moodle-completions", "course-completion-id.csv", _COMPLETIONS, 2),
    ),
    "moodle activity completion": (
        Step(import_records, "moodle-completions", "activity-completion.csv", _COMPLETIONS, 5, filtered=4),
    ),
    "moodle activity completion by ID number": (
        Step(import_records, "moodle-completions", "activity-completion-id.csv", _COMPLETIONS, 1, filtered=1),
    ),
    "linkedin learning": (
        Step(import_catalogue, "linkedin-learning", "learner-detail.csv", _US, 2, duplicate=1),
        Step(import_records, "linkedin-learning", "learner-detail.csv", _US, 3),
    ),
    "cornerstone": (
        Step(import_catalogue, "cornerstone", "transcript.csv", _US, 2, duplicate=2),
        Step(import_records, "cornerstone", "transcript.csv", _US, 4),
    ),
    "successfactors histories": (
        Step(import_catalogue, "successfactors", "learning-history.csv", _ISO, 2, duplicate=2),
        Step(import_records, "successfactors", "learning-history.csv", _ISO, 4),
    ),
    "successfactors report": (
        Step(import_catalogue, "successfactors", "learning-history-report.csv", _EU, 1, duplicate=1),
        Step(import_records, "successfactors", "learning-history-report.csv", _EU, 2),
    ),
    "canvas": (
        _CANVAS_USERS,
        Step(import_records, "canvas", "course-access.csv", _CANVAS, 4),
    ),
    "workday workers": (Step(import_people, "workday-raas", "workers.csv", {}, 1),),
    "workday learning": (
        Step(import_catalogue, "workday-raas", "learning.csv", {}, 1, duplicate=2),
        Step(import_records, "workday-raas", "learning.csv", {}, 3),
    ),
}


def a_company(engine: Engine) -> Engine:
    """The people and the items that the samples speak of."""
    PEOPLE.run(engine)
    CATALOGUE.run(engine)
    return engine
