"""The executive page (mission D7): did it work, whom it reached, what it cost, what was changed, and what is not known.

One sheet of paper. Every number on it has a note that says where it comes from (:mod:`.evidence`).
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from string import ascii_lowercase

from sqlalchemy import Connection

from pushpull.insights.report.chart_effect import Estimate, verdict_chart
from pushpull.insights.report.evidence import Evidence, Traced, evidence
from pushpull.insights.report.house import House
from pushpull.insights.report.markup import Html, document, el, join
from pushpull.insights.report.page import dates_of
from pushpull.insights.small_numbers import FEWEST
from pushpull.learners.vocabulary import Channel


def write_executive(
    connection: Connection,
    campaign_key: str,
    out: Path,
    *,
    as_of: datetime,
    house: House,
    report_href: str | None = None,
) -> Path:
    """Write the page of a campaign.

    Args:
        out: the file to write; its folder is made.
        as_of: what happened later (aware) is not counted.
        report_href: where the campaign's report is, relative to the page.

    Returns:
        ``out``.

    Raises:
        UnknownCampaignError: there is no such campaign.
    """
    found = evidence(connection, campaign_key, as_of=as_of, house=house)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(executive_page(found, report_href=report_href), encoding="utf-8")
    return out


class _Notes:
    """Numbers in the order in which they are printed, each with the number of its note."""

    def __init__(self, found: Evidence) -> None:
        self._found = found
        self.used: list[Traced] = []

    def __call__(self, key: str) -> Html:
        traced = self._found.numbers[key]
        if traced not in self.used:
            self.used.append(traced)
        place = self.used.index(traced) + 1
        note = el("sup", el("a", place, href=f"#note-{place}", aria_label=f"note {place}"))
        return join(el("span", traced.text, data_trace=key), note)


def executive_page(found: Evidence, *, report_href: str | None = None) -> str:
    """The page as HTML."""
    notes, row = _Notes(found), found.found.campaign
    rehearsal = el("span", "rehearsal with simulated learners", class_="chip rehearsal")
    body = [
        el(
            "header",
            el("p", "Evidence for those who decide", rehearsal if found.found.is_rehearsal else None, class_="eyebrow"),
            el("h1", row.name),
            el("p", f"{dates_of(row)} · as of {found.as_of:%d %b %Y}", class_="meta"),
        ),
        el(
            "main",
            _verdict(found, notes),
            _facts(found, notes),
            el("div", _changed(found), _unknown(found), class_="pair"),
        ),
        _sources(found, notes, report_href),
    ]
    return document(f"{row.name}: evidence", el("div", *body, class_="executive"))


def _verdict(found: Evidence, notes: _Notes) -> Html:
    helped, title = found.helped, el("h2", "Did it work?")
    effect = helped.effect
    if effect is None or helped.said is None:
        answer = el("p", "Cannot tell" if helped.is_final else "Cannot tell yet", class_="big open")
        return el("section", el("div", title, answer), el("p", f"Because {helped.why_not}.", class_="lead"),
                  class_="verdict")  # fmt: skip
    if effect.is_clear:
        words = "Yes: more people completed" if effect.low > 0 else "No: fewer people completed"
    else:
        words = "Cannot tell" if helped.is_final else "Cannot tell yet"
    number = el("p", notes("effect"), el("small", " points"), class_=f"big {'clear' if effect.is_clear else 'open'}")
    between = el("p", "95 % interval ", notes("effect.low"), " to ", notes("effect.high"), class_="between")
    sides = join(notes("side.treated"), " people who got messages, ", notes("side.holdout"), " held out at random.")
    could = (
        join(" Groups like these show a true rise of ", notes("detectable"), " points in four of five cases.")
        if "detectable" in found.numbers
        else None
    )
    drawn = verdict_chart(Estimate("Effect", "on completing", effect))
    note = el("p", sides, could, class_="note")
    return el(
        "section",
        el("div", title, el("p", words, class_="answer"), number, between),
        el("div", drawn, note),
        class_="verdict",
    )


def _facts(found: Evidence, notes: _Notes) -> Html:
    numbers = found.numbers
    boxes = [
        _fact("Reached", notes("funnel.reached"), "of ", notes("audience"), " people, with ", notes("messages"),
              " messages"),
        _fact("Completed", notes("funnel.completed"), "of ", notes("funnel.started"), " who started"),
    ]  # fmt: skip
    if "cost" in numbers:
        boxes.append(_fact("Messages cost", notes("cost"), f"at the prices set, {len(found.waves)} waves"))
    if "additional" in numbers:
        boxes.append(_fact("Additional completers", notes("additional"), "because of the messages"))
    if "cost.each" in numbers:
        between = (notes("cost.each"), notes("cost.least"), " to ", notes("cost.most"))
        boxes.append(_fact("Cost of each of them", *between))
    return el("dl", *boxes, class_="facts")


def _fact(label: str, value: Html, *words: Html | str) -> Html:
    return el("div", el("dt", label), el("dd", value), el("dd", *words, class_="words"))


def _changed(found: Evidence) -> Html:
    if not found.changes:
        nothing = "Nothing was changed on the way because of what was found."
        return el("section", el("h2", "What we changed"), el("p", nothing, class_="none"))
    rows = []
    for each in found.changes:
        came = f"{each.metric}: {each.said}" if each.said else "not measured yet"
        tone = each.said.replace(" ", "-") or "open"
        said = el("span", came, class_=f"said {tone}")
        because = el("small", f"{each.applied:%d %b}, proposal {each.number}, because: {each.because}")
        rows.append(el("li", el("b", each.done or each.because), because, said))
    return el("section", el("h2", "What we changed, and what came of it"), el("ul", *rows, class_="changes"))


def _unknown(found: Evidence) -> Html:
    helped, cost = found.helped, found.cost
    lines: list[Html | str] = []
    if helped.effect is None:
        lines.append("Whether messages made a difference: too few people were held out.")
    elif not helped.effect.is_clear:
        lines.append("Whether messages made a difference: the interval includes none at all.")
    if cost.total is None:
        names = ", ".join(channel.value for channel in cost.unpriced)
        lines.append(f"What it cost: no price is set for {names}." if names else "What it cost: nothing was sent.")
    elif any(Channel.SMS.value in series.channels for series in found.found.series):
        lines.append("Text messages may cost more than one segment each.")
    lines += [
        "What people do differently at work: only what they did in the courses is seen.",
        "How long it lasts: nothing after the day above is counted.",
        "What the time of those who made the campaign, and of those who learned, was worth.",
    ]
    if found.found.is_rehearsal:
        lines.append("Anything about real people: the learners of this rehearsal are simulated.")
    rows = [el("li", line) for line in lines]
    return el("section", el("h2", "What is not known"), el("ul", *rows, class_="unknown"))


def _sources(found: Evidence, notes: _Notes, report_href: str | None) -> Html:
    waves = found.waves
    span = f"waves {waves[0]} to {waves[-1]} of the ledger ({len(waves)})" if waves else "no wave yet"
    commands = list(dict.fromkeys(each.command for each in notes.used))
    letters = dict(zip(commands, ascii_lowercase, strict=False))
    rows = [
        el("li", f"{each.counts}. ", el("code", each.source), f" [{letters[each.command]}]", id=f"note-{place}")
        for place, each in enumerate(notes.used, start=1)
    ]
    again = [join(f" [{letter}] ", el("code", command)) for command, letter in letters.items()]
    about = (
        f"As of {found.as_of:%d %b %Y, %H:%M} UTC; {span}. Counts of people and messages are blurred a little and "
        f"rounded to fives, alike in every report, and nothing is said of fewer than {FEWEST}. Printed again by"
    )
    link = el("p", el("a", "The whole report, with its charts", href=report_href)) if report_href else None
    title = el("h2", "Where the numbers come from")
    return el("footer", title, el("ol", *rows, class_="notes"), el("p", about, *again), link)
