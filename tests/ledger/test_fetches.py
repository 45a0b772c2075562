"""Openings of links: what is kept, and which of them become clicks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, Row, select

from pushpull.db import reading, writing
from pushpull.learners.tables import lifecycle_event
from pushpull.learners.vocabulary import LifecycleKind
from pushpull.ledger.events import DeliveryFact, record_facts
from pushpull.ledger.fetches import SETTLES_AFTER, Followed, record, record_clicks
from pushpull.ledger.readers import TRAP_REACH
from pushpull.ledger.tables import delivery, delivery_event, fetch, handover
from pushpull.ledger.vocabulary import EventKind, FetchKind, Reader
from tests.ledger.builders import NOON, a_campaign, a_learner, a_wave, drained, planned
from tests.ledger.test_readers import FIREFOX

LATER = NOON + timedelta(hours=3)
SETTLED = LATER + SETTLES_AFTER + timedelta(minutes=1)


@dataclass
class Sent:
    """A wave that has reached two people."""

    engine: Engine
    campaign_id: int
    wave_id: int
    people: tuple[int, int]

    def opens(
        self,
        who: int = 0,
        token: str = "a",
        *,
        kind: FetchKind = FetchKind.LANDING,
        at: datetime = LATER,
        keeps_person: bool = True,
        **said: Any,
    ) -> Reader:
        followed = Followed(kind, token, self.people[who], self.campaign_id, self.wave_id, 0)
        with writing(self.engine) as connection:
            opening = replace(FIREFOX, **said)
            return record(connection, followed, opening, network="n", at=at, keeps_person=keeps_person).reader

    def kept(self) -> list[Row[Any]]:
        with reading(self.engine) as connection:
            return list(connection.execute(select(fetch).order_by(fetch.c.id)).all())

    def readers(self) -> list[str]:
        return [row.reader for row in self.kept()]

    def clicks(self, now: datetime = SETTLED) -> int:
        with writing(self.engine) as connection:
            return record_clicks(connection, now=now)


@pytest.fixture
def sent(engine: Engine) -> Sent:
    with writing(engine) as connection:
        campaign_id = a_campaign(connection)
        people = (a_learner(connection), a_learner(connection))
    wave_id = planned(engine, a_wave())
    drained(engine, wave_id)
    with writing(engine) as connection:  # as if it had left at noon of that day
        connection.execute(handover.update().values(intended_at=NOON))
    return Sent(engine, campaign_id, wave_id, people)


def test_an_opening_is_kept_with_what_it_was_taken_for(sent: Sent) -> None:
    assert sent.opens() is Reader.HUMAN
    (row,) = sent.kept()
    assert (row.kind, row.reader, row.why, row.token_id) == ("landing", "human", "navigation", "a")
    assert (row.learner_id, row.campaign_id, row.wave_id) == (sent.people[0], sent.campaign_id, sent.wave_id)
    assert row.at == LATER


def test_nothing_else_is_changed_until_it_has_settled(sent: Sent) -> None:
    sent.opens()
    assert sent.clicks(now=LATER + SETTLES_AFTER - timedelta(seconds=1)) == 0
    assert sent.clicks() == 1


def test_a_click_is_told_once_for_each_delivery_and_moves_the_lifecycle(sent: Sent) -> None:
    for token in ("a", "b"):
        sent.opens(0, token, at=LATER + timedelta(minutes=ord(token)))
    sent.opens(1)
    later = SETTLED + timedelta(hours=3)
    assert sent.clicks(later) == 2
    sent.opens(0, "c", at=later)
    assert sent.clicks(later + timedelta(hours=1)) == 0
    with reading(sent.engine) as connection:
        told = connection.execute(select(delivery_event).order_by(delivery_event.c.learner_id)).all()
        moved = connection.execute(
            select(lifecycle_event.c.learner_id).where(lifecycle_event.c.kind == LifecycleKind.CLICKED.value)
        ).scalars()
        assert sorted(moved) == list(sent.people)
        states = set(connection.execute(select(delivery.c.state)).scalars())
    assert [(row.kind, row.source, row.campaign_id) for row in told] == [("clicked", "page", sent.campaign_id)] * 2
    assert told[0].occurred_at == LATER + timedelta(minutes=ord("a"))
    assert states == {"delivered"}


@pytest.mark.parametrize(
    "said",
    [{"method": "HEAD"}, {"agent": "curl/8.5.0"}, {"accept_language": ""}, {"fetch_mode": "", "fetch_dest": ""}],
    ids=lambda said: next(iter(said)),
)
def test_only_a_person_clicks(sent: Sent, said: dict[str, Any]) -> None:
    assert sent.opens(**said) is not Reader.HUMAN
    assert sent.clicks() == 0


def test_nobody_reads_a_message_in_the_second_it_leaves(sent: Sent) -> None:
    assert sent.opens(at=NOON + timedelta(seconds=2)) is Reader.SCANNER
    assert sent.opens(at=NOON + timedelta(seconds=14)) is Reader.UNKNOWN
    assert [row.why for row in sent.kept()] == ["too_soon", "soon"]


def test_who_opens_a_message_too_soon_presses_no_button_on_the_page_either(sent: Sent) -> None:
    assert sent.opens(at=NOON + timedelta(seconds=2)) is Reader.SCANNER
    assert sent.opens(kind=FetchKind.START, token="", at=NOON + timedelta(seconds=3)) is Reader.SCANNER
    assert sent.clicks() == 0
    assert sent.opens(kind=FetchKind.START, token="", at=LATER) is Reader.HUMAN
    assert sent.clicks() == 1


def test_all_links_of_a_message_at_once_were_a_scanners_from_the_first_one_on(sent: Sent) -> None:
    sent.opens(token="a")
    sent.opens(token="u", kind=FetchKind.UNSUBSCRIBE, at=LATER + timedelta(seconds=1))
    assert sent.readers() == ["human", "human"]
    sent.opens(token="p", kind=FetchKind.PREFERENCES, at=LATER + timedelta(seconds=2))
    assert sent.readers() == ["scanner"] * 3
    assert {row.why for row in sent.kept()} == {"burst"}
    sent.opens(1)  # somebody else, at the same time, from the same network
    assert sent.readers()[-1] == "human"
    assert sent.clicks() == 1


def test_openings_that_did_not_see_each_other_are_thought_about_before_they_are_told(sent: Sent) -> None:
    for n, token in enumerate("abc"):
        sent.opens(token=token, at=LATER + timedelta(seconds=n))
    with writing(sent.engine) as connection:  # as several web servers leave it that open transactions at once
        connection.execute(fetch.update().values(reader="human", why="navigation"))
    assert sent.clicks() == 0
    assert sent.readers() == ["scanner"] * 3


def test_what_follows_a_trap_and_what_went_before_it_was_a_scanners(sent: Sent) -> None:
    sent.opens(at=LATER - timedelta(hours=1))
    sent.opens()
    assert sent.opens(token="t", kind=FetchKind.TRAP, at=LATER + timedelta(seconds=40)) is Reader.SCANNER
    sent.opens(token="b", at=LATER + timedelta(seconds=80))
    assert sent.readers() == ["human", "scanner", "scanner", "scanner"]
    sent.opens(token="b", at=LATER + timedelta(seconds=41) + TRAP_REACH)
    assert sent.readers()[-1] == "human"


def test_under_an_agreement_with_the_works_council_nobodys_click_is_kept(sent: Sent) -> None:
    assert sent.opens(keeps_person=False) is Reader.HUMAN
    (row,) = sent.kept()
    assert (row.learner_id, row.token_id) == (None, None)
    assert (row.wave_id, row.campaign_id) == (sent.wave_id, sent.campaign_id)
    assert sent.clicks() == 0


def test_a_link_of_a_message_that_was_never_sent_is_nobodys_click(sent: Sent) -> None:
    with writing(sent.engine) as connection:
        stranger = a_learner(connection)
        followed = Followed(FetchKind.LANDING, "a", stranger, sent.campaign_id, sent.wave_id, 0)
        record(connection, followed, FIREFOX, network="n", at=LATER, keeps_person=True)
    assert sent.clicks() == 0


def test_the_cursor_never_passes_an_opening_that_has_not_settled(sent: Sent) -> None:
    sent.opens(0, at=SETTLED)  # a web server whose clock is ahead
    sent.opens(1)
    assert sent.clicks() == 0
    assert sent.clicks(SETTLED + SETTLES_AFTER + timedelta(seconds=1)) == 2


def test_a_click_that_a_provider_told_of_is_another_ones_word(sent: Sent) -> None:
    fact = DeliveryFact("provider", "x", sent.wave_id, 0, sent.people[0], EventKind.CLICKED, LATER)
    with writing(sent.engine) as connection:
        record_facts(connection, [fact])
    sent.opens()
    assert sent.clicks() == 1
