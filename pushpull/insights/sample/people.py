"""Invents people: names by Faker, everything else by a seeded draw. Nothing here touches the database.

E-mail addresses are all at ``example.org`` and telephone numbers all from ranges kept free for fiction, so that a
message that left by mistake would reach nobody.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from faker import Faker

#: How the external ids of invented people begin.
PREFIX = "lf-"

_LANGUAGES = ("en", "de", "fr", "es")
#: Colleagues abroad whose language has a region, to be found again by its base.
_REGIONAL = {"America/Mexico_City": "es-MX", "Asia/Kolkata": "en-IN"}
_SPELT_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ø": "o", "ł": "l"})
_DESK_DEPARTMENTS = ("Engineering", "Marketing", "Sales")


@dataclass(frozen=True)
class Fact:
    """Something known about a person's goals, needs or hopes."""

    kind: str
    value: str
    source: str
    confidence: float
    days_ago: int


@dataclass(frozen=True, kw_only=True)
class Person:
    """One invented person; None is unknown."""

    external_id: str
    given_name: str
    family_name: str
    email: str | None
    phone: str | None
    teams_id: str | None
    slack_id: str | None
    language: str | None
    zone: str | None
    title: str
    department: str
    manager: str | None
    active: bool
    hired_on: date
    preferred_hour: int | None
    sms_opt_in: bool
    opted_out: bool
    tags: tuple[str, ...] = ()
    facts: tuple[Fact, ...] = field(default=())


def invent(words: Mapping[str, Any], rng: random.Random, *, seed: int, size: int, today: date) -> list[Person]:
    """Invent the people of a company: its head, a head per department, team leads, and everybody else.

    Args:
        words: what ``people.yaml`` says.
        seed: of the names.
        today: hire dates lie before it.

    Raises:
        ValueError: the company is smaller than its heads of department.
    """
    departments = [each["name"] for each in words["departments"]]
    if size <= len(departments):
        raise ValueError(f"a company of {size} has nobody to lead {len(departments)} departments: ask for more people")
    inventor = _Inventor(words, rng, seed=seed, today=today)
    head = inventor.person(1, title="Managing Director", department="People", manager=None, leads=True)
    people = [head]
    leads: dict[str, list[str]] = {}
    for name in departments:
        title, number = f"Head of {name}", len(people) + 1
        person = inventor.person(number, title=title, department=name, manager=head.external_id, leads=True)
        leads[name] = [person.external_id]
        people.append(person)
    shares = [each["share"] for each in words["departments"]]
    titles = {each["name"]: each["titles"] for each in words["departments"]}
    while len(people) < size:
        name = rng.choices(departments, weights=shares)[0]
        is_lead = rng.random() < 0.08
        title = f"Team Lead {name}" if is_lead else rng.choice(titles[name])
        manager = leads[name][0] if is_lead else rng.choice(leads[name])
        person = inventor.person(len(people) + 1, title=title, department=name, manager=manager, leads=is_lead)
        if is_lead and person.active:
            leads[name].append(person.external_id)
        people.append(person)
    return people


