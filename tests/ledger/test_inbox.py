"""What providers tell us is kept once, folded whatever else came with it, and matched when its delivery is there."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, func, select, update
from sqlalchemy.exc import OperationalError

from channels.callbacks import sendgrid, teams, twilio
from channels.callbacks.reading import normalise
from pushpull.db import metadata, reading, writing
from pushpull.learners.tables import consent, learner, suppression
from pushpull.learners.vocabulary import Channel
from pushpull.ledger import inbox
from pushpull.ledger.events import DeliveryFact, record_facts
from pushpull.ledger.inbox import ORPHANS_LIVE, ORPHANS_REST, Folded, fold, prune, receive, store, store_poison
from pushpull.ledger.news import News, ProviderEvent
from pushpull.ledger.outcomes import Evidence, Finding, NotSent, Uncertain
from pushpull.ledger.reconcile import Patience, reconcile
from pushpull.ledger.tables import attempt, callback, channel_pause, delivery, delivery_event, handover
from pushpull.ledger.vocabulary import CallbackState, DeliveryState, EventKind, MessageClass, Reason
from tests.ledger.builders import (
    MONDAY,
    NOON,
    Sink,
    a_campaign,
    a_wave,
    drained,
    emptied,
    learners,
    planned,
    reasons_of,
    rows_of,
    states_of,
    time_passes,
)

NOW = datetime.now(UTC)
MINUTE = timedelta(minutes=1)
ANOTHER = UUID("ab" * 16)


@pytest.fixture(autouse=True)
def _present() -> None:
    """Tests may run long after they were read, and providers' requests grow old."""
    global NOW  # noqa: PLW0603  # the present of the test that runs
    NOW = datetime.now(UTC)


def an_event(wave_id: int, person: int, name: str, number: int = 0, **fields: Any) -> dict[str, Any]:
    """An event of SendGrid's about a delivery."""
    return {
        "email": "p@example.org",
        "event": name,
        "delivery": f"{wave_id}-0-{person}",
        "timestamp": int(NOW.timestamp()) + number,
        "sg_event_id": f"{wave_id}-{person}-{name}-{number}",
        **fields,
    }


def told(engine: Engine, *events: dict[str, Any], at: datetime | None = None) -> int:
    kept = sendgrid.split(json.dumps(events).encode())
    return receive(engine, "sendgrid", kept, normalise, received_at=at or NOW)


def texted(
    engine: Engine, body: str, *, sender: str = "%2B4915112345678", sid: str = "SM1", at: datetime | None = None
) -> int:
    kept = twilio.split(f"MessageSid={sid}&From={sender}&Body={body}".encode())
    return receive(engine, "twilio", kept, normalise, received_at=at or NOW)


def folded(engine: Engine, at: datetime | None = None, **options: Any) -> Folded:
    return fold(engine, normalise, now=at or NOW, **options)


def a_sent_wave(engine: Engine, number: int = 1, *, sink: Sink | None = None, **fields: Any) -> tuple[int, list[int]]:
    with writing(engine) as connection:
        a_campaign(connection, message_class=fields.get("message_class", MessageClass.NUDGE))
        people = learners(connection, number)
    wave_id = planned(engine, a_wave(**fields))
    drained(engine, wave_id, sink)
    return wave_id, people


def states(engine: Engine) -> list[str]:
    """What became of each event, in the order they came."""
    with reading(engine) as connection:
        return list(connection.execute(select(callback.c.state).order_by(callback.c.id)).scalars())


def state_of(engine: Engine, wave_id: int, person: int) -> str:
    return states_of(engine, wave_id)[person][0]


def suppressed(engine: Engine) -> list[tuple[str, str]]:
    """Channels and reasons of the suppressions in force."""
    with reading(engine) as connection:
        rows = connection.execute(
            select(suppression.c.channel, suppression.c.reason).where(suppression.c.lifted_at.is_(None))
        )
        return sorted((row.channel, row.reason) for row in rows)


def everything(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    with reading(engine) as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for table in metadata.sorted_tables
        }


def handover_of(engine: Engine, wave_id: int, person: int) -> UUID:
    found = rows_of(engine, wave_id)[person].handover_id
    assert isinstance(found, UUID)
    return found


# ---- storing


