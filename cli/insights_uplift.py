"""`pushpull insights uplift`, `… experiments` and `… verdicts`: what messages changed, and what was tried."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from cli.common import AsOf, Campaign, here, out, tell
from cli.insights import insights

if TYPE_CHECKING:
    from decimal import Decimal

    from pushpull.insights.experiments.look import Look
    from pushpull.insights.proportions import Interval
    from pushpull.insights.uplift import Measured, Uplift
    from pushpull.learners.vocabulary import Channel
    from pushpull.settings import Settings

AsJson = Annotated[bool, typer.Option("--json", help="Everything, for a machine.")]

_WORDS = {
    "completed_all": "completed all of it",
    "completed_any": "completed an item",
    "active_days": "days with learning",
    "minutes": "minutes of learning",
    "score": "best score, 0 to 100",
}
_IN_HUNDREDTHS = frozenset({"completed_all", "completed_any", "score"})


@insights.command("uplift")
def show_uplift(
    campaign: Annotated[str, typer.Argument(help="Key of a campaign; left out with --since.")] = "",
    since: Annotated[
        str, typer.Option("--since", help="ISO 8601 instant: everything since then against the global holdout.")
    ] = "",
    as_of: AsOf = "",
    as_json: AsJson = False,
) -> None:
    """What messages changed: everybody as they were assigned, against those who were held out."""
    from flows.parameters import moment
    from pushpull.db import reading
    from pushpull.insights.uplift import uplift, uplift_of_all

    if bool(campaign) == bool(since):
        raise typer.BadParameter("name a campaign, or a moment with --since")
    now, place = _now(as_of), here()
    with reading(place.engine) as connection:
        if since:
            found = uplift_of_all(connection, since=moment(since), as_of=now)
        else:
            found = uplift(connection, campaign, as_of=now, prices=_prices(place.settings))
    if as_json:
        _as_json(found)
        return
    _print_uplift(found, currency=place.settings.currency)


@insights.command("experiments")
def show_experiments(campaign: Campaign, as_of: AsOf = "", as_json: AsJson = False) -> None:
    """What a campaign's experiments say so far, or said on the day of their verdict."""
    from pushpull.db import reading
    from pushpull.insights.experiments.look import looks

    with reading(here().engine) as connection:
        found = looks(connection, campaign, as_of=_now(as_of))
    if as_json:
        _as_json([_plain_look(each) for each in found])
        return
    if not found:
        tell(f"{campaign} tries nothing: its file has no experiments")
    for each in found:
        _print_look(each)


@insights.command("verdicts")
def show_verdicts(
    campaign: Campaign,
    keep: Annotated[bool, typer.Option("--keep", help="Take the verdicts as of now, and keep them.")] = False,
    as_of: AsOf = "",
    as_json: AsJson = False,
) -> None:
    """What was said about a campaign each time somebody looked, and whether the ledger still says the same."""
    from pushpull.db import reading, writing
    from pushpull.insights.verdicts import keep as keep_them
    from pushpull.insights.verdicts import reproduce

    place = here()
    if keep:
        with writing(place.engine) as connection:
            keep_them(connection, campaign, as_of=_now(as_of))
    with reading(place.engine) as connection:
        found = reproduce(connection, campaign)
    if as_json:
        _as_json(found)
        return
    if not found:
        tell(f"no verdict on {campaign} was kept; --keep keeps those of now")
        return
    table = Table("looked at", "about", "said", "final", "the same again")
    for each in found:
        again = "yes" if each.is_same else f"no: {each.said or 'it is gone'}, {len(each.differs)} figures differ"
        kept = each.kept
        table.add_row(
            f"{kept.looked_at:%Y-%m-%d %H:%M}", escape(kept.subject), kept.said, "yes" if kept.is_final else "", again
        )
    out.print(table)


def _now(as_of: str) -> datetime:
    from flows.parameters import moment

    return moment(as_of) if as_of else datetime.now(UTC)


def _prices(settings: Settings) -> Mapping[Channel, Decimal]:
    from pushpull.learners.vocabulary import Channel

    return {channel: getattr(settings, f"cost_{channel.value}") for channel in Channel}


def _as_json(found: Any) -> None:
    import orjson

    from pushpull.insights.verdicts import plain

    typer.echo(orjson.dumps(plain(found), option=orjson.OPT_INDENT_2).decode())


