"""Times on the learner's page: as files, and in a calendar over real HTTP, on both databases."""

from __future__ import annotations

import html
import re
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from httpx import Response
from icalendar import Calendar as Parsed
from sqlalchemy import insert, update

from pushpull.catalogue.tables import item
from pushpull.db import writing
from pushpull.learners.choices import choose_habit
from pushpull.learners.tables import calendar_hold, learner, learner_choice
from pushpull.ledger.links import LinkSigner
from tasks.calendar import make_holds
from tasks.installation import Installation, installed
from tests.standin.engine import StandIn
from tests.standin.faults import Fault
from tests.standin.microsoft import Graph
from tests.web.planning import ADA, SEVEN, Visit, a_visit, at_seven, graph, visit, with_calendar
from web import calendar_times, plan_page

__all__ = ["at_seven", "graph", "visit", "with_calendar"]

# --- times without a calendar ---


def entry_in(answer: Response) -> Any:
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    assert answer.headers["content-disposition"].startswith('attachment; filename="learning-20')
    [event] = Parsed.from_ical(answer.text).walk("VEVENT")
    return event


def offered(answer: Response) -> list[str]:
    assert answer.status_code == 200
    return re.findall(r'name="starts_at" value="([^"]+)"', answer.text)


def test_without_a_calendar_a_time_is_a_file(visit: Visit) -> None:
    assert "No calendar is connected here" in visit.page()
    assert "Find me free times" not in visit.page()
    event = entry_in(visit.send("/me/plans/hold", **{"local": "2026-01-13T09:05", "item": "2", "as": "file"}))
    assert event["DTSTART"].dt == datetime(2026, 1, 13, 8, 5, tzinfo=UTC)  # in Berlin it was 09:05
    assert event["DTEND"].dt - event["DTSTART"].dt == timedelta(minutes=5)
    assert event["SUMMARY"] == "Time to learn: Better breaks"
    assert "https://courses.example/2" in event["DESCRIPTION"]
    assert "/l/" not in event["DESCRIPTION"]
    assert visit.rows(calendar_hold) == []


def test_without_a_calendar_sensible_times_are_offered_as_files(visit: Visit) -> None:
    page = visit.page()
    assert "Times that suit many people" in page
    assert "We have not looked whether you are free then." in page
    assert "Hold this time" not in page
    times = offered(visit.client.get("/me/plans"))
    assert times[:3] == ["2026-01-12T08:00Z", "2026-01-12T12:30Z", "2026-01-13T08:00Z"]  # nine and half past one
    for at in times:
        event = entry_in(visit.send("/me/plans/hold", **{"starts_at": at, "item": "", "as": "file"}))
        assert f"{event['DTSTART'].dt:%Y-%m-%dT%H:%MZ}" == at


def test_the_times_that_are_offered_go_with_ones_own_plans(visit: Visit) -> None:
    visit.send("/me/plans", cue="after_lunch", item="", day=["1", "2"], at="12:45", step="keep")
    assert "Times that go with my plans" in visit.page()
    times = offered(visit.client.get("/me/plans"))
    assert times[:3] == ["2026-01-12T08:00Z", "2026-01-12T12:30Z", "2026-01-13T11:45Z"]


def test_the_file_of_a_time_is_the_same_entry_every_time_and_newer_where_it_changed(visit: Visit) -> None:
    fields = {"local": "2026-01-13T09:05", "item": "2", "as": "file"}
    one, other = (entry_in(visit.send("/me/plans/hold", **fields)) for _ in range(2))
    assert (one["UID"], one["SEQUENCE"]) == (other["UID"], other["SEQUENCE"])
    with writing(visit.engine) as connection:
        later = {"minutes": 9, "updated_at": datetime.now(UTC) + timedelta(days=1)}
        connection.execute(update(item).where(item.c.id == 2).values(**later))
    changed = entry_in(visit.send("/me/plans/hold", **fields))
    assert changed["UID"] == one["UID"]
    assert changed["SEQUENCE"] > one["SEQUENCE"]
    assert changed["DTEND"].dt - changed["DTSTART"].dt == timedelta(minutes=9)
    whatever = entry_in(visit.send("/me/plans/hold", **{**fields, "item": ""}))
    assert whatever["UID"] != one["UID"]


IMPOSSIBLE: list[tuple[dict[str, str], str]] = [
    ({"local": ""}, "Give a day and a time"),
    ({"local": "tomorrow"}, "Give a day and a time"),
    ({"local": "2026-02-30T09:00"}, "Give a day and a time"),
    ({"local": "0001-01-01T00:00"}, "Give a day and a time"),
    ({"starts_at": "9999-12-31T23:59Z"}, "30 days"),
    ({"local": "9999-12-31T23:59"}, "30 days"),
    ({"local": "2026-01-12T06:59"}, "passed"),
    ({"local": "2026-02-12T09:00"}, "30 days"),
    ({"local": "2026-01-13T09:05", "item": "77"}, "no longer open"),
    ({"local": "2026-01-13T09:05", "as": "calendar"}, "unless you agree"),
]


