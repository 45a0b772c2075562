from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, func, select

from pushpull.catalogue.recommend import Recommender
from pushpull.catalogue.tables import item, item_tag, section
from pushpull.db import metadata, reading, writing
from pushpull.importers.xapi.receiving import receive
from pushpull.insights.sample import CORE_ITEMS, make_company
from pushpull.learners.tables import activity, consent, learner, learner_tag, profile_fact, progress

NOW = datetime(2026, 1, 11, 18, tzinfo=UTC)

#: Telephone ranges that regulators keep free for fiction.
FICTIONAL = re.compile(r"\+44770090\d{4}|\+3363998\d{4}|\+4917139200\d{2}|\+1212555 ?01\d{2}")


def everything(conn: Connection) -> dict[str, list[Any]]:
    """All rows without their ids, as equal companies have them in any database."""
    names = dict(conn.execute(select(learner.c.id, learner.c.external_id)).all())
    items = dict(conn.execute(select(item.c.id, item.c.key)).all())
    found: dict[str, list[Any]] = {}
    for table in (learner, learner_tag, profile_fact, consent, item, item_tag, section, progress):
        rows = []
        for row in conn.execute(select(table)).mappings():
            values = {key: value for key, value in row.items() if key != "id"}
            if "learner_id" in values:
                values["learner_id"] = names[values["learner_id"]]
            if "item_id" in values:
                values["item_id"] = items[values["item_id"]]
            rows.append(sorted(values.items(), key=str))
        found[table.name] = sorted(rows, key=str)
    return found


def test_the_same_seed_makes_the_same_company_on_both_databases(sqlite_engine: Engine, postgres_engine: Engine) -> None:
    found = []
    for engine in (sqlite_engine, postgres_engine):
        with writing(engine) as conn:
            make_company(conn, seed=3, size=80, now=NOW)
            found.append(everything(conn))
    assert found[0] == found[1]


def test_what_course_players_say_of_invented_people_counts(engine: Engine) -> None:
    with writing(engine) as conn:
        make_company(conn, seed=3, size=40, now=NOW)
        who, address = (
            conn.execute(select(learner.c.id, learner.c.email).where(learner.c.email.is_not(None))).first() or ()
        )
        url = conn.execute(select(item.c.url).where(item.c.key == CORE_ITEMS[0])).scalar_one()
    said = {
        "actor": {"mbox": f"mailto:{address}"},
        "verb": {"id": "http://adlnet.gov/expapi/verbs/completed"},
        "object": {"id": url},
    }
    receive(engine, "player", [said], authority={"mbox": "mailto:player@example.org"}, now=NOW)
    with reading(engine) as conn:
        done = select(activity.c.verb).where(activity.c.learner_id == who, activity.c.source == "xapi")
        assert conn.execute(done).scalars().all() == ["completed"]


def test_another_seed_makes_other_people(sqlite_engine: Engine) -> None:
    with writing(sqlite_engine) as conn:
        make_company(conn, seed=3, size=40, now=NOW)
        first = everything(conn)["learner"]
    with sqlite_engine.begin() as conn:
        for table in reversed(metadata.sorted_tables):
            conn.execute(table.delete())
    with writing(sqlite_engine) as conn:
        make_company(conn, seed=4, size=40, now=NOW)
        assert everything(conn)["learner"] != first


def test_making_it_again_changes_nothing(engine: Engine) -> None:
    with writing(engine) as conn:
        first = make_company(conn, seed=5, size=60, now=NOW)
        before = everything(conn), conn.execute(select(func.count()).select_from(activity)).scalar_one()
    with writing(engine) as conn:
        assert make_company(conn, seed=5, size=60, now=NOW) == first
        assert (everything(conn), conn.execute(select(func.count()).select_from(activity)).scalar_one()) == before


def test_three_hundred_people_are_as_mixed_as_a_company(engine: Engine) -> None:
    with writing(engine) as conn:
        company = make_company(conn, seed=7, now=NOW)
        rows = conn.execute(select(learner)).all()
        facts = conn.execute(select(profile_fact.c.kind, func.count()).group_by(profile_fact.c.kind)).all()
    assert len(rows) == len(company.learner_ids) == 300
    assert {language[:2] for language in company.languages if language} == {"en", "de", "fr", "es"}
    assert len([zone for zone in company.zones if zone]) == 6
    assert 0 < company.zones[""] < 20
    assert 0 < company.inactive < 30
    assert 0 < company.opted_out < 40
    assert 0 < company.sms_opt_ins < 150
    for name, least, most in (("email", 5, 50), ("teams_id", 40, 150), ("slack_id", 80, 250), ("phone", 60, 220)):
        assert least < sum(getattr(row, name) is None for row in rows) < most, name
    assert {row.department for row in rows} >= {"Sales", "Engineering", "Legal"}
    known = {row.external_id for row in rows}
    assert all(row.manager_external_id in known for row in rows if row.manager_external_id)
    assert all(row.hired_on < NOW.date() for row in rows)
    assert min(dict(facts).values()) > 20
    assert len(dict(facts)) == 3


def test_no_address_reaches_anybody(sqlite_engine: Engine) -> None:
    with writing(sqlite_engine) as conn:
        make_company(conn, seed=11, size=300, now=NOW)
        rows = conn.execute(select(learner.c.email, learner.c.phone)).all()
        urls = [*conn.execute(select(item.c.url)).scalars(), *conn.execute(select(section.c.url)).scalars()]
    assert all(email.endswith("@example.org") and email.isascii() for email, _ in rows if email)
    assert len({email for email, _ in rows if email}) == sum(email is not None for email, _ in rows)
    assert all(FICTIONAL.fullmatch(phone) for _, phone in rows if phone)
    assert all(url.startswith("https://learning.larkfield.example/") for url in urls)


def test_the_catalogue_has_something_to_recommend_for_everybody(engine: Engine) -> None:
    with writing(engine) as conn:
        company = make_company(conn, seed=7, size=100, now=NOW)
    with reading(engine) as conn:
        titles = conn.execute(select(item.c.key, item.c.minutes, item.c.language)).all()
        tags = set(conn.execute(select(item_tag.c.tag)).scalars())
        parts = dict(
            conn.execute(
                select(item.c.key, func.count()).join(section, section.c.item_id == item.c.id).group_by(item.c.key)
            ).all()
        )
        picks = Recommender.load(conn, as_of=NOW).recommend(
            conn, list(company.learner_ids.values()), count=3, trend_tags=("ai-at-work",), languages_of={}
        )
    assert 55 <= len(titles) <= 65
    assert set(parts) == set(CORE_ITEMS)
    assert min(parts.values()) >= 4
    assert tags >= {"ai-at-work", "psychological-safety", "customer-first"}
    assert sum(minutes is None for _, minutes, _ in titles) >= 3
    assert all(picks.values())
    assert {pick.reason_kind for chosen in picks.values() for pick in chosen} >= {"goal", "need", "trend"}


def test_a_company_too_small_for_its_departments_is_refused(sqlite_engine: Engine) -> None:
    with writing(sqlite_engine) as conn, pytest.raises(ValueError, match="ask for more people"):
        make_company(conn, seed=1, size=5, now=NOW)
