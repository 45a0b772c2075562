"""What the documents name is there: commands, variables, files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pushpull.settings import Settings
from tests.cli.test_help import COMMANDS

ROOT = Path(__file__).resolve().parent.parent.parent
DOCUMENTS = sorted([*ROOT.glob("docs/*.md"), ROOT / "README.md"])
#: Variables that commands read, beside the settings.
OTHERS = {"PUSHPULL_LRS_PASSWORD"}
GROUPS = {path[0] for path in COMMANDS if len(path) > 1}


def commands_in(text: str) -> set[tuple[str, ...]]:
    """The commands of a text, without what follows them; of ``a|b`` all."""
    found = set()
    for first, second in re.findall(r"\bpushpull ([a-z]+)(?: ((?:[a-z]+(?:\\?\|)?)+))?", text):
        inner = re.split(r"\\?\|", second) if first in GROUPS and second else [""]
        found |= {(first, each) if each else (first,) for each in inner}
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_of_a_document_exists(document: Path) -> None:
    known = set(COMMANDS) | {(group,) for group in GROUPS}
    assert commands_in(document.read_text()) <= known


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_variable_of_a_document_exists(document: Path) -> None:
    named = set(re.findall(r"PUSHPULL_[A-Z_]*[A-Z]\b", document.read_text()))
    assert named <= {f"PUSHPULL_{name.upper()}" for name in Settings.model_fields} | OTHERS


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_a_document_links_to_exists(document: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", document.read_text())
    assert [link for link in links if "://" not in link and not (document.parent / link).exists()] == []
