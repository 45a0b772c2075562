"""The page of a wave adds up, speaks in words and of nobody; outside of a run nothing counts as told."""

from __future__ import annotations

import asyncio
import itertools
import re
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import func, insert, select

from flows.dispatch import dispatch
from flows.launch import launch
from pushpull.db import reading, writing
from pushpull.insights.funnel import Funnel, Step, funnel
from pushpull.learners.tables import learner
from pushpull.ledger.campaigns import hold_campaign, hold_wave, pause_channel, pause_wave, wave_id_of
from pushpull.ledger.notices import NoticeKind, news
from pushpull.ledger.results import WaveResult, recent_waves, wave_results
from pushpull.ledger.tables import delivery, delivery_event, notice, wave
from pushpull.ledger.vocabulary import DeliveryState, EventKind, HoldReason
from pushpull.ledger.waiting import waiting_for_a_person
from tasks.installation import Installation
from tasks.report import refresh_pages, report_changes
from tasks.wave_page import wave_page
from tests.flows.conftest import CAMPAIGN, PEOPLE, company, launch_day

__all__ = ["company", "launch_day"]

ANNOUNCEMENT = "launch.announcement@2026-01-12"


def sent(company: Installation, launch_day: datetime) -> datetime:
    """Plan and send the launch; when it was sent."""
    at = launch_day + timedelta(hours=9)
    asyncio.run(launch.fn(campaign=CAMPAIGN, as_of=launch_day.isoformat()))
    asyncio.run(dispatch.fn(as_of=at.isoformat()))
    return at


def look(company: Installation, at: datetime) -> tuple[WaveResult, Funnel]:
    with reading(company.engine) as connection:
        wave_id = wave_id_of(connection, CAMPAIGN, ANNOUNCEMENT)
        (result,) = wave_results(connection, wave_ids=[wave_id])
        return result, funnel(connection, CAMPAIGN, as_of=at)


def page_of(company: Installation, at: datetime) -> str:
    result, so_far = look(company, at)
    with reading(company.engine) as connection:
        waiting = waiting_for_a_person(connection)
    return wave_page(result, waiting=waiting, funnel=so_far, settings=company.settings, as_of=at)


def table_of(page: str, heading: str) -> list[list[str]]:
    """The cells of the table below a heading, without its head."""
    lines = page.partition(heading)[2].strip().splitlines()
    rows = itertools.takewhile(bool, lines)
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows][2:]


def test_the_states_and_channels_of_a_page_add_up_to_the_audience(company: Installation, launch_day: datetime) -> None:
    rows = table_of(page_of(company, sent(company, launch_day)), "## What became of it")
    *states, (_, *totals) = rows
    assert [sum(int(row[column]) for row in states) for column in range(1, len(totals) + 1)] == [int(x) for x in totals]
    assert int(totals[-1]) == PEOPLE
    assert sum(int(each) for each in totals[:-1]) == PEOPLE


def test_a_page_says_why_in_words_and_names_nobody(company: Installation, launch_day: datetime) -> None:
    with writing(company.engine) as connection:
        canary = {"external_id": "canary-id", "given_name": "Canaryname", "email": None, "draw": 2**30}
        stamps = {"created_at": launch_day, "updated_at": launch_day}
        connection.execute(insert(learner).values(**canary, **stamps))
    page = page_of(company, sent(company, launch_day))
    reasons = {reason: int(many) for reason, many in table_of(page, "### Not sent")}
    result, _ = look(company, launch_day)
    assert reasons["no address"] == 1
    assert sum(reasons.values()) == sum(result.skipped.values())
    assert not re.search("canary|Given[0-9]|example.org|no_address", page, re.IGNORECASE)


