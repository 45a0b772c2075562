"""A wave may take the variant that answers a learner's barrier, and the channel over which they respond."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from content.campaign import Campaign, load_campaign, stage_waves
from content.preview import preview
from content.source import ContentError
from tests.content.conftest import EXAMPLE, Edit

FILE = f"campaigns/{EXAMPLE}.yaml"
WORDS = "templates/messages/return-small"


def refusal(copied: Path) -> str:
    with pytest.raises(ContentError) as refused:
        load_campaign(EXAMPLE, copied)
    return "\n".join(str(each) for each in refused.value.problems)


def test_the_wave_gets_the_variants_that_are_named_after_barriers(campaign: Campaign) -> None:
    (small,) = stage_waves(campaign, "reengagement", date(2026, 2, 3), "small")
    assert small.barrier_variants == ("no-time", "insulted", "exposure")
    assert small.variant_names == ("standard", "no-time", "insulted", "exposure")
    assert small.variants == ()
    assert not small.prefer_learner_channel


def test_the_wave_says_that_the_learners_channel_comes_first(campaign: Campaign) -> None:
    (resume,) = stage_waves(campaign, "onboarding", date(2026, 2, 3), "resume")
    assert resume.prefer_learner_channel
    assert resume.barrier_variants == ()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("variants_by: barrier", "variants_by: mood", "barrier"),
        ("variants_by: barrier", "variants_by: barrier\n        variants: {standard: 1}", "write one of them"),
        ("message: return-small", "message: return-choice", "no variant named after a barrier: no-time, insulted"),
        (
            "channels: [teams, slack, email, sms]\n        prefer_learner_channel: true",
            "channels: [teams]\n        prefer_learner_channel: true",
            "name two or more",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_words(edit: Edit, copied: Path, old: str, new: str, said: str) -> None:
    edit(FILE, old, new)
    assert said in refusal(copied)


def test_a_variant_must_be_there_in_every_language(edit: Edit, copied: Path) -> None:
    edit(f"{WORDS}/fr.yaml", "  exposure:", "  exposed:")
    assert "'return-small' has no variant 'exposure' in 'fr'" in refusal(copied)


def test_the_preview_shows_every_variant_in_every_language(
    campaign: Campaign, content_dir: Path, tmp_path: Path
) -> None:
    page = preview(campaign, [], tmp_path / "gallery", content_dir=content_dir).read_text(encoding="utf-8")
    for words in ("It fits into a short break", "Passt in eine kurze Pause", "Salta lo que ya sabes", "à votre rythme"):
        assert words in page
