"""What ops find on a Prefect server: the work pool with a queue for obligations, the switches' Variables, the types of
credential blocks, the automations.

Furnishing again changes nothing that is there and right, nor what ops have set. What somebody else makes at the same
moment counts as made.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import VariableCreate
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

from channels.credentials import BLOCKS
from deployments import automations
from deployments.automations import Outcome
from deployments.orchestration import POOL
from deployments.prefect_api import prefect_server
from deployments.prefect_setup import make_pool
from pushpull.ledger.switches import Switches
from pushpull.ledger.vocabulary import SwitchName
from tasks.switches import VARIABLES

#: The queue whose runs a worker takes first: shards of obligations.
MANDATORY: Final = "mandatory"


async def furnish(present: Switches, *, notify: str = "", dry_run: bool = False) -> dict[str, Outcome]:
    """Make on the server of ``PREFECT_API_URL`` whatever is not there yet.

    Args:
        present: how the switches are set now; new Variables say the same.
        notify: the block that tells people what automations find, e.g. ``slack-webhook/ops``. Empty: as it is.
        dry_run: only say what would be made.

    Returns:
        What became of each thing, by what it is called.

    Raises:
        deployments.prefect_api.NoServerError: it cannot be reached, or none is named.
        deployments.automations.NoBlockError: there is no such block.
    """
    async with prefect_server() as client:
        done = {
            **await _pool(client, dry_run=dry_run),
            **await _variables(client, present, dry_run=dry_run),
            **await _block_types(client, dry_run=dry_run),
        }
        made = await automations.set_up(client, notify=notify, dry_run=dry_run)
    return {**done, **{f"automation {name!r}": outcome for name, outcome in made.items()}}


async def _pool(client: PrefectClient, *, dry_run: bool) -> dict[str, Outcome]:
    pool, queue = f"work pool {POOL!r}", f"its queue {MANDATORY!r}"
    done = {pool: Outcome.THERE, queue: Outcome.THERE}
    try:
        await client.read_work_pool(POOL)
    except ObjectNotFound:
        done[pool] = Outcome.MADE
        if not dry_run:
            await make_pool()
    try:
        await client.read_work_queue_by_name(MANDATORY, POOL)
    except ObjectNotFound:
        done[queue] = Outcome.MADE
        if not dry_run:
            with suppress(ObjectAlreadyExists):
                await client.create_work_queue(name=MANDATORY, work_pool_name=POOL, priority=1)
    return done


async def _variables(client: PrefectClient, present: Switches, *, dry_run: bool) -> dict[str, Outcome]:
    """A Variable that is there says what somebody wants: it is never changed here."""
    values: Mapping[SwitchName, Any] = {
        SwitchName.PAUSE: present.is_paused,
        SwitchName.PILOT: list(present.guests),
        SwitchName.OVERRIDE_RECIPIENT: present.override_recipient,
    }
    done = {}
    for name, variable in VARIABLES.items():
        there = await client.read_variable_by_name(variable) is not None
        done[f"variable {variable!r}"] = Outcome.THERE if there else Outcome.MADE
        if not there and not dry_run:
            with suppress(ObjectAlreadyExists):
                await client.create_variable(VariableCreate(name=variable, value=values[name], tags=["pushpull"]))
    return done


async def _block_types(client: PrefectClient, *, dry_run: bool) -> dict[str, Outcome]:
    done = {}
    for block in BLOCKS.values():
        slug = block.get_block_type_slug()
        try:
            await client.read_block_type_by_slug(slug)
            done[f"block type {slug!r}"] = Outcome.THERE
        except ObjectNotFound:
            done[f"block type {slug!r}"] = Outcome.MADE
        if not dry_run:
            with suppress(ObjectAlreadyExists):
                await block.register_type_and_schema(client=client)  # also where its fields are others now
    return done
