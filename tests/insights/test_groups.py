"""Nobody learns from the figures of groups what one person did, whatever they put together."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from pushpull.insights.groups.blocks import COMPANY, group_of, without_cycles
from pushpull.insights.groups.blur import blurred, rounded
from pushpull.insights.groups.figures import ENGAGEMENT, NAMED, Measure, Rules, Shown, Tally, Week, shown
from pushpull.insights.small_numbers import FEWEST

KEY = b"a key of the tests"
RULES = Rules(KEY)


@dataclass
class Company:
    """People, whom they report to, and what they did."""

    boss: dict[str, str] = field(default_factory=dict)
    draw: dict[str, int] = field(default_factory=dict)
    did: dict[str, set[Measure]] = field(default_factory=dict)
    in_campaign: set[str] = field(default_factory=set)

    @classmethod
    def at_random(cls, dice: random.Random) -> Company:
        made = cls()
        size = dice.randint(6, 120)
        likely = dice.random()
        for n in range(size):
            name = f"p{n}"
            made.boss[name] = f"p{dice.randrange(max(1, n // dice.randint(1, 4)))}" if n else ""
            if dice.random() < 0.05:
                made.boss[name] = dice.choice(["", name, f"p{dice.randrange(size)}", "nobody we know"])
            made.draw[name] = dice.getrandbits(31)
            made.did[name] = {measure for measure in Measure if dice.random() < likely}
        everybody = dice.random() < 0.5
        made.in_campaign = {name for name in made.boss if everybody or dice.random() < 0.8}
        return made

    def changed(self, dice: random.Random) -> Company:
        """A week later: a few come, go or move, and some do something for the first time."""
        later = Company(
            dict(self.boss), dict(self.draw), {n: set(d) for n, d in self.did.items()}, set(self.in_campaign)
        )
        for name in dice.sample(sorted(self.boss), dice.randint(1, 2)):
            match dice.randrange(3):
                case 0:
                    later.in_campaign.discard(name)
                case 1:
                    later.in_campaign.add(name)
                case _:
                    later.boss[name] = dice.choice(sorted(self.boss))
        for name in dice.sample(sorted(self.boss), dice.randint(0, 3)):
            later.did[name].add(dice.choice(list(Measure)))
        return later

    def managers(self) -> dict[str, str]:
        bosses = {boss for boss in self.boss.values() if boss in self.boss}
        return without_cycles({name: self.boss[name] for name in bosses})

    def direct(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for name, boss in self.boss.items():
            if name in self.in_campaign:
                found[boss if boss != name else COMPANY].append(name)
        return found

    def published(self) -> dict[str, frozenset[str]]:
        """Whom the figures of each page speak of."""
        above, direct = self.managers(), self.direct()
        above |= {boss: COMPANY for boss in direct if boss not in above and boss != COMPANY}
        sizes = {boss: len(people) for boss, people in direct.items()}
        pages = {}
        for top in [COMPANY, *above]:
            people = frozenset(name for boss in group_of(top, above, sizes) for name in direct[boss])
            if people:
                pages[top] = people
        return pages

    def page(self, people: frozenset[str], *, is_named: bool = True, works_council: bool = False) -> Shown:
        tally = Tally.of(
            Tally(1, self.draw[name], {measure: int(measure in self.did[name]) for measure in Measure})
            for name in people
        )
        return shown(tally, campaign="spring", rules=Rules(KEY, works_council=works_council), is_named=is_named)


def told_apart(pages: dict[str, frozenset[str]]) -> list[frozenset[str]]:
    """People who are on exactly the same pages. Whatever equations are made of what pages say, they cannot tell these
    from each other: every sum of pages counts all of them alike."""
    seen: dict[frozenset[str], set[str]] = defaultdict(set)
    for name in frozenset().union(*pages.values()) if pages else frozenset():
        seen[frozenset(top for top, people in pages.items() if name in people)].add(name)
    return [frozenset(people) for people in seen.values()]


def can_be_solved(pages: dict[str, frozenset[str]], wanted: frozenset[str]) -> bool:
    """Whether sums and differences of exact pages would give what ``wanted`` did together (modulo a prime)."""
    prime = 2_147_483_647
    kinds = told_apart(pages)
    rows = [[int(bool(kind & people)) for kind in kinds] for people in pages.values()]
    goal = [int(kind <= wanted) for kind in kinds]
    for column in range(len(kinds)):
        pivot = next((row for row in rows if row[column]), None)
        if pivot is None:
            continue
        rows.remove(pivot)
        inverse = pow(pivot[column], -1, prime)
        for row in [*rows, goal]:
            factor = row[column] * inverse % prime
            row[:] = [(a - factor * b) % prime for a, b in zip(row, pivot, strict=True)]
    return not any(goal)


def attack(seed: int) -> Counter[str]:
    """All pages of four weeks, put together; returns what was found."""
    dice = random.Random(seed)
    company, found = Company.at_random(dice), Counter[str]()
    for _ in range(4):
        pages = company.published()
        for kind in told_apart(pages):
            found["groups told apart"] += 1
            if len(kind) < FEWEST:
                found["too small"] += 1
            elif can_be_solved(pages, kind):
                found["solved"] += 1
        for top, people in pages.items():
            what = company.page(people, is_named=top != COMPANY)
            found["figures"] += sum(count is not None for count in what.counts.values())
            for measure, count in what.counts.items():
                named_few = top != COMPANY and measure in ENGAGEMENT and len(people) < NAMED * FEWEST
                if count is not None and (
                    named_few or len(people) < FEWEST or not 5 <= count <= (what.people or 0) - 5
                ):
                    found["should be hidden"] += 1
        company = company.changed(dice)
    return found


def test_a_thousand_companies_give_away_no_group_of_fewer_than_five() -> None:
    found = sum((attack(seed) for seed in range(1000)), Counter[str]())
    assert found["too small"] == 0
    assert found["should be hidden"] == 0
    assert found["solved"] > 1000  # the solver works: larger groups can be had, as they may
    assert found["figures"] > 1000


@pytest.mark.soak
def test_ten_thousand_companies_give_away_no_group_of_fewer_than_five() -> None:
    found = sum((attack(seed) for seed in range(1000, 11_000)), Counter[str]())
    assert (found["too small"], found["should be hidden"]) == (0, 0)


def test_the_attack_succeeds_where_each_team_is_shown_for_itself() -> None:
    solved = 0
    for seed in range(50):
        company = Company.at_random(random.Random(seed))
        above, direct = company.managers(), company.direct()
        pages = {}
        for top in [COMPANY, *above]:
            below = {top, *(name for name in above if top in chain(name, above))}
            people = frozenset(name for boss in below for name in direct.get(boss, ()))
            if len(people) >= NAMED * FEWEST:
                pages[top] = people
        solved += sum(len(kind) < FEWEST and can_be_solved(pages, kind) for kind in told_apart(pages))
    assert solved > 20


def chain(name: str, above: dict[str, str]) -> list[str]:
    names = [name]
    while names[-1] != COMPANY:
        names.append(above[names[-1]])
    return names


def test_a_team_is_counted_without_the_few_who_would_be_singled_out() -> None:
    above = {"ceo": COMPANY, "a": "ceo", "b": "ceo"}
    direct = {COMPANY: 1, "ceo": 2, "a": 12, "b": 3}
    assert group_of("a", above, direct) == {"a"}
    assert group_of("b", above, direct) == frozenset()
    assert group_of("ceo", above, direct) == {"a", "ceo", "b"}  # two and three make a block of five
    assert group_of("ceo", above, direct | {"ceo": 1}) == {"a"}
    assert group_of(COMPANY, above, direct | {"ceo": 1}) == {"a", "ceo", "b", COMPANY}


def test_people_who_manage_each_other_end_nowhere_else() -> None:
    above = without_cycles({"a": "b", "b": "c", "c": "a", "d": "a", "e": "e", "f": "unknown", "g": "d"})
    assert above == {"a": COMPANY, "b": COMPANY, "c": COMPANY, "d": "a", "e": COMPANY, "f": COMPANY, "g": "d"}


def chance(result: int, count: int) -> float:
    """How likely a count is blurred to a result: the geometric mechanism with a ratio of one half, cut at zero."""
    if result == 0:
        return sum(2.0 ** -abs(noise) for noise in range(-count - 60, -count + 1)) / 3
    return 2.0 ** -abs(result - count) / 3


def test_the_blur_is_what_it_says() -> None:
    drawn = Counter(blurred(7, cell=f"cell {n}", key=KEY) for n in range(30_000))
    for result in range(16):
        assert drawn[result] / 30_000 == pytest.approx(chance(result, 7), abs=0.008)
    assert sum(drawn[result] for result in drawn if abs(result - 7) >= 5) / 30_000 == pytest.approx(1 / 24, abs=0.005)
    assert rounded(2) == 0
    assert [rounded(n) for n in (3, 7, 8, 12, 13)] == [5, 5, 10, 10, 15]


def test_one_person_makes_nothing_shown_more_than_twice_as_likely() -> None:
    for count in range(60):
        for step in range(30):
            low, high = max(0, 5 * step - 2), 5 * step + 2
            before = sum(chance(result, count) for result in range(low, high + 1))
            after = sum(chance(result, count + 1) for result in range(low, high + 1))
            assert before > 0
            assert 0.5 - 1e-9 <= after / before <= 2 + 1e-9


def test_looking_again_shows_the_same_and_other_people_are_drawn_anew() -> None:
    def page(extra: int, key: bytes = KEY) -> Shown:
        tally = Tally(30, 1000 + extra, dict.fromkeys(Measure, 14))
        return shown(tally, campaign="spring", rules=Rules(key), is_named=True)

    assert len({str(page(0)) for _ in range(5)}) == 1
    assert len({str(page(extra)) for extra in range(50)}) > 5
    assert len({str(page(0, key=bytes([n] * 32))) for n in range(50)}) > 5


def test_who_compares_the_week_before_and_after_somebody_left_can_only_guess() -> None:
    """The attacker knows who left, and that nobody else did anything; a coin is right in half of the cases."""
    right = sure = 0
    for seed in range(4000):
        dice = random.Random(seed)
        people, did = dice.randint(11, 60), dice.random() < 0.5
        others = dice.randint(0, people - 1)
        key = dice.getrandbits(40)
        first = Tally(people, key, {Measure.COMPLETED: others + did})
        second = Tally(people - 1, key - dice.getrandbits(31), {Measure.COMPLETED: others})
        pair = [
            shown(each, campaign="spring", rules=RULES, is_named=True).counts[Measure.COMPLETED]
            for each in (first, second)
        ]
        if None in pair:
            continue
        sure += 1
        guess = pair[0] > pair[1] if pair[0] != pair[1] else dice.random() < 0.5  # type: ignore[operator]
        right += guess == did
    assert sure > 1500
    assert right / sure < 0.6


def test_under_an_agreement_engagement_is_not_even_named() -> None:
    tally = Tally(40, 7, dict.fromkeys(Measure, 20))
    under = shown(tally, campaign="spring", rules=Rules(KEY, works_council=True), is_named=False)
    assert set(under.counts) == {Measure.REACHED, Measure.COMPLETED}


@pytest.mark.parametrize(("people", "is_named", "seen"), [(4, True, 0), (9, True, 2), (40, True, 4), (9, False, 4)])
def test_small_groups_show_less(people: int, is_named: bool, seen: int) -> None:
    found = set()
    for key in range(300):
        what = shown(
            Tally(people, key, dict.fromkeys(Measure, people // 2)),
            campaign="spring",
            rules=RULES,
            is_named=is_named,
        )
        assert (what.people is None) == (people < 5)
        found |= {measure for measure, count in what.counts.items() if count is not None}
    assert len(found) == seen
    assert seen == 4 or not found & ENGAGEMENT


def test_a_week_is_a_whole_one_in_the_organisations_zone() -> None:
    week = Week.last_before(datetime(2026, 3, 31, 12, tzinfo=UTC), "Europe/Berlin")  # clocks went forward on the 29th
    assert week == Week(datetime(2026, 3, 22, 23, tzinfo=UTC), datetime(2026, 3, 29, 22, tzinfo=UTC))
    assert Week.last_before(datetime(2026, 3, 29, 21, 59, tzinfo=UTC), "Europe/Berlin").ends == week.begins
    assert Week.last_before(datetime(2026, 3, 29, 22, tzinfo=UTC), "Europe/Berlin") == week


@pytest.mark.parametrize("fewest", [0, 1, 4])
def test_no_installation_decides_for_figures_of_fewer_than_five(fewest: int) -> None:
    with pytest.raises(ValueError, match="5 people or more"):
        Rules(KEY, fewest=fewest)
