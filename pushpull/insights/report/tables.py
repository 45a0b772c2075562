"""The report's tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pushpull.insights.reasons import REASON_LABELS, REASON_SENTENCES
from pushpull.insights.report.figures import Department, SeriesFigures, WaveFigures
from pushpull.insights.report.markup import Html, el, number, percent, scrolling
from pushpull.ledger.vocabulary import DeliveryState, EventKind, Reason


def waves_table(listed: Sequence[SeriesFigures]) -> Html:
    """A line per series of waves, with its occurrences behind it."""
    if not listed:
        return el("p", "No wave has been planned yet.", class_="none")
    head = ("Wave", "Touch", "Audience", "Sent", "Not sent", "Open", "Clicked", "Bounced", "Opted out")
    rows = [_series_row(each) for each in listed]
    columns = [el("th", label, scope="col", class_=None if place < 2 else "n") for place, label in enumerate(head)]
    table = el("table", el("thead", el("tr", *columns)), *rows)
    return scrolling(table, label="Waves")


def _series_row(each: SeriesFigures) -> Html:
    back = each.came_back
    sent = each.total("accepted")
    waiting = each.total("open")
    unsent = each.total("audience") - sent - waiting
    several = f"{len(each.waves)} waves" if len(each.waves) > 1 else f"{each.waves[0].on:%d %b}"
    channels = ", ".join(f"{number(count)} {channel}" for channel, count in each.channels.most_common())
    summary = el(
        "tr",
        el("th", each.series, el("small", several), scope="row"),
        el("td", el("span", each.touch, class_=f"touch {each.touch}")),
        *(_count(value) for value in (each.total("audience"), sent, unsent, waiting)),
        _back(back[EventKind.CLICKED], sent),
        _count(back[EventKind.BOUNCED]),
        _count(back[EventKind.OPTED_OUT]),
    )
    why = ", ".join(f"{number(count)} {_label(reason)}" for reason, count in each.skipped.most_common())
    days = [_wave_line(one) for one in each.waves] if len(each.waves) > 1 else []
    failed = _failures(each)
    details = el(
        "details",
        el("summary", "who and why"),
        el("p", f"By channel: {channels}." if channels else "Nothing was accepted."),
        el("p", f"Not sent: {why}.") if why else None,
        el("p", f"Failed: {failed}.") if failed else None,
        el("ul", *days, class_="occurrences") if days else None,
    )
    return el("tbody", summary, el("tr", el("td", details, colspan=9), class_="more"))


def _failures(each: SeriesFigures) -> str:
    states = sum((one.result.states for one in each.waves), Counter[str]())
    kinds = (DeliveryState.REJECTED, DeliveryState.PARKED, DeliveryState.UNCERTAIN)
    return ", ".join(f"{number(states[kind])} {kind.value}" for kind in kinds if states[kind])


def _wave_line(one: WaveFigures) -> Html:
    clicked = one.came_back[EventKind.CLICKED]
    words = one.result.sentence() + (f", clicked {clicked}" if clicked else "")
    return el("li", el("b", f"{one.on:%a %d %b}"), " ", _in_words(words))


def _in_words(sentence: str) -> str:
    return sentence.replace("_", " ")


def _count(value: int) -> Html:
    return el("td", number(value) if value else "·", class_="n" if value else "n zero")


def _back(count: int, sent: int) -> Html:
    if not count or not sent:
        return _count(count)
    return el("td", number(count), el("small", percent(count / sent)), class_="n")


def _label(reason: str) -> str:
    return REASON_LABELS[Reason(reason)]


def reasons_table(skipped: Counter[str], held: Counter[str]) -> Html:
    """A line per reason, the commonest first."""
    if not skipped and not held:
        return el("p", "Everything was sent.", class_="none")
    rows = []
    for words, counts in (("not sent", skipped), ("waits", held)):
        for reason, count in counts.most_common():
            rows.append(
                el(
                    "tr",
                    el("th", _label(reason), el("small", words) if words == "waits" else None, scope="row"),
                    _count(count),
                    el("td", REASON_SENTENCES[Reason(reason)]),
                )
            )
    head = el(
        "tr",
        el("th", "Reason", scope="col"),
        el("th", "Times", scope="col", class_="n"),
        el("th", "In words", scope="col"),
    )
    table = el("table", el("thead", head), el("tbody", *rows), class_="reasons")
    return scrolling(table, label="Reasons")


def departments_table(listed: Sequence[Department]) -> Html:
    """A line per department; None is shown as a dash."""
    if not listed:
        return el("p", "Nobody has got a message yet.", class_="none")

    def cell(value: int | None, people: int | None) -> Html:
        if value is None:
            return el("td", "–", class_="n zero", title="not shown")
        share = el("small", percent(value / people)) if people else None
        return el("td", number(value), share, class_="n")

    rows = [
        el(
            "tr",
            el("th", each.name, scope="row"),
            cell(each.people, None),
            cell(each.activated, each.people),
            cell(each.completed, each.people),
        )
        for each in listed
    ]
    labels = ("Department", "People", "Activated", "Completed")
    head = [el("th", label, scope="col", class_=None if place == 0 else "n") for place, label in enumerate(labels)]
    table = el("table", el("thead", el("tr", *head)), el("tbody", *rows))
    return scrolling(table, label="Departments")
