"""Times for learning: looked for in the learner's calendar at their word, held in it, or taken as a file.

A calendar is read only when its owner presses the button, and nothing of what it says is kept. A wish is committed
before their calendar hears of it; what cannot be settled at once, the next `sync` settles.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from threading import BoundedSemaphore
from typing import Final

from fastapi import APIRouter
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from channels.calendar import Busy, entry_texts, offers, office_hours, write_hold
from pushpull.db import reading, writing
from pushpull.learners import holds
from pushpull.learners.choices import choices_of, choose_holds
from pushpull.learners.holds import HoldError, entry_minutes
from pushpull.learners.plans import Choice
from pushpull.ledger.timing import local_instant
from tasks.calendar import busy_times, calendar_of, settle_holds
from web.forms import Fields, one
from web.frame import Frame, frame_of
from web.plan_page import Look, chosen_from, offered_to, plan_page, zone_of
from web.session import Visitor, form_of, visitor_of
from web.site import now, site_of

router = APIRouter()

#: Seconds that somebody waits for their calendar at the most.
PATIENCE: Final = 4.0
#: Calendars asked at once: a tenant that is slow must not keep the threads that all pages share.
AT_ONCE: Final = BoundedSemaphore(8)
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)Z")
_LOCAL = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(?::00)?")


async def agree(request: Request) -> Response:
    """Agree that one's calendar is used, or take that back."""
    visitor, fields = await form_of(request)
    return await run_in_threadpool(_agree, request, visitor, fields)


async def look(request: Request) -> Response:
    """Look for free times, now and once."""
    visitor, fields = await form_of(request)
    return await run_in_threadpool(_look, request, visitor, fields)


async def hold(request: Request) -> Response:
    """Hold a time, or take it as a file."""
    visitor, fields = await form_of(request)
    return await run_in_threadpool(_hold, request, visitor, fields)


async def take_back(request: Request) -> Response:
    """Take a held time back."""
    visitor, _ = await form_of(request)
    return await run_in_threadpool(_take_back, request, visitor)


def as_file(request: Request) -> Response:
    """A held time as a file."""
    visitor, site = visitor_of(request), site_of(request)
    hold_id = int(request.path_params["hold_id"])
    with reading(site.engine) as connection:
        frame = frame_of(request, connection, visitor)
        found = holds.hold_of(connection, visitor.learner_id, hold_id) if hold_id < 2**63 else None
    if found is None:
        raise HTTPException(404)
    subject, body = entry_texts(frame.language, title=found.title, url=found.url)
    data = write_hold(
        transaction_id=found.transaction_id,
        subject=subject,
        body_text=body,
        starts_at=found.starts_at,
        ends_at=found.ends_at,
        made_at=found.asked_at,
        revised_at=found.changed_at,
    )
    return _file(data, found.starts_at)


router.add_route("/me/plans/calendar", agree, methods=["POST"])
router.add_route("/me/plans/look", look, methods=["POST"])
router.add_route("/me/plans/hold", hold, methods=["POST"])
router.add_route("/me/plans/hold/{hold_id:int}/cancel", take_back, methods=["POST"])
router.add_route("/me/plans/hold/{hold_id:int}.ics", as_file, methods=["GET"])


def _agree(request: Request, visitor: Visitor, fields: Fields) -> Response:
    wish = one(fields, "wants")
    if wish not in {"yes", "no"}:
        raise HTTPException(400, "Nothing was changed")
    with writing(site_of(request).engine) as connection:
        choose_holds(connection, visitor.learner_id, is_wanted=wish == "yes", at=now())
    return RedirectResponse("/me/plans?done=calendar", status_code=303, background=_settling(request, visitor))


def _look(request: Request, visitor: Visitor, fields: Fields) -> Response:
    site, at, item = site_of(request), now(), one(fields, "item")
    with reading(site.engine) as connection:
        frame = frame_of(request, connection, visitor)
        chosen = chosen_from(offered_to(connection, visitor), item)
        decided = choices_of(connection, visitor.learner_id)
        teams_id, email = holds.addresses(connection, visitor.learner_id)
        own = holds.holds_ahead(connection, visitor.learner_id, now=at)
    calendar = calendar_of(site.settings)
    if calendar is None or not decided.wants_holds:
        return plan_page(request, visitor, status=422, time_error="not_agreed")
    if item and chosen is None:
        return plan_page(request, visitor, status=422, time_error="item_id")
    zone = zone_of(frame.zone, site.settings.timezone)
    hours = office_hours(at, zone, decided.rest_days)
    if not hours:
        return plan_page(request, visitor, look=Look(item, []))
    if not AT_ONCE.acquire(blocking=False):
        return plan_page(request, visitor, look=Look(item, None))
    try:
        busy = busy_times(
            calendar,
            teams_id=teams_id,
            email=email,
            starts_at=hours[0].starts_at,
            ends_at=hours[-1].ends_at,
            seconds=PATIENCE,
        )
    finally:
        AT_ONCE.release()
    if busy is None:
        return plan_page(request, visitor, look=Look(item, None))
    # What they wished for here may not be in the calendar yet.
    taken = [*busy, *(Busy(each.starts_at, each.ends_at) for each in own if not each.is_stuck)]
    minutes = entry_minutes(chosen.minutes if chosen else None)
    found = offers(taken, now=at, zone=zone, minutes=minutes, rest_days=decided.rest_days)
    return plan_page(request, visitor, look=Look(item, found))


