"""Switches: pause everything, send to guests only, send everything to one person; and that nothing slips past them."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import Engine, func, select, update

from pushpull.db import reading, writing
from pushpull.learners.consent import opt_out
from pushpull.learners.tables import consent, learner, suppression
from pushpull.learners.vocabulary import SuppressionReason
from pushpull.ledger.diverting import diverted
from pushpull.ledger.drain import DrainResult, Step
from pushpull.ledger.drain.options import EVERYTHING_PAUSED, NOBODY_TO_DIVERT_TO
from pushpull.ledger.events import DeliveryFact, record_facts, record_reached
from pushpull.ledger.facts import Addressed
from pushpull.ledger.handovers import Handover
from pushpull.ledger.inbox import receive
from pushpull.ledger.messages import MessageFacts, RecommendedItem
from pushpull.ledger.news import DeliveryName, ProviderEvent, Told, Word
from pushpull.ledger.outcomes import Accepted, NotSent, Rejected, Uncertain
from pushpull.ledger.preflight import mail_record
from pushpull.ledger.reconcile import Patience, reap, reconcile
from pushpull.ledger.results import wave_results
from pushpull.ledger.rotations import Cohort, CohortKind, rotate
from pushpull.ledger.shards import Shard
from pushpull.ledger.specs import StopThresholds
from pushpull.ledger.stopping import Figures, figures
from pushpull.ledger.switches import MOST_GUESTS, SwitchError, Switches, follow, held_switches, set_switch, switches
from pushpull.ledger.tables import audit, callback, contact, delivery_event, handover
from pushpull.ledger.vocabulary import CallbackState, DeliveryState, EventKind, MessageClass, Reason, SwitchName
from tests.ledger import builders, doomed
from tests.ledger.builders import (
    DAWN,
    NOON,
    Sink,
    a_campaign,
    a_learner,
    a_wave,
    drained,
    learners,
    planned,
    rows_of,
    states_of,
    terms_of,
)

PAUSE, PILOT, OVERRIDE = SwitchName.PAUSE, SwitchName.PILOT, SwitchName.OVERRIDE_RECIPIENT


class Post(Sink):
    """Knows to whom each message truly goes."""

    def __init__(self, *answers: Any, **options: Any) -> None:
        super().__init__(*answers, **options)
        self.reached: list[int] = []
        self.before_call = self._deliver

    def _deliver(self, _channel: str, each: Handover) -> None:
        self.reached += [each.diverted_to or learner_id for learner_id in each.learner_ids]


def a_wave_for(engine: Engine, number: int, **fields: Any) -> tuple[int, list[int]]:
    with writing(engine) as connection:
        a_campaign(connection, message_class=fields.get("message_class", MessageClass.NUDGE))
        people = learners(connection, number)
    return planned(engine, a_wave(**fields)), people


def set_to(engine: Engine, name: SwitchName, value: object) -> bool:
    with writing(engine) as connection:
        return set_switch(connection, name, value, who="ops", at=NOON)


def now_set(engine: Engine) -> Switches:
    with reading(engine) as connection:
        return switches(connection)


def somebody(engine: Engine, name: str = "rehearsing", **fields: Any) -> int:
    with writing(engine) as connection:
        return a_learner(connection, external_id=name, created_at=NOON, **fields)


def dispatched(engine: Engine, wave_id: int, sink: Sink | None = None, **options: Any) -> DrainResult:
    """Drain a wave as everything is set."""
    return drained(engine, wave_id, sink, switches=now_set(engine), **options)


def external_ids(engine: Engine, people: list[int]) -> list[str]:
    with reading(engine) as connection:
        known: Mapping[int, str] = dict(connection.execute(select(learner.c.id, learner.c.external_id)).all())
    return [known[each] for each in people]


def count(engine: Engine, table: Any) -> int:
    with reading(engine) as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


# ---- setting them


def test_nothing_is_set_at_first(engine: Engine) -> None:
    assert now_set(engine) == Switches()
    assert now_set(engine).sentence() == "no switch is set"


def test_a_switch_that_is_set_is_audited_once(engine: Engine) -> None:
    somebody(engine)
    assert set_to(engine, PAUSE, True)
    assert not set_to(engine, PAUSE, True)
    assert set_to(engine, PILOT, ["rehearsing", " rehearsing "])
    assert set_to(engine, OVERRIDE, "rehearsing")
    assert now_set(engine) == Switches(is_paused=True, guests=("rehearsing",), override_recipient="rehearsing")
    assert not set_to(engine, PILOT, ["rehearsing"])
    with reading(engine) as connection:
        written = connection.execute(select(audit.c.who, audit.c.what, audit.c.subject).order_by(audit.c.id)).all()
    assert [tuple(row) for row in written] == [
        ("ops", "switch set", "pause = True"),
        ("ops", "switch set", "pilot = ['rehearsing']"),
        ("ops", "switch set", "override_recipient = rehearsing"),
    ]
    assert "rehearsing" not in now_set(engine).sentence(), "sentences go to logs"


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        (PAUSE, "yes", "something else than true or false"),
        (PAUSE, None, "something else than true or false"),
        (PILOT, "rehearsing", "must be a list"),
        (PILOT, [1], "must be a list"),
        (PILOT, ["rehearsing", "nobody"], "1 of 2 guests are not known: nobody"),
        (PILOT, [f"e{number}" for number in range(MOST_GUESTS + 1)], "at most 1,000 guests, not 1,001"),
        (OVERRIDE, "nobody", "no active learner has that external id: nobody"),
        (OVERRIDE, "left", "no active learner has that external id: left"),
        (OVERRIDE, ["rehearsing"], "must be the external id of a learner"),
    ],
)
def test_a_value_that_means_nothing_is_refused_and_changes_nothing(
    engine: Engine, name: SwitchName, value: object, complaint: str
) -> None:
    somebody(engine)
    somebody(engine, "left", active=False)
    with pytest.raises(SwitchError, match=complaint):
        set_to(engine, name, value)
    assert now_set(engine) == Switches()


def test_switches_are_taken_back_as_they_were_set(engine: Engine) -> None:
    somebody(engine)
    for name, on, off in ((PAUSE, True, False), (PILOT, ["rehearsing"], []), (OVERRIDE, "rehearsing", "")):
        assert set_to(engine, name, on)
        assert set_to(engine, name, off)
    assert now_set(engine) == Switches()


# ---- following what is set elsewhere


def follows(engine: Engine, **told: object) -> list[str]:
    with writing(engine) as connection:
        return follow(connection, {SwitchName(name): value for name, value in told.items()}, who="elsewhere", at=NOON)


def test_what_is_set_elsewhere_is_followed_and_what_is_not_set_there_stays(engine: Engine) -> None:
    somebody(engine)
    set_to(engine, PILOT, ["rehearsing"])
    assert follows(engine, pause="true") == []
    assert now_set(engine) == Switches(is_paused=True, guests=("rehearsing",))
    assert follows(engine, pause=False, pilot=[], override_recipient="rehearsing") == []
    assert now_set(engine) == Switches(override_recipient="rehearsing")
    assert follows(engine) == []
    assert now_set(engine) == Switches(override_recipient="rehearsing")


@pytest.mark.parametrize(
    "told",
    [
        {"pause": "maybe"},
        {"pilot": ["nobody"]},
        {"pilot": "rehearsing"},
        {"pilot": [f"e{number}" for number in range(MOST_GUESTS + 1)]},
        {"override_recipient": "nobody"},
        {"override_recipient": 7, "pause": False},
    ],
    ids=str,
)
def test_what_cannot_be_used_pauses_everything_until_it_is_mended(engine: Engine, told: dict[str, object]) -> None:
    somebody(engine)
    (trouble,) = follows(engine, **told)
    assert "nobody" not in trouble, "it is logged"
    assert now_set(engine).is_paused
    assert trouble in now_set(engine).sentence()
    assert follows(engine, **told) == [trouble]
    assert count(engine, audit) == 1
    mended = {"pause": False, "pilot": ["rehearsing"], "override_recipient": "rehearsing"}
    assert follows(engine, **{name: mended[name] for name in told}) == []
    assert not now_set(engine).is_paused


def test_unknown_guests_are_left_out_and_the_known_ones_stay(engine: Engine) -> None:
    somebody(engine)
    (trouble,) = follows(engine, pilot=["rehearsing", "nobody"])
    assert "1 of 2" in trouble
    assert now_set(engine) == Switches(guests=("rehearsing",))


def test_a_pause_by_a_person_outlives_the_switch_that_could_not_be_used(engine: Engine) -> None:
    somebody(engine)
    set_to(engine, PAUSE, True)
    follows(engine, override_recipient="nobody")
    follows(engine, override_recipient="rehearsing")
    assert now_set(engine).is_paused


# ---- pausing


@pytest.mark.parametrize("message_class", [MessageClass.NUDGE, MessageClass.MANDATORY])
def test_nothing_is_sent_while_everything_is_paused(engine: Engine, message_class: MessageClass) -> None:
    wave_id, _ = a_wave_for(engine, 3, message_class=message_class)
    set_to(engine, PAUSE, True)
    sink = Post()
    for result in (dispatched(engine, wave_id, sink), drained(engine, wave_id, sink)):
        assert (result.stopped, result.has_more) == (EVERYTHING_PAUSED, False)
    assert not sink.reached
    assert {state for state, _ in states_of(engine, wave_id).values()} == {DeliveryState.PLANNED}
    set_to(engine, PAUSE, False)
    assert dispatched(engine, wave_id, sink).accepted == 3


def test_mail_that_is_planned_ahead_waits_too(engine: Engine) -> None:
    wave_id, _ = a_wave_for(engine, 2)
    set_to(engine, PAUSE, True)
    due = next(iter(rows_of(engine, wave_id).values())).due_at
    assert dispatched(engine, wave_id, now=due, send_at=due).stopped == EVERYTHING_PAUSED
    assert count(engine, handover) == 0


def at_step(engine: Engine, step: Step, name: SwitchName, value: object) -> Any:
    """Sets a switch when a drain first comes to a step."""
    done: list[bool] = []

    def on_step(reached: Step, _count: int) -> None:
        if reached is step and not done:
            done.append(set_to(engine, name, value))

    return on_step


@pytest.mark.parametrize(("step", "sent"), [(Step.CLAIMED, 0), (Step.WRITTEN, 0), (Step.INTENDED, 2), (Step.CALLED, 2)])
def test_a_pause_ends_a_running_drain_at_its_next_batch(engine: Engine, step: Step, sent: int) -> None:
    wave_id, people = a_wave_for(engine, 6)
    sink = Post()
    result = drained(engine, wave_id, sink, batch_size=2, on_step=at_step(engine, step, PAUSE, True))
    assert len(sink.reached) == sent
    assert (result.stopped, result.has_more, result.accepted) == (EVERYTHING_PAUSED, False, sent)
    states = [state for state, _ in states_of(engine, wave_id).values()]
    assert states.count(DeliveryState.PLANNED) == 6 - sent, "the batch was put back"
    set_to(engine, PAUSE, False)
    dispatched(engine, wave_id, sink)
    assert sorted(sink.reached) == people


def test_setting_a_switch_waits_for_handovers_that_look_at_it(postgres_engine: Engine) -> None:
    setting = Thread(target=set_to, args=[postgres_engine, PAUSE, True])
    with writing(postgres_engine) as connection:
        assert not held_switches(connection).is_paused
        setting.start()
        setting.join(0.5)
        assert setting.is_alive(), "a handover that saw no pause commits before the pause does"
    setting.join(10)
    assert now_set(postgres_engine).is_paused


# ---- a pilot


def test_only_guests_are_sent_to_whatever_the_shard(engine: Engine) -> None:
    wave_id, people = a_wave_for(engine, 5)
    set_to(engine, PILOT, external_ids(engine, people[1:3]))
    sink = Post()
    assert dispatched(engine, wave_id, sink).accepted == 2
    assert sink.reached == people[1:3]
    set_to(engine, PILOT, [])
    dispatched(engine, wave_id, sink)
    assert sorted(sink.reached) == people


def test_a_pilot_without_anybody_of_the_cohort_sends_nothing(engine: Engine) -> None:
    wave_id, people = a_wave_for(engine, 3)
    set_to(engine, PILOT, external_ids(engine, people[:1]))
    sink = Post()
    options = builders.DrainOptions(worker="test", caps=builders.NO_CAPS, switches=now_set(engine))
    shard = Shard(wave_id, only=(people[2],))
    result = builders.drain(engine, shard, terms_of(engine, wave_id, now=NOON), sink, options=options)
    assert not sink.reached
    assert not result.has_more


def test_guests_who_are_gone_open_the_pilot_to_nobody_else(engine: Engine) -> None:
    wave_id, people = a_wave_for(engine, 3)
    set_to(engine, PILOT, external_ids(engine, people[:1]))
    with writing(engine) as connection:
        connection.execute(update(learner).where(learner.c.id == people[0]).values(external_id="somebody-else"))
    sink = Post()
    dispatched(engine, wave_id, sink)
    assert not sink.reached


def test_a_pilot_that_begins_stops_strangers_at_the_next_batch(engine: Engine) -> None:
    wave_id, people = a_wave_for(engine, 6)
    sink = Post()
    guests = external_ids(engine, people[5:])
    result = drained(engine, wave_id, sink, batch_size=2, on_step=at_step(engine, Step.RECORDED, PILOT, guests))
    assert sink.reached == people[:2]
    assert (result.stopped, result.has_more, result.is_switched) == (None, True, True)
    dispatched(engine, wave_id, sink)
    assert sink.reached == [*people[:2], people[5]]


def test_who_knows_nothing_of_the_switches_sends_nothing(engine: Engine) -> None:
    wave_id, people = a_wave_for(engine, 2)
    set_to(engine, PILOT, external_ids(engine, people))
    sink = Post()
    result = drained(engine, wave_id, sink)
    assert not sink.reached
    assert result.has_more


# ---- a rehearsal


def rehearsal(engine: Engine, number: int = 3, **fields: Any) -> tuple[int, list[int], int]:
    """A wave, its learners, and the one who rehearses and is not among them."""
    wave_id, people = a_wave_for(engine, number, **fields)
    to = somebody(engine)
    set_to(engine, OVERRIDE, "rehearsing")
    return wave_id, people, to


DIVERTED = (DeliveryState.SKIPPED, Reason.DIVERTED)


def test_everything_goes_to_the_one_who_rehearses_and_nothing_counts(engine: Engine) -> None:
    wave_id, people, to = rehearsal(engine)
    sink = Post()
    result = dispatched(engine, wave_id, sink)
    assert sink.reached == [to] * 3
    assert (result.accepted, result.skipped) == (0, {Reason.DIVERTED: 3})
    assert states_of(engine, wave_id) == dict.fromkeys(people, DIVERTED)
    assert count(engine, contact) == 0, "nobody's attention budget pays for it"
    with writing(engine) as connection:
        assert record_reached(connection, "safety", now=NOON) == 0
        (became,) = wave_results(connection)
        (diverted_to,) = connection.execute(select(handover.c.diverted_to)).scalars()
    assert became.sentence() == "accepted 0, skipped 3 (3 diverted)"
    assert became.is_finished
    assert diverted_to == to


@pytest.mark.parametrize(
    "answer",
    [
        Accepted(),
        Accepted(provider_id="named"),
        Rejected("no_such_mailbox", suppress=SuppressionReason.BOUNCED),
        Uncertain("read_timeout"),
        RuntimeError("a defect"),
    ],
    ids=str,
)
def test_whatever_comes_of_it_the_learner_got_nothing(engine: Engine, answer: Any) -> None:
    wave_id, people, to = rehearsal(engine, 2)
    sink = Post({people[0]: [answer]}, request_size=1)
    result = dispatched(engine, wave_id, sink)
    assert sink.reached == [to, to]
    assert states_of(engine, wave_id) == dict.fromkeys(people, DIVERTED)
    assert result.skipped == {Reason.DIVERTED: 2}
    assert count(engine, suppression) == 0, "what the address refuses says nothing about the learner"


def test_an_address_that_refuses_a_rehearsal_stops_no_campaign(engine: Engine) -> None:
    with writing(engine) as connection:
        campaign_id = a_campaign(connection, stop=StopThresholds(after=2))
        people = learners(connection, 6)
    wave_id = planned(engine, a_wave())
    to = somebody(engine)
    set_to(engine, OVERRIDE, "rehearsing")
    sink = Post({each: [Rejected("mailbox_full")] for each in people}, request_size=1)
    result = dispatched(engine, wave_id, sink, batch_size=2)
    assert result.stopped is None
    assert sink.reached == [to] * 6
    with reading(engine) as connection:
        assert figures(connection, campaign_id) == Figures()
        assert mail_record(connection, now=NOON).accepted == 0


def test_what_surely_never_left_waits_and_may_go_to_the_learner_later(engine: Engine) -> None:
    wave_id, people, to = rehearsal(engine, 2)
    sink = Post({people[0]: [NotSent("connect_refused", retry_at=NOON)]}, request_size=1)
    assert dispatched(engine, wave_id, sink).not_sent == 1
    assert states_of(engine, wave_id) == {
        people[0]: (DeliveryState.PLANNED, Reason.NOT_PROCESSED),
        people[1]: DIVERTED,
    }
    set_to(engine, OVERRIDE, "")
    assert dispatched(engine, wave_id, sink).accepted == 1
    assert sink.reached == [to, to, people[0]]
    assert states_of(engine, wave_id)[people[0]] == (DeliveryState.ACCEPTED, None)


def test_who_was_in_a_rehearsal_is_sent_to_by_a_rerun_of_the_missed(engine: Engine) -> None:
    wave_id, people, to = rehearsal(engine)
    dispatched(engine, wave_id)
    set_to(engine, OVERRIDE, "")
    again = rotate(
        engine, wave_id, Cohort(kind=CohortKind.MISSED), reason="after the rehearsal", requested_by="ops", as_of=NOON
    )
    assert again.planned == 3
    sink = Post()
    options = builders.DrainOptions(worker="test", caps=builders.NO_CAPS)
    rules = terms_of(engine, wave_id, now=NOON)
    assert builders.drain(engine, Shard(wave_id, 1), rules, sink, options=options).accepted == 3
    assert sink.reached == people
    assert to not in sink.reached


@pytest.mark.parametrize("step", [Step.CLAIMED, Step.WRITTEN])
@pytest.mark.parametrize("begins", [True, False])
def test_a_message_written_before_the_switch_is_not_sent_after_it(engine: Engine, step: Step, begins: bool) -> None:
    wave_id, people = a_wave_for(engine, 4)
    to = somebody(engine)
    set_to(engine, OVERRIDE, "" if begins else "rehearsing")
    sink = Post()
    change = at_step(engine, step, OVERRIDE, "rehearsing" if begins else "")
    result = dispatched(engine, wave_id, sink, on_step=change)
    assert not sink.reached
    assert result.has_more
    dispatched(engine, wave_id, sink)
    assert sink.reached == ([to] * 4 if begins else people)


def test_somebody_who_left_is_not_rehearsed_with(engine: Engine) -> None:
    wave_id, people, to = rehearsal(engine)
    with writing(engine) as connection:
        connection.execute(update(learner).where(learner.c.id == to).values(active=False))
    sink = Post()
    assert dispatched(engine, wave_id, sink).stopped == NOBODY_TO_DIVERT_TO
    assert not sink.reached
    assert {state for state, _ in states_of(engine, wave_id).values()} == {DeliveryState.PLANNED}
    assert people


@pytest.mark.parametrize("lacks", ["address", "consent"])
def test_a_channel_the_one_who_rehearses_cannot_be_reached_over_is_skipped(engine: Engine, lacks: str) -> None:
    wave_id, people = a_wave_for(engine, 2)
    to = somebody(engine, email=None if lacks == "address" else "r@example.org")
    if lacks == "consent":
        with writing(engine) as connection:
            opt_out(connection, to, channel="*", family="*", source="test", at=DAWN)
    set_to(engine, OVERRIDE, "rehearsing")
    sink = Post()
    result = dispatched(engine, wave_id, sink)
    assert not sink.reached
    assert result.skipped == {Reason.DIVERTED: 2}
    assert states_of(engine, wave_id) == dict.fromkeys(people, DIVERTED)
    assert count(engine, handover) == 0


def test_the_silent_worker_of_a_rehearsal_leaves_nothing_to_settle(engine: Engine) -> None:
    wave_id, people, _ = rehearsal(engine)

    class Dead(BaseException):
        pass

    def die(step: Step, _count: int) -> None:
        if step is Step.INTENDED:
            raise Dead

    with pytest.raises(Dead):
        dispatched(engine, wave_id, on_step=die)
    builders.time_passes(engine, timedelta(minutes=5))
    reaped = reap(engine)
    assert (reaped.uncertain, reaped.diverted) == (0, 3)
    assert states_of(engine, wave_id) == dict.fromkeys(people, DIVERTED)
    assert {row.settled_at for row in rows_of(engine, wave_id).values()} == {NOON}


# ---- what is heard about a rehearsal


@pytest.mark.parametrize("kind", list(EventKind))
@pytest.mark.parametrize("names_it", [True, False])
def test_what_is_reported_about_a_rehearsal_says_nothing_about_the_learner(
    engine: Engine, kind: EventKind, names_it: bool
) -> None:
    wave_id, people, _ = rehearsal(engine, 1)
    dispatched(engine, wave_id)
    handover_id = rows_of(engine, wave_id)[people[0]].handover_id if names_it else None
    fact = DeliveryFact("provider", "fact", wave_id, 0, people[0], kind, NOON, handover_id=handover_id)
    with writing(engine) as connection:
        assert record_facts(connection, [fact]) == 0
    assert states_of(engine, wave_id) == {people[0]: DIVERTED}
    assert count(engine, delivery_event) == count(engine, suppression) == count(engine, consent) == 0


def test_an_earlier_message_of_the_learners_own_is_still_heard_of(engine: Engine) -> None:
    wave_id, (person,), _ = rehearsal(engine, 1)
    set_to(engine, OVERRIDE, "")
    dispatched(engine, wave_id, Post({person: [NotSent("reset", retry_at=NOON)]}))
    first = rows_of(engine, wave_id)[person].handover_id
    set_to(engine, OVERRIDE, "rehearsing")
    dispatched(engine, wave_id)
    assert states_of(engine, wave_id) == {person: DIVERTED}
    fact = DeliveryFact("provider", "late", wave_id, 0, person, EventKind.DELIVERED, NOON, handover_id=first)
    with writing(engine) as connection:
        assert record_facts(connection, [fact]) == 1
    assert states_of(engine, wave_id) == {person: (DeliveryState.DELIVERED, None)}


def test_a_word_of_the_one_who_rehearses_is_not_the_learners(engine: Engine) -> None:
    wave_id, (person,), _ = rehearsal(engine, 1)
    dispatched(engine, wave_id)
    handover_id = rows_of(engine, wave_id)[person].handover_id
    name = DeliveryName(wave_id, 0, person, handover_id)
    told = [
        Told(name, "a", NOON, word=Word.OPT_OUT_ALL),
        Told(name, "b", NOON, kind=EventKind.OPTED_OUT, suppress=SuppressionReason.STOPPED),
    ]
    receive(
        engine,
        "test",
        [ProviderEvent(each.key, "{}") for each in told],
        lambda _provider, _body, _at: told,
        received_at=NOON,
    )
    assert count(engine, suppression) == count(engine, consent) == 0
    with reading(engine) as connection:
        found = connection.execute(select(callback.c.state, callback.c.note)).all()
    assert {tuple(row) for row in found} == {(CallbackState.FOLDED, "of a rehearsal")}


# ---- its words and links


def test_a_rehearsed_message_has_the_learners_words_and_no_link_of_theirs() -> None:
    item = RecommendedItem("Title", "https://x/l/theirs", 5.0, "goal", None)
    theirs = MessageFacts("Ada", "https://x/l/theirs", "https://x/u/theirs", "https://x/p/theirs", items=(item,))
    own = MessageFacts("Bo", "https://x/l/own", "https://x/u/own", "https://x/p/own")
    sent = diverted(Addressed("ada@example.org", "Ada", theirs), Addressed("bo@example.org", "Bo", own))
    assert (sent.to, sent.to_name, sent.facts.given_name) == ("bo@example.org", "Bo", "Ada")
    assert "theirs" not in repr(sent)
    assert sent.facts.items == (replace(item, url="https://x/l/own"),)


# ---- workers that die


_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["__main__", "tests.ledger.doomed"])


def dies(engine: Engine, wave_id: int, path: Path, point: str, *, at_visit: int) -> None:
    url = engine.url.render_as_string(hide_password=False)
    process = _processes.Process(
        target=doomed.work, args=(url, wave_id, path, NOON), kwargs={"dies_at": str(point), "at_visit": at_visit}
    )
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL, f"it should have died at {point}, and ended with {process.exitcode}"


def an_hour_later(engine: Engine, path: Path) -> None:
    builders.time_passes(engine, timedelta(hours=1))
    reap(engine)
    reconcile(engine, lambda _channel, asked: doomed.look_up(path, asked), now=NOON, patience=Patience())


def work_on(engine: Engine, wave_id: int, path: Path) -> None:
    doomed.work(engine.url.render_as_string(hide_password=False), wave_id, path, NOON)


AT_EVERY_POINT = pytest.mark.parametrize(
    "point", doomed.POINTS, ids=[str(each).replace(" ", "-") for each in doomed.POINTS]
)


@AT_EVERY_POINT
def test_a_rehearsal_killed_anywhere_reaches_nobody_else_and_counts_for_nobody(
    engine: Engine, tmp_path: Path, point: str
) -> None:
    wave_id, people, to = rehearsal(engine, 20)
    sink = tmp_path / "provider"
    dies(engine, wave_id, sink, point, at_visit=2)
    an_hour_later(engine, sink)
    work_on(engine, wave_id, sink)
    assert doomed.reached(sink) == {to}
    assert set(doomed.received(sink).values()) == {1}
    assert states_of(engine, wave_id) == dict.fromkeys(people, DIVERTED)
    assert count(engine, contact) == 0


@AT_EVERY_POINT
def test_a_rehearsal_that_was_killed_leaves_the_rest_to_the_real_wave(
    engine: Engine, tmp_path: Path, point: str
) -> None:
    wave_id, people, to = rehearsal(engine, 20)
    sink = tmp_path / "provider"
    dies(engine, wave_id, sink, point, at_visit=2)
    set_to(engine, OVERRIDE, "")
    an_hour_later(engine, sink)
    work_on(engine, wave_id, sink)
    assert set(doomed.received(sink).values()) == {1}
    ended = states_of(engine, wave_id)
    assert set(ended.values()) <= {DIVERTED, (DeliveryState.ACCEPTED, None)}
    accepted = {person for person, (state, _) in ended.items() if state == DeliveryState.ACCEPTED}
    assert doomed.reached(sink) - {to} == accepted, "accepted means that it went to the learner"
    assert count(engine, contact) == len(accepted)
    assert people


@AT_EVERY_POINT
def test_a_wave_that_was_killed_before_a_pause_sends_nothing_until_it_ends(
    engine: Engine, tmp_path: Path, point: str
) -> None:
    wave_id, people = a_wave_for(engine, 20)
    sink = tmp_path / "provider"
    dies(engine, wave_id, sink, point, at_visit=2)
    set_to(engine, PAUSE, True)
    before = doomed.received(sink)
    an_hour_later(engine, sink)
    work_on(engine, wave_id, sink)
    assert doomed.received(sink) == before
    set_to(engine, PAUSE, False)
    work_on(engine, wave_id, sink)
    assert doomed.received(sink) == {f"{wave_id}-0-{person}": 1 for person in people}
