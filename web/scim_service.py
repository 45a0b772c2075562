"""What this SCIM service is and can do (RFC 7643, sections 5 to 7; RFC 7644, section 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from scim2_models import (
    AuthenticationScheme,
    Bulk,
    ChangePassword,
    Context,
    EnterpriseUser,
    ETag,
    Filter,
    Meta,
    Patch,
    ResourceType,
    Schema,
    ServiceProviderConfig,
    Sort,
    User,
)

from pushpull.importers.scim.users import Person

#: Most users of one answer.
PAGE: Final = 200
LIST: Final = "urn:ietf:params:scim:api:messages:2.0:ListResponse"


def config(base: str) -> dict[str, Any]:
    """What the service can do.

    Args:
        base: address of the service, without a slash at the end.
    """
    schemes = [
        AuthenticationScheme(
            type="oauthbearertoken",
            name="Bearer",
            description="the secret of a source of kind scim, as a bearer token",
            spec_uri="https://www.rfc-editor.org/rfc/rfc6750",
            primary=True,
        ),
        AuthenticationScheme(
            type="httpbasic",
            name="HTTP Basic",
            description="the name and the secret of a source of kind scim",
            spec_uri="https://www.rfc-editor.org/rfc/rfc7617",
        ),
    ]
    return ServiceProviderConfig(
        patch=Patch(supported=True),
        bulk=Bulk(supported=False, max_operations=0, max_payload_size=0),
        filter=Filter(supported=True, max_results=PAGE),
        change_password=ChangePassword(supported=False),
        sort=Sort(supported=False),
        etag=ETag(supported=True),
        authentication_schemes=schemes,
        meta=Meta(resource_type="ServiceProviderConfig", location=f"{base}/ServiceProviderConfig"),
    ).model_dump(mode="json", scim_ctx=Context.RESOURCE_QUERY_RESPONSE)


def resource_types(base: str) -> Mapping[str, dict[str, Any]]:
    """The resource types, by their ids."""
    user = ResourceType.from_resource(Person)
    user.meta = Meta(resource_type="ResourceType", location=f"{base}/ResourceTypes/User")
    return {"User": user.model_dump(mode="json", scim_ctx=Context.RESOURCE_QUERY_RESPONSE)}


def schemas(base: str) -> Mapping[str, dict[str, Any]]:
    """The schemas, by their ids."""
    found: dict[str, dict[str, Any]] = {}
    for model in (User, EnterpriseUser):
        schema: Schema = model.to_schema()
        schema.meta = Meta(resource_type="Schema", location=f"{base}/Schemas/{schema.id}")
        found[str(schema.id)] = schema.model_dump(mode="json", scim_ctx=Context.RESOURCE_QUERY_RESPONSE)
    return found


def listed(resources: Sequence[Mapping[str, Any]], *, total: int | None = None, start: int = 1) -> dict[str, Any]:
    """Resources as the answer to a query (RFC 7644, section 3.4.2).

    Args:
        total: how many there are beside these; None: these are all.
        start: which of all the first one is, from 1.
    """
    return {
        "schemas": [LIST],
        "totalResults": len(resources) if total is None else total,
        "startIndex": start,
        "itemsPerPage": len(resources),
        "Resources": list(resources),
    }