def _hold(request: Request, visitor: Visitor, fields: Fields) -> Response:
    site, at, item = site_of(request), now(), one(fields, "item")
    with reading(site.engine) as connection:
        frame = frame_of(request, connection, visitor)
        chosen = chosen_from(offered_to(connection, visitor), item)
        agrees = choices_of(connection, visitor.learner_id).wants_holds
    try:
        if item and chosen is None:
            raise HoldError("item_id")
        starts_at = _time_in(fields, zone_of(frame.zone, site.settings.timezone))
        if one(fields, "as") == "file":
            return _chosen_file(frame, starts_at, chosen, at=at)
        if not agrees or calendar_of(site.settings) is None:
            raise HoldError("not_agreed")
        with writing(site.engine) as connection:
            holds.want(
                connection,
                visitor.learner_id,
                starts_at=starts_at,
                item_id=chosen.item_id if chosen else None,
                minutes=chosen.minutes if chosen else None,
                now=at,
            )
    except HoldError as error:
        return plan_page(request, visitor, status=422, time_error=error.key, chosen_time=one(fields, "local"))
    return RedirectResponse("/me/plans?done=hold", status_code=303, background=_settling(request, visitor))


def _take_back(request: Request, visitor: Visitor) -> Response:
    hold_id = int(request.path_params["hold_id"])
    with writing(site_of(request).engine) as connection:
        if hold_id < 2**63:
            holds.take_back(connection, visitor.learner_id, hold_id, at=now())  # one that is gone stays so
    return RedirectResponse("/me/plans?done=taken_back", status_code=303, background=_settling(request, visitor))


def _settling(request: Request, visitor: Visitor) -> BackgroundTask | None:
    """What happens once the learner has their answer; None where there is no calendar."""
    site = site_of(request)
    calendar = calendar_of(site.settings)
    if calendar is None:
        return None
    at, learner_id, seconds = now(), visitor.learner_id, site.settings.call_deadline_seconds

    def settle() -> None:
        if AT_ONCE.acquire(blocking=False):  # else the next `sync` does it
            try:
                settle_holds(site.engine, calendar, now=at, seconds=seconds, learner_id=learner_id)
            finally:
                AT_ONCE.release()

    return BackgroundTask(settle)


def _time_in(fields: Fields, zone: str) -> datetime:
    """The instant a form names: one that was offered, or one on the learner's own clock.

    Raises:
        HoldError: it names none.
    """
    instant = _INSTANT.fullmatch(one(fields, "starts_at"))
    local = _LOCAL.fullmatch(one(fields, "local").strip())
    found = instant or local
    if found is None:
        raise HoldError("time")
    try:
        day, at = date.fromisoformat(found[1]), time.fromisoformat(found[2])
        return datetime.combine(day, at, UTC) if instant else local_instant(zone, day, at)
    except (ValueError, OverflowError):
        raise HoldError("time") from None


def _chosen_file(frame: Frame, starts_at: datetime, chosen: Choice | None, *, at: datetime) -> Response:
    """A time as a file that nothing is kept of.

    Raises:
        HoldError: nobody would want it.
    """
    holds.refuse_impossible(starts_at, now=at)
    learner_id = frame.visitor.learner_id
    subject, body = entry_texts(frame.language, title=chosen.title if chosen else "", url=chosen.url if chosen else "")
    data = write_hold(
        transaction_id=holds.transaction_id(learner_id, starts_at, chosen.item_id if chosen else None),
        subject=subject,
        body_text=body,
        starts_at=starts_at,
        ends_at=starts_at + timedelta(minutes=entry_minutes(chosen.minutes if chosen else None)),
        made_at=at,
        revised_at=chosen.changed_at if chosen else None,
    )
    return _file(data, starts_at)


def _file(data: bytes, starts_at: datetime) -> Response:
    name = f"learning-{starts_at:%Y-%m-%d}.ics"
    return Response(
        data,
        media_type="text/calendar; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
