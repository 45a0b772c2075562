"""The lifecycle of one learner in one campaign: states folded from events.

=========== ==================================================================== =====================================
state       meaning                                                              leads to
=========== ==================================================================== =====================================
unaware     nothing has reached the learner                                      aware, activated, active, completed,
                                                                                 opted_out
aware       a message was accepted, or a link followed                           activated, active, completed,
                                                                                 opted_out
activated   opened the content, or tried and failed                              active, dormant, completed, opted_out
active      learned something, or came back                                      habitual, dormant, completed,
                                                                                 champion, opted_out
habitual    learned on several days within a short while                         active, dormant, completed, champion,
                                                                                 opted_out
dormant     silent for longer than the learner's own rhythm explains             active, completed, opted_out
opted_out   wants no messages of the campaign; hides the state the rest of the   any of the above, completed
            events give, which shows again after opting in
completed   all of the campaign's items are completed; stays, whatever follows   champion
champion    said yes to vouching for the campaign while active, habitual or      nothing
            completed; stays
=========== ==================================================================== =====================================

The fold is pure (:mod:`pushpull.learners.lifecycle.states`); the events come from activity, progress and consent
(:mod:`.events`) and from the ledger; the rows that segments join are kept by :mod:`.refold`.
"""

from pushpull.learners.lifecycle.events import derive_events
from pushpull.learners.lifecycle.refold import refold
from pushpull.learners.lifecycle.states import (
    TRANSITIONS,
    IllegalTransition,
    Lifecycle,
    LifecycleEvent,
    Rules,
    fold,
    transition,
)

__all__ = [
    "TRANSITIONS",
    "IllegalTransition",
    "Lifecycle",
    "LifecycleEvent",
    "Rules",
    "derive_events",
    "fold",
    "refold",
    "transition",
]
