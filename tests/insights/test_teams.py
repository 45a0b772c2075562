"""The figures of a team as the database counts them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Engine, insert

from pushpull.db import reading, writing
from pushpull.insights.groups import figures
from pushpull.insights.groups.blocks import COMPANY
from pushpull.insights.groups.figures import Measure, Rules, Shown, Week
from pushpull.insights.groups.teams import figures_of, manager_with
from pushpull.learners.tables import learner, lifecycle, lifecycle_event
from pushpull.ledger.tables import campaign, delivery, rotation, wave

WEEK = Week(datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 9, tzinfo=UTC))
IN_IT, BEFORE, AFTER = (WEEK.begins + timedelta(days=days) for days in (2, -5, 9))
STAMPS = {"created_at": BEFORE, "updated_at": BEFORE}


def a_company(
    engine: Engine, bosses: Mapping[str, str | None], *, gone: frozenset[str] = frozenset()
) -> dict[str, int]:
    """People by whom they report to; their address is their id."""
    ids = {name: n for n, name in enumerate(bosses, 1)}
    with writing(engine) as connection:
        connection.execute(
            insert(learner),
            [
                {"id": ids[name], "external_id": name, "email": f"{name}@example.org", "draw": ids[name] * 7919,
                 "manager_external_id": boss, "active": name not in gone, **STAMPS}
                for name, boss in bosses.items()
            ],
        )  # fmt: skip
    return ids


def a_campaign(engine: Engine, people: list[int], key: str = "spring", number: int = 1) -> None:
    """A campaign with one wave to these people, sent again to the first of them."""
    with writing(engine) as connection:
        connection.execute(
            insert(campaign).values(
                id=number, key=key, name=key.title(), family="learning", message_class="nudge", definition={},
                content_hash="", updated_at=BEFORE,
            )
        )  # fmt: skip
        connection.execute(
            insert(wave).values(
                id=number, campaign_id=number, key="a", series="a", on_day=date(2026, 3, 1), stage="launch",
                message_key="m", touch="push", message_class="nudge", family="learning", scheduled_for=BEFORE,
                expires_at=AFTER, planned_as_of=BEFORE, spec={},
            )
        )  # fmt: skip
        for turn, reached in ((0, people), (1, people[:1])):
            connection.execute(
                insert(rotation).values(wave_id=number, rotation=turn, reason="", cohort={}, as_of=BEFORE)
            )
            connection.execute(
                insert(delivery),
                [
                    {"wave_id": number, "rotation": turn, "learner_id": each, "state": "accepted", "arm": "treated"}
                    for each in reached
                ],
            )


def lived(engine: Engine, who: list[int], number: int = 1, **at: datetime) -> None:
    with writing(engine) as connection:
        connection.execute(
            insert(lifecycle),
            [{"campaign_id": number, "learner_id": each, "state": "aware", "since": BEFORE, **at} for each in who],
        )


def was_there(engine: Engine, who: list[int], at: datetime, number: int = 1) -> None:
    rows = [
        {"campaign_id": number, "learner_id": each, "kind": "learned", "source_id": f"{at:%d%H}-{n}", "occurred_at": at}
        for n in range(2)
        for each in who
    ]
    with writing(engine) as connection:
        connection.execute(insert(lifecycle_event), rows)


def of(engine: Engine, top: str, *, works_council: bool = False) -> dict[str, Shown]:
    with reading(engine) as connection:
        found = figures_of(connection, top, WEEK, rules=Rules(b"key", works_council=works_council))
        return {each.campaign_key: each.shown for each in found}


@pytest.fixture
def sharp(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts without noise."""
    monkeypatch.setattr(figures, "blurred", lambda count, **_: count)


