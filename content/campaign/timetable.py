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


def _recurrence(campaign: Campaign, stage: str, wave: Wave) -> Recurrence | None:
    happens = wave_days(campaign, wave)
    if not happens:
        return None
    ahead = int(campaign.planning.day_before)
    days = tuple(day - timedelta(days=ahead) for day in happens)
    at = campaign.planning.at.replace(microsecond=0)
    if wave.when.after_start is not None:
        parts = ["FREQ=DAILY", "COUNT=1"]
    else:  # UNTIL is local like DTSTART, which names no zone either
        parts = [*_weekly(campaign, wave, ahead), f"UNTIL={datetime.combine(days[-1], at):%Y%m%dT%H%M%S}"]
    return Recurrence(
        stage=stage,
        wave=wave.key,
        rule=f"DTSTART:{datetime.combine(days[0], at):%Y%m%dT%H%M%S}\nRRULE:{';'.join(parts)}",
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
