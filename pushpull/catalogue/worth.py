"""What an item is worth to a learner, and what it costs them (mission R8).

    benefit = relevance x quality                                   (1: says just what the learner's goal says, average)
    cost    = (minutes + 0.5 x clicks) / 240                        (minutes per benefit of 1: half a working day)
    value   = benefit - cost

Minutes are the item's duration; where it is unknown, the median of the catalogue's known ones stands in, or 15 where
none is known. Clicks are 1 for an item that opens by its own address and 3 for one that must be looked for; each takes
half a minute. Quality is 1 for a rating of 3 or an unknown one, 0.75 for 1 and 1.25 for 5 stars. An item is offered
only where its value is not below 0. The numbers are conventions, not measurements: they say that a weak hint (0.12) is
worth half an hour and a goal half met two hours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

#: Minutes that a benefit of 1 is worth.
MINUTES_WORTH: Final = 240.0
#: Minutes that a click takes: to find the way, wait and read.
MINUTES_PER_CLICK: Final = 0.5
#: Minutes of an item in a catalogue that knows no durations.
MINUTES_UNHEARD_OF: Final = 15.0

_CLICKS_WITH_ADDRESS, _CLICKS_WITHOUT = 1, 3
_MIDDLE_OF_STARS, _WEIGHT_OF_STARS = 3.0, 0.125

Vector = NDArray[np.float32]


def costs(minutes: Sequence[float | None], has_address: Sequence[bool]) -> Vector:
    """What each item costs, in units of benefit."""
    known = [each for each in minutes if each is not None and math.isfinite(each)]
    unknown = float(np.median(known)) if known else MINUTES_UNHEARD_OF
    duration = np.array([each if each is not None and math.isfinite(each) else unknown for each in minutes])
    clicks = np.where(np.array(has_address, dtype=bool), _CLICKS_WITH_ADDRESS, _CLICKS_WITHOUT)
    cost: Vector = ((duration + MINUTES_PER_CLICK * clicks) / MINUTES_WORTH).astype(np.float32)
    return cost


def qualities(ratings: Sequence[float | None]) -> Vector:
    """By what the relevance of each item is multiplied."""
    return np.array(
        [1.0 if each is None else 1 + _WEIGHT_OF_STARS * (each - _MIDDLE_OF_STARS) for each in ratings],
        dtype=np.float32,
    )


def time_fit(session_minutes: NDArray[np.float64], minutes: Sequence[float | None]) -> Vector:
    """How well items fit into sessions of some lengths: 1 when they do, 0 at twice and -1 from four times as long.

    Args:
        session_minutes: above 0; a row each.
        minutes: of the items, a column each; unknown ones neither fit nor do not.
    """
    duration = np.array([np.nan if each is None else max(each, 0.1) for each in minutes])
    times = np.log2(duration[np.newaxis, :] / session_minutes[:, np.newaxis])
    fit: Vector = np.nan_to_num(1 - np.clip(times, 0, 2), nan=0.0).astype(np.float32)
    return fit
