"""What a run shows in the Prefect UI: artifacts. Counts, keys and links, never people.

Nothing here can fail a run: what was sent is in the ledger, whether or not Prefect could be told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast
from uuid import UUID

from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.context import FlowRunContext, SettingsContext, SyncClientContext, get_settings_context
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, Settings

from tasks.installation import log

_LONGEST_KEY = 200


def in_a_run() -> bool:
    """Whether this is inside a flow run, so that there is somebody to show things to."""
    return FlowRunContext.get() is not None


def artifact_key(*parts: str) -> str:
    """A key as Prefect wants it: lower-case letters, digits and dashes.

    Args:
        parts: of the name, e.g. ``("wave", "two-minutes-a-day", "launch.announcement@2026-01-12")``.
    """
    cleaned = ("".join(c if c.isascii() and c.isalnum() else "-" for c in part.lower()).strip("-") for part in parts)
    return "-".join(each for each in cleaned if each)[:_LONGEST_KEY].rstrip("-")


def publish_table(*, key: str, table: Sequence[Mapping[str, object]], description: str) -> None:
    """A table: one row per mapping, with its keys as columns; nothing when it is empty."""
    if table:
        _publish(create_table_artifact, key=key, table=[dict(row) for row in table], description=description)


def publish_markdown(*, key: str, markdown: str, description: str) -> bool:
    """A text.

    Returns:
        Whether Prefect shows it.
    """
    return _publish(create_markdown_artifact, key=key, markdown=markdown, description=description) is not None


@contextmanager
def one_client() -> Iterator[None]:
    """One client of Prefect's for all steps of a run: making one for each costs more than most of them do."""
    if not in_a_run():
        yield
        return
    with SyncClientContext.get_or_create():
        yield


@contextmanager
def impatient() -> Iterator[None]:
    """Within the block Prefect's client gives up after a second try: by its own measure it would go on for a minute.

    Who only shows or asks something must not keep sending waiting.
    """
    global _derived  # noqa: PLW0603  # the settings these were made from, and they: making them takes a while
    known = get_settings_context()
    if _derived is None or _derived[0] is not known.settings:
        fewest = min(1, PREFECT_CLIENT_MAX_RETRIES.value())
        _derived = known.settings, known.settings.copy_with_update({PREFECT_CLIENT_MAX_RETRIES: fewest})
    with SettingsContext(profile=known.profile, settings=_derived[1]):
        yield


_derived: tuple[Settings, Settings] | None = None


def name_run(name: str) -> None:
    """Give the run this is in another name, once it is known what it does."""
    run = FlowRunContext.get()
    if run is None or run.flow_run is None or run.flow_run.name == name:
        return
    try:
        with impatient(), SyncClientContext.get_or_create() as known:
            known.client.set_flow_run_name(run.flow_run.id, name)
    except Exception as error:  # noqa: BLE001  # Prefect's client raises whatever its server or the network did
        log.warning("the run keeps its name", extra={"error": type(error).__name__})


class Progress:
    """A bar that fills; made when first set, and left as it is once Prefect does not answer: sending must not wait.

    Args:
        key: of the artifact.
        description: what it is the progress of.
    """

    def __init__(self, *, key: str, description: str) -> None:
        self._key, self._description = key, description
        self._id: UUID | None = None
        self._is_given_up = False

    def show(self, percent: float) -> None:
        """Set it.

        Args:
            percent: 0 to 100.
        """
        if self._is_given_up or not in_a_run():
            return
        value = min(100.0, max(0.0, percent))
        if self._id is None:
            made = _publish(create_progress_artifact, progress=value, key=self._key, description=self._description)
            self._id = cast(UUID | None, made)
        else:
            made = _publish(update_progress_artifact, artifact_id=self._id, progress=value)
        self._is_given_up = made is None


def _publish(make: Callable[..., Any], **what: object) -> object:
    if not in_a_run():
        return None
    try:
        with impatient():
            # Flows are coroutines and steps are not: without the flag Prefect would return a coroutine here.
            return make(_sync=True, **what)
    except Exception as error:  # noqa: BLE001  # Prefect's client raises whatever its server or the network did
        log.warning("Prefect could not be shown %s", what.get("key", "progress"), extra={"error": type(error).__name__})
        return None
