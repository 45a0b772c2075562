"""What is around every page of managers, sponsors and ops: the way about, and the way out."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from web.pages import page
from web.session import FORM_TOKEN
from web.staff import PAGES, Staff
from web.words import Words, spoken_in, words_for


def staff_words(request: Request, *areas: str) -> Words:
    """The words of these pages, in the language the browser asks for: nothing else says what staff speak."""
    return words_for(spoken_in(request.headers.get("accept-language", "")), "staff", *areas)


def staff_page(
    request: Request, staff: Staff, template: str, *areas: str, here: str, status: int = 200, **values: Any
) -> Response:
    """One of the pages behind the sign-in.

    Args:
        template: its file; it extends ``staff.html.j2``, and every form in it says ``{{ form_token }}``.
        areas: whose words it uses, beside ``core`` and ``staff``.
        here: its key in :data:`web.staff.PAGES`.
        values: what it shows.
    """
    seen = {"team": True, "sponsor": staff.is_sponsor, "moderation": staff.is_ops}
    navigation = [(f"nav_{key}", address, key == here) for key, address in PAGES.items() if seen[key]]
    words = staff_words(request, *areas)
    return page(
        template,
        status=status,
        words=words,
        staff=staff,
        form_token=_form_token(staff),
        navigation=navigation,
        **values,
    )


def _form_token(staff: Staff) -> Markup:
    return Markup('<input type="hidden" name="{}" value="{}">').format(FORM_TOKEN, staff.form_token)


def not_set_up(request: Request) -> Response:
    """Say that the pages behind the sign-in are closed to everybody, since this installation has no sign-in."""
    words = staff_words(request)
    return page(
        "message.html.j2", status=404, words=words, title=words("not_set_up_title"), lines=[words("not_set_up")]
    )
