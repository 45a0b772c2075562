"""The differencing attack: whoever puts all answers of all weeks together, and knows everything but one thing.

The threat model is the one of :mod:`pushpull.insights.groups`. Here it is put to the test with charts and changes that
a property test makes up, and shrinks where they break something:

- what sums and differences of pages of one week give, even if figures were exact, is five people or more (tracker
  attacks: D. Denning, P. Denning, M. Schwartz, "The tracker: a threat to statistical database security", 1979);
- where groups of two weeks do differ by one person, the answers make what that person did at most 2 to the n times as
  likely, n being how many different draws count them (composition: C. Dwork and A. Roth, "The algorithmic foundations
  of differential privacy", 2014, section 3.5);
- the best guess there can be, by somebody who knows everything else, is not much better than a coin.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from math import log2

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from pushpull.db import reading
from pushpull.insights.groups.blocks import COMPANY, group_of
from pushpull.insights.groups.blur import rounded
from pushpull.insights.groups.figures import ENGAGEMENT, NAMED, Measure, Rules, Tally, shown
from pushpull.insights.groups.teams import figures_of
from tests.insights.test_groups import KEY, Company, can_be_solved, chance, told_apart
from tests.insights.test_teams import WEEK, a_campaign, a_company

FEWEST = (5, 8)
thorough = settings(max_examples=120, deadline=None, derandomize=True)


@dataclass(frozen=True)
class Change:
    """What happens to somebody between two weeks."""

    who: int
    what: str
    where: int


changes = st.lists(
    st.builds(
        Change,
        st.integers(0, 200),
        st.sampled_from(["leaves", "joins", "moves", *(measure.value for measure in Measure)]),
        st.integers(0, 200),
    ),
    max_size=4,
)


@st.composite
def companies(draw: st.DrawFn) -> Company:
    """A chart of people, some of them managing each other or themselves, and what they did."""
    made = Company()
    places = draw(st.lists(st.integers(0, 999), min_size=draw(st.sampled_from([6, 30, 60])), max_size=70))
    wide = draw(st.integers(1, 9))  # how many reports managers have, more or less
    for n, place in enumerate(places):
        name = f"p{n}"
        dice = random.Random(place * 1000 + n)
        boss = dice.randrange(max(1, n // wide)) if n else None
        made.boss[name] = "" if boss is None else f"p{boss}"
        if place % 23 == 0:
            made.boss[name] = ["", name, "nobody we know", f"p{place % len(places)}"][place % 4]
        made.draw[name] = dice.getrandbits(31)
        made.did[name] = {measure for bit, measure in enumerate(Measure) if place >> bit & 1}
        if place % 7:
            made.in_campaign.add(name)
    return made


def a_week_later(company: Company, happened: Sequence[Change]) -> Company:
    later = Company(
        dict(company.boss), dict(company.draw), {n: set(d) for n, d in company.did.items()}, set(company.in_campaign)
    )
    for each in happened:
        name, other = (f"p{place % len(company.boss)}" for place in (each.who, each.where))
        match each.what:
            case "leaves":
                later.in_campaign.discard(name)
            case "joins":
                later.in_campaign.add(name)
            case "moves":
                later.boss[name] = other
            case measure:
                later.did[name].add(Measure(measure))
    return later


def pages(company: Company, fewest: int) -> dict[str, frozenset[str]]:
    """Whom the figures of each page speak of, by whose page it is."""
    above, direct = company.managers(), company.direct()
    above |= {boss: COMPANY for boss in direct if boss not in above and boss != COMPANY}
    sizes = {boss: len(people) for boss, people in direct.items()}
    found = {
        top: frozenset(name for boss in group_of(top, above, sizes, fewest=fewest) for name in direct[boss])
        for top in [COMPANY, *above]
    }
    return {top: people for top, people in found.items() if people}


def tally(company: Company, people: frozenset[str]) -> Tally:
    return Tally.of(
        Tally(1, company.draw[name], {measure: int(measure in company.did[name]) for measure in Measure})
        for name in people
    )


@thorough
@given(companies(), st.lists(changes, max_size=3), st.sampled_from(FEWEST))
def test_no_sum_of_pages_of_a_week_speaks_of_fewer_people(
    company: Company, weeks: list[list[Change]], fewest: int
) -> None:
    for happened in [[], *weeks]:
        company = a_week_later(company, happened)
        seen = pages(company, fewest)
        for kind in told_apart(seen):
            assert len(kind) >= fewest or not can_be_solved(seen, kind)
            assert len(kind) >= fewest


@thorough
@given(companies(), st.sampled_from(FEWEST), st.binary(min_size=8, max_size=8))
def test_no_figure_is_of_few_nor_of_all_but_few_whatever_the_noise(company: Company, fewest: int, key: bytes) -> None:
    for top, people in pages(company, fewest).items():
        what = shown(tally(company, people), campaign="spring", rules=Rules(key, fewest), is_named=top != COMPANY)
        assert what.people is not None
        for measure, count in what.counts.items():
            if count is None:
                continue
            assert fewest <= count <= what.people - fewest
            assert count % 5 == 0
            assert measure not in ENGAGEMENT or top == COMPANY or len(people) >= NAMED * fewest


@thorough
@given(companies(), st.lists(changes, min_size=1, max_size=4), st.integers(0, 200), st.sampled_from(list(Measure)))
def test_all_answers_together_tell_of_one_person_no_more_than_their_draws_allow(
    company: Company, weeks: list[list[Change]], who: int, measure: Measure
) -> None:
    """Two companies alike in all but one thing one person did; how much likelier are the answers in one of them?"""
    person = f"p{who % len(company.boss)}"
    drawn: dict[tuple[int, int, int], float] = {}
    for happened in [[], *weeks]:
        company = a_week_later(company, happened)
        for top, people in pages(company, 5).items():
            if person not in people:
                continue  # the same in both
            of = tally(company, people)
            count = of.counts[measure] - (measure in company.did[person])
            answer = shown(of, campaign="spring", rules=Rules(KEY), is_named=top != COMPANY)
            likely = [how_likely(answer.counts[measure], of.people, each, answer.people or 0, measure, top != COMPANY)
                      for each in (count, count + 1)]  # fmt: skip
            drawn[of.people, of.key, count] = abs(log2(likely[0]) - log2(likely[1]))
    assert all(each <= 1 + 1e-9 for each in drawn.values())
    assert sum(drawn.values()) <= len(drawn) + 1e-9


def how_likely(said: int | None, people: int, count: int, about: int, measure: Measure, is_named: bool) -> float:
    """How likely a figure is shown as it is, by the definition of the blur."""
    if measure in ENGAGEMENT and is_named and people < NAMED * 5:
        return 1.0  # always hidden

    def chance_of(value: int) -> float:
        return sum(chance(result, count) for result in range(max(0, value - 2), value + 3) if rounded(result) == value)

    visible = range(5, about - 4, 5)
    return chance_of(said) if said is not None else 1 - sum(chance_of(value) for value in visible)


@thorough
@given(companies(), st.integers(1, 30))
def test_waiting_brings_no_new_draw(company: Company, weeks: int) -> None:
    for people in pages(company, 5).values():
        answers = {
            str(shown(tally(company, people), campaign="spring", rules=Rules(KEY), is_named=True)) for _ in range(weeks)
        }
        assert len(answers) == 1


def test_who_knows_all_but_one_thing_still_guesses() -> None:
    """The best guess there is (by likelihood) about somebody four levels down, from every page that counts them."""
    right, all_of_them = 0.0, 3000
    for seed in range(all_of_them):
        dice = random.Random(seed)
        did = dice.random() < 0.5
        odds = 0.0
        for people in (14, 40, 110, 300):  # the team, the department, the division, the company
            others = dice.randint(people // 4, people // 2)
            of = Tally(people, dice.getrandbits(40), {Measure.COMPLETED: others + did})
            what = shown(of, campaign="spring", rules=Rules(KEY), is_named=True)
            said, about = what.counts[Measure.COMPLETED], what.people or 0
            likely = [how_likely(said, people, others + each, about, Measure.COMPLETED, True) for each in (0, 1)]
            odds += log2(likely[1] / likely[0])
        right += 0.5 if abs(odds) < 1e-9 else (odds > 0) == did
    assert 0.5 < right / all_of_them < 0.72


def test_the_database_makes_the_same_groups(sqlite_engine: Engine) -> None:
    """What is proved above of groups holds of what is asked of the database."""
    company = Company.at_random(random.Random(11))
    bosses = {name: boss or None for name, boss in company.boss.items()}
    ids = a_company(sqlite_engine, bosses)
    a_campaign(sqlite_engine, [ids[name] for name in sorted(company.in_campaign, key=lambda name: ids[name])])
    company.draw = {name: number * 7919 for name, number in ids.items()}
    company.did = {name: set() for name in ids}
    seen = pages(company, 5)
    assert len(seen) > 5
    with reading(sqlite_engine) as connection:
        for top in [COMPANY, *company.managers()]:
            found = figures_of(connection, top, WEEK, rules=Rules(KEY))
            expected = (
                shown(tally(company, seen[top]), campaign="spring", rules=Rules(KEY), is_named=top != COMPANY).people
                if top in seen
                else None
            )
            assert [each.shown.people for each in found] in ([expected], [] if expected is None else [expected])
