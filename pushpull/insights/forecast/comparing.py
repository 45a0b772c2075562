"""What was forecast, held against what happened: per wave and per step of the funnel."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection

from pushpull.insights.forecast.figures import RunFigures, count_run
from pushpull.insights.forecast.together import Expected, Forecast

#: Waves with fewer messages are counted, but no error in percent is made of them: one person more would be 5 % of it.
WORTH_A_PERCENT: Final = 20


@dataclass(frozen=True, slots=True)
class Compared:
    """One figure.

    Args:
        what: a wave's key, or a step of the funnel.
    """

    what: str
    expected: Expected
    happened: int

    @property
    def is_inside(self) -> bool:
        """Whether it lies in the interval."""
        return self.expected.holds(self.happened)

    @property
    def error(self) -> float | None:
        """By how much the median was too high, as a fraction of what happened; None where that is too little."""
        if self.happened < WORTH_A_PERCENT:
            return None
        return (self.expected.median - self.happened) / self.happened


@dataclass(frozen=True)
class Comparison:
    """A forecast and what happened.

    Args:
        as_of: until when things happened; what is forecast for later waves is not compared.
        waves: those of the forecast, and those that happened without one.
    """

    campaign_key: str
    as_of: datetime
    is_over: bool
    waves: tuple[Compared, ...]
    steps: tuple[Compared, ...]
    sends: Compared

    @property
    def waves_inside(self) -> float | None:
        """The share of waves inside their intervals; None without any."""
        return sum(each.is_inside for each in self.waves) / len(self.waves) if self.waves else None

    @property
    def steps_inside(self) -> float | None:
        """The share of steps inside their intervals; None where the campaign is not over."""
        if not self.is_over or not self.steps:
            return None
        return sum(each.is_inside for each in self.steps) / len(self.steps)

    def as_json(self) -> dict[str, Any]:
        """As it is stored and printed."""

        def row(each: Compared) -> dict[str, Any]:
            low, middle, high = each.expected.low, each.expected.median, each.expected.high
            return {
                "what": each.what,
                "low": low,
                "median": middle,
                "high": high,
                "happened": each.happened,
                "inside": each.is_inside,
                "error": each.error,
            }

        return {
            "as_of": self.as_of.isoformat(),
            "is_over": self.is_over,
            "waves": [row(each) for each in self.waves],
            "steps": [row(each) for each in self.steps],
            "sends": row(self.sends),
            "waves_inside": self.waves_inside,
            "steps_inside": self.steps_inside,
        }


def compare(connection: Connection, forecast: Forecast, *, as_of: datetime) -> Comparison:
    """Hold a forecast against the ledger.

    Args:
        as_of: what happened later (aware) is not counted, nor what happened after the last simulated moment. Before
            that only the waves of the days that are over are compared.
    """
    began, until = forecast.setting.begins_at, min(as_of, forecast.setting.ends_at)
    real = count_run(connection, forecast.campaign_key, seed=-1, as_of=until, since=began)
    return compared(forecast, real, as_of=as_of)


def compared(forecast: Forecast, real: RunFigures, *, as_of: datetime) -> Comparison:
    """Hold a forecast against figures that are counted already."""
    is_over = as_of >= forecast.setting.ends_at
    today = as_of.date().isoformat()
    keys = sorted({*forecast.waves, *real.waves}, key=lambda key: (key.rpartition("@")[2], key))
    past = [key for key in keys if is_over or key.rpartition("@")[2] < today]
    nothing = Expected(0, 0, 0)
    waves = tuple(Compared(key, forecast.waves.get(key, nothing), real.waves.get(key, 0)) for key in past)
    return Comparison(
        campaign_key=forecast.campaign_key,
        as_of=as_of,
        is_over=is_over,
        waves=waves,
        steps=tuple(Compared(key, each, real.steps.get(key, 0)) for key, each in forecast.steps.items()),
        sends=Compared("all messages", forecast.sends, real.sends),
    )
