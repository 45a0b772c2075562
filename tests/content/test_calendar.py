"""From a campaign to its waves, day by day."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from pathlib import Path

from content.campaign import Campaign, campaign_spec, goal_due_dates, load_campaign, stage_waves, waves_on
from pushpull.learners.segments import Segment
from pushpull.ledger.specs import CampaignSpec, WaveSpec
from tests.content.conftest import EXAMPLE, Edit

FILE = f"campaigns/{EXAMPLE}.yaml"


def all_waves(campaign: Campaign) -> list[WaveSpec]:
    days = (campaign.ends_on - campaign.start).days
    return [spec for day in range(-7, days + 8) for spec in waves_on(campaign, campaign.start + timedelta(days=day))]


def test_a_wave_happens_once_per_day_and_never_outside_the_campaign(campaign: Campaign) -> None:
    specs = all_waves(campaign)
    assert max(Counter(spec.key for spec in specs).values()) == 1
    assert {spec.series for spec in specs} == {f"{stage}.{wave.key}" for stage, wave in campaign.waves()}
    assert all(campaign.start <= spec.on <= campaign.ends_on for spec in specs)
    assert all(spec.on.weekday() in spec.window.weekdays for spec in specs)
    assert all(spec.key == f"{spec.series}@{spec.on}" for spec in specs)


def test_an_offset_happens_on_its_day_alone(campaign: Campaign) -> None:
    days = [spec.on for spec in all_waves(campaign) if spec.series == "launch.announcement"]
    assert days == [campaign.start]
    trend = [spec for spec in all_waves(campaign) if spec.series == "recommendations.trend-ai"]
    assert [spec.on for spec in trend] == [date(2026, 1, 27)]


def test_a_weekly_wave_keeps_to_its_weekday_and_weeks(campaign: Campaign) -> None:
    days = [spec.on for spec in all_waves(campaign) if spec.series == "onboarding.invitation"]
    assert days == [date(2026, 1, 15), date(2026, 1, 22), date(2026, 1, 29)]


def test_every_other_week_is_counted_from_the_first(edit: Edit, copied: Path) -> None:
    edit(FILE, "{weekly: [thu], from_week: 1, until_week: 3}", "{weekly: [mon, thu], every_weeks: 2, from_week: 2}")
    campaign = load_campaign(EXAMPLE, copied)
    weeks = {(spec.on - campaign.start).days // 7 + 1 for spec in all_waves(campaign) if "invitation" in spec.series}
    assert weeks == {2, 4, 6}


def test_triggers_of_the_learner_are_asked_every_working_day(campaign: Campaign) -> None:
    counts = Counter(spec.series for spec in all_waves(campaign))
    assert counts["launch.reminder"] == 30
    assert counts["onboarding.resume"] == 30
    assert counts["reengagement.small"] == 25  # from the second week


def test_the_spec_says_what_the_file_says(campaign: Campaign) -> None:
    (spec,) = stage_waves(campaign, "recommendations", date(2026, 2, 3))
    assert spec.message_key == "three-picks"
    assert (spec.item_count, spec.trend, spec.after, spec.min_gap_days) == (
        3, "ai-at-work", ("recommendations.trend-ai",), 5,
    )  # fmt: skip
    assert spec.languages == ("en", "de", "es", "fr")
    assert spec.holdout == 0.1
    assert (spec.caps.per_day, spec.caps.per_week, spec.caps.per_month) == (1, 3, 10)
    assert (spec.window.opens.hour, spec.window.closes.hour) == (8, 18)
    assert len(spec.content_hash) == 64
    reminder = next(each for each in waves_on(campaign, campaign.start) if each.series == "launch.reminder")
    assert reminder.due_offset == -2
    assert reminder.stop_when_active


def test_state_and_segment_both_narrow_the_audience(campaign: Campaign) -> None:
    resume = next(spec for spec in waves_on(campaign, campaign.start) if spec.series == "onboarding.resume")
    assert isinstance(resume.target, Segment)
    assert resume.target.model_dump() == {
        "all": [{"lifecycle": ["activated", "active"]}, {"progress": {"status": ["started"]}}]
    }


def test_those_a_trend_does_not_affect_are_left_out(edit: Edit, copied: Path) -> None:
    edit("trends/ai-at-work.yaml", "ends_on: 2027-12-31", "who: {tag: writes}\nends_on: 2027-12-31")
    (spec,) = stage_waves(load_campaign(EXAMPLE, copied), "recommendations", date(2026, 1, 27))
    assert spec.target is not None
    assert spec.target.model_dump() == {"tag": "writes"}


def test_a_trend_that_is_over_is_never_sent(edit: Edit, copied: Path) -> None:
    edit(FILE, "when: {after_start: {weeks: 2, days: 1}}", "when: {weekly: [tue]}")
    edit("trends/ai-at-work.yaml", "ends_on: 2027-12-31", "ends_on: 2026-02-03")
    days = [spec.on for spec in all_waves(load_campaign(EXAMPLE, copied)) if spec.trend == "ai-at-work"]
    assert max(days) == date(2026, 2, 3)


def test_a_spec_survives_the_ledger(campaign: Campaign) -> None:
    for spec in waves_on(campaign, date(2026, 2, 3)):
        assert WaveSpec.model_validate_json(spec.model_dump_json()) == spec
    whole = campaign_spec(campaign)
    assert CampaignSpec.model_validate_json(whole.model_dump_json()) == whole
    assert (whole.starts_on, whole.ends_on) == (date(2026, 1, 12), date(2026, 2, 22))
    assert whole.definition["class"] == "nudge"
    assert "stages" in whole.definition


def test_hashes_change_with_words_brand_and_file_and_with_nothing_else(edit: Edit, copied: Path) -> None:
    def hashes() -> tuple[str, str, str]:
        campaign = load_campaign(EXAMPLE, copied)
        first, *others = waves_on(campaign, campaign.start)
        return campaign_spec(campaign).content_hash, first.content_hash, others[0].content_hash

    before = hashes()
    assert hashes() == before
    edit("templates/messages/launch-announcement/fr.yaml", "dès cette semaine", "dès lundi")
    words = hashes()
    assert words[0] != before[0]
    assert words[1] != before[1]
    assert words[2] == before[2]
    edit("brands/larkfield.yaml", "#0b5d57", "#0b5d58")
    brand = hashes()
    assert all(one != other for one, other in zip(brand, words, strict=True))
    edit(FILE, "holdout: 0.1", "holdout: 0.2")
    assert hashes()[0] != brand[0]


def test_goals_have_their_days(campaign: Campaign) -> None:
    assert goal_due_dates(campaign) == {
        "open-your-page": date(2026, 1, 16),
        "feedback": date(2026, 1, 23),
        "focus": date(2026, 2, 6),
        "writing": date(2026, 2, 18),
    }
