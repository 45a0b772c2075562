"""The parameters all flows share, and what a flow asks the run it is in.

This is the one floor that may ask what time it is.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated

from prefect.runtime import flow_run
from pydantic import Field

#: Constraints show in the form and are checked by Prefect; titles and descriptions of ``Field`` do not: a parameter's
#: help is its line under ``Args:`` in the flow's docstring, and its title its name.
CampaignKey = Annotated[str, Field(min_length=1)]
WaveKey = Annotated[str, Field(min_length=1)]
Reason = Annotated[str, Field(min_length=3)]
DaysAhead = Annotated[int, Field(ge=0, le=1)]


class UnreadableInstantError(ValueError):
    """A text is no instant."""

    def __init__(self, given: str) -> None:
        super().__init__(f"{given!r} is no ISO 8601 instant; write it like 2026-01-12T00:05+01:00")


class NoTimeZoneError(ValueError):
    """An instant was given without an offset."""

    def __init__(self, given: str) -> None:
        example = given if "T" in given or " " in given else f"{given}T00:05"
        super().__init__(f"{given!r} needs an offset from UTC, e.g. {example}Z or {example}+01:00")


def moment(as_of: str, *, live: bool = False) -> datetime:
    """The campaign's clock of a run, UTC: as asked for, else when the run was scheduled, else now.

    Args:
        live: what is sent leaves now, whenever the run was scheduled: a late run must not take the night for morning.

    Raises:
        NoTimeZoneError: the text has no offset.
        UnreadableInstantError: it is no ISO 8601 instant.
    """
    if as_of:
        try:
            given = datetime.fromisoformat(as_of)
        except ValueError as error:
            raise UnreadableInstantError(as_of) from error
        if given.tzinfo is None:
            raise NoTimeZoneError(as_of)
        return given.astimezone(UTC)
    scheduled = None if live else flow_run.scheduled_start_time
    # Prefect's own instants (pendulum's) lose their zone in sums once astimezone() gave them another's: a plain one.
    return datetime.fromisoformat((scheduled or datetime.now(UTC)).isoformat()).astimezone(UTC)


def lateness(as_of: str) -> timedelta:
    """How long after its scheduled start this run starts; nothing where an instant was asked for on purpose."""
    scheduled = None if as_of else flow_run.scheduled_start_time
    if scheduled is None:
        return timedelta(0)
    return max(timedelta(0), datetime.now(UTC) - datetime.fromisoformat(scheduled.isoformat()))


def stage_run_name(stage: str) -> Callable[[], str]:
    """What a stage's runs are called, e.g. "two-minutes-a-day: launch announcement", or without a wave when it is all.

    A dry run says that it is one: it stands beside real ones in the list of runs.

    Args:
        stage: as people call it.

    Returns:
        What Prefect asks for the name when a run starts.
    """

    def name() -> str:
        given = flow_run.parameters
        name = f"{given['campaign']}: {stage} {given.get('wave', '')}".rstrip()
        return f"{name} (dry run)" if given.get("dry_run") else name

    return name


def run_key(part: str) -> str | None:
    """A key that is the same whenever this flow run is retried: what it asks for twice is asked for once."""
    run_id = flow_run.id
    return f"{run_id}:{part}"[:100] if run_id else None
