"""The ledger's invariants, asserted after every step of many random histories.

The machine plays ops, learners, time, crashing workers and the provider; the ledger under test is the real one. The
numbers in the names of the checks are those of the invariants in the documentation of the delivery protocol.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Connection, Engine, Row, select, update

from pushpull.db import database_now, reading, writing
from pushpull.learners.consent import opt_out
from pushpull.learners.tables import learner
from pushpull.learners.vocabulary import Channel
from pushpull.ledger import timing
from pushpull.ledger.budget import OrganisationCaps
from pushpull.ledger.campaigns import (
    cancel_wave,
    pause_campaign,
    paused_channels,
    release_wave,
    resume_campaign,
    resume_channel,
)
from pushpull.ledger.drain import DrainOptions, Step
from pushpull.ledger.due import hold_misfires
from pushpull.ledger.events import RANK, DeliveryFact, record_facts
from pushpull.ledger.messages import delivery_id, parse_delivery_id
from pushpull.ledger.planning import plan
from pushpull.ledger.reconcile import Patience, reap, reconcile, resolve_parked
from pushpull.ledger.results import close_finished, wave_results
from pushpull.ledger.settling import OPEN_TO_EVIDENCE, REPEATED
from pushpull.ledger.shards import Shard
from pushpull.ledger.specs import Caps, WaveSpec
from pushpull.ledger.switches import set_switch, switches
from pushpull.ledger.tables import attempt, campaign, delivery, handover, wave
from pushpull.ledger.vocabulary import (
    ACCEPTED_STATES,
    OPEN_STATES,
    DeliveryState,
    EventKind,
    MessageClass,
    Reason,
    SwitchName,
    WaveStatus,
)
from tests.ledger.builders import (
    NOON,
    a_campaign,
    a_learner,
    a_wave,
    emptied,
    has_completed,
    item_ids,
    planned,
    terms_of,
    time_passes,
)
from tests.ledger.stepped import PROCESSED, Fate, Manner, Provider, SteppedDrain

CAPS = OrganisationCaps(
    nudge=Caps(per_day=1, per_week=2, per_month=3), mandatory=Caps(per_day=1, per_week=2, per_month=2)
)
PATIENCE = Patience(settle=timedelta(minutes=15), park=timedelta(hours=1))
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata", None, "Europe/Berlin")
WAVES: dict[str, WaveSpec] = {
    "alpha": a_wave(campaign="alpha", channels=(Channel.EMAIL, Channel.TEAMS), expires_after=timedelta(days=4)),
    "beta": a_wave(campaign="beta", priority=5, expires_after=timedelta(days=4)),
    "duty": a_wave(campaign="duty", message_class=MessageClass.MANDATORY, expires_after=timedelta(days=20)),
}

PLANNED, HELD, CLAIMED = DeliveryState.PLANNED.value, DeliveryState.HELD.value, DeliveryState.CLAIMED.value
HANDING_OVER, UNCERTAIN = DeliveryState.HANDING_OVER.value, DeliveryState.UNCERTAIN.value
ACCEPTED, DELIVERED = DeliveryState.ACCEPTED.value, DeliveryState.DELIVERED.value
UNDELIVERED, BOUNCED = DeliveryState.UNDELIVERED.value, DeliveryState.BOUNCED.value
REJECTED, PARKED, SKIPPED = DeliveryState.REJECTED.value, DeliveryState.PARKED.value, DeliveryState.SKIPPED.value

#: Which moves each cause may make.
MOVES: dict[str, set[tuple[str, str]]] = {
    "work": {
        *((PLANNED, CLAIMED), (HELD, CLAIMED)),
        *((CLAIMED, result) for result in (PLANNED, HELD, SKIPPED, HANDING_OVER)),
        *((HANDING_OVER, result) for result in (ACCEPTED, REJECTED, PLANNED, UNCERTAIN)),
        (HANDING_OVER, SKIPPED),  # of a rehearsal
        *((UNCERTAIN, result) for result in (ACCEPTED, REJECTED, PLANNED)),  # an answer that came after the lease
        *((state, ACCEPTED) for state in OPEN_TO_EVIDENCE),
    },
    "reap": {(CLAIMED, PLANNED), (HANDING_OVER, UNCERTAIN), (HANDING_OVER, SKIPPED)},
    "look up": {(UNCERTAIN, ACCEPTED), (UNCERTAIN, PLANNED), (UNCERTAIN, PARKED)},
    "report": {
        *(
            (state, result)
            for state in (*OPEN_TO_EVIDENCE, REJECTED, ACCEPTED)
            for result in (DELIVERED, UNDELIVERED, BOUNCED)
        ),
        *((DELIVERED, UNDELIVERED), (DELIVERED, BOUNCED), (UNDELIVERED, BOUNCED)),
    },
    "recall": {(PLANNED, SKIPPED), (HELD, SKIPPED), (CLAIMED, SKIPPED)},
    "decide": {(PARKED, ACCEPTED), (PARKED, PLANNED)},
    "nothing": set(),
}
_LEADS_TO = {
    EventKind.DELIVERED: DELIVERED,
    EventKind.UNDELIVERED: UNDELIVERED,
    EventKind.BOUNCED: BOUNCED,
    EventKind.CLICKED: DELIVERED,
}

#: About which of the five people the provider can tell: nobody, some, everybody.
_TOLD = st.sampled_from([frozenset[int](), frozenset[int](), frozenset({0, 2}), frozenset(range(5))])

#: What can happen, how often in comparison, and what is chosen then. One strategy for all of it, as Hypothesis would
#: otherwise leave out whole rules in most histories.
HAPPENINGS: dict[str, tuple[int, dict[str, st.SearchStrategy[Any]]]] = {
    "a_worker_starts": (
        6,
        {"which": st.sampled_from(sorted(WAVES)), "batch": st.integers(1, 5), "request": st.integers(1, 3)},
    ),
    "a_worker_goes_on": (
        9,
        {
            "which": st.integers(0, 2),
            "steps": st.integers(1, 6),
            "fates": st.lists(st.sampled_from([*Fate, *[Fate.ACCEPTED_SILENTLY] * 2]), min_size=1, max_size=3),
            "manner": st.sampled_from([*[Manner.ANSWERS] * 5, *Manner]),
        },
    ),
    "a_worker_dies": (2, {"which": st.integers(0, 2)}),
    "time_goes_by": (
        4,
        {"span": st.sampled_from([timedelta(minutes=minutes) for minutes in (0.3, 2, 2, 20, 70, 70, 24 * 60)])},
    ),
    "the_silent_are_reaped": (3, {}),
    "the_uncertain_are_looked_up": (2, {"told": _TOLD}),
    "an_hour_later_the_silent_are_settled": (4, {"told": _TOLD}),
    "the_provider_reports": (
        3,
        {"which": st.integers(0, 20), "kind": st.sampled_from(sorted(_LEADS_TO)), "repeated": st.booleans()},
    ),
    "somebody": (
        1,
        {"who": st.integers(0, 4), "what": st.sampled_from(["opts out", "completes", "leaves", "loses the mailbox"])},
    ),
    "ops": (
        2,
        {
            "what": st.sampled_from(["pause", "resume", "release", "mend", "mend", "mend", "close", "cancel"]),
            "which": st.sampled_from(sorted(WAVES)),
        },
    ),
    "everything_is_set": (
        2,
        {
            "pause": st.sampled_from([False, False, True]),
            "guests": st.sampled_from([(), (), (0, 3), (1,)]),
            "rehearses": st.booleans(),
        },
    ),
    "a_person_decides_about_a_parked_message": (2, {"send_again": st.booleans()}),
    "plan_again": (1, {"which": st.sampled_from(sorted(WAVES))}),
}
EVENTS: st.SearchStrategy[tuple[str, dict[str, Any]]] = st.sampled_from(
    [name for name, (weight, _) in HAPPENINGS.items() for _ in range(weight)]
).flatmap(lambda name: st.tuples(st.just(name), st.fixed_dictionaries(HAPPENINGS[name][1])))

Key = tuple[int, int, int]


class Ledger(RuleBasedStateMachine):
    """Random histories of three waves to five people."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.engine = emptied(engine)
        self.provider = Provider(engine)
        self.now, self.seconds = NOON, 0.0
        self.drains: list[SteppedDrain] = []
        self.cause = "nothing"
        self.before: dict[Key, str] = {}
        self.people: list[int] = []
        self.waves: dict[str, int] = {}
        self.handovers: dict[Key, list[UUID]] = defaultdict(list)
        self.facts: dict[Key, list[EventKind]] = defaultdict(list)
        self.unwilling: set[int] = set()
        self.gone: set[int] = set()
        self.serial = count(1)

    @initialize()
    def people_campaigns_and_waves(self) -> None:
        with writing(self.engine) as connection:
            for key, spec in WAVES.items():
                campaign_id = a_campaign(
                    connection, key, items=("course",), message_class=spec.message_class, priority=spec.priority
                )
            self.people = [a_learner(connection, zone=zone) for zone in ZONES]
            (self.course,) = item_ids(connection, campaign_id)
        self.waves = {key: planned(self.engine, spec) for key, spec in WAVES.items()}
        with writing(self.engine) as connection:  # too late to be in a wave
            self.actor = a_learner(connection, external_id="actor")
            names = select(learner.c.external_id).where(learner.c.id.in_(self.people)).order_by(learner.c.id)
            self.names = connection.execute(names).scalars().all()

    def plan_again(self, which: str) -> None:
        assert plan(self.engine, WAVES[which], as_of=self.now).was_planned_before

    # ---- workers

    def a_worker_starts(self, which: str, batch: int, request: int) -> None:
        if len(self.drains) == 3:
            return
        wave_id = self.waves[which]
        with reading(self.engine) as connection:
            now_set = switches(connection)
        options = DrainOptions(worker="stepped", caps=CAPS, batch_size=batch, switches=now_set)
        rules = terms_of(self.engine, wave_id, now=self.now)
        started = SteppedDrain(
            self.provider,
            Shard(wave_id),
            rules,
            options=options,
            request_size=request,
            monotonic=lambda: self.seconds,
        )
        self.drains.append(started)
        self._advance(started, 1)

    def a_worker_goes_on(self, which: int, steps: int, fates: list[Fate], manner: Manner) -> None:
        if not self.drains:
            return
        self.provider.fates, self.provider.manner = fates, manner
        self._advance(self.drains[which % len(self.drains)], steps)

    def _advance(self, each: SteppedDrain, steps: int) -> None:
        for _ in range(steps):
            self.cause = "work"
            if each.advance() is None:
                self.drains.remove(each)
                return
            if each.at == Step.INTENDED:
                self.nothing_was_committed_that_was_forbidden(each)
            self.every_move_has_its_cause()

    def a_worker_dies(self, which: int) -> None:
        if self.drains:
            self.drains.pop(which % len(self.drains)).kill()

    def everything_is_set(self, pause: bool, guests: tuple[int, ...], rehearses: bool) -> None:
        wanted: dict[SwitchName, object] = {
            SwitchName.PAUSE: pause,
            SwitchName.PILOT: [self.names[place] for place in guests],
            SwitchName.OVERRIDE_RECIPIENT: "actor" if rehearses else "",
        }
        with writing(self.engine) as connection:
            for name, value in wanted.items():
                set_switch(connection, name, value, who="ops", at=self.now)

    # ---- time, evidence

    def time_goes_by(self, span: timedelta) -> None:
        self._time_goes_by(span)

    def _time_goes_by(self, span: timedelta) -> None:
        self.now += span
        self.seconds += span.total_seconds()
        time_passes(self.engine, span)

    def the_silent_are_reaped(self) -> None:
        self.cause = "reap"
        reap(self.engine)

    def the_uncertain_are_looked_up(self, told: frozenset[int]) -> None:
        self.cause = "look up"
        self._reconcile({self.people[place] for place in told})

    def an_hour_later_the_silent_are_settled(self, told: frozenset[int]) -> None:
        self._time_goes_by(timedelta(minutes=70))
        self.the_silent_are_reaped()
        self.every_move_has_its_cause()
        self.the_uncertain_are_looked_up(told)

    def _reconcile(self, told: set[int]) -> None:
        def look_up(_channel: str, asked: Any) -> Any:
            return self.provider.look_up(asked, tells=lambda each: parse_delivery_id(each)[2] in told)

        result = reconcile(self.engine, look_up, now=self.now, patience=PATIENCE)
        with reading(self.engine) as connection:
            late = self._uncertain_since(connection, PATIENCE.park)
        assert not late, f"10. not settled, not parked: {late} after {result}"

    @staticmethod
    def _uncertain_since(connection: Connection, span: timedelta) -> list[Any]:
        rows = connection.execute(
            select(delivery.c.learner_id, handover.c.intended_at)
            .join(handover, handover.c.id == delivery.c.handover_id)
            .where(delivery.c.state == UNCERTAIN)
        ).all()
        limit = database_now(connection) - span - timedelta(seconds=30)
        return [row for row in rows if row.intended_at < limit]

    def the_provider_reports(self, which: int, kind: EventKind, repeated: bool) -> None:
        if not self.provider.processed:
            return
        self.cause = "report"
        message = sorted(self.provider.processed)[which % len(self.provider.processed)]
        key = parse_delivery_id(message)
        fact = DeliveryFact(
            "provider", f"fact-{next(self.serial)}", *key, kind, self.now, handover_id=self._named(message, key)
        )
        with writing(self.engine) as connection:
            assert record_facts(connection, [fact, fact] if repeated else [fact]) == 1
            if repeated:
                assert record_facts(connection, [fact]) == 0
        self.facts[key].append(kind)

    def _named(self, message: str, key: Key) -> UUID | None:
        """The handover a report names: none, or the learner's own where a rehearsal came after it."""
        with reading(self.engine) as connection:
            latest = connection.execute(
                select(handover.c.diverted_to)
                .join(delivery, delivery.c.handover_id == handover.c.id)
                .where(delivery.c.wave_id == key[0], delivery.c.rotation == key[1], delivery.c.learner_id == key[2])
            ).scalar_one()
        if latest is None:
            return None
        return next(each for each, messages in self.provider.in_handover.items() if message in messages)

    # ---- people and ops, now and then

    def somebody(self, who: int, what: str) -> None:
        learner_id = self.people[who]
        row = update(learner).where(learner.c.id == learner_id)
        with writing(self.engine) as connection:
            match what:
                case "opts out":
                    self.unwilling.add(learner_id)
                    opt_out(connection, learner_id, channel="*", family="*", source="test", at=self.now)
                case "completes":
                    self.gone.add(learner_id)
                    has_completed(connection, learner_id, self.course, at=self.now)
                case "leaves":
                    self.gone.add(learner_id)
                    connection.execute(row.values(active=False))
                case _:
                    connection.execute(row.values(email=None))

    def ops(self, what: str, which: str) -> None:
        with writing(self.engine) as connection:
            match what:
                case "pause":
                    pause_campaign(connection, which, who="ops", why="test", at=self.now)
                case "resume":
                    resume_campaign(connection, which, who="ops", why="test", at=self.now)
                case "release":
                    self._release_late_waves(connection)
                case "mend":
                    for channel in Channel:
                        resume_channel(connection, channel.value)
                case "close":
                    self.cause = "recall"
                    close_finished(connection, now=self.now)
                case _:
                    self.cause = "recall"
                    cancel_wave(connection, self.waves[which], who="ops", why="test", at=self.now)

    def _release_late_waves(self, connection: Connection) -> None:
        hold_misfires(connection, now=self.now)
        held = connection.execute(select(wave.c.id).where(wave.c.status == WaveStatus.HELD.value)).scalars().all()
        for wave_id in held:
            release_wave(connection, wave_id, who="ops", why="still wanted", at=self.now)

    def a_person_decides_about_a_parked_message(self, send_again: bool) -> None:
        self.cause = "decide"
        with writing(self.engine) as connection:
            row = connection.execute(select(delivery).where(delivery.c.state == PARKED)).first()
            if row is None:
                return
            key = (row.wave_id, row.rotation, row.learner_id)
            received = not send_again and self.provider.processed[delivery_id(*key)] > 0
            assert resolve_parked(
                connection,
                wave_id=row.wave_id,
                rotation=row.rotation,
                learner_id=row.learner_id,
                was_received=received,
                who="ops",
                now=self.now,
            )

    # ---- what must hold

    def nothing_was_committed_that_was_forbidden(self, each: SteppedDrain) -> None:
        """3, 6, 7, 11: what the handovers that were just committed had to know."""
        with reading(self.engine) as connection:
            rows = connection.execute(
                select(
                    delivery,
                    handover.c.as_of,
                    handover.c.channel.label("over"),
                    handover.c.diverted_to,
                    wave.c.status.label("wave_status"),
                    wave.c.message_class,
                    campaign.c.status.label("campaign_status"),
                    learner.c.timezone,
                )
                .join(handover, handover.c.id == delivery.c.handover_id)
                .join(wave, wave.c.id == delivery.c.wave_id)
                .join(campaign, campaign.c.id == wave.c.campaign_id)
                .join(learner, learner.c.id == delivery.c.learner_id)
                .where(delivery.c.state == HANDING_OVER)
            ).all()
            paused = paused_channels(connection, now=each.rules.as_of)
            now_set = switches(connection)
            notes = _notes(connection)
        for row in rows:
            key = (row.wave_id, row.rotation, row.learner_id)
            if row.handover_id in self.handovers[key]:
                continue  # an earlier handover that is still under way
            for earlier in self.handovers[key]:
                assert "not_sent" in notes[earlier, row.learner_id], "6. repeated without proof or decision"
            self.handovers[key].append(row.handover_id)
            assert row.attempt == len(self.handovers[key])
            assert row.campaign_status == row.wave_status == WaveStatus.OPEN, "7. handed over when stopped"
            assert row.over not in paused, "7. handed over to a paused channel"
            assert not now_set.is_paused, "7. handed over while everything is paused"
            is_guest = not now_set.guests or self.names[self.people.index(row.learner_id)] in now_set.guests
            assert is_guest, "7. handed over to a stranger of the pilot"
            assert row.diverted_to == (self.actor if now_set.override_recipient else None), "7. to the wrong one"
            assert row.learner_id not in self.gone, "7. handed over to somebody who is through"
            is_obligation = row.message_class == MessageClass.MANDATORY
            assert is_obligation or row.learner_id not in self.unwilling, "7. handed over after an opt-out"
            assert timing.is_open(row.as_of, row.timezone or "Europe/Berlin", WAVES["alpha"].window), "7. at night"

    @rule(event=EVENTS)
    def something_happens(self, event: tuple[str, dict[str, Any]]) -> None:
        name, details = event
        getattr(self, name)(**details)

    @invariant()
    def every_move_has_its_cause(self) -> None:
        """1, 4, 5: states change only as the protocol allows, and accepted means that the provider has it."""
        with reading(self.engine) as connection:
            rows = connection.execute(select(delivery)).all()
        for row in rows:
            key = (row.wave_id, row.rotation, row.learner_id)
            before = self.before.get(key)
            if before is not None and before != row.state:
                assert (before, row.state) in MOVES[self.cause], f"4. {before} → {row.state} by {self.cause}"
            self.before[key] = row.state
            processed = self.provider.processed[delivery_id(*key)]
            if row.state in ACCEPTED_STATES:
                assert processed, "5. accepted without evidence"
            if row.reason == Reason.DIVERTED:
                assert row.state == SKIPPED
                assert row.handover_id is not None
            if row.state in (PLANNED, HELD, CLAIMED) and processed and row.attempt:
                assert row.handover_id is not None
            self._the_state_is_the_fold(row, key)
        self.cause = "nothing"
        sizes = Counter(row.wave_id for row in rows)
        assert sizes == dict.fromkeys(self.waves.values(), len(self.people)), "8. a row was lost or added"

    def _the_state_is_the_fold(self, row: Row[Any], key: Key) -> None:
        if self.facts[key]:
            expected = max((_LEADS_TO[kind] for kind in self.facts[key]), key=lambda state: RANK[DeliveryState(state)])
            assert row.state == expected, "9. the state is the highest fact"

    @invariant()
    def everybody_is_accounted_for(self) -> None:
        """8: audience = Σ states, and what is closed has nothing open."""
        with reading(self.engine) as connection:
            results = wave_results(connection)
            closed = set(connection.execute(select(wave.c.id).where(wave.c.finished_at.is_not(None))).scalars())
        for result in results:
            assert result.audience == len(self.people) == sum(result.states.values())
            assert result.accepted == sum(result.states[state] for state in ACCEPTED_STATES)
            assert sum(result.skipped.values()) == result.states[SKIPPED]
            assert result.is_finished == (not any(result.states[state] for state in OPEN_STATES))
            assert result.wave_id not in closed or result.is_finished, "8. closed with open rows"

    @invariant()
    def nobody_gets_more_than_the_caps_allow(self) -> None:
        """11: counted over what the provider truly processed, whatever the ledger believes."""
        with reading(self.engine) as connection:
            told = connection.execute(
                select(handover.c.id, handover.c.as_of, wave.c.message_class).join(
                    wave, wave.c.id == handover.c.wave_id
                )
            ).all()
            zones = dict(connection.execute(select(learner.c.id, learner.c.timezone)).all())
        days: dict[tuple[int, str], list[int]] = defaultdict(list)
        for row in told:
            for message in self.provider.in_handover.get(row.id, ()):
                learner_id = parse_delivery_id(message)[2]
                day = timing.local_day(row.as_of, zones[learner_id] or "Europe/Berlin").toordinal()
                days[learner_id, MessageClass(row.message_class).lane].append(day)
        for (learner_id, lane), got in days.items():
            caps = CAPS.mandatory if lane == "mandatory" else CAPS.nudge
            for span, most in ((1, caps.per_day), (7, caps.per_week), (30, caps.per_month)):
                for last in got:
                    inside = sum(last - span < day <= last for day in got)
                    assert inside <= most, f"11. {inside} {lane} messages in {span} days for {learner_id}"

    # ---- the end of every history

    def teardown(self) -> None:
        for each in self.drains:
            each.kill()
        self.everything_is_set(pause=False, guests=(), rehearses=False)
        with writing(self.engine) as connection:
            for key in WAVES:
                resume_campaign(connection, key, who="ops", why="the end", at=self.now)
            for channel in Channel:
                resume_channel(connection, channel.value)
        self.provider.fates, self.provider.manner = [Fate.ACCEPTED], Manner.ANSWERS
        for _ in range(60):
            if self._everything_is_closed():
                break
            self._time_goes_by(timedelta(hours=11))
            reap(self.engine)
            self._reconcile(set(self.people))
            for wave_id in self.waves.values():
                options = DrainOptions(worker="last", caps=CAPS)
                rules = terms_of(self.engine, wave_id, now=self.now)
                last = SteppedDrain(
                    self.provider,
                    Shard(wave_id),
                    rules,
                    options=options,
                    request_size=3,
                    monotonic=lambda: self.seconds,
                )
                while last.advance() is not None:
                    pass
        assert self._everything_is_closed(), "8. a wave never finishes"
        self.nobody_gets_more_than_the_caps_allow()
        self._nothing_was_sent_twice_and_nothing_was_lost()

    def _everything_is_closed(self) -> bool:
        with writing(self.engine) as connection:
            close_finished(connection, now=self.now)
            unfinished = connection.execute(select(wave.c.id).where(wave.c.finished_at.is_(None))).first()
        return unfinished is None

    def _nothing_was_sent_twice_and_nothing_was_lost(self) -> None:
        with reading(self.engine) as connection:
            rows = connection.execute(select(delivery)).all()
            repeats = Counter(
                tuple(row)
                for row in connection.execute(
                    select(attempt.c.wave_id, attempt.c.rotation, attempt.c.learner_id).where(
                        attempt.c.reason == REPEATED
                    )
                )
            )
        for row in rows:
            key = (row.wave_id, row.rotation, row.learner_id)
            got, repeated = self.provider.processed[delivery_id(*key)], repeats[key]
            assert got <= 1 + repeated, f"{got} messages for one delivery, {repeated} times repeated without proof"
            if got > 1 and row.state == ACCEPTED:
                assert row.reason == Reason.POSSIBLE_DUPLICATE, "a possible duplicate lost its mark"
            if got:
                is_known = row.state in (*ACCEPTED_STATES, PARKED)
                assert is_known or repeated, f"{row.state} ({row.reason}), though the provider accepted it"
            else:
                assert row.state not in ACCEPTED_STATES


