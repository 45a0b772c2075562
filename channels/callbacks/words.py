"""What a person's reply says about being written to.

Exact words are the ones mobile networks prescribe (Twilio, "Support for opt-out keywords"); any other wording that
reads like a refusal counts as one until a person has looked at it (FCC 47 CFR 64.1200 (a)(10): any reasonable means).
Better one reply too many for a person than one learner written to against their word.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime

from pushpull.learners.vocabulary import SuppressionReason
from pushpull.ledger.news import Address, Told, Word
from pushpull.ledger.vocabulary import EventKind

_STOP = frozenset(
    (
        *("stop", "stopall", "stop all", "unsubscribe", "cancel", "end", "quit", "revoke", "optout", "opt out"),
        *("stopp", "abmelden", "arret", "baja", "alto"),
    )
)
_START = frozenset({"start", "unstop"})
_HELP = frozenset({"help", "info", "hilfe", "aide", "ayuda"})

#: Longest part of a reply that is looked at, in characters.
_LOOKED_AT = 2_000

#: Accents are gone before these are asked.
_REFUSES = re.compile(
    r"\b(?:"
    # English
    r"stop\w*|unsubscribe|opt(?:ing|ed)? ?out|opt-out|remove me|leave me alone|no more|not interested|take me off|"
    r"(?:do not|don.?t|never|quit|cease) (?:\w+ )?(?:text|messag\w*|writ\w*|contact\w*|send\w*|mail\w*|bother)|"
    # German
    r"abmeld\w*|abbestell\w*|austrag\w*|aufhoren|hor\w* (?:\w+ ){0,3}auf|nicht mehr|"
    r"kein\w* (?:\w+ )?(?:nachricht\w*|sms|mails?|e-mails?|interesse)|"
    r"(?:lass\w*|lasst) (?:\w+ )?in ruhe|nicht schreiben|schluss damit|"
    # French
    r"arret\w*|desabonn\w*|desinscri\w*|plus de (?:message|sms|mail)\w*|ne (?:\w+ )?(?:\w+ )?plus|"
    r"pas interess\w*|laissez?[- ]moi|"
    # Spanish
    r"basta|pare[ns]?|parar|dejen?(?: |me\b)|darme de baja|de baja|no mas|no (?:me )?(?:envi\w*|escrib\w*|mand\w*|"
    r"contact\w*)|no quiero"
    r")\b"
)


def word_of(reply: str, *, yes_starts: bool = False) -> Word | None:
    """What a reply says; None for a request for help, which networks answer themselves, and for an empty one.

    Args:
        yes_starts: a bare "yes" takes a stop back, as it does in text messages; in a chat it may answer anything.
    """
    said = _plain(reply[:_LOOKED_AT])
    bare = re.sub(r"[^\w ]+", "", said).strip()
    if not said or bare in _HELP:
        return None
    if bare in _STOP:
        return Word.STOP
    if bare in _START or (yes_starts and bare == "yes"):
        return Word.START
    return Word.REFUSAL if _REFUSES.search(said) else Word.REPLY


def _plain(reply: str) -> str:
    """Small letters without accents, single spaces, no invisible characters."""
    letters = unicodedata.normalize("NFKD", reply.casefold().replace("’", "'"))
    visible = (each for each in letters if not unicodedata.combining(each) and unicodedata.category(each) != "Cf")
    return " ".join("".join(visible).split())


def reply_told(word: Word, sender: Address, *, key: str, at: datetime) -> Told:
    """A reply as news: a stop counts as an opt-out of the message it answers, a refusal suppresses meanwhile."""
    stops = word in {Word.STOP, Word.REFUSAL}
    return Told(
        sender,
        key=key,
        at=at,
        kind=EventKind.OPTED_OUT if word is Word.STOP else EventKind.REPLIED,
        detail=word.value,
        suppress=SuppressionReason.STOPPED if stops else None,
        word=word,
    )
