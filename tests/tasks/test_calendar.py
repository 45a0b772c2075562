"""Wished-for times on their way into calendars and out again, over real HTTP, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select, update

from channels.calendar import Calendar
from channels.microsoft import Tokens
from channels.wire import Wire
from pushpull.catalogue.tables import item
from pushpull.db import reading, writing
from pushpull.learners import hold_attempts, holds
from pushpull.learners.choices import choose_holds
from pushpull.learners.hold_attempts import ATTEMPT
from pushpull.learners.tables import calendar_hold
from pushpull.ledger.links import LinkSigner
from pushpull.settings import Settings
from tasks.calendar import SettledHolds, busy_times, calendar_of, mailbox, make_holds, settle_holds
from tasks.installation import Installation, installed
from tests.channels.installations import settings_with
from tests.channels.test_calendar import account
from tests.ledger.builders import DAWN, NOON, a_learner, an_item
from tests.standin.engine import StandIn
from tests.standin.faults import Fault
from tests.standin.microsoft import Graph
from tests.standin.variables import variables

ADA = "0b1f1f1e-0000-4000-8000-00000000ada0"
LATER = DAWN + ATTEMPT


@pytest.fixture
def graph(standin: StandIn) -> Iterator[Graph]:
    played: Graph = standin.provider(Graph)
    yield played
    assert standin.violations == []


@pytest.fixture
def calendar(standin: StandIn) -> Calendar:
    here = account(standin)
    return Calendar(here, Tokens(here), clock=lambda: DAWN)


def a_wish(engine: Engine, *, at: datetime = NOON, agrees: bool = True, **person: Any) -> tuple[int, int]:
    """Somebody who agreed, and a time they want; both ids."""
    with writing(engine) as connection:
        who = a_learner(connection, **{"teams_id": ADA, "preferred_language": "de-AT", **person})
        thing = an_item(connection)
        connection.execute(update(item).where(item.c.id == thing).values(title="Pausen", url="https://c.example/7"))
        choose_holds(connection, who, is_wanted=agrees, at=DAWN)
        hold_id = holds.want(connection, who, starts_at=at, item_id=thing, minutes=None, now=DAWN)
    return who, hold_id


def take_back(engine: Engine, who: int, hold_id: int) -> None:
    with writing(engine) as connection:
        assert holds.take_back(connection, who, hold_id, at=DAWN)


def settled(engine: Engine, calendar: Calendar, now: datetime = DAWN, **more: Any) -> SettledHolds:
    return settle_holds(engine, calendar, now=now, seconds=2.0, **more)


def times_sent(standin: StandIn) -> int:
    return sum(each.method == "POST" and each.path.endswith("/events") for each in standin.requests(Graph))


def states(engine: Engine) -> list[str]:
    with reading(engine) as connection:
        return list(connection.execute(select(calendar_hold.c.state).order_by(calendar_hold.c.id)).scalars())


def test_a_wish_becomes_one_tentative_entry_in_the_learners_words(
    engine: Engine, calendar: Calendar, graph: Graph
) -> None:
    a_wish(engine)
    assert settled(engine, calendar) == SettledHolds(made=1)
    assert settled(engine, calendar) == SettledHolds()
    [((user, _), event)] = graph.events.items()
    assert user == ADA
    assert event["subject"] == "Zeit zum Lernen: Pausen"
    assert event["body"]["content"].splitlines()[:2] == ["Pausen", "https://c.example/7"]
    assert (event["start"]["dateTime"], event["end"]["dateTime"]) == ("2026-01-12T12:00:00", "2026-01-12T12:05:00")
    assert (event["showAs"], event["isReminderOn"]) == ("tentative", True)
    assert "/l/" not in event["body"]["content"]
    assert states(engine) == ["made"]


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("point", ["begin", "made"])
def test_a_process_that_dies_leaves_a_wish_that_is_made_once(
    engine: Engine, calendar: Calendar, graph: Graph, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    a_wish(engine)

    def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(hold_attempts, point, die)
        with pytest.raises(Killed):
            settled(engine, calendar)
    if point == "begin":
        assert states(engine) == ["wanted"]
        assert settled(engine, calendar) == SettledHolds(made=1)
    else:
        assert len(graph.events) == 1  # it is there, and nobody wrote that down
        assert states(engine) == ["uncertain"]
        assert settled(engine, calendar) == SettledHolds()  # it might still be under way
        assert settled(engine, calendar, LATER) == SettledHolds(made=1)
    assert len(graph.events) == 1
    with reading(engine) as connection:
        [(state, event_id)] = connection.execute(select(calendar_hold.c.state, calendar_hold.c.event_id))
    assert state == "made"
    assert (ADA, event_id) in graph.events


@pytest.mark.parametrize("fault", [Fault.RESET_PROCESSED, Fault.BROKEN_PROCESSED, Fault.HANG_PROCESSED])
def test_an_answer_that_was_lost_makes_no_second_entry(
    engine: Engine, calendar: Calendar, graph: Graph, standin: StandIn, fault: Fault
) -> None:
    a_wish(engine)
    standin.fault(fault, provider=Graph, method="POST", seconds=2.5)
    assert settle_holds(engine, calendar, now=DAWN, seconds=1.0) == SettledHolds(later=1)
    assert states(engine) == ["uncertain"]
    sent = times_sent(standin)
    standin.fault(Fault.BROKEN_UNPROCESSED, provider=Graph, method="GET")
    assert settled(engine, calendar, LATER) == SettledHolds(later=1)  # it could not be read back
    assert settled(engine, calendar, LATER) == SettledHolds(made=1)
    assert times_sent(standin) == sent  # it was read back, not sent again
    assert len(graph.events) == 1
    with reading(engine) as connection:
        event_id = connection.execute(select(calendar_hold.c.event_id)).scalar_one()
    assert (ADA, event_id) in graph.events


def test_an_entry_that_is_known_to_be_missing_is_sent_again(
    engine: Engine, calendar: Calendar, graph: Graph, standin: StandIn
) -> None:
    a_wish(engine)
    standin.fault(Fault.BROKEN_UNPROCESSED, provider=Graph, method="POST")
    assert settled(engine, calendar) == SettledHolds(later=1)
    assert states(engine) == ["uncertain"]
    assert settled(engine, calendar, LATER) == SettledHolds(made=1)
    assert times_sent(standin) == 2
    assert len(graph.events) == 1


def test_however_many_processes_settle_at_once_each_wish_is_sent_once(
    engine: Engine, calendar: Calendar, graph: Graph, standin: StandIn
) -> None:
    for hour in range(6):
        a_wish(engine, at=NOON + timedelta(hours=hour))
    with ThreadPoolExecutor(4) as pool:
        runs = list(pool.map(lambda _: settled(engine, calendar), range(4)))
    assert sum(run.made for run in runs) == 6
    assert times_sent(standin) == len(graph.events) == 6
    assert states(engine) == ["made"] * 6


def test_a_wish_that_is_taken_back_while_it_is_sent_is_in_no_calendar_in_the_end(
    engine: Engine, calendar: Calendar, graph: Graph
) -> None:
    wishes = [a_wish(engine, at=NOON + timedelta(hours=hour)) for hour in range(8)]
    with ThreadPoolExecutor(3) as pool:
        runs = [pool.submit(settled, engine, calendar) for _ in range(2)]
        for wish in wishes:
            pool.submit(take_back, engine, *wish).result()
        for run in runs:
            run.result()
    settled(engine, calendar, LATER)
    assert states(engine) == ["cancelled"] * 8
    assert graph.events == {}


def test_while_graph_is_away_nothing_is_lost(
    engine: Engine, calendar: Calendar, graph: Graph, standin: StandIn
) -> None:
    for hour in range(8):
        a_wish(engine, at=NOON + timedelta(hours=hour))
    here = account(standin)
    away = Calendar(here, Tokens(here), clock=lambda: DAWN, wire=Wire(standin.refusing_url(Graph)))
    assert settled(engine, away) == SettledHolds(later=5)  # and then it is left alone
    assert states(engine) == ["wanted"] * 8
    assert settled(engine, calendar) == SettledHolds(made=8)
    assert len(graph.events) == 8


def test_a_tenant_that_lets_nobody_in_ends_the_run_and_keeps_the_wishes(
    engine: Engine, calendar: Calendar, graph: Graph
) -> None:
    a_wish(engine)
    graph.refuse(ADA, 403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")
    found = settled(engine, calendar)
    assert "Calendars.ReadWrite" in found.stopped
    assert states(engine) == ["wanted"]
    graph.refusals.clear()
    assert settled(engine, calendar) == SettledHolds(made=1)


def test_what_was_taken_back_leaves_the_calendar(
    engine: Engine, calendar: Calendar, graph: Graph, standin: StandIn
) -> None:
    who, hold_id = a_wish(engine)
    settled(engine, calendar)
    take_back(engine, who, hold_id)
    standin.fault(Fault.RESET_PROCESSED, provider=Graph, method="DELETE")
    assert settled(engine, calendar) == SettledHolds(later=1)
    assert settled(engine, calendar) == SettledHolds(taken_out=1)
    assert graph.events == {}
    assert states(engine) == ["cancelled"]


def test_what_was_taken_back_while_nobody_knew_whether_it_is_there_is_looked_for(
    engine: Engine, calendar: Calendar, graph: Graph, standin: StandIn
) -> None:
    who, hold_id = a_wish(engine)
    standin.fault(Fault.RESET_PROCESSED, provider=Graph, method="POST")
    assert settled(engine, calendar) == SettledHolds(later=1)
    take_back(engine, who, hold_id)
    assert settled(engine, calendar) == SettledHolds()  # it might still be under way
    standin.fault(Fault.BROKEN_UNPROCESSED, provider=Graph, method="GET")
    assert settled(engine, calendar, LATER) == SettledHolds(later=1)  # no answer is no proof
    assert len(graph.events) == 1
    assert settled(engine, calendar, LATER) == SettledHolds(taken_out=1)
    assert graph.events == {}


def test_a_time_wished_for_again_after_it_was_taken_back_is_there_again(
    engine: Engine, calendar: Calendar, graph: Graph
) -> None:
    who, hold_id = a_wish(engine)
    settled(engine, calendar)
    take_back(engine, who, hold_id)
    settled(engine, calendar)
    with writing(engine) as connection:
        thing = connection.execute(select(calendar_hold.c.item_id)).scalar_one()
        holds.want(connection, who, starts_at=NOON, item_id=thing, minutes=None, now=DAWN)
    assert settled(engine, calendar) == SettledHolds(made=1)
    assert len(graph.events) == 1


def test_a_refusal_is_about_one_person(engine: Engine, calendar: Calendar, graph: Graph) -> None:
    a_wish(engine)
    a_wish(engine, teams_id="29:no-object-id", email="bob@example.org")
    a_wish(engine, teams_id=None, email=None)
    graph.refuse(ADA, 404, "ErrorInvalidUser")
    assert settled(engine, calendar) == SettledHolds(made=1, refused=2)
    assert states(engine) == ["refused", "made", "refused"]
    assert [user for user, _ in graph.events] == ["bob@example.org"]


def test_an_entry_that_cannot_be_taken_out_is_said_to_be_stuck(
    engine: Engine, calendar: Calendar, graph: Graph
) -> None:
    who, hold_id = a_wish(engine)
    settled(engine, calendar)
    take_back(engine, who, hold_id)
    graph.refuse(ADA, 403, "ErrorAccessDenied", "[RAOP] : Blocked by tenant configured AppOnly AccessPolicy settings.")
    assert settled(engine, calendar) == SettledHolds(refused=1)
    with reading(engine) as connection:
        [hold] = holds.holds_ahead(connection, who, now=DAWN)
    assert hold.is_stuck


def test_nothing_is_put_into_calendars_of_those_who_did_not_agree(
    engine: Engine, calendar: Calendar, graph: Graph, standin: StandIn
) -> None:
    a_wish(engine, agrees=False)
    assert settled(engine, calendar) == SettledHolds()
    assert states(engine) == ["cancelled"]
    assert standin.requests(Graph) == []


def test_one_learner_can_be_served_at_once(engine: Engine, calendar: Calendar, graph: Graph) -> None:
    who, _ = a_wish(engine)
    a_wish(engine)
    assert settled(engine, calendar, learner_id=who) == SettledHolds(made=1)
    assert states(engine) == ["made", "wanted"]


def test_the_step_uses_the_installations_tenant_and_none_in_the_sandbox(
    engine: Engine, graph: Graph, standin: StandIn
) -> None:
    a_wish(engine)
    played: dict[str, Any] = {
        name.removeprefix("PUSHPULL_").lower(): value for name, value in variables(standin).items()
    }
    for chosen, expected in (
        (Settings(_env_file=None), SettledHolds()),
        (Settings(_env_file=None, **{**played, "channels": "sandbox"}), SettledHolds()),
        (
            Settings(_env_file=None, channels="email", sendgrid_api_key="SG.x", sendgrid_url=standin.url(Graph)),
            SettledHolds(),
        ),
        (Settings(_env_file=None, **{**played, "channels": "teams"}), SettledHolds(made=1)),
    ):
        with installed(Installation(settings=chosen, engine=engine, links=LinkSigner.of(chosen), adapters={})):
            assert make_holds(DAWN) == expected
    assert len(graph.events) == 1


def test_there_is_one_calendar_per_process_and_account() -> None:
    chosen = settings_with(channels="teams")
    assert calendar_of(chosen) is calendar_of(chosen)
    assert calendar_of(chosen) is not None


@pytest.mark.parametrize(
    ("teams_id", "email", "expected"),
    [(ADA, "ada@example.org", ADA), ("29:ada", "ada@example.org", "ada@example.org"), (ADA, "", ADA), ("", "", "")],
)
def test_a_mailbox_is_named_by_object_id_or_address(teams_id: str, email: str, expected: str) -> None:
    assert mailbox(teams_id, email) == expected


def test_busy_times_are_known_or_nobody_can_tell(calendar: Calendar, graph: Graph) -> None:
    graph.busy["ada@example.org"] = [("2026-01-12T09:15:00", "2026-01-12T09:30:00", "busy")]

    def look(**changes: Any) -> object:
        person = {"teams_id": ADA, "email": "ada@example.org", **changes}
        return busy_times(calendar, starts_at=DAWN, ends_at=NOON, seconds=2.0, **person)

    found = look()
    assert isinstance(found, list)
    assert [(each.starts_at, each.status) for each in found] == [(datetime(2026, 1, 12, 9, 15, tzinfo=UTC), "busy")]
    assert look(email="") is None
    graph.refuse("ada@example.org", 404, "ErrorMailRecipientNotFound")
    assert look() is None
    graph.refuse(ADA, 403, "ErrorAccessDenied", "Access is denied.")
    assert look() is None
