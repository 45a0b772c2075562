"""What an author's template may do, and above all what it may not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from content.templating import (
    LAYOUT_NAMES,
    MAX_OUTPUT,
    Context,
    TemplateError,
    check,
    compile_template,
    fill,
    literals_for,
    names_in,
    tokens,
)

VALUES: dict[str, Any] = dict.fromkeys(LAYOUT_NAMES, "") | {"items": []}


@pytest.mark.parametrize(
    "source",
    [
        "{{ given_name.__class__.__mro__ }}",
        "{{ given_name['__class__'] }}",
        "{{ given_name|attr('__class__') }}",
        "{{ ''.__class__ }}",
        "{{ given_name.format(1) }}",
        "{{ link|safe }}",
        "{{ link|e }}",
        "{{ link|replace('a', 'b') }}",
        "{{ given_name|center(1000000000) }}",
        "{{ '%1000000000d'|format(1) }}",
        "{{ 'x' * 1000000000 }}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ given_name ~ given_name }}",
        "{{ [1, 2] }}",
        "{{ {'a': 1} }}",
        "{{ range(10) }}",
        "{{ cycler() }}",
        "{{ lipsum(100000) }}",
        "{{ self }}",
        "{{ config }}",
        "{{ unknown_name }}",
        "{{ items }}",
        "{{ items[0] }}",
        "{{ items|length }}",
        "{% autoescape false %}{{ given_name }}{% endautoescape %}",
        "{% include 'email.mjml.j2' %}",
        "{% import 'x' as x %}",
        "{% from 'x' import y %}",
        "{% extends 'x' %}",
        "{% block a %}{% endblock %}",
        "{% macro loop_forever() %}{{ loop_forever() }}{% endmacro %}{{ loop_forever() }}",
        "{% set x = 1 %}",
        "{% filter upper %}x{% endfilter %}",
        "{% call given_name() %}{% endcall %}",
        "{% with %}x{% endwith %}",
        "{% raw %}{{ x }}{% endraw %}",
        "{% for x in range(1000000000) %}x{% endfor %}",
        "{% for x in given_name %}x{% endfor %}",
        "{% for x in items recursive %}{{ loop(items) }}{% endfor %}",
        "{% for x in items if x.title %}x{% endfor %}",
        "{% for a in items %}{% for b in items %}x{% endfor %}{% endfor %}",
        "{% for a, b in items %}x{% endfor %}",
        "{% for given_name in items %}x{% endfor %}",
        "{% for x in items %}{{ x }}{% endfor %}",
        "{% for x in items %}{{ x.__class__ }}{% endfor %}",
        "{% for x in items %}{{ x._asdict }}{% endfor %}",
        "{% for x in items %}{{ x.title.upper }}{% endfor %}",
        "{% for x in items %}{{ loop.cycle('a') }}{% endfor %}",
        "{% for x in items %}x{% endfor %}{{ x.title }}",
        "{% do given_name %}",
        "{{ given_name is string }}",
        "{{ not_closed",
        "{% if given_name %}no end",
        "{{ " + "(" * 300 + "given_name" + ")" * 300 + " }}",
        "{% if given_name %}" * 200 + "{% endif %}" * 200,
        "x" * 70_000,
    ],
)  # fmt: skip
@pytest.mark.parametrize("context", list(Context))
def test_what_is_not_on_the_list_is_refused(source: str, context: Context) -> None:
    with pytest.raises(TemplateError):
        compile_template(source, context)


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("Hi {{ given_name }}", "Hi Ana"),
        ("{% if place_title %}a{% elif due_day %}b{% else %}c{% endif %}", "c"),
        ("{% if given_name and not place_title %}yes{% endif %}", "yes"),
        ("{{ 'a' if given_name == 'Ana' else 'b' }}", "a"),
        ("{{ given_name|upper }}", "ANA"),
        ("{% for item in items %}{{ loop.index }}{% endfor %}", ""),
        ("{# a note #}x", "x"),
    ],
)
def test_what_is_needed_works(source: str, result: str) -> None:
    assert fill(compile_template(source, Context.TEXT), VALUES | {"given_name": "Ana"}) == result


def test_a_missing_value_is_an_error_not_a_gap() -> None:
    with pytest.raises(UndefinedError):
        fill(compile_template("{{ given_name }}", Context.TEXT), {})


def test_the_error_names_the_line() -> None:
    with pytest.raises(TemplateError) as caught:
        check("one\ntwo\n{{ link|safe }}", names=LAYOUT_NAMES)
    assert caught.value.line == 3
    assert "safe" in caught.value.message


def test_a_huge_output_is_refused() -> None:
    template = compile_template("{{ given_name }}" * 3, Context.TEXT)
    with pytest.raises(TemplateError, match="at most"):
        fill(template, VALUES | {"given_name": "x" * (MAX_OUTPUT // 2)})


def test_layout_names_are_not_for_words() -> None:
    with pytest.raises(TemplateError, match="link"):
        check("{{ link }}")


@given(st.text())
def test_html_never_lets_a_value_out(value: str) -> None:
    filled = fill(compile_template('<a title="{{ given_name }}">', Context.HTML), VALUES | {"given_name": value[:1000]})
    inside = filled.removeprefix('<a title="').removesuffix('">')
    assert not set(inside) & set("<>\"'")


@given(st.text(), st.text())
def test_json_gives_back_exactly_what_went_in(value: str, literal: str) -> None:
    source = json.dumps({"a": "@"}).replace("@", "{{ given_name }}")
    assert json.loads(fill(compile_template(source, Context.JSON), VALUES | {"given_name": value})) == {"a": value}


@given(st.text(st.characters(exclude_characters="{}#%", exclude_categories=["Cs"])))
def test_an_authors_literal_words_are_escaped_for_their_place(words: str) -> None:
    source = literals_for(words.replace("\r", ""), Context.HTML)
    assert not set(source) & set("<>\"'")


@given(st.text(alphabet="{}%# \nabif\"'|.-"))
def test_any_text_is_either_refused_or_taken_apart_without_loss(source: str) -> None:
    try:
        pieces = "".join(token.text for token in tokens(source))
    except TemplateError:
        return
    assert "".join(pieces.split()) in "".join(source.split()) or "-" in source


def test_placeholders_are_found() -> None:
    source = "{% if due_day %}{{ given_name }}{% endif %}{% for item in items %}{{ item.title }}{% endfor %}"
    assert names_in(source) == {"due_day", "given_name", "items"}
