"""How the page of plans speaks: sentences, days and times in the reader's language and zone. The words themselves are
data (``locale/plans.yaml``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from pushpull.learners.holds import Hold
from pushpull.learners.plans import Plan
from pushpull.learners.vocabulary import Cue, HoldState
from web.words import Words


@dataclass(frozen=True, slots=True)
class Told:
    """What the page says of plans and times.

    Args:
        zone: a zone of the IANA database.
    """

    words: Words
    zone: str

    def sentence(self, plan: Plan, title: str) -> str:
        """The plan as its learner would say it."""
        is_own = plan.cue is Cue.OWN
        key = f"sentence{'_own' if is_own else ''}{'' if title else '_next'}"
        cue = plan.cue_text if is_own else self.words(f"cue_{plan.cue}")
        return self.words(key, cue=cue, item=title) if title else self.words(key, cue=cue)

    def days(self, plan: Plan) -> str:
        """The days of a plan; three and more in a row as "from – to"."""
        on = [day for day in range(7) if plan.is_on(day)]
        if len(on) == 7:
            return self.words("every_day")
        runs: list[list[int]] = []
        for day in on:
            if runs and runs[-1][-1] == day - 1:
                runs[-1].append(day)
            else:
                runs.append([day])
        parts = []
        for run in runs:
            names = [self.words(f"day_{day}") for day in run]
            parts += [f"{names[0]} – {names[-1]}"] if len(run) > 2 else names
        return ", ".join(parts)

    def clock(self, plan: Plan) -> str:
        """When its cue comes, about; empty where nobody said."""
        return "" if plan.at_minute is None else self.words("about", time=clock(plan.at_minute))

    def when(self, instant: datetime) -> str:
        """Day and time."""
        at = instant.astimezone(ZoneInfo(self.zone))
        weekday, month = self.words(f"day_{at.weekday()}"), self.words(f"month_{at.month}")
        return self.words("when", weekday=weekday, day=at.day, month=month, time=f"{at:%H:%M}")

    def until(self, instant: datetime) -> str:
        """When a free time ends."""
        return self.words("free_until", time=f"{instant.astimezone(ZoneInfo(self.zone)):%H:%M}")

    def state(self, hold: Hold) -> str:
        """What became of a time."""
        if hold.is_stuck:
            return self.words("state_stuck")
        return self.words(f"state_{HoldState.WANTED if hold.state is HoldState.UNCERTAIN else hold.state}")


def clock(minute: int) -> str:
    """A minute of the day as clocks show it."""
    return f"{minute // 60:02}:{minute % 60:02}"
