"""What the verbs of activity records mean: which of them finish an item, which are learning at all.

A verb is the last path segment of the xAPI verb's IRI, lower case. The classes follow the ADL vocabulary
(https://w3id.org/xapi/adl/verbs), the cmi5 specification (section 9.3) and the xAPI video profile. A verb that is in
none of them counts as learning: whoever records it saw the learner do something.
"""

from __future__ import annotations

#: The item is done. cmi5: "satisfied" and "waived" are said by the learning system instead of the content.
COMPLETING_VERBS: tuple[str, ...] = ("completed", "passed", "satisfied", "waived", "mastered")

#: A session went wrong: the try failed, or cmi5's "abandoned", which is a session that ended abnormally.
FAILING_VERBS: tuple[str, ...] = ("failed", "abandoned")

#: A session ended; with `success = false` it went wrong. A wrong answer within a session is no failed try.
SESSION_ENDING_VERBS: tuple[str, ...] = ("attempted", "exited", "suspended", "terminated")

#: The content was opened, nothing more.
OPENING_VERBS: tuple[str, ...] = (
    "accessed",
    "initialized",
    "launched",
    "logged-in",
    "loggedin",
    "opened",
)

#: The item was given to the learner.
ASSIGNING_VERBS: tuple[str, ...] = ("assigned", "enrolled", "registered")

#: The learner left the item for good.
WITHDRAWING_VERBS: tuple[str, ...] = ("withdrawn", "withdrew", "unregistered", "unenrolled")

#: Somebody administered the learner, or a message was dealt with: nobody learned anything, nothing was started.
ADMINISTRATIVE_VERBS: tuple[str, ...] = (
    "authorized",
    "imported",
    "invited",
    "notified",
    "received",
    "scheduled",
    "sent",
    "voided",
    *ASSIGNING_VERBS,
    *WITHDRAWING_VERBS,
)

#: Said about a learner by a system: they finish an item, but are no sign that the learner was there.
GRANTED_VERBS: tuple[str, ...] = ("satisfied", "waived")

#: Verbs that do not show that the learner was active.
NOT_ACTIVE_VERBS: tuple[str, ...] = (*ADMINISTRATIVE_VERBS, *GRANTED_VERBS)
