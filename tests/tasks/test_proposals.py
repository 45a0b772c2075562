"""From a planted insight to a changed file and what it came to: each step once, however often the run is cut short."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from content.campaign import campaign_spec, changing, load_campaign
from pushpull.db import reading, writing
from pushpull.insights.loop import (
    Change,
    Found,
    InsightKind,
    Metric,
    MetricKind,
    ProposalState,
    Said,
    Setting,
    chains_of,
    finders,
    origin_of,
)
from pushpull.insights.loop.proposals import decide as keep_decision
from pushpull.insights.loop.proposals import get
from pushpull.insights.tables import insight, measurement, proposal
from pushpull.ledger.campaigns import register
from pushpull.ledger.tables import audit, campaign
from tasks import insights as steps
from tasks import proposals
from tasks.improve import Improvement, Offer, take_improvement, what_is_proposed
from tasks.insights import look_at, measure_changes
from tasks.installation import Installation, installed
from tasks.proposals import apply, apply_approved, asked_about, decide
from tests.flows.conftest import CAMPAIGN, company

__all__ = ["company"]

NOW = datetime(2026, 2, 2, 6, tzinfo=UTC)
CHANGE = Change((Setting("stages.launch.waves.reminder.hour", 14),), "Send the reminder at two.")
FOUND = Found(
    InsightKind.SEND_HOUR, "launch.reminder", "Two is better than ten.", {"hour": 14}, CHANGE,
    Metric(MetricKind.ANSWERED, "launch.reminder"),
)  # fmt: skip


@pytest.fixture
def engine(sqlite_engine: Engine) -> Engine:
    """Files do not depend on the ledger's database: one is enough; the records are tested on both."""
    return sqlite_engine


