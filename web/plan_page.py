"""The page on which people plan their two minutes: what it shows. In which words lives in :mod:`web.plan_words`. Its
forms are sent elsewhere: plans to :mod:`web.plans`, times to :mod:`web.calendar_times`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import time

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from channels.calendar import Busy, Gap, usual_times
from pushpull.db import reading
from pushpull.learners.choices import choices_of
from pushpull.learners.holds import FURTHEST, entry_minutes, holds_ahead
from pushpull.learners.holds import MOST_OPEN as MOST_HELD
from pushpull.learners.plans import LONGEST_CUE, MOST_OPEN, Choice, OpenPlan, Plan, PlanError, choices, open_plans
from pushpull.learners.vocabulary import Cue, HoldState
from pushpull.ledger.terms import campaign_items
from pushpull.ledger.timing import known
from tasks.calendar import calendar_of
from web.forms import Fields, one
from web.frame import frame_of
from web.plan_words import Told, clock
from web.session import Visitor
from web.site import now, site_of

#: What a redirect may say was done.
DONE = frozenset({"plan", "ended", "calendar", "hold", "taken_back"})
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(?::[\d.]+)?")
#: Monday to Friday.
_WORK_WEEK = frozenset("01234")
#: Where it may be taken back: it is in the calendar, or may still get there.
_OPEN = frozenset({HoldState.WANTED, HoldState.UNCERTAIN, HoldState.MADE})
#: Where the form says what is wrong, by field, and the numbers that are said there.
_ERROR_IDS = {
    "cue": "error-cue",
    "cue_text": "error-cue-text",
    "item_id": "error-item",
    "weekdays": "error-days",
    "at_minute": "error-at",
}
_ERROR_NUMBERS = {"cue_text": LONGEST_CUE, "too_far": FURTHEST.days, "too_many": MOST_HELD}


@dataclass(frozen=True, slots=True)
class Draft:
    """A plan as it stands in the form, right or wrong.

    Args:
        plan_id: which one is being changed; None: a new one.
        days: numbers of weekdays, Monday is 0.
    """

    plan_id: int | None = None
    cue: str = ""
    cue_text: str = ""
    item: str = ""
    days: frozenset[str] = _WORK_WEEK
    at: str = ""
    reminds: bool = False

    @classmethod
    def of_fields(cls, fields: Fields, plan_id: int | None) -> Draft:
        """As somebody filled it in; a moment in their own words alone is that moment."""
        cue_text = one(fields, "cue_text").strip()
        return cls(
            plan_id,
            one(fields, "cue") or (Cue.OWN.value if cue_text else ""),
            cue_text,
            one(fields, "item"),
            frozenset(fields.get("day", [])),
            one(fields, "at").strip(),
            "remind" in fields,
        )

    @classmethod
    def of_plan(cls, plan_id: int, plan: Plan) -> Draft:
        """As it was kept."""
        return cls(
            plan_id,
            plan.cue.value,
            plan.cue_text,
            str(plan.item_id or ""),
            frozenset(str(day) for day in range(7) if plan.is_on(day)),
            "" if plan.at_minute is None else clock(plan.at_minute),
            plan.reminds,
        )

    def plan(self, offered: tuple[Choice, ...]) -> Plan:
        """The plan it stands for.

        Args:
            offered: what can be opened.

        Raises:
            PlanError: it stands for none; says where.
        """
        if self.cue not in list(Cue):
            raise PlanError("cue", "choose a moment")
        cue = Cue(self.cue)
        chosen = chosen_from(offered, self.item)
        if self.item and chosen is None:
            raise PlanError("item_id", "no longer open")
        time = _CLOCK.fullmatch(self.at)
        if self.at and time is None:
            raise PlanError("at_minute", "not a time of the day")
        return Plan(
            cue,
            self.cue_text if cue is Cue.OWN else "",
            chosen.item_id if chosen else None,
            int(time[1]) * 60 + int(time[2]) if time else None,
            sum(1 << day for day in range(7) if str(day) in self.days),
            self.reminds,
        )


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at somebody's calendar brought.

    Args:
        item: what the time is for; empty for whatever is next.
        offers: free times; None: the calendar did not answer.
    """

    item: str
    offers: list[Gap] | None


