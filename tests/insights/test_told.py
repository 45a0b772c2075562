from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import Engine, insert

from pushpull.catalogue.tables import item
from pushpull.db import reading, writing
from pushpull.insights.known import Known, Source, doings_of, known_of
from pushpull.insights.told import BECAUSE, MOST_MESSAGES, Became, Because, Message, Picked, messages_of
from pushpull.learners.declared import declare
from pushpull.learners.tables import learner, learner_tag, profile_fact, progress
from pushpull.learners.vocabulary import FactKind
from pushpull.ledger.tables import campaign, delivery, fetch, handover, pick, rotation, wave
from pushpull.ledger.vocabulary import MessageClass, Reason

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture
def company(engine: Engine) -> Engine:
    """Two learners, a campaign, an item."""
    stamps = {"created_at": NOW, "updated_at": NOW}
    with writing(engine) as connection:
        for who in (1, 2):
            connection.execute(
                insert(learner).values(
                    id=who, external_id=f"p-{who}", given_name="Ada", teams_id="29:x", preferred_language="fr",
                    preferred_hour=11, draw=7, active=True, **stamps,
                )
            )  # fmt: skip
        connection.execute(insert(item).values(id=1, key="i-1", title="Rest well", **stamps))
        connection.execute(
            insert(campaign).values(
                id=1, key="spring", name="Spring", family="learning", message_class="nudge", definition={},
                content_hash="", updated_at=NOW,
            )
        )  # fmt: skip
    return engine


def a_message(
    engine: Engine, number: int, state: str, *, reason: str | None = None, who: int = 1, turn: int = 0
) -> None:
    day = NOW + timedelta(days=number)
    with writing(engine) as connection:
        if turn == 0:
            connection.execute(
                insert(wave).values(
                    id=number, campaign_id=1, key=f"launch.w@{number}", series="launch.w", on_day=date(2026, 3, 2),
                    stage="launch", message_key="m", touch="push", message_class="nudge", family="learning",
                    scheduled_for=day, expires_at=day, planned_as_of=day, spec={},
                )
            )  # fmt: skip
        connection.execute(insert(rotation).values(wave_id=number, rotation=turn, reason="", cohort={}, as_of=day))
        connection.execute(
            insert(delivery).values(
                wave_id=number, rotation=turn, learner_id=who, state=state, reason=reason, arm="treated",
                channel="email", due_at=day,
            )
        )  # fmt: skip


def told(engine: Engine) -> list[Message]:
    with reading(engine) as connection:
        return list(messages_of(connection, 1, as_of=NOW + timedelta(days=1000)))


def test_every_reason_has_words_for_its_reader() -> None:
    assert set(BECAUSE) == set(Reason)
    assert set(BECAUSE.values()) == set(Because)


def test_messages_are_told_with_what_became_of_them_the_newest_first(company: Engine) -> None:
    a_message(company, 1, "delivered")
    a_message(company, 2, "skipped", reason="capped")
    a_message(company, 3, "planned")
    a_message(company, 4, "bounced")
    a_message(company, 5, "uncertain", reason="unknown_outcome")
    a_message(company, 6, "accepted", who=2)
    a_message(company, 1, "held", reason="quiet_hours", turn=1)
    found = {(each.at - NOW).days: each for each in reversed(told(company))}
    assert [(each.at - NOW).days for each in told(company)] == [5, 4, 3, 2, 1, 1]
    assert (found[5].became, found[5].because) == (Became.UNSURE, Because.TRYING)
    assert (found[4].became, found[4].because) == (Became.NOT_SENT, Because.REFUSED)
    assert (found[3].became, found[3].because, found[3].channel) == (Became.PLANNED, None, "email")
    assert (found[2].became, found[2].because, found[2].campaign) == (Became.NOT_SENT, Because.ENOUGH, "Spring")
    assert {(each.became, each.because) for each in told(company)[-2:]} == {
        (Became.SENT, None),
        (Became.PLANNED, Because.QUIET),
    }


