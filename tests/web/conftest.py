"""A small company behind the web app: one learner, one campaign, two items."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from sqlalchemy import Engine, insert, select, update

from pushpull.catalogue.tables import item
from pushpull.db import reading, writing
from pushpull.learners.tables import consent, learner, progress
from pushpull.ledger.links import LinkSigner
from pushpull.ledger.tables import campaign, campaign_item
from pushpull.settings import Settings
from web.app import create_app

NOW = datetime.now(UTC)
BASE = "https://learn.example"


@dataclass
class Place:
    """The app, its database and its links."""

    client: TestClient
    engine: Engine
    signer: LinkSigner
    settings: Settings

    def landing(self, *, item_id: int | None = 1, expires: datetime = NOW + timedelta(days=10), who: int = 1) -> str:
        return self.path(self.signer.landing_url(who, 1, item_id, 1, 0, expires))

    def unsubscribe(self, *, channel: str = "email", family: str = "learning", who: int = 1) -> str:
        return self.path(self.signer.unsubscribe_url(who, channel, family))

    def preferences(self, who: int = 1) -> str:
        return self.path(self.signer.preferences_url(who))

    def fill_in(self, path: str, fields: Mapping[str, Any], **headers: str) -> Response:
        """Send the form on the page of a link, as the page shows it: with its token."""
        shown = self.signer.form_token(path.split("/")[2])
        return self.client.post(path, data={"form_token": shown, **fields}, headers=headers)

    @staticmethod
    def path(url: str) -> str:
        assert url.startswith(BASE)
        return url.removeprefix(BASE)

    def said(self) -> set[tuple[str, str, bool]]:
        """What the learners said about channels and families."""
        with reading(self.engine) as connection:
            rows = connection.execute(select(consent.c.channel, consent.c.family, consent.c.granted))
            return {(row.channel, row.family, row.granted) for row in rows}

    def change(self, table: object, **values: object) -> None:
        with writing(self.engine) as connection:
            connection.execute(update(table).where(table.c.id == 1).values(**values))  # type: ignore[attr-defined]


@pytest.fixture
def place(engine: Engine, tmp_path: Path) -> Iterator[Place]:
    settings = Settings(
        _env_file=None, base_url=BASE, link_key="a secret of the tests alone", outbox_dir=tmp_path / "outbox"
    )
    stamps = {"created_at": NOW, "updated_at": NOW}
    with writing(engine) as connection:
        connection.execute(
            insert(learner).values(
                id=1, external_id="p-1", given_name="Ada", email="ada@example.org", teams_id="29:ada",
                phone="+4915112345678", preferred_language="de-AT", draw=7, active=True, **stamps,
            )
        )  # fmt: skip
        for item_id, title in ((1, "Saying no kindly"), (2, "Better breaks")):
            url = f"https://courses.example/{item_id}"
            connection.execute(
                insert(item).values(id=item_id, key=f"i-{item_id}", title=title, url=url, minutes=5, **stamps)
            )
        connection.execute(
            insert(campaign).values(
                id=1, key="spring", name="Spring", family="learning", message_class="nudge", priority=0,
                definition={}, content_hash="", updated_at=NOW,
            )
        )  # fmt: skip
        connection.execute(
            insert(campaign_item),
            [{"campaign_id": 1, "item_id": 1, "position": 0}, {"campaign_id": 1, "item_id": 2, "position": 1}],
        )
        connection.execute(
            insert(progress).values(
                learner_id=1, item_id=2, status="started",
                place_title="Chapter 3", place_url="https://courses.example/2#3",
            )
        )  # fmt: skip
    with TestClient(create_app(settings, engine), base_url=BASE, follow_redirects=False) as client:
        yield Place(client, engine, LinkSigner.of(settings), settings)
