"""Campaign files: what is refused, and where the error says it is."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from content.campaign import campaign_keys, load_campaign, stage_waves
from content.source import ContentError, Problem, read_yaml
from tests.content.conftest import EXAMPLE, Edit, line_of

FILE = f"campaigns/{EXAMPLE}.yaml"

ANNOUNCEMENT = "stages.launch.waves[0]"


def problems_of(path: Path) -> tuple[Problem, ...]:
    with pytest.raises(ContentError) as caught:
        load_campaign(path.stem, path.parent.parent)
    return caught.value.problems


@pytest.mark.parametrize(
    ("old", "new", "field", "said"),
    [
        ("holdout: 0.1 ", "holdout: 0.7 ", "holdout", "less than or equal to 0.5"),
        ("holdout: 0.1 ", "holdaut: 0.1 ", "holdaut", "did you mean 'holdout'?"),
        ("class: nudge\n", "class: spam\n", "class", "'mandatory', 'service' or 'nudge'"),
        ("class: nudge\n", "", "class", "is missing"),
        ("timezone: Europe/Berlin", "timezone: Europe/Atlantis", "timezone", "not an IANA time zone"),
        ("weeks: 6\n", "weeks: 6\nend: 2026-03-01\n", "", "exactly one of `weeks` and `end`"),
        ("start: 2026-01-12", "start: 12.01.26", "start", "date"),
        ("  field: active\n", "  field: aktive\n", "audience.field", "did you mean 'active'?"),
        ("brand: larkfield", "brand: larkfeld", "brand", "there is no brand 'larkfeld'; known: larkfield"),
        ("brand: larkfield", "brand: ../x", "brand", "pattern"),
        ("until: \"08:00\"", "until: \"19:00\"", "budget", "leave no time to send"),
        ("day: 1, week: 3", "day: 0, week: 3", "budget.caps.day", "greater than or equal to 1"),
        ("opt_outs: 0.05", "opt_out: 0.05", "stop.opt_out", "did you mean 'opt_outs'?"),
        ("push: 100, pull: 0", "push: 90, pull: 0", "stages.launch.mix", "add up to 100"),
        ("  - key: feedback\n", "  - key: focus\n", "goals[1]", "appears more than once"),
        ("item: feedback-101", "item: feedback-102", "goals[1].item", "not among the campaign's items; did you mean"),
        ("{weeks: 5, days: 2}", "{weeks: 7}", "goals[3].due", "outside the campaign"),
        ("        touch: push\n", "", f"{ANNOUNCEMENT}.touch", "is missing"),
        ("        touch: push\n", "        touch: shove\n", f"{ANNOUNCEMENT}.touch", "'push' or 'pull'"),
        ("message: launch-announcement", "message: launch-anouncement", f"{ANNOUNCEMENT}.message", "did you mean"),
        ("{after_start: {days: 0}}", "{after_start: {days: 5}}", f"{ANNOUNCEMENT}.when", "Saturday 2026-01-17"),
        ("{after_start: {days: 0}}", "{after_start: {weeks: 6}}", f"{ANNOUNCEMENT}.when", "after the campaign's last"),
        ("{after_start: {days: 0}}", "{daily: true, weekly: [mon]}", f"{ANNOUNCEMENT}.when", "exactly one of"),
        ("{after_start: {days: 0}}", "{}", f"{ANNOUNCEMENT}.when", "found none"),
        ("{after_start: {days: 0}}", "{after_strat: {days: 0}}", f"{ANNOUNCEMENT}.when.after_strat", "'after_start'"),
        ("{after_start: {days: 0}}", "{weekly: [sun]}", f"{ANNOUNCEMENT}.when.weekly", "not among the budget's"),
        ("        hour: 9\n", "        hour: 19\n", f"{ANNOUNCEMENT}.hour", "in the quiet hours (18:00 to 08:00)"),
        ("        hour: 9\n", "        hour: 25\n", f"{ANNOUNCEMENT}.hour", "less than or equal to 23"),
        ("[email, teams, slack, sms]", "[email, email]", f"{ANNOUNCEMENT}.channels", "names a channel twice"),
        ("[email, teams, slack, sms]", "[fax]", f"{ANNOUNCEMENT}.channels[0]", "'email'"),
        ("[email, teams, slack, sms]", "[]", f"{ANNOUNCEMENT}.channels", "at least 1 item"),
        ("        once: true\n", "        once: true\n        items: 3\n", f"{ANNOUNCEMENT}.items", "does not show items"),  # noqa: E501
        ("after: [launch.announcement]", "after: [launch.anouncement]", "stages.launch.waves[1].after[0]", "did you mean"),  # noqa: E501
        ("standard: 1, question: 1", "question: 1, poem: 1", "stages.onboarding.waves[0].variants.poem", "no variant"),
        ("state: [aware]", "state: [awake]", "stages.onboarding.waves[0].state[0]", "'aware'"),
        ("progress: {status: [started]}", "progress: {status: [startd]}", "stages.onboarding.waves[2].segment", "did you mean 'started'?"),  # noqa: E501
        ("trend: ai-at-work", "trend: ai-at-wrok", "stages.recommendations.waves[0].trend", "there is no trend"),
        ("channels: [email]", "channels: [sms]", "stages.recommendations.waves[0].channels[0]", "exists only as email"),
        ("key: two-minutes-a-day", "key: three-minutes", "key", "the file is called"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_file_line_and_field(edit: Edit, old: str, new: str, field: str, said: str) -> None:
    path = edit(FILE, old, new)
    problems = problems_of(path)
    matching = [problem for problem in problems if problem.field.startswith(field) and said in problem.message]
    assert matching, [str(problem) for problem in problems]
    assert matching[0].file == path
    changed = line_of(path, new.strip().splitlines()[-1]) if new.strip() and field else 1
    if "is missing" not in said and field:
        assert abs(matching[0].line - changed) <= 9  # the thing itself, or the mapping that it is part of
        assert matching[0].line > 1


def test_the_line_is_exact(edit: Edit) -> None:
    path = edit(FILE, "standard: 1, question: 1", "standard: 1, question: 0")
    (problem,) = problems_of(path)
    assert problem.line == line_of(path, "question: 0")
    assert str(problem).startswith(f"{path}:{problem.line}: stages.onboarding.waves[0].variants.question: ")


def test_all_mistakes_are_listed_at_once(edit: Edit) -> None:
    edit(FILE, "holdout: 0.1 ", "holdout: x ")
    edit(FILE, "family: learning", "famly: learning")
    path = edit(FILE, "timezone: Europe/Berlin", "timezone: Mars")
    fields = {problem.field for problem in problems_of(path)}
    assert {"holdout", "famly", "family", "timezone"} <= fields


def test_a_mandatory_campaign_holds_no_promotion_and_nobody_out(edit: Edit) -> None:
    path = edit(FILE, "class: nudge", "class: mandatory")
    assert any("cannot hold anybody out" in problem.message for problem in problems_of(path))
    edit(FILE, "holdout: 0.1", "holdout: 0")
    messages = [problem.message for problem in problems_of(path)]
    assert any("holds no promotion" in message for message in messages)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("when: {daily_goal: true}", "when: {daily: true}", "the habit stage has daily nudges and reminders alone"),
        ("when: {working_days_from_due: -2}", "when: {at_cue: true}", "belong to the habit stage"),
        ("when: {daily_goal: true}", "when: {daily_goal: true, at_cue: true}", "needs exactly one of"),
        ("when: {daily_goal: true}\n", "when: {daily_goal: true}\n        once: true\n", "comes again"),
        ("when: {at_cue: true}\n", "when: {at_cue: true}\n        prefer_learner_hour: true\n", "own cue does"),
    ],
)
def test_daily_nudges_and_reminders_belong_to_the_habit_stage_and_come_again(
    edit: Edit, old: str, new: str, said: str
) -> None:
    assert any(said in problem.message for problem in problems_of(edit(FILE, old, new)))


def test_a_nudge_gives_way_to_reminders_on_days_that_have_them(edit: Edit) -> None:
    day = date(2026, 1, 13)
    path = edit(FILE, "when: {at_cue: true}", "when: {at_cue: true, from_week: 2}")
    campaign = load_campaign(EXAMPLE, path.parent.parent)
    first, second = (stage_waves(campaign, "habit", day + timedelta(weeks=weeks)) for weeks in (0, 1))
    assert [(each.daily_goal, each.at_cue, each.cues_first) for each in first] == [(True, False, False)]
    assert [(each.daily_goal, each.at_cue, each.cues_first) for each in second] == [
        (True, False, True),
        (False, True, False),
    ]


def test_an_expired_trend_is_refused(edit: Edit) -> None:
    edit("trends/ai-at-work.yaml", "ends_on: 2027-12-31", "ends_on: 2026-01-20")
    path = edit(FILE, "holdout: 0.1", "holdout: 0.1")
    assert any("ended on 2026-01-20" in problem.message for problem in problems_of(path))


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"\xff\xfe\x00k", "not UTF-8"),
        (b"key: [1, 2", "not valid YAML"),
        (b"key: a\nkey: b\n", "not valid YAML"),
        (b"a: &x [1]\nb: *x\n", "anchors"),
        (b"- just\n- a list\n", "must be a mapping"),
        (b"", "must be a mapping"),
        (b"key: !!python/object/apply:os.system ['true']\n", ""),
        (b"x" * 300_000, "at most 262,144"),
        (b"a: \x00\n", "not valid YAML"),
        (b"[" * 200_000, "not valid YAML"),
        (b"[" * 1_500, "not valid YAML"),
    ],
)
def test_a_file_that_is_no_campaign_is_refused(copied: Path, raw: bytes, said: str) -> None:
    path = copied / "campaigns" / "broken.yaml"
    path.write_bytes(raw)
    assert any(said in problem.message for problem in problems_of(path))


def test_a_campaign_that_is_not_there_is_named_with_the_ones_that_are(content_dir: Path) -> None:
    with pytest.raises(ContentError, match="did you mean 'two-minutes-a-day'"):
        load_campaign("two-minutes-day", content_dir)
    assert EXAMPLE in campaign_keys(content_dir)


def test_a_key_cannot_leave_the_folder(content_dir: Path) -> None:
    with pytest.raises(ContentError, match="there is no campaign"):
        load_campaign("../brands/nothing", content_dir)


def test_lines_are_known_for_nested_places(content_dir: Path) -> None:
    path = content_dir / FILE
    source = read_yaml(path)
    assert source.line_of(("budget", "caps", "day")) == line_of(path, "caps:")
    assert source.line_of(("goals", 1, "item")) == line_of(path, "item: feedback-101")
    assert source.line_of(("nowhere",)) == 1
