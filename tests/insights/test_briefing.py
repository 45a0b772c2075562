"""The briefing: a fluid queue that keeps its promises, costs, and every number recomputed by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, insert, update

from pushpull.db import writing
from pushpull.insights.briefing import Briefing, Circumstances, NotPlannedError, Remark, Sample, as_markdown, brief
from pushpull.insights.briefing.assembly import UNLIMITED_PER_SECOND
from pushpull.insights.briefing.cost import costs
from pushpull.insights.briefing.counts import Planned
from pushpull.insights.briefing.queue import Due, busiest_hour, course
from pushpull.learners.consent import draw_for
from pushpull.learners.vocabulary import Channel, LearnerState
from pushpull.ledger import timing
from pushpull.ledger.budget import OrganisationCaps
from pushpull.ledger.pacing import MARGIN
from pushpull.ledger.rotations import Cohort, CohortKind, rotate
from pushpull.ledger.specs import Caps, SendWindow
from pushpull.ledger.tables import campaign, contact, delivery
from pushpull.ledger.tables import wave as waves
from pushpull.ledger.vocabulary import DeliveryState, MessageClass
from tests.ledger.arm_oracle import people_with
from tests.ledger.builders import (
    DAWN,
    MONDAY,
    NOON,
    a_campaign,
    a_learner,
    a_lifecycle,
    a_wave,
    drained,
    learners,
    planned,
    utc,
)

OFFICE = SendWindow()  # 8 to 20, Monday to Friday
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "UTC")
FRIDAY_EVENING = utc("2026-01-16 19:00")

ONE_A_DAY = OrganisationCaps(
    nudge=Caps(per_day=1, per_week=5, per_month=12), mandatory=Caps(per_day=9, per_week=9, per_month=9)
)


@st.composite
def dues(draw: st.DrawFn, zones: tuple[str, ...] = ZONES) -> list[Due]:
    def one() -> Due:
        due_at = utc("2026-01-12 00:00") + timedelta(minutes=draw(st.integers(0, 7 * 24 * 60)))
        lives = timedelta(minutes=draw(st.integers(30, 4 * 24 * 60)))
        return Due(due_at, due_at + lives, draw(st.sampled_from(zones)), draw(st.integers(1, 5_000)))

    return [one() for _ in range(draw(st.integers(1, 8)))]


RATES = st.floats(0.005, 50)


@given(dues(), RATES)
def test_every_message_leaves_or_goes_stale(due: list[Due], rate: float) -> None:
    run = course(due, per_second=rate, window=OFFICE)
    total = sum(each.count for each in due)
    sent = sum(flow.messages for flow in run.flows)
    assert run.planned == total
    assert sent + run.stale == pytest.approx(total, abs=0.51)
    assert 0 <= run.overnight <= total


@given(dues(), RATES)
def test_no_channel_is_faster_than_its_rate(due: list[Due], rate: float) -> None:
    run = course(due, per_second=rate, window=OFFICE)
    for flow in run.flows:
        assert flow.messages <= rate * (flow.end - flow.start).total_seconds() + rate * 2e-6
    if run.first_at is not None and run.last_at is not None:
        sent = sum(flow.messages for flow in run.flows)
        assert (run.last_at - run.first_at).total_seconds() >= sent / rate - 1e-3
    assert all(one.end <= other.start for one, other in zip(run.flows, run.flows[1:], strict=False))


@given(dues(), RATES)
def test_nothing_leaves_before_it_is_due(due: list[Due], rate: float) -> None:
    run = course(due, per_second=rate, window=OFFICE)
    sent = 0.0
    for flow in run.flows:
        sent += flow.messages
        were_due = sum(each.count for each in due if each.due_at < flow.end)
        assert sent <= were_due + 1e-6
        assert flow.start >= min(each.due_at for each in due)


@given(st.sampled_from(ZONES).flatmap(lambda zone: dues((zone,))), RATES)
def test_nothing_leaves_in_quiet_hours(due: list[Due], rate: float) -> None:
    zone = due[0].zone
    for flow in course(due, per_second=rate, window=OFFICE).flows:
        middle = flow.start + (flow.end - flow.start) / 2
        assert timing.is_open(middle, zone, OFFICE)
        assert timing.closes_at(flow.start, zone, OFFICE) >= flow.end


@given(dues(), dues(), RATES, st.randoms(use_true_random=False))
def test_the_order_of_messages_and_of_channels_is_irrelevant(
    mail: list[Due], cards: list[Due], rate: float, chance: Any
) -> None:
    shuffled = list(mail)
    chance.shuffle(shuffled)
    one, other = course(mail, per_second=rate, window=OFFICE), course(shuffled, per_second=rate, window=OFFICE)
    assert (one.planned, one.stale, one.overnight) == (other.planned, other.stale, other.overnight)
    assert one.first_at == other.first_at
    if one.last_at is not None and other.last_at is not None:
        assert abs((one.last_at - other.last_at).total_seconds()) < 0.01
    second = course(cards, per_second=rate, window=OFFICE)
    assert busiest_hour([one, second], zone="Europe/Berlin") == busiest_hour([second, one], zone="Europe/Berlin")


def test_messages_due_at_once_take_as_long_as_their_number_by_the_rate() -> None:
    nine = utc("2026-01-12 09:00")
    due = [Due(nine, nine + timedelta(days=2), zone, 450) for zone in ("UTC", "Europe/Berlin")]
    run = course(due, per_second=2, window=OFFICE)
    assert (run.first_at, run.last_at) == (nine, nine + timedelta(seconds=450))
    assert (run.stale, run.overnight) == (0, 0)
    busiest = busiest_hour([run], zone="Asia/Kolkata")  # its clocks are half an hour off: 14:30 there
    assert busiest is not None
    assert (busiest.starts_at, busiest.messages) == (utc("2026-01-12 08:30"), 900)


@pytest.mark.parametrize(
    ("days", "stale", "last"),
    # An hour is left on Friday for 7,200 messages at one a second; the rest would have to live until Monday at eight.
    [(2, 3_600, FRIDAY_EVENING + timedelta(hours=1)), (4, 0, utc("2026-01-19 09:00"))],
)
def test_what_does_not_get_its_turn_before_the_weekend_waits_or_is_given_up(
    days: int, stale: int, last: datetime
) -> None:
    due = [Due(FRIDAY_EVENING, FRIDAY_EVENING + timedelta(days=days), "UTC", 7_200)]
    run = course(due, per_second=1, window=OFFICE)
    assert (run.stale, run.overnight, run.last_at) == (stale, 3_600, last)


def test_what_is_due_at_night_waits_for_the_morning() -> None:
    night = utc("2026-01-13 03:00")
    run = course([Due(night, night + timedelta(days=1), "UTC", 10)], per_second=10, window=OFFICE)
    assert (run.first_at, run.overnight) == (utc("2026-01-13 08:00"), 0)
    assert course([], per_second=10, window=OFFICE).flows == ()
    assert busiest_hour([course([], per_second=1, window=OFFICE)], zone="UTC") is None


def test_text_messages_cost_by_the_segment_and_what_has_no_price_says_so() -> None:
    sent = [
        Planned(Channel.SMS, "en", "", 10),
        Planned(Channel.SMS, "ru", "short", 5),
        Planned(Channel.EMAIL, "en", "", 100),
        Planned(Channel.TEAMS, "en", "", 1),
    ]
    prices = {Channel.SMS: Decimal("0.075"), Channel.EMAIL: Decimal("0.0004"), Channel.TEAMS: Decimal(0)}
    found = {each.channel: each for each in costs(sent, prices, segments={("ru", "short"): 2})}
    assert list(found) == [Channel.EMAIL, Channel.SMS, Channel.TEAMS]
    assert (found[Channel.SMS].messages, found[Channel.SMS].units) == (15, 20)
    assert found[Channel.SMS].amount == Decimal("1.500")
    assert found[Channel.EMAIL].amount == Decimal("0.04")
    assert found[Channel.TEAMS].amount is None


# ---------------------------------------------------------------------------------------------------------------------
# A small company: fifteen people, four of them held out.

HOLDOUT = 0.25


def _people(*, held_out: bool) -> Iterator[str]:
    return people_with(held={"holdout:safety": held_out}, share=HOLDOUT)


def _a_person(connection: Connection, name: str, **fields: Any) -> int:
    return a_learner(connection, external_id=name, draw=draw_for(name), **fields)


@pytest.fixture
def wave(engine: Engine) -> int:
    """A planned wave, its campaign, two rival waves and three full attention budgets."""
    treated, held_out = _people(held_out=False), _people(held_out=True)
    with writing(engine) as connection:
        a_campaign(connection, "safety", name="Safety first", timezone="Europe/Berlin")
        a_campaign(connection, "fire", timezone="Europe/Berlin")
        berlin = [_a_person(connection, next(treated), teams_id=None) for _ in range(4)]
        kolkata = {"zone": "Asia/Kolkata", "preferred_language": "de", "teams_id": None}
        indian = [_a_person(connection, next(treated), **kolkata) for _ in range(2)]
        for _ in range(3):
            _a_person(connection, next(treated), email=None)
        _a_person(connection, next(treated), active=False)
        _a_person(connection, next(treated), email=None, teams_id=None)
        spared = [_a_person(connection, next(held_out)) for _ in range(4)]
        for each in (berlin[0], indian[0], spared[0]):  # had their message of the day
            entry = {"learner_id": each, "local_day": MONDAY.toordinal(), "handover_id": uuid4(), "lane": "nudge"}
            connection.execute(insert(contact).values(entry))
    wave_id = planned(
        engine,
        a_wave(channels=(Channel.EMAIL, Channel.TEAMS), languages=("en", "de"), holdout=HOLDOUT, window=OFFICE),
    )
    planned(engine, a_wave("launch.fire", campaign="fire", on=MONDAY + timedelta(days=2)))
    planned(engine, a_wave("launch.card", channels=(Channel.TEAMS,), on=MONDAY + timedelta(days=3), holdout=HOLDOUT))
    planned(engine, a_wave("launch.later", campaign="fire", on=MONDAY + timedelta(days=4)))
    return wave_id


#: A card every 1,000 seconds; e-mails without a limit; a cent for each.
GIVEN = Circumstances(
    rates={Channel.EMAIL: None, Channel.TEAMS: 0.001 / (1 - MARGIN)},
    prices={Channel.EMAIL: Decimal("0.01")},
    currency="EUR",
    segments={},
    caps=ONE_A_DAY,
)


def test_a_briefing_says_what_a_small_company_recomputes_by_hand(engine: Engine, wave: int) -> None:
    briefing = brief(engine, wave, GIVEN, as_of=DAWN)
    counts = briefing.counts
    assert counts.planned == (
        Planned(Channel.EMAIL, "en", "", 4),
        Planned(Channel.TEAMS, "en", "", 3),
        Planned(Channel.EMAIL, "de", "", 2),
    )
    assert counts.not_sent == {"holdout": 4, "inactive": 1, "no_address": 1}
    assert (counts.audience, counts.messages, counts.treated, counts.held_out) == (15, 9, 11, 4)
    assert briefing.courses is not None
    mail, cards = briefing.courses[Channel.EMAIL], briefing.courses[Channel.TEAMS]
    assert (mail.planned, mail.per_second) == (6, UNLIMITED_PER_SECOND)
    assert briefing.first_at == mail.first_at == utc("2026-01-12 03:30"), "nine o'clock in Kolkata"
    assert (cards.first_at, cards.last_at) == (utc("2026-01-12 08:00"), utc("2026-01-12 08:50"))
    assert briefing.last_at == cards.last_at
    busiest = briefing.busiest
    assert busiest is not None
    assert (busiest.starts_at, busiest.messages) == (utc("2026-01-12 08:00"), 7)
    assert (briefing.stale, briefing.overnight) == (0, 0)
    assert briefing.total_cost == Decimal("0.06")
    assert briefing.effect is None, "four people held out show nothing"
    assert briefing.writing == {"fire": 6, "safety": 3}, "the later wave is four days away"
    assert briefing.capped == 2
    assert briefing.failed == {}


GOLDEN = """\
# Safety first: launch.hello@2026-01-12

