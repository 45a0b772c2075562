"""Which people may be counted together, so that no two published groups differ by a few people.

The teams of a company lie in each other. If every team had figures, the team of a director less the teams of her
managers would be her three direct reports: what is hidden could be had by subtraction. So people are put into blocks
first: the direct reports of one manager, and where those are too few, together with the direct reports of managers
below who were too few themselves. A group is the blocks within a team. Who is in no block, because even the whole team
has too few left over, is left out of all figures.

Blocks depend on who reports to whom, and on nobody's learning. Any sum or difference of published groups is a sum of
whole blocks (Hundepool et al., "Statistical Disclosure Control", 2012, chapter 4: what nested tables give away).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from pushpull.insights.small_numbers import FEWEST

#: Stands above everybody: the company. Its direct reports are those whose manager nobody knows.
COMPANY: Final = ""


def without_cycles(managers: Mapping[str, str]) -> dict[str, str]:
    """Who every manager's own manager is, where following that ends at the top.

    Data may have it that two people manage each other. All managers on such a circle report to the company instead, so
    that the outcome does not depend on where one begins.

    Args:
        managers: by id, the id of their own manager; :data:`COMPANY` or missing for none.
    """
    above = {name: boss if boss in managers else COMPANY for name, boss in managers.items()}
    settled: set[str] = {COMPANY}
    for start in above:
        path: list[str] = []
        here = start
        while here not in settled and here not in path:
            path.append(here)
            here = above[here]
        if here in path:
            for on_circle in path[path.index(here) :]:
                above[on_circle] = COMPANY
        settled.update(path)
    return above


def group_of(top: str, above: Mapping[str, str], direct: Mapping[str, int], *, fewest: int = FEWEST) -> frozenset[str]:
    """The managers whose direct reports make up the group of ``top``: those in its team that are in a block.

    Args:
        top: a manager's id, or :data:`COMPANY`.
        above: of every manager, the next one up; free of circles.
        direct: how many direct reports each manager has in what is counted; 0 where missing.
        fewest: people in a block.
    """
    team = list(_from_the_top(top, above))
    left_over: dict[str, list[str]] = {}
    taken: set[str] = set()
    for manager in reversed(team):  # those below come first
        gathered = [*left_over.pop(manager, ()), *([manager] if direct.get(manager) else [])]
        if sum(direct[each] for each in gathered) >= fewest:
            taken.update(gathered)
        elif manager != top:
            left_over.setdefault(above.get(manager, COMPANY), []).extend(gathered)
    return frozenset(taken)


def _from_the_top(top: str, above: Mapping[str, str]) -> Iterator[str]:
    below: dict[str, list[str]] = {}
    for manager, boss in above.items():
        below.setdefault(boss, []).append(manager)
    waiting = [top]
    while waiting:
        here = waiting.pop()
        yield here
        waiting.extend(sorted(below.get(here, ())))