def test_a_page_shows_no_number_about_fewer_than_five_people(company: Installation, launch_day: datetime) -> None:
    at = sent(company, launch_day)
    result, _ = look(company, at)
    with writing(company.engine) as connection:
        reached = delivery.c.state == DeliveryState.ACCEPTED.value
        row = connection.execute(select(delivery).where(delivery.c.wave_id == result.wave_id, reached).limit(1)).one()
        campaign_id = connection.execute(select(wave.c.campaign_id).where(wave.c.id == row.wave_id)).scalar_one()
        connection.execute(
            insert(delivery_event).values(
                source="test",
                source_id="1",
                wave_id=row.wave_id,
                rotation=row.rotation,
                learner_id=row.learner_id,
                campaign_id=campaign_id,
                kind=EventKind.CLICKED.value,
                occurred_at=at,
            )
        )
    _, so_far = look(company, at)
    assert so_far[Step.CLICKED].count == 1
    page = page_of(company, at)
    steps = dict(table_of(page, "## The campaign so far"))
    assert int(steps["reached"]) >= 5
    assert steps["clicked"] == "·"
    assert all(many == "·" or int(many) >= 5 for many in steps.values())


def test_a_page_says_what_waits_and_what_answers_it(company: Installation, launch_day: datetime) -> None:
    at = sent(company, launch_day)
    assert "A person is needed" not in page_of(company, at)
    with writing(company.engine) as connection:
        wave_id = wave_id_of(connection, CAMPAIGN, ANNOUNCEMENT)
        hold_wave(connection, wave_id, HoldReason.MISFIRE, why="late", at=at)
        pause_channel(connection, "email", reason="the key was revoked", at=at)
        pause_channel(connection, "slack", reason="not used by this wave", at=at)
        hold_campaign(connection, CAMPAIGN, why="opt-outs: 7 for 120", at=at)
    page = page_of(company, at)
    assert "is late and asks whether it is still wanted" in page
    for command in (f"wave release {CAMPAIGN} {ANNOUNCEMENT}", "channel resume email", f"campaign resume {CAMPAIGN}"):
        assert f"`pushpull {command}`" in page
    assert "slack" not in page


def test_a_page_keeps_a_persons_words_to_itself(company: Installation, launch_day: datetime) -> None:
    at = sent(company, launch_day)
    with writing(company.engine) as connection:
        wave_id = wave_id_of(connection, CAMPAIGN, ANNOUNCEMENT)
        pause_wave(connection, wave_id, who="ada", why="Given1 complained", at=at)
    page = page_of(company, at)
    assert "It is paused." in page
    assert "Given1" not in page


def test_a_page_links_only_to_what_is_there(company: Installation, launch_day: datetime) -> None:
    at = sent(company, launch_day)
    assert "[Outbox](http://127.0.0.1:8080/outbox/)" in page_of(company, at)
    assert "Report of the campaign" not in page_of(company, at)
    url = "https://intranet.example.org/reports/{campaign}.html"
    real = company.settings.model_copy(update={"channels": "email", "report_url": url})
    page = page_of(replace(company, settings=real), at)
    assert f"https://intranet.example.org/reports/{CAMPAIGN}.html" in page
    assert "Outbox" not in page
    behind_a_sign_in = company.settings.model_copy(update={"oidc_sponsor_group": "sponsors"})
    page = page_of(replace(company, settings=behind_a_sign_in), at)
    assert f"[Report of the campaign](http://127.0.0.1:8080/sponsor/report/{CAMPAIGN})" in page


def test_outside_of_a_run_nothing_counts_as_told(company: Installation, launch_day: datetime) -> None:
    at = sent(company, launch_day)
    assert report_changes(at) == []
    refresh_pages(at)
    with writing(company.engine) as connection:
        assert connection.execute(select(func.count()).select_from(notice)).scalar_one() == 0
        hold_wave(connection, wave_id_of(connection, CAMPAIGN, ANNOUNCEMENT), HoldReason.MISFIRE, why="late", at=at)
        assert NoticeKind.WAVE_HELD in {each.kind for each in news(connection, at=at)}


def test_recent_waves_are_those_something_may_still_happen_to(company: Installation, launch_day: datetime) -> None:
    at = sent(company, launch_day)
    result, _ = look(company, at)
    with reading(company.engine) as connection:
        assert recent_waves(connection, since=at) == [result.wave_id]
        finished = not result.open
        assert (result.wave_id in recent_waves(connection, since=at + timedelta(days=30))) is not finished