def _notes(connection: Any) -> dict[tuple[UUID, int], list[str]]:
    notes: dict[tuple[UUID, int], list[str]] = defaultdict(list)
    for row in connection.execute(select(attempt).order_by(attempt.c.seq)):
        notes[row.handover_id, row.learner_id].append(row.outcome)
    return notes


def _play(engine: Engine, histories: int, *, steps: int, same_every_time: bool = True) -> None:
    def a_history() -> Ledger:
        return Ledger(engine)

    run_state_machine_as_test(
        seed(3)(a_history) if same_every_time else a_history,
        settings=settings(
            max_examples=histories,
            stateful_step_count=steps,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )


def test_the_ledgers_invariants_hold_in_every_history_on_sqlite(sqlite_engine: Engine) -> None:
    _play(sqlite_engine, 20, steps=40)


def test_the_ledgers_invariants_hold_in_every_history_on_postgresql(postgres_engine: Engine) -> None:
    _play(postgres_engine, 6, steps=40)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_the_ledgers_invariants_hold_in_thousands_of_histories(engine: Engine) -> None:
    _play(engine, 2000, steps=60, same_every_time=False)


def test_a_late_answer_to_one_handover_changes_nothing_about_the_next(engine: Engine) -> None:
    """Two workers, one of whom fell asleep between the provider's "not now" and its own record of it."""
    with writing(engine) as connection:
        a_campaign(connection, "alpha")
        (someone,) = (a_learner(connection),)
    wave_id = planned(engine, WAVES["alpha"])
    provider = Provider(engine)
    clock = [0.0]

    def a_worker(now: datetime) -> SteppedDrain:
        return SteppedDrain(
            provider,
            Shard(wave_id),
            terms_of(engine, wave_id, now=now),
            options=DrainOptions(worker="stepped", caps=CAPS),
            request_size=3,
            monotonic=lambda: clock[0],
        )

    provider.fates = [Fate.TURNED_AWAY]
    sleeper = a_worker(NOON)
    while sleeper.advance() != PROCESSED:
        pass
    clock[0] += 3600
    time_passes(engine, timedelta(hours=1))
    reap(engine)
    reconcile(
        engine, lambda _channel, asked: provider.look_up(asked, tells=lambda _: True), now=NOON, patience=PATIENCE
    )
    provider.fates = [Fate.ACCEPTED]
    other = a_worker(NOON + timedelta(hours=1))
    while other.advance() != PROCESSED:
        pass
    while sleeper.advance() is not None:
        pass
    with reading(engine) as connection:
        assert connection.execute(select(delivery.c.state)).scalar_one() == HANDING_OVER
    while other.advance() is not None:
        pass
    with reading(engine) as connection:
        assert connection.execute(select(delivery.c.state)).scalar_one() == ACCEPTED
    assert provider.processed == {delivery_id(wave_id, 0, someone): 1}
