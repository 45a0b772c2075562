"""Every command says what it does, and says so at once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import get_args

import pytest
import typer

import cli
from cli import ops
from pushpull.ledger.rotations import CohortKind


def _commands(group: typer.Typer, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    for command in group.registered_commands:
        assert command.callback is not None
        name = command.name or command.callback.__name__.replace("_", "-")
        yield (*path, name), command.callback.__doc__ or ""
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        yield from _commands(inner.typer_instance, (*path, str(inner.name)))


COMMANDS = dict(_commands(cli.app))


def test_the_command_line_has_the_commands_that_the_documents_name() -> None:
    for name in ("demo", "replay", "serve", "doctor", "settings", "lint", "preview", "explain", "report", "outbox"):
        assert (name,) in COMMANDS
    for path in (("import", "people"), ("run", "dispatch"), ("wave", "rerun"), ("parked", "resolve")):
        assert path in COMMANDS


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_a_command_has_a_sentence(path: tuple[str, ...]) -> None:
    sentence = COMMANDS[path].split("\n\n")[0].strip()
    assert sentence.endswith(".")
    assert sentence[0].isupper() or sentence.startswith("xAPI")
    assert "Args:" not in COMMANDS[path]  # they would show


@pytest.mark.parametrize("path", [(), *COMMANDS], ids=" ".join)
def test_help_works_everywhere(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["pushpull", *path, "--help"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    assert "Usage: pushpull" in capsys.readouterr().out


def test_help_loads_neither_prefect_nor_the_database() -> None:
    heavy = "{'prefect', 'sqlalchemy', 'pydantic', 'fastapi', 'sklearn', 'httpx', 'jinja2'}"
    code = f"import cli, sys; print(sorted({heavy} & set(sys.modules)))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_help_answers_within_a_second() -> None:
    code = "import sys, cli; sys.argv = ['pushpull', '--help']; cli.main()"
    fastest = min(_seconds([sys.executable, "-c", code]) for _ in range(3))
    # Of processor time: other tests may keep this machine busy meanwhile.
    assert fastest < 1.0


def _seconds(command: list[str]) -> float:
    before = os.times()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    after = os.times()
    return (after.children_user - before.children_user) + (after.children_system - before.children_system)


def test_cohorts_of_the_command_line_are_those_of_the_ledger() -> None:
    assert set(get_args(ops._Cohort)) == {kind.value for kind in CohortKind}
