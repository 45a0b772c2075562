"""How an installation is put together from settings and what the database knows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, func, select

from channels.not_set_up import NotSetUp
from channels.sandbox import SandboxChannel
from pushpull.db import open_database, reading, writing
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.provider_objects import ASM_GROUP, SENDGRID, keep, made, unsubscribe_groups
from pushpull.ledger.tables import provider_object
from pushpull.migrations import upgrade
from pushpull.settings import Settings
from tasks.installation import Installation, assemble
from tests.channels.installations import settings_with

AT = datetime(2026, 1, 12, tzinfo=UTC)


@contextmanager
def assembled(tmp_path: Path, chosen: Settings) -> Iterator[Installation]:
    here = assemble(chosen.model_copy(update={"database_url": f"sqlite:///{tmp_path / 'pushpull.db'}"}))
    try:
        yield here
    finally:
        here.engine.dispose()


def test_without_settings_nothing_leaves_the_machine(tmp_path: Path) -> None:
    with assembled(tmp_path, Settings(_env_file=None, outbox_dir=tmp_path)) as here:
        assert {type(adapter) for adapter in here.adapters.values()} == {SandboxChannel}


def test_credentials_alone_send_nothing(tmp_path: Path) -> None:
    chosen: Any = {"outbox_dir": tmp_path}
    with assembled(tmp_path, settings_with(**chosen)) as here:
        assert here.accounts.sendgrid is not None
        assert {type(adapter) for adapter in here.adapters.values()} == {SandboxChannel}


def test_unsubscribe_groups_kept_in_the_database_reach_the_account(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'pushpull.db'}")
    upgrade(engine)
    with writing(engine) as connection:
        keep(connection, SENDGRID, ASM_GROUP, key="learning", value="14", at=AT)
    engine.dispose()
    with assembled(tmp_path, settings_with(channels="email")) as here:
        assert here.accounts.sendgrid is not None
        assert here.accounts.sendgrid.groups == {"learning": 14}
        assert not isinstance(here.adapters[Channel.EMAIL], NotSetUp)
        assert isinstance(here.adapters[Channel.SMS], NotSetUp)


def test_a_text_message_can_be_looked_up_by_the_links_of_the_installation(tmp_path: Path) -> None:
    with assembled(tmp_path, settings_with(channels="sms")) as here:
        assert here.adapters[Channel.SMS].can_look_up


def test_what_was_made_at_a_provider_is_kept_under_our_name_and_replaced_by_what_is_made_next(engine: Engine) -> None:
    with writing(engine) as connection:
        for value, at in (("14", AT), ("15", AT + timedelta(days=1)), ("15", AT + timedelta(days=2))):
            keep(connection, SENDGRID, ASM_GROUP, key="learning", value=value, at=at)
        keep(connection, SENDGRID, "webhook", key="learning", value="w", at=AT)
        keep(connection, "twilio", ASM_GROUP, key="obligations", value="1", at=AT)
    with reading(engine) as connection:
        assert unsubscribe_groups(connection) == {"learning": 15}
        assert made(connection, SENDGRID, "webhook") == {"learning": "w"}
        assert connection.execute(select(func.count()).select_from(provider_object)).scalar_one() == 3
