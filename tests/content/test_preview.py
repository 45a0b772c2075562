"""The gallery: everything in it, nothing from elsewhere."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

from content.campaign import Campaign, When
from content.preview import in_words, preview
from content.samples import EXTREMES, ORDINARY


class Elements(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))


def test_every_wave_is_shown_in_every_language_and_channel(
    campaign: Campaign, content_dir: Path, tmp_path: Path
) -> None:
    page = preview(campaign, [], tmp_path / "gallery", content_dir=content_dir).read_text(encoding="utf-8")
    for stage, wave in campaign.waves():
        assert f'id="{stage}.{wave.key}"' in page
    frames = [given for tag, given in Elements(page).elements if tag == "iframe"]
    variants = {wave.key: 4 if wave.variants_by else max(1, len(wave.variants)) for _, wave in campaign.waves()}
    emails = sum(4 * variants[wave.key] for _, wave in campaign.waves() if "email" in wave.channels)
    assert len(frames) == emails
    assert all("sandbox" in frame and frame["srcdoc"] for frame in frames)
    assert "1 segment ·" in page
    assert 'class="problem"' not in page


def test_nothing_is_loaded_and_no_script_runs(campaign: Campaign, content_dir: Path, tmp_path: Path) -> None:
    learners = [("Ordinary", "de-AT", ORDINARY), ("<b>Hostile</b>", "xx", EXTREMES["hostile"])]
    page = preview(campaign, learners, tmp_path, content_dir=content_dir).read_text(encoding="utf-8")
    elements = Elements(page).elements
    assert {tag for tag, _ in elements}.isdisjoint({"script", "img", "link", "object", "embed", "form"})
    assert not [given for _, given in elements if any(name in given for name in ("src", "onclick", "onload"))]
    assert not re.search(r"@import|url\(", page)
    assert "<b>Hostile</b>" not in page
    assert "Ordinary · de" in page
    assert "Hostile&lt;/b&gt; · en" in page


def test_a_message_that_cannot_be_written_is_shown_as_such(
    campaign: Campaign, content_dir: Path, tmp_path: Path
) -> None:
    bad = replace(ORDINARY, link="nowhere")
    page = preview(campaign, [("Bad", "en", bad)], tmp_path, content_dir=content_dir).read_text(encoding="utf-8")
    assert 'class="problem"' in page


def test_triggers_are_told_in_words() -> None:
    said = {
        in_words(When.model_validate(given))
        for given in (
            {"after_start": {"days": 0}},
            {"after_start": {"weeks": 1}},
            {"weekly": ["mon", "thu"], "every_weeks": 2, "from_week": 2, "until_week": 4},
            {"working_days_from_due": -2},
            {"inactive_days": 7, "inactive_rhythm": 2},
            {"daily": True},
        )
    }
    assert said == {
        "on the first day",
        "on day 8 of the campaign",
        "every 2 weeks on mon, thu, from week 2, until week 4",
        "2 working days before the learner’s own due date",
        "after silence of 7 days and 2 times their own usual gap",
        "every working day",
    }
