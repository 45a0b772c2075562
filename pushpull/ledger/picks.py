"""What a wave recommends to whom, decided while it is planned and kept with its reason.

Asking the catalogue's recommender happens here; how it chooses does not.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, insert, select, update

from pushpull.ledger.tables import delivery, pick
from pushpull.ledger.terms import Terms
from pushpull.ledger.vocabulary import DeliveryState, Reason

#: Learners asked for at once; bounds the memory.
_BATCH = 2_000


def pick_items(connection: Connection, rules: Terms, *, wave_id: int, rotation_number: int) -> int:
    """Pick items for everybody a rotation will be sent to; who gets none is skipped with that reason.

    Returns:
        How many learners got picks.
    """
    from pushpull.catalogue.recommend import Recommender  # numerical libraries: only waves that recommend pay for them

    recommender = Recommender.load(connection, as_of=rules.as_of)
    served = 0
    last = 0
    while True:
        people = connection.execute(
            select(delivery.c.learner_id, delivery.c.language)
            .where(
                delivery.c.wave_id == wave_id,
                delivery.c.rotation == rotation_number,
                delivery.c.learner_id > last,
                delivery.c.state == DeliveryState.PLANNED.value,
            )
            .order_by(delivery.c.learner_id)
            .limit(_BATCH)
        ).all()
        if not people:
            return served
        last = people[-1].learner_id
        picked = recommender.recommend(
            connection,
            [row.learner_id for row in people],
            count=rules.spec.item_count,
            trend_tags=rules.spec.trend_tags,
            languages_of={row.learner_id: row.language for row in people},
            campaign_item_ids=rules.item_ids,
        )
        rows = [
            {
                "wave_id": wave_id,
                "rotation": rotation_number,
                "learner_id": learner_id,
                "position": position,
                "item_id": each.item_id,
                "reason_kind": each.reason_kind,
                "reason_value": each.reason_value,
                "score": each.score,
            }
            for learner_id, picks in picked.items()
            for position, each in enumerate(picks)
        ]
        if rows:
            connection.execute(insert(pick), rows)
        nothing = [row.learner_id for row in people if not picked.get(row.learner_id)]
        _skip(connection, wave_id, rotation_number, nothing)
        served += len(people) - len(nothing)


def _skip(connection: Connection, wave_id: int, rotation_number: int, learner_ids: Sequence[int]) -> None:
    if learner_ids:
        connection.execute(
            update(delivery)
            .where(
                delivery.c.wave_id == wave_id,
                delivery.c.rotation == rotation_number,
                delivery.c.learner_id.in_(learner_ids),
            )
            .values(state=DeliveryState.SKIPPED.value, reason=Reason.NOTHING_TO_RECOMMEND.value)
        )
