"""A forecast in words: rows for tables, and Markdown for the Prefect UI. Counts and keys, never people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pushpull.insights.forecast.comparing import Comparison
from pushpull.insights.forecast.parameters import Kind, Parameter
from pushpull.insights.forecast.together import Expected, Forecast

Row = Mapping[str, object]

_STEP_WORDS = {"came_back": "came back"}
#: Figures of days are a lot: those of the weeks are shown, and all are in the stored forecast.
_MOST_WAVES = 60


def said(each: Expected) -> str:
    """E.g. ``210 (195 to 228)``."""
    return f"{each.median:,.0f} ({each.low:,.0f} to {each.high:,.0f})" if each.low != each.high else f"{each.low:,.0f}"


def headline(made: Forecast) -> str:
    """What a forecast comes to, in a sentence."""
    people = made.steps["audience"].median
    text = f"{said(made.sends)} messages to an audience of {people:,.0f}; {said(made.steps['completed'])} complete"
    return f"{text}. {made.runs} runs; intervals hold in {made.level:.0%} of cases."


def remarks(made: Forecast) -> list[str]:
    """What a reader must know beside the tables."""
    lines = []
    known, all_of = made.parameters.known, len(made.parameters.of)
    if known:
        lines.append(f"{known} of {all_of} assumptions about people come from your own past, the others are defaults.")
    else:
        lines.append("All assumptions about people are defaults: there is no past to learn from yet.")
    if made.setting.scale > 1.0005:
        lines.append(
            f"Scaled from a stratified sample of {made.setting.sample:,} people, each of whom stands for "
            f"{made.setting.scale:.2f}."
        )
    if made.effect is None:
        lines.append("With so many held out, no effect on completion can be shown.")
    else:
        lines.append(
            f"{said(made.held_out)} people are held out; a rise of {100 * made.effect:.1f} points in completion would "
            "be found in four of five cases."
        )
    if made.stopped:
        lines.append(f"In {made.stopped} of {made.runs} runs a stop signal held the campaign.")
    return lines


def wave_rows(made: Forecast) -> list[Row]:
    """Messages by wave."""
    return [{"wave": key, "messages": said(each)} for key, each in made.waves.items()]


def channel_rows(made: Forecast) -> list[Row]:
    """Messages, cost and load by channel."""
    costs = made.costs
    rows: list[Row] = []
    for load in made.loads:
        cost = costs.get(load.channel)
        used = load.utilisation
        rows.append(
            {
                "channel": load.channel,
                "messages": said(made.channels[load.channel]),
                "cost": f"{cost.median:,.2f} {made.setting.currency}" if cost else "no price set",
                "busiest hour": said(load.peak),
                "of its limit": f"{used:.1%}" if used is not None else "no limit",
            }
        )
    return rows


def day_rows(made: Forecast) -> list[Row]:
    """Messages by day and channel, one row per day."""
    channels = list(made.channels)
    days = sorted({day for day, _ in made.days})
    nothing = Expected(0, 0, 0)
    return [
        {"day": day, **{channel: said(made.days.get((day, channel), nothing)) for channel in channels}} for day in days
    ]


def step_rows(made: Forecast) -> list[Row]:
    """The funnel."""
    rows: list[Row] = [{"step": _STEP_WORDS.get(step, step), "people": said(each)} for step, each in made.steps.items()]
    return [
        *rows,
        {"step": "opt-outs", "people": said(made.opted_out)},
        {"step": "bounces", "people": said(made.bounced)},
    ]


def parameter_rows(made: Forecast) -> list[Row]:
    """What was assumed of people, and where it comes from."""
    people = sum(each.mean for each in made.parameters.of if each.kind is Kind.WEIGHT)
    return [
        {"what": each.what, "value": _in_its_unit(each, people), "comes from": each.source}
        for each in made.parameters.of
    ]


def _in_its_unit(parameter: Parameter, people: float) -> str:
    """A share in percent, a factor with a sign, a weight in percent of all of them; with its interval."""
    low, high = parameter.interval()
    if parameter.kind is Kind.FACTOR:
        return f"× {parameter.mean:.3g} ({low:.3g} to {high:.3g})"
    unit = 100.0 if parameter.kind is Kind.SHARE else 100.0 / people
    return f"{unit * parameter.mean:.3g} % ({unit * low:.3g} to {unit * high:.3g})"


def compared_rows(found: Comparison) -> list[Row]:
    """What was forecast beside what happened."""
    return [
        {
            "what": _STEP_WORDS.get(each.what, each.what),
            "forecast": said(each.expected),
            "happened": f"{each.happened:,}",
            "inside": "yes" if each.is_inside else "no",
            "error": f"{each.error:+.1%}" if each.error is not None else "",
        }
        for each in (found.sends, *found.waves, *(found.steps if found.is_over else ()))
    ]


def verdict(found: Comparison) -> str:
    """How good a forecast was, in a sentence."""
    if not found.waves:
        return "No wave of the forecast is over yet: there is nothing to compare."
    inside = sum(each.is_inside for each in found.waves)
    text = f"{inside} of {len(found.waves)} waves lie inside their intervals"
    if found.steps_inside is not None:
        text += f", and {sum(each.is_inside for each in found.steps)} of {len(found.steps)} steps of the funnel"
    errors = sorted(abs(each.error) for each in found.waves if each.error is not None)
    if errors:
        text += f"; the median error of larger waves is {errors[len(errors) // 2]:.1%}"
    return f"{text}."


def as_markdown(made: Forecast) -> str:
    """The forecast as the Prefect UI shows it."""
    parts = [
        f"# Forecast of {made.campaign_key}",
        f"**{headline(made)}**",
        "\n".join(f"- {line}" for line in remarks(made)),
        "## Funnel\n\n" + _table(step_rows(made)),
        "## Channels\n\n" + _table(channel_rows(made)),
        "## Waves\n\n" + _table(wave_rows(made)[:_MOST_WAVES]),
        "## Days (UTC)\n\n" + _table(day_rows(made)[:_MOST_WAVES]),
        "## What is assumed of people\n\n" + _table(parameter_rows(made)),
    ]
    return "\n\n".join(parts) + "\n"


def comparison_as_markdown(found: Comparison) -> str:
    """The comparison as the Prefect UI shows it."""
    head = f"# Forecast and what happened: {found.campaign_key}\n\n**{verdict(found)}**"
    return f"{head}\n\n{_table(compared_rows(found))}\n"


def _table(rows: Sequence[Row]) -> str:
    if not rows:
        return "Nothing."
    names = list(rows[0])
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(str(row[name]).replace("|", "\\|") for name in names) + " |" for row in rows]
    return "\n".join(lines)
