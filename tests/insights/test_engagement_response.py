"""What people respond to: rates that are shrunk, splits judged by their lots, and never a scanner's click."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import Connection, Engine, insert, update

from pushpull.db import reading, writing
from pushpull.insights.engagement import WhatWorks, what_works
from pushpull.insights.engagement.policy import Drawn, worth_of_each
from pushpull.insights.engagement.shrinkage import shrunk
from pushpull.insights.proportions import Proportion
from pushpull.ledger.tables import delivery, delivery_event, fetch
from tests.ledger.builders import DAWN, MONDAY, a_campaign, a_wave, item_ids, learners, planned, rows_of, was_active

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def test_small_groups_are_drawn_towards_all_and_large_ones_stay() -> None:
    groups = [Proportion(2, 3), Proportion(100, 1000), Proportion(300, 1000), Proportion(10, 100)]
    small, first, second, _ = shrunk(groups)
    assert small.mean < 0.5
    assert first.mean == pytest.approx(0.1, abs=0.01)
    assert second.mean == pytest.approx(0.3, abs=0.01)
    assert small.interval.high - small.interval.low > first.interval.high - first.interval.low
    assert shrunk([]) == []
    (nobody,) = shrunk([Proportion(0, 5)])
    assert 0 < nobody.mean < 0.01
    alike = shrunk([Proportion(20, 100), Proportion(21, 100), Proportion(19, 100)])
    assert max(each.mean for each in alike) - min(each.mean for each in alike) < 0.005


def test_the_value_of_a_variant_is_found_again_though_its_weight_changed() -> None:
    rng, held, off = np.random.default_rng(6), 0, []
    for _ in range(200):
        drawn, naive = [], []
        # In the second half, when everybody answers more often, most get the one that does worse.
        for probability, base in ((0.8, 0.1), (0.2, 0.5)):
            got = rng.random(400) < probability
            answered = rng.random(400) < base + 0.1 * got
            for name, side, share in (("a", got, probability), ("b", ~got, 1 - probability)):
                drawn.append(Drawn(name, share, Proportion(int(answered[side].sum()), int(side.sum()))))
            naive.append((int(answered[got].sum()), int(got.sum())))
        first = worth_of_each(drawn)[0]
        assert first.interval is not None
        held += first.interval.holds(0.4)
        off.append(first.value - 0.4)
        assert first.by_horvitz_thompson == pytest.approx(first.value, abs=0.15)
    assert abs(np.mean(off)) < 0.01
    assert held >= 178  # 190 are expected; four standard deviations


def test_a_lot_without_a_probability_is_refused_and_of_nobody_nothing_is_said() -> None:
    with pytest.raises(ValueError, match="no probability"):
        worth_of_each([Drawn("a", 0.0, Proportion(1, 5))])
    assert worth_of_each([]) == ()
    (only,) = worth_of_each([Drawn("a", 1.0, Proportion(0, 9))])
    assert (only.value, only.interval) == (0.0, None)


def click(connection: Connection, campaign_id: int, wave_id: int, who: int, at: datetime) -> None:
    connection.execute(
        insert(delivery_event).values(
            source="page",
            source_id=f"{wave_id}-{who}",
            wave_id=wave_id,
            rotation=0,
            learner_id=who,
            campaign_id=campaign_id,
            kind="clicked",
            occurred_at=at,
        )
    )


def asked(engine: Engine, now: datetime = DAWN + 30 * DAY) -> WhatWorks:
    with reading(engine) as connection:
        return what_works(connection, "safety", as_of=now)


def test_responses_are_clicks_of_people_who_then_sat_down(engine: Engine) -> None:
    with writing(engine) as connection:
        campaign_id = a_campaign(connection, "safety", items=["intro"])
        (intro,) = item_ids(connection, campaign_id)
        people = learners(connection, 40)
        few = learners(connection, 3)
        people += learners(connection, 5, zone="Asia/Tokyo")  # at nine o'clock of their own
    wave_id = planned(engine, a_wave(variants=(("plain", 1), ("question", 1))))
    rows = rows_of(engine, wave_id)
    with writing(engine) as connection:
        connection.execute(update(delivery).where(delivery.c.wave_id == wave_id).values(state="accepted"))
        connection.execute(update(delivery).where(delivery.c.learner_id.in_(few)).values(channel="teams"))
        for number, who in enumerate(people):
            sent = rows[who].due_at
            if number < 12:  # clicked, and learned a day later
                click(connection, campaign_id, wave_id, who, sent + HOUR)
                was_active(connection, who, intro, at=sent + DAY)
            elif number < 20:  # clicked, and learned when it was too late
                click(connection, campaign_id, wave_id, who, sent + HOUR)
                was_active(connection, who, intro, at=sent + 4 * DAY)
            elif number < 30:  # a scanner opened the link, and they learned by themselves
                values = {"kind": "landing", "reader": "scanner", "why": "test", "network": "", "wave_id": wave_id}
                connection.execute(insert(fetch).values(at=sent, learner_id=who, rotation=0, **values))
                was_active(connection, who, intro, at=sent + DAY)
    found = asked(engine)
    assert found.kind == "correlation"
    (cell,) = found.cells  # three people over Teams are too few
    assert (cell.channel, cell.hours, cell.stage, cell.messages) == ("email", "09–12", "launch", 45)
    assert cell.rate.mean == pytest.approx(12 / 45, abs=0.01)
    (split,) = found.splits
    assert {each.variant for each in split.arms} == {"plain", "question"}
    assert sum(each.people for each in split.arms) == 48
    assert sum(each.value * each.people for each in split.arms) == pytest.approx(12)
    assert any(each.startswith("Hour:") for each in found.not_identified)
    assert asked(engine, DAWN + 3 * DAY).cells == ()  # not old enough to have been answered


def test_changed_weights_are_a_lot_of_their_own(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection, "safety", items=["intro"])
        learners(connection, 60)
    for week, weights in enumerate(((("a", 1), ("b", 1)), (("a", 3), ("b", 1)))):
        on = MONDAY + week * 7 * DAY
        wave_id = planned(engine, a_wave(on=on, variants=weights), as_of=DAWN + week * 7 * DAY)
        with writing(engine) as connection:
            connection.execute(update(delivery).where(delivery.c.wave_id == wave_id).values(state="accepted"))
    (split,) = asked(engine).splits
    assert sum(each.people for each in split.arms) == 120
