"""What a sponsor is told: the funnel's own comparison, blurred; costs; and nothing of a few people."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Engine, event, insert, select, update

from pushpull.db import reading, writing
from pushpull.insights.funnel import Verdict, funnel
from pushpull.insights.groups import figures, sponsors
from pushpull.insights.groups.figures import Measure, Rules, Week
from pushpull.insights.groups.sponsors import Evidence, evidence
from pushpull.insights.proportions import Proportion
from pushpull.learners.tables import lifecycle_event
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.tables import campaign, delivery, wave
from tests.insights.test_teams import BEFORE, WEEK, a_campaign, a_company, lived

RULES = Rules(b"key")
PRICES = {Channel.EMAIL: Decimal("0.001"), Channel.SMS: Decimal("0.08")}
PEOPLE = {f"p{n}": None for n in range(300)}


@pytest.fixture
def sharp(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts without noise."""
    for module in (figures, sponsors):
        monkeypatch.setattr(module, "blurred", lambda count, **_: count)


@pytest.fixture
def spring(engine: Engine) -> Engine:
    """A campaign of 300, 90 of them held out; of each side some completed, ten before it began."""
    ids = list(a_company(engine, PEOPLE).values())
    a_campaign(engine, ids)
    done = [(each, BEFORE + timedelta(days=2)) for each in [*ids[:70], *ids[210:225]]]
    done += [(each, BEFORE - timedelta(days=9)) for each in ids[200:210]]
    done += [(each, WEEK.ends + timedelta(hours=1)) for each in ids[100:120]]
    with writing(engine) as connection:
        connection.execute(update(campaign).values(starts_at=BEFORE))
        connection.execute(update(delivery).where(delivery.c.learner_id > 210).values(arm="holdout", state="skipped"))
        connection.execute(update(delivery).where(delivery.c.learner_id <= 210).values(channel="email", due_at=BEFORE))
        connection.execute(update(delivery).where(delivery.c.learner_id.in_([1, 2, 3])).values(channel="sms"))
        connection.execute(
            insert(lifecycle_event),
            [
                {"campaign_id": 1, "learner_id": who, "kind": "completed", "source_id": "s", "occurred_at": at}
                for who, at in done
            ],
        )
    lived(engine, [who for who, at in done if at < WEEK.ends], completed_at=BEFORE)
    return engine


def told(engine: Engine, week: Week = WEEK, rules: Rules = RULES) -> dict[str, Evidence]:
    with reading(engine) as connection:
        found = evidence(connection, week, rules=rules, prices=PRICES)
        return {each.figures.campaign_key: each for each in found}


@pytest.mark.usefixtures("sharp")
def test_a_sponsor_is_told_what_the_funnel_says(spring: Engine) -> None:
    with reading(spring) as connection:
        exact = funnel(connection, "spring", as_of=WEEK.ends).comparison
    found = told(spring)["spring"]
    assert found.compared is not None
    assert (found.compared.treated, found.compared.holdout) == (exact.treated, exact.holdout)
    assert exact.treated == Proportion(70, 200)  # without the ten who had completed before
    assert found.compared.difference == exact.difference
    assert (found.compared.verdict, found.is_clear) == (Verdict.MORE, True)
    assert found.figures.shown.people == 300
    assert found.figures.shown.counts[Measure.COMPLETED] == 95


def test_nothing_exact_leaves(spring: Engine) -> None:
    seen = set()
    for n in range(30):
        found = told(spring, rules=Rules(bytes([n] * 16)))["spring"]
        assert found.compared is not None
        seen.add((found.compared.treated, found.compared.holdout))
        assert (found.figures.shown.people or 0) % 5 == 0
        assert all(each.messages % 5 == 0 for each in found.costs)
    assert len(seen) > 20


def test_what_an_interval_says_holds_in_19_of_20_companies_in_spite_of_the_blur() -> None:
    held = 0
    dice = random.Random(5)
    for n in range(1000):
        treated = Proportion(sum(dice.random() < 0.4 for _ in range(120)), 120)
        holdout = Proportion(sum(dice.random() < 0.3 for _ in range(60)), 60)
        found = sponsors._compared(treated, holdout, campaign=f"c{n}", rules=RULES)
        assert found is not None
        assert found.interval is not None
        held += found.interval.holds(0.1)
    assert held >= 935


@pytest.mark.usefixtures("sharp")
def test_costs_are_of_channels_that_reached_enough_people(spring: Engine) -> None:
    found = told(spring)["spring"]
    assert [(each.channel, each.messages) for each in found.costs] == [(Channel.EMAIL, 205)]  # 207, and three by sms
    assert found.total == Decimal("0.205")
    assert not found.has_text_messages
    with writing(spring) as connection:
        connection.execute(update(delivery).where(delivery.c.learner_id <= 40).values(channel="sms"))
        connection.execute(update(delivery).where(delivery.c.learner_id > 205).values(channel="teams"))
    found = told(spring)["spring"]
    assert [each.channel for each in found.costs] == [Channel.EMAIL, Channel.SMS, Channel.TEAMS]
    assert found.total is None  # nobody said what a Teams message costs
    assert found.has_text_messages


@pytest.mark.usefixtures("sharp")
def test_messages_to_one_person_again_and_again_are_still_one_persons(spring: Engine) -> None:
    with writing(spring) as connection:
        connection.execute(update(delivery).where(delivery.c.channel == "sms").values(channel="email"))
        row = connection.execute(select(wave)).one()._asdict()
        for number in range(2, 12):
            connection.execute(insert(wave).values(row | {"id": number, "key": f"w{number}", "series": f"w{number}"}))
            connection.execute(
                insert(delivery).values(
                    wave_id=number, rotation=0, learner_id=1, state="accepted", arm="treated", channel="sms",
                    due_at=BEFORE,
                )
            )  # fmt: skip
    assert [each.channel for each in told(spring)["spring"].costs] == [Channel.EMAIL]


def test_sides_of_fewer_than_fifty_are_not_compared(spring: Engine) -> None:
    with writing(spring) as connection:
        connection.execute(update(delivery).where(delivery.c.learner_id > 259).values(arm="treated"))
    found = told(spring)["spring"]
    assert found.compared is None
    assert not found.is_clear


def test_a_campaign_of_four_people_is_not_told_of(spring: Engine) -> None:
    a_campaign(spring, [1, 2, 3, 4], "tiny", 2)
    assert set(told(spring)) == {"spring"}
    assert told(spring, rules=Rules(b"key", fewest=301)) == {}
    assert told(spring, Week(datetime(2020, 3, 2, tzinfo=UTC), datetime(2020, 3, 9, tzinfo=UTC))) == {}


def test_ten_campaigns_take_no_more_statements_than_one(spring: Engine) -> None:
    for number in range(2, 11):
        a_campaign(spring, list(range(1, 100)), f"c{number}", number)
    statements: list[str] = []
    with reading(spring) as connection:
        event.listen(connection, "before_cursor_execute", lambda *args: statements.append(args[2]))
        assert len(evidence(connection, WEEK, rules=RULES, prices={})) == 10
    assert len([each for each in statements if each != "BEGIN"]) == 5
