"""Re-runs: whom they reach, what they change, and that nobody is sent to twice for them."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event, func, select, update

from pushpull.db import reading, writing
from pushpull.learners.segments import parse_segment
from pushpull.learners.tables import learner
from pushpull.ledger.campaigns import cancel_campaign, cancel_wave, hold_wave
from pushpull.ledger.changes import Change, Now
from pushpull.ledger.outcomes import Rejected
from pushpull.ledger.rotations import Cohort, CohortKind, Rotated, WaveNotOpenError, rotate
from pushpull.ledger.tables import delivery, rotation, wave
from pushpull.ledger.vocabulary import DeliveryState, HoldReason, WaveStatus
from tests.ledger.builders import NOON, Sink, a_campaign, a_learner, a_wave, dispatched, drained, learners, planned

TOMORROW = NOON + timedelta(days=1)
EVERY_KIND = [
    Cohort(kind=CohortKind.FAILED),
    Cohort(kind=CohortKind.PARKED),
    Cohort(kind=CohortKind.MISSED),
    Cohort(kind=CohortKind.JOINED_SINCE),
    Cohort(kind=CohortKind.LEARNERS, external_ids=("failed-1", "left", "nobody")),
    Cohort(kind=CohortKind.SEGMENT, segment=parse_segment({"field": "active", "is": True})),
]


def again(engine: Engine, wave_id: int, cohort: Cohort, **options: Any) -> Rotated:
    asked = {"reason": "a test", "requested_by": "ada", "as_of": TOMORROW, **options}
    return rotate(engine, wave_id, cohort, **asked)


def set_state(engine: Engine, learner_id: int, state: DeliveryState, reason: str | None = None) -> None:
    with writing(engine) as connection:
        mine = delivery.c.learner_id == learner_id
        connection.execute(update(delivery).where(mine).values(state=state.value, reason=reason))


def everything(engine: Engine) -> list[tuple[Any, ...]]:
    """All that a re-run could have written."""
    with reading(engine) as connection:
        rows = [tuple(row) for row in connection.execute(select(delivery).order_by(*delivery.primary_key))]
        rows += [tuple(row) for row in connection.execute(select(rotation).order_by(*rotation.primary_key))]
        rows += [tuple(row) for row in connection.execute(select(wave.c.id, wave.c.status, wave.c.finished_at))]
    return rows


@pytest.fixture
def sent(engine: Engine) -> int:
    """A wave that was sent, to people of every fate: two failed, one parked, one had left and is back, one is new."""
    with writing(engine) as connection:
        a_campaign(connection)
        people = {name: a_learner(connection, external_id=name) for name in ("ok", "failed-1", "failed-2", "parked")}
        people["left"] = a_learner(connection, external_id="left", active=False)
        a_learner(connection, external_id="still-gone", active=False)
    wave_id = planned(engine, a_wave())
    drained(engine, wave_id)
    for name in ("failed-1", "failed-2"):
        set_state(engine, people[name], DeliveryState.REJECTED, "provider_refused")
    set_state(engine, people["parked"], DeliveryState.PARKED)
    with writing(engine) as connection:
        connection.execute(update(learner).where(learner.c.external_id == "left").values(active=True))
        a_learner(connection, external_id="new")
    return wave_id


REJECTED, SKIPPED, PARKED = DeliveryState.REJECTED, DeliveryState.SKIPPED, DeliveryState.PARKED
REFUSED = (REJECTED, "provider_refused")


@pytest.mark.parametrize(
    ("cohort", "changes"),
    [
        (EVERY_KIND[0], [Change(*REFUSED, Now.PLANNED, "email", None, 2)]),
        (EVERY_KIND[1], [Change(PARKED, None, Now.PLANNED, "email", None, 1)]),
        (
            EVERY_KIND[2],
            [
                Change(SKIPPED, "inactive", Now.PLANNED, "email", None, 1),
                Change(SKIPPED, "inactive", Now.STILL_EXCLUDED, None, None, 1),
            ],
        ),
        (EVERY_KIND[3], [Change(None, None, Now.PLANNED, "email", None, 1)]),
        (
            EVERY_KIND[4],
            [
                Change(*REFUSED, Now.PLANNED, "email", None, 1),
                Change(SKIPPED, "inactive", Now.PLANNED, "email", None, 1),
            ],
        ),
    ],
    ids=lambda value: value.kind.value if isinstance(value, Cohort) else "",
)
def test_a_re_run_says_what_it_changes(engine: Engine, sent: int, cohort: Cohort, changes: list[Change]) -> None:
    result = again(engine, sent, cohort)
    assert sorted(result.changes, key=str) == sorted(changes, key=str)
    assert result.planned == sum(each.count for each in changes if each.now is Now.PLANNED)


@pytest.mark.parametrize("cohort", EVERY_KIND, ids=lambda cohort: cohort.kind.value)
def test_a_dry_run_shows_exactly_what_the_real_one_does_and_writes_nothing(
    engine: Engine, sent: int, cohort: Cohort
) -> None:
    before = everything(engine)
    dry = again(engine, sent, cohort, dry_run=True)
    assert everything(engine) == before
    real = again(engine, sent, cohort)
    assert (dry.rotation, real.rotation) == (None, 1)
    for name in ("planned", "by_reason", "changes", "unknown", "status"):
        assert getattr(dry, name) == getattr(real, name), name
    assert real.planned > 0


def test_the_changes_add_up_to_the_rows(engine: Engine, sent: int) -> None:
    result = again(engine, sent, EVERY_KIND[5])
    with reading(engine) as connection:
        rows = connection.execute(select(func.count()).where(delivery.c.rotation == 1)).scalar_one()
    assert sum(each.count for each in result.changes) == rows == result.planned + sum(result.by_reason.values())


def test_external_ids_that_nobody_has_are_told_by_their_place(engine: Engine, sent: int) -> None:
    ids = ("typo", "failed-1", "another", "failed-2")
    result = again(engine, sent, Cohort(kind=CohortKind.LEARNERS, external_ids=ids))
    assert (result.unknown, result.planned) == ((1, 3), 2)
    assert again(engine, sent, EVERY_KIND[0]).unknown == ()


def test_more_external_ids_than_a_statement_takes_parameters(engine: Engine, sent: int) -> None:
    ids = tuple(f"nobody-{number}" for number in range(70_000))
    result = again(engine, sent, Cohort(kind=CohortKind.LEARNERS, external_ids=(*ids, "failed-1")))
    assert (len(result.unknown), result.planned) == (70_000, 1)


def test_an_empty_cohort_makes_no_rotation(engine: Engine, sent: int) -> None:
    assert again(engine, sent, EVERY_KIND[1]).rotation == 1
    drained_again = dispatched(engine, Sink(), now=TOMORROW)
    assert sum(each.accepted for each in drained_again) == 1
    before = everything(engine)
    result = again(engine, sent, EVERY_KIND[1])
    assert (result.rotation, result.planned, dict(result.by_reason), result.changes) == (None, 0, {}, ())
    assert everything(engine) == before


def test_who_is_not_settled_yet_is_not_planned_again_and_that_is_said(engine: Engine, sent: int) -> None:
    assert again(engine, sent, EVERY_KIND[0]).planned == 2
    for cohort in (EVERY_KIND[0], Cohort(kind=CohortKind.LEARNERS, external_ids=("failed-1", "failed-2"))):
        result = again(engine, sent, cohort)
        assert (result.rotation, result.planned) == (None, 0)
        assert [(each.now, each.count) for each in result.changes] == [(Now.STILL_OPEN, 2)]


def test_a_wave_whose_first_planning_is_still_open_gets_no_second_row(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        learners(connection, 3)
    wave_id = planned(engine, a_wave())
    everybody = Cohort(kind=CohortKind.SEGMENT, segment=EVERY_KIND[5].segment)
    result = again(engine, wave_id, everybody)
    assert result.rotation is None
    assert [(each.now, each.count) for each in result.changes] == [(Now.STILL_OPEN, 3)]


def test_pressing_the_button_five_times_sends_once(engine: Engine, sent: int) -> None:
    results = [again(engine, sent, EVERY_KIND[0]) for _ in range(5)]
    assert [each.rotation for each in results] == [1, None, None, None, None]
    sink = Sink()
    dispatched(engine, sink, now=TOMORROW)
    dispatched(engine, sink, now=TOMORROW)
    assert sorted(sink.received.values()) == [1, 1]


def test_what_fails_again_can_be_run_again_and_again(engine: Engine, sent: int) -> None:
    with reading(engine) as connection:
        ids = connection.execute(select(learner.c.id).where(learner.c.external_id.like("failed-%"))).scalars().all()
    sink = Sink({each: [Rejected("mailbox_full")] * 4 for each in ids})
    for number in range(1, 6):
        when = TOMORROW + timedelta(hours=number / 10)
        assert again(engine, sent, EVERY_KIND[0], as_of=when).rotation == number
        dispatched(engine, sink, now=when)
    assert sorted(sink.received.values()) == [1, 1], "the fifth time it went through"
    assert again(engine, sent, EVERY_KIND[0], as_of=when).rotation is None


def _at_once(ask: Callable[[], Rotated], times: int) -> list[Rotated]:
    with ThreadPoolExecutor(times) as pool:
        return [each.result() for each in [pool.submit(ask) for _ in range(times)]]


def test_two_people_at_once_make_one_rotation(engine: Engine, sent: int) -> None:
    results = _at_once(lambda: again(engine, sent, EVERY_KIND[0]), 4)
    assert sorted(str(each.rotation) for each in results) == ["1", "None", "None", "None"]
    with reading(engine) as connection:
        rows = connection.execute(select(func.count()).where(delivery.c.rotation > 0)).scalar_one()
    assert rows == 2


def test_the_same_request_is_one_rotation_even_at_once(engine: Engine, sent: int) -> None:
    results = _at_once(lambda: again(engine, sent, EVERY_KIND[0], request_key="run-7"), 4)
    assert {each.rotation for each in results} == {1}
    assert sorted(each.was_requested_before for each in results) == [False, True, True, True]
    assert {each.planned for each in results} == {2}
    assert len({each.changes for each in results}) == 1
    drained(engine, sent)
    later = again(engine, sent, EVERY_KIND[0], request_key="run-7")
    assert (later.rotation, later.was_requested_before) == (1, True)


def test_a_request_that_is_asked_again_is_answered_although_the_wave_waits_by_now(engine: Engine, sent: int) -> None:
    again(engine, sent, EVERY_KIND[0], request_key="run-7")
    with writing(engine) as connection:
        hold_wave(connection, sent, HoldReason.MISFIRE, why="late", at=TOMORROW)
    retried = again(engine, sent, EVERY_KIND[0], request_key="run-7")
    assert (retried.rotation, retried.planned, retried.status) == (1, 2, WaveStatus.HELD)
    with pytest.raises(WaveNotOpenError, match="release it"):
        again(engine, sent, EVERY_KIND[2])


def test_a_large_re_run_asks_a_person_and_so_does_its_dry_run(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        people = learners(connection, 4)
    wave_id = planned(engine, a_wave(approval_threshold=3))
    with writing(engine) as connection:
        connection.execute(update(wave).values(status=WaveStatus.OPEN.value))
        connection.execute(update(delivery).values(state="bounced"))
    assert again(engine, wave_id, EVERY_KIND[0], dry_run=True).status == WaveStatus.HELD
    with reading(engine) as connection:
        assert connection.execute(select(wave.c.status)).scalar_one() == WaveStatus.OPEN
    assert again(engine, wave_id, EVERY_KIND[0]).status == WaveStatus.HELD
    sink = Sink()
    dispatched(engine, sink, now=TOMORROW)
    assert not sink.received
    assert len(people) == 4


def test_what_was_cancelled_is_never_re_run(engine: Engine, sent: int) -> None:
    with writing(engine) as connection:
        cancel_campaign(connection, "safety", who="ada", why="over", at=TOMORROW)
    before = everything(engine)
    with pytest.raises(WaveNotOpenError, match="campaign safety was cancelled"):
        again(engine, sent, EVERY_KIND[0])
    with writing(engine) as connection:
        cancel_wave(connection, sent, who="ada", why="over", at=TOMORROW)
    with pytest.raises(WaveNotOpenError, match="was cancelled, and that is for good"):
        again(engine, sent, EVERY_KIND[0])
    assert [row for row in everything(engine) if len(row) > 3] == [row for row in before if len(row) > 3]


def test_a_re_run_that_is_killed_half_way_leaves_nothing(
    engine: Engine, sent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Killed

    before = everything(engine)
    monkeypatch.setattr("pushpull.ledger.rotations.written", die)
    with pytest.raises(Killed):
        again(engine, sent, EVERY_KIND[0], request_key="run-7")
    assert everything(engine) == before
    monkeypatch.undo()
    assert again(engine, sent, EVERY_KIND[0], request_key="run-7").was_requested_before is False


@pytest.mark.parametrize(("reason", "wave_id", "said"), [("  ", None, "needs a reason"), ("x", 9_999, "never planned")])
def test_bad_requests_are_refused_in_words(
    engine: Engine, sent: int, reason: str, wave_id: int | None, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        again(engine, wave_id or sent, EVERY_KIND[0], reason=reason)


def test_a_learners_earlier_rows_are_looked_up_by_the_whole_key(engine: Engine, sent: int) -> None:
    """Its key is (wave, rotation, learner): a look-up without rotations reads the whole wave, once per learner.

    PostgreSQL does that right after a first large wave, while it has no statistics: 20,000 learners took 77 seconds.
    """
    asked: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *call: asked.append(" ".join(call[2].split())))
    for cohort in EVERY_KIND:
        again(engine, sent, cohort, dry_run=True)
    begins = r"(?:EXISTS \(SELECT delivery\.learner_id FROM delivery|FROM delivery AS earlier\w*) WHERE (.{150})"
    lookups = [where for statement in asked for where in re.findall(begins, statement)]
    assert lookups
    assert [where for where in lookups if "rotation IN" not in where] == []
