"""The briefing in words: Markdown for the Prefect UI and for a terminal. Counts and keys, never people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from pushpull.insights.briefing.assembly import Briefing
from pushpull.insights.briefing.counts import AROUND_DAYS
from pushpull.insights.briefing.learned import effect_in_words, trial_in_words
from pushpull.insights.reasons import REASON_LABELS
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.vocabulary import Reason

CHANNEL_WORDS = {Channel.EMAIL: "e-mail", Channel.TEAMS: "Teams", Channel.SLACK: "Slack", Channel.SMS: "text message"}

_PARTS = {
    "when": "how long it takes",
    "cost": "what it costs",
    "baseline": "what share completes without messages",
    "before": "what activity before the start explains",
    "tried": "what is tried on it",
    "others": "who else writes to these people",
    "budget": "whose attention budget is used up",
}


@dataclass(frozen=True, slots=True)
class Remark:
    """What a check before sending found."""

    is_error: bool
    text: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One message as an invented learner would get it.

    Args:
        count: people who are to get this one.
        subject: or the line a notification shows; empty where there is none.
        text: what can be read of it.
        size: in words, e.g. ``14.2 kB``.
        problem: why there is none; empty when there is one.
    """

    channel: Channel
    language: str
    variant: str
    count: int
    subject: str = ""
    text: str = ""
    size: str = ""
    problem: str = ""


def label(reason: str) -> str:
    """A reason as tables show it."""
    return REASON_LABELS[Reason(reason)] if reason in set(Reason) else reason


