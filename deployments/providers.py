"""The stand-in of the providers: part of a checkout with its development packages, and of nothing else."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from deployments.processes import ROOT, NotReadyError, Service, require_running, start

#: What the stand-in imports that is not installed for running.
_DEVELOPMENT = ("openapi_core", "trustme")
_PATIENCE_SECONDS = 60.0


class NoStandInError(RuntimeError):
    """The stand-in cannot be run from here.

    Args:
        missing: the module that is not there.
    """

    def __init__(self, missing: str) -> None:
        super().__init__(
            f"the stand-in of the providers is part of a checkout, with its development packages, and {missing} "
            "is not here: clone the repository, run `make setup` there and then `.venv/bin/pushpull sandbox serve`"
        )


def require_standin(root: Path = ROOT) -> None:
    """Make sure that the stand-in can be run.

    Raises:
        NoStandInError: something it needs is not here.
    """
    if not (root / "tests" / "standin").is_dir():
        raise NoStandInError("tests/standin")
    for name in _DEVELOPMENT:
        if find_spec(name) is None:
            raise NoStandInError(name)


def standin(module: str, root: Path = ROOT) -> Any:
    """A module of the stand-in, which no wheel has.

    Raises:
        NoStandInError: it is not here.
    """
    require_standin(root)
    if str(root) not in sys.path[:1]:
        sys.path.insert(0, str(root))  # first: other packages have been seen to install a folder called tests
    try:
        return import_module(f"tests.standin.{module}")
    except ModuleNotFoundError as error:
        raise NoStandInError(error.name or module) from error


def start_providers(environment: Mapping[str, str], port: int, *, callbacks_to: str, log: Path) -> Service:
    """Start the stand-in in a process of its own; it is not ready yet.

    Args:
        callbacks_to: where the web app will listen.
    """
    command = [sys.executable, "-u", "-m", "tests.standin", "--port", str(port), "--callbacks-to", callbacks_to]
    return start("the providers' stand-in", command, environment, log=log)


def variables_of(service: Service) -> Mapping[str, str]:
    """The settings that point an installation at a stand-in, as it says them once it can be reached.

    Raises:
        EndedError: it ended instead.
        NotReadyError: it took too long.
    """
    assert service.log is not None
    give_up = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < give_up:
        said = service.log.read_text()
        if "\n\n" in said:  # an empty line ends them
            lines = [line.removeprefix("export ") for line in said.splitlines() if line.startswith("export ")]
            return dict(line.split("=", 1) for line in lines)
        require_running(service)
        time.sleep(0.1)
    raise NotReadyError(service.name, "its port", service.last_lines)
