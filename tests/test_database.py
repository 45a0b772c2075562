"""What the database's errors may say: they end up in logs and in Prefect, where personal data has no place."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, insert
from sqlalchemy.exc import SQLAlchemyError

from pushpull.db import writing
from pushpull.learners.tables import learner


def test_a_statement_that_fails_says_nothing_about_the_people_it_was_about(engine: Engine) -> None:
    now = datetime.now(UTC)
    row = {"external_id": "p-1", "email": "ada.lovelace@example.org", "display_name": "Ada Lovelace", "draw": None}
    with pytest.raises(SQLAlchemyError) as failed, writing(engine) as connection:
        connection.execute(insert(learner), [{**row, "created_at": now, "updated_at": now}])
    said = f"{failed.value} {failed.value!r}"
    said += f" {failed.value.__cause__!r}"
    assert "INSERT INTO learner" in said
    assert "null" in said.lower(), "what was wrong is still said"
    assert "ada" not in said.lower()
