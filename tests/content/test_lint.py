"""The linter: the shipped content is clean, and each rule finds what it is for."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine

from content.lint import Severity, lint_content
from content.lint.copywriting import found_in, lix, phrases
from pushpull.catalogue.tables import item
from pushpull.db import reading, writing
from tests.content.conftest import EXAMPLE, Edit, line_of

MESSAGES = "templates/messages"
#: Rules about a campaign, or about a message that one sends.
OF_A_CAMPAIGN = {"rendering", "mix", "structure", "missing-channel", "uniform", "subject-length", "tone"}


def test_the_shipped_content_is_clean(content_dir: Path) -> None:
    assert [str(finding) for finding in lint_content(content_dir)] == []


@pytest.mark.parametrize(
    ("file", "old", "new", "rule"),
    [
        (f"{MESSAGES}/resume/message.yaml", "purpose: Go on where the learner stopped", "purpose: [Go on, Buy more]", "one-purpose"),  # noqa: E501
        (f"{MESSAGES}/resume/en.yaml", "call_to_action: Go on from here", "call_to_action: [Go on, See more]", "one-call-to-action"),  # noqa: E501
        (f"{MESSAGES}/resume/en.yaml", "the next step.", "the next step at https://b.example/x", "one-call-to-action"),
        (f"{MESSAGES}/resume/en.yaml", "the next step.", "the next step. " + "One more short word here. " * 20, "word-limit"),  # noqa: E501
        (f"{MESSAGES}/resume/en.yaml", "the next step.", "the consideration of organisational competencies notwithstanding "  # noqa: E501
         "interdependencies between professional responsibilities necessitates comprehensive documentation.", "reading-grade"),  # noqa: E501
        (f"{MESSAGES}/resume/en.yaml", "the next step.", "the next step*.", "small-print"),
        (f"{MESSAGES}/resume/en.yaml", "the next step.", "the next step. Terms and conditions apply.", "small-print"),
        (f"{MESSAGES}/resume/en.yaml", "the next step.", "the next step. You have fallen behind.", "debt"),
        (f"{MESSAGES}/resume/de.yaml", "reichen zwei Minuten.", "reichen zwei Minuten. Alle anderen haben es schon.", "shaming"),  # noqa: E501
        (f"{MESSAGES}/resume/fr.yaml", "le pas suivant.", "le pas suivant. Dépêchez-vous !", "urgency"),
        (f"{MESSAGES}/resume/es.yaml", "bastan dos minutos.", "bastan dos minutos. ¡Última oportunidad!", "urgency"),
        (f"{MESSAGES}/resume/en.yaml", "the next step.", "the next step with {{ link|safe }}", "template"),
        (f"{MESSAGES}/resume/en.yaml", "the next step.", "the next step, {{ first_name }}", "template"),
        (f"{MESSAGES}/resume/en.yaml", "the next step.", "the next step. Let us leverage that.", "tone"),
        (f"{MESSAGES}/resume/en.yaml", "headline: Your place is kept", "headlin: Your place is kept", "structure"),
        (f"{MESSAGES}/resume/fr.yaml", "Tout est resté en place.", "Ça vous attend, bientôt prêt.", "sms-alphabet"),
        (f"{MESSAGES}/resume/en.yaml", "Your place is kept. Go on here:", "Your place is kept for as long as you want. Go on here:", "rendering"),  # noqa: E501
        (f"{MESSAGES}/resume/es.yaml", "sms:", "# sms:", "missing-channel"),
        (f"{MESSAGES}/resume/en.yaml", "Your place is kept{% endif %}", "Your place is kept, " + "truly " * 10 + "{% endif %} and so on, and on, and on, for a good while", "subject-length"),  # noqa: E501
        (f"{MESSAGES}/launch-announcement/en.yaml", "Two minutes a day. That", "Two minutes a day for {{ item_title }}. That", "uniform"),  # noqa: E501
        (f"{MESSAGES}/invitation/en.yaml", "    subject: What could", "    subject: Last chance. What could", "urgency"),  # noqa: E501
        ("brands/larkfield.yaml", 'primary: "#0b5d57"', 'primary: "#8fd3cd"', "contrast"),
        ("brands/larkfield.yaml", 'muted: "#545b6b"', 'muted: "#545b6"', "structure"),
        ("brands/larkfield.yaml", "learning@larkfield.example", "learning", "structure"),
        ("trends/customer-first.yaml", "title: Customer first", "title: Customer first or you owe us", "debt"),
        (f"campaigns/{EXAMPLE}.yaml", "mix: {push: 0, pull: 100}", "mix: {push: 80, pull: 20}", "mix"),
        (f"campaigns/{EXAMPLE}.yaml", "message: resume", "message: resumé", "structure"),
        (f"campaigns/{EXAMPLE}.yaml", "message: resume", "message: resum", "structure"),
    ],
)  # fmt: skip
def test_each_rule_finds_what_it_is_for(edit: Edit, copied: Path, file: str, old: str, new: str, rule: str) -> None:
    path = edit(file, old, new)
    if rule not in OF_A_CAMPAIGN:  # what campaigns render takes the time, and is not what is tried
        (copied / "campaigns" / f"{EXAMPLE}.yaml").unlink()
    found = [finding for finding in lint_content(copied) if finding.rule == rule]
    assert found, [str(finding) for finding in lint_content(copied)]
    assert found[0].file == path
    assert found[0].line >= 1
    assert f"{path}:{found[0].line}:" in str(found[0])


def test_the_line_of_a_finding_is_the_line_of_the_words(edit: Edit, copied: Path) -> None:
    path = edit(f"{MESSAGES}/resume/en.yaml", "the next step.", "the next step. Act now.")
    (finding,) = lint_content(copied)
    assert (finding.line, finding.field, finding.severity) == (line_of(path, "Act now"), "body[1]", Severity.ERROR)


def test_a_message_must_be_there_in_all_languages_and_variants(edit: Edit, copied: Path) -> None:
    (copied / MESSAGES / "resume" / "fr.yaml").unlink()
    edit(
        f"{MESSAGES}/return-choice/en.yaml",
        "call_to_action:",
        "variants: {short: {subject: Two minutes}}\ncall_to_action:",
    )
    rules = {(finding.rule, finding.file.parent.name) for finding in lint_content(copied)}
    assert ("missing-language", "resume") in rules
    assert ("missing-variant", "return-choice") in rules


def test_another_brands_name_is_not_ours(copied: Path, edit: Edit) -> None:
    text = (copied / "brands" / "larkfield.yaml").read_text(encoding="utf-8")
    other = text.replace("key: larkfield", "key: fernhill").replace("name: Larkfield Learning\n", "name: Fernhill\n", 1)
    (copied / "brands" / "fernhill.yaml").write_text(other, encoding="utf-8")
    edit(f"{MESSAGES}/resume/en.yaml", "the next step.", "the next step, as at Fernhill.")
    assert {finding.rule for finding in lint_content(copied)} == {"foreign-brand"}


def test_a_mandatory_campaign_advertises_nothing(copied: Path) -> None:
    (copied / "campaigns" / f"{EXAMPLE}.yaml").unlink()
    (copied / "campaigns" / "safety.yaml").write_text(
        """
