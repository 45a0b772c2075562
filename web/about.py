"""What is known of a learner, which messages they got and why, and the way to take all of it along or erase it.

Whoever holds a forwarded message can open this page. So addresses are hinted at and not shown in full, and the way to
everything goes by a fresh mail.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pushpull.db import reading, writing
from pushpull.insights.known import Known, doings_of, known_of
from pushpull.insights.told import Became, Message, Picked, messages_of
from pushpull.learners.signature.rhythm import WEEKDAYS
from pushpull.learners.vocabulary import Barrier, FactKind
from pushpull.ledger.letters import ask, recipient_of
from pushpull.ledger.vocabulary import LetterKind
from web.choices import AREA
from web.choices import PAGE as CHOICES
from web.frame import frame_of
from web.fresh import sending
from web.phrases import Phrases, phrases_in
from web.session import Visitor, form_of, visitor_of
from web.site import now, site_of
from web.wishes import OWN_NAMES
from web.words import Words

router = APIRouter()

PAGE: Final = "/me/about"
#: Messages that are shown at once; the rest is folded away.
AT_ONCE: Final = 5
_DAYS_OF_A_MONTH: Final = 30


def show(request: Request) -> Response:
    """The page; the letter that was just asked for is told."""
    site, visitor, at = site_of(request), visitor_of(request), now()
    with reading(site.engine) as connection:
        frame = frame_of(request, connection, visitor)
        known = known_of(connection, visitor.learner_id)
        doings = doings_of(connection, visitor.learner_id, counts_openings=not site.settings.works_council)
        messages = messages_of(connection, visitor.learner_id, as_of=at)
        to = recipient_of(connection, visitor.learner_id)
    words = frame.words(AREA)
    phrases = phrases_in(words.language, site.settings, zone=frame.zone, now=at)
    return frame.page(
        "about.html.j2",
        AREA,
        here=CHOICES,
        told=Told(words, phrases, at),
        known=known,
        doings=doings,
        messages=messages,
        at_once=AT_ONCE,
        counts_openings=not site.settings.works_council,
        has_address=to is not None and bool(to.address),
        is_sent=request.query_params.get("sent") == "1",
    )


async def ask_for_a_link(request: Request) -> Response:
    """Ask for the link to everything, by mail. Asking again within ten minutes sends nothing, and looks the same."""
    visitor, _ = await form_of(request)
    await run_in_threadpool(_ask, request, visitor)
    return RedirectResponse(f"{PAGE}?sent=1#data", status_code=303, background=sending(request))


router.add_route(PAGE, show, methods=["GET"])
router.add_route(f"{PAGE}/letter", ask_for_a_link, methods=["POST"])


def _ask(request: Request, visitor: Visitor) -> None:
    with writing(site_of(request).engine) as connection:
        frame_of(request, connection, visitor)
        ask(connection, visitor.learner_id, LetterKind.YOUR_DATA, campaign_id=visitor.campaign_id, at=now())


@dataclass(frozen=True, slots=True)
class Told:
    """How the page speaks of facts and messages."""

    words: Words
    phrases: Phrases
    now: datetime

    def field(self, fact: Known) -> str:
        """What a fact is about."""
        return self.words(f"field_{fact.field}")

    def value(self, fact: Known) -> str:
        """A fact as its owner reads it."""
        value = fact.value
        if not value:
            return self.words("is_known")
        match fact.field:
            case "email" | "phone":
                return hinted(value)
            case FactKind.HOUR.value:
                return f"{int(value):02}:00" if value.isdecimal() else value
            case FactKind.LANGUAGE.value | FactKind.HR_LANGUAGE.value:
                return OWN_NAMES.get(value.partition("-")[0].lower(), value)
            case FactKind.FORMAT.value:
                return self.phrases.locale.formats.get(value, value)
            case _:
                return self._learned(fact)

    def _learned(self, fact: Known) -> str:
        """What is learned from behaviour, in words."""
        value = fact.value
        match fact.field:
            case FactKind.DAYS.value:
                names = self.phrases.locale.weekdays
                on = [WEEKDAYS.index(each) for each in value.split() if each in WEEKDAYS]
                return ", ".join(names[each] for each in on) or value
            case FactKind.SESSION_MINUTES.value if value.isdecimal():
                return self.words.counted("about_minutes", int(value))
            case FactKind.CHANNEL.value:
                return self.words.channel(value)
            case FactKind.BARRIER.value if value in set(Barrier):
                return self.words(f"barrier_{value}")
            case _:
                return value

    def source(self, fact: Known) -> str:
        """Who says so, and since when."""
        return f"{self.words(f'source_{fact.source.value}')}, {self.age(fact.since)}"

    def age(self, since: datetime) -> str:
        """How long ago."""
        days = max(0, (self.now - since).days)
        if days == 0:
            return self.words("today")
        if days < 2 * _DAYS_OF_A_MONTH:
            return self.words.counted("age_days", days)
        months = days // _DAYS_OF_A_MONTH
        return self.words("age_months", n=months) if months <= 12 else self.words("age_years")

    def line(self, message: Message) -> str:
        """What became of a message, by which channel and when."""
        parts = [self.words(f"became_{message.became.value}")]
        if message.channel:
            parts.append(self.words.channel(message.channel))
        parts.append(self.phrases.moment(message.at))
        return " · ".join(parts)

    def why(self, message: Message) -> str:
        """Why it came, waits, or did not come."""
        if message.because is not None:
            return self.words(f"because_{message.because.value}")
        return self.words(f"class_{message.message_class.value}") if message.became is not Became.NOT_SENT else ""

    def picked(self, pick: Picked) -> str:
        """Why an item was recommended; empty where no words say so."""
        return self.phrases.reason(pick.kind, pick.value)


def hinted(address: str) -> str:
    """An address as its owner knows it again and nobody else learns it: ``a…@example.org``, ``…42``."""
    name, at, domain = address.rpartition("@")
    return f"{name[:1]}…@{domain}" if at else f"…{address[-2:]}"
