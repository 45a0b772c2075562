"""`pushpull catalogue`: what an audit finds in the catalogue, and the queue of what to rewrite."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cli.common import AsOf, DryRun, Who, Why, here, out, tell

if TYPE_CHECKING:
    from pushpull.catalogue.audit import Audit

catalogue = typer.Typer(no_args_is_help=True, help="Audit the catalogue, and work through what is to rewrite.")

_Json = Annotated[bool, typer.Option("--json", help="Everything, for a machine.")]
_Most = Annotated[int, typer.Option("--most", help="How many to list.", min=1)]


@catalogue.command("audit")
def audit(as_of: AsOf = "", most: _Most = 30, as_json: _Json = False, dry_run: DryRun = False) -> None:
    """Look through the catalogue, print what is found, and keep it in the rewrite queue."""
    from flows.parameters import moment
    from pushpull.catalogue.audit import audit as look_through
    from pushpull.catalogue.audit import record
    from pushpull.db import reading, writing

    now = moment(as_of) if as_of else datetime.now(UTC)
    engine = here().engine
    with reading(engine) as connection:
        found = look_through(connection, as_of=now)
    kept = None
    if not dry_run:
        with writing(engine) as connection:
            kept = record(connection, found, at=now)
    if as_json:
        _as_json(found)
        return
    _print_use(found)
    _print_findings(found, most)
    if kept is not None:
        tell(f"queue: {kept.opened} new, {kept.stayed} as before, {kept.gone} gone, {kept.dismissed} dismissed")


@catalogue.command("queue")
def queue(as_of: AsOf = "", most: _Most = 30, as_json: _Json = False) -> None:
    """What to rewrite first: what many people meet, and is bad."""
    from flows.parameters import moment
    from pushpull.catalogue.audit import rewrite_queue
    from pushpull.db import reading

    with reading(here().engine) as connection:
        listed = rewrite_queue(connection, as_of=moment(as_of) if as_of else datetime.now(UTC), most=most)
    if as_json:
        _as_json(listed)
        return
    table = Table("item", "title", "learners", "rule", "what to do")
    for each in listed:
        for place, (rule, words) in enumerate(zip(each.rules, each.words, strict=True)):
            named = ("", "", "") if place else (escape(each.item_key), escape(each.title), _people(each.reach))
            table.add_row(*named, rule, escape(words))
    if table.rows:
        out.print(table)
    else:
        tell("nothing is to rewrite: `pushpull catalogue audit` looks through the catalogue")


@catalogue.command("dismiss")
def dismiss(
    key: Annotated[str, typer.Argument(help="Key of an item of the catalogue.")],
    rule: Annotated[str, typer.Argument(help="The rule, as `pushpull catalogue queue` names it.")],
    who: Who,
    why: Why,
) -> None:
    """Let something stay as it is; later audits do not ask again."""
    from pushpull.db import writing
    from pushpull.ledger.dismissing import dismiss_finding

    with writing(here().engine) as connection:
        is_new = dismiss_finding(connection, key, rule, who=who, why=why, at=datetime.now(UTC))
    tell(f"{rule} of {key} may stay{'' if is_new else ', as before'}")


def _people(count: int | None) -> str:
    return "too few to say" if count is None else str(count)


def _as_json(value: object) -> None:
    import orjson

    listed = [asdict(each) for each in value] if isinstance(value, tuple) else asdict(value)  # type: ignore[call-overload]
    typer.echo(orjson.dumps(listed, option=orjson.OPT_INDENT_2).decode())


def _print_use(found: Audit) -> None:
    use = found.utilisation
    tell(f"{use.items} items, {use.learners} learners, {use.never_used} items nobody ever started")
    if use.gini is not None and use.top_share is not None:
        tell(f"the most used fifth has {100 * use.top_share:.0f} % of all starts; Gini {use.gini:.2f}")
    if found.unserved:
        table = Table("nobody serves", "learners")
        for each in found.unserved:
            table.add_row(escape(each.words), str(each.learners))
        out.print(table)


def _print_findings(found: Audit, most: int) -> None:
    from pushpull.catalogue.audit.rules import EXPLANATIONS

    counts: dict[tuple[str, str], int] = {}
    for each in found.findings:
        counts[each.rule, each.severity.value] = counts.get((each.rule, each.severity.value), 0) + 1
    if not counts:
        tell("nothing was found")
        return
    table = Table("rule", "severity", "items", "why it matters")
    for (rule, severity), count in counts.items():
        table.add_row(rule, severity, str(count), EXPLANATIONS[rule])
    out.print(table)
    table = Table("item", "severity", "rule", "what was found")
    for each in found.findings[:most]:
        table.add_row(escape(each.item_key), each.severity.value, each.rule, escape(each.words))
    out.print(table)
    if len(found.findings) > most:
        tell(f"{len(found.findings) - most} more: --most, or `pushpull catalogue queue`")
