"""How items fit what a learner is used to: the format they chose, how long they stay, the topics they come back to.

It decides between items that are about as relevant; it makes none relevant, and is no reason for a pick.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from pushpull.catalogue.asking import Askers
from pushpull.catalogue.offering import Offering
from pushpull.catalogue.similarity import Matrix
from pushpull.catalogue.worth import time_fit

#: What a full fit adds to the relevance.
_OF_FORMAT: Final = 0.3
_OF_TIME: Final = 0.15
_OF_TOPIC: Final = 0.15


class Fit:
    """The fit of every item on offer."""

    def __init__(self, offering: Offering) -> None:
        self._offering = offering
        self._in_formats: dict[tuple[str, ...], Matrix] = {}
        self._with_tag: dict[str, list[int]] = {}
        for column, tags in enumerate(offering.tags):
            for tag in tags:
                self._with_tag.setdefault(tag, []).append(column)

    def add_to(self, value: Matrix, askers: Askers) -> None:
        """Add the fit of each item (column) for each learner (row) to their relevance, in place."""
        for row, formats in askers.formats.items():
            value[row] += self._of_formats(tuple(formats))
        self._add_time(value, askers)
        self._add_topics(value, askers)

    def _of_formats(self, formats: tuple[str, ...]) -> Matrix:
        if formats not in self._in_formats:
            fits = [each is not None and each in formats for each in self._offering.formats]
            self._in_formats[formats] = np.float32(_OF_FORMAT) * np.array(fits, dtype=np.float32)
        return self._in_formats[formats]

    def _add_time(self, value: Matrix, askers: Askers) -> None:
        if not askers.sessions:
            return
        rows = np.fromiter(askers.sessions, dtype=np.int64)
        usual = np.array([each.minutes for each in askers.sessions.values()])
        weight = np.array([each.weight for each in askers.sessions.values()], dtype=np.float32)
        lengths, place = np.unique(usual, return_inverse=True)
        fit = np.float32(_OF_TIME) * time_fit(lengths, self._offering.minutes)
        value[rows] += weight[:, np.newaxis] * fit[place]

    def _add_topics(self, value: Matrix, askers: Askers) -> None:
        """By the topic that is believed most; items of several topics of a learner count no more than of one."""
        for row, topics in askers.topics.items():
            best: dict[int, float] = {}
            for topic, weight in topics:
                for column in self._with_tag.get(topic, ()):
                    best[column] = max(best.get(column, 0.0), weight)
            if best:
                value[row, list(best)] += np.float32(_OF_TOPIC) * np.fromiter(best.values(), dtype=np.float32)
