"""`pushpull reviews` and `pushpull item`: what learners write for each other, and where they talk."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cli.common import Who, Why, here, out, tell

if TYPE_CHECKING:
    from pushpull.learners.vocabulary import ReviewState

reviews = typer.Typer(no_args_is_help=True, help="Publish or hide what learners write about items.")
items = typer.Typer(no_args_is_help=True, help="What a person says about an item of the catalogue.")

_Number = Annotated[str, typer.Argument(help="Number of a review, as `pushpull reviews list` shows it.")]


@reviews.command("list")
def list_reviews(
    low: Annotated[bool, typer.Option("--low", help="Items with low ratings, and their owners.")] = False,
    hidden: Annotated[bool, typer.Option("--hidden", help="What was hidden, instead of what waits.")] = False,
    published: Annotated[bool, typer.Option("--published", help="What was published, instead.")] = False,
) -> None:
    """Reviews that wait for a person; who wrote them is not said."""
    from pushpull.db import reading
    from pushpull.learners.vocabulary import ReviewState
    from pushpull.ledger.moderating import reviews_that

    if low:
        _list_low()
        return
    state = ReviewState.HIDDEN if hidden else ReviewState.PUBLISHED if published else ReviewState.HELD
    table = Table("number", "item", "stars", "why", "words")
    with reading(here().engine) as connection:
        for each in reviews_that(connection, state):
            why = each.why.replace("_", " ")
            table.add_row(each.number, escape(each.item), str(each.rating), escape(why), escape(each.words))
    if table.rows:
        out.print(table)
    else:
        tell(f"no review is {state.value}")


@reviews.command("publish")
def publish(number: _Number, who: Who, why: Why) -> None:
    """Let others read a review."""
    from pushpull.learners.vocabulary import ReviewState

    _decide(number, ReviewState.PUBLISHED, who, why)


@reviews.command("hide")
def hide(number: _Number, who: Who, why: Why) -> None:
    """Show a review to nobody; its stars do not count either."""
    from pushpull.learners.vocabulary import ReviewState

    _decide(number, ReviewState.HIDDEN, who, why)


@items.command("thread")
def thread(
    key: Annotated[str, typer.Argument(help="Key of an item of the catalogue.")],
    who: Who,
    url: Annotated[str, typer.Argument(help="https address of a thread in Teams, Slack …; left out: none.")] = "",
    why: Annotated[str, typer.Option(help="Why; kept in the audit log.")] = "",
) -> None:
    """Say where people talk about an item: its page links there."""
    from pushpull.db import writing
    from pushpull.ledger.moderating import lead_to_thread

    with writing(here().engine) as connection:
        is_new = lead_to_thread(connection, key, url, who=who, why=why, at=datetime.now(UTC))
    if url:
        tell(f"the page of {key} leads to {url}")
    else:
        tell(f"the page of {key} leads to no thread{' any more' if is_new else ', as before'}")


def _decide(number: str, state: ReviewState, who: str, why: str) -> None:
    from pushpull.db import writing
    from pushpull.ledger.moderating import decide

    with writing(here().engine) as connection:
        decide(connection, number, state, who=who, why=why, at=datetime.now(UTC))
    tell(f"review {number} is {state.value}")


def _list_low() -> None:
    from pushpull.db import reading
    from pushpull.ledger.moderating import low_rated

    table = Table("item", "title", "owner", "stars", "raters", "hidden")
    with reading(here().engine) as connection:
        for each in low_rated(connection):
            stars = "too few" if each.stars is None else str(each.stars)
            raters = "" if each.raters is None else str(each.raters)
            owner = escape(each.owner) or "unknown"
            table.add_row(escape(each.key), escape(each.title), owner, stars, raters, str(each.hidden))
    if table.rows:
        out.print(table)
    else:
        tell("no item is rated low")
