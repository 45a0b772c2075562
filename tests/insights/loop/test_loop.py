"""The links of the loop: kept once, decided about as shown, measured once, read in both directions."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import Connection, Engine, func, insert, select

from pushpull.db import reading, writing
from pushpull.insights.loop import (
    Change,
    Found,
    InsightKind,
    Metric,
    MetricKind,
    ProposalError,
    ProposalState,
    Said,
    Setting,
    chain_to,
    chains_of,
    insights_of,
    origin_of,
    proposals,
)
from pushpull.insights.loop.answers import answers_to
from pushpull.insights.loop.insights import note
from pushpull.insights.loop.measuring import SPAN, WAIT, keep, measure, to_measure
from pushpull.insights.loop.proposals import (
    NotAskedError,
    OldProposalError,
    UnknownProposalError,
    ask_again,
    decide,
    get,
    note_applied,
    note_outdated,
    propose,
)
from pushpull.insights.tables import measurement, proposal
from pushpull.ledger.tables import audit, delivery, delivery_event, handover
from tests.ledger.builders import DAWN, NOON, a_campaign, a_wave, learners, planned

DAY = timedelta(days=1)
SETTING = Setting("stages.launch.waves.hello.channels", ("teams", "email"))
CHANGE = Change((SETTING,), "Try teams first.")
METRIC = Metric(MetricKind.ANSWERED, "launch.hello")
FOUND = Found(InsightKind.CHANNEL_ORDER, "launch.hello", "Teams is answered more.", {"teams": 0.4}, CHANGE, METRIC)


def proposed(connection: Connection, *, at: datetime = DAWN, diff: str = "-a\n+b\n") -> int:
    campaign_id = a_campaign(connection)
    found = propose(
        connection, note(connection, campaign_id, FOUND, at=at), CHANGE, diff=diff, base_hash="0" * 64, at=at
    )
    assert found is not None
    return found


def approved(connection: Connection, proposal_id: int, *, at: datetime = DAWN) -> None:
    shown = get(connection, proposal_id).content_hash
    decide(connection, proposal_id, is_approved=True, shown=shown, who="Ada", why="fits", at=at)


def applied(connection: Connection, *, at: datetime = NOON) -> int:
    proposal_id = proposed(connection)
    approved(connection, proposal_id)
    note_applied(connection, get(connection, proposal_id, lock=True), new_hash="1" * 64, at=at)
    return proposal_id


def sent(engine: Engine, people: list[int], *, answered: int, at: datetime, name: str) -> None:
    """A wave that everybody got, and the first so many answered."""
    wave_id = planned(engine, a_wave("launch.hello", on=at.date()), as_of=at - timedelta(hours=11))
    handover_id = uuid4()
    with writing(engine) as connection:
        connection.execute(
            insert(handover).values(
                id=handover_id,
                wave_id=wave_id,
                rotation=0,
                campaign_id=1,
                channel="email",
                first_learner_id=people[0],
                last_learner_id=people[-1],
                size=len(people),
                intended_at=at,
                as_of=at,
                deadline_at=at,
            )
        )
        connection.execute(
            delivery.update().where(delivery.c.wave_id == wave_id).values(state="accepted", handover_id=handover_id)
        )
        for each in people[:answered]:
            connection.execute(
                insert(delivery_event).values(
                    source="test",
                    source_id=f"{name}-{each}",
                    wave_id=wave_id,
                    rotation=0,
                    learner_id=each,
                    campaign_id=1,
                    kind="clicked",
                    occurred_at=at + timedelta(hours=2),
                )
            )


def test_what_is_found_again_is_seen_again_and_not_kept_twice(engine: Engine) -> None:
    with writing(engine) as connection:
        campaign_id = a_campaign(connection)
        first = note(connection, campaign_id, FOUND, at=DAWN)
        again = Found(InsightKind.CHANNEL_ORDER, "launch.hello", "More still.", {"teams": 0.5}, CHANGE, METRIC)
        assert note(connection, campaign_id, again, at=DAWN + DAY) == first
        assert note(connection, campaign_id, FOUND, at=DAWN - DAY) == first  # an earlier look changes nothing
        (kept,) = insights_of(connection, "safety")
        assert (kept.headline, kept.found_at, kept.seen_at) == ("More still.", DAWN, DAWN + DAY)
        assert (kept.evidence, kept.metric) == ({"teams": 0.5}, METRIC)
        long = Found(InsightKind.DROP_OFF, "x" * 300, "Long.")
        other = Found(InsightKind.DROP_OFF, "x" * 299 + "y", "Long.")
        assert note(connection, campaign_id, long, at=DAWN) != note(connection, campaign_id, other, at=DAWN)


def test_a_proposal_that_waits_is_made_anew_in_its_place(engine: Engine) -> None:
    with writing(engine) as connection:
        first = proposed(connection)
        shown = get(connection, first).content_hash
        assert proposed(connection, diff="-a\n+c\n") == first
        with pytest.raises(OldProposalError):
            decide(connection, first, is_approved=True, shown=shown, who="Ada", why="fits", at=DAWN)
        assert get(connection, first).state is ProposalState.PROPOSED


def test_a_decision_needs_a_name_and_a_reason_is_taken_once_and_kept_in_the_audit_log(engine: Engine) -> None:
    with writing(engine) as connection:
        number = proposed(connection)
        shown = get(connection, number).content_hash
        for who, why in (("", "fits"), ("Ada", " ")):
            with pytest.raises(ProposalError, match="name and a reason"):
                decide(connection, number, is_approved=True, shown=shown, who=who, why=why, at=DAWN)
        decide(connection, number, is_approved=False, shown=shown, who="Ada", why="not now", at=DAWN)
        with pytest.raises(NotAskedError):
            decide(connection, number, is_approved=True, shown=shown, who="Bob", why="fits", at=DAWN)
        with pytest.raises(UnknownProposalError):
            get(connection, 999)
        row = connection.execute(select(audit).where(audit.c.what == "proposal rejected")).one()
        assert (row.who, row.why) == ("Ada", "not now")
        assert row.subject.startswith(f"proposal {number} of insight ")


def test_nobody_is_asked_again_for_four_weeks_after_a_no_or_a_change(engine: Engine) -> None:
    with writing(engine) as connection:
        number = proposed(connection)
        insight_id = get(connection, number).insight_id
        shown = get(connection, number).content_hash
        decide(connection, number, is_approved=False, shown=shown, who="Ada", why="no", at=DAWN)
        again = {"diff": "-a\n+b\n", "base_hash": "0" * 64}
        assert propose(connection, insight_id, CHANGE, at=DAWN + 27 * DAY, **again) is None
        second = propose(connection, insight_id, CHANGE, at=DAWN + 28 * DAY, **again)
        assert second not in (None, number)
        assert second is not None
        approved(connection, second)
        assert propose(connection, insight_id, CHANGE, at=DAWN + 99 * DAY, **again) is None  # it is being applied
        note_applied(connection, get(connection, second), new_hash="1" * 64, at=DAWN + 30 * DAY)
        assert propose(connection, insight_id, CHANGE, at=DAWN + 57 * DAY, **again) is None
        assert propose(connection, insight_id, CHANGE, at=DAWN + 58 * DAY, **again) is not None


def test_who_decided_is_asked_again_where_the_file_changed_before_it_was_written(engine: Engine) -> None:
    with writing(engine) as connection:
        number = proposed(connection)
        approved(connection, number)
        ask_again(connection, get(connection, number), diff="-x\n+y\n", base_hash="2" * 64, at=NOON)
        asked = get(connection, number)
        assert (asked.state, asked.who, asked.decided_at) == (ProposalState.PROPOSED, None, None)
        note_outdated(connection, asked, why="the file says so", at=NOON)
        assert [each.id for each in proposals(connection, state=ProposalState.OUTDATED)] == [number]


def test_an_applied_change_is_measured_once_when_its_time_has_come_and_linked_both_ways(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        people = learners(connection, 60)
    at = NOON + 20 * DAY
    sent(engine, people, answered=6, at=at - 5 * DAY, name="before")
    sent(engine, people, answered=30, at=at + 5 * DAY, name="after")
    with writing(engine) as connection:
        number = applied(connection, at=at)
        due = at + SPAN + WAIT  # whoever got the last message has had three days to answer, too
        assert to_measure(connection, as_of=due - timedelta(seconds=1)) == []
        assert to_measure(connection, as_of=due) == [(number, METRIC)]
        came_to = measure(connection, get(connection, number), METRIC)
        assert came_to.said is Said.BETTER
        assert came_to.before is not None
        assert came_to.after is not None
        assert (came_to.before.count, came_to.after.count, came_to.after.total) == (6, 30, 60)
        assert "no experiment" in came_to.sentence()
        assert keep(connection, came_to)
        assert not keep(connection, came_to)
        assert to_measure(connection, as_of=at + 99 * DAY) == []
        assert connection.execute(select(func.count()).select_from(measurement)).scalar_one() == 1
    with reading(engine) as connection:
        (chain,) = chains_of(connection, "safety")
        (tried,) = chain.tried
        assert tried.proposal.insight_id == chain.insight.id
        assert [each.proposal_id for each in tried.measurements] == [number]
        assert tried.measurements[0].said is Said.BETTER
        assert chain_to(connection, number).insight == chain.insight
        assert origin_of(connection, "1" * 64) == chain
        assert origin_of(connection, "9" * 64) is None


def test_a_link_of_another_run_of_a_wave_is_no_answer_to_this_ones_message(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        people = learners(connection, 10)
    sent(engine, people, answered=4, at=NOON, name="first")
    with writing(engine) as connection:
        connection.execute(delivery_event.update().values(rotation=1))
        told = answers_to(connection, 1, "launch.hello", since=NOON - DAY, until=NOON + DAY)
        assert (told.count, told.total) == (0, 10)


@pytest.mark.parametrize("kind", MetricKind)
def test_every_metric_of_nobody_cannot_tell(engine: Engine, kind: MetricKind) -> None:
    with writing(engine) as connection:
        number = applied(connection)
        came_to = measure(connection, get(connection, number), Metric(kind, "launch.hello"))
        assert (came_to.said, came_to.interval) == (Said.CANNOT_TELL, None)
        assert "fewer than 5 people" in came_to.sentence()
        assert keep(connection, came_to)


def test_what_was_not_applied_cannot_be_measured(engine: Engine) -> None:
    with writing(engine) as connection:
        with pytest.raises(ValueError, match="not applied"):
            measure(connection, get(connection, proposed(connection)), METRIC)
        assert connection.execute(select(func.count()).select_from(proposal)).scalar_one() == 1


@pytest.mark.parametrize("metric", [METRIC, Metric(MetricKind.CAME_UNASKED)], ids=str)
def test_a_metric_is_what_its_text_says(metric: Metric) -> None:
    assert Metric.of_text(str(metric)) == metric


def test_a_change_is_kept_whole() -> None:
    settings = (SETTING, Setting("a.b", {"x": 1, "y": True}), Setting("c", 0.5), Setting("d", None))
    assert Change.from_json(Change(settings, "why").as_json()) == Change(settings, "why")
