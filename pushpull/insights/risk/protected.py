"""Names that no table of features may carry: what protects people from being judged by who they are.

A name is refused, not a column quietly dropped: whoever put it there is to notice. A protected attribute under a name
that says nothing is not found here; that is why features are made from behaviour in one place
(:mod:`pushpull.insights.risk.behaviour`) and nowhere else.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

#: Refused as a word of a name. Sources: Charter of Fundamental Rights of the European Union, article 21; GDPR, article
#: 9; Equality Act 2010 (United Kingdom), section 4; and what stands for them in learning data (Kuzilek, Hlosta &
#: Zdrahal, "Open University Learning Analytics dataset", Scientific Data 4, 2017: imd_band, highest_education, region).
_WORDS: Final = frozenset(
    {
        *("age", "ages", "aged", "born", "dob", "yob", "child", "children", "parent", "married"),
        *("sex", "sexes", "male", "female", "man", "men", "woman", "women"),
        *("race", "races", "colour", "color", "caste", "faith", "belief", "citizen", "country", "county", "zip"),
        *("health", "illness", "sick", "imd", "income", "salary", "wage", "union", "party", "veteran"),
    }
)
#: Refused wherever it stands in a name, written together or apart.
_PARTS: Final = (
    "gender",
    "sexual",
    "orientation",
    "disab",
    "handicap",
    "impair",
    "region",
    "depriv",
    "imdband",
    "ageband",
    "agegroup",
    "birth",
    "ethnic",
    "racial",
    "national",
    "citizenship",
    "migra",
    "religio",
    "pregnan",
    "maternity",
    "paternity",
    "marital",
    "postcode",
    "postalcode",
    "education",
    "qualification",
    "schooling",
    "socioeconomic",
    "mothertongue",
    "nativelanguage",
    "medical",
    "politic",
    "genetic",
)
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NO_LETTER: Final = re.compile(r"[^a-z]+")


class ProtectedAttributeError(ValueError):
    """Somebody was to be judged by who they are.

    Args:
        names: of the features that were refused.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        listed = ", ".join(repr(name) for name in names)
        super().__init__(
            f"refused, because risk is never judged by a protected attribute: {listed}; leave it out of the features"
        )


def is_protected(name: str) -> bool:
    """Whether a feature's name speaks of a protected attribute, in any case, with any prefix, suffix or separator."""
    apart = _CAMEL.sub(" ", unicodedata.normalize("NFKC", name)).casefold()
    words = [word for word in _NO_LETTER.split(apart) if word]
    together = "".join(words)
    return any(word in _WORDS for word in words) or any(part in together for part in _PARTS)


def refuse_protected(names: Sequence[str]) -> None:
    """Let only features pass that speak of behaviour.

    Raises:
        ProtectedAttributeError: one or more names are those of protected attributes.
    """
    if refused := [name for name in names if is_protected(name)]:
        raise ProtectedAttributeError(refused)
