"""What the tests of a learner's page do and read: coming by a link, what the page says, rows around it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from html import unescape
from itertools import count
from typing import Any

from sqlalchemy import event, insert

from pushpull.catalogue.tables import item
from pushpull.db import writing
from pushpull.learners.tables import (
    activity,
    learner,
)
from pushpull.ledger.links import Claims, Purpose
from pushpull.ledger.tables import delivery, pick, rotation, wave
from tests.web.conftest import NOW, Place

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
STAMPS = {"created_at": NOW, "updated_at": NOW}
_records = count(1)


def come(
    place: Place,
    *,
    campaign_id: int | None = 1,
    item_id: int | None = None,
    wave_id: int | None = None,
    ago: timedelta = timedelta(),
) -> None:
    """Open the page's door as a link does."""
    claims = Claims(Purpose.LANDING, 1, "", campaign_id=campaign_id, item_id=item_id, wave_id=wave_id, rotation=0)
    token = place.signer.session_token(claims, datetime.now(UTC) - ago + 2 * HOUR)
    place.client.cookies.set("__Host-pushpull", token)


def shown(place: Place, path: str = "/me") -> str:
    answer = place.client.get(path)
    assert answer.status_code == 200
    return unescape(answer.text)


def text_of(page: str) -> str:
    """What the page says, on one line."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page.partition("<main")[2]))


def titles(page: str) -> list[str]:
    """The queue in order."""
    return re.findall(r'<(?:p><a href="/me/start/\d+"|/span)><span(?: lang="\w+")?>(.*?)</span>', page)


def post(place: Place, **fields: str) -> Any:
    token = re.search(r'name="form_token" value="(.*?)"', shown(place))
    return place.client.post("/me/queue", data={"form_token": token[1] if token else "", **fields})


def add(place: Place, table: Any, **values: Any) -> None:
    with writing(place.engine) as connection:
        connection.execute(insert(table).values(**values))


def add_item(place: Place, item_id: int, title: str, **values: Any) -> None:
    values = {"url": f"https://courses.example/{item_id}", **values}
    add(place, item, id=item_id, key=f"i-{item_id}", title=title, **values, **STAMPS)


def add_activity(place: Place, at: datetime, minutes: float | None = None, **values: Any) -> None:
    values = {"learner_id": 1, "verb": "progressed", "source": "test", "stored_at": at, **values}
    add(place, activity, source_id=str(next(_records)), occurred_at=at, minutes=minutes, **values)


def add_wave(place: Place, wave_id: int = 1, *, campaign_id: int = 1, state: str = "accepted", **spec: Any) -> None:
    add(
        place, wave, id=wave_id, campaign_id=campaign_id, key=f"s.w@{wave_id}", series="s.w", on_day=NOW.date(),
        stage="s", message_key="m", touch="pull", message_class="nudge", family="learning",
        scheduled_for=NOW - DAY + wave_id * HOUR, expires_at=NOW, spec=spec,
    )  # fmt: skip
    add(place, rotation, wave_id=wave_id, rotation=0, reason="planned", cohort={}, as_of=NOW)
    add(place, delivery, wave_id=wave_id, rotation=0, learner_id=1, state=state, arm="treated")


def add_pick(place: Place, item_id: int, kind: str, value: str, *, wave_id: int = 1, score: float = 1.0) -> None:
    add(
        place, pick, wave_id=wave_id, rotation=0, learner_id=1, position=item_id, item_id=item_id, reason_kind=kind,
        reason_value=value, score=score,
    )  # fmt: skip


def speak(place: Place, language: str) -> None:
    place.change(learner, preferred_language=language)


@contextmanager
def statements(place: Place) -> Iterator[list[str]]:
    said: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        said.append(statement)

    event.listen(place.engine, "before_cursor_execute", note)
    yield said
    event.remove(place.engine, "before_cursor_execute", note)
