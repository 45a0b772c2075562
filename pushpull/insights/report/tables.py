"""The report's tables: every count of people in them goes through the gate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pushpull.insights.reasons import REASON_LABELS, REASON_SENTENCES
from pushpull.insights.report.figures import SeriesFigures, WaveFigures
from pushpull.insights.report.gate import TOO_FEW, Gate, share_of
from pushpull.insights.report.markup import Html, el, join, number, percent, scrolling
from pushpull.insights.report.printed import PrintedDepartment
from pushpull.insights.small_numbers import FEWEST
from pushpull.ledger.vocabulary import DeliveryState, EventKind, Reason


def waves_table(listed: Sequence[SeriesFigures], gate: Gate) -> Html:
    """A line per series of waves, with its occurrences behind it."""
    if not listed:
        return el("p", "No wave has been planned yet.", class_="none")
    head = ("Wave", "Touch", "Audience", "Sent", "Not sent", "Open", "Clicked", "Bounced", "Opted out")
    rows = [_series_row(each, gate) for each in listed]
    columns = [el("th", label, scope="col", class_=None if place < 2 else "n") for place, label in enumerate(head)]
    table = el("table", el("thead", el("tr", *columns)), *rows)
    return scrolling(table, label="Waves")


def _series_row(each: SeriesFigures, gate: Gate) -> Html:
    back, cell = each.came_back, f"wave|{each.series}"
    sent, waiting = each.total("accepted"), each.total("open")
    unsent = each.total("audience") - sent - waiting
    several = f"{len(each.waves)} waves" if len(each.waves) > 1 else f"{each.waves[0].on:%d %b}"
    names = ("audience", "sent", "unsent", "open")
    counts = dict(zip(names, (each.total("audience"), sent, unsent, waiting), strict=True))
    summary = el(
        "tr",
        el("th", each.series, el("small", several), scope="row"),
        el("td", el("span", each.touch, class_=f"touch {each.touch}")),
        *(_about(count, f"{cell}|{name}", gate) for name, count in counts.items()),
        _back(back[EventKind.CLICKED], sent, cell, gate),
        _about(back[EventKind.BOUNCED], f"{cell}|bounced", gate),
        _about(back[EventKind.OPTED_OUT], f"{cell}|opted out", gate),
    )
    states = sum((one.result.states for one in each.waves), Counter[str]())
    failed = Counter({kind.value: states[kind] for kind in _FAILURES if states[kind]})
    days = _days(each.waves, cell, gate) if len(each.waves) > 1 else None
    details = el(
        "details",
        el("summary", "who and why"),
        el("p", f"By channel: {_listed(each.channels, f'{cell}|channel', gate)}."),
        el("p", f"Not sent: {_listed(_labelled(each.skipped), f'{cell}|reason', gate)}."),
        el("p", f"Failed: {_listed(failed, f'{cell}|failed', gate)}."),
        days,
    )
    return el("tbody", summary, el("tr", el("td", details, colspan=9), class_="more"))


_FAILURES = (DeliveryState.REJECTED, DeliveryState.PARKED, DeliveryState.UNCERTAIN)


def _labelled(reasons: Counter[str]) -> Counter[str]:
    return Counter({_label(reason): count for reason, count in reasons.items()})


def _listed(counts: Counter[str], cell: str, gate: Gate) -> str:
    """The parts in words, without those of few people."""
    about = [(gate.people(count, f"{cell}|{name}"), name) for name, count in sorted(counts.items())]
    told = sorted(((count, name) for count, name in about if count is not None), key=lambda each: (-each[0], each[1]))
    return ", ".join(f"{number(count)} {name}" for count, name in told) or f"{TOO_FEW} each"


def _days(waves: Sequence[WaveFigures], cell: str, gate: Gate) -> Html:
    """The occurrences that were sent to enough people, and how many were not."""
    about = [(one, gate.people(one.result.accepted, f"{cell}|{one.on}|sent")) for one in waves]
    rows = []
    for one, sent in about:
        if sent is None:
            continue
        clicked = gate.engagement(one.came_back[EventKind.CLICKED], f"{cell}|{one.on}|clicked")
        also = f", clicked {number(clicked)}" if clicked is not None else ""
        rows.append(el("li", el("b", f"{one.on:%a %d %b}"), f" sent {number(sent)}{also}"))
    few = len(waves) - len(rows)
    rest = f"{few} of {len(waves)} days with {TOO_FEW} messages." if few else None
    return el("div", el("ul", *rows, class_="occurrences") if rows else None, el("p", rest) if rest else None)


def _about(count: int, cell: str, gate: Gate, *, is_engagement: bool = False) -> Html:
    told = gate.engagement(count, cell) if is_engagement else gate.people(count, cell)
    return _cell(told)


def _cell(about: int | None) -> Html:
    if about is None:
        return el("td", f"< {FEWEST}", class_="n zero", title=TOO_FEW)
    return el("td", number(about), class_="n")


def _back(count: int, sent: int, cell: str, gate: Gate) -> Html:
    clicked, of = gate.engagement(count, f"{cell}|clicked"), gate.people(sent, f"{cell}|sent")
    if clicked is None or of is None:
        return _about(count, f"{cell}|clicked", gate, is_engagement=True)
    return el("td", number(clicked), el("small", percent(share_of(clicked, of))), class_="n")


def _label(reason: str) -> str:
    return REASON_LABELS[Reason(reason)]


def reasons_table(skipped: Counter[str], held: Counter[str], gate: Gate) -> Html:
    """A line per reason that counts for enough, the commonest first."""
    rows = []
    for words, counts in (("not sent", skipped), ("waits", held)):
        about = {reason: gate.people(count, f"reason|{words}|{reason}") for reason, count in sorted(counts.items())}
        told = [(count, reason) for reason, count in about.items() if count is not None]
        for count, reason in sorted(told, key=lambda each: (-each[0], each[1])):
            rows.append(
                el(
                    "tr",
                    el("th", _label(reason), el("small", words) if words == "waits" else None, scope="row"),
                    _cell(count),
                    el("td", REASON_SENTENCES[Reason(reason)]),
                )
            )
    if not rows:
        return el("p", f"No reason held for more than {FEWEST - 1} messages.", class_="none")
    head = el(
        "tr",
        el("th", "Reason", scope="col"),
        el("th", "Times", scope="col", class_="n"),
        el("th", "In words", scope="col"),
    )
    table = el("table", el("thead", head), el("tbody", *rows), class_="reasons")
    rest = el("p", f"Reasons that held for fewer than {FEWEST} messages are left out.", class_="note")
    return join(scrolling(table, label="Reasons"), rest)


def departments_table(listed: Sequence[PrintedDepartment]) -> Html:
    """A line per department; None is shown as a dash."""
    if not listed:
        return el("p", "Nobody has got a message yet.", class_="none")

    def cell(value: int | None, people: int | None) -> Html:
        if value is None:
            return el("td", "–", class_="n zero", title="not shown")
        share = el("small", percent(share_of(value, people))) if people else None
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
