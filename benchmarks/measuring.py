"""The process in which one thing is measured: ``python -m benchmarks.measuring NAME --url URL --size N --runs N``.

It prints one line of JSON. A process of its own makes its peak memory mean something.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial

from benchmarks.figures import Measured


class MeasuringFailedError(RuntimeError):
    """The measuring process ended with an error.

    Args:
        name: what was measured.
        said: the end of its error output.
    """

    def __init__(self, name: str, said: str) -> None:
        super().__init__(f"measuring {name} failed:\n{said[-3000:]}")


def measure(name: str, *, url: str, size: int, runs: int) -> Measured:
    """Measure in a process of its own.

    Raises:
        MeasuringFailedError: it could not be measured, or the result was wrong.
    """
    command = [sys.executable, "-m", "benchmarks.measuring", name, "--url", url, "--size", str(size)]
    done = subprocess.run([*command, "--runs", str(runs)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise MeasuringFailedError(name, done.stderr)
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def _measures(name: str) -> Callable[[str, int, int], Measured]:
    # Each import only where it is measured: what one does not need is not in its memory.
    if name == "planning":
        from benchmarks import planning

        return planning.measure
    if name in ("delivery", "memory"):
        from benchmarks import delivery

        return delivery.measure if name == "delivery" else delivery.measure_memory
    if name.startswith("orchestration-"):
        from benchmarks import orchestration

        workers, _, rate = name.removeprefix("orchestration-").partition("@")
        return orchestration.measure(int(workers), per_second=float(rate or 0))
    if name.startswith("pages-"):
        from benchmarks import pages

        return partial(pages.measure, name.removeprefix("pages-"))
    if name.startswith("channels-"):
        from benchmarks import channels

        own: Mapping[str, Callable[[str, int, int], Measured]] = {
            "latency": channels.measure_latency,
            "pacing": channels.measure_pacing,
            "sink": channels.measure_sink,
            "sdk": channels.measure_sdk,
            "prefect": channels.measure_prefect,
        }
        kind = name.removeprefix("channels-")
        return own[kind] if kind in own else channels.measure(kind)
    from benchmarks import importing

    kinds: Mapping[str, Callable[[str, int, int], Measured]] = {
        "people": importing.measure_people,
        "progress": importing.measure_progress,
        "activity": importing.measure_activity,
    }
    return kinds[name]


def main() -> None:
    """Measure one thing here."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("name")
    arguments.add_argument("--url", required=True)
    arguments.add_argument("--size", type=int, required=True)
    arguments.add_argument("--runs", type=int, default=3)
    given = arguments.parse_args()
    print(json.dumps(asdict(_measures(given.name)(given.url, given.size, given.runs))))


if __name__ == "__main__":
    main()
