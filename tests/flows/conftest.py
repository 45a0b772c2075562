"""A small company around the example campaign, and one Prefect for all tests of a process."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from prefect.testing.utilities import prefect_test_harness
from sqlalchemy import Engine, insert

from channels.sandbox import SandboxChannel
from content.campaign import load_campaign
from pushpull.catalogue.tables import item
from pushpull.db import writing
from pushpull.learners.consent import draw_for
from pushpull.learners.tables import learner
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.links import LinkSigner
from pushpull.settings import Settings
from tasks.installation import Installation, installed

CAMPAIGN = "two-minutes-a-day"
PEOPLE = 40


@pytest.fixture(scope="session")
def prefect() -> Iterator[None]:
    """Prefect's API with a database of its own."""
    no_heartbeat = temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None})
    with prefect_test_harness(server_startup_timeout=120), no_heartbeat:
        yield


@pytest.fixture
def company(engine: Engine, tmp_path: Path) -> Iterator[Installation]:
    """Forty learners in Berlin and New York, the catalogue the campaign needs, an outbox of its own."""
    made = datetime(2025, 12, 1, tzinfo=UTC)
    stamps = {"created_at": made, "updated_at": made}
    with writing(engine) as connection:
        connection.execute(
            insert(item),
            [
                {"key": key, "title": key, "language": "en", "minutes": 5, "active": True, **stamps}
                for key in ("feedback-101", "focus-time", "clear-writing")
            ],
        )
        connection.execute(
            insert(learner),
            [
                {
                    "external_id": f"e{number}",
                    "given_name": f"Given{number}",
                    "email": f"e{number}@example.org",
                    "preferred_language": ("en", "de", "fr", "es")[number % 4],
                    "timezone": ("Europe/Berlin", "America/New_York")[number % 2],
                    "draw": draw_for(f"e{number}"),
                    **stamps,
                }
                for number in range(PEOPLE)
            ],
        )
    chosen = Settings(database_url="sqlite://", outbox_dir=tmp_path / "outbox")
    adapters = {channel: SandboxChannel(channel, chosen.outbox_dir) for channel in Channel}
    here = Installation(settings=chosen, engine=engine, links=LinkSigner.of(chosen), adapters=adapters)
    with installed(here):
        yield here


@pytest.fixture
def launch_day() -> datetime:
    """Five past midnight in Berlin on the campaign's first day."""
    start = load_campaign(CAMPAIGN).start
    return datetime(start.year, start.month, start.day, tzinfo=UTC) - timedelta(minutes=55)
