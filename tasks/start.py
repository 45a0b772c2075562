"""Starting runs of other deployments: an approval that waits for a person, helpers for a large wave, a dispatch.

The same key starts one run, however often it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment

from tasks.installation import log
from tasks.publish import impatient, in_a_run


def start_run(
    deployment: str, parameters: Mapping[str, object], *, key: str, name: str = "", queue: str = ""
) -> FlowRun | None:
    """Start a run of a deployment and go on at once.

    Args:
        deployment: ``flow/deployment``, as `prefect.yaml` names them.
        parameters: ids, keys and counts.
        key: asking again with the same one starts nothing, and gives the run that was started.
        name: of the run; a name of Prefect's where left out.
        queue: of the work pool; its default where left out.

    Returns:
        The run; None outside of a flow run, or when the server has no such deployment or cannot be reached.
    """
    if not in_a_run():
        return None
    start: Callable[..., Any] = run_deployment
    try:
        with impatient():
            return cast(
                FlowRun,
                start(
                    name=deployment,
                    parameters=dict(parameters),
                    timeout=0,
                    idempotency_key=key,
                    flow_run_name=name or None,
                    work_queue_name=queue or None,
                    as_subflow=False,
                    _sync=True,
                ),
            )
    except Exception as error:  # noqa: BLE001  # no such deployment, or no answer: the caller goes on without it
        log.warning("%s could not be started", deployment, extra={"error": type(error).__name__})
        return None
