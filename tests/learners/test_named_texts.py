"""Texts by id, as a table that statements join."""

from __future__ import annotations

from sqlalchemy import Engine, select

from pushpull.learners.lists import texts_by_id


def test_texts_come_back_by_their_ids_whatever_is_in_them(engine: Engine) -> None:
    texts = {1: "SM1", 2: None, 2**40: 'it\'s "quoted" {1,2}\n\\ ü'}
    with engine.connect() as connection:
        rows = connection.execute(select(texts_by_id(connection, texts))).all()
    assert {row.id: row.text for row in rows} == texts
