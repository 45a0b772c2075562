"""The Prefect server that commands speak to, and what is said when there is none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prefect.client.orchestration import PrefectClient, get_client
from prefect.settings import get_current_settings


class NoServerError(RuntimeError):
    """The Prefect server does not answer."""

    def __init__(self, url: str | None) -> None:
        where = f"no Prefect server answers at {url}" if url else "PREFECT_API_URL is not set"
        super().__init__(
            f"{where}; start one with `pushpull serve` and read its `. var/prefect/here.sh` in this terminal, or set "
            "PREFECT_API_URL to the address of yours, e.g. http://127.0.0.1:4200/api"
        )


@asynccontextmanager
async def prefect_server() -> AsyncIterator[PrefectClient]:
    """The Prefect server of this process' settings.

    Raises:
        NoServerError: there is none, or it does not answer.
    """
    url = get_current_settings().api.url
    if not url:  # Prefect would start a server of its own, with nothing in it, and forget it again
        raise NoServerError(None)
    async with get_client() as client:
        if await client.api_healthcheck() is not None:
            raise NoServerError(url)
        yield client
