"""A campaign played before it begins: the real planning on a copy without names, nothing sent, the same for a seed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from statistics import mean, median

import pytest
from sqlalchemy import Engine, func, select

from content.campaign import load_campaign
from flows.forecasting import (
    Asked,
    CampaignOverError,
    Play,
    copied,
    first_moment,
    make_forecast,
    play_all,
    play_run,
    seeds,
)
from flows.rehearsal import Clock, Rehearsal, days_of, midnight
from pushpull.db import open_database, reading, writing
from pushpull.insights.forecast.comparing import compared
from pushpull.insights.forecast.copying import Copied, copy_ledger
from pushpull.insights.forecast.figures import RunFigures, count_run
from pushpull.insights.forecast.parameters import assumed
from pushpull.insights.sample import make_company
from pushpull.insights.simulate import SimulatedLearners
from pushpull.learners.tables import activity, consent, learner, learner_identity, profile_fact
from pushpull.ledger.tables import delivery
from pushpull.settings import Settings
from tasks.installation import Installation, assemble, installed
from tasks.silent import AS_SET

CAMPAIGN = "two-minutes-a-day"
NOW = midnight(load_campaign(CAMPAIGN).start) - timedelta(days=1)
DAYS = 4


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation with a small company, the day before the campaign begins."""
    folder = tmp_path_factory.mktemp("forecast")
    chosen = Settings(database_url=f"sqlite:///{folder / 'pushpull.db'}", outbox_dir=folder / "outbox")
    made = assemble(chosen, clock=lambda: NOW)
    with writing(made.engine) as connection:
        make_company(connection, seed=7, size=60, now=NOW, family="learning")
    yield made
    made.engine.dispose()


def a_play(here: Installation, template: Path, seed: int) -> Play:
    return Play(
        template=template,
        as_set=here.settings.model_dump(include=set(AS_SET)),
        campaign_key=CAMPAIGN,
        begins_at=first_moment(load_campaign(CAMPAIGN), NOW),
        seed=seed,
        parameters=assumed().as_json(),
        draws=False,
        days=DAYS,
    )


def test_a_silent_run_sends_what_the_flows_send_and_the_copy_names_nobody(here: Installation, tmp_path: Path) -> None:
    with reading(here.engine) as connection:
        people = connection.execute(select(learner)).all()
    with copied(here, here.campaign(CAMPAIGN), as_of=NOW, sample=2_000) as (template, copy):
        quiet = play_run(a_play(here, template, 5))
        kept = template.read_bytes()
    named = [text for each in people for text in (each.email, each.phone, each.teams_id, each.slack_id) if text]
    named += [each.external_id for each in people]
    assert [text for text in named if text.encode() in kept] == []
    assert copy.learners == copy.everybody == sum(each.active for each in people)
    assert not template.exists()
    # The same people under their own names decide by other draws, so the flows play a copy too: with real words.
    loud = _played_by_the_flows(here, tmp_path, seed=5)
    assert quiet.waves == loud.waves
    assert quiet.days == loud.days
    assert quiet.steps == loud.steps
    assert quiet.sends > 30


def _played_by_the_flows(here: Installation, folder: Path, *, seed: int) -> RunFigures:
    clock = Clock(first_moment(load_campaign(CAMPAIGN), NOW))
    other = assemble(
        Settings(database_url=f"sqlite:///{folder / 'flows.db'}", outbox_dir=folder / "outbox"), clock=clock
    )
    with reading(here.engine) as source, writing(other.engine) as target:
        copy_ledger(source, target, as_of=NOW, items=here.campaign(CAMPAIGN).items)
    rehearsal = Rehearsal(other, CAMPAIGN, SimulatedLearners(seed, assumed().behaviour()), clock)
    start = load_campaign(CAMPAIGN).start
    with installed(other):
        for day in days_of(start, start + timedelta(days=DAYS - 1)):
            asyncio.run(rehearsal.day(day))
    with reading(other.engine) as connection:
        figures = count_run(connection, CAMPAIGN, seed=seed, as_of=clock.now)
    other.engine.dispose()
    return figures


