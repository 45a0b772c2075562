"""``python -m deployments.probe URL``: exit code 0 when an address answers that all is well, without any package.

For health checks of containers and units, where there is no curl.
"""

from __future__ import annotations

import argparse
import time
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

_SECONDS = 5.0


def is_well(url: str) -> bool:
    """Whether an address answers 200.

    Args:
        url: ``http://host:port/path``, of this machine or its own network.
    """
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=_SECONDS)
    try:
        connection.request("GET", parts.path or "/")
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def main() -> int:
    """The command; its exit code."""
    options = argparse.ArgumentParser(prog="python -m deployments.probe", description=__doc__)
    options.add_argument("url", help="http://host:port/path")
    options.add_argument("--wait", type=float, default=0.0, help="ask again for so many seconds")
    chosen = options.parse_args()
    give_up = time.monotonic() + chosen.wait
    while not is_well(chosen.url):
        if time.monotonic() >= give_up:
            return 1
        time.sleep(0.5)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
