"""The template language authors may use: a small, bounded part of Jinja2, and how text is escaped per context.

A template here is data that a stranger may have written. It runs in Jinja's immutable sandbox, but long before that
its syntax tree is held against an allow-list: output, `if`, and `for item in items`; no calls, no indexing, no
imports, no macros, no arithmetic, no nested loops. With at most :data:`MAX_ITEMS` items, work and size are bounded
by the length of the source, so no clock is needed to stop a template that never ends: it cannot be written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cache, lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import escape

#: Longest source of one template, in characters.
MAX_SOURCE = 64 * 1024
#: Longest text one template may produce, in characters (Gmail cuts messages off at 102 kB).
MAX_OUTPUT = 100 * 1024
#: Most items a loop runs over.
MAX_ITEMS = 10

#: What words may say about the learner and the message.
WORD_NAMES = frozenset(
    {
        "given_name", "place_title", "item_title", "item_minutes", "due_day", "due_in", "is_overdue", "first_contact",
        "is_last_nudge", "trend_title", "trend_teaser", "brand_name", "campaign_name",
    }
)  # fmt: skip
#: What layouts may use besides.
LAYOUT_NAMES = WORD_NAMES | {"link", "unsubscribe_url", "preferences_url", "items"}
#: What may be asked of one item.
ITEM_FIELDS = frozenset({"title", "url", "minutes", "reason", "summary", "format"})
_LOOP_FIELDS = frozenset({"index", "first", "last"})
_FILTERS = frozenset({"capitalize", "length", "lower", "upper"})

_ALLOWED: tuple[type[nodes.Node], ...] = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.If, nodes.For, nodes.Getattr,
    nodes.Filter, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.CondExpr,
)  # fmt: skip


class TemplateError(ValueError):
    """A template uses what it must not.

    Args:
        message: what, and what to do instead.
        line: of the template's source, from 1.
    """

    def __init__(self, message: str, line: int = 1) -> None:
        self.message = message
        self.line = line
        super().__init__(f"line {line}: {message}")


class Context(Enum):
    """Where the text ends up; decides how data is escaped."""

    HTML = "html"
    TEXT = "text"
    JSON = "json"


def json_text(value: object) -> str:
    """Text as it stands between the quotes of a JSON string: quotes, backslashes and control characters escaped."""
    return json.dumps(str(value), ensure_ascii=False)[1:-1].replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


#: How literal words of an author are written into each context.
LITERAL: dict[Context, Callable[[str], str]] = {
    Context.HTML: lambda text: str(escape(text)),
    Context.TEXT: lambda text: text,
    Context.JSON: json_text,
}


@cache
def environment(context: Context) -> ImmutableSandboxedEnvironment:
    """Jinja's sandbox for a context, with nothing in it that is not needed."""
    made = ImmutableSandboxedEnvironment(
        autoescape=context is Context.HTML,
        undefined=StrictUndefined,
        finalize=json_text if context is Context.JSON else None,
        keep_trailing_newline=True,
        cache_size=0,
    )
    made.globals.clear()
    made.tests.clear()
    made.filters = {name: rule for name, rule in made.filters.items() if name in _FILTERS}
    return made


@lru_cache(maxsize=2048)
def compile_template(source: str, context: Context, *, names: frozenset[str] = LAYOUT_NAMES) -> Template:
    """A template that is safe to fill with learner data.

    Args:
        names: the placeholders it may use.

    Raises:
        TemplateError: the source is too long, no valid template, or uses something outside the allow-list.
    """
    return environment(context).from_string(check(source, context, names=names))


@lru_cache(maxsize=2048)
def check(source: str, context: Context = Context.TEXT, *, names: frozenset[str] = WORD_NAMES) -> nodes.Template:
    """The syntax tree of a template that keeps to the allow-list.

    Raises:
        TemplateError: it does not.
    """
    if len(source) > MAX_SOURCE:
        raise TemplateError(f"is {len(source):,} characters long; at most {MAX_SOURCE:,} are allowed")
    try:
        tree = environment(context).parse(source)
    except TemplateSyntaxError as error:
        raise TemplateError(f"is not a valid template: {error.message}", error.lineno) from error
    except RecursionError as error:
        raise TemplateError("is nested too deeply") from error
    for token in tokens(source):
        if token.kind == "raw_begin":
            raise TemplateError("`raw` is not allowed", token.line)
    _check(tree, names, loop=None, depth=0)
    return tree


@lru_cache(maxsize=2048)
def names_in(source: str, context: Context = Context.TEXT) -> frozenset[str]:
    """The placeholders that a template uses."""
    tree = environment(context).parse(source)
    local = {node.target.name for node in tree.find_all(nodes.For) if isinstance(node.target, nodes.Name)}
    return frozenset(node.name for node in tree.find_all(nodes.Name)) - local - {"loop"}


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a template: literal text, or a tag's beginning, inside or end."""

    line: int
    kind: str
    text: str


