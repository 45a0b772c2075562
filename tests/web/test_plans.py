"""Plans and times on the learner's page, with a calendar over real HTTP, on both databases."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from icalendar import Calendar as Parsed
from sqlalchemy import Engine, insert, select, update

from pushpull.db import reading, writing
from pushpull.learners.choices import choose_habit
from pushpull.learners.plans import MOST_OPEN
from pushpull.learners.tables import calendar_hold, cue_plan, learner, learner_choice
from pushpull.learners.vocabulary import Cue
from pushpull.ledger.links import Claims, LinkSigner, Purpose
from pushpull.settings import Settings
from tasks.calendar import make_holds
from tasks.installation import Installation, installed
from tests.standin.engine import StandIn
from tests.standin.faults import Fault
from tests.standin.microsoft import Graph
from tests.standin.variables import variables
from tests.web.conftest import BASE, Place
from web import calendar_times, plan_page, plans
from web.app import create_app
from web.words import LANGUAGES

#: Seven o'clock on a Monday morning in Berlin.
SEVEN = datetime(2026, 1, 12, 6, tzinfo=UTC)
ADA = "0b1f1f1e-0000-4000-8000-00000000ada0"
PLAN: dict[str, Any] = {"cue": "before_email", "item": "1", "day": ["0", "1", "2", "3", "4"], "at": "", "step": "keep"}


@dataclass
class Visit:
    """A browser of a learner who followed a link."""

    client: TestClient
    engine: Engine
    settings: Settings
    token: str

    def page(self, path: str = "/me/plans") -> str:
        answer = self.client.get(path)
        assert answer.status_code == 200
        return html.unescape(answer.text)

    def send(self, path: str, **fields: Any) -> Response:
        answer: Response = self.client.post(path, data={"form_token": self.token, **fields})
        return answer

    def rows(self, table: Any) -> list[Any]:
        with reading(self.engine) as connection:
            return list(connection.execute(select(table).order_by(table.c.id)))

    def agree(self) -> None:
        assert self.send("/me/plans/calendar", wants="yes").headers["location"] == "/me/plans?done=calendar"


def a_visit(client: TestClient, engine: Engine, settings: Settings, *, who: int = 1) -> Visit:
    signer = LinkSigner.of(settings)
    claims = Claims(Purpose.LANDING, who, "", campaign_id=1, item_id=1, wave_id=1, rotation=0)
    token = signer.session_token(claims, datetime.now(UTC) + timedelta(hours=1))
    client.cookies.clear()
    client.cookies.set("__Host-pushpull", token)
    return Visit(client, engine, settings, signer.form_token(token))


@pytest.fixture(autouse=True)
def _at_seven(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (plan_page, plans, calendar_times):
        monkeypatch.setattr(module, "now", lambda: SEVEN)


@pytest.fixture
def visit(place: Place) -> Visit:
    """A learner of an organisation without calendars."""
    place.change(learner, preferred_language="en", timezone="Europe/Berlin", teams_id=ADA)
    return a_visit(place.client, place.engine, place.settings)


@pytest.fixture
def graph(standin: StandIn) -> Iterator[Graph]:
    played: Graph = standin.provider(Graph)
    yield played
    assert standin.violations == []


@pytest.fixture
def with_calendar(visit: Visit, standin: StandIn, graph: Graph) -> Iterator[Visit]:
    """A learner whose organisation has a tenant at Microsoft."""
    played: dict[str, Any] = {
        name.removeprefix("PUSHPULL_").lower(): value for name, value in variables(standin).items()
    }
    settings = Settings(
        _env_file=None,
        **{**played, "channels": "teams", "base_url": BASE, "link_key": "a secret of the tests alone"},
        call_deadline_seconds=2.0,
    )
    with TestClient(create_app(settings, visit.engine), base_url=BASE, follow_redirects=False) as client:
        yield a_visit(client, visit.engine, settings)


# --- plans ---


def test_a_plan_is_read_back_as_its_sentence(visit: Visit) -> None:
    assert "You have no plan yet" in visit.page()
    answer = visit.send("/me/plans", **{**PLAN, "at": "08:45", "remind": "yes"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/me/plans?done=plan")
    page = visit.page("/me/plans?done=plan")
    assert "Before I open my e-mail, I open “Saying no kindly” for two minutes." in page
    assert "Monday – Friday, about 08:45, with a reminder" in page
    assert "Your plan is kept." in page
    [row] = visit.rows(cue_plan)
    assert (row.cue, row.item_id, row.at_minute, row.weekdays, row.reminds) == ("before_email", 1, 525, 31, True)


def test_a_plan_in_own_words_is_escaped_and_about_whatever_is_next(visit: Visit) -> None:
    visit.send("/me/plans", **{**PLAN, "cue": "own", "cue_text": " After <b>tea</b> {x} ", "item": ""})
    text = visit.client.get("/me/plans").text
    assert "After &lt;b&gt;tea&lt;/b&gt; {x}: I open the next thing on my list for two minutes." in text
    assert "<b>" not in text


def test_a_sentence_can_be_seen_before_it_is_kept(visit: Visit) -> None:
    answer = visit.send("/me/plans", **{**PLAN, "cue": "after_lunch", "step": "preview", "at": "13:00"})
    assert answer.status_code == 200
    assert "After lunch, I open “Saying no kindly” for two minutes." in html.unescape(answer.text)
    assert 'value="13:00"' in answer.text
    assert visit.rows(cue_plan) == []


@pytest.mark.parametrize("item", ["", "2"])
def test_every_cue_makes_a_sentence_in_every_language(visit: Visit, item: str) -> None:
    for language, cue in product(LANGUAGES, Cue):
        with writing(visit.engine) as connection:
            connection.execute(update(learner).values(preferred_language=language))
        fields = {**PLAN, "cue": cue.value, "cue_text": "Tee", "item": item, "step": "preview"}
        text = html.unescape(visit.send("/me/plans", **fields).text)
        [sentence] = re.findall(r"<strong>(.+?)</strong>", text)
        assert ("Better breaks" in sentence) == bool(item)
        assert f'lang="{language}"' in text


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"cue": "whenever"}, "Choose a moment.", "error-cue"),
    ({"cue": "own", "cue_text": " "}, "in your own words", "error-cue-text"),
    ({"cue": "own", "cue_text": "x" * 121}, "at most 120 characters", "error-cue-text"),
    ({"cue": "own", "cue_text": "a\x00b"}, "in your own words", "error-cue-text"),
    ({"item": "99"}, "no longer open", "error-item"),
    ({"item": str(2**70)}, "no longer open", "error-item"),
    ({"day": []}, "at least one day", "error-days"),
    ({"day": ["9", "x"]}, "at least one day", "error-days"),
    ({"remind": "yes"}, "needs a time", "error-at"),
    ({"at": "25:00"}, "needs a time", "error-at"),
]


def test_what_is_wrong_is_said_at_its_field_and_nothing_is_lost(visit: Visit) -> None:
    for changes, said, points_at in WRONG:
        answer = visit.send("/me/plans", **{**PLAN, "cue_text": "After tea", **changes})
        assert answer.status_code == 422
        assert said in html.unescape(answer.text)
        assert f'aria-describedby="{points_at}"' in answer.text
        assert answer.text.count(f'id="{points_at}"') == 1
    assert visit.rows(cue_plan) == []


def test_a_plan_is_changed_in_its_own_form_and_ended(visit: Visit) -> None:
    visit.send("/me/plans", **{**PLAN, "at": "08:45"})
    [row] = visit.rows(cue_plan)
    form = visit.page(f"/me/plans?edit={row.id}")
    assert "Change this plan" in form
    assert 'value="08:45"' in form
    assert visit.send(f"/me/plans/{row.id}", **{**PLAN, "cue": "between_calls", "day": "6"}).status_code == 303
    assert "Between two calls" in visit.page()
    assert visit.send(f"/me/plans/{row.id}/end").headers["location"] == "/me/plans?done=ended"
    assert "You have no plan yet" in visit.page()
    assert visit.send(f"/me/plans/{row.id}", **PLAN).status_code == 404
    assert visit.send(f"/me/plans/{row.id}/end").status_code == 303  # twice is as good


def test_five_plans_are_enough(visit: Visit) -> None:
    for number in range(MOST_OPEN):
        visit.send("/me/plans", **{**PLAN, "cue": "own", "cue_text": f"cue {number}"})
    assert "and that is plenty" in visit.page()
    assert 'name="cue"' not in visit.page()
    answer = visit.send("/me/plans", **PLAN)
    assert answer.status_code == 422
    assert "and that is plenty" in answer.text
    assert len(visit.rows(cue_plan)) == MOST_OPEN


def test_nobody_reaches_the_plans_of_another(visit: Visit) -> None:
    visit.send("/me/plans", **PLAN)
    with writing(visit.engine) as connection:
        connection.execute(insert(learner).values(id=2, external_id="p-2", draw=8, created_at=SEVEN, updated_at=SEVEN))
    [row] = visit.rows(cue_plan)
    other = a_visit(visit.client, visit.engine, visit.settings, who=2)
    assert "Saying no kindly” for" not in other.page(f"/me/plans?edit={row.id}")
    assert other.send(f"/me/plans/{row.id}", **{**PLAN, "cue": "after_lunch"}).status_code == 404
    other.send(f"/me/plans/{row.id}/end")
    assert visit.rows(cue_plan) == [row]


def test_a_form_needs_a_visit_and_its_token(visit: Visit) -> None:
    paths = ("", "/1", "/1/end", "/calendar", "/look", "/hold", "/hold/1/cancel", f"/hold/{2**70}/cancel")
    for path in paths:
        assert visit.client.post(f"/me/plans{path}", data={"form_token": "x", **PLAN}).status_code == 403
    visit.client.cookies.clear()
    for path in paths:
        assert visit.client.post(f"/me/plans{path}", data={"form_token": visit.token, **PLAN}).status_code == 401
    assert visit.client.get("/me/plans").status_code == 401


def test_odd_addresses_are_pages_too(visit: Visit) -> None:
    for query in ("edit=x", "edit=99999999999999999999", "edit=-1", "done=<b>", "done=hold"):
        answer = visit.client.get(f"/me/plans?{query}")
        assert answer.status_code == 200
        assert "<b>" not in answer.text
    assert visit.client.head("/me/plans").status_code == 200


def test_ids_that_no_row_can_have_are_not_there(visit: Visit) -> None:
    assert visit.send(f"/me/plans/{2**70}", **PLAN).status_code == 404
    assert visit.send(f"/me/plans/{2**70}/end").status_code == 404
    assert visit.send(f"/me/plans/hold/{2**70}/cancel").status_code == 303
    assert visit.client.get(f"/me/plans/hold/{2**70}.ics").status_code == 404


# --- times without a calendar ---


def entry_in(answer: Response) -> Any:
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    assert answer.headers["content-disposition"].startswith('attachment; filename="learning-20')
    [event] = Parsed.from_ical(answer.text).walk("VEVENT")
    return event


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


def test_the_file_of_a_time_is_the_same_entry_every_time(visit: Visit) -> None:
    fields = {"local": "2026-01-13T09:05", "item": "2", "as": "file"}
    one, other = (entry_in(visit.send("/me/plans/hold", **fields)) for _ in range(2))
    assert one["UID"] == other["UID"]
    assert one["UID"] != entry_in(visit.send("/me/plans/hold", **{**fields, "item": ""}))["UID"]


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


def offered(answer: Response) -> list[str]:
    assert answer.status_code == 200
    return re.findall(r'name="starts_at" value="([^"]+)"', answer.text)


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


def test_a_calendar_that_is_slow_is_not_waited_for(
    with_calendar: Visit, standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert calendar_times.PATIENCE == 4.0
    monkeypatch.setattr(calendar_times, "PATIENCE", 0.3)
    with_calendar.agree()
    standin.fault(Fault.HANG_PROCESSED, provider=Graph, seconds=2)
    assert "does not answer right now" in with_calendar.send("/me/plans/look", item="").text


def test_rest_days_and_full_days_offer_nothing(with_calendar: Visit, graph: Graph) -> None:
    with_calendar.agree()
    with writing(with_calendar.engine) as connection:
        choose_habit(connection, 1, is_wanted=False, rest_days=[0, 1, 2, 3, 5, 6], at=SEVEN)
    found = offered(with_calendar.send("/me/plans/look", item=""))
    assert [at[:10] for at in found] == ["2026-01-16", "2026-01-23", "2026-01-30", "2026-02-06", "2026-02-13"]
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
