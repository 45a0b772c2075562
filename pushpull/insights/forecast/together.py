"""Many runs together: what to expect of a campaign, with the interval in which it will lie.

The interval is of one more run, with the parameters drawn for it: between order statistics of the runs, of which the
j-th smallest and the j-th largest of R hold the next one with probability (R + 1 - 2j) / (R + 1), whatever its
distribution is. With 20 runs the smallest and the largest hold it in 19 of 21 cases.

Source: W. Q. Meeker, G. J. Hahn, L. A. Escobar, "Statistical intervals", 2nd edition, 2017, section 5.4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from statistics import median
from typing import Any, Final

from pushpull.insights.forecast.figures import RunFigures
from pushpull.insights.forecast.parameters import Parameters, parameters_of
from pushpull.insights.proportions import detectable_effect

#: How sure an interval is meant to be.
LEVEL: Final = 0.9
#: The share assumed to complete without messages where no run says: the one with which least can be shown.
_WORST_BASELINE: Final = 0.5
#: With fewer runs an interval says too little to be called one.
FEWEST_RUNS: Final = 2


@dataclass(frozen=True, slots=True)
class Expected:
    """One figure over all runs."""

    low: float
    median: float
    high: float

    def holds(self, value: float) -> bool:
        """Whether the value lies in the interval."""
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Load:
    """What a channel's provider has to take.

    Args:
        peak: messages of the busiest hour.
        per_second: the provider's limit; None: none is known.
    """

    channel: str
    peak: Expected
    per_second: float | None

    @property
    def utilisation(self) -> float | None:
        """The busiest hour as a share of what the provider takes in one; None without a limit."""
        return self.peak.high / (3600 * self.per_second) if self.per_second else None


@dataclass(frozen=True)
class Setting:
    """What a forecast was made of besides the runs.

    Args:
        begins_at, ends_at: the simulated time, UTC.
        sample: learners simulated; scale: how many people each stands for.
        rates: messages per second by channel, as far as there is a limit.
        prices: of one message by channel, as far as one is known.
        seed: the first run's.
    """

    begins_at: datetime
    ends_at: datetime
    sample: int
    scale: float
    rates: Mapping[str, float]
    prices: Mapping[str, Decimal]
    currency: str
    seed: int


@dataclass(frozen=True)
class Forecast:
    """What to expect of a campaign.

    Args:
        waves: messages by key of the wave, in the order of time.
        days: messages by UTC day and channel.
        steps: people in the audience and in each step of the funnel.
        level: how sure the intervals are, with so many runs.
        effect: the smallest rise in completion the campaign can show, as a fraction of 1; None: it shows none.
        stopped: runs that a stop signal held.
    """

    campaign_key: str
    runs: int
    level: float
    setting: Setting
    parameters: Parameters
    waves: Mapping[str, Expected]
    days: Mapping[tuple[str, str], Expected]
    channels: Mapping[str, Expected]
    sends: Expected
    loads: tuple[Load, ...]
    steps: Mapping[str, Expected]
    opted_out: Expected
    bounced: Expected
    held_out: Expected
    effect: float | None
    stopped: int

    @property
    def costs(self) -> Mapping[str, Expected]:
        """What each channel with a known price costs; text messages as one segment each."""
        found = {}
        for channel, price in self.setting.prices.items():
            if price and channel in self.channels:
                each, one = self.channels[channel], float(price)
                found[channel] = Expected(each.low * one, each.median * one, each.high * one)
        return found

    def as_json(self) -> dict[str, Any]:
        """Its figures, as they are stored and printed."""

        def of(each: Expected) -> list[float]:
            return [each.low, each.median, each.high]

        return {
            "runs": self.runs,
            "level": self.level,
            "begins_at": self.setting.begins_at.isoformat(),
            "ends_at": self.setting.ends_at.isoformat(),
            "sample": self.setting.sample,
            "scale": self.setting.scale,
            "seed": self.setting.seed,
            "rates": dict(self.setting.rates),
            "prices": {channel: str(price) for channel, price in self.setting.prices.items()},
            "currency": self.setting.currency,
            "waves": {key: of(each) for key, each in self.waves.items()},
            "days": [[day, channel, *of(each)] for (day, channel), each in self.days.items()],
            "channels": {key: of(each) for key, each in self.channels.items()},
            "sends": of(self.sends),
            "costs": {key: of(each) for key, each in self.costs.items()},
            "loads": [[each.channel, *of(each.peak), each.per_second] for each in self.loads],
            "steps": {key: of(each) for key, each in self.steps.items()},
            "opted_out": of(self.opted_out),
            "bounced": of(self.bounced),
            "held_out": of(self.held_out),
            "effect": self.effect,
            "stopped": self.stopped,
        }


def together(campaign_key: str, runs: Sequence[RunFigures], setting: Setting, parameters: Parameters) -> Forecast:
    """Put runs together.

    Raises:
        ValueError: there are too few.
    """
    if len(runs) < FEWEST_RUNS:
        raise ValueError(f"a forecast needs {FEWEST_RUNS} runs at least, not {len(runs)}")
    place, level = _place(len(runs))

    def over(find: Callable[[RunFigures], float]) -> Expected:
        values = sorted(find(each) * setting.scale for each in runs)
        return Expected(values[place - 1], median(values), values[-place])

    waves = sorted({key for each in runs for key in each.waves}, key=lambda key: (key.rpartition("@")[2], key))
    days = sorted({key for each in runs for key in each.days})
    channels = sorted({channel for _, channel in days})
    steps = list(runs[0].steps)
    held_out = over(lambda each: each.held_out)
    return Forecast(
        campaign_key=campaign_key,
        runs=len(runs),
        level=level,
        setting=setting,
        parameters=parameters,
        waves={key: over(lambda each, key=key: each.waves.get(key, 0)) for key in waves},  # type: ignore[misc]
        days={key: over(lambda each, key=key: each.days.get(key, 0)) for key in days},  # type: ignore[misc]
        channels={key: over(lambda each, key=key: each.channels.get(key, 0)) for key in channels},  # type: ignore[misc]
        sends=over(lambda each: each.sends),
        loads=tuple(
            Load(key, over(lambda each, key=key: each.peak.get(key, 0)), setting.rates.get(key))  # type: ignore[misc]
            for key in channels
        ),
        steps={key: over(lambda each, key=key: each.steps.get(key, 0)) for key in steps},  # type: ignore[misc]
        opted_out=over(lambda each: each.opted_out),
        bounced=over(lambda each: each.bounced),
        held_out=held_out,
        effect=_effect(runs, setting.scale),
        stopped=sum(each.stopped for each in runs),
    )


def _place(runs: int) -> tuple[int, float]:
    """Which order statistic from either end is taken, and how sure the interval between them is."""
    place = max(1, int((runs + 1) * (1 - LEVEL) / 2 + 1e-9))
    return place, (runs + 1 - 2 * place) / (runs + 1)


def _effect(runs: Sequence[RunFigures], scale: float) -> float | None:
    held_out = median(each.held_out for each in runs)
    eligible = median(each.steps.get("eligible", 0) for each in runs)
    everybody = sum(each.held_out for each in runs)
    baseline = sum(each.finished_without for each in runs) / everybody if everybody else _WORST_BASELINE
    return detectable_effect(round(eligible * scale), round(held_out * scale), baseline=baseline)


def forecast_of(campaign_key: str, parameters: Mapping[str, Any], figures: Mapping[str, Any]) -> Forecast:
    """A forecast as it was stored."""

    def many(of: Mapping[str, Sequence[float]]) -> dict[str, Expected]:
        return {key: Expected(*each) for key, each in of.items()}

    setting = Setting(
        begins_at=datetime.fromisoformat(figures["begins_at"]),
        ends_at=datetime.fromisoformat(figures["ends_at"]),
        sample=figures["sample"],
        scale=figures["scale"],
        rates=figures["rates"],
        prices={channel: Decimal(price) for channel, price in figures["prices"].items()},
        currency=figures["currency"],
        seed=figures["seed"],
    )
    return Forecast(
        campaign_key=campaign_key,
        runs=figures["runs"],
        level=figures["level"],
        setting=setting,
        parameters=parameters_of(dict(parameters)),
        waves=many(dict(sorted(figures["waves"].items(), key=lambda each: (each[0].rpartition("@")[2], each[0])))),
        days={(day, channel): Expected(*rest) for day, channel, *rest in figures["days"]},
        channels=many(figures["channels"]),
        sends=Expected(*figures["sends"]),
        loads=tuple(
            Load(channel, Expected(low, middle, high), rate) for channel, low, middle, high, rate in figures["loads"]
        ),
        steps={key: Expected(*figures["steps"][key]) for key in _in_order(figures["steps"])},
        opted_out=Expected(*figures["opted_out"]),
        bounced=Expected(*figures["bounced"]),
        held_out=Expected(*figures["held_out"]),
        effect=figures["effect"],
        stopped=figures["stopped"],
    )


def _in_order(steps: Mapping[str, Any]) -> list[str]:
    """The audience, then the funnel's steps: a database keeps the keys of an object in its own order."""
    from pushpull.insights.forecast.figures import AUDIENCE
    from pushpull.insights.funnel import Step

    return [key for key in (AUDIENCE, *(step.value for step in Step)) if key in steps]
