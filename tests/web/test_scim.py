"""What identity providers send about people, what they get back, and what becomes of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import pytest
from scim2_models import EnterpriseUser, Error, ListResponse, ResourceType, Schema, ServiceProviderConfig, User
from sqlalchemy import func, insert, select, text

from pushpull.db import reading, writing
from pushpull.importers.tables import import_run
from pushpull.learners.declared import declare
from pushpull.learners.tables import learner, learner_identity, learner_tag
from pushpull.learners.vocabulary import FactKind
from pushpull.ledger.erased import peppers_of
from pushpull.personal.erasing import erase
from tests.web.conftest import NOW, Place
from tests.web.sending import SECRET, a_source, basic

CORE = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


class Provider:
    """An identity provider: every request with its token."""

    def __init__(self, place: Place, authorization: str = f"Bearer {SECRET}") -> None:
        self.client = place.client
        self.headers = {"Authorization": authorization, "Content-Type": "application/scim+json"}

    def ask(self, method: str, path: str = "Users", *, headers: dict[str, str] | None = None, **more: Any) -> Any:
        return self.client.request(method, f"/scim/v2/{path}", headers={**self.headers, **(headers or {})}, **more)

    def create(self, **more: Any) -> Any:
        return self.ask("POST", json={**a_user(), **more})

    def patch(self, user_id: str, *operations: dict[str, Any], **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        body = {"schemas": [PATCH], "Operations": list(operations)}
        return self.ask("PATCH", f"Users/{user_id}", json=body, headers=named)

    def find(self, expression: str) -> list[str]:
        answer = self.ask("GET", params={"filter": expression})
        assert answer.status_code == 200, answer.text
        ListResponse[User[EnterpriseUser]].model_validate(answer.json())
        return [each["id"] for each in answer.json()["Resources"]]


def a_user(**more: Any) -> dict[str, Any]:
    return {
        "schemas": [CORE, ENTERPRISE],
        "externalId": "p-7",
        "userName": "Eva@Example.org",
        "name": {"givenName": "Eva", "familyName": "Ek"},
        "displayName": "Eva Ek",
        "title": "Nurse",
        "active": True,
        "preferredLanguage": "sv-SE",
        "timezone": "Europe/Stockholm",
        "emails": [{"value": "eva@home.example", "type": "home"}, {"value": "eva@example.org", "type": "work"}],
        "phoneNumbers": [{"value": "+46 70 123 45 67", "type": "mobile"}],
        "password": "never looked at",
        ENTERPRISE: {"department": "Ward 3", "costCenter": "4711", "manager": {"value": "1"}},
        **more,
    }


@pytest.fixture
def provider(place: Place) -> Provider:
    a_source(place, "directory", "scim")
    if place.engine.dialect.name == "postgresql":  # the learner who is there was given her id by hand
        with writing(place.engine) as connection:
            connection.execute(text("SELECT setval(pg_get_serial_sequence('learner', 'id'), 1)"))
    return Provider(place)


def row_of(place: Place, key: str = "p-7") -> Any:
    with reading(place.engine) as connection:
        return connection.execute(select(learner).where(learner.c.external_id == key)).one_or_none()


def refused(answer: Any, status: int, kind: str | None = None) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/scim+json")
    error = Error.model_validate(answer.json())
    assert (error.status, error.scim_type) == (status, kind), answer.text


# --- who may send


def test_a_token_or_a_name_with_a_secret_opens_and_nothing_else(place: Place, provider: Provider) -> None:
    assert provider.ask("GET").status_code == 200
    assert Provider(place, basic("directory")).ask("GET").status_code == 200
    a_source(place, "player", "xapi")
    for wrong in ("", "Bearer", "Bearer x", "Bearer " + "a" * 63, basic("player"), basic("directory", "b" * 64)):
        answer = Provider(place, wrong).ask("GET")
        refused(answer, 401)
        assert "Bearer" in answer.headers["www-authenticate"]


# --- one person


def test_somebody_new_becomes_a_learner(place: Place, provider: Provider) -> None:
    answer = provider.create()
    assert answer.status_code == 201, answer.text
    user = answer.json()
    assert answer.headers["location"] == f"https://learn.example/scim/v2/Users/{user['id']}" == user["meta"]["location"]
    assert answer.headers["etag"] == user["meta"]["version"]
    assert "password" not in answer.text
    row = row_of(place)
    assert (row.given_name, row.family_name, row.display_name, row.title) == ("Eva", "Ek", "Eva Ek", "Nurse")
    assert (row.email, row.phone, row.preferred_language) == ("eva@example.org", "+46701234567", "sv-SE")
    assert (row.department, row.manager_external_id, row.timezone) == ("Ward 3", "p-1", "Europe/Stockholm")
    with reading(place.engine) as connection:
        assert connection.scalars(select(learner_tag.c.tag)).all() == ["cost-center:4711"]
        kinds = set(connection.scalars(select(learner_identity.c.kind)))
        run = connection.execute(select(import_run)).one()
    assert {"mbox", "mbox_sha1sum"} <= kinds
    assert (run.kind, run.source, run.rows_in, run.accepted) == ("people", "directory", 1, 1)
    read = provider.ask("GET", f"Users/{user['id']}").json()
    assert read == user
    assert read[ENTERPRISE] == {"department": "Ward 3", "costCenter": "4711", "manager": {"value": "1"}}


def test_the_same_person_twice_is_a_conflict(provider: Provider) -> None:
    provider.create()
    refused(provider.create(), 409, "uniqueness")
    refused(provider.create(externalId="p-8"), 409, "uniqueness")
    refused(provider.create(userName="other"), 409, "uniqueness")
    refused(provider.create(userName="other", externalId="p-8"), 409, "uniqueness")  # the address is hers


def test_eight_requests_at_once_make_one_person(place: Place, provider: Provider) -> None:
    with ThreadPoolExecutor(8) as threads:
        answers = sorted(threads.map(lambda _: provider.create().status_code, range(8)))
    assert answers == [201] + [409] * 7
    assert row_of(place) is not None


def test_somebody_whom_a_file_brought_in_is_found_and_linked_instead_of_made_twice(
    place: Place, provider: Provider
) -> None:
    assert provider.find('userName eq "ADA@example.org"') == ["1"]
    refused(provider.create(externalId="p-1", userName="ada.l", emails=[]), 409, "uniqueness")
    provider.patch("1", {"op": "replace", "path": "userName", "value": "ada.l"})
    assert provider.find('userName eq "ada.L"') == ["1"]
    assert provider.find('userName eq "ada@example.org"') == []


BROKEN = [b"", b"[]", b"{", b"null", b'{"a":1,"a":2}', b"\xff", b"{}", b'{"schemas":[]}', b"[" * 5000]


def test_what_is_no_user_is_refused_and_never_stumbled_over(place: Place, provider: Provider) -> None:
    for body in BROKEN:
        for method, path in (("POST", "Users"), ("PUT", "Users/1"), ("PATCH", "Users/1")):
            assert provider.ask(method, path, content=body).status_code == 400, (method, body[:20])
    for change in ({"userName": ""}, {"userName": 7}, {"emails": "x"}, {"emails": [{"value": "no address"}]},
                   {"active": "maybe"}, {"userName": "u" * 300}, {"schemas": ["urn:x"]}, {"externalId": "\x01" * 300},
                   {"name": []}, {ENTERPRISE: 1}):  # fmt: skip
        assert provider.create(**change).status_code == 400, change
    with reading(place.engine) as connection:
        assert connection.scalar(select(func.count()).select_from(learner)) == 1


def test_an_optional_value_that_cannot_be_read_is_left_out(place: Place, provider: Provider) -> None:
    odd = {"phoneNumbers": [{"value": "call me"}], "timezone": "Pacific Standard Time", "preferredLanguage": "??"}
    assert provider.create(**odd).status_code == 201
    row = row_of(place)
    assert (row.phone, row.timezone, row.preferred_language) == (None, None, None)


# --- finding people


def test_filters_find_people_page_by_page(place: Place, provider: Provider) -> None:
    new = provider.create().json()["id"]
    assert provider.find('externalId eq "p-7"') == [new]
    assert provider.find(f'id eq "{new}"') == [new]
    assert provider.find('emails[type eq "work" and value eq "EVA@example.org"]') == [new]
    assert provider.find('emails[type eq "work"].value eq "eva@example.org"') == [new]
    assert provider.find('emails.value eq "eva@example.org" and active eq true') == [new]
    assert provider.find(f'{CORE}:userName eq "eva@example.org"') == [new]
    assert provider.find(f'{ENTERPRISE}:department eq "ward 3" or name.givenName eq "ADA"') == ["1", new]
    assert provider.find('userName eq "nobody"') == []
    page = provider.ask("GET", params={"startIndex": "2", "count": "1"}).json()
    assert (page["totalResults"], page["startIndex"], page["itemsPerPage"]) == (2, 2, 1)
    assert [each["id"] for each in page["Resources"]] == [new]
    for none in ({"count": "0"}, {"count": "-1"}, {"startIndex": "9"}):
        page = provider.ask("GET", params=none).json()
        assert (page["totalResults"], page["Resources"]) == (2, [])
    some = provider.ask("GET", f"Users/{new}", params={"attributes": "userName,emails.value"}).json()
    assert set(some) == {"schemas", "id", "userName", "emails"}
    less = provider.ask("GET", f"Users/{new}", params={"excludedAttributes": "emails"}).json()
    assert "emails" not in less
    assert "userName" in less


NO_FILTERS = ["userName", "userName co \"a\"", "nosuch eq \"a\"", "(", "userName eq \"a", "active eq \"maybe\"",
              "emails[display eq \"x\"]", "not (active eq true)", "(" * 900, "password eq \"x\"",
              "userName eq \"a\\u0000\""]  # fmt: skip


def test_a_filter_that_is_not_spoken_here_is_refused(provider: Provider) -> None:
    for expression in NO_FILTERS:
        refused(provider.ask("GET", params={"filter": expression}), 400, "invalidFilter")
    for query in ("count=x", "startIndex=²", "count=1&count=2", "filter=%ff"):
        assert provider.ask("GET", f"Users?{query}").status_code == 400, query


# --- changing people


def test_entra_id_speaks_its_own_dialect(place: Place, provider: Provider) -> None:
    bare = {name: value for name, value in a_user().items() if name not in {"emails", "phoneNumbers", ENTERPRISE}}
    user_id = provider.ask("POST", json=bare).json()["id"]
    answer = provider.patch(
        user_id,
        {"op": "Add", "path": 'emails[type eq "work"].value', "value": "eva@example.org"},
        {"op": "Add", "path": 'phoneNumbers[type eq "mobile"].value', "value": "+46 70 765 43 21"},
        {"op": "Add", "path": f"{ENTERPRISE}:manager", "value": "1"},
        {"op": "Replace", "path": f"{ENTERPRISE}:department", "value": "Ward 9"},
        {"op": "Replace", "path": "name.familyName", "value": "Eklund"},
        {"op": "Replace", "path": "active", "value": "False"},
        {"op": "Add", "path": "roles", "value": [{"value": "x", "primary": "True"}]},
    )
    assert answer.status_code == 200, answer.text
    row = row_of(place)
    assert (row.email, row.phone, row.active) == ("eva@example.org", "+46707654321", False)
    assert (row.manager_external_id, row.department, row.family_name) == ("p-1", "Ward 9", "Eklund")
    provider.patch(user_id, {"op": "Remove", "path": f"{ENTERPRISE}:manager"}, {"op": "Remove", "path": "title"})
    assert (row_of(place).manager_external_id, row_of(place).title) == (None, None)


def test_okta_sends_changes_without_a_path_and_whole_people(place: Place, provider: Provider) -> None:
    user_id = provider.create().json()["id"]
    assert provider.patch(user_id, {"op": "replace", "value": {"active": False}}).json()["active"] is False
    change = {"displayName": "E. Ek", "name.givenName": "Eva-Li", ENTERPRISE: {"costCenter": "9"}, "nosuch": 1}
    provider.patch(user_id, {"op": "replace", "value": change})
    assert (row_of(place).display_name, row_of(place).given_name, row_of(place).family_name) == (
        "E. Ek",
        "Eva-Li",
        "Ek",
    )
    with reading(place.engine) as connection:
        assert connection.scalars(select(learner_tag.c.tag)).all() == ["cost-center:9"]
    again = provider.ask("PUT", f"Users/{user_id}", json={**a_user(), "id": user_id, "meta": {}, "groups": []})
    assert again.status_code == 200, again.text
    assert (row_of(place).display_name, row_of(place).active) == ("Eva Ek", True)


def test_what_a_directory_does_not_mention_stays(place: Place, provider: Provider) -> None:
    user_id = provider.create().json()["id"]
    with writing(place.engine) as connection:
        connection.execute(learner.update().where(learner.c.id == int(user_id)).values(hired_on=date(2024, 1, 2)))
    short = {"schemas": [CORE], "userName": "eva@example.org", "title": None}
    assert provider.ask("PUT", f"Users/{user_id}", json=short).status_code == 200
    row = row_of(place)
    assert (row.title, row.department, row.hired_on, row.email) == (None, "Ward 3", date(2024, 1, 2), "eva@example.org")


def test_changes_that_cannot_be_are_refused_whole(place: Place, provider: Provider) -> None:
    user_id = provider.create().json()["id"]
    for operation, kind in (
        ({"op": "replace", "path": "id", "value": "9"}, "mutability"),
        ({"op": "replace", "path": "externalId", "value": "p-1"}, "mutability"),
        ({"op": "remove", "path": "userName"}, "mutability"),
        ({"op": "remove"}, "noTarget"),
        ({"op": "move", "path": "title"}, "invalidValue"),
        ({"op": "replace", "path": "title["}, "invalidPath"),
        ({"op": "replace", "path": "active", "value": "maybe"}, "invalidValue"),
        ({"op": "replace", "path": 'emails[type eq "work"].value', "value": "no address"}, "invalidValue"),
        ({"op": "replace", "path": "userName", "value": "u" * 300}, "invalidValue"),
    ):
        title = {"op": "replace", "path": "title", "value": "Boss"}
        refused(provider.patch(user_id, title, operation), 400, kind)
    refused(
        provider.patch(user_id, {"op": "replace", "path": "userName", "value": "ADA@example.org"}), 409, "uniqueness"
    )
    taken = {"op": "replace", "path": 'emails[type eq "work"].value', "value": "ada@example.org"}
    with writing(place.engine) as connection:
        connection.execute(insert(learner_identity).values(kind="mbox", value="mailto:ada@example.org", learner_id=1))
    refused(provider.patch(user_id, taken), 409, "uniqueness")
    refused(provider.patch("99", {"op": "replace", "path": "title", "value": "x"}), 404)
    assert row_of(place).title == "Nurse"


def test_a_version_guards_against_changes_in_between(provider: Provider) -> None:
    answer = provider.create()
    user_id, version = answer.json()["id"], answer.headers["etag"]
    title = {"op": "replace", "path": "title", "value": "Boss"}
    assert provider.ask("GET", f"Users/{user_id}", headers={"If-None-Match": version}).status_code == 304
    assert provider.patch(user_id, title, If_Match=version).status_code == 200
    refused(provider.patch(user_id, title, If_Match=version), 412)
    refused(provider.ask("DELETE", f"Users/{user_id}", headers={"If-Match": version}), 412)
    assert provider.ask("GET", f"Users/{user_id}", headers={"If-None-Match": version}).status_code == 200


# --- what is stronger than a directory


def test_a_language_that_a_learner_chose_stays_and_the_directorys_comes_back_with_their_word(
    place: Place, provider: Provider
) -> None:
    user_id = provider.create().json()["id"]
    with writing(place.engine) as connection:
        declare(connection, int(user_id), FactKind.LANGUAGE, ("de",), at=NOW)
    provider.patch(user_id, {"op": "replace", "path": "title", "value": "Boss"})
    answer = provider.patch(user_id, {"op": "replace", "path": "preferredLanguage", "value": "fr"})
    assert answer.json()["preferredLanguage"] == "de"
    with writing(place.engine) as connection:
        declare(connection, int(user_id), FactKind.LANGUAGE, (), at=NOW)
    assert row_of(place).preferred_language == "fr"


def test_who_was_erased_is_not_seen_and_not_brought_back(place: Place, provider: Provider) -> None:
    user_id = provider.create().json()["id"]
    pepper = peppers_of(place.settings)[0]
    with writing(place.engine) as connection:
        erase(connection, int(user_id), by="learner", who="learner", why=None, pepper=pepper, at=NOW)
    refused(provider.ask("GET", f"Users/{user_id}"), 404)
    assert provider.find('userName eq "eva@example.org"') == []
    refused(provider.create(), 403)
    refused(provider.create(externalId="p-8"), 403)
    refused(provider.create(externalId="p-8", userName="e.ek", phoneNumbers=[]), 403)
    refused(provider.patch("1", {"op": "replace", "path": "userName", "value": "eva@example.org"}), 403)
    refused(provider.patch(user_id, {"op": "replace", "path": "active", "value": True}), 404)


def test_who_was_removed_gets_nothing_any_more_is_not_seen_and_may_come_back(place: Place, provider: Provider) -> None:
    user_id = provider.create().json()["id"]
    assert provider.ask("DELETE", f"Users/{user_id}").status_code == 204
    assert row_of(place).active is False
    refused(provider.ask("GET", f"Users/{user_id}"), 404)
    refused(provider.ask("DELETE", f"Users/{user_id}"), 404)
    assert provider.find('userName eq "eva@example.org"') == []
    back = provider.create(title="Head nurse")
    assert (back.status_code, back.json()["id"]) == (201, user_id)
    assert (row_of(place).active, row_of(place).title) == (True, "Head nurse")


# --- the service itself


def test_the_service_says_what_it_can(provider: Provider) -> None:
    config = ServiceProviderConfig.model_validate(provider.ask("GET", "ServiceProviderConfig").json())
    assert config.patch is not None
    assert config.patch.supported
    types = ListResponse[ResourceType].model_validate(provider.ask("GET", "ResourceTypes").json())
    assert [each.name for each in types.resources or ()] == ["User"]
    found = ListResponse[Schema].model_validate(provider.ask("GET", "Schemas").json())
    assert [str(each.id) for each in found.resources or ()] == [CORE, ENTERPRISE]
    assert provider.ask("GET", f"Schemas/{CORE}").json()["id"] == CORE
    assert provider.ask("GET", "ResourceTypes/User").json()["endpoint"] == "/Users"
    for path in ("Schemas/x", "ResourceTypes/Group", "Groups", "Users/1/x", "", "Users/x", "Users/99"):
        refused(provider.ask("GET", path), 404)
    for path in ("Me", "Bulk", "Users/.search", ".search"):
        refused(provider.ask("POST", path, json={}), 501)
    answer = provider.ask("DELETE", "Users")
    refused(answer, 405)
    assert answer.headers["allow"] == "GET, POST"
