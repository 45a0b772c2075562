"""A page that tells one learner's path, for the person who is entitled to ask."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

from pushpull.insights.explain.story import Entry, Explanation, folded
from pushpull.insights.report.markup import Html, document, el


def write_explanation(explanation: Explanation, out: Path, *, back_href: str | None = None) -> Path:
    """Write an explanation as a page.

    Args:
        out: the file to write; its folder is made.
        back_href: where the campaign's report is, relative to the page.
    """
    zone = ZoneInfo(explanation.zone)

    def told(entries: tuple[Entry, ...], empty: str) -> Html:
        rows = [
            el(
                "li",
                el("time", f"{entry.at.astimezone(zone):%a %d %b %H:%M}", datetime=entry.at.isoformat()),
                el("div", el("b", entry.title), *(el("p", detail) for detail in entry.details)),
                class_=f"entry {entry.kind.value}",
            )
            for entry in folded(entries)
        ]
        return el("ol", *rows, class_="path") if rows else el("p", empty, class_="none")

    stand_in = "" if explanation.zone_is_known else " (the learner's own zone is unknown)"
    page = document(
        f"{explanation.learner} in {explanation.campaign_name}",
        el(
            "header",
            el("p", "One learner's path", class_="eyebrow"),
            el("h1", explanation.learner),
            el("p", f"{explanation.campaign_name} · times of {explanation.zone}{stand_in}", class_="meta"),
            el("p", explanation.arm_words),
            el("p", f"Now {explanation.state.replace('_', ' ')}. {explanation.campaign_words or ''}"),
            el("nav", el("a", "Campaign report", href=back_href), aria_label="Back") if back_href else None,
        ),
        el(
            "main",
            el("section", el("h2", "What happened"), told(explanation.entries, "No wave has been planned yet.")),
            el("section", el("h2", "What comes next"), told(explanation.next, "Nothing is planned for the learner.")),
        ),
        el("footer", el("p", f"As of {explanation.as_of:%d %b %Y, %H:%M} UTC · made by Pushpull")),
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page, encoding="utf-8")
    return out
