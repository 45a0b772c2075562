"""Prefect never learns anything about a person: not when all goes well, not when providers fail, not in a re-run.

Every personal field of every learner carries a marker; afterwards all that Prefect keeps is searched for it.
"""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import func, select, update

from pushpull.db import reading, writing
from pushpull.learners.tables import consent, learner, learner_tag, profile_fact
from pushpull.ledger.tables import attempt
from tests.orchestra.counting import arrivals, missing_and_doubled
from tests.orchestra.fixtures import Play, Playing
from tests.orchestra.processes import until
from tests.orchestra.surroundings import ANNOUNCEMENT, CAMPAIGN, today
from tests.standin.faults import Fault

pytestmark = [
    pytest.mark.prefect,
    pytest.mark.xdist_group("stack"),
    pytest.mark.timeout(900),  # upper bound for a busy machine
]

#: In every personal field; telephone numbers have one of their own.
MARKER, DIGITS = "canary", "5550100"
FIELDS = ("given_name", "family_name", "display_name", "title", "department", "manager_external_id", "external_id")


def mark(here: Playing) -> None:
    """Put a marker into every field that says something about a person."""
    person = learner.c.id.cast(learner.c.external_id.type)
    words = {name: func.concat(f"{MARKER}-{name}-", person) for name in FIELDS}
    with writing(here.engine) as connection:
        connection.execute(
            update(learner).values(
                **words,
                email=func.concat(f"{MARKER}.", person, "@example.org"),
                phone=func.concat(f"+1{DIGITS}", func.lpad(person, 4, "0")),
                slack_id=func.concat("UCANARY", person),
            )
        )
        connection.execute(update(learner_tag).values(tag=func.concat(f"{MARKER}-tag-", learner_tag.c.tag)))
        connection.execute(update(profile_fact).values(value=func.concat(f"{MARKER} wish ", profile_fact.c.value)))
        connection.execute(update(consent).where(consent.c.granted).values(source=f"{MARKER}-source"))


def teams_ids(here: Playing) -> list[str]:
    with reading(here.engine) as connection:
        found = connection.execute(select(learner.c.teams_id).where(learner.c.teams_id.is_not(None)))
        return [str(each) for each in found.scalars()]


@pytest.mark.soak
def test_prefect_never_learns_anything_about_a_person(play: Play, prefect_database: str) -> None:
    here = play(80, approval_above=20, holdout=0)
    mark(here)
    api = here.stack.api
    here.stack.start_worker()
    key = f"{ANNOUNCEMENT}@{today(here.zone)}"
    api.finished(api.start("launch", {"campaign": CAMPAIGN}))
    (asked,) = until("a person is asked", lambda: api.runs("approval", "PAUSED"))
    for fault in (Fault.GARBAGE_BODY, Fault.BROKEN_PROCESSED, Fault.RESET_PROCESSED, Fault.GARBAGE_STATUS):
        here.standin.fault(fault, times=2, path="mail/send$|activities$|Messages.json$|postMessage$", status=500)
    assert api.resume(asked["id"], {"decision": "approve", "your_name": "Grace", "reason": "it is right"})
    until("messages leave", lambda: arrivals(here.standin))
    until("dispatch has ended", lambda: not api.runs("dispatch", "SCHEDULED", "PENDING", "RUNNING"))
    api.finished(api.start("sync"))
    again = {"campaign": CAMPAIGN, "wave": key, "cohort": "missed", "reason": "to see what it would change"}
    api.finished(api.start("cohort-rerun", again))
    api.finished(api.start("dispatch"))
    api.wait_for_end(api.start("cohort-rerun", {**again, "wave": "launch.nothing@2026-01-01"}))

    assert missing_and_doubled(here.engine, here.standin).arrived > 20
    with reading(here.engine) as connection:
        assert connection.execute(select(func.count()).select_from(attempt)).scalar_one() > 0  # something went wrong
    people = teams_ids(here)
    here.stack.stop()
    kept = everything_prefect_keeps(here, prefect_database)
    assert CAMPAIGN in kept  # the search looks in the right places
    assert key in kept
    for what in (MARKER, DIGITS, *people):
        assert what not in kept.lower(), around(kept, what)


def everything_prefect_keeps(here: Playing, prefect_database: str) -> str:
    """Its database, its home, and what server, worker and flows printed."""
    return "\n".join([whole_database(prefect_database), whole_folder(here.stack.home), here.stack.logs()])


def whole_database(url: str) -> str:
    """Every row of every table, as text."""
    rows: list[str] = []
    with psycopg.connect(url) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        assert {"flow_run", "log", "events", "artifact", "flow_run_input", "variable"} <= {name for (name,) in tables}
        for (name,) in tables:
            everything = sql.SQL("SELECT t::text FROM {} AS t").format(sql.Identifier(name))
            rows += [f"{name}: {row}" for (row,) in connection.execute(everything)]
    return "\n".join(rows)


def whole_folder(folder: Path) -> str:
    """Every file in it, as text."""
    return "\n".join(path.read_bytes().decode(errors="replace") for path in folder.rglob("*") if path.is_file())


def around(text: str, found: str) -> str:
    """The place, to see what let it through."""
    at = text.lower().find(found)
    return text[max(0, at - 300) : at + 100]