**9 of 15 people get this message**, from Mon 12 Jan 2026 04:30 to Mon 12 Jan 2026 09:50, for 0.06 EUR.

## Look at this first

- **en.yaml:3 subject: is 90 characters long**
- **People are held out for nothing: with so few on a side, no effect can be shown.**
- **The Teams · en cannot be written: it has no words**

## Who gets it

| over | language | variant | people |
|---|---|---|---:|
| e-mail | en | – | 4 |
| Teams | en | – | 3 |
| e-mail | de | – | 2 |

## Who does not, and why

| why | people |
|---|---:|
| held out by the campaign | 4 |
| left the company | 1 |
| no address | 1 |

## When

| over | messages | at | first | last |
|---|---:|---|---|---|
| e-mail | 6 | 500 a second, assumed | Mon 12 Jan 2026 04:30 | Mon 12 Jan 2026 09:00 |
| Teams | 3 | 0.001 a second | Mon 12 Jan 2026 09:00 | Mon 12 Jan 2026 09:50 |

The busiest hour begins Mon 12 Jan 2026 09:00, with 7 messages. Times are of Europe/Berlin; nothing else is taken to \
be sent meanwhile.

## What it costs

| over | messages | units | EUR each | cost |
|---|---:|---:|---|---|
| e-mail | 6 | 6 | 0.01 | 0.06 EUR |