@pytest.fixture
def here(company: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    """An installation with content of its own, whose only finder finds the planted insight."""
    folder = tmp_path / "content"
    shutil.copytree(company.settings.content_dir, folder)
    chosen = company.settings.model_copy(update={"content_dir": folder})
    with writing(company.engine) as connection:
        register(connection, campaign_spec(load_campaign(CAMPAIGN, folder)), now=NOW)
    monkeypatch.setattr(steps, "QUICK", (lambda _look: [FOUND],))
    with installed(replace(company, settings=chosen)) as own:
        yield own


def hour_of(here: Installation) -> int:
    waves = {each.key: each for _, each in load_campaign(CAMPAIGN, here.settings.content_dir).waves()}
    return waves["reminder"].hour


def file_of(here: Installation) -> Path:
    return here.settings.content_dir / "campaigns" / f"{CAMPAIGN}.yaml"


def rows(here: Installation) -> tuple[int, int, int, int]:
    """Insights, proposals, measurements and lines about proposals in the audit log."""
    with reading(here.engine) as connection:
        return (
            connection.execute(select(func.count()).select_from(insight)).scalar_one(),
            connection.execute(select(func.count()).select_from(proposal)).scalar_one(),
            connection.execute(select(func.count()).select_from(measurement)).scalar_one(),
            connection.execute(
                select(func.count()).select_from(audit).where(audit.c.what.like("proposal %"))
            ).scalar_one(),
        )


def state_of(here: Installation, number: int = 1) -> ProposalState:
    with reading(here.engine) as connection:
        return get(connection, number).state


def say_yes(number: int = 1, *, at: datetime = NOW) -> proposals.Applied:
    shown = asked_about(number, at).tried[0].proposal.content_hash
    return decide(number, is_approved=True, shown=shown, who="Ada", why="fits", as_of=at)


def test_a_planted_insight_becomes_a_changed_file_and_is_measured_all_linked(here: Installation) -> None:
    assert look_at(CAMPAIGN, NOW, thorough=False) == steps.Looked(CAMPAIGN, 1, 1)
    came_to = say_yes()
    assert came_to.is_applied
    assert hour_of(here) == 14
    assert measure_changes(CAMPAIGN, NOW + timedelta(days=13)) == []
    (measured,) = measure_changes(CAMPAIGN, NOW + timedelta(days=17))
    assert measured.said is Said.CANNOT_TELL  # nobody got a message in this test
    with reading(here.engine) as connection:
        (chain,) = chains_of(connection, CAMPAIGN)
        (tried,) = chain.tried
        assert (tried.proposal.insight_id, tried.proposal.who) == (chain.insight.id, "Ada")
        assert [each.proposal_id for each in tried.measurements] == [tried.proposal.id]
        # And back, from the file as it is to what was found.
        assert origin_of(connection, changing.file_hash(CAMPAIGN, here.settings.content_dir)) == chain
        stored = connection.execute(select(campaign.c.definition)).scalar_one()
    assert stored["stages"]["launch"]["waves"][1]["hour"] == 14


def test_everything_again_adds_nothing(here: Installation) -> None:
    for _ in range(2):
        look_at(CAMPAIGN, NOW, thorough=False)
    assert rows(here) == (1, 1, 0, 0)
    say_yes()
    for _ in range(2):
        apply_approved(NOW)
        look_at(CAMPAIGN, NOW, thorough=False)
        measure_changes(CAMPAIGN, NOW + timedelta(days=18))
    assert rows(here) == (1, 1, 1, 2)


def test_a_dry_run_counts_and_keeps_nothing(here: Installation) -> None:
    assert look_at(CAMPAIGN, NOW, thorough=False, dry_run=True).proposed == 1
    assert rows(here) == (0, 0, 0, 0)


def look_and_say_yes() -> None:
    look_at(CAMPAIGN, NOW, thorough=False)
    say_yes()


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("where", ["before the proposal", "before the file", "after the file", "before the ledger"])
def test_killed_between_two_steps_and_run_again_nothing_happens_twice_and_nothing_is_missing(
    here: Installation, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise Killed

    def written_and_killed(made: changing.Draft) -> None:
        changing.write(made)
        raise Killed

    with monkeypatch.context() as patched:
        if where == "before the proposal":
            patched.setattr(steps, "propose_change", killed)
        elif where == "before the file":
            patched.setattr(proposals, "write", killed)
        elif where == "after the file":
            patched.setattr(proposals, "write", written_and_killed)
        else:
            patched.setattr(proposals, "register", killed)
        with pytest.raises(Killed):
            look_and_say_yes()
    look_at(CAMPAIGN, NOW, thorough=False)
    if state_of(here) is ProposalState.PROPOSED:
        say_yes()
    apply_approved(NOW)
    assert (hour_of(here), state_of(here)) == (14, ProposalState.APPLIED)
    assert rows(here) == (1, 1, 0, 2)
    with reading(here.engine) as connection:
        assert origin_of(connection, changing.file_hash(CAMPAIGN, here.settings.content_dir)) is not None


def test_a_file_that_changed_after_the_decision_is_left_alone_and_a_person_is_asked_again(here: Installation) -> None:
    look_at(CAMPAIGN, NOW, thorough=False)
    with writing(here.engine) as connection:  # decided, and killed before the file
        shown = get(connection, 1).content_hash
        keep_decision(connection, 1, is_approved=True, shown=shown, who="Ada", why="fits", at=NOW)
    path = file_of(here)
    path.write_text(path.read_text().replace("holdout: 0.1", "holdout: 0.2"))
    (came_to,) = apply_approved(NOW)
    assert not came_to.is_applied
    assert "changed since" in came_to.said
    assert (hour_of(here), state_of(here)) == (10, ProposalState.PROPOSED)
    assert say_yes().is_applied
    assert "holdout: 0.2" in path.read_text()


def test_a_folder_that_cannot_be_written_leaves_it_approved_until_the_diff_is_applied_by_hand(
    here: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_at(CAMPAIGN, NOW, thorough=False)

    def refused(made: changing.Draft) -> None:
        raise changing.ReadOnlyError(made.path, "Read-only file system")

    monkeypatch.setattr(proposals, "write", refused)
    came_to = say_yes()
    assert "apply the diff where the file is kept" in came_to.said
    assert state_of(here) is ProposalState.APPROVED
    path = file_of(here)  # somebody applies it, among other changes
    changing.write(changing.draft(CAMPAIGN, CHANGE, here.settings.content_dir))
    path.write_text(path.read_text().replace("holdout: 0.1", "holdout: 0.2"))
    assert [each.is_applied for each in apply_approved(NOW + timedelta(days=1))] == [True]
    assert state_of(here) is ProposalState.APPLIED


def test_what_the_file_says_already_or_has_no_place_for_is_asked_no_more(here: Installation) -> None:
    look_at(CAMPAIGN, NOW, thorough=False)
    changing.write(changing.draft(CAMPAIGN, CHANGE, here.settings.content_dir))
    assert "outdated" in str(what_is_proposed(1, NOW))
    assert look_at(CAMPAIGN, NOW, thorough=False).proposed == 0
    assert apply(1, NOW).said == "proposal 1 is outdated"


def test_a_file_that_changed_while_a_person_was_asked_is_shown_to_them_again(here: Installation) -> None:
    look_at(CAMPAIGN, NOW, thorough=False)
    offer = what_is_proposed(1, NOW)
    assert isinstance(offer, Offer)
    assert "```diff" in offer.markdown
    assert "+        hour: 14" in offer.markdown
    path = file_of(here)
    path.write_text(path.read_text().replace("hour: 9\n", "hour: 8\n", 1))
    yes = Improvement("approve", "Ada", "fits")
    taken = take_improvement(1, yes, shown=offer.content_hash, as_of=NOW)
    assert (taken.is_over, hour_of(here)) == (False, 10)
    again = what_is_proposed(1, NOW)
    assert isinstance(again, Offer)
    unnamed = take_improvement(1, Improvement("approve", "", "x"), shown=again.content_hash, as_of=NOW)
    assert "needs your name" in unnamed.said
    assert take_improvement(1, yes, shown=again.content_hash, as_of=NOW).is_over
    assert hour_of(here) == 14
    assert "nothing is asked" in str(what_is_proposed(1, NOW))
    assert "no proposal 7" in str(what_is_proposed(7, NOW))


def test_a_finder_that_fails_keeps_the_others_from_nothing(here: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_look: object) -> list[Found]:
        raise ZeroDivisionError

    monkeypatch.setattr(steps, "QUICK", (failing, lambda _look: [FOUND]))
    assert look_at(CAMPAIGN, NOW, thorough=False).found == 1


def test_the_finders_are_listed_once() -> None:
    everybody = [*finders.QUICK, *finders.THOROUGH]
    assert len(everybody) == len(set(everybody))
