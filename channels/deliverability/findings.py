"""A finding of the checks before sending: how bad it is, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """An error keeps a wave from starting; a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a check found.

    Args:
        code: its short name, e.g. ``spf-missing``.
        message: what is wrong and what to do; names domains and addresses of pages, never a person's.
    """

    severity: Severity
    code: str
    message: str

    @property
    def is_error(self) -> bool:
        """Whether it keeps a wave from starting."""
        return self.severity is Severity.ERROR

    def __str__(self) -> str:
        return f"{self.severity} [{self.code}] {self.message}"


def error(code: str, message: str) -> Finding:
    """A finding that must be put right."""
    return Finding(Severity.ERROR, code, message)


def warning(code: str, message: str) -> Finding:
    """A finding worth a look."""
    return Finding(Severity.WARNING, code, message)


def cannot_tell(code: str, name: str) -> Finding:
    """What a check could not find out: nothing is wrong as far as anybody knows."""
    return warning(code, f"the DNS gave no answer for {name}, so that nothing can be said about it; try again")
