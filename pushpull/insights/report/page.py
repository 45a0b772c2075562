"""The campaign report's page, section by section."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from pushpull.insights.funnel import Comparison, Funnel, Step, Verdict, funnel
from pushpull.insights.reasons import WAVE_WORDS
from pushpull.insights.report.charts import comparison_chart, day_chart, funnel_chart, mix_chart
from pushpull.insights.report.figures import Figures, figures
from pushpull.insights.report.markup import Html, document, el, join, number, scrolling
from pushpull.insights.report.tables import departments_table, reasons_table, waves_table
from pushpull.insights.small_numbers import FEWEST
from pushpull.ledger.campaigns import campaign_id_of
from pushpull.ledger.timing import known, local_day
from pushpull.ledger.vocabulary import WaveStatus

_VERDICTS = {
    Verdict.MORE: "More people completed because of the messages: the interval leaves zero out.",
    Verdict.FEWER: "Fewer people completed with the messages: the interval leaves zero out.",
    Verdict.CANNOT_TELL: "Cannot tell: the interval includes no difference at all.",
}


def write_report(
    connection: Connection,
    campaign_key: str,
    out: Path,
    *,
    as_of: datetime,
    outbox_href: str | None,
    explain_hrefs: Mapping[str, str] | None = None,
) -> Path:
    """Write the report of a campaign.

    Args:
        out: the file to write; its folder is made.
        as_of: what happened later (aware) is not counted.
        outbox_href: where the messages can be seen, relative to the page.
        explain_hrefs: label → address of pages that explain sample paths.

    Returns:
        ``out``.

    Raises:
        UnknownCampaignError: there is no such campaign.
    """
    path = funnel(connection, campaign_key, as_of=as_of)
    found = figures(connection, campaign_id_of(connection, campaign_key), as_of=as_of)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(_page(path, found, outbox_href=outbox_href, explains=explain_hrefs or {}), encoding="utf-8")
    return out


def _page(path: Funnel, found: Figures, *, outbox_href: str | None, explains: Mapping[str, str]) -> str:
    name = found.campaign.name
    return document(
        f"{name}: campaign report",
        el("a", "Skip to the funnel", href="#funnel", class_="skip"),
        _header(path, found, outbox_href=outbox_href, explains=explains),
        el(
            "main",
            _section("funnel", "The funnel", _funnel_words(path), funnel_chart(path)),
            _section("effect", "Did it help?", _effect_words(path.comparison), _effect(path.comparison)),
            _section(
                "days",
                "Day by day",
                el(
                    "span",
                    el("i", class_="key sent"),
                    " messages sent  ",
                    el("i", class_="key active"),
                    " learners active",
                ),
                scrolling(day_chart(found.days), label="Days")
                if found.days
                else el("p", "Nothing has been sent yet.", class_="none"),
            ),
            _section(
                "waves",
                "Waves",
                "Every learner of every wave is accounted for. Open a line for its days.",
                waves_table(found.series),
            ),
            _section(
                "reasons", "Why messages were not sent", _reason_words(found), reasons_table(found.skipped, found.held)
            ),
            _section(
                "mix",
                "Push and pull",
                "Bringing the offer to people (push) against removing what keeps them from it (pull). "
                "The mark is where the plan wanted the border.",
                mix_chart(path.mix),
            ),
            _section("departments", "By department", _department_words(), departments_table(found.departments)),
        ),
        _footer(path, found),
    )


def _section(key: str, title: str, lead: str | Html, *body: Html) -> Html:
    return el("section", el("h2", title), el("p", lead, class_="lead"), *body, id=key)


def _header(path: Funnel, found: Figures, *, outbox_href: str | None, explains: Mapping[str, str]) -> Html:
    row = found.campaign
    status = WaveStatus(row.status)
    chips = [el("span", WAVE_WORDS[status], class_=f"chip {status.value}")]
    if found.is_rehearsal:
        chips.append(el("span", "rehearsal with simulated learners", class_="chip rehearsal"))
    per_active = path.messages_per_active
    facts = {
        "Audience": number(path.audience),
        "Messages accepted": number(path.messages),
        "Messages per active learner": "–" if per_active is None else f"{per_active:.1f}",
        "Waves": number(sum(len(each.waves) for each in found.series)),
        "Completed": number(path[Step.COMPLETED].count + path[Step.COMPLETED].besides),
    }
    links = [el("a", "Outbox", href=outbox_href)] if outbox_href else []
    links += [el("a", label, href=href) for label, href in explains.items()]
    return el(
        "header",
        el("p", "Campaign report", *chips, class_="eyebrow"),
        el("h1", row.name),
        el("p", f"{row.key} · family {row.family} · {row.message_class} · {_dates(row)}", class_="meta"),
        el("dl", *(el("div", el("dt", label), el("dd", value)) for label, value in facts.items()), class_="facts"),
        el("nav", *links, aria_label="More") if links else None,
    )


def _dates(row: Any) -> str:
    """The campaign's first and last day on its own calendar."""
    if row.starts_at is None or row.ends_at is None:
        return "no dates"
    zone = str(row.definition.get("timezone") or "UTC")
    first, end = (local_day(each, zone if known(zone) else "UTC") for each in (row.starts_at, row.ends_at))
    return f"{first:%d %b %Y} to {end - timedelta(days=1):%d %b %Y}"


def _funnel_words(path: Funnel) -> str:
    held = sum(path.not_eligible.values())
    besides = path[Step.ACTIVATED].besides
    words = f"{number(path.audience)} people in the audience, {number(held)} of them held out or gone."
    if besides:
        who = "1 person" if besides == 1 else f"{number(besides)} people"
        words += f" {who} opened the content without following a link: nobody pushed them."
    return words


def _effect_words(comparison: Comparison) -> str:
    if comparison.difference is None or comparison.interval is None:
        return f"Nothing can be said: one of the groups has fewer than {FEWEST} people."
    interval = comparison.interval
    points = f"{100 * comparison.difference:+.1f} percentage points"
    return (
        f"{points} (95 % interval: {100 * interval.low:+.1f} to {100 * interval.high:+.1f}). "
        + (_VERDICTS[comparison.verdict])
    )


def _effect(comparison: Comparison) -> Html:
    if comparison.difference is None:
        return el("p", "The comparison is not shown.", class_="none")
    method = (
        "People who were held out at random, against everybody else; who had completed before the start counts on "
        "neither side. Plain difference, Newcombe's hybrid score interval; not adjusted for anything."
    )
    return join(scrolling(comparison_chart(comparison), label="Completion"), el("p", method, class_="note"))


def _reason_words(found: Figures) -> str:
    skipped, held = sum(found.skipped.values()), sum(found.held.values())
    return f"{number(skipped)} times a message was not sent, and {number(held)} wait."


def _department_words() -> str:
    return (
        f"People who got messages. A number about fewer than {FEWEST} people is not shown, nor one from which it "
        "could be worked out."
    )


def _footer(path: Funnel, found: Figures) -> Html:
    simulated = (
        "The learners of this rehearsal are simulated; their numbers are invented and say nothing about real people. "
        if found.is_rehearsal
        else ""
    )
    return el(
        "footer",
        el("p", f"{simulated}Counted from the ledger as of {path.as_of:%d %b %Y, %H:%M} UTC; days are UTC days."),
        el("p", f"Content {found.campaign.content_hash[:12] or 'without a hash'} · made by Pushpull"),
    )