@pytest.mark.usefixtures("sharp")
def test_a_team_is_everybody_below_in_the_weeks_that_are_over(engine: Engine) -> None:
    bosses: dict[str, str | None] = {"top": None, "a": "top", "b": "a"}
    bosses |= {f"a{n}": "a" for n in range(20)} | {f"b{n}": "b" for n in range(20)} | {"other": None}
    bosses |= {f"o{n}": "other" for n in range(20)}
    ids = a_company(engine, bosses, gone=frozenset({"a19"}))
    a_campaign(engine, [ids[name] for name in bosses if name not in ("top", "b19")])
    a_people = [ids[f"a{n}"] for n in range(15)]
    b_people = [ids[f"b{n}"] for n in range(10)]
    lived(engine, a_people, reached_at=BEFORE, activated_at=IN_IT)
    lived(engine, b_people, reached_at=BEFORE, activated_at=AFTER, completed_at=BEFORE)
    lived(engine, [ids["a19"]], reached_at=BEFORE, activated_at=BEFORE, completed_at=BEFORE)
    was_there(engine, a_people[:10], IN_IT)
    was_there(engine, b_people, BEFORE)
    was_there(engine, b_people, AFTER)
    a_side = of(engine, "a")["spring"]
    assert a_side.people == 40  # 19 and b, 19 of b
    assert a_side.counts == {
        Measure.REACHED: 25, Measure.STARTED: 15, Measure.ACTIVE: 10, Measure.COMPLETED: 10,
    }  # fmt: skip
    assert of(engine, "b")["spring"].people == 20
    assert of(engine, "b")["spring"].counts[Measure.STARTED] is None  # nobody had: not said
    assert of(engine, "top")["spring"] == a_side  # less a, who alone would be the difference
    assert of(engine, COMPANY)["spring"].people == 60
    assert set(of(engine, "a", works_council=True)["spring"].counts) == {Measure.REACHED, Measure.COMPLETED}
    assert of(engine, "a1") == {}


@pytest.mark.usefixtures("sharp")
def test_a_campaign_that_wrote_to_few_of_a_team_shows_nothing_of_them(engine: Engine) -> None:
    ids = a_company(engine, {"m": None, **{f"p{n}": "m" for n in range(20)}})
    everybody = [ids[f"p{n}"] for n in range(20)]
    a_campaign(engine, everybody)
    a_campaign(engine, everybody[:4], "tiny", 2)
    lived(engine, everybody[:9], number=2, reached_at=BEFORE)
    assert of(engine, "m")["tiny"].people is None
    assert set(of(engine, "m")["tiny"].counts.values()) == {None}
    assert of(engine, "m")["spring"].people == 20


@pytest.mark.usefixtures("sharp")
def test_people_who_manage_each_other_or_themselves_harm_nobody(engine: Engine) -> None:
    bosses: dict[str, str | None] = {"a": "b", "b": "a", "self": "self", "lost": "nobody we know"}
    bosses |= (
        {f"a{n}": "a" for n in range(10)} | {f"b{n}": "b" for n in range(10)} | {f"s{n}": "self" for n in range(10)}
    )
    ids = a_company(engine, bosses)
    a_campaign(engine, list(ids.values()))
    assert of(engine, "a")["spring"].people == 10  # with b it is eleven
    assert of(engine, "b")["spring"].people == 10
    assert of(engine, "self")["spring"].people == 10
    assert of(engine, COMPANY)["spring"].people == 30  # all but the one nobody can place


def test_a_manager_is_known_by_an_address_that_is_theirs_alone(engine: Engine) -> None:
    a_company(
        engine, {"m": None, "p": "m", "gone": None, "q": "gone", "r": "ex", "ex": None}, gone=frozenset({"gone", "r"})
    )
    with writing(engine) as connection:
        for number, name in ((90, "Twin"), (91, "twin")):
            connection.execute(
                insert(learner).values(
                    id=number, external_id=f"t{number}", email=f"{name}@Example.org", draw=1, active=True, **STAMPS
                )
            )
        connection.execute(
            insert(learner).values(id=92, external_id="u", draw=1, manager_external_id="t90", active=True, **STAMPS)
        )
    with reading(engine) as connection:
        assert manager_with(connection, "m@example.org") == "m"
        assert manager_with(connection, "M@EXAMPLE.org") == "m"
        for other in (
            "",
            "p@example.org",
            "gone@example.org",
            "ex@example.org",
            "twin@example.org",
            "%",
            "m@example.orgx",
        ):
            assert manager_with(connection, other) is None
