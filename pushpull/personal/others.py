"""Statements as one of the people in them may take them along: who else is in them is left out.

What others did beside somebody is not theirs to carry away (GDPR, article 15, paragraph 4).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from pushpull.importers.xapi.facts import Identity, identity_of

#: Stands where somebody else was.
SOMEBODY: Final[Mapping[str, Any]] = {"objectType": "Agent", "name": "somebody else"}
_LISTED: Final = {"contextAgents": "agent", "contextGroups": "group"}


def without_others(statement: Mapping[str, Any], own: Collection[Identity]) -> dict[str, Any]:
    """A statement in which everybody but one person is nobody in particular; its authority, a system, stays.

    Args:
        statement: valid.
        own: the identities of who takes it along.
    """
    shown = dict(statement)
    if "actor" in shown:
        shown["actor"] = _agent(shown["actor"], own)
    about = shown.get("object", {})
    if about.get("objectType") == "SubStatement":
        shown["object"] = without_others(about, own)
    elif about.get("objectType") in ("Agent", "Group"):
        shown["object"] = _agent(about, own)
    if "context" in shown:
        context = dict(shown["context"])
        context.update({name: _agent(context[name], own) for name in ("instructor", "team") if name in context})
        for name, inside in _LISTED.items():
            if name in context:
                context[name] = [{**each, inside: _agent(each[inside], own)} for each in context[name]]
        shown["context"] = context
    return shown


def _agent(agent: Mapping[str, Any], own: Collection[Identity]) -> dict[str, Any]:
    if agent.get("objectType") == "Group":
        members = {"member": [_agent(each, own) for each in agent["member"]]} if "member" in agent else {}
        return {**agent, **members}
    return dict(agent if identity_of(agent) in own else SOMEBODY)
