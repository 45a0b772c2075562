"""The nodes of a segment, as values. Reading them from a file is next door in ``segment.py``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    Strict,
    StrictBool,
    StrictInt,
    StrictStr,
    model_validator,
)

from pushpull.learners.segments.fields import FIELDS, OPERATORS, Kind, LearnerField
from pushpull.learners.vocabulary import LearnerState, ProgressStatus

#: Stands for "any item of the campaign".
CAMPAIGN_ITEMS = "campaign"
#: Stands for "anything, in the catalogue or not".
ANY_ITEM = "*"
#: A progress status of its own: there is no record of the learner with the item.
NO_PROGRESS = "none"


def _storable(value: str) -> str:
    if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise ValueError("holds a character that no database stores")
    if not value:
        raise ValueError("is empty; ask `is_set: false` for what is not there")
    return value


Text = Annotated[StrictStr, AfterValidator(_storable)]
Texts = Annotated[tuple[Text, ...], Field(min_length=1)]
#: What a field is compared with; which of them, the kind of field decides.
Value = StrictBool | StrictInt | StrictStr | Annotated[date, Strict()]
Days = Annotated[float, Field(ge=0, le=36_500, allow_inf_nan=False)]


class Node(BaseModel):
    """One node of a segment."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Everyone(Node):
    """Every learner."""

    everyone: Literal[True] = True


class AllOf(Node):
    """Who is in every one of the parts."""

    all: tuple[AnyNode, ...] = Field(min_length=1)


class AnyOf(Node):
    """Who is in at least one of the parts."""

    any: tuple[AnyNode, ...] = Field(min_length=1)


class Not(Node):
    """Everybody else."""

    part: AnyNode = Field(alias="not")


