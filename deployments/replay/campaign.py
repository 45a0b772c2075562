"""The replay's campaign, made from the data: its dated goals are the assessments, its items the course and them.

It is written as a file into a content folder of its own, beside links to the repository's messages, brands and
layouts, and goes through the same reading and review as any campaign.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from deployments.replay.dataset import COURSE, DAY_ZERO, TIMEZONE, Dataset

KEY = "oulad-aaa-2013j"
#: The wave that everybody gets.
ANNOUNCEMENT = "launch.announcement"
#: The waves that speak of one assessment.
REMINDERS = ("launch.first-reminder", "launch.second-reminder", "launch.overdue")
#: Whoever was ever enrolled, also those who left: they belong to the audience and are skipped with that reason.
_ENROLLED = {"progress": {"item": COURSE, "status": ["assigned", "started", "failed", "completed", "withdrawn"]}}
_BRAND = "larkfield"


def write_content(folder: Path, data: Dataset, repository_content: Path) -> Path:
    """Make the content folder.

    Args:
        folder: an empty one, made when missing.
        repository_content: where messages, brands and layouts are.
    """
    campaigns = folder / "campaigns"
    campaigns.mkdir(parents=True)
    for source in repository_content.iterdir():
        if source.is_dir() and source.name != campaigns.name and not source.name.startswith("__"):
            (folder / source.name).symlink_to(source.resolve(), target_is_directory=True)
    with (campaigns / f"{KEY}.yaml").open("w") as file:
        YAML(typ="safe", pure=True).dump(campaign_file(data), file)
    return folder


def campaign_file(data: Dataset) -> dict[str, Any]:
    """The campaign as plain data."""
    dated = [each for each in data.assessments if each.day is not None]
    return {
        "key": KEY,
        "name": f"Module {COURSE}, replayed",
        "brand": _BRAND,
        "family": "learning",
        "class": "nudge",
        "language": "en",
        "timezone": TIMEZONE,
        "start": DAY_ZERO,
        "end": DAY_ZERO + timedelta(days=data.length),
        "audience": _ENROLLED,
        "items": [COURSE, *(each.key for each in data.assessments)],
        "holdout": 0.1,
        "budget": {
            "priority": 10,
            "caps": {"day": 1, "week": 3, "month": 8},
            "quiet_hours": {"after": "18:00", "until": "08:00"},
        },
        "goals": [
            {
                "key": each.key,
                "title": {"en": f"Hand in {each.title}"},
                "due": {"on": DAY_ZERO + timedelta(days=each.day or 0)},
                "item": each.key,
            }
            for each in dated
        ],
        "stages": _stages(),
    }


def _stages() -> dict[str, Any]:
    return {
        "launch": {
            "mix": {"push": 100, "pull": 0},
            "waves": [
                _wave("announcement", "launch-announcement", "push", {"after_start": {"days": 0}}, 9, once=True),
                _wave("first-reminder", "goal-reminder", "push", {"working_days_from_due": -5}, 10),
                # What was done by noon of the day itself is seen by the re-check only: this one is sent after it.
                _wave("second-reminder", "goal-reminder", "push", {"working_days_from_due": -1}, 14),
                _wave("overdue", "goal-overdue", "push", {"working_days_from_due": 2}, 14),
            ],
        },
        "onboarding": {
            "mix": {"push": 0, "pull": 100},
            "waves": [
                _wave(
                    "invitation",
                    "invitation",
                    "pull",
                    {"weekly": ["thu"], "until_week": 6},
                    11,
                    state=["aware"],
                    once=True,
                    after=[ANNOUNCEMENT],
                    min_gap_days=2,
                    stop_when_active=True,
                ),
                _wave(
                    "resume",
                    "resume",
                    "pull",
                    {"inactive_days": 4},
                    15,
                    state=["activated", "active", "habitual"],
                    once_per_absence=True,
                    stop_when_active=True,
                    expires_after={"days": 1},
                ),
            ],
        },
        "recommendations": {
            "mix": {"push": 0, "pull": 100},
            # The data says nothing about what modules teach: nobody can be told a true reason, and nobody is.
            "waves": [_wave("picks", "three-picks", "pull", {"after_start": {"weeks": 3}}, 9, items=3, once=True)],
        },
        "reengagement": {
            "mix": {"push": 33, "pull": 67},
            "waves": [
                _rung("small", "return-small", "pull", days=7, rhythm=2, from_week=2),
                _rung("choice", "return-choice", "pull", days=14, rhythm=3, from_week=3, after="small"),
                _rung("last", "return-last", "push", days=24, rhythm=4, from_week=4, after="choice", gap=8),
            ],
        },
    }


def _rung(
    key: str, message: str, touch: str, *, days: int, rhythm: float, from_week: int, after: str = "", gap: int = 5
) -> dict[str, Any]:
    when = {"inactive_days": days, "inactive_rhythm": rhythm, "from_week": from_week}
    more = {"after": [f"reengagement.{after}"], "min_gap_days": gap} if after else {}
    return _wave(
        key,
        message,
        touch,
        when,
        14,
        state=["dormant"],
        once_per_absence=True,
        stop_when_active=True,
        expires_after={"days": 1},
        **more,
    )


def _wave(key: str, message: str, touch: str, when: dict[str, Any], hour: int, **more: Any) -> dict[str, Any]:
    return {"key": key, "message": message, "touch": touch, "when": when, "hour": hour, "channels": ["email"], **more}
