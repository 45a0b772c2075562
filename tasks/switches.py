"""The switches of ops: Prefect's Variables are where they set them, the ledger's rows are what counts.

``pushpull_pause`` is true or false, ``pushpull_pilot`` a list of external ids, ``pushpull_override_recipient`` an
external id. A Variable that does not exist changes nothing; when no server answers, the ledger's last word stands.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from contextvars import copy_context
from datetime import datetime
from functools import partial
from threading import Thread
from typing import Any, Final

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import PREFECT_API_URL

from pushpull.db import database_now, reading, writing
from pushpull.ledger.provider_objects import forget, keep, made
from pushpull.ledger.switches import Switches, follow, kept_value, set_switch, switches
from pushpull.ledger.vocabulary import SwitchName
from tasks.installation import Installation, installation, log
from tasks.publish import impatient, in_a_run
from tasks.step import step
from tasks.variables import write_variable

#: The Variable of each switch.
VARIABLES: Final[Mapping[SwitchName, str]] = {name: f"pushpull_{name.value}" for name in SwitchName}

#: How long the server may take to be asked or told, in seconds; what was set last holds when it takes longer.
_PATIENCE: Final = 2.0

#: How often a running drain asks, in seconds.
_EVERY: Final = 5.0

_WHO: Final = "Prefect Variable"

#: How the ledger remembers what keeps messages back and was set while the server did not answer: its Variable is not to
#: undo that.
_UNTOLD: Final = ("prefect", "untold_switch")


@step("read switches")
def read_switches() -> Switches:
    """How everything is set now; inside a flow run, after the Variables were copied into the ledger."""
    here = installation()
    if in_a_run():
        copy_variables(here)
    with reading(here.engine) as connection:
        return switches(connection)


def variables() -> Mapping[SwitchName, object] | None:
    """What the Variables say that there are; None where no server is configured, or none answers."""
    told: Mapping[SwitchName, object] | None = _within(_PATIENCE, _read) if PREFECT_API_URL.value() else None
    return told


def copy_variables(here: Installation) -> bool:
    """Copy the switches' Variables into the ledger, as far as there are any.

    Returns:
        Whether a server answered.
    """
    told = variables()
    if told is None:
        return False
    told = _with_untold(here, told)
    with writing(here.engine) as connection:
        troubles = follow(connection, told, who=_WHO, at=database_now(connection))
    for trouble in troubles:
        log.warning("a switch cannot be used: %s; correct its Variable (pushpull_…) in Prefect", trouble)
    return True


class VariableNotSetError(RuntimeError):
    """The ledger has a switch's new value, and Prefect's Variable the former one.

    Args:
        closes: the new value keeps messages back, and so will not be undone.
    """

    def __init__(self, name: SwitchName, *, closes: bool) -> None:
        what = (
            f"its Variable {VARIABLES[name]} says otherwise until a run finds that it answers, and corrects it"
            if closes
            else f"as soon as it answers, its Variable {VARIABLES[name]} undoes that; do this again then, or correct it"
        )
        super().__init__(f"the switch is set, but the Prefect server did not take it: {what}")


def set_everywhere(name: SwitchName, value: object, *, who: str, why: str, at: datetime) -> bool:
    """Set a switch in the ledger and, where a server is configured, in its Variable, so that both say the same.

    Args:
        value: as :func:`pushpull.ledger.switches.set_switch` wants it.
        at: UTC.

    Returns:
        Whether the ledger had it otherwise.

    Raises:
        SwitchError: it is no value for this switch.
        VariableNotSetError: a server is configured, and did not take it.
    """
    with writing(installation().engine) as connection:
        is_new = set_switch(connection, name, value, who=who, at=at, why=why)
        kept = kept_value(connection, name)
    if PREFECT_API_URL.value():
        is_told = bool(_within(_PATIENCE, lambda client: write_variable(client, VARIABLES[name], kept)))
        with writing(installation().engine) as connection:
            if kept and not is_told:
                keep(connection, *_UNTOLD, key=name.value, value=json.dumps(kept), at=at)
            else:  # what lets messages go again is undone rather: somebody may set the Variable meanwhile
                forget(connection, *_UNTOLD, key=name.value)
        if not is_told:
            raise VariableNotSetError(name, closes=bool(kept))
    return is_new


def _with_untold(here: Installation, told: Mapping[SwitchName, object]) -> Mapping[SwitchName, object]:
    """What the Variables say, after the server was told what it did not take when it was set: that is newer."""
    with reading(here.engine) as connection:
        untold = {SwitchName(key): json.loads(value) for key, value in made(connection, *_UNTOLD).items()}
    newest = {name: value for name, value in told.items() if name not in untold}
    for name, value in untold.items():
        if _within(_PATIENCE, partial(write_variable, name=VARIABLES[name], value=value)):
            newest[name] = value
            with writing(here.engine) as connection:
                forget(connection, *_UNTOLD, key=name.value)
    return newest


class Refresher:
    """Copies the Variables into the ledger while a drain goes on, so that "pause everything" takes effect in seconds.

    Made in the task that drains. The drain never waits for the server: asking goes on beside it.

    Args:
        every: how often to ask at the most, in seconds.
    """

    def __init__(self, *, every: float = _EVERY) -> None:
        self._every = every
        self._next = time.monotonic() + every
        self._here = installation() if in_a_run() and PREFECT_API_URL.value() else None
        self._context = copy_context()
        self._asking: Thread | None = None

    def maybe(self, *_step: object) -> None:
        """Ask when it is time, and nobody asks already; takes whatever a drain's ``on_step`` is told."""
        if self._here is None or time.monotonic() < self._next:
            return
        if self._asking is not None and self._asking.is_alive():
            return
        self._next = time.monotonic() + self._every
        self._asking = Thread(target=self._context.copy().run, args=(self._copy,), daemon=True, name="switches")
        self._asking.start()

    def _copy(self) -> None:
        assert self._here is not None
        try:
            copy_variables(self._here)
        except Exception as error:  # noqa: BLE001  # the database is busy or away: the drain itself will say so
            log.warning("the switches could not be copied", extra={"error": type(error).__name__})


def _read(client: SyncPrefectClient) -> dict[SwitchName, object]:
    wanted = {"variables": {"name": {"any_": list(VARIABLES.values())}}}
    found = {each["name"]: each["value"] for each in client.request("POST", "/variables/filter", json=wanted).json()}
    return {name: found[variable] for name, variable in VARIABLES.items() if variable in found}


def _within(seconds: float, ask: Callable[[SyncPrefectClient], Any]) -> Any:
    """What a server says within some seconds, looking up its name included; None when it says nothing."""
    answers: list[Any] = []

    def asking() -> None:
        try:
            with impatient():  # and, after its second try, by the thread that waits for this one
                client = get_client(sync_client=True, httpx_settings={"timeout": seconds})
                with client:
                    answers.append(ask(client))
        except Exception as error:  # noqa: BLE001  # Prefect's client raises whatever its server or the network did
            log.warning("Prefect's Variables could not be reached", extra={"error": type(error).__name__})

    thread = Thread(target=copy_context().run, args=(asking,), daemon=True, name="Variables")
    thread.start()
    thread.join(seconds)
    return answers[0] if answers else None
