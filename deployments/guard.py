"""A process that ends what `pushpull serve` started when `pushpull serve` itself no longer can: it was killed.

It is told every process that is started, line by line on its standard input, and at the end "done". When its input
ends without that word, it ends them all. It holds the lock of the home folder too: so the folder is free only once
nothing of the former one is left.
"""

from __future__ import annotations

import fcntl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from deployments.processes import ROOT, ServeError, end_groups, groups_below, in_checkout

_DONE = "done"
#: How long a former one may take to end what it started.
_PATIENCE_SECONDS = 30.0
_SECONDS_TO_STOP = 5.0


class AlreadyServedError(ServeError):
    """Another `pushpull serve` works with the same folder."""

    def __init__(self, home: Path) -> None:
        super().__init__(
            f"another `pushpull serve` works with {home}: end that one, or name another folder with --home"
        )


class Guard:
    """The other end of the line to the guard."""

    def __init__(self, line: IO[str]) -> None:
        self._line = line

    def told(self, pid: int) -> None:
        """A process was started, with a session of its own."""
        self._say(str(pid))

    def dismiss(self) -> None:
        """All of them have ended."""
        self._say(_DONE)

    def _say(self, word: str) -> None:
        with suppress(BrokenPipeError):  # somebody ended the guard: what is started is ended all the same
            self._line.write(f"{word}\n")
            self._line.flush()


@contextmanager
def guarded(home: Path, environment: dict[str, str], *, say: Callable[[str], None]) -> Iterator[Guard]:
    """Hold a folder for the length of the block, and have a guard on what is started meanwhile.

    Args:
        home: exists; one at a time may work with it.

    Raises:
        AlreadyServedError: another one does.
    """
    with (home / "serve.lock").open("w") as lock:
        _acquire(lock, home, say)
        process = subprocess.Popen(
            [sys.executable, "-m", "deployments.guard"],
            stdin=subprocess.PIPE,
            text=True,
            env=in_checkout(environment),
            cwd=ROOT,
            pass_fds=[lock.fileno()],
            start_new_session=True,
        )
        assert process.stdin is not None
        guard = Guard(process.stdin)
        try:
            yield guard
        finally:
            guard.dismiss()
            with suppress(BrokenPipeError):
                process.stdin.close()
            process.wait()


def _acquire(lock: IO[str], home: Path, say: Callable[[str], None]) -> None:
    give_up, has_waited = time.monotonic() + _PATIENCE_SECONDS, False
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > give_up:
                raise AlreadyServedError(home) from None
        if not has_waited:
            say(f"waiting for another `pushpull serve` on {home} to end …")
            has_waited = True
        time.sleep(0.3)


def main() -> None:
    """Wait for the end of the input; end what was told there unless the last word is "done"."""
    pids: set[int] = set()
    for line in sys.stdin:
        if line.strip() == _DONE:
            return
        pids.add(int(line))
    end_groups(groups_below(pids), seconds=_SECONDS_TO_STOP)


if __name__ == "__main__":
    main()
