"""Which fields of a learner a segment may ask about, what each can be compared with, and the error of this folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

Path = tuple[str | int, ...]


class SegmentError(ValueError):
    """A segment cannot be read or does not fit where it is used.

    Args:
        path: where in the segment, e.g. ``("all", 1, "field")``.
        message: what is wrong and what to write instead.
    """

    def __init__(self, path: Path, message: str) -> None:
        self.path = path
        self.message = message
        super().__init__(f"{self.place}: {message}")

    @property
    def place(self) -> str:
        """The path as a person reads it, e.g. ``all[1].field``."""
        text = ""
        for step in self.path:
            text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
        return text or "segment"


class Kind(StrEnum):
    """What a learner's field holds."""

    TEXT = "text"
    TRUTH = "true or false"
    DATE = "date"
    NUMBER = "number"


@dataclass(frozen=True)
class LearnerField:
    """A field of a learner that segments may ask about.

    Args:
        column: its column in ``learner``.
        kind: what it holds.
        words: how a sentence calls it.
    """

    column: str
    kind: Kind
    words: str


_FIELDS = (
    LearnerField("external_id", Kind.TEXT, "id"),
    LearnerField("given_name", Kind.TEXT, "given name"),
    LearnerField("family_name", Kind.TEXT, "family name"),
    LearnerField("display_name", Kind.TEXT, "display name"),
    LearnerField("email", Kind.TEXT, "e-mail address"),
    LearnerField("phone", Kind.TEXT, "phone number"),
    LearnerField("teams_id", Kind.TEXT, "Teams id"),
    LearnerField("slack_id", Kind.TEXT, "Slack id"),
    LearnerField("preferred_language", Kind.TEXT, "language"),
    LearnerField("timezone", Kind.TEXT, "time zone"),
    LearnerField("title", Kind.TEXT, "job title"),
    LearnerField("department", Kind.TEXT, "department"),
    LearnerField("manager_external_id", Kind.TEXT, "manager"),
    LearnerField("active", Kind.TRUTH, "active"),
    LearnerField("hired_on", Kind.DATE, "hire date"),
    LearnerField("preferred_hour", Kind.NUMBER, "preferred hour"),
)

#: Accepted spellings → the field. SCIM's own (RFC 7643) stand beside the column's.
FIELDS: Mapping[str, LearnerField] = {
    **{field.column: field for field in _FIELDS},
    **{
        field.column.split("_")[0] + "".join(part.title() for part in field.column.split("_")[1:]): field
        for field in _FIELDS
    },
    "manager": next(field for field in _FIELDS if field.column == "manager_external_id"),
}

#: What a kind of field can be compared with.
OPERATORS: Mapping[Kind, tuple[str, ...]] = {
    Kind.TEXT: ("is", "in", "prefix", "is_set"),
    Kind.TRUTH: ("is", "is_set"),
    Kind.DATE: ("is", "in", "before", "after", "is_set"),
    Kind.NUMBER: ("is", "in", "is_set"),
}