def test_an_event_is_kept_once_however_often_it_comes(engine: Engine) -> None:
    with writing(engine) as connection:
        events = [ProviderEvent("b", "{}"), ProviderEvent("a", "{}"), ProviderEvent("b", "{}")]
        added = store(connection, "sendgrid", events, received_at=NOW)
        assert len(added) == 2
        assert not store(connection, "sendgrid", events, received_at=NOW)
        assert len(store(connection, "twilio", events, received_at=NOW)) == 2
        assert store(connection, "twilio", [], received_at=NOW) == []


def test_two_hundred_who_store_the_same_event_store_one(engine: Engine) -> None:
    wave_id, (someone,) = a_sent_wave(engine)
    news: list[int] = []

    def tell() -> None:
        events = an_event(wave_id, someone, "spamreport"), an_event(wave_id, someone, "open")
        news.extend(told(engine, *events) for _ in range(25))

    threads = [Thread(target=tell) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(news) == 200
    assert sorted(news)[-2:] in ([0, 2], [1, 1])
    assert sum(news) == 2
    assert len(states(engine)) == 2


def test_a_body_nobody_can_read_is_kept_once_with_bytes_a_database_takes(engine: Engine) -> None:
    with writing(engine) as connection:
        assert store_poison(connection, "slack", b"\x00\xff garbage", received_at=NOW)
        assert not store_poison(connection, "slack", b"\x00\xff garbage", received_at=NOW)
    assert states(engine) == [CallbackState.POISON]
    assert folded(engine).total == 0


# ---- folding


def test_facts_wait_to_be_folded_and_opt_outs_do_not(engine: Engine) -> None:
    wave_id, (one, other) = a_sent_wave(engine, 2)
    told(engine, an_event(wave_id, one, "delivered"), an_event(wave_id, other, "group_unsubscribe"))
    assert sorted(states(engine)) == [CallbackState.FOLDED, CallbackState.NEW]
    assert state_of(engine, wave_id, one) == DeliveryState.ACCEPTED
    tomorrow = planned(engine, a_wave(on=MONDAY + timedelta(days=1)), as_of=NOON)
    assert reasons_of(engine, tomorrow) == {one: None, other: Reason.OPTED_OUT}
    assert folded(engine) == Folded(folded=1)
    assert state_of(engine, wave_id, one) == DeliveryState.DELIVERED


@pytest.mark.parametrize("name", ["spamreport", "bounce"])
def test_complaints_and_bounces_stand_as_soon_as_they_are_told(engine: Engine, name: str) -> None:
    wave_id, (someone,) = a_sent_wave(engine)
    told(engine, an_event(wave_id, someone, name))
    assert [channel for channel, _ in suppressed(engine)] == ["email"]


def test_one_poisonous_event_does_not_sink_its_batch(engine: Engine) -> None:
    wave_id, people = a_sent_wave(engine, 5)
    told(engine, *(an_event(wave_id, each, "delivered") for each in people))

    def hostile(provider: str, body: str, received_at: datetime) -> Sequence[News]:
        if f"-0-{people[2]}" in body:
            raise RecursionError("a reader that fails")
        return normalise(provider, body, received_at)

    assert fold(engine, hostile, now=NOW) == Folded(folded=4, poison=1)
    assert [state for state, _ in states_of(engine, wave_id).values()].count(DeliveryState.DELIVERED) == 4
    assert folded(engine).total == 0


def test_an_event_that_cannot_be_written_is_poison_and_leaves_nothing_half_done(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    wave_id, people = a_sent_wave(engine, 3)
    told(engine, *(an_event(wave_id, each, "delivered") for each in people))
    heard = inbox.hear

    def failing(connection: Any, events: Any, located: Any, *, now: datetime) -> Any:
        result = heard(connection, events, located, now=now)
        if any(each.about.learner_id == people[1] for news in events for each in news):
            connection.execute(select(func.no_such_function()))
        return result

    monkeypatch.setattr(inbox, "hear", failing)
    if engine.dialect.name == "sqlite":  # an unknown function is an operational error there: the database's fault
        with pytest.raises(Exception, match="no_such_function"):
            folded(engine)
        assert states(engine) == [CallbackState.NEW] * 3
        return
    assert folded(engine) == Folded(folded=2, poison=1)
    assert state_of(engine, wave_id, people[1]) == DeliveryState.ACCEPTED


def test_what_means_nothing_is_kept_as_ignored(engine: Engine) -> None:
    wave_id, (someone,) = a_sent_wave(engine)
    told(engine, an_event(wave_id, someone, "deferred"), an_event(wave_id, someone, "open", sg_machine_open=True))
    assert folded(engine) == Folded(ignored=2)


def test_several_workers_fold_each_event_once(engine: Engine) -> None:
    wave_id, people = a_sent_wave(engine, 40)
    told(engine, *(an_event(wave_id, each, "click", number) for each in people for number in range(3)))
    done: list[Folded] = []

    def work() -> None:
        while (result := folded(engine, limit=7)).total:
            done.append(result)

    workers = [Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sum(each.folded for each in done) == 120
    with reading(engine) as connection:
        assert connection.execute(select(func.count()).select_from(delivery_event)).scalar_one() == 120


# ---- replays and order


def test_a_thousand_replays_in_any_order_change_nothing(engine: Engine) -> None:
    draw = random.Random(3)
    wave_id, people = a_sent_wave(engine, 4)
    names = ["processed", "delivered", "open", "click", "spamreport", "group_unsubscribe", "deferred"]
    events = [an_event(wave_id, draw.choice(people), draw.choice(names), number) for number in range(40)]
    events += [an_event(999, 1, "delivered"), {"event": "bounce", "email": "nobody@example.org", "timestamp": 1}]
    told(engine, *events)
    texted(engine, "STOP")
    folded(engine)
    before = everything(engine)
    for _ in range(25):
        batch = [draw.choice(events) for _ in range(40)]
        assert told(engine, *batch, at=NOW + MINUTE) == 0
        assert texted(engine, "STOP", at=NOW + MINUTE) == 0
    assert folded(engine, NOW + MINUTE).total == 0
    assert everything(engine) == before


def test_a_repeated_fact_under_another_id_changes_nothing_but_the_inbox(engine: Engine) -> None:
    wave_id, (someone,) = a_sent_wave(engine)
    told(engine, an_event(wave_id, someone, "spamreport"))
    before = everything(engine)
    assert told(engine, an_event(wave_id, someone, "spamreport", sg_event_id="another")) == 1
    after = everything(engine)
    assert {name for name in after if after[name] != before[name]} == {"callback"}


def test_events_in_any_order_come_to_the_same(sqlite_engine: Engine) -> None:
    engine, draw, outcomes = sqlite_engine, random.Random(5), []
    names = ["processed", "delivered", "bounce", "open", "group_unsubscribe", "group_resubscribe", "spamreport"]
    for turn in range(12):
        wave_id, people = a_sent_wave(emptied(engine), 2)
        events = [an_event(wave_id, each, name, place) for each in people for place, name in enumerate(names)]
        if turn:
            draw.shuffle(events)
        for start in range(0, len(events), 3):
            told(engine, *events[start : start + 3], at=NOW + MINUTE)
            if draw.random() < 0.5:
                folded(engine, NOW + MINUTE)
        folded(engine, NOW + MINUTE)
        with reading(engine) as connection:
            words = connection.execute(select(consent.c.channel, consent.c.granted, consent.c.recorded_at)).all()
        outcomes.append(
            ([state for state, _ in states_of(engine, wave_id).values()], suppressed(engine), sorted(words))
        )
    assert all(each == outcomes[0] for each in outcomes)
    assert outcomes[0][0] == [DeliveryState.BOUNCED] * 2


def test_a_stop_heard_after_the_start_that_took_it_back_stays_taken_back(engine: Engine) -> None:
    with writing(engine) as connection:
        learners(connection, 1, phone="+4915112345678")
    texted(engine, "start", sid="SM2", at=NOW + MINUTE)
    texted(engine, "stop", sid="SM1", at=NOW)
    assert suppressed(engine) == []
    texted(engine, "stop", sid="SM3", at=NOW + 2 * MINUTE)
    assert suppressed(engine) == [("sms", "stopped")]


# ---- orphans


def test_an_event_about_an_unknown_delivery_waits_for_it(engine: Engine) -> None:
    wave_id, (someone,) = a_sent_wave(engine)
    told(engine, an_event(wave_id + 1, someone, "delivered"))
    assert folded(engine) == Folded(orphans=1)
    assert folded(engine, NOW + ORPHANS_REST / 2) == Folded()
    later = planned(engine, a_wave(on=MONDAY + timedelta(days=1)), as_of=NOON)
    drained(engine, later, now=NOON + timedelta(days=1))
    assert folded(engine, NOW + ORPHANS_REST) == Folded(folded=1)
    assert state_of(engine, later, someone) == DeliveryState.DELIVERED


def test_an_orphan_nobody_claims_expires_after_seven_days(engine: Engine) -> None:
    told(engine, an_event(999, 1, "delivered"), an_event(999, 1, "spamreport"))
    assert folded(engine) == Folded(orphans=1)
    assert folded(engine, NOW + ORPHANS_LIVE) == Folded(orphans=2)
    assert folded(engine, NOW + ORPHANS_LIVE + MINUTE) == Folded(expired=2)
    assert states(engine) == [CallbackState.EXPIRED] * 2


def test_new_events_are_not_kept_waiting_by_orphans(engine: Engine) -> None:
    wave_id, (someone,) = a_sent_wave(engine)
    told(engine, *(an_event(999, number, "delivered") for number in range(1, 20)))
    folded(engine)
    told(engine, an_event(wave_id, someone, "delivered"))
    assert folded(engine, NOW + ORPHANS_REST, limit=2) == Folded(folded=1, orphans=1)


def test_another_installations_delivery_of_the_same_number_is_not_ours(engine: Engine) -> None:
    wave_id, (someone,) = a_sent_wave(engine)
    told(engine, an_event(wave_id, someone, "bounce", handover=ANOTHER.hex))
    assert states(engine) == [CallbackState.ORPHAN]
    assert state_of(engine, wave_id, someone) == DeliveryState.ACCEPTED
    assert suppressed(engine) == []


# ---- what is about an address


def test_a_late_bounce_without_our_ids_is_about_the_last_message_to_the_address(engine: Engine) -> None:
    wave_id, (someone, other) = a_sent_wave(engine, 2)
    with reading(engine) as connection:
        address = connection.execute(select(learner.c.email).where(learner.c.id == someone)).scalar_one()
    bounce = {"event": "bounce", "email": address.upper().replace("@EXAMPLE.ORG", "@Example.org")}
    told(engine, {**bounce, "email": address, "timestamp": int((NOW + MINUTE).timestamp())}, at=NOW + MINUTE)
    assert state_of(engine, wave_id, someone) == DeliveryState.BOUNCED
    assert state_of(engine, wave_id, other) == DeliveryState.ACCEPTED
    assert suppressed(engine) == [("email", "bounced")]


def test_a_bounce_longer_than_72_hours_after_the_message_is_nobodys(engine: Engine) -> None:
    wave_id, (someone,) = a_sent_wave(engine)
    late = NOW + timedelta(hours=73)
    with reading(engine) as connection:
        address = connection.execute(select(learner.c.email)).scalar_one()
    told(engine, {"event": "bounce", "email": address, "timestamp": int(late.timestamp())}, at=late)
    assert states(engine) == [CallbackState.ORPHAN]
    assert state_of(engine, wave_id, someone) == DeliveryState.ACCEPTED


@pytest.mark.parametrize(
    ("name", "stands"), [("spamreport", "suppressed"), ("group_unsubscribe", "opted_out"), ("unsubscribe", "opted_out")]
)
def test_a_complaint_and_an_opt_out_stand_though_no_message_is_found_for_them(
    engine: Engine, name: str, stands: str
) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        learners(connection, 1, email="ada@example.org", teams_id=None)
    told(engine, {"event": name, "email": "Ada@example.org", "timestamp": int(NOW.timestamp())})
    assert states(engine) == [CallbackState.FOLDED]
    wave_id = planned(engine, a_wave())
    assert list(reasons_of(engine, wave_id).values()) == [stands]


def test_a_guess_by_address_proves_no_uncertain_message(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        (someone,) = learners(connection, 1)
    wave_id = planned(engine, a_wave())
    drained(engine, wave_id, Sink({someone: [Uncertain("reset")]}))
    with reading(engine) as connection:
        address = connection.execute(select(learner.c.email)).scalar_one()
    told(engine, {"event": "bounce", "email": address, "timestamp": int(NOW.timestamp())})
    assert state_of(engine, wave_id, someone) == DeliveryState.UNCERTAIN


# ---- words


@pytest.mark.parametrize(("body", "note"), [("STOP", None), ("nicht+mehr", "refusal"), ("please+stop", "refusal")])
def test_a_stop_and_whatever_reads_like_one_suppress_at_once(engine: Engine, body: str, note: str | None) -> None:
    with writing(engine) as connection:
        learners(connection, 2, phone="+4915112345678")
        learners(connection, 1, phone="+4915187654321")
    texted(engine, body)
    assert suppressed(engine) == [("sms", "stopped")] * 2
    assert states(engine) == [CallbackState.FOLDED]
    with reading(engine) as connection:
        found = connection.execute(select(callback.c.note)).scalar_one()
    assert (note or "") in (found or "")
    texted(engine, "START", sid="SM2", at=NOW + MINUTE)
    assert suppressed(engine) == []


def test_a_stop_from_an_unknown_number_waits_for_its_owner(engine: Engine) -> None:
    texted(engine, "STOP")
    assert states(engine) == [CallbackState.ORPHAN]
    with writing(engine) as connection:
        learners(connection, 1, phone="+4915112345678")
    assert folded(engine, NOW + ORPHANS_REST) == Folded(folded=1)
    assert suppressed(engine) == [("sms", "stopped")]


def test_a_stop_counts_as_an_opt_out_of_the_message_it_answers_and_a_reply_as_a_reply(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        one, other = learners(connection, 1, phone="+4911"), learners(connection, 1, phone="+4922")
        for person in (*one, *other):
            connection.execute(
                consent.insert().values(
                    learner_id=person, channel="sms", family="safety", granted=True, source="test", recorded_at=NOON
                )
            )
    wave_id = planned(engine, a_wave(channels=(Channel.SMS,)))
    drained(engine, wave_id)
    texted(engine, "STOP", sender="%2B4911")
    texted(engine, "thanks", sender="%2B4922", sid="SM2")
    with reading(engine) as connection:
        kinds = connection.execute(select(delivery_event.c.learner_id, delivery_event.c.kind, delivery_event.c.detail))
        assert sorted(map(tuple, kinds)) == [
            (one[0], EventKind.OPTED_OUT, "stop"),
            (other[0], EventKind.REPLIED, "reply"),
        ]
        # The stop is about the number; a later START is all it takes to take it back.
        assert set(connection.execute(select(consent.c.granted)).scalars()) == {True}


def test_an_e_mails_opt_out_and_opt_in_are_words_about_its_family(engine: Engine) -> None:
    wave_id, (someone,) = a_sent_wave(engine)
    told(engine, an_event(wave_id, someone, "group_unsubscribe", 1), at=NOW + MINUTE)
    told(engine, an_event(wave_id, someone, "group_resubscribe", 2), at=NOW + MINUTE)
    told(engine, an_event(wave_id, someone, "unsubscribe", 3), at=NOW + MINUTE)
    with reading(engine) as connection:
        words = connection.execute(select(consent.c.channel, consent.c.family, consent.c.granted))
        # Leaving everything includes the family.
        assert sorted(map(tuple, words)) == [("email", "*", False), ("email", "safety", False)]


def test_somebody_who_was_erased_is_not_written_about(engine: Engine) -> None:
    wave_id, (someone,) = a_sent_wave(engine)
    with writing(engine) as connection:
        connection.execute(learner.delete())
    told(engine, an_event(wave_id, someone, "unsubscribe"), an_event(wave_id, someone, "bounce"))
    assert folded(engine).poison == 0
    assert set(states(engine)) == {CallbackState.FOLDED}
    assert suppressed(engine) == []


def test_a_lost_channel_is_paused_until_a_person_resumes_it(engine: Engine) -> None:
    body = json.dumps({"event": {"type": "app_uninstalled"}})
    receive(engine, "slack", [ProviderEvent("Ev1", body)], normalise, received_at=NOW)
    with reading(engine) as connection:
        assert connection.execute(select(channel_pause.c.channel, channel_pause.c.until)).all() == [("slack", None)]


# ---- evidence


def test_processed_settles_an_uncertain_delivery_with_proof(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        someone, other = learners(connection, 2)
    wave_id = planned(engine, a_wave())
    drained(engine, wave_id, Sink({someone: [Uncertain("reset")], other: [Uncertain("reset")]}))
    told(engine, an_event(wave_id, someone, "processed", handover=handover_of(engine, wave_id, someone).hex))
    folded(engine)
    assert states_of(engine, wave_id)[someone] == (DeliveryState.ACCEPTED, None)
    assert state_of(engine, wave_id, other) == DeliveryState.UNCERTAIN
    with reading(engine) as connection:
        assert connection.execute(select(handover.c.accepted)).scalar_one() == 1
        proofs = connection.execute(
            select(attempt.c.outcome, attempt.c.proof).where(attempt.c.learner_id == someone).order_by(attempt.c.seq)
        ).all()
        assert proofs[-1].outcome == "accepted"
        assert "reported" in proofs[-1].proof


def test_processed_never_takes_anything_back(engine: Engine) -> None:
    wave_id, (someone,) = a_sent_wave(engine)
    told(engine, an_event(wave_id, someone, "bounce"), an_event(wave_id, someone, "processed"))
    folded(engine)
    assert state_of(engine, wave_id, someone) == DeliveryState.BOUNCED


def _absent_then(engine: Engine, *answers: Any) -> tuple[int, int, UUID]:
    """A delivery whose first handover was found absent, and which left again with these answers."""
    with writing(engine) as connection:
        a_campaign(connection)
        (someone,) = learners(connection, 1)
    wave_id = planned(engine, a_wave())
    drained(engine, wave_id, Sink({someone: [Uncertain("reset")]}))
    first = handover_of(engine, wave_id, someone)
    time_passes(engine, timedelta(hours=1))
    with writing(engine) as connection:
        connection.execute(
            update(delivery).values(state=DeliveryState.PLANNED, reason=Reason.NOT_PROCESSED, due_at=NOON)
        )
    if answers:
        drained(engine, wave_id, Sink({someone: list(answers)}))
        assert handover_of(engine, wave_id, someone) != first
    return wave_id, someone, first


def _told_late(engine: Engine, wave_id: int, someone: int, first: UUID) -> tuple[str, str | None]:
    told(engine, an_event(wave_id, someone, "processed", handover=first.hex))
    assert folded(engine).folded == 1
    return states_of(engine, wave_id)[someone]


def test_a_first_message_that_arrived_after_all_is_not_sent_again(engine: Engine) -> None:
    wave_id, someone, first = _absent_then(engine)
    assert _told_late(engine, wave_id, someone, first) == (DeliveryState.ACCEPTED, None)
    sink = Sink()
    drained(engine, wave_id, sink)
    assert not sink.received


def test_nor_when_its_repeat_was_not_processed(engine: Engine) -> None:
    wave_id, someone, first = _absent_then(engine, NotSent("busy"))
    assert states_of(engine, wave_id)[someone][0] == DeliveryState.PLANNED
    assert _told_late(engine, wave_id, someone, first) == (DeliveryState.ACCEPTED, None)
    with reading(engine) as connection:
        accepted = dict(connection.execute(select(handover.c.id, handover.c.accepted)).all())
        assert accepted[first] == 1
        assert sum(accepted.values()) == 1


@pytest.mark.parametrize("answer", [Uncertain("reset"), None])
def test_a_first_message_that_arrived_beside_its_repeat_is_shown_as_a_possible_duplicate(
    engine: Engine, answer: Any
) -> None:
    wave_id, someone, first = _absent_then(engine, *([answer] if answer else []))
    if answer is None:
        drained(engine, wave_id)
    assert _told_late(engine, wave_id, someone, first) == (DeliveryState.ACCEPTED, Reason.POSSIBLE_DUPLICATE)
    if answer is not None:  # and nobody sends it a third time
        result = reconcile(engine, lambda *_: [], now=NOON, patience=Patience())
        assert result.planned == result.parked == 0


# ---- forgetting


def test_old_bodies_are_forgotten_and_their_replays_stay_dead(engine: Engine) -> None:
    wave_id, (someone,) = a_sent_wave(engine)
    told(engine, an_event(wave_id, someone, "delivered"), an_event(999, 1, "delivered"))
    folded(engine)
    told(engine, an_event(wave_id, someone, "open"))
    with writing(engine) as connection:
        assert prune(connection, NOW) == 0
        assert prune(connection, NOW + MINUTE) == 1
        assert prune(connection, NOW + MINUTE) == 0
        bodies = dict(connection.execute(select(callback.c.state, callback.c.body)).all())
    assert bodies[CallbackState.FOLDED] == ""
    assert bodies[CallbackState.ORPHAN]
    assert bodies[CallbackState.NEW]
    assert told(engine, an_event(wave_id, someone, "delivered")) == 0


def test_what_was_told_beside_our_own_pages_facts_is_told_apart(engine: Engine) -> None:
    wave_id, (someone,) = a_sent_wave(engine)
    with writing(engine) as connection:
        fact = DeliveryFact("one_click", "x", wave_id, 0, someone, EventKind.OPTED_OUT, NOON)
        assert record_facts(connection, [fact]) == 1
    told(engine, an_event(wave_id, someone, "group_unsubscribe"))
    with reading(engine) as connection:
        assert connection.execute(select(func.count()).select_from(delivery_event)).scalar_one() == 2


def test_a_fold_that_had_to_give_way_tries_again(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    wave_id, (someone,) = a_sent_wave(engine)
    told(engine, an_event(wave_id, someone, "delivered"))
    heard, tries = inbox.hear, []

    def first_fails(*arguments: Any, **options: Any) -> Any:
        tries.append(1)
        if len(tries) == 1:
            raise OperationalError("", {}, Exception("deadlock detected"))
        return heard(*arguments, **options)

    monkeypatch.setattr(inbox, "hear", first_fails)
    assert folded(engine) == Folded(folded=1)


def test_an_event_the_database_cannot_be_asked_about_is_poison(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    wave_id, people = a_sent_wave(engine, 3)
    told(engine, *(an_event(wave_id, each, "delivered") for each in people))
    found = inbox.locate

    def failing(connection: Any, news: Any) -> Any:
        if any(each.about.learner_id == people[1] for each in news):
            raise ValueError("a value no database takes")
        return found(connection, news)

    monkeypatch.setattr(inbox, "locate", failing)
    assert folded(engine) == Folded(folded=2, poison=1)


# ---- what was called back


def test_a_message_that_was_called_back_and_is_dropped_later_is_still_to_be_sent(engine: Engine) -> None:
    sink = Sink()
    with writing(engine) as connection:
        a_campaign(connection)
        (person,) = learners(connection, 1)
    wave_id = planned(engine, a_wave())
    drained(engine, wave_id, Sink({person: [Uncertain("read_timeout")]}))
    first = handover_of(engine, wave_id, person)

    def called_back(_channel: str, questions: Sequence[Any]) -> list[Evidence]:
        return [Evidence(f"{wave_id}-0-{person}", first.hex, Finding.CANCELLED)]

    assert reconcile(engine, called_back, now=NOON, patience=Patience()).planned == 1
    dropped = an_event(wave_id, person, "dropped", handover=first.hex, reason="Expired")
    assert told(engine, dropped) == 1
    folded(engine)
    assert state_of(engine, wave_id, person) == "planned"
    assert drained(engine, wave_id, sink).accepted == 1
    later = an_event(wave_id, person, "dropped", number=1, handover=first.hex, reason="Expired")
    told(engine, later)
    folded(engine)
    assert state_of(engine, wave_id, person) == "accepted", "the second one's own fate counts"
    second = handover_of(engine, wave_id, person)
    told(engine, an_event(wave_id, person, "dropped", number=2, handover=second.hex, reason="Expired"))
    folded(engine)
    assert state_of(engine, wave_id, person) == "undelivered"


@pytest.mark.parametrize("spelt", ["0A1B2C3D-AAAA-4BBB-8CCC-0123456789AB", "0a1b2c3d-aaaa-4bbb-8ccc-0123456789ab"])
def test_a_stop_in_teams_is_its_learners_however_their_object_id_was_imported(engine: Engine, spelt: str) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        learners(connection, 1, teams_id=spelt)
    activity = {
        "type": "message",
        "id": "1",
        "text": "Stop",
        "serviceUrl": "https://smba.trafficmanager.net/emea/",
        "from": {"id": "29:x", "aadObjectId": spelt.lower()},
        "conversation": {"id": "a:1", "conversationType": "personal"},
    }
    receive(engine, "teams", teams.split(json.dumps(activity).encode()), normalise, received_at=NOW)
    assert suppressed(engine) == [("teams", "stopped")]


@pytest.mark.parametrize("told_as", ["ada.lovelace@example.org", "Ada.Lovelace@Example.ORG"])
def test_a_complaint_without_our_ids_is_its_learners_however_the_address_is_spelt(engine: Engine, told_as: str) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        learners(connection, 1, email="ada.lovelace@example.org")
    event = {"event": "spamreport", "email": told_as, "timestamp": int(NOW.timestamp()), "sg_event_id": "e"}
    told(engine, event)
    folded(engine)
    assert suppressed(engine) == [("email", "complained")]


def test_a_stop_from_a_number_two_learners_share_is_both_theirs(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        learners(connection, 2, phone="+4915112345678")
    texted(engine, "STOP")
    assert suppressed(engine) == [("sms", "stopped")] * 2
