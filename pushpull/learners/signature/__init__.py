"""What behaviour says about when, over what and how somebody learns: the learning signature (mission R5).

Pure functions from what a learner did to what may be concluded: the local hour, the weekdays, the channel over which
they respond, the format, how long they stay, the topics they come back to. What was long ago counts for less, and where
the evidence is thin or shows no pattern a field is None: unknown, never a guess.

- :mod:`.events`: doings become visits, and what a visit weighs.
- :mod:`.rhythm`: hour and weekdays, by circular statistics.
- :mod:`.response`: the channel, by shrunken response rates.
- :mod:`.taste`: format, length and topics.
- :mod:`.fold`: all of it for one learner.
- :mod:`.evidence` and :mod:`.behaviour`: read what many learners did; :mod:`.learning` writes what was learned, with
  the barrier that speaks from it, into their profiles.
"""

from pushpull.learners.signature.events import HALF_LIFE, WINDOW, Doing, Sent
from pushpull.learners.signature.fold import Learned, Signature, signature_of
from pushpull.learners.signature.learning import WhatWasLearned, learn_everybody, learn_signatures
from pushpull.learners.signature.response import Expected

__all__ = [
    "HALF_LIFE",
    "WINDOW",
    "Doing",
    "Expected",
    "Learned",
    "Sent",
    "Signature",
    "WhatWasLearned",
    "learn_everybody",
    "learn_signatures",
    "signature_of",
]
