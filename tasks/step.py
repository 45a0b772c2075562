"""A step: a Prefect task inside a flow run, a plain function everywhere else.

So the very same flow runs orchestrated in production, and in simulated time by the thousand, without a server, in
rehearsals, replays and tests (mission X4).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

from prefect import Task
from prefect.context import FlowRunContext
from prefect.futures import PrefectFuture

P = ParamSpec("P")
R = TypeVar("R")


class Step(Task[P, R]):
    """A Prefect task that needs no server outside of a flow run."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:  # type: ignore[override]  # steps are synchronous
        """Run it: recorded by Prefect inside a flow run, directly otherwise."""
        if FlowRunContext.get() is None:
            return self.fn(*args, **kwargs)
        return super().__call__(*args, **kwargs)

    def for_each(self, arguments: Sequence[tuple[Any, ...]]) -> list[R]:
        """Run it once for every tuple of arguments: at the same time inside a flow run, one after the other otherwise.

        Raises:
            Exception: what the first failed one raised, after all have ended.
        """
        if FlowRunContext.get() is None or len(arguments) == 1:
            call: Callable[..., R] = self
            return [call(*each) for each in arguments]
        submit: Callable[..., PrefectFuture[R]] = self.submit
        running = [submit(*each) for each in arguments]
        for future in running:
            future.wait()
        return [future.result() for future in running]


def step(name: str, *, run_name: str | None = None) -> Callable[[Callable[P, R]], Step[P, R]]:
    """Make a function a step.

    Results are never persisted and prints never logged: Prefect holds no personal data. There are no retries: what
    sends is repeated by the ledger alone.

    Args:
        name: as ops see it in the Prefect UI.
        run_name: template of the run's name over the function's parameters.
    """

    def decorate(function: Callable[P, R]) -> Step[P, R]:
        return Step(fn=function, name=name, task_run_name=run_name, persist_result=False, log_prints=False)

    return decorate
