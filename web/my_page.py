"""A learner's own page: why they are here, what is next, the queue, today's two minutes, what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from content.locale import Locale
from pushpull.db import reading, writing
from pushpull.learners import habit
from pushpull.learners.queue import Move, keep_move
from pushpull.ledger.pages.queue import CameBy, Queue, QueuedItem, Source, queue_of
from pushpull.ledger.pages.results import results_of
from pushpull.ledger.pages.why_here import Reason, Why, story_of
from web.forms import Fields
from web.frame import frame_of
from web.phrases import locale_of, topics_on
from web.session import LENGTH, NoVisitError, Visitor, form_of, visitor_of
from web.site import Site, now, site_of
from web.words import Words

router = APIRouter()

#: Rows of the queue that are shown at once; the rest is folded away.
AT_ONCE = 5
#: Titles of finished things that are shown.
MOST_FINISHED = 3


def show(request: Request) -> Response:
    """The page; a move that led here is told again."""
    site, visitor, at = site_of(request), visitor_of(request), now()
    with reading(site.engine) as connection:
        frame = frame_of(request, connection, visitor)
        zone = frame.zone if habit.is_zone(frame.zone) else site.settings.timezone
        story = story_of(
            connection,
            visitor.learner_id,
            campaign_id=visitor.campaign_id,
            wave_id=visitor.wave_id,
            rotation=visitor.rotation,
            item_id=visitor.item_id,
        )
        if story is None:
            raise NoVisitError
        queue = queue_of(connection, visitor.learner_id, came_by(visitor), now=at)
        learned = habit.learned_between(connection, visitor.learner_id, *habit.week_of(at, zone))
        results = results_of(connection, visitor.learner_id, since=story.campaign_since, now=at)
    words = frame.words("my_page")
    speech = _Speech.of(words, site.settings.content_dir, zone=zone, today=habit.local_date(at, zone))
    return frame.page(
        "my_page.html.j2",
        "my_page",
        here="/me",
        speech=speech,
        story=story,
        queue=queue,
        week=habit.week(learned, now=at, zone=zone, rest_days=story.rest_days, paused_until=story.paused_until),
        results=results,
        moved=_moved(queue, request.query_params.get("moved", "")),
        at_once=AT_ONCE,
        most_finished=MOST_FINISHED,
    )


async def move(request: Request) -> Response:
    """Move one item of the queue, and lead back to where it is now."""
    visitor, fields = await form_of(request)
    return await run_in_threadpool(_move, site_of(request), visitor, fields)


router.add_route("/me", show, methods=["GET"])
router.add_route("/me/queue", move, methods=["POST"])


def _move(site: Site, visitor: Visitor, fields: Fields) -> Response:
    wanted, moves = fields.get("item", []), fields.get("move", [])
    if len(wanted) != 1 or not _is_id(wanted[0]) or len(moves) != 1 or moves[0] not in list(Move):
        raise HTTPException(400, "Nothing was changed")
    item_id, at = int(wanted[0]), now()
    with writing(site.engine) as connection:
        queue = queue_of(connection, visitor.learner_id, came_by(visitor), now=at)
        after = keep_move(connection, visitor.learner_id, queue.item_ids, item_id, Move(moves[0]), at=at)
    if item_id not in after:  # done or gone meanwhile: the page says what there is
        return RedirectResponse("/me", 303)
    anchor = "next" if after[0] == item_id else f"item-{item_id}"
    return RedirectResponse(f"/me?moved={item_id}#{anchor}", 303)


def came_by(visitor: Visitor) -> CameBy:
    """The message by which a visit began."""
    return CameBy(visitor.campaign_id, visitor.item_id, visitor.until - LENGTH)


def _moved(queue: Queue, asked: str) -> tuple[int, QueuedItem] | None:
    """The item that was moved and its place, 1 is next; None when there is none to tell of."""
    item_id = int(asked) if _is_id(asked) else 0
    return next(
        ((place, each) for place, each in enumerate(queue.items, start=1) if each.item_id == item_id),
        None,
    )


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 19


@dataclass(frozen=True, slots=True)
class _Speech:
    """How this page says dates, durations and reasons: as the messages do."""

    words: Words
    locale: Locale
    topics: dict[str, str]
    zone: str

    @classmethod
    def of(cls, words: Words, content_dir: Path, *, zone: str, today: date) -> _Speech:
        language = words.language
        return cls(words, locale_of(language, content_dir), topics_on(language, content_dir, today), zone)

    def day(self, instant: datetime) -> str:
        """The learner's local date of an instant."""
        return self.locale.day(habit.local_date(instant, self.zone))

    def here(self, reason: Reason) -> str:
        """Why the learner is here, in one sentence."""
        # Their own goals and needs are told back to them; what else made a pick stands beside it.
        picked = self._picked(reason.pick_kind, reason.pick_value) if reason.pick_kind in {"goal", "need"} else ""
        is_plain = reason.why is Why.PICKED and not picked
        return self.words(
            "why_picked_plain" if is_plain else f"why_{reason.why}",
            campaign=reason.campaign,
            item=reason.item,
            value=reason.value,
            day=self.day(reason.due_at) if reason.due_at else "",
            reason=picked[:1].lower() + picked[1:],
        )

    def why(self, item: QueuedItem) -> str:
        """Why an item is in the queue."""
        said = self._picked(item.reason_kind, item.reason_value) if item.source is Source.PICKED else ""
        if said:
            return said
        if item.source is Source.PICKED:  # a reason without words
            return self.words("reason_campaign", campaign=item.campaign) if item.campaign else ""
        return self.words(f"reason_{item.source}", campaign=item.campaign)

    def _picked(self, kind: str, value: str | None) -> str:
        return self.locale.reason(kind, value, self.topics)
