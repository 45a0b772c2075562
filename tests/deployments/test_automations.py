"""The automations of `pushpull setup prefect`: made once, kept as ops like them, and firing when they should."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect.events.actions import DoNothing
from prefect.events.schemas.automations import AutomationCore, Posture
from prefect.server.events.schemas.automations import AutomationCreate
from sqlalchemy import Engine, text

from deployments.automations import FLOWS, Alarm, alarms
from flows.decide import decide
from pushpull.db import writing
from pushpull.ledger.switches import set_switch
from pushpull.ledger.vocabulary import SwitchName
from tasks.decide import Action
from tasks.events import Event
from tests.deployments.test_prefect_yaml import DEPLOYMENTS
from tests.orchestra.processes import ROOT, until
from tests.orchestra.stack import POOL, Orchestra, orchestra

pytestmark = pytest.mark.xdist_group("stack")

ALARMS = {each.name: each for each in alarms(heartbeat_seconds=30)}
STATES = {"Pending", "Running", "Paused", "Suspended", "AwaitingConcurrencySlot", "AwaitingRetry", "Late"}
ENDS = {"Completed", "Failed", "Crashed", "Cancelled", "Cancelling", "TimedOut"}
OTHERS = {"prefect.flow-run.heartbeat", "prefect.work-pool.not-ready"}


@pytest.mark.parametrize("alarm", ALARMS.values(), ids=ALARMS)
def test_an_automation_waits_for_events_that_somebody_emits(alarm: Alarm) -> None:
    known = {event.value for event in Event} | {f"prefect.flow-run.{name}" for name in STATES | ENDS} | OTHERS
    assert alarm.trigger.expect
    assert alarm.trigger.expect | alarm.trigger.after <= known


def test_every_event_is_emitted_somewhere() -> None:
    code = "\n".join(
        path.read_text()
        for folder in ("tasks", "flows", "pushpull", "cli")
        for path in (ROOT / folder).rglob("*.py")
        if path.name != "events.py"
    )
    assert {event.name for event in Event} <= set(re.findall(r"\bEvent\.([A-Z_]+)", code))


def test_every_deployed_flow_is_watched() -> None:
    assert {each.entrypoint.rpartition(":")[2].replace("_", "-") for each in DEPLOYMENTS.values()} <= set(FLOWS)


@pytest.mark.parametrize("alarm", ALARMS.values(), ids=ALARMS)
def test_an_automation_names_a_section_of_the_runbook(alarm: Alarm) -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "docs" / "runbook.md").read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert alarm.section in anchors


def test_a_deployment_that_an_automation_starts_takes_its_parameters() -> None:
    (stopped,) = [each for each in ALARMS.values() if each.runs]
    assert stopped.runs == f"{decide.name}/decide"
    assert stopped.parameters is not None
    rendered = {**stopped.parameters, "campaign": "tiny", "why": "opt-outs: 7 for 120"}
    assert decide.validate_parameters(rendered)["action"] is Action.PAUSE_CAMPAIGN


@pytest.mark.parametrize("alarm", ALARMS.values(), ids=ALARMS)
def test_prefects_server_takes_an_automation_and_its_templates(alarm: Alarm) -> None:
    block = "b5a8faae-1f3d-4e99-9eca-39f826404629"
    tells = {"type": "send-notification", "block_document_id": block, "subject": alarm.name, "body": alarm.text}
    wanted = AutomationCore(name=alarm.full_name, trigger=alarm.trigger, actions=[DoNothing()])
    sent = {**wanted.model_dump(mode="json", exclude={"owner_resource"}), "actions": [tells]}
    assert AutomationCreate.model_validate(sent).trigger.type == "event"


def test_a_healthy_run_is_never_called_silent() -> None:
    for seconds in (30, 180):
        silent = next(each for each in alarms(heartbeat_seconds=seconds) if each.crashes).trigger
        assert silent.posture is Posture.Proactive
        assert silent.within.total_seconds() >= 3 * seconds
        assert silent.for_each == {"prefect.resource.id"}
        ends = {f"prefect.flow-run.{name}" for name in ENDS | {"Paused", "Suspended"}}
        assert silent.expect >= ends | {"prefect.flow-run.heartbeat"}
        assert silent.after == {"prefect.flow-run.heartbeat", "prefect.flow-run.Running"}


class Inbox:
    """Where notifications arrive: a web hook of this process."""

    def __init__(self) -> None:
        self.messages: list[dict[str, str]] = []
        inbox = self

        class Hook(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                inbox.messages.append(json.loads(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def about(self, alarm: str) -> list[str]:
        return [each["body"] for each in self.messages if each["subject"] == f"Pushpull: {alarm}"]

    def until(self, alarm: str, *, seconds: float = 20) -> str:
        return until(f"a notification: {alarm}", lambda: self.about(alarm), seconds=seconds)[0]


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    made = Inbox()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def start(postgres_engine: Engine, prefect_database: str, tmp_path: Path) -> Iterator[Callable[..., Orchestra]]:
    """Starts a Prefect server with every deployment, no schedule firing."""
    url = postgres_engine.url.render_as_string(hide_password=False)
    variables = {"PUSHPULL_DATABASE_URL": url, "PUSHPULL_OUTBOX_DIR": str(tmp_path / "outbox")}
    with orchestra(tmp_path / "prefect", prefect_database, variables) as stack:
        yield lambda: stack


def set_up(stack: Orchestra, *options: str) -> dict[str, str]:
    """What became of each thing."""
    said = stack.command("pushpull", "setup", "prefect", *options)
    return dict(line.rsplit(": ", 1) for line in said.splitlines() if ": " in line and "--notify" not in line)


def made(stack: Orchestra) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in stack.api.post("/automations/filter")}


def emit(stack: Orchestra, event: Event, about: str, **payload: object) -> None:
    told = {
        "id": str(uuid4()),
        "event": event.value,
        "occurred": datetime.now(UTC).isoformat(),
        "resource": {"prefect.resource.id": f"pushpull.{about}", "prefect.resource.name": about.partition(".")[2]},
        "payload": payload,
    }
    stack.api.post("/events", [told])


def a_notification_block(stack: Orchestra, inbox: Inbox) -> str:
    (kind,) = [each for each in stack.api.post("/block_types/filter") if each["slug"] == "custom-webhook"]
    wanted = {"block_schemas": {"block_type_id": {"any_": [kind["id"]]}}}
    schema = stack.api.post("/block_schemas/filter", wanted)[0]
    url = f"http://127.0.0.1:{inbox.server.server_port}/"
    data = {"name": "ops", "url": url, "json_data": {"subject": "{{subject}}", "body": "{{body}}"}}
    block = {"name": "ops", "block_type_id": kind["id"], "block_schema_id": schema["id"], "data": data}
    stack.api.post("/block_documents/", block)
    return "custom-webhook/ops"


def hurried(stack: Orchestra, alarm: str, seconds: int = 10) -> None:
    """Let an automation lose patience sooner than people would want."""
    found = made(stack)[f"Pushpull: {alarm}"]
    kept = ("name", "description", "enabled", "trigger", "actions")
    body = {key: found[key] for key in kept}
    body["trigger"]["within"] = seconds
    stack.api.ask("PUT", f"/automations/{found['id']}", body)


def trying_changes_nothing(stack: Orchestra) -> None:
    would = set_up(stack, "--dry-run")
    assert "would be made" in would["automation 'Pushpull: a run failed'"]
    assert made(stack) == {}


def two_at_once_make_each_thing_once(stack: Orchestra) -> None:
    with ThreadPoolExecutor(2) as both:
        list(both.map(lambda _: set_up(stack), range(2)))
    names = [each["name"] for each in stack.api.post("/automations/filter")]
    assert sorted(names) == sorted(each.full_name for each in ALARMS.values())
    assert all(action["type"] != "send-notification" for each in made(stack).values() for action in each["actions"])
    variables = {each["name"]: each["value"] for each in stack.api.post("/variables/filter")}
    assert variables == {"pushpull_pause": True, "pushpull_pilot": [], "pushpull_override_recipient": ""}
    queues = {each["name"]: each["priority"] for each in stack.api.post(f"/work_pools/{POOL}/queues/filter")}
    assert queues["mandatory"] == 1 < queues["default"]


def again_changes_nothing(stack: Orchestra) -> None:
    before = made(stack)
    assert {outcome for what, outcome in set_up(stack).items()} == {"there already"}
    assert made(stack) == before


def a_block_that_is_not_there_is_named(stack: Orchestra) -> None:
    said = stack.command("pushpull", "setup", "prefect", "--notify", "slack-webhook/none", succeeds=False)
    assert "'slack-webhook/none' is not on the server" in said


def what_ops_changed_stays(stack: Orchestra, block: str) -> None:
    set_up(stack, "--notify", block)
    stack.api.ask("PATCH", f"/automations/{made(stack)['Pushpull: no worker']['id']}", {"enabled": False})
    pause = next(each for each in stack.api.post("/variables/filter") if each["name"] == "pushpull_pause")
    stack.api.ask("PATCH", f"/variables/{pause['id']}", {"value": False})
    hurried(stack, "a run is late", 77)
    outcomes = set_up(stack)
    assert outcomes["automation 'Pushpull: a run is late'"] == "brought up to date"
    found = made(stack)
    assert found["Pushpull: a run is late"]["trigger"]["within"] == 600
    assert found["Pushpull: a run is late"]["actions"][0]["type"] == "send-notification"
    assert found["Pushpull: no worker"]["enabled"] is False
    assert stack.api.ask("GET", f"/variables/{pause['id']}")["value"] is False


def it_tells_of_stops_and_questions(stack: Orchestra, inbox: Inbox) -> None:
    emit(stack, Event.CHANNEL_STOPPED, "channel.email", channel="email")
    emit(stack, Event.CAMPAIGN_STOPPED, "campaign.tiny", campaign="tiny", why="opt-outs: 7 for 120")
    emit(stack, Event.PERSON_NEEDED, "ledger", new=1, waits=2, first="wave launch.hello")
    emit(stack, Event.WAVE_FINISHED, "wave.7", accepted=3)
    assert "over email" in inbox.until("a channel stopped")
    assert "tiny: opt-outs: 7 for 120" in inbox.until("a campaign stopped itself")
    (decided,) = until("the campaign's schedules are paused", lambda: stack.api.runs("decide"), seconds=20)
    stopped = {"action": "pause campaign", "campaign": "tiny", "who": "stop signal", "why": "opt-outs: 7 for 120"}
    assert {key: decided["parameters"][key] for key in stopped} == stopped
    question = inbox.until("a person is needed")
    assert "Waiting for an answer: 2, of them new: " in question
    assert "docs/runbook.md#person-needed" in question
    assert not any("launch.hello" in each["body"] and "finished" in each["body"] for each in inbox.messages)


def it_tells_of_failed_runs_with_their_address_but_not_of_other_projects(stack: Orchestra, inbox: Inbox) -> None:
    other = stack.api.post("/flows/", {"name": "somebody-elses"})
    theirs = stack.api.post("/flow_runs/", {"flow_id": other["id"], "state": {"type": "PENDING"}})
    stack.api.set_state(theirs["id"], "FAILED", "Failed")
    failed = stack.api.start("launch")
    stack.api.set_state(failed, "FAILED", "Failed")
    told = inbox.until("a run failed")
    assert told.startswith("Failed: ")
    assert f"/runs/flow-run/{failed}" in told
    crashed = stack.api.start("sync")
    stack.api.set_state(crashed, "CRASHED", "Crashed")
    until("the crash", lambda: len(inbox.about("a run failed")) == 2, seconds=20)
    assert not any(theirs["id"] in each["body"] for each in inbox.messages)


def it_tells_of_what_does_not_happen(stack: Orchestra, inbox: Inbox) -> None:
    hurried(stack, "a run is late")
    hurried(stack, "nothing is dispatched")
    late, in_time = stack.api.start("sync"), stack.api.start("launch")  # there is no worker
    stack.api.set_state(in_time, "SCHEDULED", "Late")
    stack.api.set_state(in_time, "PENDING", "Pending")
    until("the late run is told", lambda: any(late in each for each in inbox.about("a run is late")), seconds=60)
    assert "No dispatch" in inbox.until("nothing is dispatched", seconds=40)
    assert not any(in_time in each for each in inbox.about("a run is late"))


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.prefect
def test_automations_are_made_once_stay_as_ops_want_them_and_fire(
    start: Callable[..., Orchestra], inbox: Inbox, postgres_engine: Engine
) -> None:
    """One test, because starting a server takes longer than all the rest."""
    with writing(postgres_engine) as connection:  # new Variables say what holds, and change nothing
        set_switch(connection, SwitchName.PAUSE, True, who="ada", at=datetime.now(UTC))
    stack = start()
    trying_changes_nothing(stack)
    two_at_once_make_each_thing_once(stack)
    again_changes_nothing(stack)
    a_block_that_is_not_there_is_named(stack)
    what_ops_changed_stays(stack, a_notification_block(stack, inbox))
    it_tells_of_stops_and_questions(stack, inbox)
    it_tells_of_failed_runs_with_their_address_but_not_of_other_projects(stack, inbox)
    it_tells_of_what_does_not_happen(stack, inbox)


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.prefect
def test_a_run_whose_machine_died_is_declared_crashed_and_all_of_it_is_told(
    start: Callable[..., Orchestra], inbox: Inbox, postgres_engine: Engine
) -> None:
    stack = start()
    stack.environment["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] = "30"
    set_up(stack, "--notify", a_notification_block(stack, inbox))
    worker = stack.start_worker()
    with postgres_engine.connect() as connection:
        connection.execute(text("LOCK TABLE callback IN ACCESS EXCLUSIVE MODE"))  # it waits here until it is killed
        run = stack.api.start("sync")
        stack.api.wait_for(run, "RUNNING", seconds=120)

        def beats() -> bool:
            found = stack.api.events("prefect.flow-run.heartbeat")
            return any(each["resource"]["prefect.resource.id"].endswith(run) for each in found)

        until("a heartbeat", beats, seconds=120)
        worker.kill_with_all_it_started()
    assert stack.api.state(run) == "RUNNING"  # a zombie: nobody is left to say otherwise
    until("it is crashed", lambda: stack.api.state(run) == "CRASHED", seconds=240)
    assert "no heartbeat" in str(stack.api.run(run)["state"]["message"])
    assert run in inbox.until("a run failed")
    assert "No worker" in inbox.until("no worker", seconds=240)
