"""`pushpull wave approve` and `wave reject`: shown first, asked once more, recorded with a name and a reason."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from pushpull.db import reading
from pushpull.ledger.tables import approval, audit, delivery, wave
from tests.cli.conftest import ANNOUNCEMENT, CAMPAIGN, Command

CONTENT = Path(__file__).resolve().parents[2] / "content"
AT_NINE = ("--as-of", "2026-01-12T09:30+01:00")
ABOUT = (CAMPAIGN, ANNOUNCEMENT, "--why", "a test", *AT_NINE)
APPROVE = ("wave", "approve", *ABOUT)
REJECT = ("wave", "reject", *ABOUT)


@pytest.fixture
def content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Content in which five learners are many, and eight need two people."""
    folder = tmp_path / "content"
    shutil.copytree(CONTENT, folder)
    monkeypatch.setenv("PUSHPULL_CONTENT_DIR", str(folder))
    file = folder / "campaigns" / f"{CAMPAIGN}.yaml"
    file.write_text(file.read_text().replace("approval_above: 1000", "approval_above: 5"))
    return folder


@pytest.fixture
def asking(pushpull: Command, content: Path, company: Command) -> Command:
    """The launch, planned, and waiting for approval."""
    assert company("run", "launch", CAMPAIGN, "--as-of", "2026-01-12T05:05+01:00").code == 0
    return company


def standing(ledger: Engine) -> tuple[str, str | None]:
    with reading(ledger) as connection:
        found = select(wave.c.status, wave.c.status_reason).where(wave.c.key == ANNOUNCEMENT)
        row = connection.execute(found).one()
        return row.status, row.status_reason


def test_what_is_approved_is_shown_and_then_sent(asking: Command, ledger: Engine) -> None:
    said = asking(*APPROVE, "--yes")
    assert said.code == 0
    with reading(ledger) as connection:
        row = connection.execute(select(approval)).one()
        sent_to = connection.execute(select(func.count()).where(delivery.c.state == "planned")).scalar_one()
        assert ("ada", "wave approved") in {
            tuple(each) for each in connection.execute(select(audit.c.who, audit.c.what))
        }
    assert row.content_hash in said.out
    assert f"{sent_to} learners" in said.out
    assert "approved; it is sent with the next dispatch" in said.out
    assert standing(ledger) == ("open", None)
    assert asking("run", "dispatch", *AT_NINE).code == 0
    with reading(ledger) as connection:
        accepted = connection.execute(select(func.count()).where(delivery.c.state == "accepted")).scalar_one()
    assert accepted == sent_to > 5


def test_nothing_is_decided_without_a_yes(asking: Command, ledger: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    for command in (APPROVE, REJECT):
        monkeypatch.setattr("sys.stdin", io.StringIO())
        assert asking(*command).code == 1
    assert standing(ledger) == ("held", "approval")


def test_at_most_so_many(asking: Command, ledger: Engine) -> None:
    said = asking(*APPROVE, "--at-most", "3", "--yes")
    assert "learners left out" in said.out
    with reading(ledger) as connection:
        rows = connection.execute(select(delivery.c.reason, func.count()).group_by(delivery.c.reason)).all()
    assert {row[0]: row[1] for row in rows}[None] == 3
    assert asking(*APPROVE, "--at-most", "-1", "--yes").code == 2


def test_two_people_where_it_is_very_large(pushpull: Command, content: Path, company: Command, ledger: Engine) -> None:
    file = content / "campaigns" / f"{CAMPAIGN}.yaml"
    file.write_text(file.read_text().replace("approval_above: 5", "approval_above: 5\nsecond_approval_above: 8"))
    assert company("run", "launch", CAMPAIGN, "--as-of", "2026-01-12T05:05+01:00").code == 0
    assert "somebody else must approve it too" in company(*APPROVE, "--who", "Ada", "--yes").out
    assert "has approved wave" in company(*APPROVE, "--who", "ADA", "--yes").error
    assert standing(ledger) == ("held", "approval")
    said = company(*APPROVE, "--who", "Grace", "--yes")
    assert "2 different people must approve it; so far: Ada" in said.out
    assert standing(ledger) == ("open", None)


def test_a_rejected_wave_says_how_it_goes_on(asking: Command, ledger: Engine, content: Path) -> None:
    assert "asks again when its content is another" in asking(*REJECT, "--yes").out
    assert standing(ledger) == ("held", "rejected")
    assert "change its content" in asking(*APPROVE, "--yes").error
    words = content / "templates" / "messages" / "launch-announcement" / "en.yaml"
    words.write_text(words.read_text() + "\n# another word\n")
    assert asking(*APPROVE, "--yes").code == 0
    assert standing(ledger) == ("open", None)


def test_a_test_is_sent_and_nothing_decided(asking: Command, ledger: Engine, tmp_path: Path) -> None:
    said = asking(*APPROVE, "--test", "e4", "--test", "nobody")
    assert "A test was sent to 1 of 2." in said.out
    assert "nobody" in said.out
    assert standing(ledger) == ("held", "approval")
    written = b"".join(path.read_bytes() for path in (tmp_path / "outbox").rglob("*") if path.is_file())
    assert b"[Test]" in written


def test_releasing_is_no_way_around(asking: Command, ledger: Engine) -> None:
    for word in ("release", "pause"):
        said = asking("wave", word, CAMPAIGN, ANNOUNCEMENT, "--why", "a test")
        assert f"pushpull wave approve {CAMPAIGN} {ANNOUNCEMENT}" in said.error
    assert standing(ledger) == ("held", "approval")


def test_what_asks_for_nothing_is_told(asking: Command) -> None:
    assert asking(*APPROVE, "--yes").code == 0
    assert "asks for no approval" in asking(*APPROVE, "--yes").error
    assert "has no wave" in asking("wave", "approve", CAMPAIGN, "launch.none@2026-01-12", "--why", "a test").error