def tokens(source: str) -> Iterator[Token]:
    """The pieces of a template; joined, they are the source again.

    Raises:
        TemplateError: it is no valid template.
    """
    try:
        for line, kind, text in environment(Context.TEXT).lex(source):
            yield Token(line, kind, text)
    except TemplateSyntaxError as error:
        raise TemplateError(f"is not a valid template: {error.message}", error.lineno) from error


def rewrite(source: str, *, literal: Callable[[str], str], tag: Callable[[str], str] = str) -> str:
    """A template with its literal text and its whole tags rewritten, each by a function of its own."""
    if "{" not in source:
        return literal(source)
    written: list[str] = []
    open_tag: list[str] = []
    for token in tokens(source):
        if token.kind == "data":
            written.append(literal(token.text))
            continue
        open_tag.append(token.text)
        if token.kind in ("variable_end", "block_end", "comment_end"):
            if token.kind != "comment_end":
                written.append(tag("".join(open_tag)))
            open_tag.clear()
    return "".join(written)


@lru_cache(maxsize=2048)
def literals_for(source: str, context: Context) -> str:
    """An author's words as a template whose literal text is escaped for the context."""
    return rewrite(source, literal=LITERAL[context])


def _check(node: nodes.Node, names: frozenset[str], *, loop: str | None, depth: int) -> None:
    if depth > 40:
        raise TemplateError("is nested too deeply", node.lineno)
    if not isinstance(node, _ALLOWED):
        raise TemplateError(f"`{type(node).__name__.lower()}` is not allowed in a template", node.lineno)
    if isinstance(node, nodes.Name):
        _check_name(node, names, loop)
    elif isinstance(node, nodes.Getattr):
        _check_attribute(node, loop)
        return
    elif isinstance(node, nodes.Filter) and (
        node.name not in _FILTERS or node.args or node.kwargs or node.dyn_args or node.dyn_kwargs
    ):
        allowed = ", ".join(sorted(_FILTERS))
        text = f"filter `{node.name}` is not allowed; allowed are {allowed}, without arguments"
        raise TemplateError(text, node.lineno)
    elif isinstance(node, nodes.For):
        _check_loop(node, loop)
        assert isinstance(node.target, nodes.Name)
        for part in (*node.body, *node.else_):
            _check(part, names, loop=node.target.name, depth=depth + 1)
        return
    for child in node.iter_child_nodes():
        _check(child, names, loop=loop, depth=depth + 1)


def _check_name(node: nodes.Name, names: frozenset[str], loop: str | None) -> None:
    if node.name == loop:
        raise TemplateError(f"`{node.name}` is an item; write one of its fields, e.g. {node.name}.title", node.lineno)
    if node.ctx != "load" or node.name not in names:
        known = ", ".join(sorted(names))
        raise TemplateError(f"unknown placeholder `{node.name}`; known are {known}", node.lineno)
    if node.name == "items":
        raise TemplateError("`items` can only be looped over: {% for item in items %}", node.lineno)


def _check_attribute(node: nodes.Getattr, loop: str | None) -> None:
    owner = node.node.name if isinstance(node.node, nodes.Name) else ""
    fields = ITEM_FIELDS if loop and owner == loop else _LOOP_FIELDS if loop and owner == "loop" else frozenset()
    if node.attr not in fields:
        known = f"; known are {', '.join(sorted(fields))}" if fields else ""
        raise TemplateError(f"`.{node.attr}` is not allowed here{known}", node.lineno)


def _check_loop(node: nodes.For, loop: str | None) -> None:
    if loop is not None:
        raise TemplateError("a loop inside a loop is not allowed", node.lineno)
    over_items = isinstance(node.iter, nodes.Name) and node.iter.name == "items"
    if not over_items or not isinstance(node.target, nodes.Name) or node.recursive or node.test is not None:
        raise TemplateError("the only loop allowed is {% for item in items %}", node.lineno)
    if node.target.name in LAYOUT_NAMES or node.target.name == "loop":
        raise TemplateError(f"the loop's item cannot be called `{node.target.name}`", node.lineno)


#: What no mail header, text message or line of a card may hold: line breaks and other control characters.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def fill(template: Template, values: dict[str, Any]) -> str:
    """The template filled with values.

    Raises:
        TemplateError: a placeholder has no value, or the result is too long.
    """
    # As Template.render does it, but for a copy of the values: there are no globals to lay under them.
    text = "".join(template.root_render_func(template.new_context(values, shared=True)))
    if len(text) > MAX_OUTPUT:
        raise TemplateError(f"the filled template is {len(text):,} characters long; at most {MAX_OUTPUT:,} are allowed")
    return text
