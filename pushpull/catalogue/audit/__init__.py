"""The catalogue audit: how it is described, built and used, and whether anybody needs it (mission D8).

``findings``      what it comes to, as values
``facts``         what is looked at: SQL
``descriptions``  rules about what an item says of itself; ``wording`` is what words give away
``structure``     rules about length, sections, requirements, age
``twins``         items that say the same
``use``           how use is spread
``needs``         wishes nobody serves, items nobody wishes for
``rules``         all rules about single items, in one list
``auditing``      all of it
``queue``         what was found, kept from one audit to the next
"""

from pushpull.catalogue.audit.auditing import audit
from pushpull.catalogue.audit.findings import (
    Audit,
    Evidence,
    Finding,
    FindingState,
    Severity,
    UnservedNeed,
    Usage,
    Utilisation,
)
from pushpull.catalogue.audit.queue import Recorded, ToRewrite, UnknownFindingError, dismiss, record, rewrite_queue

__all__ = [
    "Audit",
    "Evidence",
    "Finding",
    "FindingState",
    "Recorded",
    "Severity",
    "ToRewrite",
    "UnknownFindingError",
    "UnservedNeed",
    "Usage",
    "Utilisation",
    "audit",
    "dismiss",
    "record",
    "rewrite_queue",
]
