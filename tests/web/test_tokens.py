"""Tokens that were tampered with, and tokens at the wrong door: none of them opens anything, and nothing is changed."""

from __future__ import annotations

import random
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, select
from starlette.routing import Route

from pushpull.db import metadata, reading
from pushpull.ledger.links import Claims, Fault, LinkError, LinkSigner, Purpose
from tests.web.conftest import BASE, NOW, Place
from tests.web.knocking import Knock, answers
from web.app import _ROUTES, create_app

SIGNER = LinkSigner("a secret of the tests alone", "the former secret", BASE)
FORMER = LinkSigner("the former secret", None, BASE)
LATER = NOW + timedelta(days=10)
#: Where a token stands in a path; everything that takes one is found in the app itself.
SLOT = "{token}"


def made(signer: LinkSigner, draw: random.Random, *, until: datetime = LATER) -> Mapping[Purpose, str]:
    """A token of each purpose, of somebody drawn."""
    n, campaign, family = draw.randrange(1, 2**40), draw.randrange(1, 99), "f" * draw.randrange(1, 40)
    claims = Claims(Purpose.LANDING, n, "", campaign_id=campaign)
    urls = {
        Purpose.LANDING: signer.landing_url(n, campaign, draw.choice([None, 1, 77]), draw.randrange(99), 0, until),
        Purpose.UNSUBSCRIBE: signer.unsubscribe_url(n, draw.choice(["email", "*"]), family),
        Purpose.PREFERENCES: signer.preferences_url(n),
        Purpose.SHARE: signer.share_url(n),
        Purpose.ACCOUNT: signer.account_url(n, until),
    }
    tokens = {purpose: url.rpartition("/")[2] for purpose, url in urls.items()}
    return {**tokens, Purpose.SESSION: signer.session_token(claims, until)}


def flipped(token: str) -> Iterator[str]:
    """The token with one bit of its bytes changed, each of them in turn."""
    raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    for place in range(len(raw) * 8):
        changed = bytearray(raw)
        changed[place // 8] ^= 1 << place % 8
        yield urlsafe_b64encode(changed).rstrip(b"=").decode()


def respelled(token: str) -> Iterator[str]:
    """The token with one bit of its text changed, each of them in turn: also those that stand for the same bytes."""
    for place in range(len(token) * 8):
        letters = list(token)
        letters[place // 8] = chr(ord(letters[place // 8]) ^ 1 << place % 8)
        yield "".join(letters)


def test_every_bit_of_a_hundred_tokens_is_guarded() -> None:
    draw = random.Random(5)
    hundred = [
        token for n in range(17) for token in made(FORMER if n % 4 == 3 else SIGNER, draw).values()
    ][:100]  # fmt: skip
    assert len(set(hundred)) == 100
    tried, accepted = 0, []
    for token in hundred:
        SIGNER.signed(token)
        for changed in (*flipped(token), *respelled(token)):
            tried += 1
            try:
                accepted.append(SIGNER.signed(changed))
            except LinkError as error:
                assert error.kind is Fault.FORGED  # noqa: PT017  # one of a hundred thousand
                assert error.claims is None  # noqa: PT017
    assert accepted == []
    assert tried > 75_000


def test_every_bit_of_a_forms_token_is_guarded() -> None:
    session = made(SIGNER, random.Random(6))[Purpose.SESSION]
    good = SIGNER.form_token(session)
    assert SIGNER.is_form_token(session, good)
    for changed in (*flipped(good), *respelled(good)):
        assert changed == good or not SIGNER.is_form_token(session, changed)
    assert not any(SIGNER.is_form_token(changed, good) for changed in flipped(session))


def of_the_place(place: Place) -> Mapping[Purpose, str]:
    """Tokens that open something: of the learner who is there."""
    claims = Claims(Purpose.LANDING, 1, "", campaign_id=1)
    return {
        Purpose.LANDING: place.landing().removeprefix("/l/"),
        Purpose.UNSUBSCRIBE: place.unsubscribe().removeprefix("/u/"),
        Purpose.PREFERENCES: place.preferences().removeprefix("/p/"),
        Purpose.SHARE: place.signer.share_url(1).rpartition("/")[2],
        Purpose.ACCOUNT: place.signer.account_url(1, LATER).rpartition("/")[2],
        Purpose.SESSION: place.signer.session_token(claims, LATER),
    }


def doors() -> list[tuple[str, str]]:
    """Every route that takes a token: its method and its path."""
    routes = [route for area in _ROUTES for route in area.router.routes if isinstance(route, Route)]
    return sorted((method, route.path) for route in routes if SLOT in route.path for method in route.methods or ())


#: What would do something at some door, were the token right.
FORM = {"List-Unsubscribe": "One-Click", "action": "stop", "confirm": "yes", "word": "erase"}


def everything(engine: Engine) -> dict[str, list[str]]:
    """All rows of all tables."""
    with reading(engine) as connection:
        return {
            table.name: sorted(map(repr, connection.execute(select(table)).all())) for table in metadata.sorted_tables
        }


def asked(tokens: Callable[[Purpose], list[str]]) -> list[Knock]:
    """These tokens, by the purpose of each door, at every door and as a visit's cookie."""
    by_path = {purpose.value: purpose for purpose in Purpose}
    knocks = []
    for method, path in doors():
        form = FORM if method == "POST" else None
        own = by_path.get(path.split("/")[1])  # a trap has no purpose of its own
        knocks += [Knock(method, path.replace(SLOT, each), form=form) for each in (tokens(own) if own else [])]
    for method, path in (("GET", "/me"), ("GET", "/me/start/1"), ("POST", "/me/queue"), ("GET", "/me/plans")):
        form = FORM if method == "POST" else None
        for each in tokens(Purpose.SESSION):
            knocks += [
                Knock(method, path, headers={"cookie": f"{name}={each}"}, form=form)
                for name in ("__Host-pushpull", "__Host-pushpull-staff")
            ]
    return knocks


def refused(knock: Knock) -> int:
    return 401 if knock.path.startswith("/me") else 404


def test_no_token_opens_the_door_of_another_purpose(place: Place) -> None:
    app, good = create_app(place.settings, place.engine, limits=None), of_the_place(place)
    assert {path.split("/")[1] for _, path in doors()} >= {"l", "u", "p", "s", "t"}
    before = everything(place.engine)
    knocks = asked(lambda own: [token for purpose, token in good.items() if purpose is not own])
    opened = [
        (knock, answer.status)
        for knock, answer in zip(knocks, answers(app, knocks), strict=True)
        if answer.status != refused(knock)
    ]
    assert opened == []
    assert len(knocks) >= 5 * 12
    assert everything(place.engine) == before


def test_a_token_of_any_purpose_shows_a_machine_the_trap_and_nothing_else(place: Place) -> None:
    app = create_app(place.settings, place.engine, limits=None)
    found = answers(app, [Knock("GET", f"/t/{token}") for token in of_the_place(place).values()])
    assert {(answer.status, answer.location) for answer in found} == {(404, None)}


def test_no_door_opens_to_a_token_with_a_changed_bit(place: Place) -> None:
    if place.engine.dialect.name != "sqlite":
        pytest.skip("tokens are refused before any database is asked")
    app, good = create_app(place.settings, place.engine, limits=None), of_the_place(place)
    before = everything(place.engine)
    knocks = asked(lambda own: list(flipped(good[own]))[::5])
    opened = [
        (knock, answer.status)
        for knock, answer in zip(knocks, answers(app, knocks), strict=True)
        if answer.status != refused(knock)
    ]
    assert opened == []
    assert len(knocks) > 800
    assert everything(place.engine) == before
