"""Where the database holds something of a person, table by table, and what becomes of it when they are erased.

The list is complete: a table that is neither here nor in :data:`ABOUT_NOBODY` fails a test. What mentions a person
inside a text (what providers sent, statements, the audit log) is found in `mentions`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from sqlalchemy import Column, Table

from pushpull.importers.tables import xapi_document
from pushpull.learners.tables import (
    activity,
    calendar_hold,
    champion,
    consent,
    cue_plan,
    learner,
    learner_choice,
    learner_identity,
    learner_tag,
    lifecycle,
    lifecycle_event,
    profile_fact,
    progress,
    queue_place,
    recognition,
    referral,
    review,
    review_ask,
    share,
    suppression,
)
from pushpull.ledger.tables import (
    attempt,
    card_update,
    contact,
    delivery,
    delivery_event,
    erasure,
    fetch,
    letter,
    pick,
)


class Shelf(StrEnum):
    """Under which heading people read it."""

    PROFILE = "profile"
    CHOICES = "choices"
    LEARNING = "learning"
    PEERS = "peers"
    MESSAGES = "messages"
    TECHNICAL = "technical"


class Fate(StrEnum):
    """What erasing does to the rows."""

    FORGOTTEN = "forgotten"  # they are deleted
    NAMELESS = "nameless"  # they stay as numbers of a tombstone, without what names, quotes or describes the person


@dataclass(frozen=True, slots=True)
class Place:
    """A table that has rows of single persons.

    Args:
        whose: its column with the learner's id.
        blank: columns of rows that stay, and what is written into them.
        why: why they stay.
    """

    table: Table
    shelf: Shelf
    fate: Fate = Fate.FORGOTTEN
    whose: str = "learner_id"
    blank: Mapping[str, object] = field(default_factory=dict)
    why: str = ""

    @property
    def owner(self) -> Column[int]:
        """The column with the learner's id."""
        return self.table.c[self.whose]


_EVIDENCE = "evidence that a message was handed over once: budgets, costs and effects are counted from it"

#: In the order in which rows can be deleted: what points to another row comes first.
PLACES: Final = (
    Place(
        learner,
        Shelf.PROFILE,
        Fate.NAMELESS,
        whose="id",
        why="the tombstone: numbers that stay belong to nobody who can be named",
    ),
    Place(learner_identity, Shelf.PROFILE),
    Place(learner_tag, Shelf.PROFILE),
    Place(profile_fact, Shelf.PROFILE),
    Place(learner_choice, Shelf.CHOICES),
    Place(consent, Shelf.CHOICES),
    Place(suppression, Shelf.CHOICES),
    Place(queue_place, Shelf.CHOICES),
    Place(calendar_hold, Shelf.CHOICES),
    Place(cue_plan, Shelf.CHOICES),
    Place(activity, Shelf.LEARNING),
    Place(xapi_document, Shelf.LEARNING),
    Place(
        progress,
        Shelf.LEARNING,
        Fate.NAMELESS,
        blank={"score": None, "place_key": None, "place_title": None, "place_url": None},
        why="how many started and completed an item, and when",
    ),
    Place(lifecycle_event, Shelf.LEARNING, Fate.NAMELESS, why="how many a campaign reached, and what it led to"),
    Place(lifecycle, Shelf.LEARNING, Fate.NAMELESS, why="how many a campaign reached, and what it led to"),
    Place(review, Shelf.PEERS),
    Place(review_ask, Shelf.PEERS),
    Place(referral, Shelf.PEERS),
    Place(share, Shelf.PEERS),
    Place(recognition, Shelf.PEERS),
    Place(champion, Shelf.PEERS),
    Place(delivery, Shelf.MESSAGES, Fate.NAMELESS, why=_EVIDENCE),
    Place(pick, Shelf.MESSAGES, Fate.NAMELESS, blank={"reason_value": None}, why="how often an item was recommended"),
    Place(delivery_event, Shelf.MESSAGES, Fate.NAMELESS, blank={"detail": None}, why=_EVIDENCE),
    Place(attempt, Shelf.MESSAGES, Fate.NAMELESS, blank={"proof": None}, why=_EVIDENCE),
    Place(contact, Shelf.MESSAGES, Fate.NAMELESS, why=_EVIDENCE),
    Place(card_update, Shelf.MESSAGES, Fate.NAMELESS, why=_EVIDENCE),
    Place(letter, Shelf.MESSAGES),
    Place(
        fetch,
        Shelf.TECHNICAL,
        Fate.NAMELESS,
        blank={"learner_id": None, "token_id": None, "network": ""},
        why="how often the links of a wave were opened",
    ),
    Place(erasure, Shelf.TECHNICAL, Fate.NAMELESS, why="that somebody was erased, and when"),
)

_STAFF = "names those who decided, as the audit needs it, and no learner"
_CATALOGUE = "what there is to learn"
_NUMBERS = "no more than numbers, or ids of a tombstone"

#: All other tables, and why nobody is in them. Those that quote people are cleaned by `mentions` all the same.
ABOUT_NOBODY: Final[Mapping[str, str]] = {
    "alembic_version": "the schema's own number",
    "approval": _STAFF,
    "audit": "what was decided and why; addresses and external ids in it are replaced",
    "callback": "what providers sent, for 30 days; bodies with an address of the person are emptied",
    "campaign": "what is sent, not to whom",
    "campaign_item": _CATALOGUE,
    "catalogue_finding": _CATALOGUE,
    "channel_pause": "the state of a channel",
    "conversation": "how a bot reaches an address; the person's is deleted",
    "erased_address": "keyed hashes, kept so that nobody is written to again",
    "fold_cursor": "how far activity was folded",
    "forecast": _NUMBERS,
    "handover": _NUMBERS,
    "import_cursor": "where the next import goes on",
    "import_run": _NUMBERS,
    "ingest_source": _STAFF,
    "insight": _NUMBERS,
    "intensity": _NUMBERS,
    "item": "what there is to learn; the owner's external id is taken out",
    "item_requirement": _CATALOGUE,
    "item_tag": _CATALOGUE,
    "item_thread": _STAFF,
    "measurement": _NUMBERS,
    "notice": "what ops were told about waves and channels",
    "proposal": _STAFF,
    "provider_object": "what was made at a provider for all",
    "provider_pace": "how fast a channel may send",
    "quarantine": "row numbers and reasons, never a value",
    "rotation": "re-runs of waves; the person's external id in a cohort is replaced",
    "section": _CATALOGUE,
    "switch": "what ops set for all; the person's external id among guests is replaced",
    "verdict": _NUMBERS,
    "voided_statement": "ids of statements",
    "wave": "what is sent, not to whom",
    "xapi_statement": "statements of course players; those that name the person are deleted",
}