def test_a_comparison_group_is_told_once_and_of_which_campaign_never(company: Engine) -> None:
    for number in (1, 2, 3):
        a_message(company, number, "skipped", reason="holdout")
    a_message(company, 4, "skipped", reason="global_holdout")
    (only,) = told(company)
    assert only == Message(
        NOW + timedelta(days=4), Became.NOT_SENT, Because.COMPARISON, "", MessageClass.NUDGE, "", (), 4
    )


def test_what_was_recommended_is_told_with_its_reason(company: Engine) -> None:
    a_message(company, 1, "accepted")
    with writing(company) as connection:
        for who in (1, 2):
            connection.execute(
                insert(pick).values(
                    wave_id=1, rotation=0, learner_id=who, position=0, item_id=1, reason_kind="goal",
                    reason_value=f"rest {who}", score=0.5,
                )
            )  # fmt: skip
    assert told(company)[0].picked == (Picked("Rest well", "goal", "rest 1"),)


def test_a_message_counts_from_when_it_was_handed_over(company: Engine) -> None:
    a_message(company, 1, "accepted")
    ago, key = NOW + timedelta(days=1, hours=3), UUID(int=1)
    with writing(company) as connection:
        connection.execute(
            insert(handover).values(
                id=key, wave_id=1, rotation=0, campaign_id=1, channel="email", first_learner_id=1, last_learner_id=1,
                size=1, intended_at=NOW, as_of=ago, deadline_at=NOW,
            )
        )  # fmt: skip
        connection.execute(delivery.update().values(handover_id=key))
    assert told(company)[0].at == ago


def test_no_more_is_told_than_one_can_read(company: Engine) -> None:
    for number in range(1, MOST_MESSAGES + 5):
        a_message(company, number, "accepted")
    found = told(company)
    assert len(found) == MOST_MESSAGES
    assert (found[0].at - NOW).days == MOST_MESSAGES + 4


def test_what_is_known_comes_with_its_source_and_its_age(company: Engine) -> None:
    later = NOW + timedelta(days=9)
    with writing(company) as connection:
        connection.execute(insert(learner_tag).values(learner_id=1, tag="sales"))
        connection.execute(
            insert(profile_fact).values(
                learner_id=1, kind="barrier", value="time", source="learned", confidence=0.6, recorded_at=NOW
            )
        )
        before = known_of(connection, 1)
        declare(connection, 1, FactKind.LANGUAGE, ["de"], at=later)
        declare(connection, 1, FactKind.HOUR, ["9"], at=later)
        after = known_of(connection, 1)
    assert set(before) == {
        Known("given_name", "Ada", Source.HR, NOW),
        Known("teams_id", "", Source.HR, NOW),  # that it is known, not what it is
        Known("tag", "sales", Source.HR, NOW),
        Known("language", "fr", Source.HR, NOW),
        Known("hour", "11", Source.HR, NOW),
        Known("barrier", "time", Source.LEARNED, NOW),
    }
    assert {each for each in after if each.field in ("language", "hour", "hr_language")} == {
        Known("language", "de", Source.YOU, later),
        Known("hour", "9", Source.YOU, later),
        Known("hour", "11", Source.HR, later),
        Known("hr_language", "fr", Source.HR, later),
    }


def test_openings_are_counted_only_where_they_are_kept(company: Engine) -> None:
    with writing(company) as connection:
        connection.execute(insert(progress).values(learner_id=1, item_id=1, status="completed", completed_at=NOW))
        for reader in ("human", "scanner"):
            connection.execute(
                insert(fetch).values(at=NOW, kind="landing", reader=reader, why="x", learner_id=1, network="")
            )
        counted = doings_of(connection, 1, counts_openings=True)
        agreed = doings_of(connection, 1, counts_openings=False)
    assert (counted.started, counted.completed, counted.records, counted.opened) == (0, 1, 0, 1)
    assert agreed.opened == 0
