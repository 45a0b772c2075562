"""What import-linter cannot see: clocks, docstrings, words for every reason, the lock, and what must not be named."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from pushpull.insights.reasons import REASON_LABELS, REASON_SENTENCES
from pushpull.ledger.vocabulary import Reason

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("pushpull", "content", "channels", "tasks", "flows", "web", "cli", "deployments", "benchmarks")
#: Floors on which time is a value: it comes in as an argument.
TIMELESS = ("pushpull", "content", "channels", "tasks")
#: What asks for the time, by module; ``time.monotonic`` measures durations and ``database_now`` is the database's own.
CLOCKS = {
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
    "time": {"time", "time_ns", "localtime", "gmtime", "ctime", "strftime"},
}


@cache
def modules(*packages: str) -> tuple[Path, ...]:
    return tuple(sorted(path for package in packages for path in (ROOT / package).rglob("*.py")))


@cache
def repository() -> tuple[Path, ...]:
    """Every text file that is, or is about to be, part of the repository."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.splitlines()
    paths = [ROOT / name for name in listed]
    return tuple(path for path in paths if path.is_file() and b"\0" not in path.read_bytes()[:8000])


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", modules(*PACKAGES), ids=name_of)
def test_a_module_says_what_lives_in_it(path: Path) -> None:
    if "versions" in path.parts:
        return  # Alembic's: their docstring is the revision's message
    assert ast.get_docstring(ast.parse(path.read_text())), "no module docstring"


def clock_calls(tree: ast.AST) -> Iterator[str]:
    """Calls such as ``datetime.now()``, ``dt.datetime.now()`` or ``time()`` after ``from time import time``."""
    imported = {
        alias.asname or alias.name: (node.module, alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in CLOCKS
        for alias in node.names
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        if isinstance(called, ast.Attribute):
            owner = called.value
            owned_by = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
            if called.attr in CLOCKS.get(owned_by, ()) and not (called.attr == "strftime" and len(node.args) == 2):
                yield f"line {node.lineno}: {owned_by}.{called.attr}()"
        elif isinstance(called, ast.Name) and called.id in imported:
            module, original = imported[called.id]
            if module == "time" and original in CLOCKS["time"]:
                yield f"line {node.lineno}: {original}()"


def test_the_search_for_clocks_finds_them() -> None:
    code = """
import datetime as dt, time
from time import time as seconds
dt.datetime.now(); datetime.utcnow(); date.today(); time.time(); seconds(); time.monotonic(); plan(now=now)
"""
    assert len(list(clock_calls(ast.parse(code)))) == 5


@pytest.mark.parametrize("package", TIMELESS)
def test_time_is_a_value_below_the_flows(package: str) -> None:
    found = [
        f"{name_of(path)} {call}" for path in modules(package) for call in clock_calls(ast.parse(path.read_text()))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("what", "pattern"),
    [
        ("a path of one machine", r"(?<![\w.])/(?:work|root|home|Users)/\w|\b[A-Z]:\\Users\\"),
        ("a folder of this machine", r"(?<![\w.])/tmp/\w"),
        (
            "a host that packages are downloaded from",
            r"(?:pypi|pythonhosted|npmjs|anaconda)\.(?:org|com)\b|deb\.debian\.org|--(?:extra-)?index-url|--find-links",
        ),
    ],
    ids=["machine", "folder", "host"],
)
def test_the_repository_does_not_name(what: str, pattern: str) -> None:
    if not repository():
        pytest.skip("needs git and a checkout, which are not here")
    forbidden = re.compile(pattern)
    found = [
        f"{name_of(path)}:{number}: {line.strip()[:80]}"
        for path in repository()
        if path != Path(__file__)
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if forbidden.search(line)
    ]
    assert found == [], what


def test_every_reason_has_plain_words() -> None:
    for words in (REASON_SENTENCES, REASON_LABELS):
        assert set(words) == set(Reason)
        assert all(text.strip() and "_" not in text for text in words.values())
    assert all(text[0].isupper() and text.endswith(".") for text in REASON_SENTENCES.values())
    assert len(set(REASON_SENTENCES.values())) == len(REASON_SENTENCES)


@cache
def lock() -> dict[str, tuple[Version, str]]:
    """What requirements.lock pins: version and hashes, by normalised name."""
    text = (ROOT / "requirements.lock").read_text()
    entries = re.split(r"(?m)^(?=\S)", text)
    pinned = {}
    for entry in entries:
        if not entry.strip() or entry.startswith("#"):
            continue
        found = re.match(r"([A-Za-z0-9._-]+)==(\S+)", entry)
        assert found, f"not a pinned requirement: {entry.splitlines()[0]}"
        pinned[normal(found[1])] = (Version(found[2]), entry)
    return pinned


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_everything_in_the_lock_is_pinned_with_its_hashes() -> None:
    assert len(lock()) > 50
    without = [name for name, (_, entry) in lock().items() if "--hash=sha256:" not in entry]
    assert without == []
    assert not [name for name, (_, entry) in lock().items() if "://" in entry or " @ " in entry]


def test_the_lock_fits_pyproject() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    for requirement in map(Requirement, wanted):
        assert normal(requirement.name) in lock(), requirement.name
        version, _ = lock()[normal(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement} but the lock has {version}"


def test_the_bounds_that_keep_the_prefect_server_alive_are_there() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    bounds = {each.name: each.specifier for each in map(Requirement, project["dependencies"])}
    assert not bounds["fastapi"].contains(Version("0.151.0"))
    assert not bounds["prefect"].contains(Version("3.10.0"))


def test_statistics_and_drawing_are_loaded_only_where_they_are_used() -> None:
    """A worker that sends and a page that is read carry none of it: seconds to start, and hundreds of megabytes."""
    heavy = "{'matplotlib', 'pandas', 'scipy', 'sklearn', 'statsmodels', 'wordllama'}"
    starting = "cli, web.app, tasks.deliver, flows.dispatch, pushpull.insights.report"
    code = f"import sys, {starting}; print(sorted({heavy} & set(sys.modules)))"
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout.splitlines()[-1] == "[]"
