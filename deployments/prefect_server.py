"""Prefect's own server, with its scheduler mended for SQLAlchemy 2.1.

``python -m deployments.prefect_server`` takes every option of ``prefect server start`` and changes nothing else. Start
the server of this virtualenv this way and no other, or none of its schedules ever fires. A server on another machine
with a SQLAlchemy below 2.1 needs none of this.
"""

from __future__ import annotations

import sys
from collections.abc import MutableMapping
from typing import Any, cast

from sqlalchemy.ext.hybrid import hybrid_property


class SchedulerChangedError(RuntimeError):
    """Prefect's tables are not what the mending was written for."""

    def __init__(self) -> None:
        super().__init__(
            "this version of Prefect stores scheduled runs in another way than the one its server was mended for: "
            "check deployments/prefect_server.py against it"
        )


def mend_scheduler() -> None:
    """Let the server store the runs its schedules ask for.

    The scheduler inserts mappings with one key too many: ``state``, which is no column but a hybrid attribute, and
    which it reads from the same mappings afterwards. SQLAlchemy 2.0 left such keys alone; 2.1 raises "Can't evaluate
    bulk DML statement" unless the attribute says what to do with them. Here it says: nothing, as before. Seen with
    Prefect 3.8.8.

    Raises:
        SchedulerChangedError: the attribute is not there.
    """
    from prefect.server.database import orm_models

    for run in (orm_models.FlowRun, orm_models.TaskRun):
        state = vars(run).get("state")
        if not isinstance(state, hybrid_property):
            raise SchedulerChangedError
        if state.bulk_dml_setter is None:
            state.bulk_dml_setter = cast(Any, _leave_alone)


def _leave_alone(_run: Any, _mapping: MutableMapping[str, Any], _value: Any) -> None:
    """The state gets a row of its own right after the run's."""


def main() -> None:
    """``prefect server start`` with the arguments of this process."""
    mend_scheduler()
    from prefect.cli import app

    sys.argv = ["prefect", "server", "start", *sys.argv[1:]]
    app()


if __name__ == "__main__":
    main()
