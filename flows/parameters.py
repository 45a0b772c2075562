"""The parameters all flows share, as the form in the Prefect UI shows them.

This is the one floor that may ask what time it is.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from prefect.runtime import flow_run
from pydantic import Field

CampaignKey = Annotated[
    str,
    Field(title="Campaign", description="Key of a campaign in content/campaigns.", json_schema_extra={"position": 0}),
]
AsOf = Annotated[
    str,
    Field(
        title="As of",
        description="ISO 8601 instant with an offset, e.g. 2026-01-12T00:05+01:00. Empty: when this run was scheduled.",
        json_schema_extra={"position": 1},
    ),
]
DryRun = Annotated[
    bool, Field(title="Dry run", description="Count only; nothing is written.", json_schema_extra={"position": 2})
]
LearnerIds = Annotated[
    list[str],
    Field(
        title="Cohort",
        description="External ids of the learners this run is for. Empty: everybody.",
        json_schema_extra={"position": 3},
    ),
]


class NoTimeZoneError(ValueError):
    """An instant was given without an offset."""

    def __init__(self, given: str) -> None:
        super().__init__(f"as_of {given!r} needs an offset from UTC, e.g. {given}Z or {given}+01:00")


def moment(as_of: str) -> datetime:
    """The campaign's clock of a run, UTC: as asked for, else when the run was scheduled, else now.

    Raises:
        NoTimeZoneError: the text has no offset.
        ValueError: it is no ISO 8601 instant.
    """
    if as_of:
        given = datetime.fromisoformat(as_of)
        if given.tzinfo is None:
            raise NoTimeZoneError(as_of)
        return given.astimezone(UTC)
    scheduled = flow_run.scheduled_start_time
    return (scheduled or datetime.now(UTC)).astimezone(UTC)


def run_key(part: str) -> str | None:
    """A key that is the same whenever this flow run is retried: what it asks for twice is asked for once."""
    run_id = flow_run.id
    return f"{run_id}:{part}"[:100] if run_id else None
