"""How long a text message is: characters, encodings and segments (GSM 03.38, 3GPP TS 23.038).

Who gets one and what it says is not decided here.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

#: The GSM 7-bit default alphabet (3GPP TS 23.038, section 6.2.1), escape left out.
GSM7_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
#: The extension table (section 6.2.1.1): each of these costs two septets.
GSM7_EXTENSION = frozenset("\f^{}\\[~]|€")
GSM7 = GSM7_BASIC | GSM7_EXTENSION

GSM7_SINGLE, GSM7_PART = 160, 153
UCS2_SINGLE, UCS2_PART = 70, 67

#: Letters and signs that carry no decomposition but have an accepted plain spelling.
_SPELLED = str.maketrans(
    {
        "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ı": "i", "œ": "oe", "Œ": "OE", "ẞ": "SS", "þ": "th", "Þ": "Th",
        "‘": "'", "’": "'", "‚": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "–": "-", "—": "-", "−": "-",
        "…": "...", "\u00a0": " ", "\u202f": " ", "\u2009": " ",
    }
)  # fmt: skip
_EXTENSION = re.compile(r"[\f^{}\\\[~\]|€]")


@dataclass(frozen=True, slots=True)
class SmsSize:
    """The size of a text message.

    Args:
        encoding: ``GSM-7`` or ``UCS-2``.
        units: septets, or UTF-16 code units.
        segments: how many messages the network sends.
    """

    encoding: str
    units: int
    segments: int


def is_gsm7(text: str) -> bool:
    """Whether every character is in the GSM 7-bit alphabet or its extension."""
    return GSM7.issuperset(text)


def measure(text: str) -> SmsSize:
    """Encoding, units and segments of a text.

    Extension characters are never split over two segments, nor are surrogate pairs, so a part may stay one unit short.
    """
    if is_gsm7(text):
        costs = [2 if character in GSM7_EXTENSION else 1 for character in text]
        return SmsSize("GSM-7", sum(costs), _segments(costs, GSM7_SINGLE, GSM7_PART))
    costs = [len(cluster.encode("utf-16-be")) // 2 for cluster in _clusters(text)]
    return SmsSize("UCS-2", sum(costs), _segments(costs, UCS2_SINGLE, UCS2_PART))


def fits_one_segment(text: str) -> bool:
    """Whether the text is sent as one message."""
    if is_gsm7(text):
        return len(text) + len(_EXTENSION.findall(text)) <= GSM7_SINGLE
    return len(text.encode("utf-16-be")) // 2 <= UCS2_SINGLE


def to_gsm7(text: str) -> str | None:
    """The text in the GSM 7-bit alphabet, accents dropped where they must be ("François" → "Francois").

    Returns:
        None when the text cannot be written in that alphabet, e.g. Cyrillic or Arabic.
    """
    if is_gsm7(text):
        return text
    plain = []
    for character in unicodedata.normalize("NFC", text).translate(_SPELLED):
        if character in GSM7:
            plain.append(character)
            continue
        base = unicodedata.normalize("NFKD", character)
        kept = "".join(part for part in base if not unicodedata.combining(part))
        if not kept or not is_gsm7(kept):
            return None
        plain.append(kept)
    return "".join(plain)


def shorten(text: str, limit: int) -> str:
    """At most ``limit`` characters, cut at a word where there is one, with three dots; empty below four."""
    if len(text) <= limit:
        return text
    if limit < 4:
        return ""
    cut = text[: limit - 3]
    at = cut.rfind(" ")
    return (cut[:at] if at >= limit // 2 else cut).rstrip() + "..."


def _segments(costs: list[int], single: int, part: int) -> int:
    if sum(costs) <= single:
        return 1
    segments, used = 1, 0
    for cost in costs:
        if used + cost > part:
            segments += 1
            used = 0
        used += cost
    return segments


def _clusters(text: str) -> list[str]:
    """Characters with what clings to them: combining marks, joiners, variation selectors, skin tones."""
    clusters: list[str] = []
    for character in text:
        clings = (
            unicodedata.combining(character)
            or character in "\u200d\ufe0e\ufe0f\u20e3"
            or "\U0001f3fb" <= character <= "\U0001f3ff"
        )
        if clusters and (clings or clusters[-1].endswith("\u200d")):
            clusters[-1] += character
        else:
            clusters.append(character)
    return clusters