No price is set for Teams: PUSHPULL_COST_TEAMS.

## What effect it can show

With 11 treated and 4 held out, no effect can be shown (assuming that 50 % complete without messages, the worst case, \
as no holdout of an earlier campaign has been seen). For 5 points to show, address about 4,000 people at this share, \
now or over the weeks.

## Who else writes to them within 3 days

| campaign | of these people |
|---|---:|
| fire | 6 |
| safety | 3 |

2 people have used up their attention budget for the day, the week or the month: they wait, or are left out.

## What the checks say

- **error:** en.yaml:3 subject: is 90 characters long
- message.yaml:1: a warning

## What it says, to an invented learner

### e-mail · en: 4 people, 2.1 kB of HTML

**Hello**

````text
Hi Alex,
```
````

Not shown: e-mail · de.
"""


def test_a_briefing_reads_as_it_should(engine: Engine, wave: int) -> None:
    remarks = [Remark(True, "en.yaml:3 subject: is 90 characters long"), Remark(False, "message.yaml:1: a\nwarning")]
    samples = [
        Sample(Channel.EMAIL, "en", "", 4, subject="Hello", text="Hi Alex,\n```\n", size="2.1 kB of HTML"),
        Sample(Channel.TEAMS, "en", "", 3, problem="it has no words"),
        Sample(Channel.EMAIL, "de", "", 2, subject="Hallo", text="Hallo", size="2.2 kB of HTML"),
    ]
    assert as_markdown(brief(engine, wave, GIVEN, as_of=DAWN), remarks, samples, shown=1) == GOLDEN


