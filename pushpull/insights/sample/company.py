"""Writes the sample company to the database: people, consent, profiles, the catalogue, and what was learned before."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from sqlalchemy import Connection, func, select

from pushpull.catalogue.items import CatalogueItem, item_ids, save_items
from pushpull.catalogue.tables import section
from pushpull.db import insert_new
from pushpull.insights.sample.people import PREFIX, Person, invent
from pushpull.learners.consent import draw_for
from pushpull.learners.progress import fold_activity
from pushpull.learners.tables import activity, consent, learner, learner_identity, learner_tag, profile_fact
from pushpull.learners.vocabulary import ANY_CHANNEL, Channel

_HERE = Path(__file__).parent

#: Addresses of content: a name that never resolves (RFC 2606).
_CONTENT = "https://learning.larkfield.example"

#: Keys of the items whose completion completes the example campaign, in order.
CORE_ITEMS = ("feedback-101", "focus-time", "clear-writing")

#: Which system the earlier activity is said to come from.
_HISTORY = "sample-history"


@dataclass(frozen=True)
class Company:
    """What was made.

    Args:
        learner_ids: by external id.
        item_ids: by item key.
        languages, zones: how many people have each; "" is unknown.
        inactive: people who left.
        opted_out: people who opted out of the family before the campaign.
        sms_opt_ins: people who allowed text messages.
    """

    seed: int
    learner_ids: Mapping[str, int]
    item_ids: Mapping[str, int]
    languages: Mapping[str, int]
    zones: Mapping[str, int]
    inactive: int
    opted_out: int
    sms_opt_ins: int


def make_company(
    connection: Connection, *, seed: int, size: int = 300, now: datetime, family: str = "learning"
) -> Company:
    """Make a company; making it again changes nothing.

    Args:
        seed: the same seed and size give the same company, in every database.
        size: people.
        now: the instant (UTC) at which it is made; hire dates and earlier activity lie before it.
        family: the message family that some people have opted out of.

    Raises:
        ValueError: fewer people than a company needs for its heads of department.
    """
    words = _read("people.yaml")
    rng = random.Random(f"company:{seed}")
    people = invent(words, rng, seed=seed, size=size, today=now.date())
    items = _save_catalogue(connection, now=now)
    learners = _save_people(connection, people, now=now)
    _save_identities(connection, people, learners)
    _save_profiles(connection, people, learners, now=now)
    _save_consent(connection, people, learners, family=family, now=now)
    _save_history(connection, people, learners, items, rng, now=now)
    return Company(
        seed=seed,
        learner_ids=learners,
        item_ids={key: each for key, (each, _) in items.items()},
        languages=Counter(person.language or "" for person in people),
        zones=Counter(person.zone or "" for person in people),
        inactive=sum(not person.active for person in people),
        opted_out=sum(person.opted_out for person in people),
        sms_opt_ins=sum(person.sms_opt_in for person in people),
    )


def strangers(connection: Connection) -> int:
    """How many learners of the database are not of a sample company."""
    invented = learner.c.external_id.startswith(PREFIX, autoescape=True)
    return int(connection.execute(select(func.count()).select_from(learner).where(~invented)).scalar_one())


def _read(name: str) -> Any:
    return YAML(typ="safe").load(_HERE / name)


def _save_catalogue(connection: Connection, *, now: datetime) -> dict[str, tuple[int, str | None]]:
    """Save the items and the sections of the core ones.

    Returns:
        Id and language by key.
    """
    data = _read("catalogue.yaml")
    listed = [*data["core"], *data["items"]]
    items = []
    for raw in listed:
        fields = {name: value for name, value in raw.items() if name not in ("sections", "tags")}
        url, iri = f"{_CONTENT}/items/{raw['key']}", f"{_CONTENT}/xapi/{raw['key']}"
        items.append(CatalogueItem(**fields, tags=frozenset(raw["tags"]), url=url, iri=iri))
    save_items(connection, items, at=now)
    ids = item_ids(connection, [each.key for each in items])
    sections = [
        {
            "item_id": ids[raw["key"]],
            "key": part["key"],
            "title": part["title"],
            "kind": "page",
            "position": position,
            "url": f"{_CONTENT}/items/{raw['key']}/{part['key']}",
        }
        for raw in data["core"]
        for position, part in enumerate(raw["sections"])
    ]
    insert_new(connection, section, sections)
    return {each.key: (ids[each.key], each.language) for each in items}


def _save_people(connection: Connection, people: Sequence[Person], *, now: datetime) -> dict[str, int]:
    insert_new(
        connection,
        learner,
        [
            {
                "external_id": person.external_id,
                "given_name": person.given_name,
                "family_name": person.family_name,
                "display_name": f"{person.given_name} {person.family_name}",
                "email": person.email,
                "phone": person.phone,
                "teams_id": person.teams_id,
                "slack_id": person.slack_id,
                "preferred_language": person.language,
                "timezone": person.zone,
                "title": person.title,
                "department": person.department,
                "manager_external_id": person.manager,
                "active": person.active,
                "hired_on": person.hired_on,
                "draw": draw_for(person.external_id),
                "preferred_hour": person.preferred_hour,
                "created_at": now,
                "updated_at": now,
            }
            for person in people
        ],
    )
    wanted = {person.external_id for person in people}
    rows = connection.execute(select(learner.c.external_id, learner.c.id))
    return {external_id: learner_id for external_id, learner_id in rows if external_id in wanted}


def _save_identities(connection: Connection, people: Sequence[Person], learners: Mapping[str, int]) -> None:
    """What xAPI statements may name them by: their address, as an import of people keeps it."""
    mailboxes = [(learners[each.external_id], f"mailto:{each.email}") for each in people if each.email]
    hashed = [(who, hashlib.sha1(mailbox.encode()).hexdigest()) for who, mailbox in mailboxes]  # noqa: S324
    insert_new(
        connection,
        learner_identity,
        [
            {"kind": kind, "value": value, "learner_id": who}
            for kind, named in (("mbox", mailboxes), ("mbox_sha1sum", hashed))
            for who, value in named
        ],
    )


def _save_profiles(
    connection: Connection, people: Sequence[Person], learners: Mapping[str, int], *, now: datetime
) -> None:
    tags = [{"learner_id": learners[each.external_id], "tag": tag} for each in people for tag in each.tags]
    insert_new(connection, learner_tag, tags)
    insert_new(
        connection,
        profile_fact,
        [
            {
                "learner_id": learners[person.external_id],
                "kind": fact.kind,
                "value": fact.value,
                "source": fact.source,
                "confidence": fact.confidence,
                "recorded_at": now - timedelta(days=fact.days_ago),
            }
            for person in people
            for fact in person.facts
        ],
    )


def _save_consent(
    connection: Connection, people: Sequence[Person], learners: Mapping[str, int], *, family: str, now: datetime
) -> None:
    def word(person: Person, channel: str, *, granted: bool) -> dict[str, object]:
        return {
            "learner_id": learners[person.external_id],
            "channel": channel,
            "family": family,
            "granted": granted,
            "source": "preferences",
            "recorded_at": now - timedelta(days=30),
        }

    yes = [word(person, Channel.SMS.value, granted=True) for person in people if person.sms_opt_in]
    no = [word(person, ANY_CHANNEL, granted=False) for person in people if person.opted_out]
    insert_new(connection, consent, yes + no)


def _save_history(
    connection: Connection,
    people: Sequence[Person],
    learners: Mapping[str, int],
    items: Mapping[str, tuple[int, str | None]],
    rng: random.Random,
    *,
    now: datetime,
) -> None:
    """Items that people completed before the campaign: a few of them popular, none of the core ones."""
    records = []
    for person in people:
        spoken = (person.language or "en")[:2]
        choice = [item_id for key, (item_id, language) in items.items() if language == spoken and key not in CORE_ITEMS]
        popularity = [1 / (place + 1) for place in range(len(choice))]
        how_many = rng.choices((0, 1, 2, 4), weights=(45, 25, 20, 10))[0]
        for item_id in dict.fromkeys(rng.choices(choice, weights=popularity, k=how_many)):
            at = now - timedelta(days=rng.randint(2, 200), minutes=rng.randint(0, 480))
            records.append(
                {
                    "learner_id": learners[person.external_id],
                    "source": _HISTORY,
                    "source_id": f"{person.external_id}:{item_id}:completed",
                    "verb": "completed",
                    "item_id": item_id,
                    "occurred_at": at,
                    "stored_at": at,
                    "success": True,
                }
            )
    last = connection.execute(select(func.coalesce(func.max(activity.c.id), 0))).scalar_one()
    insert_new(connection, activity, records)
    fold_activity(connection, after_activity_id=last, as_of=now)
