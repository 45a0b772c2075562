"""Letters that people ask for on a page, written in our own words and the brand of the campaign they came by.

They are no campaign's messages: no author writes them, and nobody unsubscribes from what they asked for themselves.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Final

from markupsafe import Markup
from ruamel.yaml import YAML

from content.brand import Brand
from content.source import ContentModel
from pushpull.ledger.messages import EmailBody
from pushpull.ledger.vocabulary import LetterKind

_WORDS: Final = Path(__file__).parent / "letters.yaml"
#: The language of people whose own we do not speak.
_LAST_RESORT: Final = "en"

_HTML: Final = Markup("""\
<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><title>{subject}</title></head>
<body style="margin:0;padding:24px;background:{colours.background};color:{colours.text};font:16px/1.55 -apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif">
<div style="max-width:560px;margin:0 auto;padding:28px 32px;border-radius:10px;background:{colours.surface}">
<p style="margin:0 0 16px;color:{colours.primary};font-weight:600">{mark}&#160; {brand}</p>
<h1 style="margin:0 0 16px;font-size:23px;line-height:1.25">{subject}</h1>
<p style="margin:0 0 16px">{greeting}<br>{line}</p>
<p style="margin:0 0 24px"><a href="{link}" style="display:inline-block;padding:14px 28px;border-radius:8px;background:{colours.primary};color:{colours.on_primary};font-weight:600;text-decoration:none">{button}</a></p>
<p style="margin:0 0 16px;color:{colours.muted};font-size:14px">{hint}</p>
<p style="margin:0">{sign_off}</p>
</div>
<p style="max-width:560px;margin:16px auto 0;color:{colours.muted};font-size:13px">{footer}</p>
</body></html>
""")  # noqa: E501
_TEXT: Final = """\
{greeting}
{line}

{button}: {link}

{hint}

{sign_off}

--
{footer}
"""


class LetterWords(ContentModel):
    """A letter in one language.

    Args:
        named, plain: the greeting, with the given name (``{name}``) and without.
    """

    subject: str
    named: str
    plain: str
    line: str
    button: str
    hint: str


def write_letter(kind: LetterKind, *, link: str, given_name: str, language: str, brand: Brand) -> EmailBody:
    """A letter as its reader gets it.

    Args:
        given_name: empty when unknown.
        language: BCP 47; one we do not speak gets English.
        brand: whose name, colours and sender it has.
    """
    spoken = language.lower().replace("_", "-").partition("-")[0]
    by_language = _words()[kind]
    spoken = spoken if spoken in by_language else _LAST_RESORT
    words = by_language[spoken]
    name = " ".join(given_name.split())
    said = {
        "language": spoken,
        "subject": words.subject,
        "greeting": words.named.replace("{name}", name) if name else words.plain,
        "line": words.line,
        "button": words.button,
        "hint": words.hint,
        "link": link,
        "brand": brand.name,
        "mark": brand.mark.text,
        "colours": brand.colours,
        "sign_off": _in(spoken, brand.sign_off),
        "footer": _in(spoken, brand.footer),
    }
    return EmailBody(
        subject=words.subject,
        html=str(_HTML.format(**said)),
        text=_TEXT.format(**said),
        sender_name=brand.sender.name,
        sender_address=brand.sender.address,
        reply_to=brand.sender.reply_to,
    )


def _in(language: str, texts: dict[str, str]) -> str:
    return texts.get(language) or texts.get(_LAST_RESORT) or next(iter(texts.values()))


@lru_cache
def _words() -> dict[LetterKind, dict[str, LetterWords]]:
    raw = YAML(typ="safe").load(_WORDS.read_text(encoding="utf-8"))
    return {
        LetterKind(kind): {language: LetterWords.model_validate(words) for language, words in by_language.items()}
        for kind, by_language in raw.items()
    }
