"""What learning systems tell by web hooks, what they get back, and what becomes of it."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from pushpull.catalogue.tables import item
from pushpull.db import reading, writing
from pushpull.importers.hooks.maps import load_map, map_names
from pushpull.importers.presets import PresetError
from pushpull.importers.sources import digest_of
from pushpull.importers.tables import import_run, quarantine
from pushpull.learners.tables import activity, learner_identity
from tests.web.conftest import NOW, Place
from tests.web.sending import SECRET, a_source, activities, basic, known_by_mail

RECORD = {"id": "r-1", "learner": "p-1", "verb": "completed", "occurred_at": "2026-01-06T10:00:00Z", "item_key": "i-1"}
MOODLE = "https://moodle.example"


@pytest.fixture
def lms(place: Place) -> Place:
    a_source(place, "lms", "webhook", preset="generic")
    known_by_mail(place)
    return place


def send(place: Place, sent: Any, *, to: str = "lms", **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()} or {"Authorization": basic(to)}
    body = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
    return place.client.post(f"/hooks/{to}", content=body, headers={"Content-Type": "application/json", **named})


def reasons(place: Place) -> list[tuple[int, str | None, str]]:
    with reading(place.engine) as connection:
        rows = connection.execute(select(quarantine).order_by(quarantine.c.id))
        return [(row.row_number, row.field, row.reason) for row in rows]


def test_a_record_becomes_activity_once(lms: Place) -> None:
    assert send(lms, RECORD).json() == {"received": 1, "new": 1, "known": 0, "refused": 0, "reasons": {}}
    assert send(lms, [RECORD, RECORD]).json()["known"] == 2
    assert activities(lms) == [("completed", 1)]
    with reading(lms.engine) as connection:
        run = connection.execute(select(import_run)).one()
    assert (run.kind, run.source, run.preset, run.rows_in, run.accepted) == ("records", "lms", "generic", 3, 1)


def test_the_secret_may_be_shown_or_used_to_sign(lms: Place) -> None:
    body = json.dumps(RECORD).encode()
    key = digest_of(SECRET).encode()
    signed = hmac.new(key, body, hashlib.sha256).hexdigest()
    assert send(lms, body, X_Hub_Signature_256=f"sha256={signed}").status_code == 200
    assert send(lms, body, X_Hub_Signature=f"sha256={signed.upper()}").status_code == 200
    assert send(lms, body, Authorization=f"Bearer {SECRET}").status_code == 200
    assert len(activities(lms)) == 1


def test_whatever_is_wrong_with_the_secret_nothing_is_taken_in(lms: Place) -> None:
    a_source(lms, "player", "xapi")
    body = json.dumps(RECORD).encode()
    signed = hmac.new(digest_of(SECRET).encode(), body, hashlib.sha256).hexdigest()
    of_secret = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    wrong = [
        {"Authorization": basic("lms", "b" * 64)}, {"Authorization": basic("player")}, {"Authorization": "Bearer x"},
        {"X_Hub_Signature_256": signed}, {"X_Hub_Signature_256": f"sha1={signed}"}, {"X_Hub_Signature_256": ""},
        {"X_Hub_Signature_256": f"sha256={of_secret}"}, {"X_Nothing": "1"},
        {"X_Hub_Signature_256": "sha256=" + "0" * 64, "Authorization": basic("lms")},
    ]  # fmt: skip
    for headers in wrong:
        answer = send(lms, body, **headers)
        assert answer.status_code == 401, headers
        assert 'realm="pushpull"' in answer.headers["www-authenticate"]
    flipped = body.replace(b"completed", b"launched!")
    assert send(lms, flipped, X_Hub_Signature_256=f"sha256={signed}").status_code == 401
    for name in ("player", "nobody", "LMS", "l ms"):
        assert send(lms, body, to=name, Authorization=basic("lms")).status_code == 401
    assert activities(lms) == []


def test_what_cannot_be_taken_in_is_told_and_kept_with_its_reason(lms: Place) -> None:
    sent = [
        RECORD,
        {**RECORD, "id": "r-2", "learner": "nobody"},
        {**RECORD, "id": "r-3", "item_key": "nothing"},
        {**RECORD, "id": "r-4", "verb": "certificate_printed"},
        {**RECORD, "id": "r-5", "occurred_at": "yesterday"},
        {"ping": True},
        "text",
        {**RECORD, "id": "r-6", "score": "900"},
    ]
    told = send(lms, sent).json()
    assert (told["received"], told["new"], told["refused"]) == (8, 1, 7)
    assert told["reasons"] == {"unknown_person": 1, "unknown_item": 1, "unknown_value": 1, "unreadable_date": 1,
                               "unknown_event": 1, "unreadable_row": 1, "out_of_range": 1}  # fmt: skip
    assert sorted(reasons(lms)) == [
        (2, "learner", "unknown_person"), (3, "item_key", "unknown_item"), (4, "verb", "unknown_value"),
        (5, "occurred_at", "unreadable_date"), (6, None, "unknown_event"), (7, None, "unreadable_row"),
        (8, "score", "out_of_range"),
    ]  # fmt: skip


def test_records_come_alone_in_a_list_or_in_an_envelope_and_name_people_by_address(lms: Place) -> None:
    by_mail = {name: value for name, value in RECORD.items() if name != "learner"} | {"email": "Ada@example.org"}
    for number, name in enumerate(("", "data", "events", "records")):
        record = {**by_mail, "id": f"e-{number}"}
        assert send(lms, {name: [record]} if name else record).json()["new"] == 1
    nested = {"event": "course_completed", "timestamp": "2026-01-07T10:00:00Z", "user": {"email": "ada@example.org"},
              "course": {"url": "https://courses.example/2"}}  # fmt: skip
    assert send(lms, nested).json()["new"] == 1
    assert activities(lms)[-1] == ("completed", 2)


def test_what_a_clock_that_runs_ahead_says_happened_now(lms: Place) -> None:
    send(lms, {**RECORD, "occurred_at": "2099-01-01T00:00:00Z"})
    with reading(lms.engine) as connection:
        assert connection.scalars(select(activity.c.occurred_at)).one() <= datetime.now(UTC)


HOSTILE = [b"", b"{", b"NaN", b"[" * 5000, b"\xff", b'{"a":1,"a":2}', b'{"a":"\\u0000"}', b"1e999"]


def test_hostile_bodies_are_refused_and_never_stumbled_over(lms: Place) -> None:
    for body in HOSTILE:
        assert send(lms, body).status_code == 400, body[:20]
    wide = {f"k{number}": number for number in range(5000)}
    odd: Any
    for odd in ([], {}, None, 1, "x", [None], {"data": []}, {"": ""}, wide, {"learner": {"learner": [[[]]]}},
                {**RECORD, "learner": "x" * 9000}, {**RECORD, "learner": ["p-1"]}):  # fmt: skip
        assert send(lms, odd).status_code == 200, odd
    assert activities(lms) == []
    assert lms.client.get("/hooks/lms").status_code == 405
    assert send(lms, b"x" * 1_100_000).status_code == 413


def test_a_map_of_ones_own_that_is_gone_asks_to_come_again(
    lms: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path("own.yaml")
    path.write_text(
        "name: own\ndescription: ours\nsource: own\nshapes:\n  - name: done\n    writes: progress\n"
        "    completion_verb: completed\n    fields:\n      learner: {column: who}\n      item_key: {column: what}\n"
        "      completed_at: {column: at, required: true, transforms: [{do: epoch}]}\n",
        encoding="utf-8",
    )
    a_source(lms, "own", "webhook", preset=str(path))
    record = {"who": "p-1", "what": "i-1", "at": 1767693600000}
    assert send(lms, record, to="own").json()["new"] == 1
    assert send(lms, record, to="own").json()["known"] == 1
    assert activities(lms) == [("completed", 1)]
    path.unlink()
    answer = send(lms, record, to="own")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "300")


# --- as systems really speak


def moodle(event: str, component: str = "core", /, **more: Any) -> dict[str, Any]:
    return {
        "eventname": f"\\{component}\\event\\{event}", "component": component, "action": "x", "contextid": 9,
        "contextlevel": 50, "contextinstanceid": "7", "userid": "5", "courseid": "7", "relateduserid": None,
        "anonymous": 0, "other": None, "timecreated": 1767693600, "host": MOODLE, "token": "", **more,
    }  # fmt: skip


def test_moodle_tells_what_learners_do(lms: Place) -> None:
    a_source(lms, "moodle", "webhook", preset="moodle")
    with writing(lms.engine) as connection:
        connection.execute(insert(learner_identity).values(kind="account", value=f"{MOODLE}|5", learner_id=1))
        connection.execute(update(item).where(item.c.id == 1).values(url=f"{MOODLE}/course/view.php?id=7"))
    part: dict[str, Any] = {"contextlevel": 70, "contextinstanceid": "31"}
    sent = [
        moodle("course_viewed"),
        moodle("course_module_viewed", "mod_page", **part),
        moodle("attempt_submitted", "mod_quiz", **part, relateduserid="5"),
        moodle("course_module_completion_updated", userid="2", relateduserid="5", **part, other={"completionstate": 1}),
        moodle("course_completed", userid="2", relateduserid="5"),
        moodle("course_module_completion_updated", relateduserid="5", **part, other={"completionstate": 0}),
        moodle("user_password_updated"),
        moodle("course_viewed", userid="6"),
    ]
    told = [send(lms, each, to="moodle").json() for each in sent]
    assert [each["new"] for each in told] == [1, 1, 1, 1, 1, 0, 0, 0]
    assert [list(each["reasons"]) for each in told[5:]] == [["unknown_event"], ["unknown_value"], ["unknown_person"]]
    assert [verb for verb, _ in activities(lms)] == [
        "experienced",
        "experienced",
        "attempted",
        "progressed",
        "completed",
    ]
    with reading(lms.engine) as connection:
        rows = connection.execute(select(activity.c.section_key, activity.c.item_id).order_by(activity.c.id)).all()
    assert [tuple(row) for row in rows] == [(None, 1), ("31", 1), ("31", 1), ("31", 1), (None, 1)]
    assert send(lms, sent, to="moodle").json()["known"] == 5


def test_canvas_tells_what_learners_do(lms: Place) -> None:
    a_source(lms, "canvas", "webhook", preset="canvas")
    metadata = {"event_name": "course_completed", "event_time": "2026-01-06T10:00:00.615Z", "producer": "canvas"}
    body = {"user": {"id": "3", "email": "ada@example.org"}, "course": {"id": "565", "sis_source_id": "i-1"},
            "progress": {"requirement_count": 4}}  # fmt: skip
    assert send(lms, {"metadata": metadata, "body": body}, to="canvas").json()["new"] == 1
    seen = {**metadata, "event_name": "asset_accessed", "user_sis_id": "p-1", "context_sis_source_id": "i-2"}
    assert send(lms, {"metadata": seen, "body": {"asset_id": "44"}}, to="canvas").json()["new"] == 1
    assert activities(lms) == [("completed", 1), ("experienced", 2)]
    other = {**metadata, "event_name": "account_updated"}
    assert send(lms, {"metadata": other, "body": {}}, to="canvas").json()["reasons"] == {"unknown_event": 1}


def test_every_map_that_ships_can_be_used_and_one_that_asks_for_something_cannot(tmp_path: Path) -> None:
    for name in map_names():
        assert load_map(name).shapes
    with pytest.raises(PresetError, match="there is no map 'x'"):
        load_map("x")
    path = tmp_path / "asks.yaml"
    path.write_text(
        "name: asks\ndescription: d\nsource: s\nparams: {site: {description: d}}\nshapes:\n  - name: n\n"
        "    writes: activity\n    fields:\n      learner: {column: a}\n      verb: {column: b}\n"
        "      occurred_at: {column: c}\n",
        encoding="utf-8",
    )
    with pytest.raises(PresetError, match="give a default to site"):
        load_map(str(path))


def test_records_are_dated_when_they_happened(lms: Place) -> None:
    send(lms, RECORD)
    with reading(lms.engine) as connection:
        row = connection.execute(select(activity)).one()
    assert row.occurred_at == datetime(2026, 1, 6, 10, tzinfo=UTC)
    assert row.source == "hook:lms"
    assert row.stored_at >= NOW
