"""A known habit is found again, thin evidence and noise are called unknown, and the clock is the learner's own."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushpull.learners.signature import HALF_LIFE, Doing, Expected, Sent, Signature, signature_of
from pushpull.learners.signature.events import visits, weight
from pushpull.learners.signature.rhythm import distance, peak, rayleigh
from pushpull.learners.signature.taste import usual

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Auckland", "America/St_Johns", "Africa/Lagos")


def doings_at(
    dice: random.Random, hour: float, *, number: int = 20, zone: str = "Europe/Berlin", spread: float = 1.5
) -> list[Doing]:
    """Somebody who learns around an hour of their own clock, once a day on so many of the last 42 days."""
    place = ZoneInfo(zone)
    found = []
    for ago in dice.sample(range(1, 43), number):
        day = NOW.astimezone(place).date() - timedelta(days=ago)
        minute = round((dice.gauss(hour, spread) % 24) * 60) % (24 * 60)
        local = datetime.combine(day, time(minute // 60, minute % 60, 17), tzinfo=place)
        found.append(Doing(local.astimezone(UTC), 5.0, "video", ("writing",)))
    return found


def noise(dice: random.Random, number: int = 20) -> list[Doing]:
    """Somebody without any habit: around the clock, on any day, anything."""
    return [
        Doing(
            NOW - timedelta(minutes=dice.uniform(0, 42 * 24 * 60)),
            None,
            dice.choice(("video", "article", "course", "quiz")),
            (dice.choice("abcdefghijkl"),),
        )
        for _ in range(number)
    ]


def sent(dice: random.Random, rates: dict[str, float], *, each: int = 20) -> list[Sent]:
    """So many messages over each channel in the last 42 days, and how many were answered."""
    found = []
    for channel, rate in rates.items():
        weights = [weight(NOW - timedelta(days=dice.uniform(0, 42)), as_of=NOW) for _ in range(each)]
        found.append(Sent(channel, sum(weights), sum(part for part in weights if dice.random() < rate)))
    return found


def hour_found(seed: int, hour: float) -> bool:
    """Whether the hour of a generator is found within one hour."""
    dice = random.Random(seed)
    zone = dice.choice(ZONES)
    found = signature_of(doings_at(dice, hour, zone=zone), zone=zone, as_of=NOW).hour
    return found is not None and distance(int(found.value), hour) <= 1


def channel_found(seed: int) -> bool:
    """Whether the channel over which somebody responds is found: 20 answers are to be expected."""
    dice = random.Random(seed)
    favourite, other = dice.sample(("email", "teams", "slack"), 2)
    told = sent(dice, {favourite: 0.8, other: 0.2})
    found = signature_of([], told, zone=None, as_of=NOW, expected=Expected(0.3)).channel
    return found is not None and found.value == favourite


def unknown_from_noise(seed: int) -> dict[str, bool]:
    """Which fields stay unknown where there is no habit, and every channel is answered alike."""
    dice = random.Random(seed)
    found = signature_of(
        noise(dice),
        sent(dice, dict.fromkeys(("email", "teams", "slack"), 0.3)),
        zone="Europe/Berlin",
        as_of=NOW,
        expected=Expected(0.3),
    )
    return {name: not getattr(found, name) for name in ("hour", "days", "channel", "format", "topics")}


# The shares of 4,000 seeds are measured by the soak test. The slices are seeded, so that they are the same every time.
def test_the_hour_of_a_habit_is_found_within_an_hour_from_twenty_visits() -> None:
    assert sum(hour_found(seed, seed % 24) for seed in range(100)) >= 98


def test_the_channel_over_which_somebody_responds_is_found_from_twenty_answers() -> None:
    assert sum(channel_found(seed) for seed in range(100)) >= 95


def test_noise_is_called_unknown() -> None:
    unknown = [unknown_from_noise(seed) for seed in range(100)]
    for name in unknown[0]:
        assert sum(each[name] for each in unknown) >= 90, name


@pytest.mark.soak
def test_habits_are_found_and_noise_is_not_over_four_thousand_seeds() -> None:
    seeds = range(4000)
    whole = sum(hour_found(seed, seed % 24) for seed in seeds) / 4000
    any_time = sum(hour_found(seed, random.Random(-seed).uniform(0, 24)) for seed in seeds) / 4000
    channel = sum(channel_found(seed) for seed in seeds) / 4000
    unknown = [unknown_from_noise(seed) for seed in seeds]
    shares = {name: sum(each[name] for each in unknown) / 4000 for name in unknown[0]}
    print(f"\nfull hours {whole:.1%}, any time of day {any_time:.1%}, channel {channel:.1%}, unknown {shares}")
    assert min(whole, any_time, channel) >= 0.95
    assert min(shares.values()) >= 0.9


def test_three_events_are_not_enough() -> None:
    for seed in range(50):
        dice = random.Random(seed)
        told = sent(dice, {"email": 1.0, "teams": 0.0}, each=1)
        assert signature_of(doings_at(dice, 10, number=3), told, zone="Europe/Berlin", as_of=NOW) == Signature()


def test_nothing_at_all_is_unknown() -> None:
    assert signature_of([], zone="Europe/Berlin", as_of=NOW) == Signature()


def test_one_long_evening_is_no_habit() -> None:
    start = datetime(2026, 3, 1, 19, 0, 5, tzinfo=UTC)
    evening = [Doing(start + timedelta(minutes=4 * n), 4.0, "video", ("writing",)) for n in range(60)]
    assert len(visits(evening, as_of=NOW)) == 1
    assert signature_of(evening, zone="UTC", as_of=NOW) == Signature()


def test_what_is_long_ago_is_forgotten() -> None:
    doings = doings_at(random.Random(1), 10)
    now = signature_of(doings, zone="Europe/Berlin", as_of=NOW)
    later = signature_of(doings, zone="Europe/Berlin", as_of=NOW + HALF_LIFE)
    assert now.hour is not None
    assert now.hour.value in {"9", "10", "11"}
    assert later == Signature()  # half of it is not enough


def test_a_new_habit_takes_the_place_of_an_old_one() -> None:
    dice = random.Random(5)
    old = [Doing(each.at - timedelta(days=80), each.minutes) for each in doings_at(dice, 8)]
    found = signature_of([*old, *doings_at(dice, 20)], zone="Europe/Berlin", as_of=NOW).hour
    assert found is not None
    assert distance(int(found.value), 20) <= 1


def test_a_smaller_second_habit_does_not_pull_the_hour_away() -> None:
    dice = random.Random(6)
    doings = doings_at(dice, 9, number=24, spread=0.7) + doings_at(dice, 15, number=10, spread=0.7)
    found = signature_of(doings, zone="Europe/Berlin", as_of=NOW).hour
    assert found is not None
    assert distance(int(found.value), 9) <= 1  # the mean would be near eleven


def test_days_without_an_hour_say_nothing_about_the_hour() -> None:
    noons = [Doing(datetime(2026, 2, day, 12, tzinfo=UTC), 3.0) for day in range(1, 28)]
    found = signature_of(noons, zone="Europe/Berlin", as_of=NOW)
    assert found.hour is None
    assert found.session_minutes is not None
    assert found.session_minutes.value == "3"


def test_without_a_zone_there_is_no_local_hour() -> None:
    doings = doings_at(random.Random(2), 10)
    for zone in (None, "", "Europe", "Not/There"):
        found = signature_of(doings, zone=zone, as_of=NOW)
        assert found.hour is None
        assert found.days is None
        assert found.format is not None


def test_weekdays_are_those_of_the_learner() -> None:
    auckland = ZoneInfo("Pacific/Auckland")  # where it is Tuesday while it is Monday in UTC
    tuesdays = [datetime.combine(date(2026, 2, 24) - timedelta(weeks=n), time(8, 5), auckland) for n in range(24)]
    found = signature_of([Doing(each.astimezone(UTC)) for each in tuesdays], zone="Pacific/Auckland", as_of=NOW).days
    assert found is None  # one visit a week, half of them forgotten: too thin
    twice = (
        tuesdays + [each + timedelta(hours=4) for each in tuesdays] + [each + timedelta(days=1) for each in tuesdays]
    )
    found = signature_of([Doing(each.astimezone(UTC)) for each in twice], zone="Pacific/Auckland", as_of=NOW).days
    assert found is not None
    assert found.value == "tue wed"


@given(
    hour=st.integers(0, 23),
    zone=st.sampled_from((*ZONES, "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kathmandu")),
    ends=st.dates(date(2024, 1, 1), date(2026, 12, 31)),
)
def test_the_hour_is_the_local_one_in_every_zone_on_both_sides_of_a_clock_change(
    hour: int, zone: str, ends: date
) -> None:
    place = ZoneInfo(zone)
    days = [ends - timedelta(days=n) for n in range(1, 43)]
    instants = [datetime.combine(day, time(hour, 1, 9), tzinfo=place).astimezone(UTC) for day in days]
    as_of = datetime.combine(ends, time(23), tzinfo=UTC)
    found = signature_of([Doing(at) for at in instants], zone=zone, as_of=as_of).hour
    assert found is not None
    # Times that a change of clocks skips are read an hour later, on one day of 42.
    assert int(found.value) == hour


@given(st.lists(st.floats(0, 1439.99), min_size=1, max_size=40), st.integers(0, 1439))
def test_turning_the_clock_turns_the_peak_and_changes_nothing_else(minutes: list[float], turn: int) -> None:
    turn -= turn % 15
    turned = [(each + turn) % 1440 for each in minutes]
    even = [1.0] * len(minutes)
    one, other = rayleigh(minutes, even), rayleigh(turned, even)
    assert one == pytest.approx(other, abs=1e-9)
    assert 0 <= one[0] <= 1
    assert 0 <= one[1] <= 1
    assert 0 <= peak(turned, even) < 24


@given(st.lists(st.tuples(st.floats(0.5, 300), st.floats(0.01, 1)), min_size=1, max_size=30))
def test_the_usual_length_is_one_that_was_there(lengths: list[tuple[float, float]]) -> None:
    middle, spread = usual(lengths)
    assert middle in {length for length, _ in lengths}
    assert 0 <= spread <= max(length for length, _ in lengths)


@given(
    st.lists(
        st.builds(
            Doing,
            st.integers(-60 * 24 * 30, 60 * 24 * 270).map(lambda minutes: NOW - timedelta(minutes=minutes)),
            st.none() | st.floats(0, 600),
            st.none() | st.sampled_from(["video", "article"]),
            st.sampled_from([(), ("a",), ("a", "b")]),
        ),
        max_size=40,
    ),
    st.randoms(),
)
def test_any_doings_in_any_order_give_one_and_the_same_answer(doings: list[Doing], dice: random.Random) -> None:
    one = signature_of(doings, zone="Europe/Berlin", as_of=NOW)
    dice.shuffle(doings)
    assert signature_of(doings, zone="Europe/Berlin", as_of=NOW) == one
    for each in (one.hour, one.days, one.format, one.session_minutes, *one.topics):
        if each is not None:
            assert 0 <= each.confidence < 1
            assert each.evidence >= 8


def test_few_messages_are_shrunken_towards_what_everybody_does() -> None:
    lucky = [Sent("teams", 4, 2), Sent("email", 4, 0)]
    assert signature_of([], lucky, zone=None, as_of=NOW, expected=Expected(0.1)).channel is None
    steady = [Sent("teams", 40, 20), Sent("email", 40, 4)]
    found = signature_of([], steady, zone=None, as_of=NOW, expected=Expected(0.1)).channel
    assert found is not None
    assert found.value == "teams"


def test_a_channel_that_was_tried_alone_is_known_when_they_respond_there_more_than_people_do() -> None:
    keen, as_all = [Sent("email", 20, 14)], [Sent("email", 20, 2)]
    found = signature_of([], keen, zone=None, as_of=NOW, expected=Expected(0.1)).channel
    assert found is not None
    assert found.value == "email"
    assert signature_of([], as_all, zone=None, as_of=NOW, expected=Expected(0.1)).channel is None
