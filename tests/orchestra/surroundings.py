"""The example campaign, moved to today, and the people it is for.

Whatever the clock says, it is early afternoon where they all live: messages may be sent, and the day has hours left.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from ruamel.yaml import YAML
from sqlalchemy import Engine, select, update

from pushpull.db import writing
from pushpull.insights.sample import make_company
from pushpull.learners.tables import learner
from tests.orchestra.processes import ROOT
from tests.standin.engine import StandIn
from tests.standin.variables import variables

CAMPAIGN = "two-minutes-a-day"
#: The wave of the first day, to everybody.
ANNOUNCEMENT = "launch.announcement"
#: Minutes and seconds become seconds, in the same order: call deadline < lease < settling.
_HURRIED = {
    "PUSHPULL_CALL_DEADLINE_SECONDS": "2",
    "PUSHPULL_LEASE_SECONDS": "4",
    "PUSHPULL_SETTLE_MINUTES": "0.1",
    "PUSHPULL_PARK_MINUTES": "30",
}


def afternoon_zone(now: datetime) -> str:
    """A zone in which it is between one and two in the afternoon."""
    ahead = 13 - now.hour
    return f"Etc/GMT{'-' if ahead > 0 else '+'}{abs(ahead)}" if ahead else "Etc/GMT"


def today(zone: str) -> str:
    """The date there, ISO 8601."""
    return datetime.now(ZoneInfo(zone)).date().isoformat()


def write_content(folder: Path, zone: str, **changes: Any) -> Path:
    """A copy of the content folder in which the example campaign starts today, may send around the clock, and never
    stops itself.

    Args:
        changes: further fields of the campaign file, e.g. ``approval_above=50``; ``channels=[…]`` is of the
            announcement.

    Returns:
        The folder.
    """
    made = folder / "content"
    shutil.copytree(ROOT / "content", made, ignore=shutil.ignore_patterns("*.py", "__pycache__"), dirs_exist_ok=True)
    rewrite_campaign(made, zone, **changes)
    return made


def rewrite_campaign(content: Path, zone: str, *, channels: Sequence[str] = (), **changes: Any) -> None:
    """Write the campaign file of :func:`write_content` anew."""
    raw = YAML(typ="safe").load(ROOT / "content" / "campaigns" / f"{CAMPAIGN}.yaml")
    here = datetime.now(ZoneInfo(zone))
    raw |= {"start": here.date(), "timezone": zone, "approval_above": 1_000_000}
    raw["budget"]["quiet_hours"] = {"after": "23:59", "until": "00:00"}
    raw["budget"]["weekdays"] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    raw["stop"]["after"] = 1_000_000
    announcement = next(each for each in raw["stages"]["launch"]["waves"] if each["key"] == "announcement")
    announcement["hour"] = here.hour
    if channels:
        announcement["channels"] = list(channels)
    raw |= changes
    with (content / "campaigns" / f"{CAMPAIGN}.yaml").open("w", encoding="utf-8") as file:
        YAML(typ="safe").dump(raw, file)


def settle_people(engine: Engine, size: int, zone: str, *, seed: int = 7) -> int:
    """Make a company that lives in one zone, whose Teams addresses are such as Microsoft gives.

    Returns:
        How many of them are in the campaign's audience.
    """
    now = datetime.now(UTC)
    with writing(engine) as connection:
        made = make_company(connection, seed=seed, size=size, now=now - timedelta(days=1))
        connection.execute(update(learner).values(timezone=zone, preferred_hour=None))
        on_teams = select(learner.c.id).where(learner.c.teams_id.is_not(None)).order_by(learner.c.id)
        for learner_id in connection.execute(on_teams).scalars().all():
            teams_id = str(UUID(int=2**100 + learner_id))
            connection.execute(update(learner).where(learner.c.id == learner_id).values(teams_id=teams_id))
    return len(made.learner_ids) - made.inactive


def variables_of(standin: StandIn, engine: Engine, folder: Path, content: Path, **others: object) -> Mapping[str, str]:
    """The environment of an installation that sends through the stand-in as fast as it takes messages.

    Args:
        others: settings by their names in lower case.
    """
    return {
        **variables(standin),
        **{f"PUSHPULL_{each}_PER_SECOND": "0" for each in ("SENDGRID", "TEAMS", "TWILIO", "SLACK")},
        **_HURRIED,
        "PUSHPULL_DATABASE_URL": engine.url.render_as_string(hide_password=False),
        "PUSHPULL_CONTENT_DIR": str(content),
        "PUSHPULL_OUTBOX_DIR": str(folder / "outbox"),
        **{f"PUSHPULL_{name.upper()}": str(value) for name, value in others.items()},
    }
