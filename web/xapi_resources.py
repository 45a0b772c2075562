"""The resources of the learning record store, by their paths; the numbers in docstrings are those of xAPI 1.0.3, part
three, section 2."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from web.ingest import json_answer
from web.xapi_documents import ACTIVITY, AGENT, STATE
from web.xapi_statements import get_statements, post_statements, put_statement
from web.xapi_wishes import Answering, Wish


def about() -> Response:
    """The versions spoken here (2.8); anybody may know."""
    return json_answer({"version": ["1.0.0", "1.0.1", "1.0.2", "1.0.3", "2.0.0"], "extensions": {}})


def get_activity(wish: Wish) -> Response:
    """The activity of an IRI (2.5): no more is known of it than that."""
    wish.only("activityId")
    return json_answer({"objectType": "Activity", "id": wish.needed_iri("activityId")})


def get_person(wish: Wish) -> Response:
    """The person of an agent (2.4): what was asked with, and nothing that would tell more about them."""
    wish.only("agent")
    agent = wish.needed_agent()
    known = {name: [value] for name, value in agent.items() if name not in {"objectType", "member"}}
    return json_answer({"objectType": "Person", **known})


#: What can be asked for, below ``/xapi/``.
RESOURCES: Mapping[str, Mapping[str, Answering]] = {
    "statements": {"GET": get_statements, "PUT": put_statement, "POST": post_statements},
    "activities": {"GET": get_activity},
    "activities/state": STATE.methods(),
    "activities/profile": ACTIVITY.methods(),
    "agents": {"GET": get_person},
    "agents/profile": AGENT.methods(),
}