def _read(briefing: Briefing) -> str:
    return as_markdown(briefing, [], [], shown=0)


def test_without_a_holdout_the_effect_cannot_be_measured(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection, message_class=MessageClass.MANDATORY)
        learners(connection, 3)
    wave_id = planned(engine, a_wave(message_class=MessageClass.MANDATORY))
    assert "No holdout: the effect cannot be measured." in _read(brief(engine, wave_id, GIVEN, as_of=DAWN))


def test_the_share_that_completes_by_itself_is_taken_from_the_last_campaigns_holdout(engine: Engine) -> None:
    with writing(engine) as connection:
        old = a_campaign(connection, "old", starts_on=MONDAY - timedelta(days=30), ends_on=MONDAY - timedelta(days=9))
        a_campaign(connection)
        people = learners(connection, 100)
    before = DAWN - timedelta(days=20)
    earlier = planned(engine, a_wave("launch.old", campaign="old", on=MONDAY - timedelta(days=20)), as_of=before)
    with writing(engine) as connection:  # forty were held out; ten of these completed, and so did the others
        spared = delivery.c.learner_id.in_(people[:40])
        connection.execute(update(delivery).where(delivery.c.wave_id == earlier, spared).values(arm="holdout"))
        for number, each in enumerate(people):
            done = number < 10 or number >= 40
            state = LearnerState.COMPLETED if done else LearnerState.UNAWARE
            a_lifecycle(connection, old, each, state=state.value, completed_at=before if done else None)
    wave_id = planned(engine, a_wave(holdout=0.3))
    briefing = brief(engine, wave_id, GIVEN, as_of=DAWN)
    assert briefing.baseline is not None
    assert (briefing.baseline.share, briefing.baseline.people) == (0.25, 40)
    assert "25 % complete without messages, as seen in the 40 held out of old" in _read(briefing)
    with writing(engine) as connection:
        connection.execute(update(campaign).where(campaign.c.key == "old").values(ends_at=DAWN + timedelta(days=1)))
    assert brief(engine, wave_id, GIVEN, as_of=DAWN).baseline is None, "it has not ended"


