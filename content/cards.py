"""Card layouts (Teams Adaptive Cards, Slack Block Kit): JSON that is parsed first and filled afterwards.

A layout is valid JSON. Only the text inside its strings is a template, so whatever a learner is called, the structure
stays as it was. Two keys on an entry of a list steer it: ``"$if": "name"`` keeps it where the name (or every one of a
list of names) holds something, ``"$for": "paragraph in body"`` repeats it. Text goes only where no markup is
interpreted (``TextRun``, ``plain_text``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from content.source import ContentError, Problem
from content.templating import LAYOUT_NAMES, TemplateError, json_text, rewrite

#: Kinds of text objects in which `*`, `[]()` or `<!channel>` would mean something.
_INTERPRETED = {"TextBlock": "RichTextBlock with TextRun", "mrkdwn": "plain_text"}
_LOOP = re.compile(r"([a-z_]+) in ([a-z_.]+)\Z")
_CONDITION = re.compile(r"(not )?([a-z_]+(?:\.[a-z_]+)?)\Z")

#: Turns the text of one JSON string into a learner's template, with the names of build-time loops in scope.
Build = Callable[[str, Mapping[str, Any]], str]


def read_layout(path: Path) -> Any:
    """A card layout.

    Raises:
        ContentError: the file is missing or no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ContentError([Problem(path, 1, "", f"cannot be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        raise ContentError([Problem(path, 1, "", "is not UTF-8")]) from error
    except (json.JSONDecodeError, RecursionError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else 1
        raise ContentError([Problem(path, line, "", f"is not valid JSON: {error}")]) from error


def card_template(layout: Any, build: Build, known: Mapping[str, Any]) -> str:
    """The layout as the source of one learner's template that yields JSON.

    Args:
        build: fills what is known before any learner is, e.g. the message's words.
        known: what ``$if`` and ``$for`` may ask about at that point.

    Raises:
        TemplateError: the layout steers wrongly or uses text that would be interpreted.
    """
    return _value(layout, build, known)


def _value(value: Any, build: Build, known: Mapping[str, Any]) -> str:
    if isinstance(value, str):
        return '"' + rewrite(build(value, known), literal=json_text) + '"'
    if isinstance(value, list):
        return "[" + "".join(_entries(value, build, known)) + "]"
    if isinstance(value, dict):
        kind = value.get("type")
        if isinstance(kind, str) and kind in _INTERPRETED:
            raise TemplateError(f"{kind} interprets markup; use {_INTERPRETED[kind]}, which shows text as it is")
        if steering := [key for key in value if key.startswith("$") and key != "$schema"]:
            raise TemplateError(f"{steering[0]} belongs to an entry of a list")
        return "{" + ",".join(f"{json.dumps(key)}:{_value(entry, build, known)}" for key, entry in value.items()) + "}"
    return json.dumps(value)


def _entries(entries: list[Any], build: Build, known: Mapping[str, Any]) -> Iterator[str]:
    """The entries of a list, each but the first with its comma before it."""
    count = 0
    for entry in entries:
        steering = {key: entry[key] for key in ("$if", "$for") if key in entry} if isinstance(entry, dict) else {}
        plain = {key: each for key, each in entry.items() if key not in steering} if steering else entry
        before, after, rounds = "", "", [known]
        if "$for" in steering:
            name, source = _matched(_LOOP, steering["$for"], "$for")
            if source == "items":
                before, after = f"{{% for {name} in items %}}", "{% endfor %}"
            else:
                rounds = [{**known, name: each} for each in _known(source, known)]
        is_wanted = True
        conditions = steering.get("$if", [])
        for condition in conditions if isinstance(conditions, list) else [conditions]:
            inverted, asked = _matched(_CONDITION, condition, "$if")
            if asked in LAYOUT_NAMES or asked.split(".")[0] == "item":
                before, after = before + f"{{% if {inverted}{asked} %}}", "{% endif %}" + after
            elif bool(_known(asked, known)) == bool(inverted):
                is_wanted = False
        if not is_wanted:
            continue
        if before and not count:
            raise TemplateError("the first entry of a list must always be there; put the conditional one after it")
        for scope in rounds:
            yield before + ("," if count else "") + _value(plain, build, scope) + after
            count += 1


def _known(name: str, known: Mapping[str, Any]) -> Any:
    value: Any = known
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise TemplateError(f"unknown name `{name}`; known are {', '.join(sorted(known))}")
        value = value[part]
    return value


def _matched(pattern: re.Pattern[str], text: object, key: str) -> tuple[str, str]:
    found = pattern.match(text) if isinstance(text, str) else None
    if found is None:
        raise TemplateError(f"{key} is {text!r}; write it like 'paragraph in body' or 'first_contact'")
    return found[1] or "", found[2]
