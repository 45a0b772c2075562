"""Everything that is kept of a learner, to take along or to erase; behind a link of its own that soon expires.

The link is all it takes, so it goes to the learner's own mailbox alone, and opening it changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter
from sqlalchemy import Connection, select
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pushpull.db import reading, writing
from pushpull.learners.tables import learner
from pushpull.ledger.erased import is_erased, peppers_of
from pushpull.ledger.links import Claims, Purpose
from pushpull.ledger.vocabulary import FetchKind
from pushpull.personal import PersonalData, Shelf, data_of, erase
from web.forms import Fields
from web.openings import keep_opening
from web.pages import page
from web.phrases import Phrases, phrases_in
from web.session import end, link_form_of
from web.site import claims_of, now, site_of
from web.words import LANGUAGES, Words, spoken_in, words_for

router = APIRouter()

AREA: Final = "account"
#: Entries of one table that are shown; the download has them all.
MOST_SHOWN: Final = 20


def show(request: Request) -> Response:
    """What can be done here; after erasing, that it was done."""
    claims, has_expired = claims_of(request, Purpose.ACCOUNT)
    with writing(site_of(request).engine) as connection:
        if is_erased(connection, claims.learner_id):
            return _erased(request)
        owner = _owner(request, connection, claims)
        keep_opening(request, connection, FetchKind.ACCOUNT, claims)
        if has_expired:
            return owner.page("over", status=410)
        data = data_of(connection, claims.learner_id, at=now())
    assert claims.expires_at is not None
    return owner.page("account", data=data, until=owner.phrases.moment(claims.expires_at))


def read(request: Request) -> Response:
    """Everything, to be read."""
    owner, data = _opened(request)
    return owner.page("records", data=data, shelves=list(Shelf), most_shown=MOST_SHOWN)


def download(request: Request) -> Response:
    """Everything, as a file."""
    _, data = _opened(request)
    name = f"my-data-{data.at:%Y-%m-%d}.json"
    return Response(
        data.as_json(),
        media_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def confirm(request: Request) -> Response:
    """The page that asks whether to erase everything."""
    owner, _ = _opened(request)
    return _question(request, owner)


async def carry_out(request: Request) -> Response:
    """Erase everything, where the word was typed that says so."""
    claims, has_expired = claims_of(request, Purpose.ACCOUNT)
    if has_expired:
        raise HTTPException(404)
    return await run_in_threadpool(_carry_out, request, claims, await link_form_of(request))


router.add_route("/a/{token}", show, methods=["GET"])
router.add_route("/a/{token}/read", read, methods=["GET"])
router.add_route("/a/{token}/my-data.json", download, methods=["GET"])
router.add_route("/a/{token}/erase", confirm, methods=["GET"])
router.add_route("/a/{token}/erase", carry_out, methods=["POST"])


@dataclass(frozen=True, slots=True)
class _Owner:
    """Whose data it is, as far as the pages speak to them."""

    token: str
    words: Words
    phrases: Phrases

    def page(self, template: str, *, status: int = 200, **values: Any) -> Response:
        """One of the pages."""
        return page(
            f"account/{template}.html.j2",
            status=status,
            words=self.words,
            phrases=self.phrases,
            token=self.token,
            **values,
        )


def _question(request: Request, owner: _Owner, *, typed: str = "", is_wrong: bool = False) -> Response:
    form_token = site_of(request).signer.form_token(owner.token)
    status = 422 if is_wrong else 200
    return owner.page("erase", status=status, is_wrong=is_wrong, typed=typed, form_token=form_token)


def _carry_out(request: Request, claims: Claims, fields: Fields) -> Response:
    site = site_of(request)
    typed = (fields.get("word") or [""])[0]
    with writing(site.engine) as connection:
        owner = _owner(request, connection, claims)
        if typed.strip().strip("„“”\"'«»").strip().casefold() not in _WORDS:
            return _question(request, owner, typed=typed[:50], is_wrong=True)
        erase(
            connection,
            claims.learner_id,
            by="learner",
            who="learner",
            why=None,
            pepper=peppers_of(site.settings)[0],
            at=now(),
        )
    answer = RedirectResponse(f"/a/{owner.token}?in={owner.words.language}", status_code=303)
    end(request, answer)
    return answer


#: The word that confirms, in any of the languages: pages may have been translated on the way.
_WORDS: Final = frozenset(words_for(language, AREA)("erase_word").casefold() for language in LANGUAGES)


def _opened(request: Request) -> tuple[_Owner, PersonalData]:
    """Whose link was opened, and everything of theirs.

    Raises:
        HTTPException: 404, the link is over, or they were erased: its first page says which.
    """
    claims, has_expired = claims_of(request, Purpose.ACCOUNT)
    if has_expired:
        raise HTTPException(404)
    with reading(site_of(request).engine) as connection:
        owner = _owner(request, connection, claims)
        return owner, data_of(connection, claims.learner_id, at=now())


def _owner(request: Request, connection: Connection, claims: Claims) -> _Owner:
    site = site_of(request)
    person = connection.execute(
        select(learner.c.preferred_language, learner.c.timezone).where(learner.c.id == claims.learner_id)
    ).one_or_none()
    if person is None or is_erased(connection, claims.learner_id):
        raise HTTPException(404)
    words = words_for(person.preferred_language or "", AREA)
    phrases = phrases_in(words.language, site.settings, zone=person.timezone or "", now=now())
    return _Owner(request.path_params["token"], words, phrases)


def _erased(request: Request) -> Response:
    """That it was done, in the language it was done in: nothing else is known of them any more."""
    asked = request.query_params.get("in", "")
    language = asked if asked in LANGUAGES else spoken_in(request.headers.get("accept-language", ""))
    words = words_for(language, AREA)
    return page("message.html.j2", words=words, title=words("erased_title"), lines=[words("erased")])