def _plain_look(look: Look) -> dict[str, Any]:
    return {
        "experiment": look.plan.model_dump(mode="json"),
        "said": look.said,
        "winner": look.winner,
        "why": look.why,
        "is_final": look.is_final,
        "decides_at": look.decides_at,
        "decides_on": look.decides_on,
        "figures": look.figures,
        "compared": look.compared,
    }


def _print_uplift(found: Uplift, *, currency: str) -> None:
    name = found.campaign_key or "everything"
    table = Table("outcome", "treated", "held out", "difference", "adjusted", "narrower", "at every look", "says")
    for each in found.outcomes:
        unit = 100.0 if each.outcome.value in _IN_HUNDREDTHS else 1.0
        table.add_row(
            _WORDS[each.outcome.value],
            *(_side(side.people, side.mean, unit) for side in (each.treated, each.holdout)),
            _estimate(each.difference, each.interval, unit),
            _estimate(each.adjusted_difference, each.adjusted_interval, unit),
            "–" if each.narrowing is None else f"{100 * each.narrowing:.0f} %",
            _range(each.sequential_interval, unit),
            each.said.value,
        )
    out.print(table)
    tell(f"{name}: {_sentence(found)}")
    for why, outcomes in _unsaid(found).items():
        tell(f"{', '.join(outcomes)}: {why}")
    if found.left_out:
        tell(f"Left out: {found.left_out} who had completed it all before the start.")
    if found.price is not None:
        price = found.price
        said = f"Messages cost {price.total:,.2f} {currency}"
        if price.each is not None:
            said += f": {price.each:,.2f} for each additional completer ({price.at_least:,.2f} to {price.at_most:,.2f})"
        tell(f"{said}.")


def _unsaid(found: Uplift) -> dict[str, list[str]]:
    """Why nothing is said, and of which outcomes beside the primary one."""
    reasons: dict[str, list[str]] = {}
    for each in found.outcomes[1:]:
        if each.why:
            reasons.setdefault(each.why, []).append(_WORDS[each.outcome.value])
    return reasons


def _sentence(found: Uplift) -> str:
    primary = found.primary
    when = "on the day of decision" if found.is_final else "so far"
    if primary.said.value == "cannot tell":
        return f"cannot tell {when}: {primary.why}"
    shown = _spoken(primary, is_final=found.is_final)
    return f"{primary.said.value} completed because of it, {when}: {shown}"


def _spoken(primary: Measured, *, is_final: bool) -> str:
    best = primary.best
    value = best[0] if best else 0.0
    interval = best[1] if best and is_final else primary.sequential_interval
    return f"{100 * value:+.1f} points ({_range(interval, 100.0)})"


def _side(people: int, mean: float | None, unit: float) -> str:
    """The share or the mean first, then of how many: "20.2 of 263" would read as a count."""
    if mean is None:
        return f"{people:,}"
    return f"{unit * mean:.1f}{' %' if unit > 1 else ''} (n = {people:,})"


def _estimate(value: float | None, interval: Interval | None, unit: float) -> str:
    return "–" if value is None else f"{unit * value:+.1f} ({_range(interval, unit)})"


def _range(interval: Interval | None, unit: float) -> str:
    return "–" if interval is None else f"{unit * interval.low:+.1f} to {unit * interval.high:+.1f}"


def _print_look(look: Look) -> None:
    from pushpull.insights.small_numbers import FEWEST

    plan = look.plan
    tell(f"{plan.key}: {plan.hypothesis}")
    against = {each.variant: each for each in look.compared}
    counted = f"{plan.metric.value} within {plan.within_days} days"
    table = Table("variant", "people", counted, f"over {plan.control}", "at every look", "sent", "says against it")
    for each in look.figures:
        other = against.get(each.variant)
        table.add_row(
            escape(each.variant),
            f"{each.people:,}" if each.people >= FEWEST else f"fewer than {FEWEST}",
            "–" if each.share is None else f"{100 * each.share:.1f} %",
            _estimate(other.difference, other.interval, 100.0) if other else "",
            _range(other.sequential_interval, 100.0) if other else "",
            f"{each.harm.accepted:,}",
            escape(each.breach),
        )
    out.print(table)
    winner = f" {look.winner}:" if look.winner else ""
    when = "" if look.is_final else f" (until {look.decides_on:%Y-%m-%d}, when it is decided)"
    tell(f"{look.said.value}{when}:{winner} {look.why}")
