"""Pages that only lead to others: home pages, menus, indexes. People pass them all the time and leave from them last,
so they are never blamed for it.

They are told by their kind, or by what people do: whatever else is visited, they were there directly before or after,
and they come back more often than to anything else.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pushpull.insights.dropoff.visits import Flags, Floats, Visits

#: Kinds of sections that lead to others. ``homepage``, ``subpage``, ``url`` and ``forumng`` are those of Moodle as the
#: Open University uses it (Kuzilek, Hlosta, Zdrahal 2017); the rest is what other systems call the same.
NAVIGATION_KINDS = frozenset(
    {
        "contents", "dashboard", "folder", "forum", "forum_index", "forumng", "glossary", "home", "homepage", "index",
        "landing", "menu", "navigation", "page_menu", "search", "sharedsubpage", "sitemap", "subpage", "toc", "url",
    }
)  # fmt: skip

#: The part of the other sections of its item beside which a page is usually seen.
_NEARLY_ALL = 0.8
#: "Usually": in so many of the visits.
_USUALLY = 0.5
#: How many times as often as to an ordinary section people come back to it.
_RETURNS = 2.0
#: Visits a section must have to say anything, and other sections there must be.
_FEWEST_VISITS, _FEWEST_OTHERS = 10, 3


def navigation(visits: Visits) -> Flags:
    """Which sections only lead to others, one value per section."""
    kinds = [(each.kind or "").strip().lower().replace("-", "_").replace(" ", "_") for each in visits.sections]
    declared = np.array([kind in NAVIGATION_KINDS for kind in kinds], dtype=bool)
    return np.asarray(declared | _hubs(visits), dtype=bool)


def _hubs(visits: Visits) -> Flags:
    """The sections that are beside nearly all others of their item."""
    size = len(visits.sections)
    hubs = np.zeros(size, dtype=bool)
    if not len(visits.step_path):
        return hubs
    from scipy.sparse import csr_matrix, diags

    # A moment is one instant of one path; sources without hours put a whole day's sections into one.
    moments, of = np.unique(np.stack([visits.step_path, visits.step_at]), axis=1, return_inverse=True)
    count = moments.shape[1]
    seen = csr_matrix((np.ones(len(of), dtype=np.float32), (of.ravel(), visits.step_section)), shape=(count, size))
    seen.data[:] = 1
    follows = (moments[0, 1:] == moments[0, :-1]).astype(np.float32)
    alone = (np.asarray(seen.sum(axis=1)).ravel() == 1).astype(np.float32)
    neighbours = diags(alone) @ (diags(follows, 1, shape=(count, count)) + diags(follows, -1, shape=(count, count)))
    beside = seen + neighbours @ seen
    beside.data[:] = 1
    together = np.asarray((seen.T @ beside).todense())
    visited = np.asarray(seen.sum(axis=0)).ravel()
    people = np.asarray((_by_path(moments[0], seen) > 0).sum(axis=0)).ravel()
    returns = visited / np.maximum(people, 1)
    items = [each.item_key for each in visits.sections]
    for item in dict.fromkeys(items):
        of_item = np.flatnonzero([key == item for key in items] & (visited >= _FEWEST_VISITS))
        if len(of_item) <= _FEWEST_OTHERS:
            continue
        rate = together[np.ix_(of_item, of_item)] / visited[of_item, np.newaxis]
        np.fill_diagonal(rate, 0)
        is_beside = (rate >= _USUALLY).sum(axis=0) / (len(of_item) - 1) >= _NEARLY_ALL
        is_returned_to = returns[of_item] >= _RETURNS * np.median(returns[of_item])
        hubs[of_item] = is_beside & is_returned_to
    return hubs


def _by_path(path: Floats, seen: Any) -> Any:
    from scipy.sparse import csr_matrix

    _, number = np.unique(path, return_inverse=True)
    rows = number.ravel()
    gather = csr_matrix((np.ones(len(rows), dtype=np.float32), (rows, np.arange(len(rows)))))
    return gather @ seen
