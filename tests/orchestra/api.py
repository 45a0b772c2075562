"""What a test asks the Prefect server: the same requests as the UI makes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import httpx

from tests.orchestra.processes import until

#: States in which nothing happens any more.
ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


class Refused(AssertionError):
    """The server refused a request.

    Args:
        status: of its answer.
    """

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"{status}: {said}")
        self.status = status


class Api:
    """A Prefect server's API.

    Args:
        url: ends in ``/api``.
    """

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=30, trust_env=False)

    def close(self) -> None:
        """Let go of its connections."""
        self._client.close()

    def is_up(self) -> bool:
        """Whether the server answers."""
        try:
            return self._client.get("/health", timeout=2).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Make a request.

        Raises:
            Refused: the answer is an error.
        """
        answer = self._client.request(method, path, json=body)
        if answer.is_error:
            raise Refused(answer.status_code, answer.text)
        return answer.json() if answer.content else None

    def post(self, path: str, body: object = None) -> Any:
        """A POST, which is also how Prefect is asked for lists."""
        return self.ask("POST", path, {} if body is None else body)

    # ---- deployments

    def deployments(self) -> dict[str, dict[str, Any]]:
        """All, by name."""
        return {each["name"]: each for each in self.post("/deployments/filter", {"limit": 200})}

    def deployment(self, name: str) -> dict[str, Any]:
        """The deployment of this name, which is its flow's too."""
        return dict(self.ask("GET", f"/deployments/name/{name}/{name}"))

    def pause_schedules(self) -> None:
        """From now on only what the test starts runs."""
        for each in self.deployments().values():
            self.ask("PATCH", f"/deployments/{each['id']}", {"paused": True})

    # ---- runs

    def start(
        self, name: str, parameters: Mapping[str, object] | None = None, *, at: datetime | None = None, key: str = ""
    ) -> str:
        """Press "Run".

        Args:
            at: when it is to start; at once where left out.
            key: asking again with the same one gives the same run.

        Returns:
            The run's id.
        """
        state: dict[str, object] = {"type": "SCHEDULED"}
        if at is not None:
            state["state_details"] = {"scheduled_time": at.isoformat()}
        body = {"state": state, "parameters": dict(parameters or {}), **({"idempotency_key": key} if key else {})}
        return str(self.post(f"/deployments/{self.deployment(name)['id']}/create_flow_run", body)["id"])

    def run(self, run_id: str) -> dict[str, Any]:
        """A flow run."""
        return dict(self.ask("GET", f"/flow_runs/{run_id}"))

    def state(self, run_id: str) -> str:
        """The type of a run's state: SCHEDULED, RUNNING, COMPLETED …"""
        return str(self.run(run_id)["state_type"])

    def runs(self, name: str = "", *states: str) -> list[dict[str, Any]]:
        """The runs of a deployment, the newest first; of all, where none is named.

        Args:
            states: types of states; any where left out.
        """
        body: dict[str, object] = {"sort": "EXPECTED_START_TIME_DESC", "limit": 200}
        if name:
            body["deployments"] = {"name": {"any_": [name]}}
        if states:
            body["flow_runs"] = {"state": {"type": {"any_": list(states)}}}
        return list(self.post("/flow_runs/filter", body))

    def wait_for(self, run_id: str, *states: str, seconds: float = 120) -> str:
        """Wait until a run is in one of these states.

        Returns:
            The type of the state.
        """

        def there() -> str:
            found = self.state(run_id)
            if found in states:
                return found
            assert found not in ENDED, f"{self.run(run_id)['name']} is {found}: {self.told_by(run_id)}"
            return ""

        return until(f"run {run_id} is {' or '.join(states)}", there, seconds=seconds)

    def wait_for_end(self, run_id: str, *, seconds: float = 120) -> str:
        """Wait until a run has ended, however it did."""
        return self.wait_for(run_id, *ENDED, seconds=seconds)

    def finished(self, *run_ids: str, seconds: float = 120) -> None:
        """Wait for the good end of runs.

        Raises:
            AssertionError: one ended otherwise.
        """
        for run_id in run_ids:
            assert self.wait_for_end(run_id, seconds=seconds) == "COMPLETED", self.told_by(run_id)

    def set_state(self, run_id: str, kind: str, name: str = "", *, force: bool = True) -> dict[str, Any]:
        """Move a run into a state, as the UI's buttons do."""
        state = {"type": kind, **({"name": name} if name else {})}
        return dict(self.post(f"/flow_runs/{run_id}/set_state", {"state": state, "force": force}))

    def retry(self, run_id: str) -> None:
        """Press "Retry": the UI's own request."""
        self.set_state(run_id, "SCHEDULED", "AwaitingRetry")

    def resume(self, run_id: str, answers: Mapping[str, object]) -> bool:
        """Fill in the form of a paused run and press "Resume".

        Returns:
            Whether the form was taken; False: something in it is wrong.
        """
        answer = self._client.post(f"/flow_runs/{run_id}/resume", json={"run_input": dict(answers)})
        assert answer.status_code < 500, answer.text
        return answer.is_success and answer.json()["status"] == "ACCEPT"

    def told_by(self, run_id: str) -> str:
        """A run's log."""
        body = {"logs": {"flow_run_id": {"any_": [run_id]}}, "sort": "TIMESTAMP_ASC", "limit": 200}
        return "\n".join(each["message"] for each in self.post("/logs/filter", body))

    def steps(self, run_id: str) -> list[dict[str, Any]]:
        """The task runs of a run."""
        body = {"flow_runs": {"id": {"any_": [run_id]}}, "limit": 200}
        return list(self.post("/task_runs/filter", body))

    # ---- what is shown and told

    def artifacts(self, key: str = "") -> list[dict[str, Any]]:
        """What runs published, the newest first."""
        body: dict[str, object] = {"sort": "CREATED_DESC", "limit": 200}
        if key:
            body["artifacts"] = {"key": {"any_": [key]}}
        return list(self.post("/artifacts/filter", body))

    def events(self, *prefixes: str) -> list[dict[str, Any]]:
        """The events whose names begin so."""
        found = self.post("/events/filter", {"filter": {"event": {"prefix": list(prefixes)}}, "limit": 50})
        return list(found["events"])
