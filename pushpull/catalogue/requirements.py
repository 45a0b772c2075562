"""What must be completed before an item is offered.

A requirement binds when both items are in the catalogue and it is not part of a circle: what requires itself, by
whatever way, could never be begun, so such requirements are left out, with a line in the log.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection, select

from pushpull.catalogue.tables import item, item_requirement

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, order=True)
class Requirement:
    """An item and one that must be completed before it, by their ids."""

    item_id: int
    requires_id: int


@dataclass(frozen=True, slots=True)
class Requirements:
    """What the catalogue asks for.

    Args:
        binding: in order.
        circular: those left out because they lead back to themselves, in order.
    """

    binding: tuple[Requirement, ...] = ()
    circular: tuple[Requirement, ...] = ()


def read_requirements(connection: Connection) -> Requirements:
    """The requirements whose items are both known; what leads in a circle is told in the log."""
    required = item.alias("required")
    found = sort_out(
        [
            Requirement(item_id, requires_id)
            for item_id, requires_id in connection.execute(
                select(item_requirement.c.item_id, required.c.id).join(
                    required, required.c.key == item_requirement.c.requires_key
                )
            )
        ]
    )
    if found.circular:
        _LOG.warning("requirements that lead in a circle bind nobody: %d", len(found.circular))
    return found


def sort_out(requirements: list[Requirement]) -> Requirements:
    """Which bind, and which are part of a circle: those inside a strongly connected component (Tarjan 1972)."""
    if not requirements:
        return Requirements()
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components

    listed = sorted(set(requirements))
    ids = sorted({each.item_id for each in listed} | {each.requires_id for each in listed})
    place = {item_id: number for number, item_id in enumerate(ids)}
    graph = csr_matrix(
        (
            np.ones(len(listed), dtype=np.int8),
            ([place[each.item_id] for each in listed], [place[each.requires_id] for each in listed]),
        ),
        shape=(len(ids), len(ids)),
    )
    component = connected_components(graph, directed=True, connection="strong")[1]
    is_circular = {each: component[place[each.item_id]] == component[place[each.requires_id]] for each in listed}
    return Requirements(
        tuple(each for each in listed if not is_circular[each]), tuple(each for each in listed if is_circular[each])
    )
