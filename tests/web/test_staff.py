"""What a browser keeps of a sign-in."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from pushpull.db import open_database
from pushpull.settings import Settings
from web import staff
from web.session import NotFromHereError
from web.site import Site
from web.staff import NeedsSignIn, Staff, cookie_name, let_in, let_out, staff_form_of, staff_of

SETTINGS = Settings(
    _env_file=None,
    base_url="https://learn.example",
    link_key="a secret of the tests alone",
    oidc_issuer="https://id.example",
    oidc_client_id="pushpull",
    oidc_sponsor_group="sponsors",
    oidc_ops_group="ops",
)


def asked(
    settings: Settings = SETTINGS, path: str = "/team", cookie: str = "", body: bytes = b"", **headers: str
) -> Request:
    app = FastAPI()
    app.state.site = Site(settings, open_database("sqlite://"))
    listed = {"content-type": "application/x-www-form-urlencoded", "cookie": cookie}
    listed.update({name.replace("_", "-"): value for name, value in headers.items()})

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    scope = {
        "type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"", "app": app,
        "headers": [(name.encode(), value.encode()) for name, value in listed.items()],
    }  # fmt: skip
    return Request(scope, receive)


def cookie_of(settings: Settings = SETTINGS, *, groups: tuple[str, ...] = ()) -> str:
    request, answer = asked(settings), Response()
    let_in(request, answer, subject="u-1", email="Grace@Example.org ", name=" Grace ", groups=groups)
    return answer.headers["set-cookie"].partition(";")[0]


def test_who_signed_in_is_known_until_the_working_day_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    cookie = cookie_of(groups=("sponsors", "others"))
    found = staff_of(asked(cookie=cookie))
    assert found == Staff("u-1", "grace@example.org", "Grace", True, False, found.form_token)
    assert staff_of(asked(cookie=cookie_of(groups=("ops",)))).is_ops
    later = staff.now() + timedelta(hours=8)
    monkeypatch.setattr(staff, "now", lambda: later)
    with pytest.raises(NeedsSignIn):
        staff_of(asked(cookie=cookie))


def test_the_cookie_is_of_this_host_alone_and_out_of_reach_of_pages() -> None:
    request, answer = asked(), Response()
    let_in(request, answer, subject="u-1", email="", name="", groups=())
    kept = answer.headers["set-cookie"]
    assert kept.startswith("__Host-pushpull-staff=")
    assert {"HttpOnly", "Secure", "Path=/", "SameSite=lax", "Max-Age=28800"} <= set(kept.split("; "))
    let_out(request, answer)
    assert "Max-Age=0" in answer.headers.getlist("set-cookie")[-1]
    assert (
        cookie_name(Site(SETTINGS.model_copy(update={"base_url": "http://127.0.0.1"}), open_database("sqlite://")))
        == "pushpull-staff"
    )


@pytest.mark.parametrize("path", ["/team", "/sponsor", "/moderation/reviews/3", "/elsewhere"])
def test_the_sign_in_comes_back_to_a_page_of_ours(path: str) -> None:
    with pytest.raises(NeedsSignIn) as refused:
        staff_of(asked(path=path))
    assert refused.value.page in staff.PAGES
    if path != "/elsewhere":
        assert path.startswith(staff.PAGES[refused.value.page])


def test_no_other_cookie_lets_anybody_in() -> None:
    good = cookie_of(groups=("ops",))
    name, _, value = good.partition("=")
    other_key = SETTINGS.model_copy(update={"link_key": SecretStr("quite another secret here")})
    other_provider = SETTINGS.model_copy(update={"oidc_issuer": "https://id.other.example"})
    refused = [
        f"{name}={value[:place]}{'A' if value[place] != 'A' else 'B'}{value[place + 1 :]}"
        for place in range(len(value) - 1)
    ]
    refused += ["", f"{name}=", f"{name}=null", f"{name}={value}x", f"{name}={value * 40}", f"pushpull-staff={value}"]
    refused += [cookie_of(other_key), cookie_of(other_provider)]
    for cookie in refused:
        with pytest.raises(NeedsSignIn):
            staff_of(asked(cookie=cookie))


def test_a_sign_in_outlives_the_rotation_of_the_link_key() -> None:
    rotated = SETTINGS.model_copy(
        update={"link_key": SecretStr("quite another secret here"), "link_key_previous": SETTINGS.link_key}
    )
    assert staff_of(asked(rotated, cookie=cookie_of())).subject == "u-1"


def test_without_a_provider_there_is_no_such_page() -> None:
    with pytest.raises(HTTPException) as refused:
        staff_of(asked(SETTINGS.model_copy(update={"oidc_issuer": ""}), cookie=cookie_of()))
    assert refused.value.status_code == 404


def test_a_form_counts_only_when_our_page_showed_it_to_them() -> None:
    cookie = cookie_of()
    token = staff_of(asked(cookie=cookie)).form_token
    good = f"form_token={token}&action=hide".encode()
    person, fields = asyncio.run(staff_form_of(asked(cookie=cookie, body=good, origin="https://learn.example")))
    assert (person.subject, fields["action"]) == ("u-1", ["hide"])
    foreign = [
        asked(cookie=cookie, body=b"action=hide"),
        asked(cookie=cookie, body=good + b"&form_token=" + token.encode()),
        asked(cookie=cookie_of(groups=("ops",)), body=good),
        asked(cookie=cookie, body=good, origin="https://evil.example"),
        asked(cookie=cookie, body=good, sec_fetch_site="cross-site"),
    ]
    for request in foreign:
        with pytest.raises(NotFromHereError):
            asyncio.run(staff_form_of(request))
