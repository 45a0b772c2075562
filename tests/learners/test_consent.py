from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, select

from pushpull.db import reading, writing
from pushpull.learners.consent import (
    DRAW_RANGE,
    UnknownLearner,
    blocked_channels,
    draw_for,
    lift,
    lock_learner,
    opt_in,
    opt_out,
    suppress,
)
from pushpull.learners.tables import consent, suppression
from pushpull.learners.vocabulary import Channel, SuppressionReason
from tests.learners.population import START, a_learner

ALL = tuple(Channel)
HOUR = timedelta(hours=1)


def blocked(engine: Engine, family: str = "safety") -> dict[int, dict[str, bool]]:
    with reading(engine) as conn:
        rows = conn.execute(select(blocked_channels(family, ALL))).mappings().all()
    return {row["learner_id"]: {key: row[key] for key in row if key != "learner_id"} for row in rows}


def test_the_draw_is_the_same_everywhere_and_uniform() -> None:
    assert draw_for("ada") == 1016716796
    draws = [draw_for(f"learner-{number}") for number in range(20_000)]
    assert all(0 <= draw < DRAW_RANGE for draw in draws)
    tenths = Counter(draw * 10 // DRAW_RANGE for draw in draws)
    assert all(1_800 < tenths[tenth] < 2_200 for tenth in range(10))


def test_who_said_nothing_has_no_row(engine: Engine) -> None:
    with writing(engine) as conn:
        a_learner(conn)
    assert blocked(engine) == {}


def test_stopping_everything_outlives_an_earlier_yes_to_one_channel(engine: Engine) -> None:
    with writing(engine) as conn:
        ada = a_learner(conn)
        opt_in(conn, ada, channel="email", family="safety", source="page", at=START)
        opt_out(conn, ada, channel="*", family="*", source="page", at=START + HOUR)
    assert blocked(engine)[ada]["opted_out_email"]
    assert not blocked(engine)[ada]["granted_email"]


def test_a_later_yes_to_one_family_takes_back_the_stop_of_everything_there_only(engine: Engine) -> None:
    with writing(engine) as conn:
        ada = a_learner(conn)
        opt_out(conn, ada, channel="*", family="*", source="page", at=START)
        opt_in(conn, ada, channel="email", family="safety", source="page", at=START + HOUR)
    stands = blocked(engine)[ada]
    assert stands["granted_email"]
    assert not stands["opted_out_email"]
    assert stands["opted_out_teams"]
    assert blocked(engine, "other")[ada]["opted_out_email"]


def test_a_suppression_wins_over_every_yes_until_it_is_lifted(engine: Engine) -> None:
    with writing(engine) as conn:
        ada = a_learner(conn)
        opt_in(conn, ada, channel="email", family="safety", source="page", at=START + HOUR)
        suppress(conn, ada, channel="email", reason=SuppressionReason.BOUNCED, source="sandbox", at=START)
    assert blocked(engine)[ada]["suppressed_email"]
    with writing(engine) as conn:
        assert lift(conn, ada, channel="email", at=START + 2 * HOUR) == 1
    assert not blocked(engine)[ada]["suppressed_email"]
    with writing(engine) as conn:  # the same old fact again, then a new one
        suppress(conn, ada, channel="email", reason=SuppressionReason.BOUNCED, source="sandbox", at=START)
    assert not blocked(engine)[ada]["suppressed_email"]
    with writing(engine) as conn:
        suppress(conn, ada, channel="email", reason=SuppressionReason.BOUNCED, source="sandbox", at=START + 3 * HOUR)
    assert blocked(engine)[ada]["suppressed_email"]
    with writing(engine) as conn:
        assert lift(conn, ada, channel="email", at=START + 2 * HOUR) == 0
    assert blocked(engine)[ada]["suppressed_email"]


def test_a_word_of_an_unknown_learner_is_refused(engine: Engine) -> None:
    with writing(engine) as conn, pytest.raises(UnknownLearner, match="4711"):
        opt_out(conn, 4711, channel="*", family="*", source="page", at=START)


def test_an_opt_out_waits_for_a_re_check_that_holds_the_learner(postgres_engine: Engine) -> None:
    with writing(postgres_engine) as conn:
        ada = a_learner(conn)
    done: list[float] = []

    def stop() -> None:
        with writing(postgres_engine) as conn:
            opt_out(conn, ada, channel="*", family="*", source="page", at=START)
        done.append(time.monotonic())

    with writing(postgres_engine) as conn:
        lock_learner(conn, ada)
        waiting = threading.Thread(target=stop)
        waiting.start()
        waiting.join(timeout=0.3)
        assert waiting.is_alive()
        released = time.monotonic()
    waiting.join(timeout=10)
    assert done[0] > released


@dataclass(frozen=True)
class Word:
    """What was said: "out", "in" or "stop"."""

    said: str
    channel: str
    family: str
    at: datetime


words = st.lists(
    st.builds(
        Word,
        said=st.sampled_from(["out", "in", "stop"]),
        channel=st.sampled_from(["email", "teams", "*"]),
        family=st.sampled_from(["safety", "other", "*"]),
        at=st.integers(0, 5).map(lambda hours: START + hours * HOUR),
    ),
    max_size=6,
)


def what_stands(said: list[Word], channel: str, family: str) -> tuple[bool, bool, bool]:
    """The rules of the module's docstring, in the words of a person: walk the scopes from narrow to broad."""
    stop = any(w.said == "stop" and w.channel in (channel, "*") and w.family in (family, "*") for w in said)
    latest_yes: datetime | None = None
    any_yes = opted_out = False
    for scope in ((channel, family), (channel, "*"), ("*", family), ("*", "*")):
        here = [w for w in said if (w.channel, w.family) == scope and w.said != "stop"]
        if not here:
            continue
        last = max(here, key=lambda w: (w.at, w.said == "out"))
        if last.said == "in":
            any_yes = True
            latest_yes = last.at if latest_yes is None else max(latest_yes, last.at)
        elif latest_yes is None or latest_yes <= last.at:
            opted_out = True
    return opted_out, any_yes and not opted_out, stop


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(words, min_size=1, max_size=4))
def test_what_stands_is_what_a_careful_reader_of_all_words_says(engine: Engine, people: list[list[Word]]) -> None:
    with writing(engine) as conn:
        conn.execute(delete(consent))
        conn.execute(delete(suppression))
        for number, said in enumerate(people):
            existing = conn.exec_driver_sql(f"SELECT id FROM learner WHERE external_id = 'p{number}'").first()
            person = existing[0] if existing else a_learner(conn, f"p{number}")
            for word in said:
                if word.said == "stop":
                    suppress(
                        conn,
                        person,
                        channel=word.channel,
                        family=word.family,
                        reason=SuppressionReason.BOUNCED,
                        source="test",
                        at=word.at,
                    )
                else:
                    record = opt_out if word.said == "out" else opt_in
                    record(conn, person, channel=word.channel, family=word.family, source="test", at=word.at)
        ids = {row[0]: row[1] for row in conn.exec_driver_sql("SELECT external_id, id FROM learner")}
    for family in ("safety", "other"):
        found = blocked(engine, family)
        for number, said in enumerate(people):
            row = found.get(ids[f"p{number}"], {})
            for channel in ("email", "teams"):
                seen = tuple(bool(row.get(f"{what}_{channel}")) for what in ("opted_out", "granted", "suppressed"))
                assert seen == what_stands(said, channel, family)