def test_the_same_seed_gives_the_same_forecast_and_the_ledger_stays_as_it_was(here: Installation) -> None:
    before = _rows(here.engine)
    asked = Asked(CAMPAIGN, NOW, runs=2, seed=3, days=2, processes=1)
    told: list[tuple[int, int]] = []
    first = make_forecast(here, asked, on_run=lambda done, runs: told.append((done, runs)))
    assert told == [(1, 2), (2, 2)]
    assert make_forecast(here, asked).as_json() == first.as_json()
    assert _rows(here.engine) == before
    assert first.runs == 2
    assert first.parameters == assumed()
    assert not list(here.settings.outbox_dir.rglob("*.eml"))
    announced = next(each for key, each in first.waves.items() if key.startswith("launch.announcement"))
    assert announced.low == announced.high > 30  # planning leaves nothing to chance


def _rows(engine: Engine) -> list[int]:
    with reading(engine) as connection:
        return [
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (learner, activity, delivery, consent)
        ]


def test_of_a_large_audience_a_sample_stands_for_all(here: Installation, tmp_path: Path) -> None:
    with reading(here.engine) as source:
        with writing(_empty(tmp_path / "some.db")) as target:
            copy = copy_ledger(source, target, as_of=NOW, items=(), sample=20)
            kept = target.execute(select(learner)).all()
            of_others = target.execute(
                select(func.count())
                .select_from(profile_fact)
                .where(profile_fact.c.learner_id.not_in([r.id for r in kept]))
            ).scalar_one()
            identities = target.execute(select(func.count()).select_from(learner_identity)).scalar_one()
        without = source.execute(select(func.count()).where(learner.c.active, learner.c.email.is_(None))).scalar_one()
    assert copy.learners == len(kept) == 20
    assert copy.scale == pytest.approx(copy.everybody / 20)
    assert of_others == identities == 0
    expected = 20 * without / copy.everybody
    assert abs(sum(each.email is None for each in kept) - expected) <= 3  # strata are narrower than that


def _empty(path: Path) -> Engine:
    from pushpull.migrations import upgrade

    engine = open_database(f"sqlite:///{path}")
    upgrade(engine)
    return engine


def test_a_campaign_that_is_over_cannot_be_forecast(here: Installation) -> None:
    late = datetime.fromisoformat("2027-01-01T00:00+00:00")
    with pytest.raises(CampaignOverError, match="was over on"):
        make_forecast(here, Asked(CAMPAIGN, late))
    with pytest.raises(ValueError, match="2 runs at least"):
        Asked(CAMPAIGN, NOW, runs=1)


def test_seeds_are_those_of_their_first_and_differ() -> None:
    assert seeds(1, 20) == seeds(1, 25)[:20]
    assert len({*seeds(1, 20), *seeds(2, 20)}) == 40
    assert replace(Asked(CAMPAIGN, NOW), seed=2).seed == 2
    assert Copied(0, 0).scale == 1.0


@pytest.mark.soak
def test_on_the_demo_company_what_was_not_forecast_with_lies_where_it_was_forecast(tmp_path: Path) -> None:
    """Seeds that the forecast never saw, played as the demo plays them: waves in size, steps inside the intervals."""
    chosen = Settings(database_url=f"sqlite:///{tmp_path / 'pushpull.db'}", outbox_dir=tmp_path / "outbox")
    demo = assemble(chosen, clock=lambda: NOW)
    with writing(demo.engine) as connection:
        make_company(connection, seed=7, size=300, now=NOW, family="learning")
    made = make_forecast(demo, Asked(CAMPAIGN, NOW, runs=20, seed=1))
    with copied(demo, demo.campaign(CAMPAIGN), as_of=NOW, sample=2_000) as (template, _):
        held_out = play_all([replace(a_play(demo, template, seed), days=0) for seed in range(101, 121)])
    found = [compared(made, each, as_of=made.setting.ends_at) for each in held_out]
    errors = [abs(wave.error) for each in found for wave in each.waves if wave.happened >= 100 and wave.error]
    inside = [step.is_inside for each in found for step in each.steps]
    whole = [each.steps_inside == 1.0 for each in found]
    sent = [abs(each.sends.error or 0) for each in found]
    print(
        f"waves of 100 and more: median error {median(errors):.1%}, within 5 %: {mean(e <= 0.05 for e in errors):.0%}; "
        f"all messages: median error {median(sent):.1%}; steps inside {mean(inside):.1%}; "
        f"seeds with all steps inside {mean(whole):.0%}"
    )
    assert median(errors) <= 0.05
    assert max(sent) <= 0.10
    assert mean(inside) >= 0.9
