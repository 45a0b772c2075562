"""Bringing in what other systems know about learning."""

from __future__ import annotations

from datetime import datetime

from pushpull.importers.runs import ImportReport
from pushpull.importers.xapi import import_xapi
from tasks.installation import installation
from tasks.step import step


@step("import statements")
def import_statements(source: str, as_of: datetime, *, dry_run: bool = False) -> ImportReport:
    """Import xAPI statements from a file or a learning record store.

    Args:
        source: a path, or the URL of the store's statements resource.
        as_of: when this import happens, UTC.
    """
    return import_xapi(installation().engine, source, now=as_of, dry_run=dry_run)
