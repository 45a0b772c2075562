"""`pushpull switch`: setting, showing and taking back what holds for everything."""

from __future__ import annotations

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings
from sqlalchemy import Engine, select

from pushpull.db import reading
from pushpull.ledger.switches import Switches, switches
from pushpull.ledger.tables import audit
from tests.cli.conftest import Command

WHY = ("--why", "the mail of the day is wrong")


def now_set(ledger: Engine) -> Switches:
    with reading(ledger) as connection:
        return switches(connection)


def test_everything_is_paused_and_goes_on(launched: Command, ledger: Engine) -> None:
    assert launched("switch", "pause", *WHY).out == "nothing is sent any more, of any campaign\n"
    assert now_set(ledger).is_paused
    assert launched("switch", "show").out == "everything is paused\n"
    sent = launched("run", "dispatch", "--as-of", "2026-01-12T09:05+01:00")
    assert sent.code == 0
    assert "accepted" not in sent.out
    assert launched("switch", "pause", *WHY).out.startswith("it was so already")
    launched("switch", "go-on", *WHY)
    assert launched("switch", "show").out == "no switch is set\n"
    assert "accepted" in launched("run", "dispatch", "--as-of", "2026-01-12T09:05+01:00").out


def test_a_pilot_and_a_rehearsal_are_set_shown_and_taken_back(company: Command, ledger: Engine) -> None:
    assert company("switch", "pilot", "e2", *WHY).out == "only 1 guest is sent to\n"
    assert company("switch", "pilot", "e2", "e1", *WHY).out == "only 2 guests are sent to\n"
    assert company("switch", "override", "e3", *WHY).out == "everything goes to e3\n"
    assert now_set(ledger) == Switches(guests=("e1", "e2"), override_recipient="e3")
    shown = company("switch", "show").out
    assert "guests: e1, e2" in shown
    assert "everything goes to: e3" in shown
    company("switch", "pilot", *WHY)
    company("switch", "override", *WHY)
    assert now_set(ledger) == Switches()
    with reading(ledger) as connection:
        assert set(connection.execute(select(audit.c.who, audit.c.why).where(audit.c.what == "switch set")).all()) == {
            ("ada", WHY[1])
        }


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("pilot", "e1", "nobody"), "1 of 2 guests are not known: nobody"),
        (("override", "nobody"), "no active learner has that external id: nobody"),
    ],
)
def test_somebody_unknown_is_named_and_nothing_is_set(
    company: Command, ledger: Engine, arguments: tuple[str, ...], complaint: str
) -> None:
    assert company("switch", *arguments, *WHY).error == complaint
    assert now_set(ledger) == Switches()


def test_an_auditor_wants_a_reason(company: Command, ledger: Engine) -> None:
    assert company("switch", "pause").code == 2
    assert company("switch", "pause", "--why", " ").code == 2
    assert now_set(ledger) == Switches()


def test_a_server_that_does_not_answer_is_told_of(company: Command, ledger: Engine) -> None:
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        said = company("switch", "pause", *WHY)
        assert company("switch", "show").out == "everything is paused\n"
        assert "pushpull_pause undoes that" in company("switch", "go-on", *WHY).err
        company("switch", "pause", *WHY)
    assert said.code == 1
    assert "pushpull_pause says otherwise until a run finds that it answers" in said.err
    assert now_set(ledger).is_paused
