"""Letters carried to the e-mail channel: once, with what opens the right page and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Engine, select

from channels.base import Limits
from pushpull.db import reading, writing
from pushpull.learners.consent import suppress
from pushpull.learners.tables import learner
from pushpull.learners.vocabulary import Channel, SuppressionReason
from pushpull.ledger.campaigns import pause_channel
from pushpull.ledger.letters import ask
from pushpull.ledger.links import LinkSigner, Purpose
from pushpull.ledger.messages import EmailBody, OutgoingMessage
from pushpull.ledger.outcomes import Accepted, ChannelStopped, NotSent, Outcome, Rejected, Uncertain
from pushpull.ledger.switches import set_switch
from pushpull.ledger.tables import campaign, letter
from pushpull.ledger.vocabulary import LetterKind, SwitchName
from pushpull.settings import Settings
from tasks.installation import Installation, installed
from tasks.letters import send_letters
from tests.ledger.builders import a_campaign, a_learner

NOW = datetime(2026, 1, 12, 12, tzinfo=UTC)
SETTINGS = Settings(_env_file=None, base_url="https://learn.example", link_key="a secret of the tests alone")


class Post:
    """An e-mail channel that keeps what it gets, and answers as it is told."""

    channel, can_look_up = Channel.EMAIL, False
    limits = Limits(batch_size=1)

    def __init__(self) -> None:
        self.got: list[OutgoingMessage] = []
        self.answer: Outcome | Exception = Accepted()
        self.meanwhile: Callable[[], object] = lambda: None

    def send(self, messages: Sequence[OutgoingMessage], *, deadline: float, **_: object) -> Sequence[Outcome]:
        self.got.extend(messages)
        self.meanwhile()
        if isinstance(self.answer, Exception):
            raise self.answer
        return [self.answer] * len(messages)

    def look_up(self, questions: object) -> Sequence[Any]:
        return []


@pytest.fixture
def office(engine: Engine) -> Iterator[SimpleNamespace]:
    post = Post()
    with writing(engine) as connection:
        campaign_id = a_campaign(connection)
        connection.execute(campaign.update().values(definition={"brand": "larkfield"}))
        ada = a_learner(connection, external_id="ada", given_name="Ada", email="ada@example.org")
        bo = a_learner(connection, external_id="bo", email="bo@example.org", preferred_language="fr")
    here = Installation(
        settings=SETTINGS,
        engine=engine,
        links=LinkSigner.of(SETTINGS),
        adapters={Channel.EMAIL: post},  # type: ignore[dict-item]
    )
    with installed(here):
        yield SimpleNamespace(post=post, engine=engine, campaign_id=campaign_id, ada=ada, bo=bo, here=here)


def asked(office: SimpleNamespace, who: int, kind: LetterKind = LetterKind.FRESH_LINK) -> None:
    with writing(office.engine) as connection:
        assert ask(connection, who, kind, campaign_id=office.campaign_id, at=NOW)


def states(office: SimpleNamespace) -> list[tuple[str, str | None]]:
    with reading(office.engine) as connection:
        return [(row.state, row.note) for row in connection.execute(select(letter).order_by(letter.c.id))]


def link_in(message: OutgoingMessage) -> str:
    assert isinstance(message.body, EmailBody)
    (link,) = re.findall(r"https://learn\.example/\w/(\S+)", message.body.text)
    return str(link)


def test_a_fresh_link_opens_the_asking_learners_page_for_thirty_days(office: SimpleNamespace) -> None:
    asked(office, office.ada)
    assert send_letters(NOW) == {"sent": 1}
    (message,) = office.post.got
    assert (message.to, message.channel, message.is_mandatory) == ("ada@example.org", Channel.EMAIL, True)
    claims = office.here.links.read(link_in(message), Purpose.LANDING, NOW)
    assert (claims.learner_id, claims.campaign_id) == (office.ada, office.campaign_id)
    assert (claims.wave_id, claims.expires_at) == (None, NOW + timedelta(days=30))
    assert send_letters(NOW) == {}
    assert len(office.post.got) == 1


def test_the_way_to_ones_data_is_open_for_an_hour(office: SimpleNamespace) -> None:
    asked(office, office.bo, LetterKind.YOUR_DATA)
    send_letters(NOW)
    (message,) = office.post.got
    claims = office.here.links.read(link_in(message), Purpose.ACCOUNT, NOW)
    assert (claims.learner_id, claims.expires_at) == (office.bo, NOW + timedelta(hours=1))
    assert "Bonjour" in message.body.text


def test_that_it_is_about_to_be_sent_is_committed_before_the_call(office: SimpleNamespace) -> None:
    asked(office, office.ada)
    seen: list[Any] = []
    office.post.meanwhile = lambda: seen.extend(states(office))
    send_letters(NOW)
    assert seen == [("sending", None)]
    assert states(office) == [("sent", None)]


def test_many_senders_at_once_send_each_letter_once(office: SimpleNamespace) -> None:
    asked(office, office.ada)
    asked(office, office.bo)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: send_letters(NOW), range(12)))
    assert sorted(message.to for message in office.post.got) == ["ada@example.org", "bo@example.org"]


@pytest.mark.parametrize(
    ("answer", "state", "sent_in_all"),
    [
        (Uncertain("read_timeout"), ("uncertain", "read_timeout"), 1),
        (OSError("broken"), ("uncertain", "defect:OSError"), 1),
        (Rejected("invalid_address"), ("refused", "invalid_address"), 1),
        (NotSent("throttled"), ("sent", None), 2),
        (ChannelStopped("the key is wrong"), ("sent", None), 2),
    ],
    ids=["uncertain", "defect", "refused", "not sent", "stopped"],
)
def test_only_what_surely_did_not_leave_is_sent_again(
    office: SimpleNamespace, answer: Outcome | Exception, state: tuple[str, str | None], sent_in_all: int
) -> None:
    asked(office, office.ada)
    office.post.answer = answer
    send_letters(NOW)
    office.post.answer = Accepted()
    for minutes in (5, 30, 60):
        send_letters(NOW + timedelta(minutes=minutes))
    assert states(office) == [state]
    assert len(office.post.got) == sent_in_all


def test_nothing_is_sent_while_everything_is_paused(office: SimpleNamespace) -> None:
    asked(office, office.ada)
    with writing(office.engine) as connection:
        set_switch(connection, SwitchName.PAUSE, True, who="ops", at=NOW)
    assert send_letters(NOW) == {}
    with writing(office.engine) as connection:
        set_switch(connection, SwitchName.PAUSE, False, who="ops", at=NOW)
        pause_channel(connection, Channel.EMAIL, reason="the key is wrong", at=NOW)
    assert send_letters(NOW) == {}
    assert (office.post.got, states(office)) == ([], [("asked", None)])


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        (SwitchName.OVERRIDE_RECIPIENT, "bo", "rehearsal"),
        (SwitchName.PILOT, ["bo"], "not_a_guest"),
    ],
)
def test_in_a_rehearsal_nobody_gets_what_opens_somebody_elses_page(
    office: SimpleNamespace, name: SwitchName, value: object, why: str
) -> None:
    with writing(office.engine) as connection:
        set_switch(connection, name, value, who="ops", at=NOW)
    asked(office, office.ada)
    asked(office, office.bo)
    send_letters(NOW)
    assert states(office) == [("refused", why), ("sent", None)]
    assert [message.to for message in office.post.got] == ["bo@example.org"]


def test_a_dead_address_and_a_learner_who_is_gone_get_nothing(office: SimpleNamespace) -> None:
    asked(office, office.ada)
    asked(office, office.bo)
    with writing(office.engine) as connection:
        suppress(connection, office.ada, channel=Channel.EMAIL, reason=SuppressionReason.BOUNCED, source="x", at=NOW)
        connection.execute(learner.delete().where(learner.c.id == office.bo))
    send_letters(NOW)
    assert states(office) == [("refused", "bounced"), ("refused", "no_such_learner")]
    assert office.post.got == []


def test_without_a_brand_there_is_no_sender_and_no_letter(office: SimpleNamespace) -> None:
    with writing(office.engine) as connection:
        connection.execute(campaign.update().values(definition={"brand": "vanished"}))
    asked(office, office.ada)
    send_letters(NOW)
    assert states(office) == [("refused", "no_brand")]


def test_without_an_e_mail_channel_letters_wait(office: SimpleNamespace) -> None:
    asked(office, office.ada)
    with installed(replace(office.here, adapters={})):
        send_letters(NOW)
    assert states(office) == [("asked", "no_channel")]