def test_a_channel_that_is_too_slow_is_warned_of(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        learners(connection, 12)
    wave_id = planned(engine, a_wave(hour=10, window=OFFICE, expires_after=timedelta(hours=28)))
    slow = Circumstances(
        rates={Channel.EMAIL: 1 / 7200 / (1 - MARGIN)}, prices={}, currency="EUR", segments={}, caps=ONE_A_DAY
    )
    briefing = brief(engine, wave_id, slow, as_of=DAWN)
    # One in two hours: five from ten until eight in the evening, three from eight until two on the next day.
    assert (briefing.overnight, briefing.stale) == (7, 4)
    said = _read(briefing)
    assert "4 messages will be stale before their turn comes, and are given up." in said
    assert "7 messages do not get their turn before quiet hours: they wait for another day." in said


def test_what_is_overdue_is_reckoned_from_now_on(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        learners(connection, 2)
    wave_id = planned(engine, a_wave(window=OFFICE))
    assert brief(engine, wave_id, GIVEN, as_of=NOON).first_at == NOON


def test_a_re_run_is_described_by_its_own_rows(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        first = a_learner(connection, external_id="first")
        learners(connection, 3)
    wave_id = planned(engine, a_wave(holdout=0.0))
    drained(engine, wave_id)
    sent = brief(engine, wave_id, GIVEN, as_of=NOON)
    assert (sent.counts.messages, sent.counts.on_their_way) == (0, 4)
    assert "4 messages of it are on their way or sent already." in _read(sent)
    with writing(engine) as connection:
        failed = update(delivery).where(delivery.c.learner_id == first)
        connection.execute(failed.values(state=DeliveryState.BOUNCED))
    tomorrow = NOON + timedelta(days=1)
    rotate(engine, wave_id, Cohort(kind=CohortKind.FAILED), reason="again", requested_by="ada", as_of=tomorrow)
    again = brief(engine, wave_id, GIVEN, as_of=tomorrow)
    assert (again.about.rotation, again.counts.audience, again.counts.messages) == (1, 1, 1)
    said = _read(again)
    assert "Re-run 1 of this wave, for the cohort *failed*." in said
    assert "What effect it can show" not in said, "whom it is for was chosen by what happened"


def test_a_part_that_fails_is_said_and_takes_no_other_with_it(
    engine: Engine, wave: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(connection: Connection, *_: object, **__: object) -> None:
        connection.exec_driver_sql("SELECT * FROM no_such_table")

    monkeypatch.setattr("pushpull.insights.briefing.assembly.writing_to_them", broken)
    monkeypatch.setattr("pushpull.insights.briefing.assembly.due_by_channel", broken)
    briefing = brief(engine, wave, GIVEN, as_of=DAWN)
    assert set(briefing.failed) == {"when", "others"}
    assert briefing.capped == 2
    said = _read(briefing)
    assert "It could not be found out how long it takes (" in said
    assert "It could not be found out who else writes to these people (" in said
    assert "9 of 15 people" in said


def test_a_wave_without_anybody_to_send_to_is_described(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        learners(connection, 2, active=False)
    said = _read(brief(engine, planned(engine, a_wave()), GIVEN, as_of=DAWN))
    assert "**0 of 2 people get this message**." in said
    assert "## Who gets it\n\nNobody." in said
    assert "Nothing is to be sent." in said


def test_what_was_never_planned_has_no_briefing(engine: Engine, wave: int) -> None:
    with pytest.raises(NotPlannedError, match="never planned"):
        brief(engine, 10_000, GIVEN, as_of=DAWN)
    with writing(engine) as connection:
        connection.execute(update(waves).where(waves.c.id == wave).values(planned_at=None))
    with pytest.raises(NotPlannedError):
        brief(engine, wave, GIVEN, as_of=DAWN)


def test_what_is_tried_is_said_with_what_it_takes_to_see_it(engine: Engine) -> None:
    tried = {
        "key": "question",
        "hypothesis": "A question is opened\nmore.",
        "wave": "launch.hello",
        "metric": "clicked",
        "variants": ["standard", "question"],
        "decides_after": {"weeks": 4},
    }
    with writing(engine) as connection:
        a_campaign(connection)
        connection.execute(update(campaign).values(definition={"experiments": [tried]}))
        learners(connection, 100)
    wave_id = planned(engine, a_wave(variants=(("standard", 1), ("question", 1)), lot="question"))
    briefing = brief(engine, wave_id, GIVEN, as_of=DAWN)
    assert briefing.tried is not None
    said = _read(briefing)
    assert "## What is tried\n\nA question is opened more. (question: clicked within 7 days" in said
    sizes = [sum(each.count for each in briefing.counts.planned if each.variant == name) for name in tried["variants"]]
    assert f"{sizes[0]} get *standard*, {sizes[1]} get *question*." in said
    assert "2.0 points are what would matter: that takes about 19,622 people" in said
