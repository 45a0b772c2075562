"""A wave that would not arrive is held before its first message leaves; a person's word lets it go all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, delete, select, update

from channels.wire import NobodyKnows
from flows.dispatch import dispatch
from pushpull.catalogue.tables import item
from pushpull.db import reading, writing
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.campaigns import release_wave, wave_id_of
from pushpull.ledger.due import due_waves
from pushpull.ledger.events import DeliveryFact, record_facts
from pushpull.ledger.outcomes import Rejected
from pushpull.ledger.preflight import MailRecord, candidates, mail_record
from pushpull.ledger.provider_objects import ASM_GROUP, SENDGRID, keep
from pushpull.ledger.tables import audit, delivery, handover, provider_object, wave
from pushpull.ledger.vocabulary import DeliveryState, EventKind, HoldReason, WaveStatus
from pushpull.ledger.waiting import waiting_for_a_person
from pushpull.settings import Settings
from tasks.installation import Installation, installed
from tasks.preflight import Outside, asking, cleared, findings_for, preflight
from tests.channels.test_deliverability import GOOD_DNS, Zone
from tests.flows.conftest import CAMPAIGN, company, launch_day
from tests.flows.test_stages import messages_in_the_outbox
from tests.ledger.builders import MONDAY, NOON, Sink, a_campaign, a_wave, drained, learners, planned
from tests.tasks.test_waiting import ANNOUNCEMENT, _plan

__all__ = ["company", "launch_day"]

FAMILY = "learning"
DNS = {name.replace("example.org", "larkfield.example"): texts for name, texts in GOOD_DNS.items()}


class World:
    """A DNS and a web where all is well until a test breaks it."""

    def __init__(self) -> None:
        self.texts: dict[str, Sequence[str] | None] = dict(DNS)
        self.zone = Zone(self.texts)
        self.status = 200
        self.tried: list[str] = []

    def probe(self, url: str, deadline: float) -> int:
        self.tried.append(url)
        if self.status == 0:
            raise NobodyKnows("read_timeout")
        return self.status


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    with asking(Outside(made.zone, made.probe)):
        yield made


def real(here: Installation, **other: object) -> Settings:
    values: dict[str, object] = {
        "channels": "email,teams,slack,sms",
        "base_url": "https://learn.larkfield.example",
        "link_key": "0123456789abcdef" * 4,
        "sendgrid_api_key": "SG.not-a-key",
        "teams_tenant_id": "tenant",
        "teams_client_id": "client",
        "teams_client_secret": "not a secret",
        "slack_bot_token": "xoxb-not-a-token",
        "twilio_account_sid": "AC0",
        "twilio_auth_token": "not a token",
        "twilio_messaging_service_sid": "MG0",
        "outbox_dir": here.settings.outbox_dir,
        **other,
    }
    return Settings(_env_file=None, **values)  # type: ignore[arg-type]


@pytest.fixture
def sending(company: Installation, launch_day: datetime, world: World) -> Iterator[Installation]:
    """The company, as if its messages really left, with its launch planned and everything in order."""
    with installed(replace(company, settings=real(company))) as here:
        with writing(here.engine) as connection:
            keep(connection, SENDGRID, ASM_GROUP, key=FAMILY, value="7", at=launch_day)
            connection.execute(update(item).values(url="https://lms.larkfield.example/course"))
        _plan(launch_day)
        yield here


def the_wave(here: Installation) -> int:
    with reading(here.engine) as connection:
        return wave_id_of(connection, CAMPAIGN, ANNOUNCEMENT)


def status_of(engine: Engine, wave_id: int) -> tuple[str, str | None]:
    with reading(engine) as connection:
        row = connection.execute(select(wave.c.status, wave.c.status_reason).where(wave.c.id == wave_id)).one()
        return row.status, row.status_reason


HELD = (WaveStatus.HELD.value, HoldReason.PREFLIGHT.value)
OPEN = (WaveStatus.OPEN.value, None)


def test_a_wave_in_order_may_start(sending: Installation, launch_day: datetime) -> None:
    assert preflight([the_wave(sending)], launch_day) == []
    assert status_of(sending.engine, the_wave(sending)) == OPEN
    assert findings_for(CAMPAIGN, launch_day) == []


def test_a_wave_that_fails_is_held_and_says_why(sending: Installation, launch_day: datetime, world: World) -> None:
    del world.texts["_dmarc.larkfield.example"]
    wave_id = the_wave(sending)
    assert preflight([wave_id], launch_day) == [wave_id]
    assert status_of(sending.engine, wave_id) == HELD
    with reading(sending.engine) as connection:
        (waiting,) = waiting_for_a_person(connection)
        assert due_waves(connection, now=launch_day + timedelta(hours=9), global_holdout=0) == []
    assert waiting.what == ANNOUNCEMENT
    assert "larkfield.example has no DMARC record" in waiting.why
    assert waiting.command == f"pushpull wave release {CAMPAIGN} {ANNOUNCEMENT}"


def test_only_waves_that_were_not_held_are_sent(sending: Installation, launch_day: datetime, world: World) -> None:
    nine = launch_day + timedelta(hours=9)
    with reading(sending.engine) as connection:
        due = due_waves(connection, now=nine, global_holdout=0)
    assert cleared(due, nine) == due != []
    world.status = 404
    assert cleared(due, nine) == []
    assert cleared([], nine) == []


def test_a_released_wave_is_not_asked_about_again(sending: Installation, launch_day: datetime, world: World) -> None:
    world.status = 410
    wave_id = the_wave(sending)
    assert preflight([wave_id], launch_day) == [wave_id]
    with writing(sending.engine) as connection:
        release_wave(connection, wave_id, who="ada", why="the page comes back at nine", at=launch_day)
    assert preflight([wave_id], launch_day) == []
    assert status_of(sending.engine, wave_id) == OPEN


def test_a_release_for_another_reason_answers_no_check(
    sending: Installation, launch_day: datetime, world: World
) -> None:
    world.status = 410
    wave_id = the_wave(sending)
    with writing(sending.engine) as connection:
        release_wave(connection, wave_id, who="ada", why="approved", at=launch_day)
    assert preflight([wave_id], launch_day) == [wave_id]


def test_a_wave_that_has_started_is_left_alone(sending: Installation, launch_day: datetime, world: World) -> None:
    world.status = 404
    wave_id = the_wave(sending)
    sink = Sink()
    drained(sending.engine, wave_id, sink, now=launch_day + timedelta(hours=9))
    assert sink.requests
    assert preflight([wave_id], launch_day) == []


def test_warnings_hold_nothing(sending: Installation, launch_day: datetime, world: World) -> None:
    world.status = 0
    world.texts.update(dict.fromkeys(DNS))
    assert preflight([the_wave(sending)], launch_day) == []
    found = findings_for(CAMPAIGN, launch_day)
    assert {"spf-unknown", "dkim-unknown", "dmarc-unknown", "link-not-reached"} == {each.code for each in found}


def test_a_family_without_an_unsubscribe_group_is_held(sending: Installation, launch_day: datetime) -> None:
    with writing(sending.engine) as connection:
        connection.execute(delete(provider_object))
    assert [each.code for each in findings_for(CAMPAIGN, launch_day) if each.is_error] == ["unsubscribe-group-missing"]
    assert preflight([the_wave(sending)], launch_day) == [the_wave(sending)]


def test_a_channel_that_is_not_set_up_matters_where_somebody_is_to_be_reached_by_it(
    sending: Installation, launch_day: datetime
) -> None:
    wave_id = the_wave(sending)
    with reading(sending.engine) as connection:
        (candidate,) = candidates(connection, [wave_id])
    assert candidate.used == {Channel.EMAIL}
    assert candidate.listed > candidate.used
    with installed(replace(sending, settings=real(sending, channels="email"))):
        assert preflight([wave_id], launch_day) == []
        found = findings_for(CAMPAIGN, launch_day)
        assert {each.code for each in found} == {"channel-unused"}
        assert not any(each.is_error for each in found)
    with installed(replace(sending, settings=real(sending, channels="teams"))):
        assert preflight([wave_id], launch_day) == [wave_id]
        errors = {each.code for each in findings_for(CAMPAIGN, launch_day) if each.is_error}
        assert errors == {"channel-missing"}  # some of its waves go by e-mail alone


def test_the_sandbox_and_stand_ins_are_not_checked(sending: Installation, launch_day: datetime, world: World) -> None:
    world.status = 404
    here = "http://127.0.0.1:9"
    providers = ("sendgrid_url", "bot_url", "graph_url", "login_url", "slack_url", "twilio_url")
    for chosen in (
        Settings(_env_file=None, outbox_dir=sending.settings.outbox_dir),
        real(sending, **dict.fromkeys(providers, here), base_url="http://127.0.0.1:8080"),
    ):
        with installed(replace(sending, settings=chosen)):
            assert preflight([the_wave(sending)], launch_day) == []
    assert world.tried == []
    assert world.zone.asked == []


def test_in_the_sandbox_a_person_may_ask_what_is_missing(company: Installation, world: World) -> None:
    codes = {each.code for each in findings_for(CAMPAIGN)}
    assert {"base-url-private", "link-key-public", "unsubscribe-group-missing", "link-missing"} <= codes


def test_a_campaign_whose_files_are_gone_is_held(sending: Installation, launch_day: datetime) -> None:
    with writing(sending.engine) as connection:
        a_campaign(connection, "vanished")
    wave_id = planned(sending.engine, a_wave(campaign="vanished"))
    assert preflight([wave_id], launch_day) == [wave_id]


def test_the_dns_is_asked_about_a_domain_once_an_hour(
    sending: Installation, launch_day: datetime, world: World
) -> None:
    def questions(at: datetime) -> int:
        before = len(world.zone.asked)
        assert preflight([the_wave(sending)], at) == []
        return len(world.zone.asked) - before

    assert questions(launch_day) > 0
    assert questions(launch_day + timedelta(minutes=59)) == 0
    assert questions(launch_day + timedelta(minutes=61)) > 0
    assert questions(launch_day) > 0  # a clock that went back knows nothing
    world.texts["_dmarc.larkfield.example"] = None
    assert questions(launch_day + timedelta(hours=3)) > 0
    assert questions(launch_day + timedelta(hours=3, minutes=4)) == 0
    assert questions(launch_day + timedelta(hours=3, minutes=6)) > 0  # nobody could tell: sooner


def test_two_waves_of_a_campaign_are_checked_once(sending: Installation, launch_day: datetime, world: World) -> None:
    first = the_wave(sending)
    with reading(sending.engine) as connection:
        many = list(connection.execute(select(wave.c.id).order_by(wave.c.id)).scalars())
    preflight([*many, first, first], launch_day)
    assert len(world.tried) == len(set(world.tried)) == 1


def test_held_waves_leave_a_reason_in_the_audit_without_a_person_in_it(
    sending: Installation, launch_day: datetime, world: World
) -> None:
    world.status = 404
    preflight([the_wave(sending)], launch_day)
    preflight([the_wave(sending)], launch_day)
    with reading(sending.engine) as connection:
        (why,) = connection.execute(select(audit.c.why).where(audit.c.what == "wave held")).scalars()
    assert why.startswith("preflight: ")
    assert "@" not in why


# --- in the dispatch ---


def test_a_dispatch_sends_nothing_of_a_wave_that_fails_until_a_person_says_so(
    sending: Installation, launch_day: datetime, world: World
) -> None:
    nine = launch_day + timedelta(hours=9)
    world.status = 404
    asyncio.run(dispatch.fn(as_of=nine.isoformat()))
    assert messages_in_the_outbox(sending) == 0
    assert status_of(sending.engine, the_wave(sending)) == HELD
    with writing(sending.engine) as connection:
        release_wave(connection, the_wave(sending), who="ada", why="send it all the same", at=nine)
    asyncio.run(dispatch.fn(as_of=nine.isoformat()))
    assert messages_in_the_outbox(sending) > 0


# --- what came back of earlier mail ---


def facts(wave_id: int, people: Sequence[int], kind: EventKind, *, repeated: int = 1) -> list[DeliveryFact]:
    return [
        DeliveryFact("provider", f"{wave_id}-{who}-{kind}-{at}", wave_id, 0, who, kind, NOON)
        for who in people
        for at in range(repeated)
    ]


def test_the_record_counts_each_e_mail_once(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        people = learners(connection, 20)
    wave_id = planned(engine, a_wave())
    drained(engine, wave_id, Sink({people[0]: [Rejected("no")]}))
    with writing(engine) as connection:
        record_facts(connection, facts(wave_id, people[1:], EventKind.DELIVERED))
        record_facts(connection, facts(wave_id, people[1:4], EventKind.BOUNCED, repeated=3))
        record_facts(connection, facts(wave_id, people[3:5], EventKind.UNDELIVERED))
        record_facts(connection, facts(wave_id, people[5:7], EventKind.COMPLAINED, repeated=2))
        record_facts(connection, facts(wave_id, people[7:], EventKind.OPENED))
    with reading(engine) as connection:
        assert mail_record(connection, now=NOON) == MailRecord(accepted=19, bounced=3, delivered=15, complaints=2)
        nothing = MailRecord(accepted=0, bounced=0, delivered=0, complaints=0)
        assert mail_record(connection, now=NOON + timedelta(days=30)) == nothing
        assert mail_record(connection, now=NOON - timedelta(minutes=1)) == nothing
        assert mail_record(connection, now=NOON + timedelta(days=29)).complaints == 2


def test_only_e_mails_count_in_the_record(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        people = learners(connection, 3)
    on_teams = planned(engine, a_wave(channels=(Channel.TEAMS,)))
    drained(engine, on_teams)
    with writing(engine) as connection:
        record_facts(connection, facts(on_teams, people, EventKind.COMPLAINED))
    by_mail = planned(engine, a_wave(on=MONDAY + timedelta(days=1)), as_of=NOON)
    drained(engine, by_mail, now=NOON + timedelta(days=1))
    with reading(engine) as connection:
        assert connection.execute(select(delivery.c.channel).distinct().order_by(delivery.c.channel)).scalars().all()
        record = mail_record(connection, now=NOON + timedelta(days=2))
    assert record == MailRecord(accepted=3, bounced=0, delivered=3, complaints=0)


def test_too_many_complaints_hold_the_next_wave(sending: Installation, launch_day: datetime) -> None:
    with writing(sending.engine) as connection:
        a_campaign(connection, "earlier")
    earlier = planned(sending.engine, a_wave(campaign="earlier"), as_of=launch_day)
    drained(sending.engine, earlier, now=launch_day + timedelta(hours=9))
    later = launch_day + timedelta(hours=10)
    with writing(sending.engine) as connection:
        sent = delivery.c.wave_id == earlier, delivery.c.state == DeliveryState.ACCEPTED.value
        people = list(connection.execute(select(delivery.c.learner_id).where(*sent).limit(3)).scalars())
        record_facts(connection, facts(earlier, people, EventKind.COMPLAINED))
    assert len(people) == 3
    (few,) = findings_for(CAMPAIGN, later)
    assert (few.code, few.is_error) == ("complaints", False)  # three of forty: too few to say
    with writing(sending.engine) as connection:
        connection.execute(update(handover).where(handover.c.wave_id == earlier).values(accepted=1000))
    (many,) = findings_for(CAMPAIGN, later)
    assert (many.code, many.is_error) == ("complaints", True)
    assert preflight([the_wave(sending)], later) == [the_wave(sending)]
