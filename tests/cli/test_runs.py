"""`pushpull run` and what ops decide: waves, campaigns, channels, parked deliveries."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, func, select, update

from pushpull.db import reading, writing
from pushpull.ledger.campaigns import pause_channel
from pushpull.ledger.tables import audit, campaign, delivery, rotation, wave
from pushpull.ledger.vocabulary import DeliveryState
from tests.cli.conftest import ANNOUNCEMENT, CAMPAIGN, PEOPLE, Command

MORNING = ("--as-of", "2026-01-12T09:30+01:00")
WHY = ("--why", "a test")


def _states(engine: Engine, *conditions: Any) -> dict[str, int]:
    with reading(engine) as connection:
        rows = connection.execute(
            select(delivery.c.state, func.count()).where(*conditions).group_by(delivery.c.state)
        ).all()
    return {str(state): int(count) for state, count in rows}


def _audited(engine: Engine) -> list[tuple[str, str]]:
    with reading(engine) as connection:
        return [(who, what) for who, what in connection.execute(select(audit.c.who, audit.c.what))]


def test_launch_plans_and_dispatch_sends(launched: Command, ledger: Engine) -> None:
    before = _states(ledger)
    assert sum(before.values()) == 12
    assert set(before) == {"planned", "skipped"}
    said = launched("run", "dispatch", *MORNING)
    assert said.code == 0
    assert ANNOUNCEMENT in said.out
    after = _states(ledger)
    assert after["accepted"] == before["planned"]
    assert launched("run", "dispatch", *MORNING).out.strip() == "nothing is due"


def test_a_dry_run_counts_and_writes_nothing(company: Command, ledger: Engine) -> None:
    said = company("run", "launch", CAMPAIGN, "--as-of", "2026-01-12T05:05+01:00", "--dry-run")
    assert said.code == 0
    assert ANNOUNCEMENT in said.out
    assert "12" in said.out
    assert _states(ledger) == {}


def test_dispatch_says_what_it_would_send(launched: Command, ledger: Engine) -> None:
    before = _states(ledger)
    said = launched("run", "dispatch", *MORNING, "--dry-run")
    assert said.code == 0
    assert ANNOUNCEMENT in said.out
    assert _states(ledger) == before


@pytest.mark.parametrize("stage", ["onboarding", "recommendations", "reengagement", "habit"])
def test_a_stage_without_waves_that_day_says_so(launched: Command, stage: str) -> None:
    said = launched("run", stage, CAMPAIGN, "--as-of", "2026-06-01T05:05+02:00")
    assert said.code == 0
    assert "is planned for that day" in said.out


def test_sync_tells_who_moved(launched: Command) -> None:
    launched("run", "dispatch", *MORNING)
    said = launched("run", "sync", "--as-of", "2026-01-13T05:05+01:00")
    assert said.code == 0
    assert f"{CAMPAIGN}: " in said.out
    assert "unaware → aware" in said.out
    assert launched("run", "sync", "--as-of", "2026-01-13T05:05+01:00", "--dry-run").code == 0


def test_waves_are_listed_with_what_became_of_them(launched: Command) -> None:
    assert ANNOUNCEMENT in launched("wave", "list").out
    launched("run", "dispatch", *MORNING)
    said = launched("wave", "list", CAMPAIGN)
    assert said.code == 0
    assert "accepted" in said.out


def test_no_waves_is_a_sentence(pushpull: Command) -> None:
    assert pushpull("wave", "list").out.strip() == "no wave has been planned yet"


def test_a_paused_wave_sends_nothing_until_it_is_released(launched: Command, ledger: Engine) -> None:
    assert launched("wave", "pause", CAMPAIGN, ANNOUNCEMENT, *WHY).code == 0
    assert "paused: a test" in launched("wave", "list").out
    launched("run", "dispatch", *MORNING)
    assert "accepted" not in _states(ledger)
    assert launched("wave", "release", CAMPAIGN, ANNOUNCEMENT, *WHY, "--who", "grace").code == 0
    launched("run", "dispatch", *MORNING)
    assert "accepted" in _states(ledger)
    assert _audited(ledger) == [("ada", "wave paused"), ("grace", "wave open")]


def test_a_cancelled_wave_is_called_back_for_good(launched: Command, ledger: Engine) -> None:
    waiting = _states(ledger)["planned"]
    said = launched("wave", "cancel", CAMPAIGN, ANNOUNCEMENT, *WHY)
    assert f"{waiting} deliveries called back" in said.out
    assert set(_states(ledger)) == {"skipped"}
    assert "for good" in launched("wave", "release", CAMPAIGN, ANNOUNCEMENT, *WHY).error


@pytest.mark.parametrize(("verb", "status"), [("pause", "paused"), ("cancel", "cancelled")])
def test_a_campaign_is_stopped_as_a_whole(launched: Command, ledger: Engine, verb: str, status: str) -> None:
    assert launched("campaign", verb, CAMPAIGN, *WHY).code == 0
    launched("run", "dispatch", *MORNING)
    assert "accepted" not in _states(ledger)
    with reading(ledger) as connection:
        assert connection.execute(select(campaign.c.status)).scalar_one() == status
    resumed = launched("campaign", "resume", CAMPAIGN, *WHY)
    if verb == "cancel":
        assert "for good" in resumed.error
        return
    assert resumed.code == 0
    launched("run", "dispatch", *MORNING)
    assert "accepted" in _states(ledger)


def test_a_wave_is_run_again_for_those_who_joined_since(launched: Command, ledger: Engine, tmp_path: Any) -> None:
    launched("run", "dispatch", *MORNING)
    (tmp_path / "more.csv").write_text(PEOPLE + "e99,New,e99@example.org,en,Europe/Berlin\n")
    assert launched("import", "people", "more.csv").code == 0
    again = ("wave", "rerun", CAMPAIGN, ANNOUNCEMENT, *WHY, "--as-of", "2026-01-13T08:00+01:00")
    dry = launched(*again, "--cohort", "joined_since", "--dry-run")
    assert dry.code == 0
    assert "Nothing was written" in dry.out
    assert "not in it" in dry.out
    assert _states(ledger, delivery.c.rotation == 1) == {}
    said = launched(*again, "--cohort", "joined_since")
    assert "Rotation 1: 1 will be sent to, 0 will not." in said.out
    assert "gets it by e-mail" in said.out
    with reading(ledger) as connection:
        assert connection.execute(select(rotation.c.requested_by).where(rotation.c.rotation == 1)).scalar_one() == "ada"
    assert sum(_states(ledger, delivery.c.rotation == 1).values()) == 1
    chosen = launched(*again, "--cohort", "learners", "--learner", "e1", "--dry-run")
    assert chosen.code == 0
    assert "external_ids" in launched(*again, "--cohort", "learners").error
    assert launched(*again, "--cohort", "everybody").code == 2


def test_a_wave_is_sent_again_to_a_segment_from_a_file(launched: Command, ledger: Engine, tmp_path: Path) -> None:
    launched("run", "dispatch", *MORNING)
    again = ("wave", "rerun", CAMPAIGN, ANNOUNCEMENT, *WHY, "--as-of", "2026-01-13T08:00+01:00", "--cohort", "segment")
    (tmp_path / "german.yaml").write_text("field: preferred_language\nis: de\n")
    (tmp_path / "german.json").write_text('{"field": "preferred_language", "is": "de"}')
    dry = launched(*again, "--segment", "german.json", "--dry-run")
    real = launched(*again, "--segment", "german.yaml")
    shown = [line for line in dry.out.splitlines() if "│" in line]
    assert shown
    assert shown == [line for line in real.out.splitlines() if "│" in line]
    assert sum(_states(ledger, delivery.c.rotation == 1).values()) == 3  # e1, e5, e9
    assert "segment" in launched(*again).error
    (tmp_path / "wrong.yaml").write_text("feild: preferred_language\n")
    wrong = launched(*again, "--segment", "wrong.yaml")
    assert wrong.code == 2
    assert "feild" in wrong.err
    assert "cannot be read" in launched(*again, "--segment", "nowhere.yaml").error


def test_external_ids_that_nobody_has_are_told_by_their_place(launched: Command, ledger: Engine) -> None:
    launched("run", "dispatch", *MORNING)
    chosen = ("--cohort", "learners", "--learner", "nobody", "--learner", "e1", "--learner", "nobody-else")
    said = launched("wave", "rerun", CAMPAIGN, ANNOUNCEMENT, *WHY, "--as-of", "2026-01-13T08:00+01:00", *chosen)
    assert said.code == 0
    assert "2 of 3 external ids belong to nobody: by their place in the list, 1, 3." in said.out
    assert sum(_states(ledger, delivery.c.rotation == 1).values()) == 1


def test_channels_are_listed_and_resumed(launched: Command, ledger: Engine) -> None:
    assert "paused" not in launched("channel", "list").out
    with writing(ledger) as connection:
        pause_channel(connection, "email", reason="the key [old] was revoked", at=datetime.now(UTC))
    assert "paused: the key [old] was revoked" in launched("channel", "list").out
    assert launched("channel", "resume", "email").out.strip() == "email: resumed"
    assert "paused" not in launched("channel", "list").out
    unknown = launched("channel", "resume", "fax")
    assert unknown.code == 2
    assert "'email'" in unknown.err


def test_a_person_decides_about_parked_deliveries(launched: Command, ledger: Engine) -> None:
    launched("run", "dispatch", *MORNING)
    with writing(ledger) as connection:
        wave_id, learner_id = connection.execute(
            select(delivery.c.wave_id, delivery.c.learner_id).where(delivery.c.state == DeliveryState.ACCEPTED).limit(1)
        ).one()
        connection.execute(
            update(delivery)
            .where(delivery.c.wave_id == wave_id, delivery.c.learner_id == learner_id)
            .values(state=DeliveryState.PARKED)
        )
    listed = launched("parked", "list").out
    assert "1 parked" in listed
    name = f"{wave_id}-0-{learner_id}"
    assert name in listed
    assert launched("parked", "resolve", name, "--received").out.strip() == "recorded"
    assert launched("parked", "list").out.strip() == "0 parked"
    assert "not parked" in launched("parked", "resolve", name, "--received").out
    assert launched("parked", "resolve", "nonsense", "--received").code == 2


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("run", "launch", "nope"), "there is no campaign 'nope'; known: two-minutes-a-day"),
        (("run", "launch", CAMPAIGN), "import them with `pushpull import catalogue`"),
        (("run", "dispatch", "--as-of", "2026-01-12"), "2026-01-12T00:05Z"),
        (("run", "dispatch", "--as-of", "tomorrow"), "'tomorrow' is no ISO 8601 instant"),
        (("wave", "list", "nope"), "no campaign 'nope' in the ledger"),
        (("wave", "release", "nope", "x", *WHY), "`pushpull run launch nope` brings one in"),
        (("campaign", "pause", "nope", *WHY), "`pushpull run launch nope` brings one in"),
        (("preview", "nope"), "there is no campaign 'nope'; known: two-minutes-a-day"),
    ],
)
def test_what_is_not_known_is_told_with_a_way_on(pushpull: Command, arguments: tuple[str, ...], expected: str) -> None:
    assert expected in pushpull(*arguments).error


@pytest.mark.parametrize("verb", ["pause", "release", "cancel", "rerun"])
def test_an_unknown_wave_is_told_with_a_way_on(launched: Command, verb: str) -> None:
    error = launched("wave", verb, CAMPAIGN, "launch.announcement@1999-01-01", *WHY).error
    assert "`pushpull wave list`" in error


def test_a_database_that_does_not_answer_is_one_line(pushpull: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUSHPULL_DATABASE_URL", "postgresql://somebody:secret@127.0.0.1:1/nothing")
    error = pushpull("wave", "list").error
    assert "pushpull doctor" in error
    assert "secret" not in error


def test_nothing_is_decided_without_a_reason(launched: Command, ledger: Engine) -> None:
    assert launched("wave", "pause", CAMPAIGN, ANNOUNCEMENT).code == 2
    assert launched("wave", "pause", CAMPAIGN, ANNOUNCEMENT, "--why", "  ").code == 2
    with reading(ledger) as connection:
        assert connection.execute(select(wave.c.status)).scalars().first() == "open"
