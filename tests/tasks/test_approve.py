"""What was approved is what is sent; what is changed since asks again; and a test reaches only those it is for."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from flows.dispatch import dispatch
from flows.launch import launch
from pushpull.db import reading, writing
from pushpull.learners.consent import ANY_CHANNEL, ANY_FAMILY, opt_out
from pushpull.learners.tables import learner
from pushpull.ledger.approvals import OldContentError, RejectedError
from pushpull.ledger.campaigns import pause_channel, wave_id_of
from pushpull.ledger.due import due_waves
from pushpull.ledger.messages import CardBody, EmailBody, EmailTemplate, SharedEmail, SmsBody
from pushpull.ledger.results import wave_results
from pushpull.ledger.shards import Shard
from pushpull.ledger.tables import audit, delivery, handover, wave
from pushpull.ledger.vocabulary import Decision, HoldReason, Reason, WaveStatus
from pushpull.ledger.waiting import waiting_for_a_person
from tasks.approve import as_approved, ask_for_approvals, asked_about, content_hash_of, decide
from tasks.deliver import close_waves, drain_shard, find_due
from tasks.installation import Installation, installed
from tasks.preflight import cleared
from tasks.trial import MARK, marked, send_test
from tests.flows.conftest import CAMPAIGN, company, launch_day
from tests.flows.test_stages import messages_in_the_outbox

__all__ = ["company", "launch_day"]

ANNOUNCEMENT = "launch.announcement@2026-01-12"
OPEN = (WaveStatus.OPEN.value, None)
#: Forty learners, less two whom the campaign holds out.
REACHED = 38
HELD = (WaveStatus.HELD.value, HoldReason.APPROVAL.value)
REJECTED = (WaveStatus.HELD.value, HoldReason.REJECTED.value)
CONTENT = Path(__file__).resolve().parents[2] / "content"


@pytest.fixture
def careful(company: Installation, tmp_path: Path) -> Iterator[Installation]:
    """The company, with content of its own in which twenty learners are many."""
    folder = tmp_path / "content"
    shutil.copytree(CONTENT, folder)
    file = folder / "campaigns" / f"{CAMPAIGN}.yaml"
    file.write_text(file.read_text().replace("approval_above: 1000", "approval_above: 20"))
    with installed(replace(company, settings=company.settings.model_copy(update={"content_dir": folder}))) as here:
        yield here


@pytest.fixture
def asking(careful: Installation, launch_day: datetime) -> int:
    """Its launch, which waits for approval."""
    asyncio.run(launch.fn(campaign=CAMPAIGN, as_of=launch_day.isoformat()))
    with reading(careful.engine) as connection:
        return wave_id_of(connection, CAMPAIGN, ANNOUNCEMENT)


def standing(here: Installation, wave_id: int) -> tuple[str, str | None]:
    with reading(here.engine) as connection:
        row = connection.execute(select(wave.c.status, wave.c.status_reason).where(wave.c.id == wave_id)).one()
        return row.status, row.status_reason


def approve(wave_id: int, at: datetime, *, who: str = "Ada", cap: int | None = None) -> bool:
    shown = asked_about(wave_id, at).content_hash
    return decide(wave_id, Decision.APPROVED, who=who, why="fine", shown=shown, cap=cap, as_of=at).is_released


def send(at: datetime) -> None:
    asyncio.run(dispatch.fn(as_of=at.isoformat()))


def words(here: Installation) -> Path:
    return here.settings.content_dir / "templates" / "messages" / "launch-announcement" / "en.yaml"


def change_words(here: Installation) -> str:
    """Change the message, as somebody does after it was approved; what it was before."""
    before = words(here).read_text()
    words(here).write_text(before + "\n# another word\n")
    return before


# ---- frozen


def test_nothing_is_sent_before_it_is_approved_and_all_of_it_after(
    careful: Installation, asking: int, launch_day: datetime
) -> None:
    nine = launch_day + timedelta(hours=9)
    send(nine)
    assert (messages_in_the_outbox(careful), standing(careful, asking)) == (0, HELD)
    assert approve(asking, nine)
    send(nine)
    send(nine + timedelta(hours=6))
    assert messages_in_the_outbox(careful) == REACHED


@pytest.mark.parametrize("path", ["templates/messages/launch-announcement/en.yaml", "locale/en.yaml", "brands"])
def test_content_that_changed_since_is_asked_about_again(
    careful: Installation, asking: int, launch_day: datetime, path: str
) -> None:
    nine = launch_day + timedelta(hours=9)
    approve(asking, nine)
    file = careful.settings.content_dir / path
    file = next(file.glob("*.yaml")) if file.is_dir() else file
    file.write_text(file.read_text() + "\n# another word\n")
    send(nine)
    assert (messages_in_the_outbox(careful), standing(careful, asking)) == (0, HELD)
    with reading(careful.engine) as connection:
        (waiting,) = waiting_for_a_person(connection)
    assert "not what was approved: its content has been changed" in waiting.why
    assert waiting.command == f"pushpull wave approve {CAMPAIGN} {ANNOUNCEMENT}"
    assert approve(asking, nine)
    send(nine)
    assert messages_in_the_outbox(careful) > 0


def test_another_trend_is_another_content(careful: Installation) -> None:
    campaign = careful.campaign(CAMPAIGN)
    about = next(each for _, each in campaign.waves() if each.trend is not None)
    spec = {"message_key": about.message, "trend": about.trend, "item_count": 0}
    before = content_hash_of(CAMPAIGN, spec)
    trend = careful.settings.content_dir / "trends" / f"{about.trend}.yaml"
    title = next(iter(campaign.references.trends[about.trend or ""].words.values())).title
    trend.write_text(trend.read_text().replace(title, f"{title} II"))
    assert content_hash_of(CAMPAIGN, spec) != before


def test_a_change_stops_a_wave_that_is_half_sent(careful: Installation, asking: int, launch_day: datetime) -> None:
    nine = launch_day + timedelta(hours=9)
    approve(asking, nine)
    send(nine)
    half = messages_in_the_outbox(careful)
    assert 0 < half < REACHED
    change_words(careful)
    send(nine + timedelta(hours=6))
    assert (messages_in_the_outbox(careful), standing(careful, asking)) == (half, HELD)
    assert approve(asking, nine + timedelta(hours=6))
    send(nine + timedelta(hours=6))
    assert messages_in_the_outbox(careful) == REACHED


def test_a_half_sent_wave_goes_on_while_its_content_stays(
    careful: Installation, asking: int, launch_day: datetime
) -> None:
    nine = launch_day + timedelta(hours=9)
    approve(asking, nine)
    send(nine)
    with reading(careful.engine) as connection:
        due = due_waves(connection, now=nine + timedelta(hours=6), global_holdout=0.0)
    assert due
    assert as_approved(due, nine) == due
    assert as_approved([], nine) == []


def test_what_is_changed_back_goes_on_without_asking(careful: Installation, asking: int, launch_day: datetime) -> None:
    nine = launch_day + timedelta(hours=9)
    approve(asking, nine, cap=25)
    before = change_words(careful)
    send(nine)
    assert standing(careful, asking) == HELD
    ask_for_approvals(nine)
    assert standing(careful, asking) == HELD
    words(careful).write_text(before)
    ask_for_approvals(nine)
    assert standing(careful, asking) == OPEN
    send(nine)
    send(nine + timedelta(hours=6))
    assert messages_in_the_outbox(careful) == 25


def test_either_of_two_approved_contents_is_sent(careful: Installation, asking: int, launch_day: datetime) -> None:
    nine = launch_day + timedelta(hours=9)
    approve(asking, nine, cap=25)
    before = change_words(careful)
    send(nine)
    assert approve(asking, nine, who="Grace")
    words(careful).write_text(before)
    send(nine)
    send(nine)
    assert standing(careful, asking) == OPEN
    send(nine + timedelta(hours=6))
    assert messages_in_the_outbox(careful) == 25


def test_an_approval_too_few_is_none_though_other_content_was_approved(
    careful: Installation, asking: int, launch_day: datetime
) -> None:
    nine = launch_day + timedelta(hours=9)
    with writing(careful.engine) as connection:
        spec = connection.execute(select(wave.c.spec).where(wave.c.id == asking)).scalar_one()
        connection.execute(update(wave).values(spec={**spec, "second_approval_threshold": 30}))
    assert not approve(asking, nine)
    assert approve(asking, nine, who="Grace")
    before = change_words(careful)
    send(nine)
    assert not approve(asking, nine)
    words(careful).write_text(before)
    ask_for_approvals(nine)
    assert standing(careful, asking) == OPEN
    change_words(careful)
    send(nine)
    assert (messages_in_the_outbox(careful), standing(careful, asking)) == (0, HELD)
    words(careful).write_text(before)
    send(nine)
    assert messages_in_the_outbox(careful) > 0


def test_content_that_is_changed_while_a_wave_waits_for_its_turn_is_not_sent(
    careful: Installation, asking: int, launch_day: datetime
) -> None:
    nine = launch_day + timedelta(hours=9)
    approve(asking, nine)
    (due,) = cleared(find_due(nine), nine)
    change_words(careful)
    drained = drain_shard(Shard(due.wave_id), due.rules)
    assert drained.stopped
    assert (messages_in_the_outbox(careful), standing(careful, asking)) == (0, HELD)


def test_content_that_cannot_be_read_sends_nothing(careful: Installation, asking: int, launch_day: datetime) -> None:
    nine = launch_day + timedelta(hours=9)
    approve(asking, nine)
    before = words(careful).read_text()
    words(careful).write_text("{")
    send(nine)
    assert (messages_in_the_outbox(careful), standing(careful, asking)) == (0, HELD)
    assert ask_for_approvals(nine) == 0
    words(careful).write_text(before)
    ask_for_approvals(nine)
    assert standing(careful, asking) == OPEN


def test_a_wave_nobody_had_to_approve_is_sent_as_it_is_now(company: Installation, launch_day: datetime) -> None:
    asyncio.run(launch.fn(campaign=CAMPAIGN, as_of=launch_day.isoformat()))
    with reading(company.engine) as connection:
        due = due_waves(connection, now=launch_day + timedelta(hours=9), global_holdout=0.0)
    assert due
    assert as_approved(due, launch_day) == due


# ---- rejected


def test_a_rejected_wave_asks_again_when_its_content_is_another(
    careful: Installation, asking: int, launch_day: datetime
) -> None:
    nine = launch_day + timedelta(hours=9)
    shown = asked_about(asking, nine).content_hash
    decide(asking, Decision.REJECTED, who="Ada", why="wrong week", shown=shown, as_of=nine)
    ask_for_approvals(nine)
    send(nine)
    assert (messages_in_the_outbox(careful), standing(careful, asking)) == (0, REJECTED)
    with pytest.raises(RejectedError):
        approve(asking, nine, who="Grace")
    change_words(careful)
    ask_for_approvals(nine)
    assert standing(careful, asking) == HELD
    assert approve(asking, nine)


def test_what_was_shown_must_be_what_is(careful: Installation, asking: int, launch_day: datetime) -> None:
    shown = asked_about(asking, launch_day).content_hash
    change_words(careful)
    for decision in Decision:
        with pytest.raises(OldContentError, match="look again"):
            decide(asking, decision, who="Ada", why="fine", shown=shown, as_of=launch_day)
    assert standing(careful, asking) == HELD


def test_asking_in_vain_harms_nothing(careful: Installation, asking: int, launch_day: datetime) -> None:
    assert ask_for_approvals(launch_day) == 0  # no Prefect: the command line stands
    assert standing(careful, asking) == HELD


@pytest.mark.parametrize("is_rejected", [False, True])
def test_a_wave_that_is_not_approved_in_time_ends(
    careful: Installation, asking: int, launch_day: datetime, is_rejected: bool
) -> None:
    if is_rejected:
        shown = asked_about(asking, launch_day).content_hash
        decide(asking, Decision.REJECTED, who="Ada", why="wrong week", shown=shown, as_of=launch_day)
    late = launch_day + timedelta(days=60)
    assert ask_for_approvals(late) == ask_for_approvals(late) == 0
    send(late)
    close_waves(late)
    with reading(careful.engine) as connection:
        assert waiting_for_a_person(connection) == []
        (result,) = wave_results(connection, wave_ids=[asking])
        assert connection.execute(select(wave.c.finished_at)).scalar_one() is not None
    assert result.skipped[Reason.EXPIRED] == REACHED
    assert standing(careful, asking) == (REJECTED if is_rejected else OPEN)
    assert messages_in_the_outbox(careful) == 0


# ---- tests of a message


def test_a_test_reaches_those_named_and_is_no_delivery(
    careful: Installation, asking: int, launch_day: datetime
) -> None:
    tried = send_test(asking, ["e3", " e4 ", "e3", "nobody"], who="Ada", as_of=launch_day)
    assert tried.sent == 2
    assert tried.problems == ("nobody: no learner has the external id 'nobody'",)
    assert messages_in_the_outbox(careful) == 2
    with reading(careful.engine) as connection:
        rows = connection.execute(select(delivery.c.state, func.count()).group_by(delivery.c.state)).all()
        assert {tuple(row) for row in rows} == {("planned", REACHED), ("skipped", 2)}
        assert connection.execute(select(func.count()).select_from(handover)).scalar_one() == 0
        said = connection.execute(select(audit.c.who, audit.c.subject).where(audit.c.what == "wave tested")).all()
    assert [tuple(row) for row in said] == [("Ada", f"{asking} e3"), ("Ada", f"{asking} e4")]
    assert standing(careful, asking) == HELD


def test_a_test_says_that_it_is_one_in_its_subject(careful: Installation, asking: int, launch_day: datetime) -> None:
    send_test(asking, ["e4"], who="Ada", as_of=launch_day)
    written = b"".join(path.read_bytes() for path in careful.settings.outbox_dir.rglob("*") if path.is_file())
    assert f"Subject: {MARK} ".encode() in written


def test_every_kind_of_message_can_be_marked() -> None:
    letter = EmailBody("Hello", "<p>Hello</p>", "Hello", "L&D", "l@example.org")
    assert marked(letter).subject == "[Test] Hello"
    template = EmailTemplate("Hello ~1~", "", "", "L&D", "l@example.org", tags=("~1~",))
    assert marked(SharedEmail(template, {"~1~": "Ada"})).subject == "[Test] Hello Ada"
    assert marked(SmsBody("Hello")).text == "[Test] Hello"
    card = marked(CardBody('{"type": "AdaptiveCard", "body": [{"type": "TextBlock", "text": "Hello"}]}', "Hello"))
    assert card.summary == "[Test] Hello"
    assert [each["text"] for each in json.loads(card.json)["body"]] == ["[Test]", "Hello"]
    blocks = marked(CardBody('{"blocks": [{"type": "divider"}]}', "Hello"))
    assert [each["type"] for each in json.loads(blocks.json)["blocks"]] == ["context", "divider"]


def test_asking_for_the_same_test_again_sends_nothing(careful: Installation, asking: int, launch_day: datetime) -> None:
    for _ in range(2):
        assert send_test(asking, ["e3"], who="Ada", key="run-1", as_of=launch_day).sent == 1
    assert messages_in_the_outbox(careful) == 1
    send_test(asking, ["e3"], who="Ada", key="run-2", as_of=launch_day)
    assert messages_in_the_outbox(careful) == 2


def test_a_test_respects_what_a_learner_wants_and_what_ops_switched(
    careful: Installation, asking: int, launch_day: datetime
) -> None:
    with writing(careful.engine) as connection:
        gone = connection.execute(select(learner.c.id).where(learner.c.external_id == "e3")).scalar_one()
        opt_out(connection, gone, channel=ANY_CHANNEL, family=ANY_FAMILY, source="test", at=launch_day)
        connection.execute(update(learner).where(learner.c.external_id == "e5").values(active=False))
        connection.execute(update(learner).where(learner.c.external_id == "e6").values(email=None))
        pause_channel(connection, "email", reason="mended", at=launch_day)
    tried = send_test(asking, ["e3", "e4", "e5", "e6"], who="Ada", as_of=launch_day)
    assert tried.sent == 0
    assert [each.split(": ")[0] for each in tried.problems] == ["e3", "e4", "e5", "e6"]
    assert Reason.OPTED_OUT in tried.problems[0]
    assert "paused" in tried.problems[1]
    assert "left" in tried.problems[2]
    assert Reason.NO_ADDRESS in tried.problems[3]
    assert messages_in_the_outbox(careful) == 0
