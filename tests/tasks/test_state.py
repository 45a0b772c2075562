"""What sync folds of what learners said: the ratings of items."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine, delete, select, update

from pushpull.catalogue.ratings import shrunk
from pushpull.catalogue.tables import item
from pushpull.db import reading, writing
from pushpull.learners.reviews import rate
from pushpull.learners.tables import review
from pushpull.ledger.links import LinkSigner
from pushpull.settings import Settings
from tasks.installation import Installation, installed
from tasks.state import fold_ratings
from tests.learners.peers import DAY, NOW, company, completed


def test_ratings_follow_reviews_when_somebody_is_erased_or_a_catalogue_says_otherwise(
    engine: Engine, tmp_path: Path
) -> None:
    with writing(engine) as connection:
        company(connection)
        for who, stars in ((1, 5), (2, 4), (3, 1)):
            completed(connection, who, 1, NOW - DAY)
            rate(connection, who, 1, rating=stars, at=NOW)
        connection.execute(delete(review).where(review.c.learner_id == 3))
        connection.execute(update(item).where(item.c.id == 2).values(rating=4.5))  # nobody reviewed it
    chosen = Settings(database_url="sqlite://", outbox_dir=tmp_path / "outbox")
    with installed(Installation(settings=chosen, engine=engine, links=LinkSigner.of(chosen), adapters={})):
        assert fold_ratings(NOW + DAY) == 1
        assert fold_ratings(NOW + DAY) == 0
    with reading(engine) as connection:
        ratings = dict(connection.execute(select(item.c.id, item.c.rating)).all())
    assert ratings == {1: pytest.approx(shrunk(9, 2, (5 * 3 + 9) / 7)), 2: 4.5, 3: None}
