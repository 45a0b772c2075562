"""A small company behind a web app that really runs, for browsers to walk through: nothing here leaves the machine."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from sqlalchemy import Connection, Engine, insert, select, update

from channels.parcels import parcel_folder, read
from channels.sandbox import SandboxChannel
from content.campaign import Campaign, campaign_spec, load_campaign, stage_waves
from deployments.ports import free_port
from pushpull.catalogue.tables import item
from pushpull.db import open_database, reading, writing
from pushpull.insights.sample import make_company
from pushpull.learners.progress import fold_activity
from pushpull.learners.tables import activity, learner, profile_fact
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.campaigns import register
from pushpull.ledger.links import LANDING_LIFETIME, LinkSigner
from pushpull.ledger.planning import plan
from pushpull.ledger.tables import campaign, delivery, fetch, pick, wave
from pushpull.migrations import upgrade
from pushpull.settings import Settings
from tasks.installation import Installation, installed
from tasks.mailing import carry_letters
from web.app import create_app

CAMPAIGN = "two-minutes-a-day"


@dataclass(frozen=True)
class Place:
    """The web app, and the learner who visits it.

    Args:
        base: its address.
        learner_id: somebody with recommendations, who reads English and has begun with an item.
        started, untouched: an item they began with, and one they did not.
    """

    base: str
    engine: Engine
    settings: Settings
    signer: LinkSigner
    learner_id: int
    campaign_id: int
    wave_id: int
    started: int
    untouched: int
    _given: set[int] = field(default_factory=set)
    _used: set[str] = field(default_factory=set)

    def landing(self, *, who: int | None = None, item_id: int | None = None, expires: datetime | None = None) -> str:
        """A link of a message."""
        until = expires or datetime.now(UTC) + LANDING_LIFETIME
        return self.signer.landing_url(who or self.learner_id, self.campaign_id, item_id, self.wave_id, 0, until)

    def somebody_else(self) -> int:
        """A learner who reads English, has an address, and was not yet given by this."""
        with reading(self.engine) as connection:
            found = connection.execute(
                select(learner.c.id)
                .where(learner.c.preferred_language.like("en%"), learner.c.email.is_not(None), learner.c.active)
                .where(learner.c.id != self.learner_id, learner.c.id.not_in(self._given))
                .order_by(learner.c.id)
                .limit(1)
            ).scalar_one()
        self._given.add(found)
        return found

    def link_in_mail(self, path: str, *, seconds: float = 10) -> str:
        """The link of the newest letter that leads to such a path; waits for the letter.

        Raises:
            AssertionError: none comes in time.
        """
        give_up = time.monotonic() + seconds
        while time.monotonic() < give_up:
            found = re.findall(rf"{re.escape(self.base + path)}\S+", self._newest_mail())
            if found and found[0] not in self._used:
                self._used.add(found[0])
                return str(found[0])
            time.sleep(0.05)
        raise AssertionError(f"no mail with {path}")

    def readers_of(self, who: int) -> set[str]:
        """Whom the openings of a learner's links were taken for."""
        with reading(self.engine) as connection:
            return set(connection.execute(select(fetch.c.reader).where(fetch.c.learner_id == who)).scalars())

    def speak(self, language: str) -> None:
        """The learner reads another language from now on."""
        with writing(self.engine) as connection:
            connection.execute(
                update(learner).where(learner.c.id == self.learner_id).values(preferred_language=language)
            )

    def _newest_mail(self) -> str:
        folder = parcel_folder(self.settings.outbox_dir)
        files = sorted((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_mtime_ns)
        mails = [data for path in files for _, data in read(path).messages()]
        if not mails:
            return ""
        part = message_from_bytes(mails[-1], policy=policy.default).get_body(("plain",))
        return str(part.get_content()) if part else ""


@contextmanager
def open_place(folder: Path, **more: Any) -> Iterator[Place]:
    """The web app in a thread of this process, on a port of its own.

    Args:
        folder: for its database.
        more: settings.
    """
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    settings = Settings(
        _env_file=None,
        database_url=f"sqlite:///{folder / 'place.db'}",
        base_url=base,
        link_key="a secret of the tests alone",
        outbox_dir=folder / "outbox",
        **more,
    )
    engine = open_database(settings.database_url)
    upgrade(engine)
    with writing(engine) as connection:
        found = _furnish(connection, settings.content_dir, datetime.now(UTC))
    _plan(engine, settings.content_dir, datetime.now(UTC))
    with reading(engine) as connection:
        wave_id, who = _recommended(connection)
    with writing(engine) as connection:
        _begin(connection, who, found["started"], datetime.now(UTC))
    here = Place(base, engine, settings, LinkSigner.of(settings), who, wave_id=wave_id, **found)
    try:
        with _letters_sent(here), _served(create_app(settings, engine, letters=carry_letters, limits=None), port):
            yield here
    finally:
        engine.dispose()


@contextmanager
def _letters_sent(here: Place) -> Iterator[None]:
    """Letters that are asked for come to the outbox."""
    adapters = {Channel.EMAIL: SandboxChannel(Channel.EMAIL, here.settings.outbox_dir)}
    with installed(Installation(settings=here.settings, engine=here.engine, links=here.signer, adapters=adapters)):
        yield


@contextmanager
def _served(app: FastAPI, port: int) -> Iterator[None]:
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        give_up = time.monotonic() + 30
        while not server.started and time.monotonic() < give_up:
            time.sleep(0.02)
        yield
    finally:
        server.should_exit = True
        thread.join(10)


def _the_campaign(content: Path, today: datetime) -> Campaign:
    """The example campaign, as if it had begun a week ago."""
    start = today.date() - timedelta(days=today.weekday() + 7)
    return load_campaign(CAMPAIGN, content).model_copy(update={"start": start})


def _furnish(connection: Connection, content: Path, now: datetime) -> dict[str, int]:
    company = make_company(connection, seed=7, size=120, now=now - timedelta(days=14))
    campaign_id = register(connection, campaign_spec(_the_campaign(content, now)), now=now)
    keys = list(company.item_ids)
    return {
        "campaign_id": campaign_id,
        "started": company.item_ids["feedback-101"],
        "untouched": company.item_ids[next(key for key in keys if key != "feedback-101")],
    }


def _plan(engine: Engine, content: Path, now: datetime) -> None:
    """The first waves of the campaign that recommend something, as they were planned on their day."""
    this = _the_campaign(content, now)
    for days in range(60):
        day = this.start + timedelta(days=days)
        for spec in stage_waves(this, "recommendations", day):
            if spec.item_count:
                loose = spec.model_copy(update={"after": (), "min_gap_days": 0, "holdout": 0.0})
                plan(engine, loose, as_of=datetime.combine(day, datetime.min.time(), tzinfo=UTC))
                return
    raise AssertionError("the example campaign recommends nothing")


def _recommended(connection: Connection) -> tuple[int, int]:
    """The wave, and a learner it recommends something to who reads English."""
    row = connection.execute(
        select(wave.c.id, learner.c.id.label("who"))
        .join(pick, pick.c.wave_id == wave.c.id)
        .join(learner, learner.c.id == pick.c.learner_id)
        .join(delivery, (delivery.c.wave_id == wave.c.id) & (delivery.c.learner_id == learner.c.id))
        .where(learner.c.preferred_language.like("en%"), learner.c.email.is_not(None))
        .order_by(learner.c.id)
        .limit(1)
    ).one()
    return row.id, row.who


def _begin(connection: Connection, who: int, item_id: int, now: datetime) -> None:
    """The learner stopped in the middle of an item yesterday, and said what they learn for."""
    connection.execute(update(item).where(item.c.url.is_(None)).values(url="https://learning.larkfield.example/open"))
    connection.execute(
        insert(activity).values(
            learner_id=who, source="test", source_id=f"begun-{who}", verb="progressed", item_id=item_id,
            occurred_at=now - timedelta(days=1), stored_at=now, minutes=3.0,
        )
    )  # fmt: skip
    last = connection.execute(select(activity.c.id).order_by(activity.c.id.desc()).limit(1)).scalar_one()
    fold_activity(connection, after_activity_id=last - 1, as_of=now)
    connection.execute(
        insert(profile_fact).values(
            learner_id=who, kind="goal", value="give feedback that helps", source="declared", confidence=1.0,
            recorded_at=now,
        )
    )  # fmt: skip
    connection.execute(update(campaign).values(status="open"))
