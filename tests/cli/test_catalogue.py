"""`pushpull catalogue` and `pushpull insights dropoff` as a person uses them."""

from __future__ import annotations

import json

from sqlalchemy import Engine, select

from pushpull.catalogue.tables import catalogue_finding
from pushpull.db import reading
from pushpull.ledger.tables import audit
from tests.cli.conftest import Command

AS_OF = ("--as-of", "2026-01-20T09:00:00+00:00")


def test_the_catalogue_is_audited_queued_and_a_finding_dismissed(company: Command, ledger: Engine) -> None:
    assert "nothing is to rewrite" in company("catalogue", "queue").out
    tried = company("catalogue", "audit", "--dry-run")
    assert "no-description" in tried.out
    with reading(ledger) as connection:
        assert connection.execute(select(catalogue_finding)).first() is None
    done = company("catalogue", "audit", "--most", "1")
    assert "3 items" in done.out
    assert "queue: 6 new, 0 as before, 0 gone, 0 dismissed" in done.out
    assert "5 more" in done.out
    assert "6 as before" in company("catalogue", "audit").out
    listed = json.loads(company("catalogue", "queue", "--json").out)
    assert [each["item_key"] for each in listed] == ["clear-writing", "feedback-101", "focus-time"]
    assert listed[0]["rules"] == ["no-description", "no-level"]
    why = ("--why", "one level is enough")
    assert company("catalogue", "dismiss", "focus-time", "no-level", *why).out == "no-level of focus-time may stay\n"
    assert company("catalogue", "dismiss", "focus-time", "no-level", *why).out.endswith(", as before\n")
    assert company("catalogue", "dismiss", "focus-time", "stale", *why).error.startswith("no audit has found 'stale'")
    assert "no-level" in company("catalogue", "queue").out
    with reading(ledger) as connection:
        line = connection.execute(select(audit).where(audit.c.what == "finding dismissed")).one()
    assert (line.who, line.subject, line.why) == ("ada", "focus-time no-level", "one level is enough")
    found = json.loads(company("catalogue", "audit", "--json").out)
    assert found["utilisation"]["items"] == 3


def test_drop_off_says_when_it_cannot_tell_and_of_what_it_knows_nothing(company: Command) -> None:
    said = company("insights", "dropoff", "--item", "focus-time", *AS_OF)
    assert said.out == "focus-time: cannot tell: nobody was seen in a section yet\n"
    assert json.loads(company("insights", "dropoff", "--item", "focus-time", "--json", *AS_OF).out)["spots"] == []
    assert "no campaign 'nothing'" in company("insights", "dropoff", "nothing", *AS_OF).error
    assert "nothing" in company("insights", "dropoff", "--item", "nothing", *AS_OF).error
    assert company("insights", "dropoff", *AS_OF).code == 2