def test_a_time_that_cannot_be_is_said_at_its_field(visit: Visit) -> None:
    for fields, said in IMPOSSIBLE:
        answer = visit.send("/me/plans/hold", **{"item": "", "as": "file", **fields})
        assert answer.status_code == 422
        text = html.unescape(answer.text)
        assert said in text
        assert 'aria-describedby="error-time"' in text
        assert f'value="{fields.get("local", "")}"' in text


def test_an_hour_that_clocks_skip_moves_on(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (plan_page, calendar_times):
        monkeypatch.setattr(module, "now", lambda: datetime(2026, 3, 20, tzinfo=UTC))
    event = entry_in(visit.send("/me/plans/hold", **{"local": "2026-03-29T02:30", "as": "file"}))
    assert event["DTSTART"].dt == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


# --- times in a calendar ---


def test_a_calendar_is_asked_only_after_its_owner_agreed(with_calendar: Visit, standin: StandIn) -> None:
    page = with_calendar.page()
    assert "never what is planned, with whom or where" in page
    assert "Find me free times" not in page
    assert with_calendar.send("/me/plans/look", item="").status_code == 422
    answer = with_calendar.send("/me/plans/hold", **{"starts_at": "2026-01-12T08:00Z", "as": "calendar"})
    assert answer.status_code == 422
    with_calendar.agree()
    assert "Find me free times" in with_calendar.page()
    assert standin.requests(Graph) == []  # looking at the page is no reason to look at a calendar
    assert with_calendar.send("/me/plans/calendar", wants="perhaps").status_code == 400


def test_free_times_are_offered_and_held_once_however_often_it_is_asked(with_calendar: Visit, graph: Graph) -> None:
    graph.busy["ada@example.org"] = [
        ("2026-01-12T07:00:00.0000000", "2026-01-12T08:01:00.0000000", "busy"),
        ("2026-01-12T08:07:00.0000000", "2026-01-12T16:00:00.0000000", "oof"),
        ("2026-01-12T16:05:00.0000000", "2026-01-15T23:00:00.0000000", "tentative"),
    ]
    with_calendar.agree()
    answer = with_calendar.send("/me/plans/look", item="1")
    # Five minutes from a mark of the clock on do not fit between 09:01 and 09:07.
    assert offered(answer) == ["2026-01-12T16:00Z", "2026-01-16T07:00Z"]
    assert "Monday, 12 January, 17:00" in answer.text
    assert "free until 17:05" in answer.text
    for _ in range(2):
        held = with_calendar.send("/me/plans/hold", **{"starts_at": "2026-01-12T16:00Z", "item": "1", "as": "calendar"})
        assert held.headers["location"] == "/me/plans?done=hold"
    [((user, _), event)] = graph.events.items()
    assert user == ADA
    assert event["subject"] == "Time to learn: Saying no kindly"
    assert event["start"]["dateTime"] == "2026-01-12T16:00:00"
    assert "in your calendar" in with_calendar.page("/me/plans?done=hold")
    assert offered(with_calendar.send("/me/plans/look", item="1")) == ["2026-01-16T07:00Z"]
    [row] = with_calendar.rows(calendar_hold)
    assert (row.state, row.event_id) == ("made", event["id"])


def test_a_held_time_can_be_taken_as_a_file_and_taken_back(with_calendar: Visit, graph: Graph) -> None:
    with_calendar.agree()
    with_calendar.send("/me/plans/hold", **{"local": "2026-01-13T09:05", "item": "2", "as": "calendar"})
    [row] = with_calendar.rows(calendar_hold)
    event = entry_in(with_calendar.client.get(f"/me/plans/hold/{row.id}.ics"))
    assert (event["UID"], event["DTSTART"].dt) == (row.transaction_id, row.starts_at)
    assert len(graph.events) == 1
    assert with_calendar.send(f"/me/plans/hold/{row.id}/cancel").headers["location"] == "/me/plans?done=taken_back"
    assert graph.events == {}
    assert "My times" not in with_calendar.page()


def test_nobody_reaches_the_times_of_another(with_calendar: Visit, graph: Graph) -> None:
    with_calendar.agree()
    with_calendar.send("/me/plans/hold", **{"local": "2026-01-13T09:05", "item": "2", "as": "calendar"})
    [row] = with_calendar.rows(calendar_hold)
    with writing(with_calendar.engine) as connection:
        connection.execute(insert(learner).values(id=2, external_id="p-2", draw=8, created_at=SEVEN, updated_at=SEVEN))
    other = a_visit(with_calendar.client, with_calendar.engine, with_calendar.settings, who=2)
    assert other.client.get(f"/me/plans/hold/{row.id}.ics").status_code == 404
    other.send(f"/me/plans/hold/{row.id}/cancel")
    assert with_calendar.rows(calendar_hold) == [row]
    assert len(graph.events) == 1
    other.client.cookies.clear()
    assert other.client.get(f"/me/plans/hold/{row.id}.ics").status_code == 401


def test_while_graph_is_away_the_page_says_so_and_a_wish_is_kept_for_the_next_run(
    with_calendar: Visit, graph: Graph, standin: StandIn
) -> None:
    with_calendar.agree()
    standin.fault(Fault.BROKEN_UNPROCESSED, provider=Graph, times=2)
    answer = with_calendar.send("/me/plans/look", item="1")
    assert answer.status_code == 200
    assert "does not answer right now" in answer.text
    assert 'type="datetime-local"' in answer.text
    with_calendar.send("/me/plans/hold", **{"local": "2026-01-13T09:05", "item": "2", "as": "calendar"})
    assert "on its way into your calendar" in with_calendar.page()
    assert graph.events == {}
    settings = with_calendar.settings
    here = Installation(settings=settings, engine=with_calendar.engine, links=LinkSigner.of(settings), adapters={})
    with installed(here):
        assert make_holds(SEVEN + timedelta(minutes=30)).made == 1
    assert len(graph.events) == 1
    assert "in your calendar" in with_calendar.page()


FAULTS = {
    "401 for good": Fault.UNAUTHORIZED,
    "429": Fault.THROTTLED_SECONDS,
    "500": Fault.BROKEN_UNPROCESSED,
    "no answer": Fault.HANG_PROCESSED,
    "reset": Fault.RESET_UNPROCESSED,
    "malformed": Fault.GARBAGE_BODY,
    "cut off": Fault.TRUNCATED_BODY,
    "a byte at a time": Fault.DRIP_BODY,
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_whatever_is_wrong_with_graph_the_page_answers_in_time_and_offers_files(
    with_calendar: Visit, standin: StandIn, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    assert calendar_times.PATIENCE == 4.0
    monkeypatch.setattr(calendar_times, "PATIENCE", 0.5)
    with_calendar.agree()
    standin.fault(fault, provider=Graph, times=None, seconds=3, status=500)
    began = time.monotonic()
    answer = with_calendar.send("/me/plans/look", item="1")
    assert time.monotonic() - began < 2.0
    assert "does not answer right now" in answer.text
    assert "As a file (.ics)" in answer.text
    times = offered(answer)
    assert len(times) == 6
    event = entry_in(with_calendar.send("/me/plans/hold", **{"starts_at": times[0], "item": "1", "as": "file"}))
    assert event["SUMMARY"] == "Time to learn: Saying no kindly"


def test_where_many_wait_for_slow_calendars_nobody_waits_longer(
    with_calendar: Visit, graph: Graph, standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_calendar.agree()
    monkeypatch.setattr(calendar_times, "AT_ONCE", threading.BoundedSemaphore(1))
    with calendar_times.AT_ONCE:
        answer = with_calendar.send("/me/plans/look", item="")
        assert "does not answer right now" in answer.text
        with_calendar.send("/me/plans/hold", **{"local": "2026-01-13T09:05", "item": "2", "as": "calendar"})
    assert standin.requests(Graph) == []
    assert "on its way into your calendar" in with_calendar.page()
    assert offered(with_calendar.send("/me/plans/look", item=""))
    with_calendar.agree()  # whatever comes next settles it
    assert len(graph.events) == 1


def test_rest_days_and_full_days_offer_nothing(with_calendar: Visit, graph: Graph) -> None:
    with_calendar.agree()
    with writing(with_calendar.engine) as connection:
        choose_habit(connection, 1, is_wanted=False, rest_days=[0, 1, 2, 3, 5, 6], at=SEVEN)
    found = offered(with_calendar.send("/me/plans/look", item=""))
    assert [at[:10] for at in found] == ["2026-01-16", "2026-01-23", "2026-01-30", "2026-02-06"]
    graph.busy["ada@example.org"] = [("2026-01-01T00:00:00", "2026-03-01T00:00:00", "busy")]
    assert "no free time long enough" in with_calendar.send("/me/plans/look", item="").text
    with writing(with_calendar.engine) as connection:
        connection.execute(update(learner_choice).values(rest_days=127))
    assert "no free time long enough" in with_calendar.send("/me/plans/look", item="").text


def test_who_takes_the_agreement_back_is_left_alone(with_calendar: Visit, graph: Graph, standin: StandIn) -> None:
    with_calendar.agree()
    with_calendar.send("/me/plans/calendar", wants="no")
    assert "Yes, use my calendar" in with_calendar.page()
    with_calendar.send("/me/plans/hold", **{"local": "2026-01-13T09:05", "item": "2", "as": "calendar"})
    assert with_calendar.send("/me/plans/look", item="").status_code == 422
    assert standin.requests(Graph) == []
    assert with_calendar.rows(calendar_hold) == []


def test_times_are_of_the_learners_own_zone(with_calendar: Visit, graph: Graph) -> None:
    for zone, first in (("Asia/Kolkata", "2026-01-12T06:00Z"), ("America/New_York", "2026-01-12T13:00Z")):
        with writing(with_calendar.engine) as connection:
            connection.execute(update(learner).values(timezone=zone))
        with_calendar.agree()
        answer = with_calendar.send("/me/plans/look", item="")
        assert offered(answer)[0] == first
        assert zone in answer.text
    with writing(with_calendar.engine) as connection:
        connection.execute(update(learner).values(timezone="No/Where"))
    assert offered(with_calendar.send("/me/plans/look", item=""))[0] == "2026-01-12T08:00Z"
