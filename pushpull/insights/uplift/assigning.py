"""The waves by which a learner counts as assigned to a side. What they did then is asked beside this module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from pushpull.learners.segments import EVERYONE, Segment
from pushpull.ledger.specs import WaveSpec
from pushpull.ledger.tables import wave


def assigning_waves(connection: Connection, campaign_ids: Sequence[int], *, until: datetime) -> list[int]:
    """The waves by which a learner counts as assigned.

    A wave that picks people by what they did, such as a reminder after silence, finds others among the treated than
    among those held out, because the treated were written to before: counting people from it would compare unlike with
    unlike. So these count: the waves of a campaign's first day, before anybody was written to, and later ones that look
    at nothing but who somebody is.
    """
    found = connection.execute(
        select(wave.c.id, wave.c.campaign_id, wave.c.on_day, wave.c.spec)
        .where(wave.c.campaign_id.in_(campaign_ids), wave.c.planned_at.is_not(None), wave.c.planned_as_of <= until)
        .order_by(wave.c.planned_as_of, wave.c.id)
    ).all()
    first_day: dict[int, Any] = {}
    for each in found:
        first_day.setdefault(each.campaign_id, each.on_day)
    return [each.id for each in found if each.on_day == first_day[each.campaign_id] or _is_blind(each.spec)]


def _is_blind(stored: Mapping[str, Any]) -> bool:
    """Whether a wave looks at nothing that a message may have changed."""
    if not stored:
        return True
    spec = WaveSpec.model_validate(stored)
    chooses = (spec.due_offset is not None, spec.inactive_days, spec.inactive_rhythm, spec.once_per_absence)
    if any(chooses) or spec.is_habit or spec.champions:
        return False
    return all(_asks_who_they_are(part) for part in (spec.audience, spec.target or EVERYONE))


def _asks_who_they_are(segment: Segment) -> bool:
    """Whether a segment asks for the learner's own fields and tags alone."""

    def is_about_fields(node: Any) -> bool:
        if not isinstance(node, Mapping):
            return False
        parts = [*node.get("all", ()), *node.get("any", ()), *([node["not"]] if "not" in node else [])]
        if parts:
            return all(is_about_fields(part) for part in parts)
        return bool({"everyone", "field", "tag", "tags"} & set(node))

    return is_about_fields(segment.model_dump(mode="json", by_alias=True, exclude_none=True))