class ByField(Node):
    """A learner's own field, with exactly one comparison; texts compare exactly, upper and lower case matter.

    Args:
        field: one of :data:`FIELDS`.
        is_, in_: equal to the value, to one of the values.
        prefix: the text starts with this.
        before, after: the date is earlier, later; the day itself is neither.
        is_set: whether anything is known.
    """

    field: str
    is_: Value | None = Field(None, alias="is")
    in_: tuple[Value, ...] | None = Field(None, alias="in", min_length=1)
    prefix: Text | None = None
    before: date | None = None
    after: date | None = None
    is_set: StrictBool | None = None

    @property
    def known(self) -> LearnerField:
        """The field that is asked about."""
        return FIELDS[self.field]

    @model_validator(mode="before")
    @classmethod
    def _fits_the_field(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or data.get("field") not in FIELDS:
            return data  # the caller has checked the name, or pydantic says what is wrong
        field = FIELDS[data["field"]]
        operators = OPERATORS[field.kind]
        used = [key for key in data if key != "field"]
        if len(used) != 1 or used[0] not in operators:
            raise ValueError(f"{data['field']} is a {field.kind}: it needs exactly one of {', '.join(operators)}")
        (operator,) = used
        value = data[operator]
        if operator == "is":
            value = _value_of(field.kind, value)
        elif operator == "in":
            if not isinstance(value, list | tuple) or not value:
                raise ValueError("`in` needs a list of at least one value")
            value = tuple(_value_of(field.kind, each) for each in value)
        elif operator in ("before", "after"):
            value = _value_of(Kind.DATE, value)
        elif value is None:
            raise ValueError(f"`{operator}` has no value")
        return {"field": data["field"], operator: value}


def _value_of(kind: Kind, value: Any) -> Any:
    """The value as the kind of field needs it.

    Raises:
        ValueError: it is of another kind.
    """
    if kind is Kind.TEXT:
        if not isinstance(value, str):
            raise ValueError(f"{value!r} is not a text: write it in quotes")
        return _storable(value)
    if kind is Kind.TRUTH and not isinstance(value, bool):
        raise ValueError(f"{value!r} is neither true nor false")
    if kind is Kind.NUMBER and (isinstance(value, bool) or not isinstance(value, int)):
        raise ValueError(f"{value!r} is not a whole number")
    if kind is Kind.DATE and (isinstance(value, datetime) or not isinstance(value, date)):
        try:
            return date.fromisoformat(str(value))
        except ValueError as error:
            raise ValueError(f"{value!r} is not a date such as 2026-01-31") from error
    return value


class ByTag(Node):
    """Who carries the tag, or at least one of the tags."""

    tag: Text | Texts

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags as a list, also when one was written alone."""
        return (self.tag,) if isinstance(self.tag, str) else self.tag


class ByProfile(Node):
    """What the learner's profile says, from any source; with no comparison: says anything at all."""

    profile: Literal["goal", "aspiration", "need", "format", "barrier"]
    is_: Text | None = Field(None, alias="is")
    in_: Texts | None = Field(None, alias="in")

    @model_validator(mode="after")
    def _compares_once(self) -> ByProfile:
        if self.is_ is not None and self.in_ is not None:
            raise ValueError("has both `is` and `in`; write one of them")
        return self

    @property
    def values(self) -> tuple[str, ...]:
        """The values asked for; empty means any."""
        return self.in_ or (() if self.is_ is None else (self.is_,))


class ByLifecycle(Node):
    """The learner's state in the campaign; without any event the learner is unaware."""

    lifecycle: tuple[LearnerState, ...] = Field(min_length=1)


class ActivityRule(Node):
    """Activity that is asked for.

    Args:
        verbs: these verbs; None means any that shows the learner was there.
        item: an item's key, :data:`CAMPAIGN_ITEMS` (also when null) or :data:`ANY_ITEM`.
        within_days: not longer ago than so many days of 24 hours.
        since: not before the start of this day, UTC.
        at_least: so many records.
    """

    verbs: Texts | None = None
    item: Text = CAMPAIGN_ITEMS
    within_days: Days | None = None
    since: date | None = None
    at_least: int = Field(1, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _null_is_the_campaign(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and "item" in data and data["item"] is None:
            return {**data, "item": CAMPAIGN_ITEMS}
        return data

    @model_validator(mode="after")
    def _starts_once(self) -> ActivityRule:
        if self.within_days is not None and self.since is not None:
            raise ValueError("has both `within_days` and `since`; write one of them")
        return self


class ByActivity(Node):
    """Who did something."""

    activity: ActivityRule


class ProgressRule(Node):
    """Where the learner stands with an item, or with at least one item of the campaign.

    Args:
        item: an item's key, :data:`CAMPAIGN_ITEMS` or :data:`ANY_ITEM`.
        status: one of these; :data:`NO_PROGRESS` means that there is no record for any of the items.
        due_within_days: the due date is not past and at most so many days of 24 hours ahead, and the item is open.
        overdue: the due date is past and the item is open; false: it is not so.
    """

    item: Text = CAMPAIGN_ITEMS
    status: tuple[ProgressStatus | Literal["none"], ...] | None = Field(None, min_length=1)
    due_within_days: Days | None = None
    overdue: StrictBool | None = None

    @model_validator(mode="after")
    def _asks_something(self) -> ProgressRule:
        if self.status is None and self.due_within_days is None and self.overdue is None:
            raise ValueError("asks nothing; write `status`, `due_within_days` or `overdue`")
        if NO_PROGRESS in (self.status or ()) and (self.due_within_days is not None or self.overdue is not None):
            raise ValueError("status `none` means no record, and what has no record has no due date")
        return self


class ByProgress(Node):
    """Where the learner stands."""

    progress: ProgressRule


class InactiveRule(Node):
    """How long the learner has been silent, in days of 24 hours up to now.

    Args:
        at_least, at_most: bounds of the silence, both included.
        never: also who was never active; otherwise they are not inactive, they have not begun.
        item: activity on what: an item's key, :data:`CAMPAIGN_ITEMS` or :data:`ANY_ITEM`.
    """

    at_least: Days | None = None
    at_most: Days | None = None
    never: StrictBool = False
    item: Text = ANY_ITEM

    @model_validator(mode="after")
    def _is_possible(self) -> InactiveRule:
        if self.at_least is None and self.at_most is None and not self.never:
            raise ValueError("asks nothing; write `at_least`, `at_most` or `never: true`")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError(f"at_least {self.at_least:g} is more than at_most {self.at_most:g}: nobody is meant")
        return self


class ByInactivity(Node):
    """Who has been silent."""

    inactive_days: InactiveRule


Leaf = Everyone | ByField | ByTag | ByProfile | ByLifecycle | ByActivity | ByProgress | ByInactivity
AnyNode = AllOf | AnyOf | Not | Leaf

for _node in (AllOf, AnyOf, Not):
    _node.model_rebuild()
