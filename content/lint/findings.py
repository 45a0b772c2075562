"""A finding: where, which rule, how bad, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from content.source import Problem, Source, dotted


class Severity(StrEnum):
    """Errors keep a campaign from being deployed; warnings do not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing the linter found.

    Args:
        line: from 1.
        rule: its short name, e.g. ``one-call-to-action``.
        field: dotted path in the file.
        message: what is wrong and what to write instead.
    """

    file: Path
    line: int
    rule: str
    severity: Severity
    field: str
    message: str

    def __str__(self) -> str:
        field = f"{self.field}: " if self.field else ""
        return f"{self.file}:{self.line}: {self.severity} [{self.rule}] {field}{self.message}"


def of_problem(problem: Problem) -> Finding:
    """A file that cannot be read as what it is."""
    return Finding(problem.file, problem.line, "structure", Severity.ERROR, problem.field, problem.message)


def error(source: Source, place: Sequence[str | int], rule: str, message: str) -> Finding:
    """A finding that must be put right."""
    return Finding(source.path, source.line_of(place), rule, Severity.ERROR, dotted(place), message)


def warning(source: Source, place: Sequence[str | int], rule: str, message: str) -> Finding:
    """A finding worth a look."""
    return Finding(source.path, source.line_of(place), rule, Severity.WARNING, dotted(place), message)
