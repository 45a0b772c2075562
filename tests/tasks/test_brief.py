"""The briefing with the words of the message and what the checks find, as a person reads it before saying yes."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import func, select

from channels.base import Limits
from flows.launch import launch
from pushpull.db import reading
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.campaigns import wave_id_of
from pushpull.ledger.messages import CardBody, SmsBody
from pushpull.ledger.tables import delivery
from tasks.brief import _shown, briefing_by_key, publish_briefing
from tasks.installation import Installation, installed
from tests.flows.conftest import CAMPAIGN, PEOPLE, company, launch_day

__all__ = ["company", "launch_day"]

ANNOUNCEMENT = "launch.announcement@2026-01-12"


@pytest.fixture
def wave_id(company: Installation, launch_day: datetime) -> int:
    """The announcement, planned."""
    asyncio.run(launch.fn(campaign=CAMPAIGN, as_of=launch_day.isoformat()))
    with reading(company.engine) as connection:
        return wave_id_of(connection, CAMPAIGN, ANNOUNCEMENT)


def test_a_briefing_has_the_counts_the_words_and_the_checks(
    company: Installation, wave_id: int, launch_day: datetime
) -> None:
    briefed = briefing_by_key(CAMPAIGN, ANNOUNCEMENT, launch_day)
    with reading(company.engine) as connection:
        planned = connection.execute(
            select(func.count()).where(delivery.c.wave_id == wave_id, delivery.c.state == "planned")
        ).scalar_one()
    said = briefed.as_markdown()
    assert f"**{planned} of {PEOPLE} people get this message**" in said
    assert {each.language for each in briefed.samples} == {"en", "de", "fr", "es"}
    assert all(each.text and not each.problem for each in briefed.samples)
    assert "**Two minutes a day, starting this week**" in said
    assert said.count("```text") == 4
    assert sum(int(str(row["people"])) for row in briefed.table()) == PEOPLE


def test_the_form_gets_a_shorter_one(company: Installation, wave_id: int, launch_day: datetime) -> None:
    short = publish_briefing(wave_id, launch_day)
    whole = briefing_by_key(CAMPAIGN, ANNOUNCEMENT, launch_day).as_markdown()
    assert short.count("```text") == 1
    assert "Not shown: e-mail" in short
    heading, _, body = whole.split("## What it says")[0].partition("\n\n")
    assert heading == f"# Two minutes a day: {ANNOUNCEMENT}"
    assert short.split("## What it says")[0] == body  # the form's run has the name


def test_a_briefing_holds_nothing_about_a_person(company: Installation, wave_id: int, launch_day: datetime) -> None:
    briefed = briefing_by_key(CAMPAIGN, ANNOUNCEMENT, launch_day)
    said = briefed.as_markdown() + json.dumps(briefed.table())
    for number in range(PEOPLE):
        assert f"Given{number}" not in said
        assert f"e{number}@example.org" not in said


def test_a_price_and_a_limit_that_are_set_are_reckoned_with(
    company: Installation, wave_id: int, launch_day: datetime
) -> None:
    class Slow:
        """As good as the sandbox, at a message a second."""

        def __init__(self, real: Any) -> None:
            self._real, self.limits = real, Limits(batch_size=10, per_second=1.0)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._real, name)

    priced = company.settings.model_copy(update={"cost_email": Decimal("0.05"), "currency": "CHF"})
    slow = {channel: Slow(adapter) for channel, adapter in company.adapters.items()}
    with installed(replace(company, settings=priced, adapters=slow)):
        briefing = briefing_by_key(CAMPAIGN, ANNOUNCEMENT, launch_day).briefing
    messages = briefing.counts.messages
    assert briefing.total_cost == messages * Decimal("0.05")
    assert briefing.courses is not None
    assert briefing.courses[Channel.EMAIL].per_second == pytest.approx(0.9935)
    assert briefing.unlimited == frozenset()


def test_nothing_outside_is_asked_in_the_sandbox(
    company: Installation, wave_id: int, launch_day: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> Any:
        raise AssertionError("the sandbox asked the DNS or a link")

    monkeypatch.setattr("tasks.brief.findings_for", refuse)
    assert briefing_by_key(CAMPAIGN, ANNOUNCEMENT, launch_day).remarks == ()


def test_checks_that_fail_are_said_and_the_rest_is_there(
    company: Installation, wave_id: int, launch_day: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> Any:
        raise TimeoutError("about somebody@example.org")

    monkeypatch.setattr("tasks.brief._linted", fail)
    monkeypatch.setattr("content.render.Renderer.render", fail)
    said = publish_briefing(wave_id, launch_day)
    assert "The content could not be checked: TimeoutError." in said
    assert "cannot be written: TimeoutError" in said
    assert "## Who gets it" in said
    assert "somebody@example.org" not in said


def test_a_briefing_that_fails_altogether_keeps_no_wave_from_its_plan(
    company: Installation, wave_id: int, launch_day: datetime
) -> None:
    said = publish_briefing(99_999, launch_day)
    assert "Wave 99999 could not be described: NotPlannedError." in said


def test_cards_are_shown_as_their_words_and_text_messages_with_their_segments(
    company: Installation, wave_id: int, launch_day: datetime
) -> None:
    plain = replace(briefing_by_key(CAMPAIGN, ANNOUNCEMENT, launch_day).samples[0], text="", subject="", size="")
    card = {"body": [{"text": "Hello"}, {"items": [{"text": {"text": "Two minutes"}}]}], "actions": [{"title": "Open"}]}
    shown = _shown(plain, CardBody(json=json.dumps(card), summary="Hello there"))
    assert (shown.subject, shown.text) == ("Hello there", "Hello\n\nTwo minutes\n\nOpen")
    assert _shown(plain, SmsBody(text="ж" * 71)).size == "2 segments, 71 units of UCS-2"
