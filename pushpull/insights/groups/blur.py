"""Counts that are no longer exact, and cannot be made exact again.

Noise is added to a count before it is rounded: the difference of two numbers, each one more with a chance of one half,
again and again. So a count is exact in one case of three, off by one in one of three, by five or more in one of 24.
What one figure says becomes at most twice as likely by a single person's doing. Source: A. Ghosh, T. Roughgarden,
M. Sundararajan, "Universally utility-maximizing privacy mechanisms", 2012 (the geometric mechanism; here with a ratio
of one half).

The noise is drawn from the people who are counted and from the count, with a secret: the same people with the same
count are always shown alike, so that looking again, week after week, does not average it away. One person more or less
draws anew. Source: B. Fraser and J. Wooton, "A proposed method for confidentialising tabular output to protect against
differencing", 2005 (cell keys).
"""

from __future__ import annotations

import hmac
from typing import Final

#: What shown counts are multiples of.
STEP: Final = 5
#: Of the noise: 2r / (1 - r)² with a ratio r of one half.
VARIANCE: Final = 4.0


def blurred(count: int, *, cell: str, key: bytes) -> int:
    """A count with its noise; never below zero.

    Args:
        cell: what is counted, and the key of the people it is counted of.
        key: the installation's secret for this.
    """
    drawn = hmac.digest(key, f"{cell}|{count}".encode(), "sha256")
    more, fewer = (_ones(int.from_bytes(half, "big"), 8 * len(half)) for half in (drawn[:16], drawn[16:]))
    return max(0, count + more - fewer)


def rounded(count: int) -> int:
    """The nearest multiple of :data:`STEP`."""
    return (count + STEP // 2) // STEP * STEP


def _ones(bits: int, width: int) -> int:
    """How many ones a random number begins with: n or more with a chance of one in 2 to the n."""
    return width - (~bits & ((1 << width) - 1)).bit_length()
