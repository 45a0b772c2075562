"""The command line as a person uses it: words in, words and an exit code out."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
import typer.main
from sqlalchemy import Engine

import cli
import tasks.installation
from pushpull.db import open_database
from pushpull.settings import settings

# A process of the command line reads the signatures of all commands once; so does this one, for hundreds of commands.
typer.main.get_command = cache(typer.main.get_command)

CAMPAIGN = "two-minutes-a-day"
ANNOUNCEMENT = "launch.announcement@2026-01-12"

ITEMS = """key,title,minutes,language
feedback-101,Give feedback,5,en
focus-time,Protect your focus,8,en
clear-writing,Write clearly,6,en
"""

PEOPLE = "external_id,given_name,email,preferred_language,timezone\n" + "".join(
    f"e{number},Given{number},e{number}@example.org,{('en', 'de', 'fr', 'es')[number % 4]},Europe/Berlin\n"
    for number in range(12)
)


@dataclass(frozen=True)
class Said:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line of an error a person can act on."""
        assert self.code == 1, self
        assert "Traceback" not in self.err
        lines = [line for line in self.err.splitlines() if line.strip()]
        assert len(lines) == 1, self.err
        assert lines[0].startswith("error: ")
        return lines[0].removeprefix("error: ")


Command = Callable[..., Said]


@pytest.fixture
def database(sqlite_template: Path, tmp_path: Path) -> Path:
    """Where the ledger of this test lives: migrated and empty."""
    path = tmp_path / "ledger.db"
    shutil.copy(sqlite_template, path)
    return path


@pytest.fixture
def pushpull(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Command]:
    """Runs a command in this process, as an installation of its own: a fresh one for every command."""
    for name in [name for name in os.environ if name.startswith(("PUSHPULL_", "PREFECT_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)  # a developer's .env is out of reach
    monkeypatch.setenv("PUSHPULL_DATABASE_URL", f"sqlite:///{database}")
    monkeypatch.setenv("PUSHPULL_OUTBOX_DIR", str(tmp_path / "outbox"))
    monkeypatch.setenv("USER", "ada")

    def run(*arguments: str) -> Said:
        monkeypatch.setattr(tasks.installation, "_current", None)
        settings.cache_clear()
        monkeypatch.setattr(sys, "argv", ["pushpull", *arguments])
        capsys.readouterr()
        try:
            cli.main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        if tasks.installation._current is not None:
            tasks.installation._current.engine.dispose()
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    yield run
    settings.cache_clear()


@pytest.fixture
def company(pushpull: Command, tmp_path: Path, database: Path, known: dict[str, bytes]) -> Command:
    """The commands of an installation with twelve learners and the campaign's items."""
    (tmp_path / "items.csv").write_text(ITEMS)
    (tmp_path / "people.csv").write_text(PEOPLE)
    if "company" not in known:
        for kind, file in {"catalogue": "items.csv", "people": "people.csv"}.items():
            assert pushpull("import", kind, file).code == 0
        known["company"] = _closed(database)
    database.write_bytes(known["company"])
    return pushpull


@pytest.fixture(scope="session")
def known() -> dict[str, bytes]:
    """Databases that were made by commands, to begin with again."""
    return {}


def _closed(database: Path) -> bytes:
    """A database without anybody connected, as one file."""
    engine = open_database(f"sqlite:///{database}")
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    return database.read_bytes()


@pytest.fixture
def launched(company: Command, database: Path, known: dict[str, bytes]) -> Command:
    """The same on the morning of the launch, planned and not yet sent."""
    if "launched" not in known:
        assert company("run", "launch", CAMPAIGN, "--as-of", "2026-01-12T05:05+01:00").code == 0
        known["launched"] = _closed(database)
    database.write_bytes(known["launched"])
    return company


@pytest.fixture
def ledger(database: Path) -> Iterator[Engine]:
    """The database behind the commands."""
    engine = open_database(f"sqlite:///{database}")
    yield engine
    engine.dispose()
