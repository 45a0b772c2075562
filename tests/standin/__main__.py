"""Run the stand-in alone: ``python -m tests.standin --port 8090``. Its address is the first line it prints."""

from __future__ import annotations

import argparse

from tests.standin.engine import StandIn
from tests.standin.process import serve
from tests.standin.variables import variables


def _tell(standin: StandIn) -> None:
    print(f"http://127.0.0.1:{standin.port}", flush=True)
    for name, value in variables(standin).items():
        print(f"export {name}={value}")
    print(flush=True)


if __name__ == "__main__":
    options = argparse.ArgumentParser(prog="python -m tests.standin", description=__doc__)
    options.add_argument("--port", type=int, default=8090, help="0: any that is free")
    options.add_argument("--unchecked", action="store_true", help="do not hold requests to the providers' descriptions")
    options.add_argument("--callbacks-to", default="", help="where our web app listens, e.g. http://127.0.0.1:8080")
    chosen = options.parse_args()
    serve(chosen.port, is_checking=not chosen.unchecked, callbacks_to=chosen.callbacks_to, told=_tell)
