"""`pushpull evaluate` and `pushpull item compare`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import orjson
from sqlalchemy import Engine, insert, select, update

from pushpull.catalogue.tables import item, item_requirement
from pushpull.db import writing
from pushpull.learners.tables import learner, profile_fact
from tests.catalogue.test_evaluation import START, a_past
from tests.cli.conftest import Command

NOW = datetime(2026, 3, 18, 12, tzinfo=UTC)


def test_an_evaluation_says_who_foresees_more_and_how_sure_that_is(pushpull: Command, ledger: Engine) -> None:
    at = (START + timedelta(days=30)).isoformat()
    thin = pushpull("evaluate", "--as-of", at)
    assert "too thin to tell: 0 learners" in thin.out
    with writing(ledger) as connection:
        a_past(connection, learners=200, crafts=4, share_of_own=0.6, seed=3)
    told = pushpull("evaluate", "--as-of", at).out
    assert "NDCG" in told
    assert "the recommender foresees more than popularity does" in told
    found = orjson.loads(pushpull("evaluate", "--json", "--as-of", at, "--k", "5").out)
    assert (found["k"], found["verdict"], found["learners"]) == (5, "better", 200)


def test_items_are_compared_by_their_keys_or_for_a_learner(company: Command, ledger: Engine) -> None:
    with writing(ledger) as connection:
        connection.execute(update(item).where(item.c.id == 1).values(level="[basic]", minutes=None))
        connection.execute(insert(item_requirement).values(item_id=2, requires_key="feedback-101"))
    told = company("item", "compare", "feedback-101", "focus-time").out
    for words in ("Give feedback", "Protect your focus", "[basic]", "unknown", "too few"):
        assert words in told
    assert "two to 3 items are compared, not 1" in company("item", "compare", "feedback-101").error
    assert "no item has the key 'nope'" in company("item", "compare", "feedback-101", "nope").error
    assert company("item", "compare").code == 2
    with writing(ledger) as connection:
        who = connection.execute(select(learner.c.id).where(learner.c.external_id == "e4")).scalar_one()
        fact = {"kind": "goal", "value": "give feedback, write clearly", "source": "declared", "confidence": 1.0}
        connection.execute(insert(profile_fact).values(learner_id=who, recorded_at=NOW, **fact))
    told = company("item", "compare", "--learner", "e4", "--as-of", NOW.isoformat()).out
    assert "Write clearly" in told
    assert "Protect your focus" not in told  # requires what they have not done
    assert "no learner has the external id 'nobody'" in company("item", "compare", "--learner", "nobody").error
