"""What the words of a description give away: its language, and whether it says what somebody can do afterwards.

Short texts, so both are careful: a language is only named where several of its own small words stand and hardly any of
another's, and outcomes are only looked for in languages whose verbs are known here.
"""

from __future__ import annotations

import re

from pushpull.catalogue.readability import words_in

#: Small words that the other languages of this list do not have.
_OWN_WORDS = {
    "en": "the and for with that this from your you are not how what why who can will into their which they have when",
    "de": "der die das den dem ein eine einen einem einer und oder mit von für auf aus nach zum zur wie was ist sind "
    "nicht sie ihr auch im zu wenn werden wird bei durch",
    "fr": "le les des du et ou avec pour dans par est sont pas qui cette vos votre nos notre une au aux ce vous",
    "es": "el los las y con para por una unas del sus cómo qué está son como más sin al ser puede",
    "it": "il gli della delle che di per con una sono non come nel alla dei questo più",
    "nl": "het een van en met voor niet zijn naar hoe wat door bij ook worden deze",
    "pt": "os uma com para não como são seu sua pelo mais dos das em você",
}
_SETS = {language: frozenset(words.split()) for language, words in _OWN_WORDS.items()}

#: So many small words of a language, and so many times as many as of any other, name it.
_FEWEST_WORDS, _TIMES = 3, 2

#: Verbs of what somebody can do afterwards: L. W. Anderson, D. R. Krathwohl (eds.), "A taxonomy for learning, teaching,
#: and assessing", 2001, and what catalogues say in their place.
_VERBS_EN = """
    able achieve adapt address agree analyse analyze answer apply ask assess avoid book build calculate calm change
    check choose classify close coach compare compose configure conduct create cut decide defend define delegate deliver
    demonstrate describe design detect develop diagnose discover discuss distinguish draft draw encourage estimate
    evaluate explain find fix give hand handle help identify implement improve interpret interview keep lead learn
    listen make manage map measure mentor monitor negotiate operate order organise organize overcome perform plan
    practise practice prepare present prevent prioritise prioritize process produce protect prove raise read recognise
    recognize reduce remove repair report resolve respond review rewrite run say secure sell set share show simplify
    solve speak spot start state stay stop structure summarise summarize support take talk teach test think train
    translate troubleshoot understand use value verify visualise visualize win work write
"""
_CAN_DO = frozenset(_VERBS_EN.split())
_OUTCOME = {
    # A verb in its basic form at the end of a clause; nouns that end alike are written with a capital.
    "de": re.compile(
        r"(?i:\b(?:lern|könn|wiss)\w+|\bso (?:geht|geling|entsteh|schreib|bleib)\w*)"
        r"|\b[a-zäöüß]{3,}(?:en|ern|eln)\b(?=\s*(?:[.,;:!]|$|ohne\b|und\b|oder\b))"
    ),
    "fr": re.compile(r"(?i)^\W*\w{2,}(?:er|ir|re)\b|\b(?:à|pour|de|et|ou|sans|comment|savoir)\s+\w{2,}(?:er|ir|re)\b"),
    "es": re.compile(
        r"(?i)^\W*\w{2,}(?:ar|er|ir)\b|\b(?:a|para|de|y|o|sin|cómo|saber|poder)\s+\w{2,}(?:ar|er|ir)(?:lo|la|se)?\b"
    ),
}


def language_of(text: str) -> str | None:
    """The language a text is in, as a two-letter code; None where its small words do not say."""
    words = [word.casefold() for word in words_in(text)]
    counted = sorted(((sum(word in own for word in words), language) for language, own in _SETS.items()), reverse=True)
    (most, language), (second, _) = counted[0], counted[1]
    return language if most >= _FEWEST_WORDS and most >= _TIMES * second else None


def base(language: str) -> str:
    """The language without its region: ``en`` of ``en-GB``."""
    return language.replace("_", "-").split("-")[0].casefold()


def says_an_outcome(text: str, language: str | None) -> bool | None:
    """Whether a description says what somebody can do afterwards; None where its language is not known here."""
    known = base(language) if language else language_of(text)
    if known == "en":
        return any(word.casefold() in _CAN_DO for word in words_in(text))
    pattern = _OUTCOME.get(known or "")
    if pattern is None:
        return None
    return any(pattern.search(part.strip()) for part in re.split(r"(?<=[.!?])\s+", text))
