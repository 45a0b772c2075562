"""The champions stage of a campaign file, and thanks as cards."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest

from content.campaign import Campaign, load_campaign, stage_waves
from content.source import ContentError
from content.thanks import thanks_card
from pushpull.learners.recognitions import Thanks
from pushpull.learners.vocabulary import RecognitionKind
from tests.content.conftest import EXAMPLE, Edit

FILE = "campaigns/two-minutes-a-day.yaml"
LANGUAGES = ("en", "de", "fr", "es")


def test_the_spec_says_how_many_champions_there_may_be_and_who_is_never_asked(campaign: Campaign) -> None:
    (spec,) = stage_waves(campaign, "champions", date(2026, 1, 27))
    assert spec.champions == 8
    assert spec.vested == campaign.vested
    assert stage_waves(campaign, "champions", date(2026, 1, 20)) == ()  # nobody has much to tell so early
    (launch,) = (each for each in stage_waves(campaign, "launch", campaign.start) if "announcement" in each.key)
    assert (launch.champions, launch.vested) == (0, None)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("        champions: 8         # at a time; a term lasts 90 days\n", "", "how many `champions`"),
        ("        once: true\n", "        once: true\n        champions: 3\n", "how many `champions`"),
        ("class: nudge", "class: mandatory", "nobody is obliged to vouch"),
        ("  any:\n    - {field: department", "  any:\n    - {field: departement", "departement"),
    ],
)
def test_a_stage_that_cannot_be_meant_so_is_refused(edit: Edit, old: str, new: str, said: str) -> None:
    path = edit(FILE, old, new)
    if "mandatory" in new:
        edit(FILE, "holdout: 0.1 ", "holdout: 0 ")
    with pytest.raises(ContentError) as refused:
        load_campaign(EXAMPLE, path.parent.parent)
    assert any(said in problem.message for problem in refused.value.problems)


@pytest.mark.parametrize("kind", list(RecognitionKind))
@pytest.mark.parametrize("language", [*LANGUAGES, "pt-BR"])
def test_thanks_name_what_was_agreed_to_and_nothing_else(kind: RecognitionKind, language: str) -> None:
    thanks = Thanks(7, kind, "[Ada](http://x.example)", "Example", datetime(2026, 1, 27, tzinfo=UTC))
    card = thanks_card(thanks, language)
    body = json.loads(card.json)["body"]
    assert {each["type"] for each in body} == {"RichTextBlock"}
    title, line = (each["inlines"][0]["text"] for each in body)
    assert card.summary == f"{title}: {line}"
    assert "[Ada](http://x.example) E." in line
    assert "Example" not in line
    assert not any(sign.isdigit() for sign in line)