key: safety
name: Fire safety
brand: larkfield
class: mandatory
family: compliance
items: [fire-safety]
start: 2026-01-12
weeks: 2
stages:
  launch:
    mix: {push: 100, pull: 0}
    waves:
      - {key: first, message: resume, touch: push, when: {after_start: {days: 0}}, channels: [email]}
""",
        encoding="utf-8",
    )
    assert lint_content(copied) == []
    path = copied / MESSAGES / "resume" / "en.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("the next step.", "the next step. Win a prize."), "utf-8")
    assert {finding.rule for finding in lint_content(copied)} == {"promotion"}


def test_items_are_looked_up_in_the_catalogue(engine: Engine, content_dir: Path) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    with writing(engine) as connection:
        for key in ("feedback-101", "clear-writing"):
            connection.execute(item.insert().values(key=key, title=key, active=True, created_at=now, updated_at=now))
    with reading(engine) as connection:
        (finding,) = lint_content(content_dir, connection=connection)
    assert (finding.rule, finding.field) == ("unknown-item", "items[1]")


def test_lix_is_what_its_author_defined() -> None:
    assert lix("The cat sat. The dog ran.") == 3.0
    assert lix("Tolerance matters here.") == pytest.approx(3 + 100 * 2 / 3)
    assert lix("123 !!") == 0


def test_phrases_are_whole_words() -> None:
    pattern = phrases(["act now", "urgent*"])
    assert list(found_in("React now. ACT  NOW! Urgently, insurgents.", pattern)) == ["ACT  NOW", "Urgently"]
    assert not list(found_in("anything", phrases([])))