def as_markdown(briefing: Briefing, remarks: Sequence[Remark], samples: Sequence[Sample], *, shown: int) -> str:
    """The briefing as a person reads it.

    Args:
        samples: with the most people first.
        shown: how many samples are written out; the others are only named.
    """
    parts = [
        _heading(briefing),
        _first_of_all(briefing, remarks, samples),
        _who(briefing),
        _who_not(briefing),
        _when(briefing),
        _cost(briefing),
        effect_in_words(briefing),
        trial_in_words(briefing),
        _others(briefing),
        _checks(remarks),
        _samples(samples, shown=shown),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _heading(briefing: Briefing) -> str:
    about, counts = briefing.about, briefing.counts
    name = f"# {_plain(about.campaign_name)}: {about.spec.key}"
    again = f"Re-run {about.rotation} of this wave, for the cohort *{about.cohort}*.\n\n" if about.rotation else ""
    said = f"**{counts.messages:,} of {_people(counts.audience)} get this message**"
    if briefing.first_at and briefing.last_at:
        said += f", from {_at(briefing.first_at, briefing)} to {_at(briefing.last_at, briefing)}"
    if briefing.total_cost is not None:
        said += f", for {_money(briefing.total_cost, briefing)}"
    return f"{name}\n\n{again}{said}."


def _first_of_all(briefing: Briefing, remarks: Sequence[Remark], samples: Sequence[Sample]) -> str:
    """What is out of the ordinary; nothing when nothing is."""
    lines = [each.text for each in remarks if each.is_error]
    if briefing.stale:
        lines.append(f"{_messages(briefing.stale)} will be stale before their turn comes, and are given up.")
    if briefing.overnight:
        lines.append(
            f"{_messages(briefing.overnight)} do not get their turn before quiet hours: they wait for another day."
        )
    if briefing.counts.held_out and briefing.effect is None and not briefing.about.rotation:
        lines.append("People are held out for nothing: with so few on a side, no effect can be shown.")
    broken = [each for each in samples if each.problem]
    lines += [f"The {_named(each)} cannot be written: {each.problem}" for each in broken]
    lines += [
        f"It could not be found out {_PARTS.get(part, part)} ({error})." for part, error in briefing.failed.items()
    ]
    return "\n".join(["## Look at this first", "", *(f"- **{_plain(line)}**" for line in lines)]) if lines else ""


def _who(briefing: Briefing) -> str:
    counts = briefing.counts
    rows = [(CHANNEL_WORDS[each.channel], each.language, each.variant or "–", each.count) for each in counts.planned]
    said = (
        f"\n\n{_messages(counts.on_their_way)} of it are on their way or sent already." if counts.on_their_way else ""
    )
    body = _table(("over", "language", "variant", "people"), rows) if rows else "Nobody."
    return f"## Who gets it\n\n{body}{said}"


def _who_not(briefing: Briefing) -> str:
    rows = [(label(reason), count) for reason, count in briefing.counts.not_sent.items()]
    if not rows:
        return "## Who does not\n\nNobody is left out."
    return f"## Who does not, and why\n\n{_table(('why', 'people'), rows)}"


def _when(briefing: Briefing) -> str:
    if briefing.courses is None:
        return ""
    rows = []
    for channel, each in briefing.courses.items():
        rate = f"{each.per_second:,.0f}" if each.per_second >= 100 else f"{each.per_second:.3g}"
        times = [_at(instant, briefing) if instant else "–" for instant in (each.first_at, each.last_at)]
        rate += " a second, assumed" if channel in briefing.unlimited else " a second"
        rows.append((CHANNEL_WORDS[channel], each.planned, rate, *times))
    if not rows:
        return "## When\n\nNothing is to be sent."
    zone = briefing.about.spec.timezone
    said = f"## When\n\n{_table(('over', 'messages', 'at', 'first', 'last'), rows)}"
    busiest = briefing.busiest
    if busiest is not None:
        said += f"\n\nThe busiest hour begins {_at(busiest.starts_at, briefing)}, with {_messages(busiest.messages)}."
    return f"{said} Times are of {zone}; nothing else is taken to be sent meanwhile."


def _cost(briefing: Briefing) -> str:
    if not briefing.costs:
        return ""
    rows, unpriced = [], []
    for each in briefing.costs:
        name = CHANNEL_WORDS[each.channel]
        if each.price is None or each.amount is None:
            unpriced.append(f"No price is set for {name}: PUSHPULL_COST_{each.channel.upper()}.")
            continue
        name += ", by the segment" if each.channel is Channel.SMS else ""
        rows.append((name, each.messages, each.units, f"{each.price.normalize():f}", _money(each.amount, briefing)))
    parts = ["## What it costs"]
    if rows:
        parts.append(_table(("over", "messages", "units", f"{briefing.currency} each", "cost"), rows))
    if unpriced:
        parts.append(" ".join(unpriced))
    return "\n\n".join(parts)


def _others(briefing: Briefing) -> str:
    lines = []
    if briefing.writing is not None:
        rows = [(key, count) for key, count in briefing.writing.items()]
        lines.append(
            _table(("campaign", "of these people"), rows)
            if rows
            else f"Nobody, within {AROUND_DAYS} days before or after."
        )
    if briefing.capped:
        lines.append(
            f"{_people(briefing.capped)} have used up their attention budget for the day, the week or the month: "
            "they wait, or are left out."
        )
    return "\n\n".join([f"## Who else writes to them within {AROUND_DAYS} days", *lines]) if lines else ""


def _checks(remarks: Sequence[Remark]) -> str:
    if not remarks:
        return "## What the checks say\n\nNothing is wrong."
    lines = [f"- {'**error:** ' if each.is_error else ''}{_plain(each.text)}" for each in remarks]
    return "\n".join(["## What the checks say", "", *lines])


def _samples(samples: Sequence[Sample], *, shown: int) -> str:
    written = [each for each in samples if not each.problem]
    if not written or not shown:
        return ""
    parts = ["## What it says, to an invented learner"]
    for each in written[:shown]:
        fence = _fence(each.text)
        subject = f"**{_plain(each.subject)}**\n\n" if each.subject else ""
        title = f"### {_named(each)}: {_people(each.count)}, {each.size}"
        parts.append(f"{title}\n\n{subject}{fence}text\n{each.text.strip()}\n{fence}")
    if written[shown:]:
        parts.append(f"Not shown: {', '.join(_named(each) for each in written[shown:])}.")
    return "\n\n".join(parts)


def _named(sample: Sample) -> str:
    words = (CHANNEL_WORDS[sample.channel], sample.language, sample.variant)
    return " · ".join(word for word in words if word)


def _fence(text: str) -> str:
    """More backticks than the text has in a row."""
    longest = max((len(run) for run in _runs(text)), default=0)
    return "`" * max(3, longest + 1)


def _runs(text: str) -> Iterator[str]:
    run = ""
    for character in text:
        if character == "`":
            run += character
        elif run:
            yield run
            run = ""
    if run:
        yield run


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; numbers stand to the right."""
    body = [list(row) for row in rows]
    right = [all(isinstance(row[place], int) for row in body) for place in range(len(columns))]
    lines = [
        "| " + " | ".join(columns) + " |",
        "|" + "|".join("---:" if is_number else "---" for is_number in right) + "|",
    ]
    lines += ["| " + " | ".join(_cell(each) for each in row) + " |" for row in body]
    return "\n".join(lines)


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else _plain(str(value)).replace("|", "\\|")


def _plain(text: str) -> str:
    """Words of authors and checks on one line, without markup of their own."""
    return " ".join(text.split()).replace("<", "&lt;").replace("`", "'")


def _people(count: int) -> str:
    return "1 person" if count == 1 else f"{count:,} people"


def _messages(count: int) -> str:
    return "1 message" if count == 1 else f"{count:,} messages"


def _money(amount: Decimal, briefing: Briefing) -> str:
    return f"{amount:,.2f} {briefing.currency}"


def _at(instant: datetime, briefing: Briefing) -> str:
    return f"{instant.astimezone(ZoneInfo(briefing.about.spec.timezone)):%a %d %b %Y %H:%M}"