def chosen_from(offered: tuple[Choice, ...], item: str) -> Choice | None:
    """What a form names; None for whatever is next, and for what is not offered."""
    return next((each for each in offered if str(each.item_id) == item), None)


def offered_to(connection: Connection, visitor: Visitor) -> tuple[Choice, ...]:
    """What a visitor can plan to open."""
    campaign = campaign_items(connection, visitor.campaign_id) if visitor.campaign_id else ()
    linked = (visitor.item_id,) if visitor.item_id else ()
    return choices(connection, visitor.learner_id, also=(*campaign, *linked), now=now())


def zone_of(zone: str, default: str) -> str:
    """A zone that clocks know."""
    return zone if known(zone) else default


def plan_page(
    request: Request,
    visitor: Visitor,
    *,
    status: int = 200,
    done: str = "",
    draft: Draft | None = None,
    editing: int | None = None,
    error: str = "",
    look: Look | None = None,
    chosen_time: str = "",
    time_error: str = "",
) -> Response:
    """The page.

    Args:
        done: what was just done: one of :data:`DONE`.
        draft: what the form holds; None: nothing yet, or the plan ``editing``.
        error: the field of the form that is wrong.
        look: what the calendar said.
        chosen_time, time_error: what the form of a time holds, and the key of what is wrong with it.
    """
    site, learner_id = site_of(request), visitor.learner_id
    with reading(site.engine) as connection:
        frame = frame_of(request, connection, visitor)
        plans = open_plans(connection, learner_id)
        offered = offered_to(connection, visitor)
        holds = holds_ahead(connection, learner_id, now=now())
        decided = choices_of(connection, learner_id)
    if draft is None:
        kept = next((each for each in plans if each.id == editing), None)
        draft = Draft.of_plan(kept.id, kept.plan) if kept else None
    told = Told(frame.words("plans"), zone_of(frame.zone, site.settings.timezone))
    can_look = calendar_of(site.settings) is not None and decided.wants_holds
    cues = _cues(plans)
    usual = usual_times(
        (Busy(each.starts_at, each.ends_at) for each in holds),
        now=now(),
        zone=told.zone,
        minutes=entry_minutes(None),
        rest_days=decided.rest_days,
        cues=cues,
    )
    return frame.page(
        "plans.html.j2",
        "plans",
        here="/me/plans",
        status=status,
        told=told,
        done=done if done in DONE else "",
        plans=plans,
        has_room=len(plans) < MOST_OPEN,
        most_open=MOST_OPEN,
        longest_cue=LONGEST_CUE,
        error_ids=_ERROR_IDS,
        error_number=_ERROR_NUMBERS.get(error or time_error, 0),
        offered=offered,
        cues=list(Cue),
        draft=draft or Draft(),
        is_drafted=draft is not None,
        preview=_preview(told, draft, offered) if draft is not None and not error else "",
        error=error,
        has_calendar=calendar_of(site.settings) is not None,
        can_look=can_look,
        look=look,
        # Where the calendar says when its owner is free, nobody has to guess.
        usual=usual if not can_look or (look is not None and look.offers is None) else [],
        has_cues=bool(cues),
        holds=holds,
        open_states=_OPEN,
        chosen_time=chosen_time,
        time_error=time_error,
    )


def _cues(plans: Sequence[OpenPlan]) -> Mapping[int, Sequence[time]]:
    """When the cues of these plans come, by weekday."""
    timed = [(each.plan, divmod(each.plan.at_minute, 60)) for each in plans if each.plan.at_minute is not None]
    by_day = {day: [time(*at) for plan, at in timed if plan.is_on(day)] for day in range(7)}
    return {day: times for day, times in by_day.items() if times}


def _preview(told: Told, draft: Draft, offered: tuple[Choice, ...]) -> str:
    try:
        plan = draft.plan(offered)
    except PlanError:  # the item of a kept plan is no longer there
        return ""
    chosen = chosen_from(offered, draft.item)
    return told.sentence(plan, chosen.title if chosen else "")
