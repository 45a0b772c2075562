"""When the waves of a campaign are planned, as recurrence rules (RFC 5545), for whatever keeps the calendar.

`calendar` says on which days a wave happens; the rules here give exactly those days, or the days before them where the
file says so. No clock is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from content.campaign.calendar import wave_days
from content.campaign.model import Campaign, Wave
from pushpull.ledger import timing

#: Local times that daylight saving neither skips nor repeats anywhere: clocks are changed at night.
SAFE_FROM, SAFE_UNTIL = time(5), time(22)
#: As RFC 5545 writes them; Monday is 0.
_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_SPOKEN = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_STAMP = "%Y%m%dT%H%M%S"
#: What the rules of this module hold.
_WRITTEN = {"DTSTART", "FREQ", "COUNT", "INTERVAL", "WKST", "BYDAY", "UNTIL"}


@dataclass(frozen=True, slots=True)
class Recurrence:
    """When one wave of a campaign file is planned.

    Args:
        wave: its key.
        rule: DTSTART and RRULE, in local time.
        timezone: IANA zone of the rule.
        days_ahead: the wave happens so many days after the day on which it is planned.
        days: local days on which it is planned; at least one.
        at: local time at which it is planned.
    """

    stage: str
    wave: str
    rule: str
    timezone: str
    days_ahead: int
    days: tuple[date, ...]
    at: time

    @property
    def instants(self) -> tuple[datetime, ...]:
        """When it is planned, UTC."""
        return tuple(timing.local_instant(self.timezone, day, self.at) for day in self.days)


def timetable(campaign: Campaign) -> tuple[Recurrence, ...]:
    """When each wave is planned, in the order of the file; a wave that never happens is left out."""
    found = (_recurrence(campaign, stage, wave) for stage, wave in campaign.waves())
    return tuple(each for each in found if each is not None)


def is_safe(at: time, timezone: str, year: int) -> bool:
    """Whether clocks show a local time exactly once on every day: in hours by day, and where they are never changed.

    Args:
        year: in which the zone is looked at.
    """
    if SAFE_FROM <= at < SAFE_UNTIL:
        return True
    noons = (timing.local_instant(timezone, date(year, 1, 1) + timedelta(days=n), time(12)) for n in range(365))
    return len({noon.time() for noon in noons}) == 1


def rule_in_words(rule: str) -> str:
    """A rule as a person says it, e.g. "Mon, Thu at 05:05 until 22 Feb 2026"; one of another form as it stands."""
    fields = _fields(rule)
    weekdays = fields.get("BYDAY", "").split(",")
    if set(fields) - _WRITTEN or "DTSTART" not in fields or not set(weekdays) <= {*_WEEKDAYS, ""}:
        return " ".join(rule.split())
    try:  # local times: the zone stands beside the rule
        first = datetime.strptime(fields["DTSTART"], _STAMP)  # noqa: DTZ007
        last = datetime.strptime(fields["UNTIL"], _STAMP) if "UNTIL" in fields else None  # noqa: DTZ007
    except ValueError:
        return " ".join(rule.split())
    if "BYDAY" not in fields:
        return f"once, {first:%a %d %b %Y at %H:%M}"
    often = "" if fields.get("INTERVAL", "1") == "1" else f" of every {fields['INTERVAL']} weeks"
    numbers = [_WEEKDAYS.index(each) for each in weekdays]
    days = ", ".join(_SPOKEN[each] for each in numbers)
    if len(numbers) > 2 and numbers == list(range(numbers[0], numbers[-1] + 1)):
        days = f"{_SPOKEN[numbers[0]]} to {_SPOKEN[numbers[-1]]}"
    end = f" until {last:%d %b %Y}" if last else ""
    return f"{days}{often} at {first:%H:%M}, from {first:%d %b %Y}{end}"


def _fields(rule: str) -> dict[str, str]:
    found = {}
    for line in rule.splitlines():
        name, _, value = line.partition(":")
        parts = [part.partition("=") for part in value.split(";")] if name == "RRULE" else [(name, "=", value)]
        found.update({part: said for part, _, said in parts})
    return found


def _recurrence(campaign: Campaign, stage: str, wave: Wave) -> Recurrence | None:
    happens = wave_days(campaign, wave)
    if not happens:
        return None
    # A cue may come at any minute, and in the east before the campaign's own day has begun.
    ahead = int(campaign.planning.day_before or wave.when.is_habit)
    days = tuple(day - timedelta(days=ahead) for day in happens)
    at = campaign.planning.at.replace(microsecond=0)
    if wave.when.after_start is not None:
        parts = ["FREQ=DAILY", "COUNT=1"]
    else:  # UNTIL is local like DTSTART, which names no zone either
        parts = [*_weekly(campaign, wave, ahead), f"UNTIL={datetime.combine(days[-1], at):{_STAMP}}"]
    return Recurrence(
        stage=stage,
        wave=wave.key,
        rule=f"DTSTART:{datetime.combine(days[0], at):{_STAMP}}\nRRULE:{';'.join(parts)}",
        timezone=campaign.timezone,
        days_ahead=ahead,
        days=days,
        at=at,
    )


def _weekly(campaign: Campaign, wave: Wave, ahead: int) -> list[str]:
    weekdays = campaign.budget.window.weekdays
    if wave.when.weekly is not None:
        weekdays &= {day.number for day in wave.when.weekly}
    parts = ["FREQ=WEEKLY"]
    if wave.when.every_weeks > 1:
        # A campaign's weeks begin on the weekday on which it starts.
        parts += [f"INTERVAL={wave.when.every_weeks}", f"WKST={_WEEKDAYS[(campaign.start.weekday() - ahead) % 7]}"]
    return [*parts, f"BYDAY={','.join(_WEEKDAYS[day] for day in sorted((day - ahead) % 7 for day in weekdays))}"]
