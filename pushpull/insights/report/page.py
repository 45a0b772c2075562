"""The campaign report's page: what it consists of, in which order, around which words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from pushpull.insights.experiments.look import looks
from pushpull.insights.funnel import Step, funnel
from pushpull.insights.reasons import WAVE_WORDS
from pushpull.insights.report.chart_catalogue import spread_chart
from pushpull.insights.report.chart_days import Launch, Period, days_chart
from pushpull.insights.report.chart_effect import effect_chart
from pushpull.insights.report.chart_forecast import forecast_chart
from pushpull.insights.report.chart_paths import paths_chart
from pushpull.insights.report.chart_pull import pull_chart
from pushpull.insights.report.chart_sections import Section, sections_chart
from pushpull.insights.report.charts import funnel_chart, mix_chart
from pushpull.insights.report.effect import Helped, helped
from pushpull.insights.report.figures import Figures, figures, in_weeks
from pushpull.insights.report.gate import Gate, words_of
from pushpull.insights.report.house import House
from pushpull.insights.report.looks import Looks, looks_of
from pushpull.insights.report.markup import Html, document, el, join, number
from pushpull.insights.report.printed import (
    PrintedFunnel,
    are_too_few,
    printed_departments,
    printed_funnel,
    printed_mix,
    printed_periods,
)
from pushpull.insights.report.tables import departments_table, reasons_table, waves_table
from pushpull.insights.report.tried import tried
from pushpull.insights.small_numbers import FEWEST
from pushpull.insights.uplift import uplift
from pushpull.ledger.campaigns import campaign_id_of
from pushpull.ledger.timing import known, local_day
from pushpull.ledger.vocabulary import WaveStatus


@dataclass(frozen=True)
class Links:
    """Where a report leads to, as addresses relative to it.

    Args:
        outbox: where the messages can be seen.
        executive: the page for those who decide.
        explains: label → page that explains a sample path.
    """

    outbox: str | None = None
    executive: str | None = None
    explains: Mapping[str, str] = field(default_factory=dict)


def write_report(
    connection: Connection, campaign_key: str, out: Path, *, as_of: datetime, house: House, links: Links | None = None
) -> Path:
    """Write the report of a campaign.

    Args:
        out: the file to write; its folder is made.
        as_of: what happened later (aware) is not counted.

    Returns:
        ``out``.

    Raises:
        UnknownCampaignError: there is no such campaign.
    """
    page = report_page(connection, campaign_key, as_of=as_of, house=house, links=links)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page, encoding="utf-8")
    return out


def report_page(
    connection: Connection, campaign_key: str, *, as_of: datetime, house: House, links: Links | None = None
) -> str:
    """The report of a campaign as HTML; arguments and errors as of :func:`write_report`."""
    campaign_id = campaign_id_of(connection, campaign_key)
    path = funnel(connection, campaign_key, as_of=as_of)
    found = figures(connection, campaign_id, as_of=as_of)
    gate = Gate(house.rules, campaign_key)
    printed, others = printed_funnel(path, gate), looks_of(connection, campaign_key, as_of=as_of, gate=gate)
    by_day = printed_periods(found.days, gate, is_weekly=False)
    is_weekly = are_too_few(by_day)
    periods = (
        printed_periods(in_weeks(connection, campaign_id, found.days, as_of=as_of), gate, is_weekly=True)
        if is_weekly
        else by_day
    )
    effect = helped(uplift(connection, campaign_key, as_of=as_of), gate)
    name = found.campaign.name
    return document(
        f"{name}: campaign report",
        el("a", "Skip to the funnel", href="#funnel", class_="skip"),
        _header(printed, found, links or Links()),
        el(
            "main",
            _section("funnel", "The funnel", _funnel_words(printed), funnel_chart(printed)),
            _section("effect", "Did it help?", effect_words(effect), _effect(effect)),
            _tried(connection, campaign_key, as_of=as_of),
            _section("days", "Waves over time", _days_words(is_weekly), _days(periods, found, is_weekly)),
            *_looked_at(others),
            _section(
                "waves",
                "Waves",
                "Every learner of every wave is accounted for. Open a line for its days.",
                waves_table(found.series, gate),
            ),
            _section(
                "reasons",
                "Why messages were not sent",
                _reason_words(found, gate),
                reasons_table(found.skipped, found.held, gate),
            ),
            _section(
                "mix",
                "Push and pull",
                "Bringing the offer to people (push) against removing what keeps them from it (pull). "
                "The mark is where the plan wanted the border.",
                mix_chart(printed_mix(path.mix, gate)),
            ),
            _section(
                "departments",
                "By department",
                f"People who got messages. A number about fewer than {FEWEST} people is not shown, nor one from which "
                "it could be worked out.",
                departments_table(printed_departments(found.departments, gate)),
            ),
        ),
        _footer(path.as_of, found),
    )


def _tried(connection: Connection, campaign_key: str, *, as_of: datetime) -> Html | None:
    seen = looks(connection, campaign_key, as_of=as_of)
    if not seen:
        return None
    lead = "Experiments on the words of messages, as they were written down beforehand. Each is decided once."
    return _section("tried", "What was tried", lead, tried(seen))


def _section(key: str, title: str, lead: str | Html, *body: Html) -> Html:
    return el("section", el("h2", title), el("p", lead, class_="lead"), *body, id=key)


def _looked_at(looks: Looks) -> list[Html]:
    """What other looks found, or why there is nothing."""
    return [
        _look(
            "sections",
            "Where people leave",
            "Sections that more people leave from than their kind and place explain. Pages that only lead elsewhere "
            "are never blamed.",
            looks.sections,
            _sections,
        ),
        _look(
            "paths",
            "How the engaged became so",
            "First steps, and how much likelier those who took them were to learn later. A correlation: people who "
            "take a first step may be keener anyway.",
            looks.paths,
            paths_chart,
        ),
        _look(
            "pull",
            "Coming unasked",
            "Of all visits, those that no message caused; and how hard the campaign pushed in the week.",
            looks.weeks,
            pull_chart,
        ),
        _look(
            "forecast",
            "Forecast and what happened",
            "What was expected before the launch, as a share of the forecast's middle.",
            looks.forecast,
            forecast_chart,
        ),
        _look(
            "catalogue",
            "The catalogue",
            "How starts are spread over all items the company has. Where few items have most starts, much of what was "
            "bought lies idle. Items with fewer than five starters count as not started here; the audit counts them.",
            looks.spread,
            spread_chart,
        ),
    ]


def _look(key: str, title: str, lead: str, found: Any, draw: Callable[[Any], Html]) -> Html:
    if isinstance(found, str):
        return _section(key, title, lead, el("p", found, class_="none"))
    return _section(key, title, lead, draw(found))


def _sections(found: Sequence[Section]) -> Html:
    proposals = [el("li", el("b", each.title), f": {each.proposal}") for each in found if each.proposal]
    return join(sections_chart(found), el("ul", *proposals, class_="proposals") if proposals else None)


def _days(periods: Sequence[Period], found: Figures, is_weekly: bool) -> Html:
    launches = [Launch(each.waves[0].on, each.message_key) for each in found.series if len(each.waves) == 1]
    return days_chart(periods, launches, is_weekly=is_weekly)


def _days_words(is_weekly: bool) -> str:
    if is_weekly:
        return f"By week, since many days had fewer than {FEWEST} messages, or none."
    return f"Where there is no bar, there were fewer than {FEWEST} messages, or none."


def _header(printed: PrintedFunnel, found: Figures, links: Links) -> Html:
    row = found.campaign
    status = WaveStatus(row.status)
    chips = [el("span", WAVE_WORDS[status], class_=f"chip {status.value}")]
    if found.is_rehearsal:
        chips.append(el("span", "rehearsal with simulated learners", class_="chip rehearsal"))
    done = printed[Step.COMPLETED]
    facts = {
        "Audience": words_of(printed.audience),
        "Messages accepted": words_of(printed.messages),
        "Reached": words_of(printed[Step.REACHED].count),
        "Waves": number(sum(len(each.waves) for each in found.series)),
        "Completed": words_of((done.count or 0) + (done.besides or 0) or None),
    }
    shown = [el("a", "On one page, for those who decide", href=links.executive)] if links.executive else []
    shown += [el("a", "Outbox", href=links.outbox)] if links.outbox else []
    shown += [el("a", label, href=href) for label, href in links.explains.items()]
    return el(
        "header",
        el("p", "Campaign report", *chips, class_="eyebrow"),
        el("h1", row.name),
        el("p", f"{row.key} · family {row.family} · {row.message_class} · {dates_of(row)}", class_="meta"),
        el("dl", *(el("div", el("dt", label), el("dd", value)) for label, value in facts.items()), class_="facts"),
        el("nav", *shown, aria_label="More") if shown else None,
    )


def dates_of(row: Any) -> str:
    """A campaign's first and last day on its own calendar."""
    if row.starts_at is None or row.ends_at is None:
        return "no dates"
    zone = str(row.definition.get("timezone") or "UTC")
    first, end = (local_day(each, zone if known(zone) else "UTC") for each in (row.starts_at, row.ends_at))
    return f"{first:%d %b %Y} to {end - timedelta(days=1):%d %b %Y}"


