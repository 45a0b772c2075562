"""What a Prefect server needs before anything runs: the work pool, the deployments, and what ops find beside them.

``python -m deployments.prefect_setup`` does it in one process, in a few seconds, on the server of ``PREFECT_API_URL``;
it is ``prefect --no-prompt deploy --all`` between the two halves of ``pushpull setup prefect``.
Doing it again brings all up to date and leaves alone what ops have set in the UI: a paused pool stays paused, a paused
schedule too.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path

from deployments.orchestration import POOL

_ROOT = Path(__file__).resolve().parent.parent


def set_up() -> None:
    """Do all of it; what Prefect says about it goes to the terminal.

    Raises:
        SystemExit: Prefect refused; it has said why.
    """
    # prefect.yaml says where its flows are by $PWD.
    os.chdir(_ROOT)
    os.environ["PWD"] = str(_ROOT)
    asyncio.run(make_pool())
    _prefect("--no-prompt", "deploy", "--all")
    _furnish()


async def make_pool() -> None:
    """Make the work pool, unless it is there: then it stays as it is."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectAlreadyExists
    from prefect.workers.process import ProcessWorker

    template = ProcessWorker.get_default_base_job_template()
    async with get_client() as client:
        try:
            await client.create_work_pool(
                WorkPoolCreate(name=POOL, type=ProcessWorker.type, base_job_template=template)
            )
        except ObjectAlreadyExists:
            return


def _furnish() -> None:
    from deployments.furnishing import furnish
    from pushpull.db import reading
    from pushpull.ledger.switches import switches
    from tasks.installation import installation

    with reading(installation().engine) as connection:
        present = switches(connection)
    for what, outcome in asyncio.run(furnish(present)).items():
        print(f"{what}: {outcome}")


def _prefect(*words: str) -> None:
    """A command of Prefect's, in this process: starting another one for each takes seconds."""
    from prefect.cli import app

    sys.argv = ["prefect", *words]
    try:
        app()
    except SystemExit as ended:
        if ended.code:
            raise


def main() -> None:
    """The command."""
    argparse.ArgumentParser(prog="python -m deployments.prefect_setup", description=__doc__).parse_args()
    if not os.environ.get("PREFECT_API_URL"):
        # Prefect would start a server of its own for it, and forget it again.
        raise SystemExit("error: set PREFECT_API_URL to the server that is meant, e.g. http://127.0.0.1:4200/api")
    set_up()


if __name__ == "__main__":
    main()
