"""Writing a Variable of the Prefect server, whether or not it is there."""

from __future__ import annotations

from prefect.client.orchestration import SyncPrefectClient


def write_variable(client: SyncPrefectClient, name: str, value: object) -> bool:
    """Give a Variable a value; a new one is tagged as ours.

    Args:
        value: as JSON has it.

    Returns:
        True: the server has taken it.

    Raises:
        prefect.exceptions.PrefectHTTPStatusError, httpx.HTTPError: it has not.
    """
    if client.read_variable_by_name(name) is None:
        client.request("POST", "/variables/", json={"name": name, "value": value, "tags": ["pushpull"]})
    else:
        client.request("PATCH", "/variables/name/{name}", path_params={"name": name}, json={"value": value})
    return True