def _funnel_words(printed: PrintedFunnel) -> str:
    words = f"{words_of(printed.audience).capitalize()} people in the audience."
    besides = printed[Step.ACTIVATED].besides
    if besides:
        words += f" About {number(besides)} people opened the content without following a link: nobody pushed them."
    return words


def effect_words(found: Helped) -> str:
    """What the comparison says, in a sentence or two."""
    effect = found.effect
    if effect is None:
        return f"Cannot tell: {found.why_not}."
    if effect.is_clear:
        which = "More" if effect.low > 0 else "Fewer"
        return f"{effect}. {which} people completed because of the messages: the interval leaves zero out."
    when = "would have shown" if found.is_final else "will show by the end"
    could = f" A true rise of {found.detectable} points {when} in four of five cases." if found.detectable else ""
    return f"{effect}. Cannot tell: the interval includes no difference at all.{could}"


def _effect(found: Helped) -> Html:
    if not found.estimates:
        return el("p", "The comparison is not shown.", class_="none")
    method = (
        "People who were held out at random, against everybody else, as they were assigned; who had completed before "
        "the start counts on neither side. The intervals are of 95 %."
    )
    if not found.is_final:
        method += " Until the end they are blurred, and wider by as much."
    return join(effect_chart(found.estimates, outcome="people completed"), el("p", method, class_="note"))


def _reason_words(found: Figures, gate: Gate) -> str:
    skipped = gate.people(sum(found.skipped.values()), "skipped")
    held = gate.people(sum(found.held.values()), "held")
    return f"{words_of(skipped).capitalize()} times a message was not sent, and {words_of(held)} wait."


def _footer(as_of: datetime, found: Figures) -> Html:
    simulated = (
        "The learners of this rehearsal are simulated; their numbers are invented and say nothing about real people. "
        if found.is_rehearsal
        else ""
    )
    blur = (
        "Counts of people are blurred a little and rounded to fives, alike in every report, so that no two reports "
        f"together speak of one person; nothing is said of fewer than {FEWEST}. Those who run the campaign see exact "
        "counts in its runs."
    )
    return el(
        "footer",
        el("p", f"{simulated}Counted from the ledger as of {as_of:%d %b %Y, %H:%M} UTC; days are UTC days."),
        el("p", blur),
        el("p", f"Content {found.campaign.content_hash[:12] or 'without a hash'} · made by Pushpull"),
    )
