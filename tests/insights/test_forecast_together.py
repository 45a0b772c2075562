"""Runs put together, stored, and held against what happened."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Engine

from pushpull.db import reading, writing
from pushpull.insights.forecast.comparing import compare, compared
from pushpull.insights.forecast.figures import RunFigures, count_run
from pushpull.insights.forecast.parameters import assumed
from pushpull.insights.forecast.storing import NoForecastError, latest, save, save_comparison
from pushpull.insights.forecast.text import as_markdown, compared_rows, comparison_as_markdown, remarks, verdict
from pushpull.insights.forecast.together import Forecast, Setting, together
from pushpull.insights.funnel import Step
from pushpull.ledger.campaigns import register
from tests.insights import rehearsal
from tests.insights.conftest import Played

BEGINS = datetime(2026, 1, 11, tzinfo=UTC)
ENDS = BEGINS + timedelta(days=42)
LAUNCH, PICKS = "launch.announcement@2026-01-12", "recommendations.picks@2026-01-20"


def a_run(seed: int, *, launched: int = 200, picked: int = 100, completed: int = 30) -> RunFigures:
    steps = {step.value: completed + 10 * (len(Step) - place) for place, step in enumerate(Step, start=1)}
    return RunFigures(
        seed=seed,
        waves={LAUNCH: launched, PICKS: picked},
        days={("2026-01-12", "email"): launched, ("2026-01-20", "teams"): picked},
        peak={"email": launched, "teams": picked // 2},
        steps={"audience": 300, **steps},
        held_out=30,
        finished_without=3,
        opted_out=2,
        bounced=1,
        stopped=False,
    )


def a_setting(scale: float = 1.0) -> Setting:
    return Setting(
        BEGINS, ENDS, 300, scale, rates={"teams": 25.0}, prices={"email": Decimal("0.01")}, currency="EUR", seed=1
    )


def a_forecast(seed: int = 1, *, runs: int = 20, scale: float = 1.0) -> Forecast:
    rng = random.Random(seed)
    played = [a_run(n, picked=rng.randint(80, 120), completed=rng.randint(20, 40)) for n in range(runs)]
    return together(rehearsal.KEY, played, a_setting(scale), assumed())


def test_twenty_runs_give_the_smallest_and_the_largest_and_forty_do_not() -> None:
    few, many = a_forecast(runs=20), a_forecast(runs=40)
    assert few.level == pytest.approx(19 / 21)
    assert many.level == pytest.approx(37 / 41)
    assert few.waves[LAUNCH].low == few.waves[LAUNCH].median == few.waves[LAUNCH].high == 200


def test_the_interval_holds_one_more_run_as_often_as_it_says() -> None:
    rng, inside = random.Random(9), 0
    for _ in range(400):
        made = together("x", [a_run(n, picked=rng.randint(0, 10**6)) for n in range(20)], a_setting(), assumed())
        inside += made.waves[PICKS].holds(rng.randint(0, 10**6))
    assert 338 <= inside <= 381  # binomial(400, 19/21): outside of it about once in 10,000 seeds


def test_one_run_is_no_forecast() -> None:
    with pytest.raises(ValueError, match="2 runs at least"):
        together("x", [a_run(1)], a_setting(), assumed())


def test_cost_load_and_what_can_be_shown() -> None:
    made = a_forecast()
    assert made.costs["email"].median == pytest.approx(2.0)
    assert "teams" not in made.costs  # it has no price
    loads = {each.channel: each for each in made.loads}
    assert loads["email"].utilisation is None
    assert loads["teams"].utilisation == pytest.approx(loads["teams"].peak.high / 90_000)
    assert made.effect is not None
    assert 0.05 < made.effect < 0.6


def test_a_sample_stands_for_all_and_the_text_says_so() -> None:
    made = a_forecast(scale=2.5)
    assert made.waves[LAUNCH].median == 500
    assert any("stratified sample of 300 people" in line for line in remarks(made))
    text = as_markdown(made)
    assert "All assumptions about people are defaults" in text
    assert "| step | people |" in text


def test_a_forecast_is_kept_and_compared(engine: Engine) -> None:
    made = a_forecast()
    real = a_run(-1, launched=205, picked=140, completed=30)
    found = compared(made, real, as_of=ENDS)
    assert [each.is_inside for each in found.waves] == [False, False]
    assert found.waves[0].error == pytest.approx(-5 / 205)
    assert found.steps_inside == 1.0
    assert "0 of 2 waves" in verdict(found)
    assert len(compared_rows(found)) == 3 + len(Step) + 1
    assert "| error |" in comparison_as_markdown(found)
    with writing(engine) as connection:
        register(connection, rehearsal.CAMPAIGN.model_copy(update={"item_keys": ()}), now=BEGINS)
        with pytest.raises(NoForecastError, match="no forecast of two-minutes"):
            latest(connection, rehearsal.KEY)
        first = save(connection, made, content_hash="a" * 64, at=BEGINS)
        save(connection, a_forecast(2), content_hash="b" * 64, at=BEGINS + timedelta(days=3))
        save_comparison(connection, first, found, at=ENDS)
    with reading(engine) as connection:
        stored = latest(connection, rehearsal.KEY, as_of=BEGINS + timedelta(days=1))
        assert latest(connection, rehearsal.KEY).content_hash == "b" * 64
    assert stored.forecast == made
    assert list(stored.forecast.steps) == list(made.steps)
    assert stored.comparison == found.as_json()


def test_before_its_end_only_the_waves_of_days_that_are_over_are_compared() -> None:
    made = a_forecast()
    early = compared(made, a_run(-1), as_of=datetime(2026, 1, 15, tzinfo=UTC))
    assert [each.what for each in early.waves] == [LAUNCH]
    assert early.steps_inside is None
    assert "nothing to compare" in verdict(compared(made, a_run(-1), as_of=BEGINS))


def test_a_wave_that_nobody_forecast_counts_as_a_miss() -> None:
    real = a_run(-1)
    extra = RunFigures(**{**vars(real), "waves": {**real.waves, "habit.daily@2026-01-20": 7}})
    found = compared(a_forecast(), extra, as_of=ENDS)
    assert found.waves[-1].is_inside or found.waves[-2].is_inside
    assert [each.error for each in found.waves if each.what.startswith("habit")] == [None]


def test_what_happened_after_the_last_simulated_moment_is_not_held_against_a_forecast(played: Played) -> None:
    until = rehearsal.midnight(rehearsal.START) + timedelta(days=3)
    made = a_forecast()
    short = replace(made, setting=replace(made.setting, ends_at=until))
    with reading(played.engine) as connection:
        of_days = compare(connection, short, as_of=played.now)
        real = count_run(connection, rehearsal.KEY, seed=-1, as_of=until, since=BEGINS)
        all_of_it = count_run(connection, rehearsal.KEY, seed=-1, as_of=played.now, since=BEGINS)
    assert of_days.is_over
    assert of_days.sends.happened == real.sends < all_of_it.sends
    assert {each.what for each in of_days.waves} == {*made.waves, *real.waves}


def test_figures_are_those_of_the_ledger(played: Played) -> None:
    with reading(played.engine) as connection:
        figures = count_run(connection, rehearsal.KEY, seed=7, as_of=played.now)
        nothing = count_run(
            connection, rehearsal.KEY, seed=7, as_of=rehearsal.midnight(rehearsal.START) - timedelta(days=3)
        )
    assert figures.sends == sum(figures.days.values()) == sum(figures.channels.values()) > 100
    assert figures.steps["audience"] > figures.steps["eligible"] > figures.steps["reached"] > figures.steps["clicked"]
    assert max(figures.peak.values()) <= figures.sends
    assert figures.opted_out == played.done["opted_out"]
    assert not figures.stopped
    assert nothing.sends == 0
