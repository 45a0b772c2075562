"""Shapes: what the columns of one kind of file mean, as a preset states it.

A shape is data: which rows are let in (``only``, ``skip``), which are made several of one (``pairs``, ``each``), and
where each field comes from. What may be done with a cell is in ``transforms``; what a value must be is in ``fields``.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from pydantic import Field, field_validator, model_validator

from pushpull.importers.fields import FIELDS, Target
from pushpull.importers.transforms import Data, Transform, compiled


class LearnerKey(StrEnum):
    """What a file knows a learner by."""

    EXTERNAL_ID = "external_id"
    EMAIL = "email"
    ACCOUNT = "account"  # xAPI account as "homePage|name": the number that another system gave to a person


class FieldMap(Data):
    """Where one field comes from.

    Args:
        column: the column, or other names it may have (the first one that is there is taken).
        template: text with columns and parameters in it, e.g. ``{code_module}-{id_student}``; empty when one is empty.
        constant: the same for every row; may name a parameter.
        transforms: applied in order to what was read.
        required: a row without it is refused, and a file without the column does not have this shape.
        default: stands in for an empty cell.
        occurrence: number equal values (``#2``, ``#3`` …) in the order of the file, so that rows which the source
            cannot tell apart are all kept and still found again by a second import.
    """

    column: str | tuple[str, ...] | None = None
    template: str | None = None
    constant: str | None = None
    transforms: tuple[Transform, ...] = ()
    required: bool = False
    default: str | None = None
    occurrence: bool = False

    @model_validator(mode="after")
    def _has_one_origin(self) -> FieldMap:
        if sum(origin is not None for origin in (self.column, self.template, self.constant)) != 1:
            raise ValueError("say exactly one of column, template and constant")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """The names that the column may have."""
        return (self.column,) if isinstance(self.column, str) else self.column or ()


class Pairs(Data):
    """Columns that come two by two, one pair for each item of a course: a row becomes one record per pair.

    Args:
        beside: the columns that come before the pairs; those that are there stay as they are.
        heading: the name under which a record has the heading of its pair's first column.
        names: the names under which it has the pair's two cells.
    """

    beside: tuple[str, ...]
    heading: str
    names: tuple[str, str]


class Each(Data):
    """Columns that say the same of different moments: a row becomes one record per column that is filled.

    Args:
        columns: the columns.
        name: the name under which a record has its cell.
    """

    columns: tuple[str, ...]
    name: str


class Shape(Data):
    """One kind of file.

    Args:
        name: how messages call it.
        about: which report or export it is, and what becomes of its rows.
        sample: the name of a small file of this shape that ships.
        writes: what its rows become.
        marks: columns that must be there for a file to have this shape, beside those of required fields.
        only: rows are let in where these columns equal these values (one of several); a value may name a parameter, and
            where that parameter is empty the column is not looked at. The other rows are counted as filtered.
        skip: rows are left out, and counted as filtered, where these columns match these regular expressions entirely.
        fields: target field → where it comes from.
        learner_by: progress and activity only: what the field ``learner`` holds.
        parts: progress only: what is said about a course also assigns its dated parts (``item.part_of``).
        completion_verb: progress only: a completion is also learning activity, recorded with this verb.
    """

    name: str
    about: str = ""
    sample: str | None = None
    writes: Target
    marks: tuple[str, ...] = ()
    only: Mapping[str, str | tuple[str, ...]] = Field(default_factory=dict)
    skip: Mapping[str, str] = Field(default_factory=dict)
    pairs: Pairs | None = None
    each: Each | None = None
    fields: Mapping[str, FieldMap]
    learner_by: LearnerKey = LearnerKey.EXTERNAL_ID
    parts: bool = False
    completion_verb: str | None = None

    @field_validator("skip")
    @classmethod
    def _are_patterns(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        for pattern in value.values():
            compiled(pattern)
        return value

    @model_validator(mode="after")
    def _fields_exist(self) -> Shape:
        known = FIELDS[self.writes]
        for name in self.fields:
            if name not in known:
                raise ValueError(f"{self.writes.value} has no field {name!r}; it has {', '.join(known)}")
        for name, field in known.items():
            if field.required and name not in self.fields:
                raise ValueError(f"shape {self.name!r} lacks the required field {name!r}")
        if self.learner_by is not LearnerKey.EXTERNAL_ID and "learner" not in known:
            raise ValueError(f"shape {self.name!r} writes {self.writes.value}, which is of no learner")
        return self

    @property
    def made_columns(self) -> frozenset[str]:
        """Columns that its records have and the file has not."""
        names: set[str] = set()
        if self.pairs is not None:
            names |= {self.pairs.heading, *self.pairs.names}
        if self.each is not None:
            names.add(self.each.name)
        return frozenset(names)
