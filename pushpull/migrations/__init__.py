"""Alembic migrations, and the one call that brings a database up to date.

Importing this package imports every table, so that the metadata is whole.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

import pushpull.catalogue.tables
import pushpull.importers.tables
import pushpull.insights.tables
import pushpull.learners.tables  # imported for their effect: they fill the metadata
import pushpull.ledger.tables
from pushpull.db import writing


def configuration() -> Config:
    """Alembic's configuration for this package; no ini file is needed."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    return config


def upgrade(engine: Engine) -> None:
    """Bring the database behind ``engine`` to the newest schema; nothing happens when it is there already.

    Nothing happens either when it is at a revision this code has never heard of: newer code has upgraded it. Revisions
    only add, so that this code still works, until it is replaced or where somebody went back to it.
    """
    if engine.dialect.name == "sqlite" and engine.url.database not in (None, "", ":memory:"):
        Path(str(engine.url.database)).parent.mkdir(parents=True, exist_ok=True)
    found = current(engine)
    if found is not None and not is_behind(found):
        return
    with writing(engine) as connection:
        config = configuration()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def current(engine: Engine) -> str | None:
    """The revision the database is at; None for an empty one."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def newest() -> str | None:
    """The revision this code expects."""
    return ScriptDirectory.from_config(configuration()).get_current_head()


@cache
def _revisions() -> tuple[str, ...]:
    """The revisions this code knows, the newest first."""
    return tuple(each.revision for each in ScriptDirectory.from_config(configuration()).walk_revisions())


def is_behind(revision: str) -> bool:
    """Whether a revision is older than what this code expects; one it does not know is newer."""
    return revision in _revisions()[1:]


def steps_from(revision: str | None) -> tuple[str, ...]:
    """What an upgrade does, a line for each revision, the earliest first.

    Args:
        revision: what the database is at; None where it is empty. Newer code's has no steps.
    """
    scripts = list(ScriptDirectory.from_config(configuration()).walk_revisions())
    if revision is not None and not is_behind(revision):
        return ()
    known = [each.revision for each in scripts]
    ahead = scripts[: known.index(revision)] if revision is not None else scripts
    return tuple(f"{each.revision}: {each.doc}" for each in reversed(ahead))