class _Inventor:
    """Invents one person after the other; names and addresses never repeat."""

    def __init__(self, words: Mapping[str, Any], rng: random.Random, *, seed: int, today: date) -> None:
        self._rng, self._today = rng, today
        self._places = words["places"]
        self._profiles = words["profiles"]
        self._shares = [place["share"] for place in self._places]
        self._names: dict[str, Any] = {}
        for place in self._places:
            self._names[place["locale"]] = Faker(place["locale"])
            self._names[place["locale"]].seed_instance(f"{seed}:{place['locale']}")
        self._mailboxes: Counter[str] = Counter()
        self._phones: Counter[str] = Counter()

    def person(self, number: int, *, title: str, department: str, manager: str | None, leads: bool) -> Person:
        """The next person. Every trait is drawn, whether it is used or not, so that people do not shift each other."""
        rng = self._rng
        place = rng.choices(self._places, weights=self._shares)[0]
        names = self._names[place["locale"]]
        given, family = names.first_name(), names.last_name()
        on_the_floor = rng.random() < 0.35 and department in ("Operations", "Customer Care") and not leads
        has_mail = rng.random() < (0.45 if on_the_floor else 0.985)
        has_teams = rng.random() < 0.72 and not on_the_floor
        has_slack = rng.random() < (0.75 if department in _DESK_DEPARTMENTS else 0.25) and not on_the_floor
        has_phone = rng.random() < (0.8 if on_the_floor else 0.5)
        says_yes, stays, says_no = rng.random() < 0.5, rng.random() >= 0.04, rng.random() < 0.05
        years = rng.expovariate(1 / 4.5)
        hired_on = self._today - timedelta(days=min(9000, 20 + round(years * 365)))
        language = self._language(place)
        hour = rng.choices((None, 8, 9, 10, 12, 14, 16), weights=(55, 8, 12, 9, 6, 6, 4))[0]
        has_zone = rng.random() >= 0.02
        mailbox = self._mailbox(given, family)
        return Person(
            external_id=f"{PREFIX}{number:04d}",
            given_name=given,
            family_name=family,
            email=f"{mailbox}@example.org" if has_mail else None,
            phone=self._phone(place) if has_phone else None,
            teams_id=f"teams-{mailbox}" if has_teams else None,
            slack_id=f"U{number:08d}" if has_slack else None,
            language=language,
            zone=place["zone"] if has_zone else None,
            title=title,
            department=department,
            manager=manager,
            active=stays or leads,
            hired_on=hired_on,
            preferred_hour=hour,
            sms_opt_in=has_phone and says_yes,
            opted_out=says_no and not leads,
            tags=self._tags(hired_on, leads=leads, on_the_floor=on_the_floor),
            facts=self._facts((language or place["language"])[:2]),
        )

    def _language(self, place: Mapping[str, Any]) -> str | None:
        own: str = _REGIONAL.get(place["zone"], place["language"])
        kind = self._rng.choices(("own", "other", "unknown"), weights=(92, 6, 2))[0]
        other = self._rng.choice(_LANGUAGES)
        return own if kind == "own" else other if kind == "other" else None

    def _mailbox(self, given: str, family: str) -> str:
        spelt = f"{given}.{family}".lower().translate(_SPELT_OUT)
        plain = unicodedata.normalize("NFKD", spelt).encode("ascii", "ignore").decode()
        mailbox = re.sub(r"[^a-z0-9.]+", "-", plain).strip("-.") or "colleague"
        self._mailboxes[mailbox] += 1
        return mailbox if self._mailboxes[mailbox] == 1 else f"{mailbox}.{self._mailboxes[mailbox]}"

    def _phone(self, place: Mapping[str, Any]) -> str:
        pattern = place["phone"]
        number = place.get("first", 0) + self._phones[pattern] % place["numbers"]
        self._phones[pattern] += 1
        return str(pattern.format(number))

    def _tags(self, hired_on: date, *, leads: bool, on_the_floor: bool) -> tuple[str, ...]:
        new = self._today - hired_on < timedelta(days=180)
        found = {"people-manager": leads, "frontline": on_the_floor, "new-joiner": new}
        return tuple(tag for tag, applies in found.items() if applies)

    def _facts(self, language: str) -> tuple[Fact, ...]:
        rng = self._rng
        facts = []
        for kind, likely in (("goal", 0.55), ("need", 0.45), ("aspiration", 0.25)):
            is_known, value = rng.random() < likely, rng.choice(self._profiles[kind][language])
            source, confidence = rng.choice((("declared", 1.0), ("hr", 0.9), ("learned", 0.6)))
            days_ago = rng.randint(3, 300)
            if is_known:
                facts.append(Fact(kind, value, source, confidence, days_ago))
        return tuple(facts)
