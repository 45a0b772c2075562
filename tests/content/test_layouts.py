"""Layouts: what cards may hold, and what happens to a broken one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from content.campaign import load_campaign
from content.cards import card_template, read_layout
from content.render import Renderer, RenderError
from content.samples import ORDINARY
from content.source import ContentError
from content.templating import TemplateError
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.messages import CardBody
from tests.content.conftest import EXAMPLE, Edit


def built(layout: Any) -> str:
    def build(text: str, scope: Mapping[str, Any]) -> str:
        return text

    return card_template(layout, build, {"body": ["a", "b"], "shown": True, "hidden": False})


@pytest.mark.parametrize(
    "layout",
    [
        {"type": "TextBlock", "text": "*bold*"},
        {"text": {"type": "mrkdwn", "text": "x"}},
        {"$if": "shown", "a": 1},
        [{"$if": "first_contact", "a": 1}],
        [1, {"$if": "nobody_knows", "a": 1}],
        [1, {"$if": "__class__", "a": 1}],
        [1, {"$if": "1 or 1", "a": 1}],
        [1, {"$for": "x of items", "a": 1}],
        [1, {"$for": "x in secrets", "a": 1}],
        [1, {"$for": 7, "a": 1}],
    ],
)
def test_a_layout_that_could_go_wrong_is_refused(layout: Any) -> None:
    with pytest.raises(TemplateError):
        built(layout)


def test_entries_are_kept_dropped_and_repeated() -> None:
    layout = [
        {"n": 1},
        {"$if": "hidden", "n": 2},
        {"$if": ["shown", "not hidden"], "n": 3},
        {"$for": "x in body", "n": 4},
    ]
    assert json.loads(built(layout)) == [{"n": 1}, {"n": 3}, {"n": 4}, {"n": 4}]


def test_a_layout_that_is_no_json_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "teams.json"
    path.write_text('{\n"a": 1,\n}', encoding="utf-8")
    with pytest.raises(ContentError) as caught:
        read_layout(path)
    assert caught.value.problems[0].line >= 2


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("</mj-body>", ""),
        ("[[ headline ]]", "[[ head_line ]]"),
        ("[[ headline ]]", "[[ ''.__class__ ]]"),
        ("[[ headline ]]", "[[ headline"),
    ],
)
def test_a_broken_email_layout_is_named(edit: Edit, copied: Path, old: str, new: str) -> None:
    path = edit("templates/layouts/email.mjml.j2", old, new)
    renderer = Renderer(copied, load_campaign(EXAMPLE, copied))
    with pytest.raises(ContentError) as caught:
        renderer.render("resume", Channel.EMAIL, "en", None, ORDINARY)
    assert caught.value.problems[0].file == path


@pytest.mark.parametrize("bad", ["{{ link|safe }}", "{{ given_name.__class__ }}", "{% include 'x' %}", "{{ secret }}"])
def test_a_layout_keeps_to_the_list_too(edit: Edit, copied: Path, bad: str) -> None:
    edit("templates/layouts/email.mjml.j2", "[[ headline ]]", bad)
    renderer = Renderer(copied, load_campaign(EXAMPLE, copied))
    with pytest.raises(RenderError) as caught:
        renderer.render("resume", Channel.EMAIL, "en", None, ORDINARY)
    assert caught.value.code == "template"


def test_words_are_literal_in_every_channel(edit: Edit, copied: Path) -> None:
    nasty = "'A \"quoted\" <b>word</b> & [link](https://b.example) \\ *x* [[ subject ]]'"
    edit("templates/messages/resume/en.yaml", "headline: Your place is kept", f"headline: {nasty}")
    renderer = Renderer(copied, load_campaign(EXAMPLE, copied))
    email = repr(renderer.render("resume", Channel.EMAIL, "en", None, ORDINARY))
    assert "<b>word</b>" not in email.split("text=")[0]
    for channel in (Channel.TEAMS, Channel.SLACK):
        body = renderer.render("resume", channel, "en", None, ORDINARY)
        assert isinstance(body, CardBody)
        said = json.dumps(json.loads(body.json), ensure_ascii=False)
        assert json.dumps(nasty.strip("'"), ensure_ascii=False)[1:-1] in said
